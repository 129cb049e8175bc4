#include "relay/socketio/eio_packet.h"

#include "common/base64.h"

#include <stdio.h>

enum { SEPARATOR = 0x1e };

/* ---- packets ---- */

enum err eio_packet_parse(struct str text, struct buf *scratch, struct eio_packet *packet)
{
    if (text.len && text.ptr[0] == 'b') {
        buf_clear(scratch);
        enum err err = base64_decode((struct str){text.ptr + 1, text.len - 1}, scratch);
        *packet = (struct eio_packet){EIO_MESSAGE, true, buf_str(scratch)};
        return err;
    }
    if (!text.len || text.ptr[0] < EIO_OPEN || text.ptr[0] > EIO_NOOP)
        return ERR_INVALID;
    *packet = (struct eio_packet){.type = (enum eio_type)text.ptr[0], .data = {text.ptr + 1, text.len - 1}};
    return ERR_OK;
}

enum err eio_payload_next(struct str *payload, struct buf *scratch, struct eio_packet *packet)
{
    if (!payload->ptr)
        return ERR_NOT_FOUND;
    struct str text = *payload;
    const char *end = text.len ? memchr(text.ptr, SEPARATOR, text.len) : NULL;
    if (end) {
        text.len = (size_t)(end - text.ptr);
        *payload = (struct str){end + 1, payload->len - text.len - 1};
    } else {
        *payload = (struct str){0};
    }
    return eio_packet_parse(text, scratch, packet);
}

void eio_packet_add_base64(struct buf *out, struct str data)
{
    buf_add_char(out, 'b');
    base64_add(out, data);
}

static void add_text(struct buf *payload, struct str text)
{
    const char *at;
    while (text.len && (at = memchr(text.ptr, SEPARATOR, text.len))) {
        size_t len = (size_t)(at - text.ptr);
        buf_add(payload, text.ptr, len);
        buf_add_char(payload, '?');
        text = (struct str){at + 1, text.len - len - 1};
    }
    buf_add_str(payload, text);
}

void eio_payload_add(struct buf *payload, enum eio_type type, bool binary, struct str data)
{
    if (payload->len)
        buf_add_char(payload, SEPARATOR);
    if (binary) {
        eio_packet_add_base64(payload, data);
    } else {
        buf_add_char(payload, (char)type);
        add_text(payload, data);
    }
}

size_t eio_payload_cost(bool binary, size_t len)
{
    return 2 + (binary ? base64_len(len) : len);
}

/* ---- Engine.IO 3 ---- */

enum { MESSAGE_BYTE = 4, END_OF_LENGTH = 255, LENGTH_DIGITS = 9 };

static enum err parse_base64(struct str text, struct buf *scratch, struct eio_packet *packet)
{
    if (!text.len || text.ptr[0] != EIO_MESSAGE)
        return ERR_INVALID;
    buf_clear(scratch);
    enum err err = base64_decode((struct str){text.ptr + 1, text.len - 1}, scratch);
    if (!err)
        *packet = (struct eio_packet){EIO_MESSAGE, true, buf_str(scratch)};
    return err;
}

enum err eio3_frame_parse(bool binary, struct str frame, struct buf *scratch, struct eio_packet *packet)
{
    if (!binary && frame.len && frame.ptr[0] == 'b')
        return parse_base64((struct str){frame.ptr + 1, frame.len - 1}, scratch, packet);
    if (!binary)
        return eio_packet_parse(frame, scratch, packet);
    if (!frame.len || frame.ptr[0] != MESSAGE_BYTE)
        return ERR_INVALID;
    *packet = (struct eio_packet){EIO_MESSAGE, true, {frame.ptr + 1, frame.len - 1}};
    return ERR_OK;
}

/* UTF-16 units of a character that begins with this byte of UTF-8; 0: none does. */
static size_t units_of(char byte)
{
    unsigned char lead = (unsigned char)byte;
    return lead >= 0xf0 ? 2 : (lead & 0xc0) == 0x80 ? 0 : 1;
}

