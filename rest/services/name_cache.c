#include "rest/services/name_cache.h"

#include "common/err.h"
#include "common/id.h"
#include "common/metrics.h"
#include "common/store/store.h"

#include <pthread.h>
#include <string.h>

struct entry {
    int64_t until_ms; /* 0: never used */
    uint16_t len;
    char id[ID_MAX]; /* with a NUL */
    char name[STORE_NAME_MAX];
};

/* One lock for all: it is held for a comparison and a copy. */
static struct {
    pthread_mutex_t lock;
    struct entry entries[NAME_CACHE_MAX]; /* of those that nobody used there is no page of memory */
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Ids are random, and a made-up one is never kept. */
static struct entry *entry_of(struct str id)
{
    return &cache.entries[str_hash(id, STR_HASH_SEED) % NAME_CACHE_MAX];
}

bool name_cache_find(struct str id, int64_t now_ms, struct buf *name)
{
    const struct entry *entry = entry_of(id);
    pthread_mutex_lock(&cache.lock);
    bool found = now_ms < entry->until_ms && str_eq(id, str_of(entry->id));
    if (found)
        buf_add(name, entry->name, entry->len);
    pthread_mutex_unlock(&cache.lock);
    metric_inc(found ? METRIC_NAME_CACHE_HITS : METRIC_NAME_CACHE_MISSES);
    return found;
}

void name_cache_keep(struct str id, struct str name, int64_t now_ms, int64_t life_ms)
{
    if (!life_ms || id.len >= ID_MAX || name.len > STORE_NAME_MAX) /* what is longer is asked for each time */
        return;
    struct entry *entry = entry_of(id);
    pthread_mutex_lock(&cache.lock);
    memcpy(entry->id, id.ptr, id.len);
    entry->id[id.len] = '\0';
    memcpy(entry->name, name.ptr, name.len);
    entry->len = (uint16_t)name.len;
    entry->until_ms = now_ms + life_ms;
    pthread_mutex_unlock(&cache.lock);
}
