/* rate.h: rate limits: token buckets, and tables of them by user or address. Integers only. A bucket is refilled when
 * it is used, so there are no timers. Not thread-safe. */
#ifndef CG_COMMON_RATE_H
#define CG_COMMON_RATE_H

#include "common/map.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* A sustained rate and a burst. */
struct rate {
    int64_t per_s; /* 0: no limit */
    int64_t burst; /* 1 to RATE_BURST_MAX */
};

enum { RATE_BURST_MAX = 1000000 };

/* Zeroed: full. Kept small because each connection has several: the time has 32 bits, so a bucket that was last used
 * exactly 49.7 days ago, or a multiple of that, is not refilled. */
struct rate_bucket {
    uint32_t taken; /* in thousandths of a token; decreases with time */
    uint32_t at_ms; /* when `taken` was last updated */
};

/* Takes one token. False: there is none, and the next one comes in *retry_after_ms (1 or more). `now_ms` must not go
 * back. */
bool rate_take(struct rate_bucket *bucket, struct rate rate, int64_t now_ms, int64_t *retry_after_ms);
/* The same for `count` tokens, all or none. A count above `burst` is taken as `burst`, as it could never be met. */
bool rate_take_many(struct rate_bucket *bucket, struct rate rate, int64_t count, int64_t now_ms,
                    int64_t *retry_after_ms);

/* The rates for sending: messages, and KiB of their content. */
struct rates {
    struct rate messages, kib;
};

/* Makes rates from settings, which are in bytes. */
struct rates rates_of(int64_t per_s, int64_t burst, int64_t bytes_per_s, int64_t bytes_burst);

/* Takes a message of `bytes` bytes from both buckets. False if one has too little; sets *retry_after_ms. *passed is
 * set to the rate that was checked last, so to the one that was exceeded. */
bool rates_take(struct rate_bucket *messages, struct rate_bucket *kib, const struct rates *rates, uint64_t bytes,
                int64_t now_ms, struct rate *passed, int64_t *retry_after_ms);

/* Seconds for Retry-After, rounded up. */
static inline int64_t rate_seconds(int64_t ms)
{
    return (ms + 999) / 1000;
}

/* ---- one for each user, or each address ---- */

struct rate_entry {
    uint64_t key;
    struct rate_bucket bucket;
    struct rate_bucket kib;
    unsigned open;   /* open connections; while there are any, it stays in the table */
    uint32_t used_s; /* rounded up */
    TAILQ_ENTRY(rate_entry) by_use;
};

enum { RATE_ENTRIES_MAX = 200000 };

/* Zeroed: empty. */
struct rate_table {
    struct map entries;
    TAILQ_HEAD(, rate_entry) by_use; /* least recently used first */
};

void rate_table_fini(struct rate_table *table);
/* The entry for that key (not 0), made if there is none. Past RATE_ENTRIES_MAX the least recently used one is
 * removed. */
struct rate_entry *rate_table_use(struct rate_table *table, uint64_t key, int64_t now_ms);
/* The entry if there is one; does not count as a use. */
struct rate_entry *rate_table_find(const struct rate_table *table, uint64_t key);
/* rates_take on the key's entry. True, with *passed unchanged, if the key is 0 (unknown) or there are no rates. */
bool rate_table_take(struct rate_table *table, uint64_t key, const struct rates *rates, uint64_t bytes, int64_t now_ms,
                     struct rate *passed, int64_t *retry_after_ms);
/* Removes entries without connections that were not used for `idle_ms`. */
void rate_table_sweep(struct rate_table *table, int64_t now_ms, int64_t idle_ms);

/* The key of an address: of IPv4 the address, of IPv6 its /64, which is what one customer has; an IPv4-mapped address
 * is treated as IPv4. 0: it is no address. */
uint64_t rate_address_key(struct str address);

#endif
