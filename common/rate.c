#include "common/rate.h"

#include "common/err.h"
#include "common/mem.h"

#include <arpa/inet.h>
#include <stdlib.h>

enum { TOKEN = 1000 }; /* so that one millisecond's share is a whole number: per_s */

bool rate_take_many(struct rate_bucket *bucket, struct rate rate, int64_t count, int64_t now_ms,
                    int64_t *retry_after_ms)
{
    *retry_after_ms = 0;
    if (!rate.per_s)
        return true;
    CG_ASSERT(rate.burst <= RATE_BURST_MAX);
    int64_t passed_ms = (uint32_t)now_ms - bucket->at_ms, taken = bucket->taken, most = rate.burst * TOKEN;
    int64_t wanted = (count < rate.burst ? count : rate.burst) * TOKEN;
    if (passed_ms >= taken / rate.per_s + 1 || passed_ms * rate.per_s > taken)
        taken = 0;
    else
        taken -= passed_ms * rate.per_s;
    bool fine = taken + wanted <= most;
    if (fine)
        taken += wanted;
    else
        *retry_after_ms = (taken + wanted - most + rate.per_s - 1) / rate.per_s;
    bucket->taken = (uint32_t)taken;
    bucket->at_ms = (uint32_t)now_ms;
    return fine;
}

bool rate_take(struct rate_bucket *bucket, struct rate rate, int64_t now_ms, int64_t *retry_after_ms)
{
    return rate_take_many(bucket, rate, 1, now_ms, retry_after_ms);
}

/* ---- the table: a map, and a list by last use ---- */

static void unlink_entry(struct rate_table *table, struct rate_entry *entry)
{
    *(entry->older ? &entry->older->newer : &table->oldest) = entry->newer;
    *(entry->newer ? &entry->newer->older : &table->newest) = entry->older;
}

static void link_newest(struct rate_table *table, struct rate_entry *entry)
{
    entry->older = table->newest;
    entry->newer = NULL;
    *(table->newest ? &table->newest->newer : &table->oldest) = entry;
    table->newest = entry;
}

static void forget(struct rate_table *table, struct rate_entry *entry)
{
    unlink_entry(table, entry);
    map_take(&table->entries, entry->key);
    free(entry);
}

void rate_table_fini(struct rate_table *table)
{
    while (table->oldest)
        forget(table, table->oldest);
    map_fini(&table->entries);
}

struct rate_entry *rate_table_find(const struct rate_table *table, uint64_t key)
{
    return map_get(&table->entries, key);
}

struct rate_entry *rate_table_use(struct rate_table *table, uint64_t key, int64_t now_ms)
{
    struct rate_entry *entry = map_get(&table->entries, key);
    if (entry) {
        unlink_entry(table, entry);
    } else {
        if (table->entries.count >= RATE_ENTRIES_MAX && !table->oldest->open)
            forget(table, table->oldest);
        entry = mem_zalloc(sizeof *entry);
        entry->key = key;
        map_put(&table->entries, key, entry);
    }
    entry->used_s = (uint32_t)((now_ms + 999) / 1000);
    link_newest(table, entry);
    return entry;
}

void rate_table_sweep(struct rate_table *table, int64_t now_ms, int64_t idle_ms)
{
    for (struct rate_entry *entry = table->oldest, *next; entry && now_ms - (int64_t)entry->used_s * 1000 >= idle_ms;
         entry = next) {
        next = entry->newer;
        if (!entry->open)
            forget(table, entry);
    }
}

/* The first 16 bits of a global IPv6 address are never 0: the two kinds cannot meet. */
uint64_t rate_address_key(struct str address)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    uint64_t key = 0;
    if (!address.len || address.len >= sizeof text)
        return 0;
    memcpy(text, address.ptr, address.len);
    text[address.len] = '\0';
    if (inet_pton(AF_INET, text, bytes + 12) == 1) {
        for (int i = 12; i < 16; i++)
            key = key << 8 | bytes[i];
        return key | UINT64_C(1) << 32; /* 0.0.0.0 is one, too */
    }
    if (inet_pton(AF_INET6, text, bytes) != 1)
        return 0;
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_mapped = !memcmp(bytes, mapped, sizeof mapped);
    for (int i = is_mapped ? 12 : 0; i < (is_mapped ? 16 : 8); i++)
        key = key << 8 | bytes[i];
    return is_mapped ? key | UINT64_C(1) << 32 : key ? key : 1; /* ::1 */
}
