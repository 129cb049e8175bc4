#include "rest/services/name_cache.h"

#include "common/err.h"
#include "common/id.h"
#include "common/metrics.h"
#include "common/store/store_sanctions.h"

#include <pthread.h>
#include <string.h>

struct entry {
    int64_t until_ms;   /* 0: never used */
    uint64_t forgotten; /* cache.forgotten when it was kept: after that it is nobody's */
    uint16_t len;
    char id[ID_MAX]; /* with a NUL */
    char name[STORE_NAME_MAX];
};

/* One lock for all: it is held for a comparison and a copy. */
static struct {
    pthread_mutex_t lock;
    int64_t checked_ms; /* clock_mono_ms, when the database was asked last */
    bool checked;
    uint64_t forgotten;                   /* how often all of it was */
    struct entry entries[NAME_CACHE_MAX]; /* of those that nobody used there is no page of memory */
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Ids are random, and a made-up one is never kept. */
static struct entry *entry_of(struct str id)
{
    return &cache.entries[str_hash(id, STR_HASH_SEED) % NAME_CACHE_MAX];
}

/* Whether the caller is to ask the database now. */
static bool is_due(int64_t now_ms, int64_t poll_ms)
{
    bool due = !cache.checked || now_ms - cache.checked_ms >= poll_ms;
    if (due) {
        cache.checked = true;
        cache.checked_ms = now_ms;
    }
    return due;
}

uint64_t name_cache_check(struct store *store, int64_t now_ms, int64_t poll_ms)
{
    pthread_mutex_lock(&cache.lock);
    bool due = is_due(now_ms, poll_ms), erased = false;
    uint64_t forgotten = cache.forgotten;
    pthread_mutex_unlock(&cache.lock);
    if (!due || (!store_erased_lately(store, &erased) && !erased))
        return forgotten;
    pthread_mutex_lock(&cache.lock);
    forgotten = ++cache.forgotten;
    pthread_mutex_unlock(&cache.lock);
    return forgotten;
}

bool name_cache_find(struct str id, int64_t now_ms, struct buf *name)
{
    const struct entry *entry = entry_of(id);
    pthread_mutex_lock(&cache.lock);
    bool found = now_ms < entry->until_ms && entry->forgotten == cache.forgotten && str_eq(id, str_of(entry->id));
    if (found)
        buf_add(name, entry->name, entry->len);
    pthread_mutex_unlock(&cache.lock);
    metric_inc(found ? METRIC_NAME_CACHE_HITS : METRIC_NAME_CACHE_MISSES);
    return found;
}

void name_cache_keep(struct str id, struct str name, int64_t now_ms, int64_t life_ms, uint64_t checked)
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
    entry->forgotten = checked;
    pthread_mutex_unlock(&cache.lock);
}
