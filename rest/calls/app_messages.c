/* app_messages.c: the server API's calls about messages, sent by a user or by the application itself. */
#include "rest/calls/app_conversations.h"

#include "common/about.h"
#include "common/client_id.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/store/store_life.h"
#include "common/store/store_reaction.h"
#include "common/store/store_words.h"
#include "common/text.h"
#include "rest/calls/app_answers.h"
#include "rest/http/failure.h"
#include "rest/services/caller.h"
#include "rest/services/fields.h"
#include "rest/services/idempotency.h"
#include "rest/services/moderate.h"
#include "rest/services/paging.h"
#include "rest/services/publish.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATIENCE_MS = 10000, BROADCAST_MAX = 1000, BROADCAST_AT_ONCE = 50, BROADCAST_BODY_MAX = 900000 };

static enum message_kind kind_of(struct str name)
{
    enum message_kind kind = kind_of_word(name);
    return message_is_said(kind) ? kind : (enum message_kind)0;
}

/* ---- what is to be said ---- */

/* A message as it was given. `content` and `extra` are owned. */
struct said {
    struct str from; /* empty: the application */
    enum message_kind kind;
    struct str client_id;
    int64_t reply_to; /* 0: to none */
    struct buf content, extra;
};

static void said_fini(struct said *said)
{
    buf_fini(&said->content);
    buf_fini(&said->extra);
}

static int take_content(struct call *call, struct json_object *object, struct said *said)
{
    struct str content;
    bool is_text = said->kind == MESSAGE_TEXT || said->kind == MESSAGE_EMOJI;
    if (!json_get_string(object, "content", &content))
        return call_refuse_field(call, STR("content"), "must be a text");
    if (is_text && text_check_content(content))
        return call_refuse_field(call, STR("content"), "must be text without control characters");
    if (!is_text && text_check_url(content, call->backends->settings->media_url))
        return call_refuse_field(call, STR("content"), "must be the address of a file");
    if (content.len > (size_t)call->backends->settings->max_body_bytes)
        return call_refuse(call, 413, "too_big", "content is too long");
    buf_init(&said->content, content.len * 2 + 16); /* what is replaced is as long as before, or a little more */
    text_add_content(&said->content, content);
    return 200;
}

static int take_extra(struct call *call, struct json_object *object, struct said *said)
{
    struct str meta;
    bool has_meta;
    if (!fields_object(call, object, "meta", MESSAGE_META_MAX, &has_meta, &meta))
        return 400;
    if (json_has(object, "reply_to") && !json_get_int(object, "reply_to", 1, INT64_MAX - 1, &said->reply_to))
        return call_refuse_field(call, STR("reply_to"), "must be the number of a message");
    buf_init(&said->extra, ABOUT_MAX + 1);
    about_add(&said->extra, &(struct about){.meta = meta, .reply_to = (uint64_t)said->reply_to});
    return 200;
}

static const struct field said_fields[] = {FIELD("from", TEXT),
                                           FIELD_WORD("kind", false, "text emoji file image video"),
                                           FIELD_NEEDED("content", TEXT),
                                           FIELD("meta", OBJECT),
                                           FIELD("reply_to", NUMBER),
                                           FIELD("client_id", TEXT),
                                           FIELD_END};

/* The status. Ends with said_fini in any case. */
static int take_said(struct call *call, struct json_object *object, struct said *said)
{
    struct str kind;
    bool has_from, has_kind;
    *said = (struct said){.kind = MESSAGE_TEXT};
    if (!fields_are(call, object, said_fields) || !fields_text(call, object, "from", &has_from, &said->from) ||
        !fields_text(call, object, "kind", &has_kind, &kind))
        return 400;
    if (has_kind && kind.len && !(said->kind = kind_of(kind)))
        return call_refuse_field(call, STR("kind"), "must be text, emoji, file, image or video");
    if (!client_id_get(object, "client_id", &said->client_id))
        return call_refuse_field(call, STR("client_id"), "must be 1 to 64 bytes without controls");
    int status = take_content(call, object, said);
    return status == 200 ? take_extra(call, object, said) : status;
}

