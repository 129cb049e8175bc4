/* share.h: whose request is worked on next. All worker threads together can do so many at once; of those that others
 * leave, one address gets a part, and what it asks for beyond that waits behind itself, holding no thread. So an
 * address that asks for what takes long never has all of them, and the next never has none: with half of what is left,
 * five addresses at once find a place among sixteen threads.
 *
 * Knows no requests, only claims that are part of them. Thread-safe. */
#ifndef CG_REST_SHARE_H
#define CG_REST_SHARE_H

#include "common/map.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

struct sharer;

/* One request's. Zeroed at its beginning; its owner's again once it was taken or turned away. */
struct claim {
    struct sharer *sharer;
    TAILQ_ENTRY(claim) link; /* in its sharer's */
};

struct shares {
    pthread_mutex_t lock;
    size_t threads, percent; /* of the threads that others leave */
    size_t waiting_max;
    size_t working, waiting;
    struct map sharers;         /* by address: those of whom anything is worked on or waits */
    TAILQ_HEAD(, sharer) turns; /* those of whom something waits, from the one whose turn is next */
};

/* `percent`: 1 to 100, which is no bound. */
void shares_init(struct shares *shares, size_t threads, size_t percent, size_t waiting_max);
/* Nothing may be left. */
void shares_fini(struct shares *shares);

/* `claim` waits from now on, for that address (rate_address_key; 0: one that is not known). Returns the one that is too
 * much if more than waiting_max do, which waits no longer: the latest of the address that has most; else NULL. */
struct claim *shares_put(struct shares *shares, struct claim *claim, uint64_t address);
/* The one whose turn it is, which is being worked on from now on. NULL: nobody may have another thread now. To be asked
 * by every thread after each shares_put and each shares_done. */
struct claim *shares_take(struct shares *shares);
/* One of that address that was worked on is done. Whether others wait. */
bool shares_done(struct shares *shares, struct sharer *sharer);

#endif
