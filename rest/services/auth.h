/* auth.h: whom a request speaks for, and logging in. */
#ifndef CG_REST_SERVICES_AUTH_H
#define CG_REST_SERVICES_AUTH_H

#include "common/id.h"
#include "common/rights.h"
#include "common/store/store.h"
#include "rest/http/call.h"

/* The request's token: the header `token`, or `Authorization: Bearer`. Whether it is still good is known once its user
 * was looked up: rights_accept. token_fini. */
enum token_refusal auth_token(const struct call *call, struct token *token) CG_MUST_CHECK;
/* 401, with the reason for the caller; counted and logged. */
int auth_refused(struct call *call, enum token_refusal refusal);
/* The same, and token->user_id is set of a user of the application's, too, who is made at first sight: 200, 401, 503 or
 * 504. token_fini after 200. With doors = token, only the application's users may call. */
int auth_who(struct call *call, struct token *token);
/* Whether the request's token is that user's, whose rights these are, and still good. */
bool auth_is(const struct call *call, struct str user_id, const struct rights *rights);
/* Who a call of a door speaks as: whom it names, or with doors = token who the token says, whoever is named. */
struct str auth_own(const struct call *call, struct str named);
/* The same as 200, or 401 with the reason; where others need no token, one that is missing is no reason of its own. */
int auth_must_be(struct call *call, struct str user_id, const struct rights *rights);

struct auth_login {
    uint64_t user;
    char user_id[ID_MAX];
    uint32_t generation; /* of the user's rights */
    bool has_password;
};

/* Finds or makes the user of that name in a realm where a password is optional:
 *   - the same name is the same user;
 *   - whoever first gives a password for a name sets it, and from then on it is needed;
 *   - `password` NULL: none was given.
 * Returns 200 or a status for the caller to return: 400 it can be no password or no (new) name, 401 one is needed or it is wrong, 429
 * or 503 (too many are at it) with call->retry_after_s set, 501 a password was to be set but without jwt_secret no
 * token could ever be given for it. */
int auth_login(struct call *call, enum store_realm realm, struct str name, const struct str *password,
               struct auth_login *login);

/* Appends `,"token":"…","expires":MS` for who has logged in (Unix time, milliseconds). False: no tokens are given
 * out. */
bool auth_add_token(const struct call *call, const struct auth_login *login);

#endif
