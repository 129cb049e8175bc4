/* app_users.h: the server API's calls about users of the application. */
#ifndef CG_REST_CALLS_APP_USERS_H
#define CG_REST_CALLS_APP_USERS_H

#include "rest/http/call.h"

extern const struct route_table app_users_routes;

#endif
