/* store_pair.h: finds and makes conversations by their name or by their two users. For the store's own files only. */
#ifndef CG_COMMON_STORE_STORE_PAIR_H
#define CG_COMMON_STORE_STORE_PAIR_H

#include "common/store/store.h"

/* The conversation of that kind and name. ERR_NOT_FOUND. */
enum err store_named_find(struct store *store, enum store_kind kind, struct str name,
                          uint64_t *conversation) CG_MUST_CHECK;
/* The same, made if there is none; its public id begins with `prefix`. Safe to call concurrently. ERR_RETRY as
 * below. */
enum err store_named_make(struct store *store, enum store_kind kind, const char *prefix, struct str name,
                          uint64_t *conversation) CG_MUST_CHECK;

/* Finds or makes the conversation of the kind between two different users, both its members. The result is the same in
 * either order and under concurrency: its name, "LOW:HIGH" by the users' numbers, is unique for its kind. `prefix`: of
 * a new one's public id. ERR_RETRY: may be tried again. */
enum err store_pair_make(struct store *store, enum store_kind kind, const char *prefix, uint64_t one, uint64_t other,
                         uint64_t *conversation) CG_MUST_CHECK;

#endif
