#include "bench/load/measure.h"

#include "bench/load/bytes.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t))
        return NAN;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_of(int pid)
{
    clockid_t clock;
    return clock_getcpuclockid(pid, &clock) ? NAN : seconds_of(clock);
}

void measure_check(const struct options *options)
{
    for (unsigned i = 0; i < options->group_count; i++)
        for (unsigned j = 0; j < options->groups[i].count; j++)
            if (isnan(cpu_of(options->groups[i].pids[j])))
                die("there is no process %d", options->groups[i].pids[j]);
}

static double memory_of(int pid)
{
    char path[64], line[256];
    double kib = 0, part;
    bool told = false;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return NAN;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Pss_Anon: %lf", &part) == 1 || sscanf(line, "Pss_Shmem: %lf", &part) == 1) {
            kib += part;
            told = true;
        }
    fclose(file);
    return told ? kib : NAN;
}

void measure_cpu(const struct options *options, struct measure *measure)
{
    for (unsigned i = 0; i < options->group_count; i++) {
        measure->cpu_s[i] = 0;
        for (unsigned j = 0; j < options->groups[i].count; j++)
            measure->cpu_s[i] += cpu_of(options->groups[i].pids[j]);
    }
    measure->load_cpu_s = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

void measure_memory(const struct options *options, struct measure *measure)
{
    for (unsigned i = 0; i < options->group_count; i++) {
        measure->memory_kib[i] = 0;
        for (unsigned j = 0; j < options->groups[i].count; j++)
            measure->memory_kib[i] += memory_of(options->groups[i].pids[j]);
    }
}
