/* wsread.h: reads a client's WebSocket frames (RFC 6455 section 5) as their bytes come. Knows no sockets.
 *
 * What breaks the protocol is told as soon as its first byte is there: a frame that announces more than its message may
 * have is not waited for. Nothing is kept but a head, or a control frame, that came in pieces. */
#ifndef CG_RELAY_NET_WSREAD_H
#define CG_RELAY_NET_WSREAD_H

#include "common/str.h"

#include <stdint.h>

enum {
    WSREAD_CONTROL_MAX = 125, /* bytes of a control frame: section 5.5 */
    WSREAD_HEAD_MAX = 14,
};

enum wsread_kind {
    WSREAD_MORE, /* all was taken; more must come */
    WSREAD_DATA, /* a piece of a message */
    WSREAD_PING,
    WSREAD_PONG,
    WSREAD_CLOSE,  /* with a code that may be sent and a reason of UTF-8 */
    WSREAD_BROKEN, /* nothing that comes now means anything */
};

struct wsread_event {
    enum wsread_kind kind;
    bool first, last, binary; /* of the message */
    unsigned code;            /* of the close frame, 0: none; or what to close with */
    const char *why;
    struct str bytes; /* unmasked. A piece's stand where they came; a control frame's are good until the next call */
};

/* Zeroed at its beginning. */
struct wsread {
    uint64_t left;                             /* bytes of the present frame that have not come yet */
    uint64_t message;                          /* bytes that the frames of the present message announced */
    char *control;                             /* a control frame that came in pieces; NULL: none */
    unsigned char head[WSREAD_HEAD_MAX], have; /* of the head; the last four bytes are the mask */
    uint8_t opcode, mask_at, control_len;
    bool in_frame, final, in_message, binary, begun; /* begun: a piece of the message was given out */
};

/* Takes from `bytes`, which it unmasks where they stand, up to the next event; *used: how many. `max`: the longest
 * message. Not to be called again after WSREAD_BROKEN. */
struct wsread_event wsread_take(struct wsread *read, char *bytes, size_t len, size_t max, size_t *used);
void wsread_fini(struct wsread *read);

/* Whether a close frame may carry that code (section 7.4 and IANA's registry). */
bool wsread_is_close_code(unsigned code);

#endif
