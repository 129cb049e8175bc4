/* bus_server.h: one Redis server of the bus: where it is, two connections, their heartbeat, and what happens when it stops.
 * Loop thread only. */
#ifndef CG_RELAY_REDIS_BUS_SERVER_H
#define CG_RELAY_REDIS_BUS_SERVER_H

#include "common/map.h"
#include "common/redis/presence_keys.h"
#include "common/redis/redis_health.h"
#include "relay/redis/bus.h"
#include "relay/redis/redis_link.h"

/* What all servers of the bus share. */
struct bus_common {
    uv_loop_t *loop;
    const struct settings *settings;
    struct bus_events events;
    struct redis_servers known;
    struct redis_health health; /* which of them are up, and when the others are tried again */
    char beat_channel[PRESENCE_KEY_MAX];
    bool stopping; /* nobody wants to hear of it any more */
};

struct bus_server {
    struct bus_common *bus;
    size_t index;                      /* among the known */
    struct map subscriptions;          /* conversation → itself */
    struct redis_link listen, command; /* SUBSCRIBE on one, all else on the other */
    struct endpoint found;             /* where it is, or is being tried; no host: not found yet */
    const char *fault;                 /* why it must be left, noticed in a callback */
    bool is_master;
    int64_t beat_sent_ms, beat_seen_ms;
    int64_t answered_ms;                         /* it last answered anything on `command` */
    uint64_t beats_sent, beats_told, beats_come; /* how many: sent, published as it answers, heard on `listen` */
    uint64_t beats_echoed;                       /* how many PINGs were answered, one for each beat */
    int64_t deaf_since_ms;                       /* since when some of those that it told were not heard; 0: all were */
    size_t publish_bytes;                        /* sent and not answered */
    size_t commands;                             /* sent and not answered */
    /* while it is looked for */
    enum { SEARCH_NONE, SEARCH_NAME, SEARCH_SENTINEL } search;
    struct redis_search sentinels; /* which of them is asked */
    struct redis_link ask;         /* to it */
    int64_t asking_since_ms;
    bool answered; /* it knows: `found` */
    uv_getaddrinfo_t resolve;
    bool resolving;
};

void bus_server_init(struct bus_server *server, struct bus_common *bus, size_t index);
void bus_server_fini(struct bus_server *server);
bool bus_server_up(const struct bus_server *server);
/* Looks whether all is well and does the next thing that is due. Never from a callback of a connection. */
void bus_server_supervise(struct bus_server *server);
void bus_server_flush(struct bus_server *server);
/* Ends all connections and searches; commands are answered with NULL. */
void bus_server_stop(struct bus_server *server);
void bus_server_subscribe(struct bus_server *server, uint64_t conversation);
void bus_server_unsubscribe(struct bus_server *server, uint64_t conversation);
/* Something came back on `command`: it lives. */
void bus_server_answered(struct bus_server *server);

#endif
