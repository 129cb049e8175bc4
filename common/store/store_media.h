/* store_media.h: what is known of uploaded files, and who speaks of them. The files themselves are in
 * settings->media_dir, under the name that their row has (media_name.h). */
#ifndef CG_COMMON_STORE_STORE_MEDIA_H
#define CG_COMMON_STORE_STORE_MEDIA_H

#include "common/media_name.h"
#include "common/store/store.h"

enum { STORE_MEDIA_KIND_MAX = 64 };

/* Stores the row of a new file. ERR_TOO_BIG: with it, all files together would have more than `quota` bytes. Cheap
 * however many there are, and right however many come at once: the sum stands in a row of its own. Failing with
 * ERR_UNKNOWN it may have been stored. `owner`: the user who brought it; 0: nobody knows. */
enum err store_media_add(struct store *store, struct str name, struct str kind, uint64_t bytes, uint64_t quota,
                         uint64_t owner) CG_MUST_CHECK;

/* The bytes of all files together, 0 as long as nobody has counted them. */
enum err store_media_sum(struct store *store, uint64_t *bytes) CG_MUST_CHECK;

/* Calls `fn` for every file's row, by name. It must not use the store. `gone`: its owner was erased, so it is to go
 * whoever speaks of it. */
typedef void store_media_fn(void *arg, struct str name, uint64_t bytes, int64_t age_ms, bool gone);
enum err store_media_list(struct store *store, store_media_fn *fn, void *arg) CG_MUST_CHECK;

/* Calls `fn` for every text that may speak of a file: what messages hold, if there is something like a name in it, the
 * customers' avatars, the faces of an application's users, what it noted about these and about its conversations. It must
 * not use the store. Reads every message, some thousand at a time. */
typedef void store_media_text_fn(void *arg, struct str text);
enum err store_media_texts(struct store *store, store_media_text_fn *fn, void *arg) CG_MUST_CHECK;

/* The first file by name after `after` whose owner was erased: *name is empty if there is none. */
enum err store_media_gone(struct store *store, struct str after, char name[MEDIA_NAME_MAX + 1]) CG_MUST_CHECK;

/* Removes a file's row, if there is one. */
enum err store_media_remove(struct store *store, struct str name) CG_MUST_CHECK;

/* Counts the sum anew. */
enum err store_media_recount(struct store *store, uint64_t *bytes) CG_MUST_CHECK;

#endif
