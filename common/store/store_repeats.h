/* store_repeats.h: which posts of a batch were stored before, under the same client_id: for the journal's transaction,
 * whose conversations are locked. */
#ifndef CG_COMMON_STORE_STORE_REPEATS_H
#define CG_COMMON_STORE_STORE_REPEATS_H

#include "common/store/store.h"

/* Sets each post's `earlier` and `twin`. One statement for each STORE_KEYS_AT_ONCE posts: somebody who repeats much makes
 * nobody wait who is stored in the same batch. */
enum err store_repeats_find(struct store *store, struct store_post *const *posts, size_t count) CG_MUST_CHECK;

#endif
