/* buf.h: a growable run of bytes with a bound and a sticky failure.
 *
 *   data            data+len                data+cap <= max
 *   |---- written ----|------ room ------------|
 *
 * Appending past `max` sets `failed`, and nothing more is written. A caller may go on appending and check `failed`
 * once, at the end. A failed buffer's bytes must not be used. Not thread-safe. */
#ifndef CG_COMMON_BUF_H
#define CG_COMMON_BUF_H

#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max; /* bytes; a hard bound */
    bool failed;
};

/* An empty buffer that may grow to `max` bytes; allocates nothing yet. */
void buf_init(struct buf *buf, size_t max);
/* Frees the bytes; the buffer is empty and usable again. */
void buf_fini(struct buf *buf);
/* Clears the bytes and `failed`, but keeps the memory. */
void buf_clear(struct buf *buf);
/* Drops the first `len` bytes (len <= buf->len). */
void buf_consume(struct buf *buf, size_t len);
/* The slow path of buf_reserve, when `cap` does not suffice. */
char *buf_grow(struct buf *buf, size_t len);
/* Room for `len` more bytes, to be written by the caller, who then adds to `len`;
 * NULL (and failed) past the bound. */
static inline char *buf_reserve(struct buf *buf, size_t len)
{
    return !buf->failed && len <= buf->cap - buf->len ? buf->data + buf->len : buf_grow(buf, len);
}

void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_add_str(struct buf *buf, struct str text);
void buf_add_text(struct buf *buf, const char *text);
static inline void buf_add_char(struct buf *buf, char byte)
{
    char *room = buf_reserve(buf, 1);
    if (!room)
        return;
    *room = byte;
    buf->len++;
}
void buf_addf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_add_u64(struct buf *buf, uint64_t value);

/* Appends `text` (valid UTF-8) as a JSON string with its quotes. Escapes only what RFC 8259 section 7 requires, so a
 * text decoded from JSON never gets longer than it was there. */
void buf_add_json(struct buf *buf, struct str text);
/* The same without the quotes. */
void buf_add_escaped(struct buf *buf, struct str text);

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->data, buf->len};
}

#endif
