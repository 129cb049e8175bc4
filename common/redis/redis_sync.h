/* redis_sync.h: a connection to one of a deployment's Redis servers, for programs that may wait. Asks the sentinels
 * first, if there are any. The relay, which may not wait, has relay/redis/bus_find.c instead. */
#ifndef CG_COMMON_REDIS_REDIS_SYNC_H
#define CG_COMMON_REDIS_REDIS_SYNC_H

#include "common/redis/redis_servers.h"

struct redisContext;

enum { REDIS_WHY_MAX = 384 };

/* Connects, logs in, and makes sure that it is a master. Each step waits for redis_timeout_ms at most. `at` is where
 * the server was last (empty: not known) and becomes where it is: the sentinels may all be gone. NULL with one line in
 * `why`. */
struct redisContext *redis_open(const struct settings *settings, const struct redis_servers *servers, size_t server,
                                struct endpoint *at, char why[REDIS_WHY_MAX]) CG_MUST_CHECK;

/* Asks whether it still is one: one that was demoted answers like any other. */
bool redis_is_master(struct redisContext *redis, char why[REDIS_WHY_MAX]) CG_MUST_CHECK;

#endif
