/* herd.h: everybody but the speakers is cut at once, something is said, and all come back at once. */
#ifndef BENCH_HERD_H
#define BENCH_HERD_H

#include "bench/load/report.h"

/* Everybody is open. Afterwards too, and has been shown to hear what is said. */
void herd_run(struct result *result);

#endif
