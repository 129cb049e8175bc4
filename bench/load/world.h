/* world.h: the rooms, the clients in them, and the counts of one run. */
#ifndef BENCH_WORLD_H
#define BENCH_WORLD_H

#include "bench/load/bytes.h"
#include "bench/load/hist.h"
#include "bench/load/loop.h"
#include "bench/load/options.h"

struct protocol;

enum { ID_CAP = 48, TOKEN_CAP = 512 };

enum client_state {
    CLIENT_CLOSED,
    CLIENT_CONNECTING, /* TCP */
    CLIENT_HANDSHAKE,  /* its request is out, the answer awaited */
    CLIENT_OPENING,    /* the protocol has something to settle yet */
    CLIENT_OPEN,       /* hears what is said in its room */
};

struct client {
    struct source source; /* first: a source is its client */
    int fd;
    enum client_state state;
    unsigned index, room;
    unsigned tries;     /* connections that failed before this one */
    bool wants_out;     /* epoll tells when it can be written to */
    bool chunked;       /* its HTTP answer is */
    bool settled;       /* nothing more is expected of the start, as far as the protocol can tell */
    unsigned step;      /* of the protocol's opening */
    struct bytes carry; /* the beginning of a frame whose rest has not come yet */
    struct bytes out;   /* what the socket has not taken yet */
    struct bytes body;  /* what has come of an answer without an end, and holds no whole event yet */
    size_t out_start;   /* where in it the payload of the frame begins that is being made */

    /* what it has heard: see check.h */
    bool hears;                /* it is to get what is said */
    uint32_t next;             /* the number of the message that is next */
    uint32_t skipped;          /* messages that were said while it was not there to hear them */
    uint32_t may_skip;         /* how many of those next it may have been too late for: until it hears the first */
    uint32_t missing;          /* numbers that were passed over */
    uint64_t seq, epoch;       /* the server's own number of the last; 0: none yet */
    unsigned stamp_at, seq_at; /* where in a frame they stood last time */

    char user[ID_CAP]; /* its id on the server */
    char *token;       /* proves it to the server, where an id does not */
};

struct room {
    char id[ID_CAP];
    unsigned members; /* clients in it; the first speaks */
    uint32_t sent, acknowledged;
    bool ready; /* stands in world.ready */
};

/* Kinds of faults. The first ones are of messages, the last of connections. */
enum fault {
    FAULT_REPEATED, /* a message came again */
    FAULT_ORDER,    /* a message came after a later one */
    FAULT_SEQ,      /* the server's number does not follow the last one */
    FAULT_FOREIGN,  /* a message of another room */
    FAULT_DAMAGED,  /* a message's content is not what was said */
    FAULT_REFUSED,  /* the server said an error */
    FAULT_PROTOCOL, /* the server broke the protocol */
    FAULT_CLOSED,   /* the server ended a connection */
    FAULT_OVERDUE,  /* an open loop could not get rid of its messages */
    FAULTS,
};

struct tally {
    uint64_t sent, acknowledged, delivered, requests;
};

struct world {
    const struct options *options;
    const struct protocol *protocol;
    struct client *clients;
    struct room *rooms;
    unsigned client_count, room_count;
    unsigned open, settled;    /* clients that are */
    uint32_t run;              /* tells this run's messages from an earlier one's */
    uint64_t now_ns;           /* when the bytes that are being looked at were read */
    uint64_t measured_from_ns; /* messages due before count for no latency */
    uint64_t last_frame_ns;    /* when anything came last */
    struct tally tally;
    uint64_t other_frames; /* that are no messages of this run */
    uint64_t retries;      /* connections that had to be tried again */
    uint64_t faults[FAULTS];
    struct hist latency, ack;
    unsigned *ready; /* rooms in which something was acknowledged since the last turn */
    unsigned ready_count;
};

extern struct world world;

void world_init(const struct options *options, const struct protocol *protocol);
void world_free(void);

/* The client that speaks in the room. */
static inline struct client *world_speaker(unsigned room)
{
    return &world.clients[room];
}

static inline bool client_speaks(const struct client *client)
{
    return client->index < world.room_count;
}

/* A speaker learns that its message was taken. */
void world_acknowledge(unsigned room, uint64_t due_ns);
/* Counts a fault; the first few of each kind are told on standard error, with up to 200 bytes of what came. */
void world_fault(enum fault fault, const struct client *client, struct text what);
const char *world_fault_name(enum fault fault);
uint64_t world_faults(void);

/* Deliveries that were due by now, of all that was sent; and how many of them have not come. */
uint64_t world_expected(void);
uint64_t world_lost(void);
/* Whether all that was sent was acknowledged, as far as speakers are told at all. */
bool world_all_taken(void);

#endif
