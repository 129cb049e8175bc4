/* store_repeats.h: finds posts of a batch that were stored before, under the same client_id. Within the journal's
 * transaction, with their conversations locked. */
#ifndef CG_COMMON_STORE_STORE_REPEATS_H
#define CG_COMMON_STORE_STORE_REPEATS_H

#include "common/store/store.h"

/* Sets each post's `earlier` and `twin`. One statement for each STORE_KEYS_AT_ONCE posts: many repeats by one sender
 * do not delay the others in the batch. */
enum err store_repeats_find(struct store *store, struct store_post *const *posts, size_t count) CG_MUST_CHECK;

#endif
