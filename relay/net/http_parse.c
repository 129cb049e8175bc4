#include "relay/net/http_parse.h"

#include "common/hex.h"
#include "common/text.h"
#include "relay/net/http.h"

#include <http_parser.h>
#include <stdlib.h>
#include <strings.h>

enum { METHOD_BYTES = 16, CHUNK_LINE_BYTES = 256, TRAILER_BYTES = 4096, NAME_BYTES = 64 };

/* ---- finding the end of the head ---- */

/* Whether it can still become a request. Decided early, because a client that speaks TLS, or ends lines with LF alone,
 * will never send an empty line. */
static unsigned doubt(struct str bytes, size_t from)
{
    size_t at = 0;
    while (at < bytes.len && at <= METHOD_BYTES &&
           ((bytes.ptr[at] >= 'A' && bytes.ptr[at] <= 'Z') || bytes.ptr[at] == '-'))
        at++;
    if (at < bytes.len && (bytes.ptr[at] != ' ' || at == 0))
        return HTTP_STATUS_BAD_REQUEST;
    size_t line = bytes.len < HTTP_URL_BYTES + METHOD_BYTES ? bytes.len : HTTP_URL_BYTES + METHOD_BYTES;
    if (bytes.len > line && !memchr(bytes.ptr, '\n', line))
        return HTTP_STATUS_URI_TOO_LONG;
    for (const char *lf = bytes.ptr + from, *end = bytes.ptr + bytes.len; (lf = memchr(lf, '\n', (size_t)(end - lf)));
         lf++)
        if (lf == bytes.ptr || lf[-1] != '\r')
            return HTTP_STATUS_BAD_REQUEST;
    return 0;
}

/* How much there is of the line that has not ended. */
static size_t last_line(struct str bytes)
{
    const char *lf = bytes.len ? memrchr(bytes.ptr, '\n', bytes.len) : NULL;
    return lf ? (size_t)(bytes.ptr + bytes.len - lf) - 1 : bytes.len;
}

/* The length of the head with its empty line, or 0. */
static size_t head_length(struct str bytes, size_t seen)
{
    size_t from = seen > 3 ? seen - 3 : 0;
    const char *end = memmem(bytes.ptr + from, bytes.len - from, "\r\n\r\n", 4);
    return end ? (size_t)(end - bytes.ptr) + 4 : 0;
}

/* ---- headers ---- */

static bool is_token(unsigned char byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') ||
           (byte && strchr("!#$%&'*+-.^_`|~", byte));
}

struct line {
    struct str name, value;
};

/* The next "name: value" at *at; false at the empty line. A line that is none comes back with an empty name. */
static bool next_line(struct str head, size_t *at, struct line *line)
{
    const char *start = head.ptr + *at, *end = memmem(start, head.len - *at, "\r\n", 2);
    *line = (struct line){{start, 0}, {start, 0}};
    if (!end || end == start)
        return false;
    *at += (size_t)(end - start) + 2;
    const char *colon = start;
    while (colon < end && is_token((unsigned char)*colon))
        colon++;
    if (colon == end || *colon != ':')
        return true;
    const char *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    line->name = (struct str){start, (size_t)(colon - start)};
    line->value = (struct str){value, (size_t)(end - value)};
    return true;
}

static size_t first_line(struct str head)
{
    const char *end = memmem(head.ptr, head.len, "\r\n", 2);
    return end ? (size_t)(end - head.ptr) + 2 : head.len;
}

static bool is_called(struct str text, const char *name)
{
    return text.len == strlen(name) && strncasecmp(text.ptr, name, text.len) == 0;
}

static bool has_token(struct str list, const char *token)
{
    size_t len = strlen(token);
    for (size_t at = 0; at < list.len;) {
        while (at < list.len && (list.ptr[at] == ' ' || list.ptr[at] == ',' || list.ptr[at] == '\t'))
            at++;
        size_t end = at;
        while (end < list.len && list.ptr[end] != ',' && list.ptr[end] != ' ' && list.ptr[end] != '\t')
            end++;
        if (end - at == len && strncasecmp(list.ptr + at, token, len) == 0)
            return true;
        at = end;
    }
    return false;
}

