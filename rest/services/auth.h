/* auth.h: authenticates the user of a request, and logs users in. Any thread, with the call's own backends. */
#ifndef CG_REST_SERVICES_AUTH_H
#define CG_REST_SERVICES_AUTH_H

#include "common/id.h"
#include "common/rights.h"
#include "common/store/store.h"
#include "rest/http/call.h"

/* Verifies the request's token: the header `token`, or `Authorization: Bearer`. Whether it was revoked must be checked
 * after the user was looked up (rights_accept). Free it with token_fini if it is valid. */
enum token_refusal auth_token(const struct call *call, struct token *token) CG_MUST_CHECK;
/* Refuses the call because of its token: returns ERR_DENIED with the reason in `call`. Counted and logged. */
enum err auth_refused(struct call *call, enum token_refusal refusal);
/* The same, and sets token->user_id for an application's user, too, who is created if new. ERR_DENIED: the token is
 * invalid; other errors are the store's. Free it with token_fini after ERR_OK. With doors = token only the
 * application's users may call. */
enum err auth_who(struct call *call, struct token *token) CG_MUST_CHECK;
/* Whether the request has a valid token of that user, with these rights. */
bool auth_is(const struct call *call, struct str user_id, const struct rights *rights);
/* The user that a front end's call acts as: the one it names, or with doors = token always the token's user. */
struct str auth_own(const struct call *call, struct str named);
/* Checks the same as auth_is: ERR_OK, or ERR_DENIED with the reason in `call`. Unless doors = token, a missing token
 * gets no reason of its own. */
enum err auth_must_be(struct call *call, struct str user_id, const struct rights *rights) CG_MUST_CHECK;

struct auth_login {
    uint64_t user;
    char user_id[ID_MAX];
    uint32_t generation; /* of the user's rights */
    bool has_password;
};

/* Finds or makes the user of that name in a realm where a password is optional:
 *   - the same name is the same user;
 *   - the first login with a password for a name sets it, and from then on it is required;
 *   - `password` NULL: none was given.
 * ERR_INVALID: the name is invalid for a new user. ERR_DENIED with a refusal in `call`: the password is invalid,
 * missing or wrong; too many attempts, with call->retry_after_s set; or a password was to be set, but without
 * jwt_secret no token could be issued for it. ERR_BUSY, with call->retry_after_s set: too many passwords are being
 * hashed. Other errors are the store's. */
enum err auth_login(struct call *call, enum store_realm realm, struct str name, const struct str *password,
                    struct auth_login *login) CG_MUST_CHECK;

/* Appends `,"token":"…","expires":MS` after a login (Unix time in milliseconds). False: no tokens are issued. */
bool auth_add_token(const struct call *call, const struct auth_login *login);

#endif
