#include "relay/native/native_parts.h"

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

static const char *kind_name(enum message_kind kind)
{
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].kind == kind)
            return kinds[i].name;
    return "other";
}

static void add_content(const struct message *message, struct buf *out)
{
    buf_addf(out, ",\"kind\":\"%s\"", kind_name(message->kind));
    if (message->recalled) {
        buf_add_text(out, ",\"recalled\":true");
        return;
    }
    if (message->kind == MESSAGE_TRANSFER) {
        buf_add_text(out, ",\"content\":");
        buf_add_str(out, message->content); /* JSON of our own making */
    } else if (message_is_said(message->kind)) {
        buf_add_text(out, ",\"content\":");
        buf_add_json(out, message->content);
    }
    if (message->revised_by)
        buf_addf(out, ",\"edited\":%llu", (unsigned long long)message->revised_by);
}

void native_encode(const struct message *message, struct buf *out)
{
    const char *event = message->kind == MESSAGE_EDIT ? "edit" : message->kind == MESSAGE_RECALL ? "recall" : "message";
    buf_addf(out, "{\"ev\":\"%s\",\"ch\":%llu,\"epoch\":%llu,\"seq\":%llu,\"ts\":%lld,\"name\":", event,
             (unsigned long long)message->conversation, (unsigned long long)protocol_context.hub->epoch,
             (unsigned long long)message->seq, (long long)message->at_ms);
    buf_add_json(out, message->sender_name);
    if (message_is_revision(message->kind) && message->content.len) {
        buf_add_char(out, ',');
        buf_add(out, message->content.ptr + 1, message->content.len - 1); /* the rest of an object of our own making */
        return;
    }
    add_content(message, out);
    buf_add_char(out, '}');
}

void native_add_members(struct buf *out, const struct member *members, size_t count)
{
    buf_add_text(out, ",\"members\":[");
    for (size_t i = 0; i < count; i++) {
        /* a list that would not fit is cut, not lost */
        if (out->max - out->len < members[i].name.len * 6 + members[i].head.len + 64)
            break;
        buf_add_text(out, i ? ",{\"name\":" : "{\"name\":");
        buf_add_json(out, members[i].name);
        buf_add_text(out, ",\"head\":");
        buf_add_str(out, members[i].head);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void encode_members(uint64_t conversation, const struct member *members, size_t count, struct buf *out)
{
    buf_addf(out, "{\"ev\":\"members\",\"ch\":%llu", (unsigned long long)conversation);
    native_add_members(out, members, count);
    buf_add_char(out, '}');
}

/* Who is present is announced as the conversation's own protocol does it: native_go enters with that protocol's
 * encoding. */
const struct encoding native_encoding = {.name = "native", .message = native_encode};
const struct encoding native_presence_encoding = {
    .name = "native_presence", .message = native_encode, .members = encode_members};
