/* measure.h: what the servers' processes use: CPU time and memory. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "bench/load/options.h"

struct measure {
    double cpu_s[MAX_GROUPS];      /* since the processes began */
    double memory_kib[MAX_GROUPS]; /* only of measure_memory */
    double load_cpu_s;             /* of this process */
};

/* Ends the program if a process is not there. One that ends later makes its group's figures NAN. */
void measure_check(const struct options *options);
/* CPU time from each process' own CPU clock: nanoseconds, the system's share included, threads that have ended too. */
void measure_cpu(const struct options *options, struct measure *measure);
/* Memory that stands for no file, in proportion where processes share it (Pss_Anon and Pss_Shmem of smaps_rollup):
 * heaps, stacks, pools of shared memory; no program text, no page of a fork's that it has not written to. Takes long
 * for large processes, so not while something is timed. */
void measure_memory(const struct options *options, struct measure *measure);

#endif
