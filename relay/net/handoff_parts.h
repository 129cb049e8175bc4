/* handoff_parts.h: what the files of the handoff share.
 *
 *   handoff.c        which relay is where; who hands what to whom
 *   handoff_local.c  to a relay on this machine: the socket itself
 *   handoff_receive.c   taking what relays and nginx give
 *   handoff_splice.c to any other: bytes back and forth
 *   handoff_spread.c newcomers, to the relay with the fewest clients */
#ifndef CG_RELAY_NET_HANDOFF_PARTS_H
#define CG_RELAY_NET_HANDOFF_PARTS_H

#include "common/map.h"
#include "relay/net/handoff.h"

#include <netinet/in.h>
#include <sys/queue.h>

enum { HANDOFF_PATH_MAX = 108, HANDOFF_BOOT_MAX = 40, HANDOFF_PEERS_MAX = 64 };

typedef void handoff_refuse_fn(struct http_call *call);

/* Where another relay is, as far as we know. */
struct handoff_destination {
    struct handoff *handoff;
    uint64_t incarnation;
    int64_t until_ms;            /* clock_mono_ms: ask again then */
    bool known, asking, near;    /* near: on this machine */
    char path[HANDOFF_PATH_MAX]; /* empty: none */
    struct sockaddr_in address;  /* port 0: none */
    int fd;                      /* to its Unix socket; -1: none */
    LIST_HEAD(, handoff_wait) waiting;
};

/* A call that waits for the answer of where its relay is, or for a TCP connection to it. */
struct handoff_wait {
    struct handoff *handoff;
    struct http_call *call;
    handoff_refuse_fn *refuse;
    struct handoff_destination *destination;
    LIST_ENTRY(handoff_wait) link; /* in place->waiting */
};

/* Another relay of this machine, and how many clients it said it has. */
struct handoff_peer {
    uint64_t incarnation; /* 0: none */
    uint64_t load, given; /* newcomers that we gave it since */
    int64_t until_ms;     /* clock_mono_ms: that is old then */
};

struct handoff_receivers;
struct handoff_splices;

struct handoff {
    uv_loop_t *loop;
    const struct settings *settings;
    struct wheel *wheel;
    struct bus *bus;
    struct http_server *server;
    uint64_t incarnation;
    char boot[HANDOFF_BOOT_MAX];
    char value[256]; /* what stands in Redis */
    struct map destinations;
    size_t waiting;
    struct wheel_timer renew;
    struct handoff_receivers *receivers;
    struct handoff_splices *splices;
    bool up, stopped;
    size_t (*count_clients)(void); /* NULL: nobody is given away */
    struct handoff_peer peers[HANDOFF_PEERS_MAX];
    struct wheel_timer say_load;
    uint64_t said_load;
    int64_t said_ms, awake_ms; /* clock_mono_ms: when that was said, and when it was last thought of */
};

/* Counts and answers. */
void handoff_fail(struct http_call *call, handoff_refuse_fn *refuse);
/* Asks where a relay is, unless that is known. */
void handoff_look_for(struct handoff *handoff, uint64_t incarnation);
/* Gives the call's socket to a relay of this machine, if that can be done at once; else the call is still the
 * caller's. */
bool handoff_give_near(struct handoff *handoff, uint64_t incarnation, struct http_call *call);

/* ---- handoff_receive.c ---- */

/* Listens beside listen_socket, for relays. path: its absolute name, empty if there is none. */
struct handoff_receivers *handoff_receivers_new(struct handoff *handoff, char path[HANDOFF_PATH_MAX]);
/* For nginx too, or no longer; what it has sent by then is taken. */
void handoff_receivers_front(struct handoff_receivers *receivers, bool open);
bool handoff_receivers_front_is_done(const struct handoff_receivers *receivers);
void handoff_receivers_stop(struct handoff_receivers *receivers);
void handoff_receivers_free(struct handoff_receivers *receivers);

/* ---- handoff_local.c ---- */

/* False: it could not be given that way. */
bool handoff_local_give(struct handoff_destination *destination, struct http_call *call);

/* ---- handoff_splice.c ---- */

struct handoff_splices *handoff_splices_new(struct handoff *handoff);
/* Ends them all. */
size_t handoff_splices_files(const struct handoff_splices *splices);
void handoff_splices_stop(struct handoff_splices *splices);
void handoff_splices_free(struct handoff_splices *splices);
/* The call is not the caller's any more. */
void handoff_splice(struct handoff_splices *splices, const struct sockaddr_in *to, struct http_call *call,
                    handoff_refuse_fn *refuse);

#endif