/* ---- who says it ---- */

struct author {
    uint64_t user; /* 0: the application */
    char name[STORE_NAME_MAX + 1];
};

static void be(struct author *author, const struct store_app_user *user)
{
    author->user = user->user;
    snprintf(author->name, sizeof author->name, "%s", store_app_user_shown(user));
}

/* 200, 404 or 503. A user says only what is their own. */
static int find_author(struct call *call, struct str from, struct author *author)
{
    struct store_app_user user;
    *author = (struct author){.name = MESSAGE_SYSTEM_NAME};
    if (call->caller->is_user) {
        if (from.len && !str_eq(from, str_of(call->caller->user.id)))
            return call_refuse(call, 403, "from", "a user speaks only for themselves");
        be(author, &call->caller->user);
        return 200;
    }
    if (!from.len)
        return 200;
    enum err err = store_app_user_find(call->backends->store, from, &user);
    if (err)
        return err == ERR_NOT_FOUND ? call_refuse(call, 404, "no_such_user", "from: no such user")
                                    : failure_status(err, "message");
    be(author, &user);
    return 200;
}

/* The user that a server key acts for must be a member. */
static int check_member(struct call *call, const struct store_app_conversation *of, const struct author *author)
{
    enum store_member_role role = ROLE_MEMBER;
    if (call->caller->is_user || !author->user)
        return 200;
    enum err err = of->kind == KIND_APP
                       ? store_app_member_role(call->backends->store, of->conversation, author->user, &role)
                       : ERR_OK;
    if (err)
        return failure_status(err, "message");
    return role && of->kind == KIND_APP ? 200 : call_refuse(call, 403, "not_member", "from: is no member there");
}

/* `client_id`: what the call is named by, for a message that has none of its own. */
static void post_init(struct store_post *post, uint64_t conversation, const struct author *author,
                      const struct said *said, struct str client_id)
{
    *post = (struct store_post){.message = {.conversation = conversation,
                                            .sender = author->user,
                                            .kind = said->kind,
                                            .sender_name = str_of(author->name),
                                            .content = buf_str(&said->content),
                                            .extra = buf_str(&said->extra),
                                            .client_id = said->client_id.len ? said->client_id : client_id}};
}

static int post_failed(struct call *call, enum err err)
{
    if (err == ERR_DUPLICATE)
        return call_refuse(call, 409, "client_id", "this client_id was used for another message");
    if (err == ERR_NOT_FOUND)
        return call_refuse(call, 404, "no_such_message", "no such message, or it is recalled");
    if (err == ERR_DENIED)
        return call_refuse(call, 409, "unchangeable", "this message cannot be changed so");
    return failure_status(err, "message");
}

/* Stores and tells. */
static enum err carry_out(struct call *call, struct store_post *posts, size_t count)
{
    enum err err = store_journal(call->backends->store, posts, count, PATIENCE_MS);
    for (size_t i = 0; i < count; i++)
        if (!err && !posts[i].err && !posts[i].repeated)
            publish_message(call->backends, &posts[i].message, posts[i].epoch);
    return err;
}

static void add_stored(struct buf *out, const struct store_post *post)
{
    json_add_u64(out, "epoch", post->epoch);
    json_add_u64(out, "seq", post->message.seq);
    json_add_int(out, "ts", post->message.at_ms);
}

static int answer_post(struct call *call, struct store_post *post, int status)
{
    enum err err = carry_out(call, post, 1);
    err = err ? err : post->err;
    if (err)
        return post_failed(call, err);
    json_begin_object(call->out);
    add_stored(call->out, post);
    json_end_object(call->out);
    return post->repeated ? 200 : status;
}

