#include "relay/protocols/chatroom_http_text.h"

#include "common/json.h"
#include "relay/protocols/chatroom.h"

/* ---- parsing ---- */

bool chatroom_http_read_number(struct str text, uint64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        *number = *number * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    return text.len > 0 && text.len <= 18;
}

bool chatroom_http_read_integer(struct str text, uint64_t *number)
{
    int64_t value;
    if (!json_whole(text, &value) || value < 0)
        return false;
    *number = (uint64_t)value;
    return true;
}

bool chatroom_http_read_seconds(struct str text, int64_t most_ms, int64_t *ms)
{
    const char *dot = memchr(text.ptr, '.', text.len);
    struct str whole = {text.ptr, dot ? (size_t)(dot - text.ptr) : text.len};
    struct str fraction = {dot ? dot + 1 : "0", dot ? text.len - whole.len - 1 : 1};
    uint64_t seconds, part;
    if (!chatroom_http_read_number(whole, &seconds) || !chatroom_http_read_number(fraction, &part))
        return false;
    for (; fraction.len > 3; fraction.len--)
        part /= 10;
    for (; fraction.len < 3; fraction.len++)
        part *= 10;
    bool more = seconds > (uint64_t)most_ms / 1000;
    *ms = more ? most_ms : (int64_t)(seconds * 1000 + part);
    if (*ms > most_ms)
        *ms = most_ms;
    return true;
}

bool chatroom_http_read_cursor(struct str text, struct chatroom_http_cursor *cursor)
{
    const char *dash = text.len ? memchr(text.ptr, '-', text.len) : NULL;
    if (!dash)
        return false;
    struct str epoch = {text.ptr, (size_t)(dash - text.ptr)};
    struct str seq = {dash + 1, text.len - epoch.len - 1};
    return chatroom_http_read_number(epoch, &cursor->epoch) && chatroom_http_read_number(seq, &cursor->seq);
}

static bool is_name_byte(char byte, bool first)
{
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' || byte == '$')
        return true;
    return !first && ((byte >= '0' && byte <= '9') || byte == '.');
}

bool chatroom_http_callback_ok(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_name_byte(name.ptr[i], i == 0))
            return false;
    return name.len > 0 && name.len <= ROOMS_CALLBACK_MAX;
}

/* ---- JSON, for polls and for scripts ---- */

void chatroom_http_add_message(const struct message *message, struct buf *out)
{
    if (message_is_aside(message->kind))
        return;
    json_begin_object(out);
    json_add_u64(out, "seq", message->seq);
    json_add_text(out, "type", "message");
    json_add_key(out, "data");
    chatroom_add_line(message, out);
    json_end_object(out);
}

/* What a script element must not hold as it is: what could end it or begin another, and what JSON allows in a string
 * and older JavaScript does not (U+2028, U+2029). All of it stands in strings only. */
static size_t escape(struct str rest, const char **escaped)
{
    switch (rest.ptr[0]) {
    case '<': *escaped = "\\u003c"; return 1;
    case '>': *escaped = "\\u003e"; return 1;
    case '&': *escaped = "\\u0026"; return 1;
    case '\xe2': break;
    default: return 0;
    }
    if (rest.len < 3 || rest.ptr[1] != '\x80' || (rest.ptr[2] != '\xa8' && rest.ptr[2] != '\xa9'))
        return 0;
    *escaped = rest.ptr[2] == '\xa8' ? "\\u2028" : "\\u2029";
    return 3;
}

void chatroom_http_add_script(struct buf *out, const char *callback, struct str json)
{
    buf_add_text(out, "<script>parent.");
    buf_add_text(out, callback);
    buf_add_char(out, '(');
    size_t from = 0;
    for (size_t at = 0; at < json.len;) {
        const char *escaped;
        size_t len = escape((struct str){json.ptr + at, json.len - at}, &escaped);
        if (len) {
            buf_add(out, json.ptr + from, at - from);
            buf_add_text(out, escaped);
            from = at + len;
        }
        at += len ? len : 1;
    }
    buf_add(out, json.ptr + from, json.len - from);
    buf_add_text(out, ")</script>\n");
}
