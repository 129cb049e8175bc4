/* share.h: shares the worker threads fairly between client addresses. One address may use a part (`percent`) of the
 * threads that others leave free; its further requests wait in its own queue without holding a thread. An address with
 * slow requests therefore never occupies all threads, and a newcomer always finds one: with 50 percent and sixteen
 * threads, five addresses at once each get a thread.
 *
 * Knows no requests, only claims that are part of them. Thread-safe. */
#ifndef CG_REST_SHARE_H
#define CG_REST_SHARE_H

#include "common/map.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

struct sharer;

/* Embedded in a request, zeroed at first. It is the owner's again once it was taken or refused. */
struct claim {
    struct sharer *sharer;
    TAILQ_ENTRY(claim) link; /* in its sharer's */
};

struct shares {
    pthread_mutex_t lock;
    size_t threads, percent; /* percent: of the threads that others leave free */
    size_t waiting_max;
    size_t working, waiting;
    struct map sharers;         /* by address: those with a request being served or waiting */
    TAILQ_HEAD(, sharer) turns; /* those with a waiting request, in order of their turns */
};

/* `percent`: 1 to 100; 100 sets no bound. */
void shares_init(struct shares *shares, size_t threads, size_t percent, size_t waiting_max);
/* Nothing may be left. */
void shares_fini(struct shares *shares);

/* Adds a waiting claim for that address (rate_address_key; 0: unknown). If more than waiting_max wait, removes and
 * returns the claim to refuse: the latest of the address that has most. Else NULL. */
struct claim *shares_put(struct shares *shares, struct claim *claim, uint64_t address);
/* Takes the claim whose turn it is, to be served now. NULL: none may have a thread now. Every thread must call this
 * after each shares_put and each shares_done. */
struct claim *shares_take(struct shares *shares);
/* A request of that address was served. Returns whether others wait. */
bool shares_done(struct shares *shares, struct sharer *sharer);

#endif
