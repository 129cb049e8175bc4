#include "common/audience.h"

#include "common/text.h"

static bool is_kind(char kind)
{
    return kind == 'r' || kind == 's' || kind == 'x';
}

/* "<length>:<bytes>" at the front, which is taken off. */
static bool take_name(struct str *rest, struct str *name)
{
    size_t len = 0, at = 0;
    for (; at < rest->len && rest->ptr[at] >= '0' && rest->ptr[at] <= '9'; at++) {
        len = len * 10 + (size_t)(rest->ptr[at] - '0');
        if (!len || len > rest->len)
            return false; /* nothing, a zero in front, or longer than there is */
    }
    if (!len || at == rest->len || rest->ptr[at] != ':' || len > rest->len - at - 1)
        return false;
    *name = (struct str){rest->ptr + at + 1, len};
    rest->ptr += at + 1 + len;
    rest->len -= at + 1 + len;
    return !memchr(name->ptr, '\0', len) && text_utf8_valid(*name);
}

enum err audience_parse(struct str text, struct audience *audience)
{
    audience->count = 0;
    audience->everybody = true;
    if (text.len > AUDIENCE_MAX)
        return ERR_TOO_BIG;
    while (text.len) {
        if (audience->count == AUDIENCE_NAMES)
            return ERR_TOO_BIG;
        struct audience_name *name = &audience->names[audience->count++];
        name->kind = *text.ptr;
        text.ptr++;
        text.len--;
        if (!is_kind(name->kind) || !take_name(&text, &name->name))
            return ERR_INVALID;
        audience->everybody &= name->kind == 'x';
    }
    return ERR_OK;
}

void audience_add(struct buf *text, char kind, struct str name)
{
    CG_ASSERT(is_kind(kind) && name.len);
    buf_add_char(text, kind);
    buf_add_u64(text, name.len);
    buf_add_char(text, ':');
    buf_add_str(text, name);
}
