/* hist.h: how long things took, in fixed memory: 128 steps for each power of two, so a figure is at most 0.8 % too
 * large, whatever its size. */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

enum {
    HIST_STEP_BITS = 7,
    HIST_STEPS = 1 << HIST_STEP_BITS,
    HIST_VALUE_BITS = 42, /* an hour and more, in nanoseconds; what is longer counts as that */
    HIST_SLOTS = (HIST_VALUE_BITS - HIST_STEP_BITS + 1) * HIST_STEPS,
};

struct hist {
    uint64_t count, max_ns;
    uint64_t slots[HIST_SLOTS];
};

/* The slot of a value: below HIST_STEPS itself; above, its power of two and the bits after the first. */
static inline unsigned hist_slot(uint64_t ns)
{
    if (ns < HIST_STEPS)
        return (unsigned)ns;
    unsigned power = 63 - (unsigned)__builtin_clzll(ns), shift = power - HIST_STEP_BITS;
    if (power >= HIST_VALUE_BITS)
        return HIST_SLOTS - 1;
    return (shift + 1) * HIST_STEPS + (unsigned)(ns >> shift) - HIST_STEPS;
}

static inline void hist_add(struct hist *hist, uint64_t ns)
{
    hist->slots[hist_slot(ns)]++;
    hist->count++;
    if (ns > hist->max_ns)
        hist->max_ns = ns;
}

/* The value that `part` (0 to 1) of all are not above, in nanoseconds; 0 if there are none. */
uint64_t hist_percentile(const struct hist *hist, double part);

#endif
