/* store_app_user.h: the application's users (REALM_APP), named by its own ids. Users with an account of Chaguan's own
 * are included, with the account's name as id. */
#ifndef CG_COMMON_STORE_STORE_APP_USER_H
#define CG_COMMON_STORE_STORE_APP_USER_H

#include "common/app_claims.h"
#include "common/rights.h"
#include "common/store/store.h"

struct token;

struct store_app_user {
    uint64_t user;
    char public_id[ID_MAX];                              /* a credential: never shown to others */
    char id[APP_ID_MAX + 1];                             /* the application's */
    char name[APP_NAME_MAX + 1], face[APP_FACE_MAX + 1]; /* as given by the application; empty: none */
    enum store_user_role role;
    bool has_password;
    struct rights rights;
};

/* The displayed name. Borrowed from `user`. */
static inline const char *store_app_user_shown(const struct store_app_user *user)
{
    return *user->name ? user->name : user->id;
}

/* ERR_NOT_FOUND: there is no such user. */
enum err store_app_user_find(struct store *store, struct str id, struct store_app_user *user) CG_MUST_CHECK;
/* The same, and appends the application's object: nothing if it gave none. */
enum err store_app_user_get(struct store *store, struct str id, struct store_app_user *user,
                            struct buf *meta) CG_MUST_CHECK;

/* By Chaguan's own id of it. */
enum err store_app_user_of(struct store *store, struct str public_id, struct store_app_user *user) CG_MUST_CHECK;

/* For the claims of a valid token: creates the user if new, and updates what the claims have changed. One SELECT if
 * nothing has. Safe to call concurrently. The claims must have passed app_claims_wrong. */
enum err store_app_user_seen(struct store *store, const struct app_claims *claims,
                             struct store_app_user *user) CG_MUST_CHECK;

/* The user of a token that token_check has accepted: an application's as above, or one of Chaguan's own. Call it for
 * every connection. ERR_NOT_FOUND: the token is of no user of the application; ERR_DENIED: it was revoked. */
enum err store_app_user_come(struct store *store, const struct token *token, struct store_app_user *user) CG_MUST_CHECK;

/* The same for many at once, in one SELECT. */
struct store_app_seen {
    const struct app_claims *claims;
    struct store_app_user *user; /* given, and set */
    enum err err;                /* set */
};
enum { STORE_APP_SEEN_MAX = 32 };
/* What it returns but ERR_OK it has set as each one's err, too. `count` is at most STORE_APP_SEEN_MAX. */
enum err store_app_users_seen(struct store *store, struct store_app_seen *seen, size_t count) CG_MUST_CHECK;

/* Creates the user, or replaces all of its claims; only a role that is not given stays. *made: it is new. */
enum err store_app_user_put(struct store *store, const struct app_claims *claims, struct store_app_user *user,
                            bool *made) CG_MUST_CHECK;
/* Changes only the claims that are given. ERR_NOT_FOUND: there is no such user. */
enum err store_app_user_patch(struct store *store, const struct app_claims *claims,
                              struct store_app_user *user) CG_MUST_CHECK;

#endif
