#include "bench/load/ws.h"

#include "bench/load/client.h"
#include "bench/load/protocol.h"

#include <string.h>

void ws_frame_finish(struct bytes *out, size_t start, enum ws_opcode opcode)
{
    unsigned char head[WS_HEAD_MAX] = {(unsigned char)(0x80 | opcode)};
    size_t len = out->len - start, size;
    if (len < 126) {
        head[1] = (unsigned char)(0x80 | len);
        size = 2;
    } else if (len < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(len >> 8);
        head[3] = (unsigned char)len;
        size = 4;
    } else {
        head[1] = 0x80 | 127;
        for (unsigned i = 0; i < 8; i++)
            head[2 + i] = (unsigned char)(len >> (56 - 8 * i));
        size = 10;
    }
    size += 4; /* the mask */
    char *front = out->data + start - WS_HEAD_MAX;
    memcpy(front, head, size);
    memmove(front + size, out->data + start, len);
    out->len -= WS_HEAD_MAX - size;
}

/* The head of the answer, if it is whole; 0 if not. */
static size_t take_answer(struct client *client, struct text bytes)
{
    const char *end = text_find(bytes, "\r\n\r\n");
    if (!end)
        return 0;
    struct text head = {bytes.ptr, (size_t)(end + 4 - bytes.ptr)};
    if (!text_begins(head, "HTTP/1.1 101 ")) {
        client_refused(client, head);
        return 0;
    }
    client->state = CLIENT_OPENING;
    world.protocol->shaken(client);
    return head.len;
}

static void on_frame(struct client *client, const struct ws_frame *frame)
{
    if (!frame->fin || frame->opcode == WS_CONTINUATION) {
        client_broken(client, FAULT_PROTOCOL, frame->payload);
    } else if (frame->opcode == WS_TEXT) {
        world.protocol->text(client, frame->payload);
    } else if (frame->opcode == WS_PING) {
        client_send(client, WS_PONG, frame->payload);
    } else if (frame->opcode == WS_CLOSE) {
        struct text reason = frame->payload; /* without its code, which is no text */
        if (reason.len >= 2)
            reason = (struct text){reason.ptr + 2, reason.len - 2};
        client_broken(client, FAULT_CLOSED, reason);
    }
}

size_t ws_parse(struct client *client, struct text bytes)
{
    size_t used = client->state == CLIENT_HANDSHAKE ? take_answer(client, bytes) : 0;
    if (client->state == CLIENT_HANDSHAKE)
        return 0;
    while (client->state != CLIENT_CLOSED) {
        struct ws_frame frame;
        long size = ws_frame_read((struct text){bytes.ptr + used, bytes.len - used}, &frame);
        if (size < 0)
            client_broken(client, FAULT_PROTOCOL, (struct text){bytes.ptr + used, bytes.len - used});
        if (size <= 0)
            break;
        used += (size_t)size;
        on_frame(client, &frame);
    }
    return used;
}
