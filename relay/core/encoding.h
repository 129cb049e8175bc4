/* encoding.h: how a conversation's events look to the clients of one kind. A room keeps one log per
 * encoding that somebody in it reads, so an event is encoded once, not once per client. */
#ifndef CG_RELAY_CORE_ENCODING_H
#define CG_RELAY_CORE_ENCODING_H

#include "common/message.h"

#include <stddef.h>

struct session;

/* Somebody present in a room, as lists show them. */
struct member {
    uint64_t user;
    struct str name;
    struct str head; /* a JSON scalar */
};

struct encoding {
    const char *name;
    /* Its payloads go out as they are, not as WebSocket frames. */
    bool bare;
    /* Its readers want the latest messages from before they came: a room loads them. */
    bool history;
    /* Its log is a store of payloads that the adapter puts together itself: nothing is sent from it,
     * protocol->changed is called instead. */
    bool pulled;
    /* Appends the payload of one frame; nothing if this message is not for these readers. */
    void (*message)(const struct message *message, struct buf *out);
    /* For a pulled encoding whose clients are sent every payload after all, each in a form of its own: gives one
     * client one payload. */
    void (*give)(struct session *session, struct str payload);
    /* The member list; NULL if these readers have none. */
    void (*members)(uint64_t conversation, const struct member *members, size_t count, struct buf *out);
    /* Somebody came into a room for the first time on any relay, or left it on the last (MESSAGE_JOIN,
     * MESSAGE_LEAVE): stores or tells it. NULL if presence has no meaning here. */
    void (*presence)(enum message_kind kind, uint64_t conversation, const struct member *member);
};

/* Values index a room's logs, and stand in Redis beside who is present: never renumber. */
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
    ENCODING_NATIVE_PRESENCE = 9, /* the same, with who is present */
    ENCODING_EVENTS_PADDED = 10,  /* Server-Sent Events for who sits behind something that holds back a KB or two */
    ENCODING_DEMO_GREET = 11,
    ENCODING_COUNT
};

#endif
