/* report.h: one line of JSON with what a run found. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench/load/measure.h"
#include "bench/load/world.h"

struct result {
    double seconds;             /* measured */
    struct tally before, after; /* of that time */
    struct measure cpu_before, cpu_after;
    bool connected; /* what follows is there */
    double connect_s;
    struct measure connect_before, connect_after; /* with memory */
    bool herd;                                    /* what follows is there */
    double herd_s;
    uint64_t herd_missed, herd_clients;
    struct measure herd_before, herd_after;
};

/* On standard output. */
void report(const struct result *result);

#endif
