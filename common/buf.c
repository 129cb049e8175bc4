#include "common/buf.h"

#include "common/err.h"
#include "common/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){.max = max};
}

void buf_fini(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}

void buf_consume(struct buf *buf, size_t len)
{
    CG_ASSERT(len <= buf->len);
    buf->len -= len;
    if (buf->len)
        memmove(buf->data, buf->data + len, buf->len);
}

char *buf_grow(struct buf *buf, size_t len)
{
    if (buf->failed || len > buf->max - buf->len) {
        buf->failed = true;
        return NULL;
    }
    size_t need = buf->len + len;
    if (need > buf->cap) {
        size_t cap = buf->cap ? buf->cap * 2 : 128;
        while (cap < need)
            cap *= 2;
        if (cap > buf->max)
            cap = buf->max;
        buf->data = mem_realloc(buf->data, cap);
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t len)
{
    if (!len)
        return;
    char *room = buf_reserve(buf, len);
    if (!room)
        return;
    memcpy(room, bytes, len);
    buf->len += len;
}

void buf_add_str(struct buf *buf, struct str text)
{
    buf_add(buf, text.ptr, text.len);
}

void buf_add_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_addf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char small[512];
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    CG_ASSERT(len >= 0);
    if ((size_t)len < sizeof small) {
        buf_add(buf, small, (size_t)len);
        return;
    }
    char *room = buf_reserve(buf, (size_t)len + 1); /* vsnprintf wants its NUL */
    if (!room)
        return;
    va_start(args, format);
    vsnprintf(room, (size_t)len + 1, format, args);
    va_end(args);
    buf->len += (size_t)len;
}

void buf_add_u64(struct buf *buf, uint64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    buf_add(buf, digits + at, sizeof digits - at);
}

static const char *json_escape(unsigned char byte, char unicode[7])
{
    switch (byte) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: snprintf(unicode, 7, "\\u%04x", byte); return unicode;
    }
}

static bool needs_escape(unsigned char byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\';
}

/* The first byte from `at` on that needs an escape; text.len: none does. Eight at a time: a byte of `word` less than
 * one of `than`, none of which is above 0x80, shows as a high bit (and so perhaps does one above it). */
static size_t find_escape(struct str text, size_t at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    for (; text.len - at >= sizeof ones; at += sizeof ones) {
        uint64_t word;
        memcpy(&word, text.ptr + at, sizeof word);
        uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
        uint64_t found = (word - ones * 0x20) & ~word;
        found |= (quote - ones) & ~quote;
        found |= (backslash - ones) & ~backslash;
        if (found & high)
            break;
    }
    while (at < text.len && !needs_escape((unsigned char)text.ptr[at]))
        at++;
    return at;
}

void buf_add_escaped(struct buf *buf, struct str text)
{
    char unicode[7];
    size_t plain = 0; /* start of the run that needs no escape */
    for (size_t i = 0; (i = find_escape(text, i)) < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        buf_add(buf, text.ptr + plain, i - plain);
        buf_add_text(buf, json_escape(byte, unicode));
        plain = i + 1;
    }
    buf_add(buf, text.ptr + plain, text.len - plain);
}

void buf_add_json(struct buf *buf, struct str text)
{
    buf_add_char(buf, '"');
    buf_add_escaped(buf, text);
    buf_add_char(buf, '"');
}
