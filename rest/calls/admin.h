/* admin.h: mutes, bans and kicks as REST calls, with the admin token. */
#ifndef CG_REST_CALLS_ADMIN_H
#define CG_REST_CALLS_ADMIN_H

#include "rest/http/call.h"

extern const struct route_table admin_routes;

/* Checks the request's admin token: 0, or the status to return. */
int admin_check(struct call *call) CG_MUST_CHECK;

#endif
