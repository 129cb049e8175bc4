/* routes.h: every call that there is. A protocol has a table of its own in its own file; this is where it is named. */
#ifndef CG_REST_ROUTES_H
#define CG_REST_ROUTES_H

#include "rest/http/call.h"

/* For router_init. */
extern const struct route_table *const routes[];

#endif
