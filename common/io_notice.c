#include "common/io_notice.h"

#include "common/audience.h"
#include "common/text.h"

#include <endian.h>

/* kind(1) audience(2+n) body(4+n), little-endian, and nothing after that. */

void io_notice_add(struct buf *out, const struct io_notice *notice)
{
    CG_ASSERT(notice->audience.len <= AUDIENCE_MAX && notice->body.len <= UINT32_MAX);
    uint16_t audience_len = htole16((uint16_t)notice->audience.len);
    uint32_t body_len = htole32((uint32_t)notice->body.len);
    buf_add_char(out, (char)notice->kind);
    buf_add(out, &audience_len, sizeof audience_len);
    buf_add_str(out, notice->audience);
    buf_add(out, &body_len, sizeof body_len);
    buf_add_str(out, notice->body);
}

static bool get_text(struct str *bytes, size_t len, struct str *text)
{
    return str_take(bytes, len, text) && text_utf8_valid(*text);
}

enum err io_notice_get(struct str bytes, struct io_notice *notice)
{
    unsigned char kind;
    uint16_t audience_len;
    uint32_t body_len;
    bool read = str_copy_off(&bytes, sizeof kind, &kind) && str_copy_off(&bytes, sizeof audience_len, &audience_len) &&
                get_text(&bytes, le16toh(audience_len), &notice->audience) &&
                str_copy_off(&bytes, sizeof body_len, &body_len) && get_text(&bytes, le32toh(body_len), &notice->body);
    if (!read || bytes.len || notice->audience.len > AUDIENCE_MAX || kind < IO_NOTICE_EMIT || kind > IO_NOTICE_KIND_MAX)
        return ERR_INVALID;
    notice->kind = (enum io_notice_kind)kind;
    return ERR_OK;
}
