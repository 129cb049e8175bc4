/* router.h: which function answers a request, and the rules that hold for all of them: method, size
 * and wholeness of the body, the failure's body, the counters. Handlers check only their own fields. */
#ifndef CG_REST_ROUTER_H
#define CG_REST_ROUTER_H

#include "common/buf.h"
#include "common/settings.h"
#include "rest/http.h"

struct store;
struct presence;

/* What a handler may use: the connections of the thread it runs on. */
struct backends {
    const struct settings *settings;
    struct store *store;
    struct presence *presence;
};

/* Answers one request: looks at `body` (empty for a route that takes none), appends the success body
 * to `out` and returns the HTTP status. From 400 on the router throws away what is in `out` and puts
 * the route's failure body there, so a handler only returns. */
typedef int route_handler(const struct backends *backends, struct str body, struct buf *out);

/* Answers `request`, whatever it is; never fails. */
void router_serve(const struct backends *backends, const struct http_request *request,
                  struct http_response *response);

/* Appends one line per route: method, path, what it is for. */
void router_describe(struct buf *out);

#endif
