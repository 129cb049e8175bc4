/* redis_health.h: what a process knows of its Redis servers: which can be used, where each was last, when a lost one may
 * be tried again, which sentinel to ask first. The drivers (relay/redis, which never waits, and redis_sync.h, which does)
 * connect and talk. They report here what they meet, and a server is up or down only here; so each change is logged and
 * counted once, whichever connection noticed it. Knows no connection and no library. Who shares one between threads locks
 * it.
 *
 *   UNTRIED    Nothing was met yet: whoever wants may try.         came up: UP     lost: LOST
 *   UP         It was used.                                        lost: LOST
 *   LOST       Nobody tries before its back-off ends.              due: RETRYING
 *   RETRYING   One attempt has leave. Another gets it when as much time again is over, in case that one waits for a
 *              server that says nothing.                           came up: UP     lost: LOST, twice as long
 *
 * What is reported of one that is LOST is no news: connections that were lost with the first do not make it longer. */
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
        struct endpoint at;    /* where it is, or was used last; no host: not known yet */
        size_t first_sentinel; /* the one to begin with */
    } servers[REDIS_SERVERS_MAX];
};

/* Borrows `known`. */
void redis_health_init(struct redis_health *health, const struct redis_servers *known);

/* Whether the caller may connect, or use a connection, now. Who is let in has to report how it went. */
bool redis_health_may_try(struct redis_health *health, size_t server);
/* It was used at that place. True: that is news, it was not up. */
bool redis_health_came_up(struct redis_health *health, size_t server, const struct endpoint *at);
/* It cannot be used. `tried`: where; NULL or no host: it was not found. `why`: for the log. True: it was up. */
bool redis_health_lost(struct redis_health *health, size_t server, const struct endpoint *tried, const char *why);
/* Its connections were ended on purpose. */
void redis_health_left(struct redis_health *health, size_t server);

bool redis_health_is_up(const struct redis_health *health, size_t server);
size_t redis_health_count_up(const struct redis_health *health);
bool redis_health_all_up(const struct redis_health *health);
/* Where it is, as far as is known without asking: the address in the settings, else where it was last (no host: never). */
const struct endpoint *redis_health_place(const struct redis_health *health, size_t server);
/* Appends [{"at":"host:port","up":true},…], for operators. */
void redis_health_add(const struct redis_health *health, struct buf *out);

/* One look for a server among the sentinels: one after the other, beginning with the one that knew last, and with another
 * after each loss, because one that was cut off may name the master of yesterday. */
struct redis_search {
    size_t first, asked;
};
struct redis_search redis_health_search(const struct redis_health *health, size_t server);
/* The one to ask now; NULL: all were asked. */
const struct endpoint *redis_search_sentinel(const struct redis_search *search, const struct redis_servers *known);
/* It was of no use. */
void redis_search_next(struct redis_search *search);
/* It knew: the next search begins with it. */
void redis_health_found(struct redis_health *health, size_t server, const struct redis_search *search);

#endif
