/* rest.h: REST calls as fast as they are answered, on connections that are kept alive. */
#ifndef BENCH_REST_H
#define BENCH_REST_H

#include "bench/load/report.h"

/* Whether the protocol is one of these. */
bool rest_is(const char *protocol);
/* world.clients stands for the connections, world.rooms are the rooms that are asked for. */
void rest_run(struct result *result);

#endif