struct seen {
    unsigned hosts, lengths, codings, upgrades, expects, keys, versions;
    bool connection_upgrade, websocket, chunked, continues, malformed, too_long;
};

static void look_at(struct seen *seen, const struct line *line)
{
    seen->too_long |= line->name.len + line->value.len > HTTP_LINE_BYTES;
    if (!line->name.len) {
        seen->malformed = true;
    } else if (is_called(line->name, "host")) {
        seen->hosts++;
    } else if (is_called(line->name, "content-length")) {
        seen->lengths++;
        seen->malformed |= !line->value.len;
    } else if (is_called(line->name, "transfer-encoding")) {
        seen->codings++;
        seen->chunked = is_called(line->value, "chunked");
    } else if (is_called(line->name, "connection")) {
        seen->connection_upgrade |= has_token(line->value, "upgrade");
    } else if (is_called(line->name, "upgrade")) {
        seen->websocket = (seen->websocket || !seen->upgrades) && is_called(line->value, "websocket");
        seen->upgrades++;
    } else if (is_called(line->name, "sec-websocket-key")) {
        seen->keys++;
    } else if (is_called(line->name, "sec-websocket-version")) {
        seen->versions++;
    } else if (is_called(line->name, "expect")) {
        seen->expects++;
        seen->continues = is_called(line->value, "100-continue");
    }
}

static struct seen look_through(struct str head)
{
    struct seen seen = {0};
    struct line line;
    for (size_t at = first_line(head); next_line(head, &at, &line);)
        look_at(&seen, &line);
    for (size_t i = 0; i + 1 < head.len; i++) /* LF alone: see doubt */
        seen.malformed |= !head.ptr[i] || (head.ptr[i] == '\r' && head.ptr[i + 1] != '\n');
    return seen;
}

struct str http_head_find(const struct http_head *head, const char *bytes, const char *name)
{
    struct str all = {bytes, head->len};
    struct line line;
    for (size_t at = first_line(all); next_line(all, &at, &line);)
        if (is_called(line.name, name))
            return line.value;
    return (struct str){NULL, 0};
}

struct str http_head_value(const struct http_head *head, const char *bytes, const char *name, char *out, size_t size)
{
    struct str all = {bytes, head->len}, none = {out, 0};
    struct line line;
    size_t len = 0;
    for (size_t at = first_line(all); next_line(all, &at, &line);) {
        if (!is_called(line.name, name))
            continue;
        size_t comma = len ? 2 : 0;
        if (line.value.len + comma + 1 > size - len)
            return none;
        memcpy(out + len, ", ", comma);
        memcpy(out + len + comma, line.value.ptr, line.value.len);
        len += comma + line.value.len;
    }
    if (size)
        out[len] = '\0';
    return (struct str){out, len};
}

/* ---- the request line ---- */

/* What http_parser finds, with where the URL stands. */
struct parsing {
    const char *url;
    size_t url_len;
    bool whole;
};

static int on_url(http_parser *parser, const char *at, size_t len)
{
    struct parsing *parsing = parser->data;
    parsing->url = at; /* all of it is there, so this is called once */
    parsing->url_len = len;
    return 0;
}

static int on_headers_complete(http_parser *parser)
{
    struct parsing *parsing = parser->data;
    parsing->whole = true;
    http_parser_pause(parser, 1);
    return 0;
}

