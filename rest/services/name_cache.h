/* name_cache.h: a cache of the names of rooms and users, by public id. Thread-safe.
 *
 * Names do not change, and only an erasure takes one away. So an entry stays correct as long as name_cache_check finds
 * no erasure. It still expires after name_cache_ms, in case an operator puts the database back to an older state under
 * a running process. Do not use the cache while the database is down: the answer is then 503. */
#ifndef CG_REST_SERVICES_NAME_CACHE_H
#define CG_REST_SERVICES_NAME_CACHE_H

#include "common/buf.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/* The number of entries, 320 bytes each. Two ids with the same slot replace each other. */
enum { NAME_CACHE_MAX = 4096 };

/* Must be called before name_cache_find. Every `poll_ms` one thread asks the database whether any user was erased; if
 * so, or if the database fails, the cache is cleared. Pass the number returned to name_cache_keep, which then ignores
 * names that were read before the cache was cleared. */
uint64_t name_cache_check(struct store *store, int64_t now_ms, int64_t poll_ms);

/* Appends the cached name for `id`, a well-formed public id. False if there is none or it has expired. Counts hits and
 * misses. */
bool name_cache_find(struct str id, int64_t now_ms, struct buf *name);

/* Caches a name of at most STORE_NAME_MAX bytes for `life_ms`; 0: does nothing. */
void name_cache_keep(struct str id, struct str name, int64_t now_ms, int64_t life_ms, uint64_t checked);

#endif
