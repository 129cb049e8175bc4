/* routes.h: the list of all tables of routes. Each protocol's table is in its own file. */
#ifndef CG_REST_ROUTES_H
#define CG_REST_ROUTES_H

#include "rest/http/call.h"

/* For router_init. */
extern const struct route_table *const routes[];

#endif
