#include "relay/socketio/sio_packet.h"

#include "common/hex.h"
#include "common/json.h"
#include "common/text.h"

#include <limits.h>

/* Values are not counted: nothing here is made of them, and the text is bounded. */
enum { DEPTH_MAX = JSON_VET_MAX_DEPTH };

#define ACK_ID_MAX INT64_C(9007199254740991) /* 2^53 - 1: what a number of JavaScript holds exactly */

/* ---- numbers and the namespace ---- */

/* Takes digits off the front; ERR_NOT_FOUND if there is none. 007 is none: an answer to 7 would
 * find nobody who asked. */
static enum err take_number(struct str *rest, int64_t max, int64_t *number)
{
    size_t len = 0;
    *number = 0;
    for (; len < rest->len && rest->ptr[len] >= '0' && rest->ptr[len] <= '9'; len++) {
        *number = *number * 10 + (rest->ptr[len] - '0');
        if (*number > max)
            return ERR_TOO_BIG;
    }
    if (!len)
        return ERR_NOT_FOUND;
    if (len > 1 && rest->ptr[0] == '0')
        return ERR_INVALID;
    rest->ptr += len;
    rest->len -= len;
    return ERR_OK;
}

/* The number of attachments and its dash. */
static enum err take_attachments(struct str *rest, unsigned *attachments)
{
    int64_t number;
    enum err err = take_number(rest, SIO_ATTACHMENTS_MAX, &number);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_INVALID : err;
    if (!number || !rest->len || *rest->ptr != '-')
        return ERR_INVALID;
    rest->ptr++;
    rest->len--;
    *attachments = (unsigned)number;
    return ERR_OK;
}

static const char *find(struct str text, char byte)
{
    return text.len ? memchr(text.ptr, byte, text.len) : NULL;
}

/* "/name," or, where nothing follows, "/name"; what stands after a question mark is no part of the name. */
static enum err take_namespace(struct str *rest, struct str *nsp, struct str *query)
{
    *nsp = STR("/");
    if (!rest->len || *rest->ptr != '/')
        return ERR_OK;
    const char *comma = find(*rest, ',');
    size_t len = comma ? (size_t)(comma - rest->ptr) : rest->len;
    struct str name = {rest->ptr, len};
    rest->ptr += len + (comma != NULL);
    rest->len -= len + (comma != NULL);
    const char *mark = find(name, '?');
    if (mark) {
        *query = (struct str){mark + 1, (size_t)(name.ptr + name.len - mark) - 1};
        name.len = (size_t)(mark - name.ptr);
    }
    if (name.len > SIO_NAMESPACE_MAX)
        return ERR_TOO_BIG;
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] <= ' ' || name.ptr[i] == 0x7f)
            return ERR_INVALID;
    *nsp = name;
    return text_utf8_valid(name) ? ERR_OK : ERR_INVALID;
}

/* ---- strings ---- */

static void add_point(struct buf *out, uint32_t point)
{
    char bytes[4];
    size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {[1] = 0, [2] = 0xc0, [3] = 0xe0, [4] = 0xf0};
    for (size_t i = len; i-- > 1; point >>= 6)
        bytes[i] = (char)(0x80 | (point & 0x3f));
    bytes[0] = (char)(lead[len] | point);
    buf_add(out, bytes, len);
}

/* What stands after "\u" at the beginning of `text`; returns how many bytes that took. NUL and half a surrogate pair
 * become U+FFFD: no text here holds them. */
static size_t add_escaped_unit(struct buf *out, struct str text)
{
    size_t used = 4;
    uint64_t point, low;
    hex_number(text.ptr, 4, &point); /* they are digits: it was vetted */
    if (point >= 0xd800 && point <= 0xdbff && text.len >= 10 && !memcmp(text.ptr + 4, "\\u", 2)) {
        hex_number(text.ptr + 6, 4, &low);
        if (low >= 0xdc00 && low <= 0xdfff) {
            point = 0x10000 + ((point & 0x3ff) << 10 | (low & 0x3ff));
            used = 10;
        }
    }
    add_point(out, !point || (point >= 0xd800 && point <= 0xdfff) ? 0xfffd : (uint32_t)point);
    return used;
}

