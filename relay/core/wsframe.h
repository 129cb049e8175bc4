/* wsframe.h: the opcodes of WebSocket frames, and the header of an unmasked, final one (RFC 6455 section 5.2). */
#ifndef CG_RELAY_CORE_WSFRAME_H
#define CG_RELAY_CORE_WSFRAME_H

#include <stddef.h>
#include <stdint.h>

enum { WSFRAME_HEADER_MAX = 10 };
enum wsframe_opcode {
    WSFRAME_CONTINUATION = 0x0,
    WSFRAME_TEXT = 0x1,
    WSFRAME_BINARY = 0x2,
    WSFRAME_CLOSE = 0x8,
    WSFRAME_PING = 0x9,
    WSFRAME_PONG = 0xa
};

/* Writes the header of a frame of `len` bytes; returns its size, 2, 4 or 10. */
static inline size_t wsframe_header(char out[WSFRAME_HEADER_MAX], enum wsframe_opcode opcode, size_t len)
{
    size_t wide = len < 126 ? 0 : len < 65536 ? 2 : 8;
    out[0] = (char)(0x80 | opcode);
    out[1] = (char)(wide == 0 ? len : wide == 2 ? 126 : 127);
    for (size_t i = 0; i < wide; i++)
        out[2 + i] = (char)(len >> (8 * (wide - 1 - i)));
    return 2 + wide;
}

#endif
