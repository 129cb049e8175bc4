#include "relay/native/native.h"

#include "common/store/store_words.h"
#include "relay/native/native_client.h"
#include "relay/native/native_encode.h"

enum message_kind native_kind(struct str name)
{
    enum message_kind kind = kind_of_word(name);
    return message_is_said(kind) ? kind : (enum message_kind)0;
}

void native_add_kinds(struct buf *out, const char *key)
{
    json_add_array(out, key);
    for (int kind = 1; kind <= MESSAGE_KIND_MAX; kind++)
        if (message_is_said((enum message_kind)kind))
            json_add_text(out, NULL, kind_word((enum message_kind)kind));
    json_end_array(out);
}

/* Appends a sender: a number that gives no access, and the application's id and face. */
void native_add_from(struct buf *out, uint64_t user, struct str name, struct str id, struct str face)
{
    json_add_object(out, "from");
    json_add_u64(out, "uid", user);
    if (id.len)
        json_add_string(out, "id", id);
    json_add_string(out, "name", name);
    if (face.len)
        json_add_string(out, "face", face);
    json_end_object(out);
}

static void add_content(const struct message *message, struct buf *out)
{
    json_add_text(out, "kind", message_word(message->kind));
    if (message->recalled) {
        json_add_bool(out, "recalled", true);
        return;
    }
    if (message->kind == MESSAGE_TRANSFER)
        json_add_raw(out, "content", message->content); /* of our own making */
    else if (message_is_said(message->kind))
        json_add_string(out, "content", message->content);
    if (message->revised_by)
        json_add_u64(out, "edited", message->revised_by);
    if (message->extra.len)
        json_add_raw(out, NULL, message_about(message));
}

void native_encode(const struct message *message, struct buf *out)
{
    bool is_aside = message_is_aside(message->kind) && message->kind <= MESSAGE_KIND_MAX;
    const char *event = is_aside ? kind_word(message->kind) : "message";
    json_begin_object(out);
    json_add_text(out, "ev", event);
    json_add_u64(out, "ch", message->conversation);
    json_add_u64(out, "epoch", protocol_context.hub->epoch);
    json_add_u64(out, "seq", message->seq);
    json_add_int(out, "ts", message->at_ms);
    native_add_from(out, message->sender, message->sender_name, message->author_id, message->author_face);
    if (!message_is_change(message->kind)) /* in one of these it is the conversation's */
        json_add_string(out, "name", message->sender_name);
    if (is_aside && message->content.len) /* the members of an object of our own making */
        json_add_raw(out, NULL, (struct str){message->content.ptr + 1, message->content.len - 2});
    else if (!is_aside)
        add_content(message, out);
    json_end_object(out);
}

void native_encode_gone(uint64_t conversation, uint64_t first, uint64_t last, struct buf *out)
{
    json_begin_object(out);
    json_add_text(out, "ev", "gone");
    json_add_u64(out, "ch", conversation);
    json_add_u64(out, "epoch", protocol_context.hub->epoch);
    json_add_u64(out, "seq", last);
    json_add_u64(out, "first", first);
    json_end_object(out);
}

void native_add_members(struct buf *out, const struct member *members, size_t count)
{
    json_add_array(out, "members");
    for (size_t i = 0; i < count; i++) {
        /* a list that would not fit is cut, not lost */
        if (out->max - out->len < members[i].name.len * 6 + members[i].head.len + 64)
            break;
        json_add_object(out, NULL);
        json_add_string(out, "name", members[i].name);
        json_add_raw(out, "head", members[i].head);
        json_end_object(out);
    }
    json_end_array(out);
}

static void encode_members(uint64_t conversation, const struct member *members, size_t count, struct buf *out)
{
    json_begin_object(out);
    json_add_text(out, "ev", "members");
    json_add_u64(out, "ch", conversation);
    native_add_members(out, members, count);
    json_end_object(out);
}

/* Who is present is announced as the conversation's own protocol does it: native_go enters with that protocol's
 * encoding. */
const struct encoding native_encoding = {.name = "native", .message = native_encode};
const struct encoding native_presence_encoding = {
    .name = "native_presence", .message = native_encode, .members = encode_members};
