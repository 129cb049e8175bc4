/* router.h: which function answers a request, and the rules that hold for all of them: method, path
 * parameters, query, size and wholeness of the body, the failure's body, the counters. Handlers check
 * only their own fields. */
#ifndef CG_REST_ROUTER_H
#define CG_REST_ROUTER_H

#include "rest/http/call.h"

/* The tables of all routes, in their order; the last one is NULL. Once, before the first request; borrowed. */
void router_init(const struct route_table *const *tables);

typedef void router_answer(const struct backends *backends, const struct http_request *request,
                           struct http_response *response);

/* Answers `request`, whatever it is; never fails. */
router_answer router_serve;
/* Answers it with 503, in the form of its route: too many requests wait. */
router_answer router_refuse;

/* Appends one line per route: method, path, what it is for. */
void router_describe(struct buf *out);

#endif
