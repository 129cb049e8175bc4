#include "bench/load/hist.h"

/* The largest value that goes into the slot. */
static uint64_t upper_end(unsigned slot)
{
    if (slot < HIST_STEPS)
        return slot;
    unsigned shift = slot / HIST_STEPS - 1;
    uint64_t step = slot % HIST_STEPS + HIST_STEPS;
    return ((step + 1) << shift) - 1;
}

uint64_t hist_percentile(const struct hist *hist, double part)
{
    uint64_t rank = (uint64_t)(part * (double)hist->count), seen = 0;
    if (!hist->count)
        return 0;
    if (rank >= hist->count)
        rank = hist->count - 1;
    for (unsigned slot = 0; slot < HIST_SLOTS; slot++) {
        seen += hist->slots[slot];
        if (seen > rank) {
            uint64_t ns = upper_end(slot);
            return ns < hist->max_ns ? ns : hist->max_ns;
        }
    }
    return hist->max_ns;
}
