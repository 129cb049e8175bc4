/* encoding.h: how a conversation's events look to the clients of one kind. A room keeps one log per
 * encoding that somebody in it reads, so an event is encoded once, not once per client. */
#ifndef CG_RELAY_ENCODING_H
#define CG_RELAY_ENCODING_H

#include "common/message.h"

#include <stddef.h>

/* Somebody present in a room, as lists show them. */
struct member {
    uint64_t user;
    struct str name;
    struct str head; /* a JSON scalar */
};

struct encoding {
    const char *name;
    /* Appends the payload of one frame. An encoding that has no such event appends nothing. */
    void (*message)(const struct message *message, struct buf *out);
    void (*members)(const struct member *members, size_t count, struct buf *out);
};

/* Values index a room's logs. */
enum encoding_id { ENCODING_CHATROOM, ENCODING_COUNT };

extern const struct encoding *const encodings[ENCODING_COUNT];

#endif