static size_t count_units(struct str text)
{
    size_t units = 0;
    for (size_t i = 0; i < text.len; i++)
        units += units_of(text.ptr[i]);
    return units;
}

/* How many bytes that many units take; past the text's end if it has not so many, or one ends inside a character. */
static size_t bytes_of_units(struct str text, size_t units)
{
    size_t len = 0;
    while (len < text.len && units) {
        size_t next = units_of(text.ptr[len]);
        if (next > units)
            return text.len + 1;
        units -= next;
        len++;
    }
    while (len < text.len && !units_of(text.ptr[len])) /* the rest of the last character */
        len++;
    return units ? text.len + 1 : len;
}

/* Cuts the next packet off; its length stands before it, up to `end`. */
static enum err cut(struct str *payload, bool binary, struct str *packet, bool *is_text)
{
    struct str rest = *payload;
    char end = binary ? (char)END_OF_LENGTH : ':', zero = binary ? 0 : '0';
    size_t len = 0, at = 0;
    *is_text = true;
    if (binary) {
        *is_text = rest.ptr[0] == 0;
        rest = (struct str){rest.ptr + 1, rest.len - 1};
    }
    for (; at < rest.len && rest.ptr[at] != end; at++) {
        unsigned digit = (unsigned char)rest.ptr[at] - (unsigned)zero;
        if (digit > 9 || at == LENGTH_DIGITS)
            return ERR_INVALID;
        len = len * 10 + digit;
    }
    if (!at || at == rest.len)
        return ERR_INVALID;
    rest = (struct str){rest.ptr + at + 1, rest.len - at - 1};
    if (!binary)
        len = bytes_of_units(rest, len);
    if (len > rest.len)
        return ERR_INVALID;
    *packet = (struct str){rest.ptr, len};
    *payload = (struct str){rest.len > len ? rest.ptr + len : NULL, rest.len - len};
    return ERR_OK;
}

enum err eio3_payload_next(struct str *payload, bool binary, struct buf *scratch, struct eio_packet *packet)
{
    struct str text;
    bool is_text;
    do {
        if (!payload->ptr)
            return ERR_NOT_FOUND;
        enum err err = payload->len ? cut(payload, binary, &text, &is_text) : ERR_INVALID;
        if (err)
            return err;
    } while (!text.len);
    return eio3_frame_parse(!is_text, text, scratch, packet);
}

void eio3_payload_add(struct buf *payload, enum eio_type type, bool binary, struct str data)
{
    char length[24];
    int count = snprintf(length, sizeof length, "%zu", data.len + 1);
    buf_add_char(payload, binary ? 1 : 0);
    for (int i = 0; i < count; i++)
        buf_add_char(payload, (char)(length[i] - '0'));
    buf_add_char(payload, (char)END_OF_LENGTH);
    buf_add_char(payload, (char)(binary ? MESSAGE_BYTE : type));
    buf_add_str(payload, data);
}

size_t eio3_payload_cost(size_t len)
{
    return len + 24;
}

bool eio3_payload_has_binary(struct str payload)
{
    struct str packet;
    bool is_text = true;
    while (is_text && payload.ptr && payload.len && !cut(&payload, true, &packet, &is_text))
        ;
    return !is_text;
}

void eio3_add_base64(struct buf *out, struct str bytes)
{
    buf_add_text(out, "b4");
    base64_add(out, bytes);
}

void eio3_payload_text(struct str payload, struct buf *out)
{
    struct str packet;
    bool is_text;
    if (!payload.len)
        buf_add_text(out, "0:");
    while (payload.ptr && payload.len && !cut(&payload, true, &packet, &is_text)) {
        buf_add_u64(out, is_text ? count_units(packet) : 2 + base64_len(packet.len - 1));
        buf_add_char(out, ':');
        if (is_text)
            buf_add_str(out, packet);
        else
            eio3_add_base64(out, (struct str){packet.ptr + 1, packet.len - 1});
    }
}

size_t eio3_payload_text_cost(size_t len)
{
    return len * 2 + 24; /* a binary packet of one byte: 1 2 255 4 x becomes 6:b4eA== */
}