bool sio_json_string(struct str json, struct buf *out)
{
    if (json.len < 2 || json.ptr[0] != '"')
        return false;
    struct str text = {json.ptr + 1, json.len - 2};
    for (const char *slash; (slash = find(text, '\\'));) {
        buf_add(out, text.ptr, (size_t)(slash - text.ptr));
        text.len -= (size_t)(slash + 2 - text.ptr);
        text.ptr = slash + 2;
        static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
        const char *letter = strchr(letters, slash[1]);
        if (slash[1] == 'u') {
            size_t used = add_escaped_unit(out, text);
            text.ptr += used;
            text.len -= used;
        } else if (letter) {
            buf_add_char(out, controls[letter - letters]);
        } else {
            buf_add_char(out, slash[1]);
        }
    }
    buf_add_str(out, text);
    return true;
}

/* Whether the JSON string is one of `words`, however it is escaped; its place there, or -1. */
static int which(struct str json, const char *const *words, int count)
{
    struct buf decoded;
    int found = -1;
    buf_init(&decoded, 32); /* longer than every word: what does not fit is none of them */
    if (sio_json_string(json, &decoded) && !decoded.failed)
        for (int i = 0; i < count && found < 0; i++)
            if (str_eq(buf_str(&decoded), str_of(words[i])))
                found = i;
    buf_fini(&decoded);
    return found;
}

/* ---- placeholders of attachments ---- */

enum { MEMBER_OTHER = -1, MEMBER_PLACEHOLDER, MEMBER_NUM };

struct object {
    bool placeholder;
    int num;         /* -1: not there, or no number of an attachment */
    unsigned before; /* placeholders that were found when it began */
};

struct search {
    struct object objects[DEPTH_MAX]; /* that are open */
    unsigned depth;
    unsigned found;
    bool seen[SIO_ATTACHMENTS_MAX];
};

/* An object whose _placeholder is true is one, whatever else is in it; but none stands inside another. */
static bool object_ends(struct search *search, unsigned attachments)
{
    const struct object *object = &search->objects[--search->depth];
    if (!object->placeholder)
        return true;
    if (object->num < 0 || (unsigned)object->num >= attachments || search->seen[object->num] ||
        object->before != search->found)
        return false;
    search->seen[object->num] = true;
    search->found++;
    return true;
}

/* Of two members of one name the last counts, as in JSON.parse. */
static void set_member(struct object *object, int member, struct str value)
{
    int64_t number;
    if (member == MEMBER_PLACEHOLDER)
        object->placeholder = str_eq(value, STR("true"));
    else if (member == MEMBER_NUM)
        object->num = json_whole(value, &number) && number >= 0 && number < SIO_ATTACHMENTS_MAX ? (int)number : -1;
}

/* Whether there is exactly one placeholder for each attachment. */
static bool placeholders_ok(struct str payload, unsigned attachments)
{
    static const char *const names[] = {[MEMBER_PLACEHOLDER] = "_placeholder", [MEMBER_NUM] = "num"};
    struct search search = {0};
    struct json_token token;
    int member = MEMBER_OTHER;
    while (json_token_next(&payload, &token)) {
        if (token.is_key) {
            member = which(token.text, names, 2);
            continue;
        }
        if (search.depth)
            set_member(&search.objects[search.depth - 1], member, token.text);
        member = MEMBER_OTHER;
        if (*token.text.ptr == '{')
            search.objects[search.depth++] = (struct object){.num = -1, .before = search.found};
        else if (*token.text.ptr == '}' && !object_ends(&search, attachments))
            return false;
    }
    return search.found == attachments;
}

/* ---- packets ---- */

static bool is_number(struct str json)
{
    return json.len && (*json.ptr == '-' || (*json.ptr >= '0' && *json.ptr <= '9'));
}

bool sio_event_name(struct str json, struct buf *out)
{
    int64_t number;
    if (!is_number(json))
        return sio_json_string(json, out);
    if (json_whole(json, &number))
        buf_addf(out, "%lld", (long long)number);
    else
        buf_add_str(out, json);
    return true;
}

