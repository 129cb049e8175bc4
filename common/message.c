#include "common/message.h"

#include "common/mem.h"
#include "common/text.h"

#include <endian.h>

enum { WIRE_VERSION = 5, HEADER_BYTES = 4 + 8 + 8 + 8 + 8 + 2 };

size_t message_size(const struct message *message)
{
    return sizeof *message + message->sender_name.len + message->content.len + message->client_id.len +
           message->sent_at.len + message->audience.len + message->extra.len + message->author_id.len +
           message->author_face.len;
}

static struct str copy_text(char **at, struct str text)
{
    struct str copy = {*at, text.len};
    if (text.len)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

struct message *message_dup(const struct message *message)
{
    struct message *copy = mem_zalloc(message_size(message));
    *copy = *message;
    char *at = (char *)(copy + 1);
    copy->sender_name = copy_text(&at, message->sender_name);
    copy->content = copy_text(&at, message->content);
    copy->client_id = copy_text(&at, message->client_id);
    copy->sent_at = copy_text(&at, message->sent_at);
    copy->audience = copy_text(&at, message->audience);
    copy->extra = copy_text(&at, message->extra);
    copy->author_id = copy_text(&at, message->author_id);
    copy->author_face = copy_text(&at, message->author_face);
    return copy;
}

static void put(struct buf *out, uint64_t value, size_t bytes)
{
    uint64_t little = htole64(value);
    buf_add(out, &little, bytes);
}

static void put_text(struct buf *out, struct str text, size_t bytes)
{
    put(out, text.len, bytes);
    buf_add_str(out, text);
}

void wire_add_header(struct buf *out, const struct wire_header *header)
{
    buf_add(out, "CG", 2);
    put(out, WIRE_VERSION, 1);
    put(out, header->kind, 1);
    put(out, header->sender, 8);
    put(out, header->epoch, 8);
    put(out, header->conversation, 8);
    put(out, header->user, 8);
    put(out, header->count, 2);
}

void wire_add_message(struct buf *out, const struct message *message)
{
    put(out, message->seq, 8);
    put(out, message->batch, 8);
    put(out, message->sender, 8);
    put(out, (uint64_t)message->at_ms, 8);
    put(out, message->kind, 1);
    put_text(out, message->sender_name, 2);
    put_text(out, message->sent_at, 1);
    put_text(out, message->audience, 2);
    put_text(out, message->content, 4);
    put_text(out, message->extra, 2);
    put_text(out, message->author_id, 1);
    put_text(out, message->author_face, 2);
}

static bool get(struct str *at, size_t bytes, uint64_t *value)
{
    uint64_t little = 0;
    if (!str_copy_off(at, bytes, &little))
        return false;
    *value = le64toh(little);
    return true;
}

static bool get_text(struct str *at, size_t bytes, struct str *text)
{
    uint64_t len;
    return get(at, bytes, &len) && str_take(at, len, text) && text_utf8_valid(*text);
}

enum err wire_get_header(struct str *at, struct wire_header *header)
{
    uint64_t version, kind, count;
    if (at->len < HEADER_BYTES || memcmp(at->ptr, "CG", 2) != 0)
        return ERR_INVALID;
    at->ptr += 2;
    at->len -= 2;
    bool read = get(at, 1, &version) && get(at, 1, &kind) && get(at, 8, &header->sender) &&
                get(at, 8, &header->epoch) && get(at, 8, &header->conversation) && get(at, 8, &header->user) &&
                get(at, 2, &count);
    if (!read || version != WIRE_VERSION || kind < WIRE_MESSAGES || kind > WIRE_KIND_MAX)
        return ERR_INVALID;
    header->kind = (enum wire_kind)kind;
    header->count = (unsigned)count;
    return ERR_OK;
}

enum err wire_get_message(struct str *at, const struct wire_header *header, struct message *message)
{
    uint64_t at_ms, kind;
    *message = (struct message){.conversation = header->conversation};
    bool read = get(at, 8, &message->seq) && get(at, 8, &message->batch) && get(at, 8, &message->sender) &&
                get(at, 8, &at_ms) && get(at, 1, &kind) && get_text(at, 2, &message->sender_name) &&
                get_text(at, 1, &message->sent_at) && get_text(at, 2, &message->audience) &&
                get_text(at, 4, &message->content) && get_text(at, 2, &message->extra) &&
                get_text(at, 1, &message->author_id) && get_text(at, 2, &message->author_face);
    if (!read || !message->seq || kind < MESSAGE_TEXT || kind > MESSAGE_KIND_MAX)
        return ERR_INVALID;
    message->at_ms = (int64_t)at_ms;
    message->kind = (enum message_kind)kind;
    return ERR_OK;
}

void wire_add_mark(struct buf *out, const struct wire_mark *mark)
{
    put(out, mark->conversation, 8);
    put(out, mark->seq, 8);
}

enum err wire_get_mark(struct str at, struct wire_mark *mark)
{
    bool read = get(&at, 8, &mark->conversation) && get(&at, 8, &mark->seq) && !at.len;
    return read ? ERR_OK : ERR_INVALID;
}
