/* wheel.h: one coarse timer wheel for every deadline of the relay: pings, idle limits, grace, gaps.
 *
 * libwebsockets keeps its own timers in a sorted list, which makes a timer per connection quadratic;
 * here adding, moving and removing one are a few pointer writes. A deadline fires at the first tick at
 * or after it, so up to WHEEL_TICK_MS late. */
#ifndef CG_RELAY_WHEEL_H
#define CG_RELAY_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

enum { WHEEL_TICK_MS = 50, WHEEL_SLOTS = 1024 };

struct wheel_timer {
    struct wheel_timer *prev, *next; /* NULL while not set */
    int64_t due_ms;
    void (*fired)(struct wheel_timer *timer);
};

struct wheel {
    struct wheel_timer slots[WHEEL_SLOTS]; /* list heads */
    int64_t now_ms;                        /* clock_mono_ms, as of the last tick */
    int64_t tick;                          /* the last tick that was carried out */
};

void wheel_init(struct wheel *wheel);

/* (Re)sets the timer to fire `delay_ms` from now; once. `timer->fired` is set by its owner. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, int64_t delay_ms);
/* Nothing if it is not set. */
void wheel_cancel(struct wheel_timer *timer);
static inline bool wheel_is_set(const struct wheel_timer *timer)
{
    return timer->next;
}

/* Carries out what is due by clock_mono_ms. A callback may set or cancel any timer and free its own. */
void wheel_advance(struct wheel *wheel);

#endif