static int say(struct call *call)
{
    struct store_app_conversation of;
    struct author author = {0};
    struct said said;
    struct store_post post;
    char client_id[MESSAGE_CLIENT_ID_MAX + 1];
    int status = app_conversation(call, APP_SAY, &of, NULL);
    if (status != 200)
        return status;
    status = take_said(call, call->object, &said);
    if (status == 200 && (uint64_t)said.reply_to > of.seq)
        status = call_refuse_field(call, STR("reply_to"), "there is no such message");
    if (status == 200)
        status = find_author(call, said.from, &author);
    if (status == 200)
        status = check_member(call, &of, &author);
    if (status == 200 && call->caller->is_user)
        status = call_status(call, moderate(call, author.user, of.conversation, MODERATE_POST), "moderate");
    if (status == 200) {
        post_init(&post, of.conversation, &author, &said, idempotency_client_id(call, 0, client_id));
        status = answer_post(call, &post, 201);
    }
    said_fini(&said);
    return status;
}

/* ---- changing and taking back ---- */

/* The message that the path names, if the caller may do that to it. */
static int find_said(struct call *call, bool is_edit, struct store_app_conversation *of, uint64_t *seq,
                     struct store_app_said *said)
{
    int64_t number;
    int status = app_conversation(call, is_edit ? APP_SAY : APP_READ, of, NULL);
    if (status != 200)
        return status;
    if (!json_whole(call->params[1], &number) || number < 1)
        return call_refuse(call, 404, "no_such_message", "no such message");
    *seq = (uint64_t)number;
    enum err err = store_app_said(call->backends->store, of->conversation, *seq, said);
    if (err)
        return post_failed(call, err);
    if (!call->caller->is_user || said->sender == call->caller->id)
        return 200;
    if (is_edit)
        return call_refuse(call, 403, "not_author", "only its author edits a message");
    struct store_app_conversation unused;
    status = app_conversation(call, APP_MODERATE, &unused, NULL);
    return status == 403 ? call_refuse(call, 403, "not_author", "only its author or a moderator recalls a message")
                         : status;
}

/* It is stored as the author's own act, whoever requested it. */
static int revise(struct call *call, enum message_kind kind, struct str content)
{
    struct store_app_conversation of;
    struct store_app_said said;
    uint64_t seq = 0;
    int status = find_said(call, kind == MESSAGE_EDIT, &of, &seq, &said);
    if (status == 200 && call->caller->is_user)
        status = call_status(call, moderate(call, call->caller->id, of.conversation, MODERATE_POST), "moderate");
    if (status != 200)
        return status;
    struct buf json;
    buf_init(&json, content.len * 6 + 128);
    json_begin_object(&json);
    json_add_u64(&json, "of", seq);
    if (kind == MESSAGE_EDIT)
        json_add_string(&json, "content", content);
    json_end_object(&json);
    struct store_post post = {.message = {.conversation = of.conversation,
                                          .sender = said.sender,
                                          .kind = kind,
                                          .sender_name = str_of(said.name),
                                          .content = buf_str(&json)}};
    status = answer_post(call, &post, 200);
    buf_fini(&json);
    return status;
}

static const struct field edit_fields[] = {FIELD_NEEDED("content", TEXT), FIELD_END};

static int edit(struct call *call)
{
    struct said said = {.kind = MESSAGE_TEXT};
    if (!fields_are(call, call->object, edit_fields))
        return 400;
    int status = take_content(call, call->object, &said);
    if (status == 200)
        status = revise(call, MESSAGE_EDIT, buf_str(&said.content));
    said_fini(&said);
    return status;
}

static int recall(struct call *call)
{
    return revise(call, MESSAGE_RECALL, STR(""));
}

/* ---- reading ---- */

static void encode_said(const struct message *message, bool is_app, struct buf *out)
{
    if (message->kind == MESSAGE_TRANSFER)
        json_add_raw(out, "content", message->content); /* JSON of our own making */
    else
        json_add_string(out, "content", message->content);
    if (message->revised_by)
        json_add_u64(out, "edited", message->revised_by);
    /* before there was a mark it stood without one; whatever else stands so is of another front end */
    json_add_raw(out, NULL, is_app && message_frame(message).len ? message_frame(message) : message_about(message));
}

