#include "rest/http/multipart.h"

#include <stdint.h>
#include <strings.h>

/* ---- header values: TYPE *( ";" NAME "=" ( TOKEN / QUOTED ) ) ---- */

static bool is_token_char(char c)
{
    return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void skip_blanks(struct str *at)
{
    while (at->len && is_blank(*at->ptr)) {
        at->ptr++;
        at->len--;
    }
}

static bool take(struct str *at, char c)
{
    if (!at->len || *at->ptr != c)
        return false;
    at->ptr++;
    at->len--;
    return true;
}

/* The bytes up to the first that `ends` has; false if there are none. */
static bool take_until(struct str *at, const char *ends, struct str *out)
{
    size_t len = 0;
    while (len < at->len && !is_blank(at->ptr[len]) && !strchr(ends, at->ptr[len]))
        len++;
    *out = (struct str){at->ptr, len};
    at->ptr += len;
    at->len -= len;
    return len > 0;
}

/* After the opening quote. Only \" is an escape: clients put whole Windows paths between the quotes. Written back over
 * where it stood. */
static bool take_quoted(struct str *at, struct str *out)
{
    char *to = (char *)(uintptr_t)at->ptr;
    out->ptr = to;
    while (at->len) {
        bool escaped = at->len > 1 && at->ptr[0] == '\\' && at->ptr[1] == '"';
        if (!escaped && take(at, '"')) {
            out->len = (size_t)(to - out->ptr);
            return true;
        }
        *to++ = at->ptr[escaped];
        at->ptr += 1 + escaped;
        at->len -= 1 + escaped;
    }
    return false;
}

/* The next parameter, and true; false with *done at the end, without at something else. */
static bool take_param(struct str *at, struct str *name, struct str *value, bool *done)
{
    skip_blanks(at);
    *done = !at->len;
    if (*done || !take(at, ';'))
        return false;
    skip_blanks(at);
    if (!at->len) { /* a last ';' with nothing after it */
        *done = true;
        return false;
    }
    if (!take_until(at, "=;\"", name) || !take(at, '='))
        return false;
    if (take(at, '"'))
        return take_quoted(at, value);
    return take_until(at, ";\"", value);
}

static bool is_word(struct str text, const char *word)
{
    return text.len == strlen(word) && !strncasecmp(text.ptr, word, text.len);
}

/* What can stand in a header's value, and no blank at the end. RFC 2046 allows 70 bytes of fewer characters; clients draw
 * lines of stars and make up longer ones. */
static bool boundary_ok(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.ptr[i] >= 0 && text.ptr[i] < 0x20) || text.ptr[i] == 0x7f)
            return false;
    return text.len > 0 && text.len <= MULTIPART_BOUNDARY_MAX && text.ptr[text.len - 1] != ' ';
}

enum err multipart_init(struct multipart *multipart, struct str content_type, const struct multipart_calls *calls,
                        void *arg)
{
    memset(multipart, 0, offsetof(struct multipart, header));
    multipart->calls = calls;
    multipart->arg = arg;
    multipart->err = ERR_INVALID;
    if (!content_type.len || content_type.len > sizeof multipart->header)
        return ERR_INVALID;
    /* unquoting writes; the header's room is free yet */
    memcpy(multipart->header, content_type.ptr, content_type.len);
    struct str at = {multipart->header, content_type.len}, type, name, value, boundary = {NULL, 0};
    bool done = false;
    if (!take_until(&at, ";,", &type) || !is_word(type, "multipart/form-data"))
        return ERR_INVALID;
    if (at.len && *at.ptr == ',') /* as in RFC 1867 */
        multipart->header[type.len] = ';';
    while (take_param(&at, &name, &value, &done)) {
        if (!is_word(name, "boundary"))
            continue;
        if (boundary.ptr || !boundary_ok(value))
            return ERR_INVALID;
        boundary = value;
    }
    if (!done || !boundary.ptr)
        return ERR_INVALID;
    memcpy(multipart->delimiter, "\r\n--", 4);
    memcpy(multipart->delimiter + 4, boundary.ptr, boundary.len);
    multipart->delimiter_len = 4 + boundary.len;
    multipart->matched = 2; /* as if a line had ended before the first byte */
    return multipart->err = ERR_OK;
}

/* ---- one part's header block ---- */

static bool read_disposition(struct str at, struct multipart_part *part)
{
    struct str type, name, value;
    bool done = false;
    if (part->name.ptr || !take_until(&at, ";", &type) || !is_word(type, "form-data"))
        return false;
    while (take_param(&at, &name, &value, &done)) {
        struct str *field = is_word(name, "name") ? &part->name : is_word(name, "filename") ? &part->filename : NULL;
        if (field && field->ptr)
            return false;
        if (field)
            *field = value;
    }
    return done && part->name.ptr;
}

static bool read_line(struct str line, struct multipart_part *part)
{
    size_t len = 0;
    while (len < line.len && is_token_char(line.ptr[len]))
        len++;
    struct str name = {line.ptr, len}, value = {line.ptr + len, line.len - len};
    if (!len || !take(&value, ':'))
        return false;
    skip_blanks(&value);
    while (value.len && is_blank(value.ptr[value.len - 1]))
        value.len--;
    if (is_word(name, "Content-Disposition"))
        return read_disposition(value, part);
    if (is_word(name, "Content-Type")) {
        bool first = !part->type.ptr;
        part->type = value;
        return first;
    }
    /* the data would have to be decoded; RFC 7578 has no such thing any more */
    if (is_word(name, "Content-Transfer-Encoding"))
        return is_word(value, "binary") || is_word(value, "8bit") || is_word(value, "7bit");
    return true;
}

