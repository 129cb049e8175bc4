#include "relay/eio_packet.h"

enum { SEPARATOR = 0x1e, PAD = 64 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

/* ---- base64, RFC 4648 section 4: with padding, and nothing in it that does not count but line breaks, which Java's encoders
 * put after 76 digits and at the end (RFC 2045 section 6.8) ---- */

static int value_of(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

/* Bits that no byte gets must be 0: so each text has one form, but for its line breaks. */
static enum err decode(struct str text, struct buf *out)
{
    uint32_t bits = 0;
    size_t count = 0, pad = 0, most = text.len / 4 * 3;
    char *at = most ? buf_reserve(out, most) : NULL;
    if (most && !at)
        return ERR_TOO_BIG;
    for (size_t i = 0; i < text.len; i++) {
        char digit = text.ptr[i];
        if (digit == '\r' || digit == '\n')
            continue;
        int value = digit == '=' ? 0 : value_of(digit);
        pad += digit == '=';
        if (value < 0 || (pad && digit != '=') || pad > 2)
            return ERR_INVALID;
        bits = bits << 6 | (uint32_t)value;
        if (++count % 4)
            continue;
        if (bits & (((uint32_t)1 << 8 * pad) - 1))
            return ERR_INVALID;
        for (size_t k = 0; k < 3 - pad; k++, out->len++)
            *at++ = (char)(bits >> (16 - 8 * k));
        bits = 0;
    }
    return count % 4 ? ERR_INVALID : ERR_OK;
}

static size_t encoded_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

static void encode(struct str bytes, struct buf *out)
{
    char *at = buf_reserve(out, encoded_len(bytes.len));
    if (!at)
        return;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t count = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < count ? (unsigned char)bytes.ptr[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            *at++ = digits[k <= count ? bits >> (18 - 6 * k) & 63 : PAD];
    }
    out->len += encoded_len(bytes.len);
}

/* ---- packets ---- */

enum err eio_packet_parse(struct str text, struct buf *scratch, struct eio_packet *packet)
{
    if (text.len && text.ptr[0] == 'b') {
        buf_clear(scratch);
        enum err err = decode((struct str){text.ptr + 1, text.len - 1}, scratch);
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
    encode(data, out);
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
    return 2 + (binary ? encoded_len(len) : len);
}
