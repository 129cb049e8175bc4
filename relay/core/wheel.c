#include "relay/core/wheel.h"

#include "common/clock.h"

#include <stddef.h>

static void list_init(struct wheel_timer *head)
{
    head->prev = head->next = head;
}

static void list_add(struct wheel_timer *head, struct wheel_timer *timer)
{
    timer->prev = head->prev;
    timer->next = head;
    head->prev->next = timer;
    head->prev = timer;
}

void wheel_init(struct wheel *wheel)
{
    for (int i = 0; i < WHEEL_SLOTS; i++)
        list_init(&wheel->slots[i]);
    wheel->now_ms = clock_mono_ms();
    wheel->tick = wheel->now_ms / WHEEL_TICK_MS;
    wheel->next_tick = wheel->tick + 1;
}

void wheel_cancel(struct wheel_timer *timer)
{
    if (!timer->next)
        return;
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    timer->prev = timer->next = NULL;
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, int64_t delay_ms)
{
    wheel_cancel(timer);
    timer->due_ms = clock_mono_ms() + delay_ms;
    int64_t tick = (timer->due_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    if (tick < wheel->next_tick)
        wheel->next_tick = tick;
    list_add(&wheel->slots[tick % WHEEL_SLOTS], timer);
}

static void run_slot(struct wheel *wheel, struct wheel_timer *slot)
{
    /* Onto a list of its own first: a callback may set timers into this very slot. */
    struct wheel_timer due;
    list_init(&due);
    if (slot->next == slot)
        return;
    due = *slot;
    due.next->prev = due.prev->next = &due;
    list_init(slot);
    while (due.next != &due) {
        struct wheel_timer *timer = due.next;
        wheel_cancel(timer);
        if (timer->due_ms > wheel->now_ms)
            list_add(slot, timer); /* of a later turn of the wheel */
        else
            timer->fired(timer);
    }
}

/* The next tick whose slot is not empty, or the last of those that the loop may sleep through. */
static int64_t look_ahead(const struct wheel *wheel)
{
    int64_t tick = wheel->tick + 1, last = wheel->tick + WHEEL_REST_MS / WHEEL_TICK_MS;
    while (tick < last && wheel->slots[tick % WHEEL_SLOTS].next == &wheel->slots[tick % WHEEL_SLOTS])
        tick++;
    return tick;
}

void wheel_advance(struct wheel *wheel)
{
    wheel->now_ms = clock_mono_ms();
    int64_t until = wheel->now_ms / WHEEL_TICK_MS;
    if (until <= wheel->tick)
        return;
    if (until - wheel->tick > WHEEL_SLOTS)
        wheel->tick = until - WHEEL_SLOTS; /* the process had stood still: one whole turn does it */
    while (wheel->tick < until)
        run_slot(wheel, &wheel->slots[++wheel->tick % WHEEL_SLOTS]);
    wheel->next_tick = look_ahead(wheel);
}

int64_t wheel_wait_ms(const struct wheel *wheel)
{
    int64_t left_ms = wheel->next_tick * WHEEL_TICK_MS - clock_mono_ms();
    return left_ms > 0 ? left_ms : 0;
}
