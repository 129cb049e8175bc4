/* turns.h: who may do next what only a few may do at once, and what costs much. Callers wait their turn; it is next of
 * whoever has least under way, and when too many wait, the latest of whoever has most waiting is turned away. */
#ifndef CG_REST_SERVICES_TURNS_H
#define CG_REST_SERVICES_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct turn;

struct turns {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct turn *waiting, *under_way; /* latest first */
    size_t waiting_count, under_way_count;
};
#define TURNS_INIT {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER}

/* One who waits or is at it; on its thread's stack, its own once turns_end has returned. */
struct turn {
    uint64_t payer;
    bool at_it, turned_away;
    struct turn *next;
};

/* Waits until fewer than `most` are at it: true, and turns_end must follow. False: more than `most_waiting` would wait and
 * nobody has more than this payer, or `timeout_ms` went by. */
bool turns_begin(struct turns *turns, struct turn *turn, uint64_t payer, size_t most, size_t most_waiting,
                 int64_t timeout_ms);
void turns_end(struct turns *turns, struct turn *turn);

#endif
