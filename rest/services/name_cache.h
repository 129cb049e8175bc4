/* name_cache.h: the names of rooms and users that were asked for lately, by their public ids, for all threads.
 *
 * Names do not change, and only an erasure takes one away. So an entry is right for as long as name_cache_check finds that
 * nobody was erased; it is believed for the setting name_cache_ms all the same, in case an operator puts the database back to
 * an older state under a running process. Who has lost the database must not ask here: without it the answer is 503. */
#ifndef CG_REST_SERVICES_NAME_CACHE_H
#define CG_REST_SERVICES_NAME_CACHE_H

#include "common/buf.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/* Entries, 320 bytes each once used. Two ids that fall on one entry take it from each other. */
enum { NAME_CACHE_MAX = 4096 };

/* To be called before name_cache_find: once in `poll_ms`, by whichever thread is first, asks the database whether anybody
 * was erased, and then, or if it does not say, forgets all names. The number goes to name_cache_keep: what is read from the
 * database before that changes is not kept. */
uint64_t name_cache_check(struct store *store, int64_t now_ms, int64_t poll_ms);

/* Appends the name kept for `id` (which has the shape of a public id); false if there is none, or none young enough.
 * Counts which of the two. */
bool name_cache_find(struct str id, int64_t now_ms, struct buf *name);

/* Keeps it for `life_ms`; 0: not at all. Of at most STORE_NAME_MAX bytes. */
void name_cache_keep(struct str id, struct str name, int64_t now_ms, int64_t life_ms, uint64_t checked);

#endif
