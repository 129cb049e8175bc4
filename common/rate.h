/* rate.h: how much somebody may do in a time: token buckets, and a table of them for users or addresses. Integers only;
 * a bucket fills up when it is looked at, so none has a timer. Not thread-safe. */
#ifndef CG_COMMON_RATE_H
#define CG_COMMON_RATE_H

#include "common/map.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/* So many a second in the long run, and so many at once. */
struct rate {
    int64_t per_s; /* 0: no limit */
    int64_t burst; /* 1 to RATE_BURST_MAX */
};

enum { RATE_BURST_MAX = 1000000 };

/* A zeroed one is full. Each connection has two and each user one, so they are small: the time is counted in 32 bits,
 * and to one that was last looked at 49.7 days ago, or twice that, it seems as if that had been just now. */
struct rate_bucket {
    uint32_t taken; /* in thousandths of a token; gets less with time */
    uint32_t at_ms; /* as of when */
};

/* Takes one token. False: there is none; one will be there in *retry_after_ms (1 or more). `now_ms` never goes back. */
bool rate_take(struct rate_bucket *bucket, struct rate rate, int64_t now_ms, int64_t *retry_after_ms);
/* The same for many at once: all or none. More than `burst` count as that many, or they could never be had. */
bool rate_take_many(struct rate_bucket *bucket, struct rate rate, int64_t count, int64_t now_ms,
                    int64_t *retry_after_ms);

/* How much somebody may send: so many messages, and so many KiB in them. */
struct rates {
    struct rate messages, kib;
};

/* As settings say it, whose bytes are bytes. */
struct rates rates_of(int64_t per_s, int64_t burst, int64_t bytes_per_s, int64_t bytes_burst);

/* Takes a message of that length from both buckets: false, and when to try again, if one has too little. *passed: the rate
 * that was asked last, so the one that was passed. */
bool rates_take(struct rate_bucket *messages, struct rate_bucket *kib, const struct rates *rates, uint64_t bytes,
                int64_t now_ms, struct rate *passed, int64_t *retry_after_ms);

/* For Retry-After: in seconds, rounded up. */
static inline int64_t rate_seconds(int64_t ms)
{
    return (ms + 999) / 1000;
}

/* ---- one for each user, or each address ---- */

struct rate_entry {
    uint64_t key;
    struct rate_bucket bucket;
    struct rate_bucket kib;
    unsigned open;   /* connections; with any it stays in the table */
    uint32_t used_s; /* rounded up */
    TAILQ_ENTRY(rate_entry) by_use;
};

enum { RATE_ENTRIES_MAX = 200000 };

/* A zeroed one is empty. */
struct rate_table {
    struct map entries;
    TAILQ_HEAD(, rate_entry) by_use; /* the one used longest ago first */
};

void rate_table_fini(struct rate_table *table);
/* The entry of that key (not 0), made if there is none. Past RATE_ENTRIES_MAX the one used longest ago goes. */
struct rate_entry *rate_table_use(struct rate_table *table, uint64_t key, int64_t now_ms);
/* The same if there is one; that is no use of it. */
struct rate_entry *rate_table_find(const struct rate_table *table, uint64_t key);
/* rates_take of the key's entry; true if it is 0, which is nobody, or there are no rates: then *passed stays. */
bool rate_table_take(struct rate_table *table, uint64_t key, const struct rates *rates, uint64_t bytes, int64_t now_ms,
                     struct rate *passed, int64_t *retry_after_ms);
/* Forgets those without a connection that were not used for `idle_ms`. */
void rate_table_sweep(struct rate_table *table, int64_t now_ms, int64_t idle_ms);

/* An address as a key: an IPv4 address is itself, an IPv6 address its /64, which is what one customer has; one of IPv4
 * in IPv6 is that of IPv4. 0: it is none. */
uint64_t rate_address_key(struct str address);

#endif