/* "/path?query", or after "http://host" as a client of a proxy says it. */
static unsigned split_url(struct http_head *head, const char *bytes, struct str url)
{
    static const char scheme[] = "http://";
    if (url.len > HTTP_URL_BYTES)
        return HTTP_STATUS_URI_TOO_LONG;
    if (url.len > sizeof scheme && strncasecmp(url.ptr, scheme, sizeof scheme - 1) == 0) {
        const char *path = memchr(url.ptr + sizeof scheme - 1, '/', url.len - (sizeof scheme - 1));
        if (!path)
            return HTTP_STATUS_BAD_REQUEST;
        url = (struct str){path, url.len - (size_t)(path - url.ptr)};
    }
    if (!url.len || url.ptr[0] != '/' || memchr(url.ptr, '#', url.len))
        return HTTP_STATUS_BAD_REQUEST;
    const char *mark = memchr(url.ptr, '?', url.len);
    size_t path_len = mark ? (size_t)(mark - url.ptr) : url.len;
    head->path_at = (uint16_t)(url.ptr - bytes);
    head->path_len = (uint16_t)path_len;
    head->query_at = (uint16_t)(head->path_at + path_len + (mark != NULL));
    head->query_len = (uint16_t)(url.len - path_len - (mark != NULL));
    return 0;
}

/* Everything that asks for an upgrade is a handshake of a WebSocket or refused: above all h2c, which would be a tunnel
 * past every rule of the proxy. */
static unsigned judge(struct http_head *head, const http_parser *parser, const struct seen *seen)
{
    bool old = parser->http_minor == 0;
    if (seen->malformed || seen->hosts > 1 || (!seen->hosts && !old) || seen->lengths > 1 || seen->codings > 1 ||
        (seen->codings && (seen->lengths || !seen->chunked || old)))
        return HTTP_STATUS_BAD_REQUEST;
    if (seen->expects && !seen->continues)
        return HTTP_STATUS_EXPECTATION_FAILED;
    head->method = http_method_str(parser->method);
    head->keep_alive = !old && http_should_keep_alive(parser);
    head->chunked = seen->chunked;
    head->expects = seen->continues && !old;
    if (seen->lengths && parser->content_length > INT64_MAX)
        return HTTP_STATUS_BAD_REQUEST;
    head->content_length = seen->lengths ? (int64_t)parser->content_length : 0;
    head->upgrade = seen->upgrades;
    if (seen->upgrades && (!seen->websocket || !seen->connection_upgrade || old || parser->method != HTTP_GET ||
                           head->content_length || head->chunked || seen->keys > 1 || seen->versions > 1))
        return HTTP_STATUS_BAD_REQUEST;
    return parser->method == HTTP_CONNECT ? HTTP_STATUS_BAD_REQUEST : 0;
}

static unsigned parse_whole(struct http_head *head, struct str bytes)
{
    struct parsing parsing = {0};
    http_parser parser;
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_headers_complete = on_headers_complete;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &parsing;
    size_t used = http_parser_execute(&parser, &settings, bytes.ptr, bytes.len);
    if (HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_VERSION || (parsing.whole && parser.http_major != 1))
        return HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED;
    if (!parsing.whole || !parsing.url || used != bytes.len - 1) /* it pauses before the last LF */
        return HTTP_STATUS_BAD_REQUEST;
    struct seen seen = look_through(bytes);
    if (seen.too_long)
        return HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE;
    unsigned status = split_url(head, bytes.ptr, (struct str){parsing.url, parsing.url_len});
    return status ? status : judge(head, &parser, &seen);
}

unsigned http_head_parse(struct http_head *head, struct str bytes, size_t *seen)
{
    *head = (struct http_head){.method = ""};
    size_t from = *seen, len = head_length(bytes, from);
    unsigned status = bytes.len ? doubt((struct str){bytes.ptr, len ? len : bytes.len}, from) : 0;
    *seen = bytes.len;
    if (status)
        return status;
    if (len > HTTP_HEAD_BYTES || (!len && (bytes.len >= HTTP_HEAD_BYTES || last_line(bytes) > HTTP_LINE_BYTES)))
        return HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE;
    if (!len)
        return 0;
    status = parse_whole(head, (struct str){bytes.ptr, len});
    head->len = (uint16_t)len;
    return status;
}

