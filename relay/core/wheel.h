/* wheel.h: one timer wheel for every deadline of the relay: pings, idle limits, grace, gaps.
 *
 * libwebsockets keeps its own timers in a sorted list, which makes a timer per connection quadratic; here adding,
 * moving and removing one are a few pointer writes. A timer fires at the first tick at or after its deadline, so up to
 * WHEEL_TICK_MS late, provided that the wheel is advanced when wheel_wait_ms says. Loop thread only. */
#ifndef CG_RELAY_CORE_WHEEL_H
#define CG_RELAY_CORE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

/* A turn of the wheel takes 10 s; a longer timer is visited once in each turn. */
enum { WHEEL_TICK_MS = 5, WHEEL_SLOTS = 2048, WHEEL_REST_MS = 50 };

struct wheel_timer {
    struct wheel_timer *prev, *next; /* NULL while not set */
    int64_t due_ms;
    void (*fired)(struct wheel_timer *timer);
};

struct wheel {
    struct wheel_timer slots[WHEEL_SLOTS]; /* list heads */
    int64_t now_ms;                        /* clock_mono_ms, as of the last tick */
    int64_t tick;                          /* the last tick processed */
    int64_t next_tick;                     /* no timer needs to be looked at before this tick */
};

void wheel_init(struct wheel *wheel);

/* (Re)sets the timer to fire `delay_ms` from now; once. `timer->fired` is set by its owner. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, int64_t delay_ms);
/* Does nothing if it is not set. */
void wheel_cancel(struct wheel_timer *timer);
static inline bool wheel_is_set(const struct wheel_timer *timer)
{
    return timer->next;
}

/* Fires the timers due by clock_mono_ms. A callback may set or cancel any timer and free its own. */
void wheel_advance(struct wheel *wheel);
/* How long the loop may sleep before wheel_advance, in milliseconds: until the next tick with a timer, but at most
 * WHEEL_REST_MS, so that `now_ms` stays current. 0: a timer is due. */
int64_t wheel_wait_ms(const struct wheel *wheel);

#endif
