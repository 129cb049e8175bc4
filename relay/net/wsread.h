/* wsread.h: an incremental parser for a client's WebSocket frames (RFC 6455 section 5). Knows no sockets.
 *
 * Violations are reported at their first byte: a frame that announces more than its message may have is not read first.
 * Keeps nothing but an incomplete head or control frame. */
#ifndef CG_RELAY_NET_WSREAD_H
#define CG_RELAY_NET_WSREAD_H

#include "common/str.h"

#include <stdint.h>

enum {
    WSREAD_CONTROL_MAX = 125, /* bytes of a control frame: section 5.5 */
    WSREAD_HEAD_MAX = 14,
};

enum wsread_kind {
    WSREAD_MORE, /* all bytes were consumed, more are needed */
    WSREAD_DATA, /* a piece of a message */
    WSREAD_PING,
    WSREAD_PONG,
    WSREAD_CLOSE,  /* with a valid code and a reason in UTF-8 */
    WSREAD_BROKEN, /* a protocol violation; nothing more can be read */
};

struct wsread_event {
    enum wsread_kind kind;
    bool first, last, binary; /* of the message */
    unsigned code;            /* the close frame's, 0: none; when broken, the code to close with */
    const char *why;
    struct str bytes; /* unmasked. Of data, a part of the input; of a control frame, valid until the next call */
};

/* Zeroed: at the start of a connection. */
struct wsread {
    uint64_t left;                             /* bytes of the present frame still missing */
    uint64_t message;                          /* bytes announced so far by the present message's frames */
    char *control;                             /* an incomplete control frame; NULL: none */
    unsigned char head[WSREAD_HEAD_MAX], have; /* of the head; the last four bytes are the mask */
    uint8_t opcode, mask_at, control_len;
    bool in_frame, final, in_message, binary, begun; /* begun: a piece of the message was given out */
};

/* Reads `bytes` up to the next event, unmasking them in place; sets *used to the bytes consumed. `max` is the longest
 * message in bytes. Must not be called again after WSREAD_BROKEN. */
struct wsread_event wsread_take(struct wsread *read, char *bytes, size_t len, size_t max, size_t *used);
void wsread_fini(struct wsread *read);

/* Whether a close frame may carry that code (section 7.4 and IANA's registry). */
bool wsread_is_close_code(unsigned code);

#endif
