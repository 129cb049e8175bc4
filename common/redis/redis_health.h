/* redis_health.h: the state of a process's Redis servers: which are up, the last address of each, when to retry a lost
 * one, which sentinel to ask first. The drivers (relay/redis, asynchronous, and redis_sync.h, blocking) connect and
 * report here. A server's state is kept only here, so each change is logged and counted once, whichever connection
 * noticed it. Knows no connections and no client library. Callers that share one between threads must lock it.
 *
 *   UNTRIED    Not used yet: any caller may try.                   came up: UP     lost: LOST
 *   UP         It was used.                                        lost: LOST
 *   LOST       Not tried before its back-off ends.                 due: RETRYING
 *   RETRYING   One attempt is allowed, and another one after the same time again, in case the first waits for an
 *              unresponsive server.                                came up: UP     lost: LOST, twice as long
 *
 * Further losses of a server that is LOST do not extend its back-off, so several connections lost together count
 * once. */
#ifndef CG_COMMON_REDIS_REDIS_HEALTH_H
#define CG_COMMON_REDIS_REDIS_HEALTH_H

#include "common/backoff.h"
#include "common/redis/redis_servers.h"

struct buf;

struct redis_health {
    const struct redis_servers *known;
    bool quiet; /* logs nothing */
    struct redis_state {
        enum { REDIS_UNTRIED, REDIS_UP, REDIS_LOST, REDIS_RETRYING } phase;
        struct backoff backoff;
        struct endpoint at;    /* its present or last address; no host: not known yet */
        size_t first_sentinel; /* the one to begin with */
    } servers[REDIS_SERVERS_MAX];
};

/* Borrows `known`. */
void redis_health_init(struct redis_health *health, const struct redis_servers *known);

/* Whether the caller may connect, or use a connection, now. If so, it must report the outcome. */
bool redis_health_may_try(struct redis_health *health, size_t server);
/* The server was used at that address. True: it was not up before. */
bool redis_health_came_up(struct redis_health *health, size_t server, const struct endpoint *at);
/* The server cannot be used. `tried`: its address; NULL or no host: it was not found. `why`: for the log. True: it was
 * up before. */
bool redis_health_lost(struct redis_health *health, size_t server, const struct endpoint *tried, const char *why);
/* Its connections were closed on purpose. */
void redis_health_left(struct redis_health *health, size_t server);

bool redis_health_is_up(const struct redis_health *health, size_t server);
size_t redis_health_count_up(const struct redis_health *health);
bool redis_health_all_up(const struct redis_health *health);
/* Its known address: the one in the settings, else the last one (no host: none yet). */
const struct endpoint *redis_health_place(const struct redis_health *health, size_t server);
/* Appends [{"at":"host:port","up":true},…], for operators. */
void redis_health_add(const struct redis_health *health, struct buf *out);

/* One search for a server through the sentinels, one after the other. It begins with the one that answered last, and
 * with another one after each loss, because an isolated sentinel may still name the former master. */
struct redis_search {
    size_t first, asked;
};
struct redis_search redis_health_search(const struct redis_health *health, size_t server);
/* The sentinel to ask now; NULL: all were asked. */
const struct endpoint *redis_search_sentinel(const struct redis_search *search, const struct redis_servers *known);
/* That sentinel did not help: moves on to the next. */
void redis_search_next(struct redis_search *search);
/* That sentinel knew: the next search begins with it. */
void redis_health_found(struct redis_health *health, size_t server, const struct redis_search *search);

#endif
