/* io_notice.h: notices between relays about a Socket.IO namespace that are not stored messages: the payload of WIRE_IO
 * on the channel of the namespace's conversation. Length-framed and validated when read. Any thread. */
#ifndef CG_COMMON_IO_NOTICE_H
#define CG_COMMON_IO_NOTICE_H

#include "common/buf.h"
#include "common/err.h"

enum io_notice_kind {
    IO_NOTICE_EMIT = 1,       /* `body` (a JSON array: name, arguments) to `audience`, not stored */
    IO_NOTICE_JOIN = 2,       /* the sockets of `audience` join `body` (a room) */
    IO_NOTICE_LEAVE = 3,      /* … leave it */
    IO_NOTICE_DISCONNECT = 4, /* … are disconnected by the server */
    /* Another relay has recovered the socket `body` (a sid): drop it without notifying its client. */
    IO_NOTICE_TAKEN = 5,
    IO_NOTICE_KIND_MAX = IO_NOTICE_TAKEN,
};

struct io_notice {
    enum io_notice_kind kind;
    struct str audience; /* text of audience.h */
    struct str body;
};

void io_notice_add(struct buf *out, const struct io_notice *notice);
/* The texts point into `bytes` and are valid UTF-8. */
enum err io_notice_get(struct str bytes, struct io_notice *notice) CG_MUST_CHECK;

#endif