/* Who said it is known only after the database was read, and what people reacted: a row is the sender's number, its own, 0 if
 * nothing that people reacted to is there any more, and the rest of its object. */
static void encode(void *arg, const struct message *message, struct buf *out)
{
    bool is_app = *(const bool *)arg;
    buf_addf(out, "%llu %llu ", (unsigned long long)message->sender,
             (unsigned long long)(message->recalled ? 0 : message->seq));
    json_add_string(out, "name", message->sender_name);
    json_end_object(out); /* of `from` */
    json_add_u64(out, "seq", message->seq);
    json_add_int(out, "ts", message->at_ms);
    json_add_text(out, "kind", message_word(message->kind));
    if (message->recalled)
        json_add_bool(out, "recalled", true);
    else
        encode_said(message, is_app, out);
    json_end_object(out);
}

static bool is_wanted(const struct message *message)
{
    return page_wants_no_revisions(message) && message->kind != MESSAGE_EVENT;
}

struct names {
    uint64_t users[PAGING_LIMIT_MAX];
    struct str ids[PAGING_LIMIT_MAX]; /* in `text` */
    size_t count;
    char text[PAGING_LIMIT_MAX * (APP_ID_MAX + 1)];
    size_t len;
};

static void on_id(void *arg, uint64_t user, struct str id)
{
    struct names *names = arg;
    for (size_t i = 0; i < names->count; i++)
        if (names->users[i] == user && names->len + id.len <= sizeof names->text) {
            memcpy(names->text + names->len, id.ptr, id.len);
            names->ids[i] = (struct str){names->text + names->len, id.len};
            names->len += id.len;
            return;
        }
}

static struct str part(struct str row, uint64_t *sender, uint64_t *seq)
{
    char *at;
    *sender = strtoull(row.ptr, &at, 10);
    *seq = strtoull(at, &at, 10);
    CG_ASSERT(*at == ' ');
    return (struct str){at + 1, row.len - (size_t)(at + 1 - row.ptr)};
}

static enum err find_names(struct call *call, const struct page *page, struct names *names)
{
    for (size_t i = 0; i < page->count; i++) {
        uint64_t user, unused;
        size_t at = 0;
        (void)part(page_row(page, i), &user, &unused);
        while (at < names->count && names->users[at] != user)
            at++;
        if (user && at == names->count && names->count < PAGING_LIMIT_MAX)
            names->users[names->count++] = user;
    }
    return store_app_ids(call->backends->store, names->users, names->count, on_id, names);
}

struct reactions {
    struct store_reaction *some; /* owned */
    size_t count;
    uint64_t reacted; /* events up to that number are counted in */
    size_t at;
};

static enum err find_reactions(struct call *call, const struct page *page, struct reactions *reactions)
{
    uint64_t user = call->caller->is_user ? call->caller->id : 0, unused, seq, first = 0, last = 0;
    for (size_t i = 0; i < page->count; i++) {
        (void)part(page_row(page, i), &unused, &seq);
        first = first ? first : seq;
        last = seq ? seq : last;
    }
    return !first ? ERR_OK
                  : store_reactions(call->backends->store, page->range.conversation, first, last, user,
                                    &reactions->some, &reactions->count, &reactions->reacted);
}

static void add_row(struct buf *out, struct str row, const struct names *names, struct reactions *reactions)
{
    uint64_t user, seq;
    struct str rest = part(row, &user, &seq);
    json_add_object(out, NULL);
    json_add_object(out, "from");
    json_add_u64(out, "uid", user);
    for (size_t i = 0; i < names->count; i++)
        if (names->users[i] == user && names->ids[i].ptr)
            json_add_string(out, "id", names->ids[i]);
    buf_add(out, rest.ptr, rest.len - 1);
    if (seq)
        store_reaction_add(out, &(struct store_reactions){reactions->some, reactions->count}, seq, &reactions->at);
    json_end_object(out);
}

