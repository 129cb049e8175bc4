#include "common/about.h"
#include "common/mem.h"
#include "common/name.h"
#include "common/store/store_reaction.h"
#include "common/text.h"
#include "relay/native/native_client.h"
#include "relay/native/native_commands.h"
#include "relay/native/native_encode.h"

#include <stdlib.h>

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
    if (stored->message.seq) { /* else it was so already */
        json_add_u64(&out, "seq", stored->message.seq);
        json_add_int(&out, "ts", stored->message.at_ms);
    }
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

/* Readers may not post. */
static bool is_reader(struct native_room *room, int64_t re)
{
    if (room->membership.role != ROLE_READER)
        return false;
    native_refuse(room->native, re, "role", "your role in this conversation does not allow that");
    return true;
}

/* Hands it to the journal, whose answer is the command's: as this room's, and its user's. */
static void post(struct native_room *room, int64_t re, struct message message)
{
    struct native *native = room->native;
    message.conversation = room->membership.conversation;
    message.sender = native->user;
    message.sender_name = str_of(native->name);
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

/* What is to be sent, as the command gives it: views of it. */
struct sending {
    enum message_kind kind;
    struct str client_id, content, meta;
    int64_t reply_to;
    struct json_object *mentions; /* NULL: none */
};

static const char *read_mentions(struct json_object *object, struct sending *sending)
{
    static const char wrong[] = "mentions is a list of at most 50 users, by their ids or numbers";
    if (!json_has(object, "mentions"))
        return NULL;
    if (!json_object_object_get_ex(object, "mentions", &sending->mentions) ||
        !json_object_is_type(sending->mentions, json_type_array))
        return wrong;
    size_t count = json_object_array_length(sending->mentions);
    for (size_t i = 0; i < count && i <= ABOUT_MENTIONS_MAX; i++) {
        struct json_object *user = json_object_array_get_idx(sending->mentions, i);
        bool is_id = json_object_is_type(user, json_type_string) &&
                     app_id_ok((struct str){json_object_get_string(user), (size_t)json_object_get_string_len(user)});
        if (!is_id && !(json_object_is_type(user, json_type_int) && json_object_get_int64(user) > 0))
            return wrong;
    }
    if (!count)
        sending->mentions = NULL;
    return count <= ABOUT_MENTIONS_MAX ? NULL : wrong;
}

static const char *read_about(struct json_object *object, struct sending *sending)
{
    struct json_object *meta;
    if (json_has(object, "reply_to") && !json_get_int(object, "reply_to", 1, INT64_MAX - 1, &sending->reply_to))
        return "reply_to must be the number of a message";
    if (json_has(object, "meta")) {
        if (!json_object_object_get_ex(object, "meta", &meta) || !json_object_is_type(meta, json_type_object))
            return "meta must be an object";
        sending->meta =
            str_of(json_object_to_json_string_ext(meta, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
        if (sending->meta.len > MESSAGE_META_MAX)
            return "meta must be at most 4096 bytes";
    }
    return read_mentions(object, sending);
}

/* What is wrong with it, or NULL. */
static const char *read_sending(struct json_object *object, struct sending *sending)
{
    struct str name = STR("text");
    *sending = (struct sending){.meta = STR("")};
    if (!json_has(object, "kind") || json_get_string(object, "kind", &name))
        sending->kind = native_kind(name);
    if (!sending->kind)
        return "kind must be text, emoji, file, image or video";
    if (!read_client_id(object, &sending->client_id))
        return "client_id must be 1 to 64 visible ASCII characters";
    const char *wrong = read_content(object, sending->kind, &sending->content);
    return wrong ? wrong : read_about(object, sending);
}

static void say(struct native_room *room, int64_t re, const struct sending *sending, const uint64_t *users,
                size_t count)
{
    struct buf clean, extra;
    buf_init(&clean, sending->content.len * 2 + 16);
    text_add_content(&clean, sending->content);
    buf_init(&extra, ABOUT_MAX + 1);
    about_add(&extra, &(struct about){sending->meta, (uint64_t)sending->reply_to, users, count});
    post(room, re,
         (struct message){.kind = sending->kind,
                          .content = buf_str(&clean),
                          .client_id = sending->client_id,
                          .extra = buf_str(&extra),
                          .reply_to = (uint64_t)sending->reply_to});
    buf_fini(&clean);
    buf_fini(&extra);
}

/* ---- mentions ---- */

/* Until they are known, other commands about the conversation wait. */
struct mentioning {
    struct job job;
    uint64_t session_id, conversation;
    int64_t re;
    struct json_object *object; /* the command's; owned, and not touched by the reader */
    size_t count;
    struct store_mentioned mentioned[ABOUT_MENTIONS_MAX]; /* their ids are in `ids` */
    char ids[ABOUT_MENTIONS_MAX][APP_ID_MAX + 1];
};

static void look_for(struct job *job, struct store *store)
{
    struct mentioning *mentioning = (struct mentioning *)job;
    job->err = store_native_mentioned(store, mentioning->conversation, mentioning->mentioned, mentioning->count);
}

/* Each once. False: somebody is not there. */
static bool take_users(const struct mentioning *mentioning, uint64_t users[ABOUT_MENTIONS_MAX], size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < mentioning->count; i++) {
        uint64_t user = mentioning->mentioned[i].user;
        size_t at = 0;
        if (!user)
            return false;
        while (at < *count && users[at] != user)
            at++;
        if (at == *count)
            users[(*count)++] = user;
    }
    return true;
}

static void send_mentioning(struct native_room *room, const struct mentioning *mentioning)
{
    uint64_t users[ABOUT_MENTIONS_MAX];
    size_t count;
    struct sending sending;
    if (!take_users(mentioning, users, &count))
        native_refuse(room->native, mentioning->re, "bad_argument", "mentions: somebody is not in this conversation");
    else if (!read_sending(mentioning->object, &sending))
        say(room, mentioning->re, &sending, users, count);
}

static void on_mentioned(struct job *job)
{
    struct mentioning *mentioning = (struct mentioning *)job;
    struct native *native = native_find(mentioning->session_id);
    struct native_room *room = native ? native_room_of(native, mentioning->conversation) : NULL;
    if (native)
        native->asked--;
    if (!room || room->mentioning != job) {
        if (native) /* it was put out meanwhile */
            native_fail(native, mentioning->re, ERR_NOT_FOUND);
    } else {
        room->mentioning = NULL;
        if (job->err)
            native_fail(native, mentioning->re, ERR_DOWN);
        else
            send_mentioning(room, mentioning);
        native_room_carry_on(room);
    }
    json_object_put(mentioning->object);
    free(mentioning);
}

static void look_up_mentioned(struct native_room *room, int64_t re, struct json_object *object,
                              struct json_object *list)
{
    struct mentioning *mentioning = mem_zalloc(sizeof *mentioning);
    mentioning->job.work = look_for;
    mentioning->job.done = on_mentioned;
    mentioning->session_id = room->native->session->id;
    mentioning->conversation = room->membership.conversation;
    mentioning->re = re;
    mentioning->count = json_object_array_length(list);
    for (size_t i = 0; i < mentioning->count; i++) {
        struct json_object *user = json_object_array_get_idx(list, i);
        struct store_mentioned *one = &mentioning->mentioned[i];
        if (json_object_is_type(user, json_type_int)) {
            *one = (struct store_mentioned){.user = (uint64_t)json_object_get_int64(user), .id = STR("")};
            continue;
        }
        size_t len = (size_t)json_object_get_string_len(user);
        memcpy(mentioning->ids[i], json_object_get_string(user), len);
        one->id = (struct str){mentioning->ids[i], len};
    }
    job_charge(&mentioning->job, JOB_ASK, room->native->user, 1 + mentioning->count / 10);
    if (!native_look_up(room->native, re, &mentioning->job))
        return; /* it is gone */
    mentioning->object = json_object_get(object);
    room->mentioning = &mentioning->job;
}

void native_send(struct native_room *room, int64_t re, struct json_object *object)
{
    struct sending sending;
    if (is_reader(room, re))
        return;
    const char *wrong = read_sending(object, &sending);
    if (wrong)
        native_refuse(room->native, re, "bad_argument", wrong);
    else if (sending.mentions)
        look_up_mentioned(room, re, object, sending.mentions);
    else
        say(room, re, &sending, NULL, 0);
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
    post(room, re, (struct message){.kind = kind, .content = buf_str(&json), .client_id = client_id});
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

/* In the form that store_reaction_read takes. */
void native_react(struct native_room *room, int64_t re, struct json_object *object)
{
    int64_t of;
    struct str emoji;
    struct json_object *on = NULL;
    const char *wrong = NULL;
    if (is_reader(room, re))
        return;
    if (!json_get_int(object, "seq", 1, INT64_MAX - 1, &of))
        wrong = "seq must be the number of a message";
    else if (!json_get_string(object, "emoji", &emoji) || emoji.len > STORE_EMOJI_MAX || !name_is_emoji(emoji))
        wrong = "emoji must be one emoji";
    else if (!json_object_object_get_ex(object, "on", &on) || !json_object_is_type(on, json_type_boolean))
        wrong = "on is a boolean";
    if (wrong) {
        native_refuse(room->native, re, "bad_argument", wrong);
        return;
    }
    struct buf json;
    buf_init(&json, 256);
    json_begin_object(&json);
    json_add_int(&json, "of", of);
    json_add_string(&json, "emoji", emoji);
    json_add_bool(&json, "on", json_object_get_boolean(on));
    json_end_object(&json);
    CG_ASSERT(!json.failed);
    post(room, re, (struct message){.kind = MESSAGE_REACTION, .content = buf_str(&json)});
    buf_fini(&json);
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
