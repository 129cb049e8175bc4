#include "relay/wheel.h"

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

void wheel_advance(struct wheel *wheel)
{
    wheel->now_ms = clock_mono_ms();
    int64_t until = wheel->now_ms / WHEEL_TICK_MS;
    if (until - wheel->tick > WHEEL_SLOTS)
        wheel->tick = until - WHEEL_SLOTS; /* the process had stood still: one whole turn does it */
    while (wheel->tick < until)
        run_slot(wheel, &wheel->slots[++wheel->tick % WHEEL_SLOTS]);
}
