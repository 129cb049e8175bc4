/* app_search.h: the server API's search. */
#ifndef CG_REST_CALLS_APP_SEARCH_H
#define CG_REST_CALLS_APP_SEARCH_H

#include "rest/http/call.h"

extern const struct route_table app_search_routes;

#endif