/* Cuts the payload. More than SIO_ARGS_MAX of what clients may send is no breach of the protocol. */
static enum err cut(struct sio_packet *packet, struct str *elements, size_t max, size_t *count)
{
    enum err err = json_array_cut(packet->payload, elements, max, count);
    packet->too_many = err == ERR_TOO_BIG;
    return packet->too_many ? ERR_OK : err;
}

static enum err take_event(struct sio_packet *packet)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};
    struct str elements[SIO_ARGS_MAX + 1];
    size_t count;
    enum err err = cut(packet, elements, SIO_ARGS_MAX + 1, &count);
    if (err)
        return err;
    if (!count || !(is_number(elements[0]) || *elements[0].ptr == '"') ||
        which(elements[0], reserved, sizeof reserved / sizeof reserved[0]) >= 0)
        return ERR_INVALID;
    packet->name = elements[0];
    packet->arg_count = count - 1;
    memcpy(packet->args, elements + 1, (count - 1) * sizeof elements[0]);
    return ERR_OK;
}

static bool is_object(struct str json)
{
    struct json_token token;
    return json_token_next(&json, &token) && *token.text.ptr == '{';
}

/* What the type asks of the ack id and the JSON, which was vetted. */
static enum err take_payload(struct sio_packet *packet)
{
    switch (packet->type) {
    case SIO_CONNECT:
        return packet->ack_id < 0 && (!packet->payload.len || is_object(packet->payload)) ? ERR_OK : ERR_INVALID;
    case SIO_DISCONNECT: return packet->ack_id < 0 && !packet->payload.len ? ERR_OK : ERR_INVALID;
    case SIO_EVENT:
    case SIO_BINARY_EVENT: return packet->payload.len ? take_event(packet) : ERR_INVALID;
    case SIO_ACK:
    case SIO_BINARY_ACK:
        if (packet->ack_id < 0 || !packet->payload.len)
            return ERR_INVALID;
        return cut(packet, packet->args, SIO_ARGS_MAX, &packet->arg_count);
    case SIO_CONNECT_ERROR: break; /* the server's to send */
    }
    return ERR_INVALID;
}

enum err sio_packet_parse(struct str text, struct sio_packet *packet)
{
    *packet = (struct sio_packet){.ack_id = -1};
    if (!text.len || *text.ptr < '0' || *text.ptr > '6')
        return ERR_INVALID;
    packet->type = (enum sio_type)(*text.ptr - '0');
    bool binary = packet->type == SIO_BINARY_EVENT || packet->type == SIO_BINARY_ACK;
    struct str rest = {text.ptr + 1, text.len - 1};
    enum err err = binary ? take_attachments(&rest, &packet->attachments) : ERR_OK;
    if (!err)
        err = take_namespace(&rest, &packet->nsp, &packet->query);
    if (err)
        return err;
    err = take_number(&rest, ACK_ID_MAX, &packet->ack_id);
    if (err == ERR_NOT_FOUND)
        packet->ack_id = -1;
    else if (err)
        return err;
    packet->payload = rest;
    err = rest.len ? json_vet(rest, DEPTH_MAX, UINT_MAX) : ERR_OK;
    if (!err)
        err = take_payload(packet);
    if (!err && binary && !placeholders_ok(packet->payload, packet->attachments))
        err = ERR_INVALID;
    return err;
}

void sio_packet_add_head(struct buf *out, enum sio_type type, unsigned attachments, struct str nsp, int64_t ack_id)
{
    buf_add_char(out, (char)('0' + (int)type));
    if (type == SIO_BINARY_EVENT || type == SIO_BINARY_ACK) {
        buf_add_u64(out, attachments);
        buf_add_char(out, '-');
    }
    if (!str_eq(nsp, STR("/"))) {
        buf_add_str(out, nsp);
        buf_add_char(out, ',');
    }
    if (ack_id >= 0)
        buf_add_u64(out, (uint64_t)ack_id);
}
