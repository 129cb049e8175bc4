/* turns.h: limits how many threads do something expensive at once. Callers wait for their turn: the payer with the
 * least under way comes next. When too many wait, the latest of the payer with most waiting is refused.
 * Thread-safe. */
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

/* A caller that waits or is under way; on its thread's stack. It may be reused once turns_end has returned. */
struct turn {
    uint64_t payer;
    bool at_it, turned_away;
    struct turn *next;
};

/* Waits until fewer than `most` are under way. True: turns_end must follow. False: refused because more than
 * `most_waiting` would wait, or after `timeout_ms`. */
bool turns_begin(struct turns *turns, struct turn *turn, uint64_t payer, size_t most, size_t most_waiting,
                 int64_t timeout_ms);
void turns_end(struct turns *turns, struct turn *turn);

#endif
