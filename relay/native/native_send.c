#include "common/text.h"
#include "relay/native/native_parts.h"

enum { TYPING_MS = 1000 };

/* ---- answers of the journal ---- */

void native_posted(struct session *session, uint64_t number, const struct store_post *stored)
{
    struct native *native = native_of(session);
    struct posting posting;
    struct buf out;
    if (!postings_answered(&native->posts, number, &posting))
        return;
    if (stored->err) {
        native_fail(native, posting.re, stored->err);
        return;
    }
    native_begin(&out, 512, posting.re);
    json_add_u64(&out, "ch", stored->message.conversation);
    json_add_u64(&out, "epoch", protocol_context.hub->epoch);
    json_add_u64(&out, "seq", stored->message.seq);
    json_add_int(&out, "ts", stored->message.at_ms);
    json_add_bool(&out, "repeated", stored->repeated);
    native_end(native, &out);
}

/* ---- what is to be stored ---- */

static bool read_client_id(struct json_object *object, struct str *client_id)
{
    if (!json_get_string(object, "client_id", client_id) || !client_id->len || client_id->len > MESSAGE_CLIENT_ID_MAX)
        return false;
    for (size_t i = 0; i < client_id->len; i++)
        if (client_id->ptr[i] <= ' ' || client_id->ptr[i] > '~')
            return false;
    return true;
}

/* Who only reads says nothing. */
static bool is_reader(struct native_room *room, int64_t re)
{
    if (room->membership.role != ROLE_READER)
        return false;
    native_refuse(room->native, re, "role", "your role in this conversation does not allow that");
    return true;
}

static void post(struct native_room *room, int64_t re, enum message_kind kind, struct str content, struct str client_id)
{
    struct native *native = room->native;
    struct message message = {
        .conversation = room->membership.conversation,
        .sender = native->user,
        .kind = kind,
        .sender_name = str_of(native->name),
        .content = content,
        .client_id = client_id,
    };
    struct post_id id = post_of(native->session, postings_add(&native->posts, message.conversation, re));
    struct posting refused;
    enum err err = id.number ? hub_post(protocol_context.hub, id, &message) : ERR_BUSY;
    if (!err)
        return;
    postings_take(&native->posts, id.number, &refused);
    if (err == ERR_DENIED)
        native_refuse(native, re, protocol_post_code(err), protocol_post_error(err));
    else
        native_fail(native, re, ERR_BUSY);
}

/* The command's content, or what is wrong with it. */
static const char *read_content(struct json_object *object, enum message_kind kind, struct str *content)
{
    bool text = kind == MESSAGE_TEXT || kind == MESSAGE_EMOJI;
    if (!json_get_string(object, "content", content))
        return "content is missing";
    if (text && text_check_content(*content))
        return "content must be text without control characters";
    if (!text && text_check_url(*content, protocol_context.settings->media_url))
        return "content must be the address of an upload";
    return NULL;
}

void native_send(struct native_room *room, int64_t re, struct json_object *object)
{
    if (is_reader(room, re))
        return;
    struct str client_id, content, name = STR("text");
    enum message_kind kind = (enum message_kind)0;
    if (!json_has(object, "kind") || json_get_string(object, "kind", &name))
        kind = native_kind(name);
    const char *wrong = !kind                                 ? "kind must be text, emoji, file, image or video"
                        : !read_client_id(object, &client_id) ? "client_id must be 1 to 64 visible ASCII characters"
                                                              : read_content(object, kind, &content);
    if (wrong) {
        native_refuse(room->native, re, "bad_argument", wrong);
        return;
    }
    struct buf clean;
    buf_init(&clean, content.len * 2 + 16);
    text_add_content(&clean, content);
    post(room, re, kind, buf_str(&clean), client_id);
    buf_fini(&clean);
}

static void revise(struct native_room *room, int64_t re, struct json_object *object, enum message_kind kind)
{
    struct str client_id, content = STR("");
    int64_t of;
    const char *wrong = NULL;
    if (!json_get_int(object, "seq", 1, INT64_MAX - 1, &of))
        wrong = "seq must be the number of a message";
    else if (!read_client_id(object, &client_id))
        wrong = "client_id must be 1 to 64 visible ASCII characters";
    else if (kind == MESSAGE_EDIT)
        wrong = read_content(object, MESSAGE_TEXT, &content);
    if (wrong) {
        native_refuse(room->native, re, "bad_argument", wrong);
        return;
    }
    struct buf clean, json;
    buf_init(&clean, content.len * 2 + 16);
    text_add_content(&clean, content);
    buf_init(&json, clean.len * 6 + 128);
    json_begin_object(&json);
    json_add_int(&json, "of", of);
    if (kind == MESSAGE_EDIT)
        json_add_string(&json, "content", buf_str(&clean));
    json_end_object(&json);
    post(room, re, kind, buf_str(&json), client_id);
    buf_fini(&clean);
    buf_fini(&json);
}

void native_edit(struct native_room *room, int64_t re, struct json_object *object)
{
    if (!is_reader(room, re))
        revise(room, re, object, MESSAGE_EDIT);
}

void native_recall(struct native_room *room, int64_t re, struct json_object *object)
{
    revise(room, re, object, MESSAGE_RECALL);
}

/* ---- typing ---- */

void native_typing(struct native_room *room, int64_t re, struct json_object *object)
{
    struct native *native = room->native;
    int64_t now_ms = protocol_context.hub->wheel->now_ms;
    struct buf out;
    (void)object;
    if (protocol_muted(native->session, room->membership.conversation)) {
        native_refuse(native, re, protocol_post_code(ERR_DENIED), protocol_post_error(ERR_DENIED));
        return;
    }
    native_ok(native, re);
    if (room->typed_ms && now_ms - room->typed_ms < TYPING_MS)
        return;
    room->typed_ms = now_ms;
    buf_init(&out, 32768);
    json_begin_object(&out);
    json_add_text(&out, "ev", "typing");
    json_add_u64(&out, "ch", room->membership.conversation);
    native_add_from(&out, native->user, str_of(native->name), str_of(native->id), str_of(native->face));
    json_add_text(&out, "name", native->name);
    json_end_object(&out);
    CG_ASSERT(!out.failed);
    hub_show(protocol_context.hub, room->membership.conversation, ENCODING_NATIVE, buf_str(&out));
    hub_show(protocol_context.hub, room->membership.conversation, ENCODING_NATIVE_PRESENCE, buf_str(&out));
    buf_fini(&out);
}