static int read_all(struct call *call)
{
    struct store_app_conversation of;
    struct store_range range;
    struct store_life life = {0};
    struct reactions reactions = {0};
    struct page page;
    int status = app_conversation(call, APP_READ, &of, NULL);
    if (status != 200)
        return status;
    if (!paging_range(call, &range))
        return call_refuse(call, 400, "bad_argument", "before, after and limit (1 to 200) are numbers");
    range.conversation = of.conversation;
    struct names *names = mem_zalloc(sizeof *names);
    paging_init(&page, &range);
    page.wants = is_wanted;
    page.encode = encode;
    bool is_app = of.kind == KIND_APP;
    page.arg = &is_app;
    enum err err = page_read(&page, call->backends->store);
    if (!err)
        err = find_reactions(call, &page, &reactions);
    if (!err) /* after it, so that messages removed meanwhile are included */
        err = store_life_get(call->backends->store, of.conversation, &life);
    if (!err)
        err = find_names(call, &page, names);
    json_begin_object(call->out);
    json_add_array(call->out, "items");
    for (size_t i = 0; !err && i < page.count; i++)
        add_row(call->out, page_row(&page, i), names, &reactions);
    json_end_array(call->out);
    json_add_u64(call->out, "seq", of.seq);
    json_add_u64(call->out, "trimmed", life.trimmed);
    if (reactions.count)
        json_add_u64(call->out, "reacted", reactions.reacted);
    json_end_object(call->out);
    free(reactions.some);
    page_fini(&page);
    free(names);
    return failure_status(err, "messages");
}

/* ---- many conversations at once ---- */

/* One of them: where it is, or why it gets nothing. */
struct target {
    struct str id;
    uint64_t conversation;
    int status; /* 200: it is to get it */
    const char *code, *error;
    struct store_post *post;
    char client_id[MESSAGE_CLIENT_ID_MAX + 1];
};

static void add_target(struct buf *out, const struct target *target)
{
    json_add_object(out, NULL);
    json_add_string(out, "conversation", target->id);
    if (target->status == 200) {
        add_stored(out, target->post);
    } else {
        json_add_object(out, "error");
        json_add_text(out, "code", target->code);
        json_add_text(out, "message", target->error);
        json_end_object(out);
    }
    json_end_object(out);
}

static void fail_target(struct call *call, struct target *target, int status)
{
    target->status = status;
    target->code = call->code ? call->code : failure_code(status);
    target->error = call->error ? call->error : failure_error(status);
    call->code = call->error = NULL;
}

static void find_target(struct call *call, const struct author *author, struct target *target)
{
    struct store_app_conversation of;
    enum err err = store_app_conversation_find(call->backends->store, target->id, 0, false, &of, NULL);
    int status = err ? app_failed(call, err) : check_member(call, &of, author);
    target->conversation = of.conversation;
    target->status = 200;
    if (status != 200)
        fail_target(call, target, status);
}

/* One transaction for each BROADCAST_AT_ONCE: others wait no longer for these conversations. */
static void carry_out_some(struct call *call, struct target *targets, size_t from, size_t count,
                           const struct author *author, const struct said *said, struct store_post *posts)
{
    size_t some = 0;
    targets += from;
    for (size_t i = 0; i < count; i++) {
        if (targets[i].status != 200)
            continue;
        targets[i].post = &posts[some];
        post_init(&posts[some++], targets[i].conversation, author, said,
                  idempotency_client_id(call, from + i, targets[i].client_id));
    }
    enum err err = some ? carry_out(call, posts, some) : ERR_OK;
    for (size_t i = 0; i < count; i++) {
        if (targets[i].status != 200)
            continue;
        enum err own = targets[i].post->err ? targets[i].post->err : err;
        if (own)
            fail_target(call, &targets[i], post_failed(call, own));
    }
}