static enum err end_header(struct multipart *multipart)
{
    struct multipart_part part = {.name = {NULL, 0}};
    for (size_t at = 0; at < multipart->header_len - 2;) {
        size_t len = 0;
        while (multipart->header[at + len] != '\r') /* there is one, and no other control character */
            len++;
        if (!read_line((struct str){multipart->header + at, len}, &part))
            return ERR_INVALID;
        at += len + 2;
    }
    if (!part.name.ptr)
        return ERR_INVALID;
    multipart->header_len = 0;
    multipart->state = MULTIPART_DATA;
    return multipart->calls->begin(multipart->arg, &part);
}

static enum err feed_header(struct multipart *multipart, char c)
{
    const char *header = multipart->header;
    size_t len = multipart->header_len;
    bool after_cr = len && header[len - 1] == '\r';
    if (len == MULTIPART_HEADER_MAX)
        return ERR_TOO_BIG;
    if (after_cr != (c == '\n') || (c >= 0 && c < 0x20 && !strchr("\t\r\n", c)) || !c || c == 0x7f)
        return ERR_INVALID; /* a CR or a LF alone, or another control character */
    multipart->header[len++] = c;
    multipart->header_len = len;
    bool empty_line = c == '\n' && (len == 2 || (len > 3 && header[len - 3] == '\n'));
    return empty_line ? end_header(multipart) : ERR_OK;
}

/* ---- data and delimiters ---- */

/* What stands before the first delimiter is for nobody. */
static enum err emit(const struct multipart *multipart, const char *bytes, size_t len)
{
    return len && multipart->state == MULTIPART_DATA ? multipart->calls->data(multipart->arg, (struct str){bytes, len})
                                                     : ERR_OK;
}

/* Takes as much of `bytes` as is data, up to and with a delimiter; *taken says how much. In one run where it can: only
 * what was carried over from an earlier call is said apart. */
static enum err feed_data(struct multipart *multipart, struct str bytes, size_t *taken)
{
    const char *delimiter = multipart->delimiter;
    size_t i = 0, carried = multipart->matched, matched = carried;
    while (i < bytes.len && matched < multipart->delimiter_len) {
        if (bytes.ptr[i] == delimiter[matched]) {
            matched++;
            i++;
        } else if (matched) { /* it was none; this byte may begin one */
            enum err err = emit(multipart, delimiter, carried);
            if (err)
                return err;
            carried = matched = 0;
        } else {
            const char *next = memchr(bytes.ptr + i, '\r', bytes.len - i);
            i = next ? (size_t)(next - bytes.ptr) : bytes.len;
        }
    }
    *taken = i;
    multipart->matched = matched;
    enum err err = emit(multipart, bytes.ptr, i - (matched - carried));
    if (err || matched < multipart->delimiter_len)
        return err;
    bool part = multipart->state == MULTIPART_DATA;
    multipart->state = MULTIPART_DELIMITED;
    return part ? multipart->calls->end(multipart->arg) : ERR_OK;
}

static enum err begin_part(struct multipart *multipart)
{
    if (++multipart->parts > MULTIPART_PARTS_MAX)
        return ERR_TOO_BIG;
    multipart->matched = 0;
    multipart->header_len = 0;
    multipart->state = MULTIPART_HEADER;
    return ERR_OK;
}

/* One byte where a state wants one; MULTIPART_START and MULTIPART_DATA have feed_data. */
static enum err feed_byte(struct multipart *multipart, char c)
{
    switch (multipart->state) {
    case MULTIPART_DELIMITED:
        if (is_blank(c)) {
            multipart->matched = 0; /* after a blank no "--" may come */
            return ERR_OK;
        }
        multipart->state = c == '-' ? MULTIPART_DASH : MULTIPART_LINE_END;
        return c == '\r' || (c == '-' && multipart->matched && multipart->parts) ? ERR_OK : ERR_INVALID;
    case MULTIPART_DASH: multipart->state = MULTIPART_EPILOGUE; return c == '-' ? ERR_OK : ERR_INVALID;
    case MULTIPART_LINE_END: return c == '\n' ? begin_part(multipart) : ERR_INVALID;
    case MULTIPART_HEADER: return feed_header(multipart, c);
    case MULTIPART_EPILOGUE: return ERR_OK;
    case MULTIPART_START:
    case MULTIPART_DATA: break;
    }
    return ERR_INTERNAL;
}

enum err multipart_feed(struct multipart *multipart, struct str bytes)
{
    while (!multipart->err && bytes.len) {
        size_t taken = 1;
        bool by_runs = multipart->state == MULTIPART_DATA || multipart->state == MULTIPART_START;
        multipart->err = by_runs ? feed_data(multipart, bytes, &taken) : feed_byte(multipart, *bytes.ptr);
        bytes.ptr += taken;
        bytes.len -= taken;
    }
    return multipart->err;
}

enum err multipart_end(const struct multipart *multipart)
{
    if (multipart->err)
        return multipart->err;
    return multipart->state == MULTIPART_EPILOGUE ? ERR_OK : ERR_INVALID;
}
