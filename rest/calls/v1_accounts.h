/* v1_accounts.h: accounts of Chaguan's own, for applications without a backend that issues tokens:
 *
 *   POST /v1/signup {name, password, invite?} → {user, token, expires}   setting: signup
 *   POST /v1/login {name, password} → {user, token, expires}
 *   POST /v1/token/refresh → {user, token, expires}   with a token of Chaguan's own
 *
 * `user` is the account's name, which is the application's id of its user; `expires` is Unix time in milliseconds. */
#ifndef CG_REST_CALLS_V1_ACCOUNTS_H
#define CG_REST_CALLS_V1_ACCOUNTS_H

#include "rest/http/call.h"

extern const struct route_table v1_accounts_routes;

#endif
