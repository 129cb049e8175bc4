/* redis_servers.h: which Redis servers a deployment has, and which of them a conversation lives on. Every program works
 * it out from the same settings. Knows no Redis.
 *
 * One server, as a rule. With several, everything about a conversation (its channel, its presence) is on one of them,
 * chosen by hash; what concerns no conversation (Socket.IO, counters, where relays are) is on the first. What relays
 * say of themselves (leases) is on each. */
#ifndef CG_COMMON_REDIS_REDIS_SERVERS_H
#define CG_COMMON_REDIS_REDIS_SERVERS_H

#include "common/endpoint.h"
#include "common/err.h"
#include "common/settings.h"

enum {
    REDIS_SERVERS_MAX = 16,
    REDIS_SENTINELS_MAX = 16,
    REDIS_NAME_MAX = 64,
    REDIS_SENTINEL_SHARE = 4, /* a sentinel that is silent for this part of redis_timeout_ms is passed over */
};

struct redis_server {
    struct endpoint address;     /* unless the sentinels are to be asked */
    char master[REDIS_NAME_MAX]; /* the name that they know it by, else empty */
};

struct redis_servers {
    struct redis_server servers[REDIS_SERVERS_MAX];
    struct endpoint sentinels[REDIS_SENTINELS_MAX];
    size_t count, sentinel_count;
};

/* Reads redis_sentinels and redis_master, else redis_addresses, else redis_socket or redis_host. ERR_INVALID with a
 * line in `why`: never for settings that config_load has let through. */
enum err redis_servers_read(const struct settings *settings, struct redis_servers *servers,
                            char why[256]) CG_MUST_CHECK;

/* Which of `count` servers a conversation (or an inbox) lives on. One server more takes its share of the conversations
 * from the others and moves no other. */
size_t redis_server_of(size_t count, uint64_t conversation);

#endif
