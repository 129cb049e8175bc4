/* name_cache.h: the names of rooms and users that were asked for lately, by their public ids, for all threads.
 *
 * The product never changes a name and never removes what has one, so what was read once is right in every process. An
 * entry is believed for the setting name_cache_ms all the same, in case an operator puts the database back to an older
 * state under a running process. Who has lost the database must not ask here: without it the answer is 503. */
#ifndef CG_REST_SERVICES_NAME_CACHE_H
#define CG_REST_SERVICES_NAME_CACHE_H

#include "common/buf.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Entries, 320 bytes each once used. Two ids that fall on one entry take it from each other. */
enum { NAME_CACHE_MAX = 4096 };

/* Appends the name kept for `id` (which has the shape of a public id); false if there is none, or none young enough.
 * Counts which of the two. */
bool name_cache_find(struct str id, int64_t now_ms, struct buf *name);

/* Keeps it for `life_ms`; 0: not at all. Of at most STORE_NAME_MAX bytes. */
void name_cache_keep(struct str id, struct str name, int64_t now_ms, int64_t life_ms);

#endif
