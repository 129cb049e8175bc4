/* ws.h: the WebSocket's frames, as a client writes and reads them (RFC 6455, section 5). */
#ifndef BENCH_WS_H
#define BENCH_WS_H

#include "bench/load/bytes.h"

struct client;

enum ws_opcode { WS_CONTINUATION, WS_TEXT, WS_BINARY, WS_CLOSE = 8, WS_PING, WS_PONG };

enum { WS_HEAD_MAX = 14 };

struct ws_frame {
    bool fin;
    unsigned opcode;
    struct text payload;
};

/* The frame at the front: how many bytes it takes up, 0 if it is not whole yet, -1 if no server may send it. */
static inline long ws_frame_read(struct text bytes, struct ws_frame *frame)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    if (bytes.len < 2)
        return 0;
    size_t head = 2, len = p[1];
    if (p[0] & 0x70 || len & 0x80) /* an extension that was not agreed on; masked */
        return -1;
    if (len == 126) {
        if (bytes.len < (head = 4))
            return 0;
        len = (size_t)p[2] << 8 | p[3];
    } else if (len == 127) {
        if (bytes.len < (head = 10))
            return 0;
        len = 0;
        for (unsigned i = 2; i < 10; i++)
            len = len << 8 | p[i];
        if (len >> 40)
            return -1;
    }
    if (bytes.len - head < len)
        return 0;
    *frame = (struct ws_frame){p[0] >> 7, p[0] & 15, {bytes.ptr + head, len}};
    return (long)(head + len);
}

/* Makes a frame of the bytes at `start` and after, the payload, which stand at the end of `out` with WS_HEAD_MAX
 * bytes of room before them; what is not needed of the room is closed up. The mask is zero, which leaves the payload
 * as it is: that is legal and costs nothing. */
void ws_frame_finish(struct bytes *out, size_t start, enum ws_opcode opcode);

/* The `parse` of protocols that speak WebSocket (protocol.h): the answer to the handshake, then frames. */
size_t ws_parse(struct client *client, struct text bytes);

#endif