/* ---- arguments ---- */

struct str http_head_argument(const struct http_head *head, const char *bytes, const char *name, char *out, size_t size)
{
    const char *at = bytes + head->query_at, *end = at + head->query_len;
    struct str none = {out, 0};
    while (at < end) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        stop = stop ? stop : end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        char key[NAME_BYTES];
        size_t len;
        struct str raw = {at, (size_t)((equals ? equals : stop) - at)};
        if (!text_decode_url(raw, true, key, sizeof key, &len) && str_eq((struct str){key, len}, str_of(name))) {
            raw = (struct str){equals ? equals + 1 : stop, equals ? (size_t)(stop - equals - 1) : 0};
            return text_decode_url(raw, true, out, size, &len) ? none : (struct str){out, len};
        }
        at = stop + 1;
    }
    return none;
}

const char *http_status_text(unsigned status)
{
    return http_status_str((enum http_status)status);
}

/* ---- chunks ---- */

enum {
    SIZE_FIRST,
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_FIRST,
    TRAILER,
    TRAILER_LF,
    LAST_LF, /* all from TRAILER_FIRST on share one bound: line_too_long */
    BROKEN
};

static int take_size(struct http_chunks *chunks, unsigned char byte)
{
    int digit = hex_digit((char)byte);
    if (digit >= 0 && chunks->left <= UINT32_MAX) {
        chunks->left = chunks->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (digit >= 0 || chunks->state == SIZE_FIRST)
        return BROKEN;
    return byte == '\r' ? SIZE_LF : byte == ';' ? EXTENSION : BROKEN;
}

/* The state after a byte that is no content. */
static int take_byte(struct http_chunks *chunks, unsigned char byte)
{
    switch (chunks->state) {
    case SIZE_FIRST:
    case SIZE: return take_size(chunks, byte);
    case EXTENSION: return byte == '\r' ? SIZE_LF : byte == '\n' ? BROKEN : EXTENSION;
    case SIZE_LF: chunks->line = 0; return byte != '\n' ? BROKEN : chunks->left ? DATA : TRAILER_FIRST;
    case DATA_CR: return byte == '\r' ? DATA_LF : BROKEN;
    case DATA_LF: return byte == '\n' ? SIZE_FIRST : BROKEN;
    case TRAILER_FIRST: return byte == '\r' ? LAST_LF : is_token(byte) ? TRAILER : BROKEN;
    case TRAILER: return byte == '\r' ? TRAILER_LF : byte == '\n' ? BROKEN : TRAILER;
    case TRAILER_LF: return byte == '\n' ? TRAILER_FIRST : BROKEN;
    case LAST_LF: chunks->done = byte == '\n'; return BROKEN; /* nothing comes after it */
    default: return BROKEN;
    }
}

static bool line_too_long(struct http_chunks *chunks)
{
    return ++chunks->line > (chunks->state >= TRAILER_FIRST ? TRAILER_BYTES : CHUNK_LINE_BYTES);
}

int64_t http_chunks_take(struct http_chunks *chunks, char *bytes, size_t len, size_t *used)
{
    size_t at = 0, kept = 0;
    while (at < len && !chunks->done) {
        if (chunks->state == DATA) {
            size_t piece = chunks->left < len - at ? (size_t)chunks->left : len - at;
            memmove(bytes + kept, bytes + at, piece);
            kept += piece;
            at += piece;
            chunks->left -= piece;
            if (!chunks->left)
                chunks->state = DATA_CR;
            continue;
        }
        if (line_too_long(chunks))
            return -1;
        chunks->state = (uint8_t)take_byte(chunks, (unsigned char)bytes[at++]);
        if (chunks->state == BROKEN && !chunks->done)
            return -1;
    }
    *used = at;
    return (int64_t)kept;
}
