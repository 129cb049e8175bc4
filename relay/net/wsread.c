#include "relay/net/wsread.h"

#include "common/mem.h"
#include "common/text.h"
#include "relay/core/wsframe.h"

#include <stdlib.h>

enum { PROTOCOL_ERROR = 1002, NO_TEXT = 1007, TOO_LARGE = 1009 };

/* ---- heads ---- */

static bool is_control(unsigned opcode)
{
    return opcode & 8;
}

/* With and without the mask. */
static size_t length_end(const struct wsread *read)
{
    unsigned length = read->head[1] & 127;
    return length == 126 ? 4 : length == 127 ? 10 : 2;
}

static uint64_t payload_length(const struct wsread *read)
{
    size_t end = length_end(read);
    uint64_t length = 0;
    if (end == 2)
        return read->head[1] & 127;
    for (size_t i = 2; i < end; i++)
        length = length << 8 | read->head[i];
    return length;
}

/* Of the first two bytes. NULL: nothing is wrong with them. */
static const char *doubt(const struct wsread *read)
{
    unsigned opcode = read->head[0] & 15;
    bool final = read->head[0] & 0x80;
    if (read->head[0] & 0x70)
        return "Reserved bits";
    if (opcode > WSFRAME_PONG || (opcode > WSFRAME_BINARY && opcode < WSFRAME_CLOSE))
        return "Reserved opcode";
    if (!(read->head[1] & 0x80))
        return "Frames must be masked";
    if (is_control(opcode))
        return !final                                       ? "A control frame in fragments"
               : (read->head[1] & 127) > WSREAD_CONTROL_MAX ? "A control frame too long"
                                                            : NULL;
    if (opcode == WSFRAME_CONTINUATION && !read->in_message)
        return "A continuation of nothing";
    if (opcode != WSFRAME_CONTINUATION && read->in_message)
        return "A new message within a message";
    return NULL;
}

static struct wsread_event broken(unsigned code, const char *why)
{
    return (struct wsread_event){.kind = WSREAD_BROKEN, .code = code, .why = why};
}

static void begin_frame(struct wsread *read)
{
    read->opcode = read->head[0] & 15;
    read->final = read->head[0] & 0x80;
    read->left = payload_length(read);
    read->mask_at = 0;
    read->in_frame = true;
    read->have = 0;
    memmove(read->head, read->head + length_end(read), 4); /* only the mask is needed from here on */
    if (is_control(read->opcode))
        return;
    if (read->opcode != WSFRAME_CONTINUATION) {
        read->binary = read->opcode == WSFRAME_BINARY;
        read->message = 0;
        read->begun = false;
    }
    read->message += read->left;
    read->in_message = true;
}

/* WSREAD_MORE: the head is whole, or more must come. */
static struct wsread_event take_head(struct wsread *read, const char *bytes, size_t len, size_t max, size_t *used)
{
    const struct wsread_event go_on = {.kind = WSREAD_MORE};
    while (*used < len) {
        read->head[read->have++] = (unsigned char)bytes[(*used)++];
        const char *why = read->have == 2 ? doubt(read) : NULL;
        if (why)
            return broken(PROTOCOL_ERROR, why);
        if (read->have < 2 || read->have < length_end(read))
            continue;
        if (read->have == length_end(read)) {
            bool control = is_control(read->head[0] & 15);
            uint64_t length = payload_length(read);
            uint64_t before = read->in_message && !control ? read->message : 0;
            if (length >> 63)
                return broken(PROTOCOL_ERROR, "A length with its highest bit set");
            if (!control && (before > max || length > max - before))
                return broken(TOO_LARGE, "Message too large");
        } else if (read->have == length_end(read) + 4) {
            begin_frame(read);
            return go_on;
        }
    }
    return go_on;
}

/* ---- payloads ---- */

static void unmask(struct wsread *read, char *bytes, size_t len)
{
    unsigned char mask[8];
    uint64_t word, wide;
    size_t i = 0;
    for (size_t at = 0; at < sizeof mask; at++)
        mask[at] = read->head[(read->mask_at + at) & 3];
    memcpy(&wide, mask, sizeof wide);
    for (; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        word ^= wide;
        memcpy(bytes + i, &word, sizeof word);
    }
    for (; i < len; i++)
        bytes[i] = (char)(bytes[i] ^ mask[i & 7]);
    read->mask_at = (uint8_t)((read->mask_at + len) & 3);
}

bool wsread_is_close_code(unsigned code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static struct wsread_event close_event(struct str payload)
{
    struct wsread_event event = {.kind = WSREAD_CLOSE, .bytes = payload};
    if (!payload.len)
        return event;
    if (payload.len == 1)
        return broken(PROTOCOL_ERROR, "Half a close code");
    event.code = (unsigned)((unsigned char)payload.ptr[0] << 8 | (unsigned char)payload.ptr[1]);
    event.bytes = (struct str){payload.ptr + 2, payload.len - 2};
    if (!wsread_is_close_code(event.code))
        return broken(PROTOCOL_ERROR, "A close code that may not be sent");
    if (!text_utf8_valid(event.bytes))
        return broken(NO_TEXT, "Text must be UTF-8");
    return event;
}

/* Given out when it is whole. */
static struct wsread_event take_control(struct wsread *read, struct str piece)
{
    if (read->left || read->control) {
        if (!read->control)
            read->control = mem_zalloc(WSREAD_CONTROL_MAX);
        memcpy(read->control + read->control_len, piece.ptr, piece.len);
        read->control_len = (uint8_t)(read->control_len + piece.len);
        piece = (struct str){read->control, read->control_len};
    }
    if (read->left)
        return (struct wsread_event){.kind = WSREAD_MORE};
    read->in_frame = false;
    read->control_len = 0;
    if (read->opcode == WSFRAME_CLOSE)
        return close_event(piece);
    return (struct wsread_event){.kind = read->opcode == WSFRAME_PING ? WSREAD_PING : WSREAD_PONG, .bytes = piece};
}

static struct wsread_event take_data(struct wsread *read, struct str piece)
{
    struct wsread_event event = {.kind = WSREAD_DATA, .first = !read->begun, .binary = read->binary, .bytes = piece};
    read->begun = true;
    read->in_frame = read->left;
    event.last = read->final && !read->in_frame;
    read->in_message = !event.last;
    return event;
}

struct wsread_event wsread_take(struct wsread *read, char *bytes, size_t len, size_t max, size_t *used)
{
    *used = 0;
    if (!read->in_frame && read->control) { /* the last event is done with */
        free(read->control);
        read->control = NULL;
    }
    if (!read->in_frame) {
        struct wsread_event event = take_head(read, bytes, len, max, used);
        if (event.kind != WSREAD_MORE || !read->in_frame)
            return event;
    }
    size_t piece = read->left < len - *used ? (size_t)read->left : len - *used;
    struct str got = {bytes + *used, piece};
    if (!piece && read->left)
        return (struct wsread_event){.kind = WSREAD_MORE};
    unmask(read, bytes + *used, piece);
    *used += piece;
    read->left -= piece;
    return is_control(read->opcode) ? take_control(read, got) : take_data(read, got);
}

void wsread_fini(struct wsread *read)
{
    free(read->control);
    read->control = NULL;
}
