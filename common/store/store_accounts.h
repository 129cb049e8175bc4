/* store_accounts.h: accounts of Chaguan's own: users of the application (store_app_user.h) with a password, and the
 * invites for creating them. */
#ifndef CG_COMMON_STORE_STORE_ACCOUNTS_H
#define CG_COMMON_STORE_STORE_ACCOUNTS_H

#include "common/store/store_app_user.h"

#define STORE_INVITE_PREFIX "ci_"

/* Makes an account: a new user of that name with the hash of a password. `digest`: SHA-256 of an invite's code, in
 * hex; empty: without one. An administrator's invite only makes the very first account; with `first`, no other invite
 * is accepted. ERR_DUPLICATE: there is a user of that name; ERR_DENIED: no such invite is valid. */
enum err store_account_make(struct store *store, struct str name, const char *hash, struct str digest, bool first,
                            struct store_app_user *user) CG_MUST_CHECK;

/* Stores an invite for `uses` accounts of that role, valid for `for_s` seconds. One for an administrator replaces the
 * previous one; ERR_DENIED: there are accounts already. */
enum err store_invite_add(struct store *store, struct str digest, enum store_user_role role, uint64_t uses,
                          int64_t for_s) CG_MUST_CHECK;

#endif
