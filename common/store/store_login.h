/* store_login.h: finds users of a realm by name, with the hash of their password if they have one. */
#ifndef CG_COMMON_STORE_STORE_LOGIN_H
#define CG_COMMON_STORE_STORE_LOGIN_H

#include "common/password.h"
#include "common/store/store.h"

struct store_login {
    uint64_t user;
    char user_id[ID_MAX];
    uint32_t generation;          /* of the user's rights (common/rights.h) */
    char hash[PASSWORD_HASH_MAX]; /* empty: no password */
};

/* ERR_NOT_FOUND: nobody has that name. */
enum err store_login_find(struct store *store, enum store_realm realm, struct str name,
                          struct store_login *login) CG_MUST_CHECK;

/* Finds or makes the user of that name. Safe to call concurrently. */
enum err store_login_make(struct store *store, enum store_realm realm, struct str name,
                          struct store_login *login) CG_MUST_CHECK;

/* Sets the password of a user who has none. Revokes the user's connections and earlier tokens
 * (common/store/store_rights.h; the caller must publish that), and sets the new generation in `login`. ERR_DUPLICATE:
 * another call has set one first. */
enum err store_login_set(struct store *store, struct store_login *login, const char *hash) CG_MUST_CHECK;

#endif
