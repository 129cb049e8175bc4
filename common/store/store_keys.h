/* store_keys.h: the server keys with which an application's backend calls the server API. Only their SHA-256 is
 * stored, so that the database's contents cannot be used to call. */
#ifndef CG_COMMON_STORE_STORE_KEYS_H
#define CG_COMMON_STORE_STORE_KEYS_H

#include "common/store/store.h"

/* A key is this and 32 hexadecimal digits (id_make). */
#define STORE_KEY_PREFIX "ck_"
enum { STORE_KEY_NAME_MAX = 64, STORE_KEYS_LISTED = 1000 };

/* Stores a key. ERR_DUPLICATE: a valid key has that name. */
enum err store_key_add(struct store *store, struct str name, unsigned scopes, struct str key) CG_MUST_CHECK;
/* Revokes a key. ERR_NOT_FOUND: no valid key has that name. */
enum err store_key_revoke(struct store *store, struct str name) CG_MUST_CHECK;

struct store_key {
    uint64_t id;
    unsigned scopes;
};
/* Finds a key by its SHA-256 in hex. ERR_NOT_FOUND: there is none, or it was revoked. */
enum err store_key_find(struct store *store, struct str digest, struct store_key *key) CG_MUST_CHECK;
/* Stores that the key was used now, to the minute. */
enum err store_key_used(struct store *store, uint64_t id) CG_MUST_CHECK;

/* Times are "YYYY-MM-DD HH:mm:ss", UTC, empty if there is none; all valid until the callback returns. */
struct store_key_line {
    struct str name, created_at, last_used_at, revoked_at;
    unsigned scopes;
};
typedef void store_key_line_fn(void *arg, const struct store_key_line *line);
/* Lists the latest STORE_KEYS_LISTED keys, latest first. */
enum err store_key_list(struct store *store, store_key_line_fn *fn, void *arg) CG_MUST_CHECK;

#endif
