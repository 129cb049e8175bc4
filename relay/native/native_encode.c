#include "relay/native/native.h"
#include "relay/native/native_client.h"
#include "relay/native/native_encode.h"

static const struct {
    const char *name;
    enum message_kind kind;
    bool sent; /* by clients */
} kinds[] = {
    {"text", MESSAGE_TEXT, true},    {"emoji", MESSAGE_EMOJI, true},        {"file", MESSAGE_FILE, true},
    {"image", MESSAGE_IMAGE, true},  {"video", MESSAGE_VIDEO, true},        {"join", MESSAGE_JOIN, false},
    {"leave", MESSAGE_LEAVE, false}, {"transfer", MESSAGE_TRANSFER, false},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

enum message_kind native_kind(struct str name)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].sent && str_eq(name, str_of(kinds[i].name)))
            return kinds[i].kind;
    return (enum message_kind)0;
}

void native_add_kinds(struct buf *out, const char *key)
{
    json_add_array(out, key);
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].sent)
            json_add_text(out, NULL, kinds[i].name);
    json_end_array(out);
}

static const char *kind_name(enum message_kind kind)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].kind == kind)
            return kinds[i].name;
    return "other";
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
    json_add_text(out, "kind", kind_name(message->kind));
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

static const char *const asides[] = {"edit", "recall", "react", "joined", "removed", "renamed"};
_Static_assert(MESSAGE_RECALL == MESSAGE_EDIT + 1 && MESSAGE_REACTION == MESSAGE_EDIT + 2, "as they stand there");
_Static_assert(MESSAGE_JOINED == MESSAGE_EDIT + 3 && MESSAGE_RENAMED == MESSAGE_EDIT + 5, "likewise");

void native_encode(const struct message *message, struct buf *out)
{
    bool is_aside = message_is_aside(message->kind) && message->kind <= MESSAGE_KIND_MAX;
    const char *event = is_aside ? asides[message->kind - MESSAGE_EDIT] : "message";
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
