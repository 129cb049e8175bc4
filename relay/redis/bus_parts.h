/* bus_parts.h: the bus as its own files see it.
 *
 *   bus.c         what the rest of the relay asks for, sent to the server that it concerns
 *   bus_server.c  one Redis server: two connections, their heartbeat, and what happens when it stops
 *   bus_find.c    where that server is: names are resolved, sentinels asked
 *   bus_loop.c    a connection: hiredis as a guest of the loop */
#ifndef CG_RELAY_REDIS_BUS_PARTS_H
#define CG_RELAY_REDIS_BUS_PARTS_H

#include "common/map.h"
#include "common/redis/redis_health.h"
#include "relay/redis/bus.h"

struct redisReply;

enum { CHANNEL_MAX = 128 };

struct bus_server;

/* A connection, if there is one. */
struct link {
    struct bus_server *server;
    struct conn *conn; /* NULL: none */
    bool lost;         /* it ended by itself: cleared up outside its callbacks */
    void (*unasked)(struct bus_server *server,
                    const struct redisReply *reply); /* takes what answers nobody; NULL: nothing may */
};

/* Where it is being looked for. */
enum bus_search { SEARCH_NONE, SEARCH_NAME, SEARCH_SENTINEL };

struct bus_server {
    struct bus *bus;
    const struct redis_server *known;
    struct map subscriptions;    /* conversation → itself */
    struct link listen, command; /* SUBSCRIBE on one, all else on the other */
    const char *fault;           /* why it must be left, noticed in a callback */
    bool is_master;
    int64_t beat_sent_ms, beat_seen_ms;
    int64_t answered_ms;                         /* it last answered anything on `command` */
    uint64_t beats_sent, beats_told, beats_come; /* how many: sent, published as it answers, heard on `listen` */
    int64_t deaf_since_ms;                       /* since when some of those that it told were not heard; 0: all were */
    size_t publish_bytes;                        /* sent and not answered */
    size_t commands;                             /* sent and not answered */
    /* while it is looked for */
    enum bus_search search;
    struct link ask; /* to a sentinel */
    uv_getaddrinfo_t resolve;
    bool resolving;
    struct redis_search sentinels;
    int64_t asking_since_ms;
    bool answered;
    struct endpoint found;
};

struct bus {
    uv_loop_t *loop;
    const struct settings *settings;
    struct bus_events events;
    struct redis_servers known;
    struct redis_health health; /* which of them are up, and when the others are tried again */
    struct bus_server *servers; /* known.count of them */
    uv_timer_t supervisor;
    char beat_channel[CHANNEL_MAX];
    bool stopping;
    struct map payers; /* payer → how many commands it has on their way; 0 has PAYER_UNKNOWN */
    size_t paid;       /* of all of them */
};

/* ---- bus.c ---- */

int bus_channel_name(const struct bus *bus, uint64_t conversation, char out[CHANNEL_MAX]);

/* ---- bus_server.c ---- */

void bus_server_init(struct bus_server *server, struct bus *bus, const struct redis_server *known);
void bus_server_fini(struct bus_server *server);
bool bus_server_up(const struct bus_server *server);
/* Looks whether all is well and does the next thing that is due. Never from a callback of a connection. */
void bus_server_supervise(struct bus_server *server);
/* Ends all connections and searches; commands are answered with NULL. */
void bus_server_stop(struct bus_server *server);
/* Where it is has been found: connects. `numeric` is the address that the name stands for. */
void bus_server_connect(struct bus_server *server, const char *numeric);
/* It cannot be used now: everything is dropped and begun anew after a while. */
void bus_server_lose(struct bus_server *server, const char *why);
void bus_server_subscribe(struct bus_server *server, const char *channel);
void bus_server_unsubscribe(struct bus_server *server, const char *channel);
/* Something came back on `command`: it lives. */
void bus_server_answered(struct bus_server *server);

/* ---- bus_find.c ---- */

void bus_find_begin(struct bus_server *server);
void bus_find_supervise(struct bus_server *server);
void bus_find_stop(struct bus_server *server);

/* ---- bus_loop.c ---- */

/* Connects without waiting; `host` is numeric, or the path of a Unix socket with port 0. Logs in if there is a
 * password. */
bool bus_link_open(struct link *link, const char *host, int port, const char *password);
/* Adds a command to what this turn of the loop sends; there is a connection. `fn` is called once, in order, from the loop:
 * with NULL if the connection ends before the answer. It may ask, but not drop or flush. */
typedef void bus_link_fn(void *arg, const struct redisReply *reply);
void bus_link_ask(struct link *link, bus_link_fn *fn, void *arg, int count, const char *const *args,
                  const size_t *lengths);
/* The same for a command whose answers are for `unasked` (SUBSCRIBE, UNSUBSCRIBE). */
void bus_link_say(struct link *link, int count, const char *const *args, const size_t *lengths);
/* Sends what was asked of it in this turn of the loop; never from a callback of its own. */
void bus_link_flush(struct link *link);
/* Ends it; never from a callback of its own. */
void bus_link_drop(struct link *link);

#endif
