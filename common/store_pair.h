/* store_pair.h: conversations of two, for the store's own files. */
#ifndef CG_COMMON_STORE_PAIR_H
#define CG_COMMON_STORE_PAIR_H

#include "common/store.h"

/* Finds or makes the conversation of the kind between two different users, both its members. It is one for
 * either order and however many make it at once: its name, "LOW:HIGH" by the users' numbers, is unique among those
 * of its kind. `prefix`: of a new one's public id. ERR_RETRY: try again, nothing harmful was done. */
enum err store_pair_make(struct store *store, enum store_kind kind, const char *prefix,
                         uint64_t one, uint64_t other, uint64_t *conversation) CG_MUST_CHECK;

#endif
