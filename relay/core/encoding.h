/* encoding.h: how a conversation's events look to one kind of client. A room keeps one log for each encoding in use
 * there, so an event is encoded once for all clients of that kind. */
#ifndef CG_RELAY_CORE_ENCODING_H
#define CG_RELAY_CORE_ENCODING_H

#include "common/message.h"

#include <stddef.h>

struct session;

/* A user present in a room, as member lists show them. */
struct member {
    uint64_t user;
    struct str name;
    struct str head; /* a JSON scalar */
};

struct encoding {
    const char *name;
    /* Payloads are sent as raw bytes, not as WebSocket frames. */
    bool bare;
    /* Clients of this kind start with the latest messages, so a room loads them. */
    bool history;
    /* The protocol assembles its answers from the log itself: nothing is sent from the log, and protocol->changed is
     * called instead. */
    bool pulled;
    /* Appends the payload of one frame, or nothing if this kind of client does not get the message. */
    void (*message)(const struct message *message, struct buf *out);
    /* Only for a pulled encoding whose payloads differ from client to client: sends one payload to one client. */
    void (*give)(struct session *session, struct str payload);
    /* Appends the member list. NULL if this kind of client gets none. */
    void (*members)(uint64_t conversation, const struct member *members, size_t count, struct buf *out);
    /* A user entered the room on their first relay (MESSAGE_JOIN) or left it on their last (MESSAGE_LEAVE): stores or
     * announces it. NULL if this kind has no presence. */
    void (*presence)(enum message_kind kind, uint64_t conversation, const struct member *member);
};

/* Stored in Redis with each presence entry: never renumber. */
enum encoding_id {
    ENCODING_CHATROOM = 0,
    ENCODING_FRIENDS_LOW = 1,
    ENCODING_FRIENDS_HIGH = 2,
    ENCODING_CUSTOMER = 3,
    ENCODING_SPACE = 4,
    ENCODING_EVENTS = 5, /* Server-Sent Events */
    ENCODING_STREAM = 6, /* scripts for an iframe */
    ENCODING_POLL = 7,   /* JSON for a held poll */
    ENCODING_NATIVE = 8,
    ENCODING_NATIVE_PRESENCE = 9, /* the same, with presence */
    ENCODING_EVENTS_PADDED = 10,  /* Server-Sent Events, padded, past proxies that buffer a KB or two */
    ENCODING_DEMO_GREET = 11,
    ENCODING_COUNT
};

#endif
