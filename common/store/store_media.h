/* store_media.h: the rows about uploaded files, and the texts that refer to them. The files are in
 * settings->media_dir, under the name in their row (media_name.h). */
#ifndef CG_COMMON_STORE_STORE_MEDIA_H
#define CG_COMMON_STORE_STORE_MEDIA_H

#include "common/media_name.h"
#include "common/store/store.h"

enum { STORE_MEDIA_KIND_MAX = 64 };

/* Stores the row of a new file. ERR_TOO_BIG: with it, all files together would have more than `quota` bytes. The sum
 * has a row of its own, so this is cheap for any number of files and correct under concurrency. After ERR_UNKNOWN it
 * may have been stored. `owner`: the user who uploaded it; 0: unknown. */
enum err store_media_add(struct store *store, struct str name, struct str kind, uint64_t bytes, uint64_t quota,
                         uint64_t owner) CG_MUST_CHECK;

/* The bytes of all files together; 0 before they were first counted. */
enum err store_media_sum(struct store *store, uint64_t *bytes) CG_MUST_CHECK;

/* Calls `fn` for every file's row, by name. It must not use the store. `gone`: its owner was erased, so it must be
 * removed even if a text refers to it. */
typedef void store_media_fn(void *arg, struct str name, uint64_t bytes, int64_t age_ms, bool gone);
enum err store_media_list(struct store *store, store_media_fn *fn, void *arg) CG_MUST_CHECK;

/* Calls `fn` for every text that may refer to a file: messages that contain something like a file's name, customers'
 * avatars, faces of an application's users, and the application's `meta` of users and conversations. `fn` must not use
 * the store. Reads every message, some thousand at a time. */
typedef void store_media_text_fn(void *arg, struct str text);
enum err store_media_texts(struct store *store, store_media_text_fn *fn, void *arg) CG_MUST_CHECK;

/* The first file by name after `after` whose owner was erased: *name is empty if there is none. */
enum err store_media_gone(struct store *store, struct str after, char name[MEDIA_NAME_MAX + 1]) CG_MUST_CHECK;

/* Removes a file's row, if there is one. */
enum err store_media_remove(struct store *store, struct str name) CG_MUST_CHECK;

/* Recounts the sum. */
enum err store_media_recount(struct store *store, uint64_t *bytes) CG_MUST_CHECK;

#endif
