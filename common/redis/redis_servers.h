/* redis_servers.h: the Redis servers of a deployment, and which of them has a conversation. Every program derives it
 * from the same settings. Does not connect. Any thread.
 *
 * Usually there is one. With several, everything about a conversation (channel, presence) is on one of them, chosen by
 * hash. What concerns no conversation (Socket.IO, counters, relays' addresses) is on the first. Relays' leases are on
 * each. */
#ifndef CG_COMMON_REDIS_REDIS_SERVERS_H
#define CG_COMMON_REDIS_REDIS_SERVERS_H

#include "common/endpoint.h"
#include "common/err.h"
#include "common/settings.h"

enum {
    REDIS_SERVERS_MAX = 16,
    REDIS_SENTINELS_MAX = 16,
    REDIS_NAME_MAX = 64,
    REDIS_SENTINEL_SHARE = 4, /* a sentinel that is silent for redis_timeout_ms divided by this is skipped */
};

struct redis_server {
    struct endpoint address;     /* unless sentinels are used */
    char master[REDIS_NAME_MAX]; /* its name at the sentinels, else empty */
};

struct redis_servers {
    struct redis_server servers[REDIS_SERVERS_MAX];
    struct endpoint sentinels[REDIS_SENTINELS_MAX];
    size_t count, sentinel_count;
};

/* Reads redis_sentinels and redis_master, else redis_addresses, else redis_socket or redis_host. ERR_INVALID with a
 * line in `why`: never for settings that config_load has accepted. */
enum err redis_servers_read(const struct settings *settings, struct redis_servers *servers,
                            char why[256]) CG_MUST_CHECK;

/* The index of the server, out of `count`, for a conversation or an inbox. Adding a server moves only the
 * conversations that it takes over. */
size_t redis_server_of(size_t count, uint64_t conversation);

#endif
