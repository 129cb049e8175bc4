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

static int64_t kib_of(uint64_t bytes)
{
    return (int64_t)((bytes + 1023) / 1024);
}

struct rates rates_of(int64_t per_s, int64_t burst, int64_t bytes_per_s, int64_t bytes_burst)
{
    return (struct rates){{per_s, burst}, {kib_of((uint64_t)bytes_per_s), kib_of((uint64_t)bytes_burst)}};
}

bool rates_take(struct rate_bucket *messages, struct rate_bucket *kib, const struct rates *rates, uint64_t bytes,
                int64_t now_ms, struct rate *passed, int64_t *retry_after_ms)
{
    *passed = rates->messages;
    if (!rate_take(messages, rates->messages, now_ms, retry_after_ms))
        return false;
    *passed = rates->kib;
    return rate_take_many(kib, rates->kib, kib_of(bytes), now_ms, retry_after_ms);
}

/* ---- the table: a map, and a list by last use ---- */

static void forget(struct rate_table *table, struct rate_entry *entry)
{
    TAILQ_REMOVE(&table->by_use, entry, by_use);
    map_take(&table->entries, entry->key);
    free(entry);
}

void rate_table_fini(struct rate_table *table)
{
    while (table->entries.count)
        forget(table, TAILQ_FIRST(&table->by_use));
    map_fini(&table->entries);
}

struct rate_entry *rate_table_find(const struct rate_table *table, uint64_t key)
{
    return map_get(&table->entries, key);
}

struct rate_entry *rate_table_use(struct rate_table *table, uint64_t key, int64_t now_ms)
{
    struct rate_entry *entry = map_get(&table->entries, key);
    if (!table->entries.count)
        TAILQ_INIT(&table->by_use);
    if (entry) {
        TAILQ_REMOVE(&table->by_use, entry, by_use);
    } else {
        struct rate_entry *oldest = TAILQ_FIRST(&table->by_use);
        if (table->entries.count >= RATE_ENTRIES_MAX && !oldest->open)
            forget(table, oldest);
        entry = mem_zalloc(sizeof *entry);
        entry->key = key;
        map_put(&table->entries, key, entry);
    }
    entry->used_s = (uint32_t)((now_ms + 999) / 1000);
    TAILQ_INSERT_TAIL(&table->by_use, entry, by_use);
    return entry;
}

bool rate_table_take(struct rate_table *table, uint64_t key, const struct rates *rates, uint64_t bytes, int64_t now_ms,
                     struct rate *passed, int64_t *retry_after_ms)
{
    *retry_after_ms = 0;
    if (!key || (!rates->messages.per_s && !rates->kib.per_s))
        return true;
    struct rate_entry *entry = rate_table_use(table, key, now_ms);
    return rates_take(&entry->bucket, &entry->kib, rates, bytes, now_ms, passed, retry_after_ms);
}

void rate_table_sweep(struct rate_table *table, int64_t now_ms, int64_t idle_ms)
{
    for (struct rate_entry *entry = TAILQ_FIRST(&table->by_use), *next;
         entry && now_ms - (int64_t)entry->used_s * 1000 >= idle_ms; entry = next) {
        next = TAILQ_NEXT(entry, by_use);
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
