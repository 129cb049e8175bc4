/* protocol.h: what differs between the protocols: how clients come in, how a message is said, what comes back. One file
 * each, protocol_*.c, known by the table in protocols.c. */
#ifndef BENCH_PROTOCOL_H
#define BENCH_PROTOCOL_H

#include "bench/load/check.h"
#include "bench/load/world.h"

/* How a speaker learns that its message was taken. */
enum ack {
    ACK_ECHO,  /* it comes back to it like to everybody */
    ACK_HEARD, /* the other one got it: nobody tells the speaker */
    ACK_OWN,   /* the protocol calls world_acknowledge */
};

/* A kind of request that makes the world over REST before anybody connects: all of one kind, then all of the next. */
struct setup {
    bool of_rooms; /* one for each room; else one for each client */
    /* Appends a whole HTTP request. */
    void (*ask)(unsigned index, struct bytes *out);
    /* The body of its answer. False: that is none, and the program ends. */
    bool (*answered)(unsigned index, struct text body);
};

struct protocol {
    const char *name;
    const struct setup *setups; /* ends with a row without `ask`; NULL: none, --http is not needed */
    enum ack ack;
    enum seq_rule seq;
    bool echo;    /* speakers hear themselves */
    bool pairs;   /* two clients a room, whatever --rooms says */
    bool lists;   /* what was said before is said again with each message */
    bool resumes; /* who comes back gets what was said meanwhile */
    /* Names rooms and users where no server does. May be NULL. */
    void (*prepare)(void);
    /* The client's HTTP request, or its first one. */
    void (*request)(struct client *client, struct bytes *out);
    /* Takes what it can of what the client got, whole frames or answers; returns how many bytes that is. Called
     * again with the rest and more. ws_parse for WebSockets. */
    size_t (*parse)(struct client *client, struct text bytes);
    /* For ws_parse. The handshake is done: says what is to be said first, and calls client_opened now or later. */
    void (*shaken)(struct client *client);
    /* For ws_parse. A whole text frame. */
    void (*text)(struct client *client, struct text text);
    /* Says a message; its content is content_write's. */
    void (*say)(struct client *speaker, uint32_t number, uint64_t due_ns);
};

/* One createChatroom for each client: rooms and users of the chatroom. */
extern const struct setup chatroom_setups[];

/* NULL: there is none of that name. */
const struct protocol *protocol_named(const char *name);

extern const struct protocol chatroom_protocol, bare_protocol, nchan_protocol, socketio_protocol, polling_protocol,
    native_protocol, friends_protocol, customer_protocol, space_protocol, events_protocol, stream_protocol,
    poll_protocol;

/* Appends the content of a message of this run, options.bytes long. */
void content_write(struct bytes *out, unsigned room, uint32_t number, uint64_t due_ns);

/* ---- for protocols.c' callers and the protocols themselves ---- */

/* Appends the request of a WebSocket handshake on `path`, with more header lines (each with its CRLF). */
void handshake_write(struct bytes *out, const char *path, const char *headers);
/* Appends a POST with a JSON body, and more header lines. */
void post_write(struct bytes *out, const char *path, const char *headers, const char *json);
void get_write(struct bytes *out, const char *path);
/* Copies an id out of an answer. False: it is none, or too long. */
bool id_take(char id[ID_CAP], struct text json, const char *key);

#endif
