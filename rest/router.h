/* router.h: finds the handler of a request, and applies the rules common to all: method, path parameters, query, size
 * and completeness of the body, failure bodies, counters. Handlers check only their own fields. Any thread. */
#ifndef CG_REST_ROUTER_H
#define CG_REST_ROUTER_H

#include "rest/http/call.h"

/* Sets the tables of all routes, in order, ending with NULL. Borrowed. Call it once, before the first request. */
void router_init(const struct route_table *const *tables);

typedef void router_answer(const struct backends *backends, const struct http_request *request,
                           struct http_response *response);

/* Answers any request; never fails. */
router_answer router_serve;
/* Answers with 503 in the form of the request's route, because too many requests wait. */
router_answer router_refuse;

/* Appends one line per route: method, path, what it is for. */
void router_describe(struct buf *out);

#endif
