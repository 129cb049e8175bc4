/* bus_server.h: one Redis server of the bus: finding it, its two connections, their heartbeat, and reconnecting. Loop
 * thread only. */
#ifndef CG_RELAY_REDIS_BUS_SERVER_H
#define CG_RELAY_REDIS_BUS_SERVER_H

#include "common/map.h"
#include "common/redis/presence_keys.h"
#include "common/redis/redis_health.h"
#include "relay/redis/bus.h"
#include "relay/redis/redis_link.h"

/* State shared by all servers of the bus. */
struct bus_common {
    uv_loop_t *loop;
    const struct settings *settings;
    struct bus_events events;
    struct redis_servers known;
    struct redis_health health; /* which are up, and when to retry the others */
    char beat_channel[PRESENCE_KEY_MAX];
    bool stopping; /* no events are reported any more */
};

struct bus_server {
    struct bus_common *bus;
    size_t index;                      /* among the known */
    struct map subscriptions;          /* conversation → itself */
    struct redis_link listen, command; /* SUBSCRIBE on one, all else on the other */
    struct endpoint found;             /* its address, or the one being tried; no host: not found yet */
    const char *fault;                 /* why it must be disconnected, noticed in a callback; NULL: no fault */
    bool is_master;
    int64_t beat_sent_ms, beat_seen_ms;
    int64_t answered_ms;                         /* time of the last answer on `command` */
    uint64_t beats_sent, beats_told, beats_come; /* heartbeats sent, confirmed, received on `listen` */
    uint64_t beats_echoed;                       /* PINGs answered, one for each beat */
    int64_t deaf_since_ms; /* since when confirmed ones have been missing on `listen`; 0: none is */
    size_t publish_bytes;  /* bytes published and not answered */
    size_t commands;       /* commands in flight */
    /* while searching for its address */
    enum { SEARCH_NONE, SEARCH_NAME, SEARCH_SENTINEL } search;
    struct redis_search sentinels; /* which sentinel is being asked */
    struct redis_link ask;         /* the connection to it */
    int64_t asking_since_ms;
    bool answered; /* the sentinel has answered: `found` */
    uv_getaddrinfo_t resolve;
    bool resolving;
};

void bus_server_init(struct bus_server *server, struct bus_common *bus, size_t index);
void bus_server_fini(struct bus_server *server);
bool bus_server_up(const struct bus_server *server);
/* Checks the server and takes the next step that is due. Must not be called from a connection's callback. */
void bus_server_supervise(struct bus_server *server);
void bus_server_flush(struct bus_server *server);
/* Ends all connections and searches; commands are answered with NULL. */
void bus_server_stop(struct bus_server *server);
void bus_server_subscribe(struct bus_server *server, uint64_t conversation);
void bus_server_unsubscribe(struct bus_server *server, uint64_t conversation);
/* An answer arrived on `command`: the server is alive. */
void bus_server_answered(struct bus_server *server);

#endif