static int carry_out_all(struct call *call, struct json_object *list, const struct author *author,
                         const struct said *said)
{
    size_t count = json_object_array_length(list);
    struct target *targets = mem_zalloc((count + 1) * sizeof *targets);
    struct store_post posts[BROADCAST_AT_ONCE];
    json_begin_object(call->out);
    json_add_array(call->out, "items");
    for (size_t at = 0; at < count; at += BROADCAST_AT_ONCE) {
        size_t some = count - at < BROADCAST_AT_ONCE ? count - at : BROADCAST_AT_ONCE;
        for (size_t i = 0; i < some; i++) {
            struct json_object *item = json_object_array_get_idx(list, at + i);
            targets[at + i].id = (struct str){json_object_get_string(item), (size_t)json_object_get_string_len(item)};
            find_target(call, author, &targets[at + i]);
        }
        carry_out_some(call, targets, at, some, author, said, posts);
        for (size_t i = 0; i < some; i++)
            add_target(call->out, &targets[at + i]);
    }
    json_end_array(call->out);
    json_end_object(call->out);
    free(targets);
    return 200;
}

static const struct field broadcast_fields[] = {FIELD_NEEDED("conversations", TEXTS),
                                                FIELD_OF("message", OBJECT, said_fields), FIELD_END};

static int broadcast(struct call *call)
{
    struct json_object *list, *object;
    struct author author = {0};
    struct said said;
    if (!fields_are(call, call->object, broadcast_fields))
        return 400;
    if (!json_object_object_get_ex(call->object, "conversations", &list) ||
        !json_object_is_type(list, json_type_array) || json_object_array_length(list) > BROADCAST_MAX)
        return call_refuse_field(call, STR("conversations"), "must be a list of at most 1000 ids");
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (!json_object_is_type(json_object_array_get_idx(list, i), json_type_string))
            return call_refuse_field(call, STR("conversations"), "must be a list of at most 1000 ids");
    if (!json_object_object_get_ex(call->object, "message", &object) || !json_object_is_type(object, json_type_object))
        return call_refuse_field(call, STR("message"), "must be an object");
    if (json_has(object, "reply_to"))
        return call_refuse_field(call, STR("reply_to"), "is of one conversation");
    int status = take_said(call, object, &said);
    if (status == 200)
        status = find_author(call, said.from, &author);
    if (status == 200)
        status = call_status(call, caller_charge(call, (int64_t)json_object_array_length(list)), "caller");
    if (status == 200)
        status = carry_out_all(call, list, &author, &said);
    said_fini(&said);
    return status;
}

#define CALL(verb, where, scopes, means, ...) \
    {.method = verb, .path = where, .scope = scopes, .failed = failure_api, .doc = means, __VA_ARGS__}
#define MESSAGES "/v1/conversations/:c/messages"

static const struct field page_query[] = {FIELD("before", NUMBER), FIELD("after", NUMBER), FIELD("limit", NUMBER),
                                          FIELD_END};

static const struct route rows[] = {
    CALL("POST", MESSAGES, SCOPE_WRITE, "says something in a conversation", .users = true, .body = BODY_JSON,
         .fields = said_fields, .answer = app_stored_answer, .statuses = "200 201", .handler = say),
    CALL("GET", MESSAGES, SCOPE_READ, "what was said there, oldest first", .users = true, .takes_query = true,
         .query = page_query, .answer = app_messages_answer, .handler = read_all),
    CALL("PATCH", MESSAGES "/:seq", SCOPE_WRITE, "changes a message", .users = true, .body = BODY_JSON,
         .fields = edit_fields, .answer = app_stored_answer, .handler = edit),
    CALL("DELETE", MESSAGES "/:seq", SCOPE_WRITE, "takes a message back", .users = true, .answer = app_stored_answer,
         .handler = recall),
    CALL("POST", "/v1/broadcast", SCOPE_WRITE, "says the same in many conversations", .max_body = BROADCAST_BODY_MAX,
         .body = BODY_JSON, .fields = broadcast_fields, .answer = app_broadcast_answer, .handler = broadcast),
};

const struct route_table app_messages_routes = ROUTE_TABLE(rows);
