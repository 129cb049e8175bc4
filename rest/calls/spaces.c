#include "rest/calls/spaces.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/space_name.h"
#include "common/store/store_spaces.h"
#include "common/text.h"
#include "rest/services/auth.h"
#include "rest/http/failure.h"
#include "rest/services/moderate.h"
#include "rest/services/paging.h"
#include "rest/services/publish.h"

#include <stdio.h>

enum { RANDOM_NAME_DIGITS = 8, RANDOM_NAME_ATTEMPTS = 5, RECORDS_SHOWN = 200 };

/* ---- who it is ---- */

struct caller {
    char user_id[ID_MAX];
    uint64_t user;
};

/* 200, 401 or 503. A token of another protocol's user is none. */
static int who(struct call *call, struct caller *caller)
{
    struct token token;
    struct store_space_user found;
    *caller = (struct caller){.user = 0};
    int status = call_status(call, auth_who(call, &token), "app_user_seen");
    if (status != 200)
        return status;
    token_fini(&token);
    enum err err = store_space_user(call->backends->store, str_of(token.user_id), &found);
    if (err)
        return err == ERR_NOT_FOUND ? 401 : failure_status(err, "space_user");
    if (!rights_accept(&found.rights, &token))
        return 401;
    caller->user = found.user;
    memcpy(caller->user_id, token.user_id, ID_MAX);
    return call_status(call, moderate(call, caller->user, 0, MODERATE_ENTER), "moderate");
}

static int log_in(struct call *call)
{
    struct str name, password;
    struct auth_login login;
    bool with_password = json_has(call->object, "password");
    name = STR("");
    if ((!call->caller && !json_get_string(call->object, "nickName", &name)) ||
        (with_password && !json_get_string(call->object, "password", &password)))
        return 400;
    int status =
        call_status(call, auth_login(call, REALM_SPACES, name, with_password ? &password : NULL, &login), "login");
    if (status == 200)
        status = call_status(call, moderate(call, login.user, 0, MODERATE_ENTER), "moderate");
    if (status != 200)
        return status;
    json_begin_object(call->out);
    json_add_text(call->out, "userId", login.user_id);
    if (!auth_add_token(call, &login)) {
        call->code = "no_tokens";
        return 501;
    }
    json_end_object(call->out);
    return 200;
}

/* ---- making and entering ---- */

/* Its object is to be ended. */
static void begin_space(struct buf *out, struct str space_id, struct str name)
{
    json_begin_object(out);
    json_add_string(out, "roomId", space_id);
    json_add_string(out, "roomNum", name);
}

static enum err make_random(struct call *call, uint64_t user, char name[RANDOM_NAME_DIGITS + 1], char space_id[ID_MAX])
{
    enum err err = ERR_DUPLICATE;
    for (int i = 0; i < RANDOM_NAME_ATTEMPTS && err == ERR_DUPLICATE; i++) {
        snprintf(name, RANDOM_NAME_DIGITS + 1, "%08llu", (unsigned long long)(id_random() % 100000000));
        err = store_space_make(call->backends->store, str_of(name), user, space_id);
    }
    return err;
}

static int make(struct call *call)
{
    struct caller caller;
    struct str name;
    char digits[RANDOM_NAME_DIGITS + 1], space_id[ID_MAX];
    bool named = json_has(call->object, "name");
    int status = who(call, &caller);
    if (status != 200)
        return status;
    if (named && (!json_get_string(call->object, "name", &name) || !space_name_new_ok(name))) {
        call->error = "a space cannot be called so";
        return 400;
    }
    enum err err = named ? store_space_make(call->backends->store, name, caller.user, space_id)
                         : make_random(call, caller.user, digits, space_id);
    if (err)
        return failure_status(err, "make_space");
    begin_space(call->out, str_of(space_id), named ? name : str_of(digits));
    json_end_object(call->out);
    return 200;
}

static int join(struct call *call)
{
    struct caller caller;
    struct store_space_membership membership;
    int status = who(call, &caller);
    if (status != 200)
        return status;
    enum err err =
        store_space_membership(call->backends->store, call->params[0], str_of(caller.user_id), NULL, &membership);
    if (err)
        return failure_status(err, "join_space");
    status = call_status(call, moderate(call, caller.user, membership.conversation, MODERATE_ENTER), "moderate");
    if (status != 200)
        return status;
    begin_space(call->out, call->params[0], str_of(membership.space_name));
    json_end_object(call->out);
    return 200;
}

/* ---- looking ---- */

/* YYYY-MM-DDTHH:mm:ss.mmmZ */
static void add_time(struct buf *out, const char *key, int64_t unix_ms)
{
    char text[CLOCK_TEXT_MAX + 1];
    clock_format_utc(unix_ms, text);
    size_t len = strlen(text);
    text[10] = 'T';
    text[len++] = 'Z';
    json_add_string(out, key, (struct str){text, len});
}

/* The members of a transfer's content, without its braces. */
static struct str inner(struct str content)
{
    if (content.len < 2 || content.ptr[0] != '{') /* no row of ours */
        return STR("\"fromId\":null,\"toId\":null,\"score\":null");
    return (struct str){content.ptr + 1, content.len - 2};
}

static void on_record(void *arg, const struct store_record *record)
{
    struct page *page = arg;
    struct buf *out = page_begin_row(page);
    if (!out)
        return;
    json_begin_object(out);
    json_add_u64(out, "seq", record->seq);
    json_add_text(out, "type", record->kind == MESSAGE_TRANSFER ? "1" : record->kind == MESSAGE_JOIN ? "2" : "3");
    if (record->kind == MESSAGE_TRANSFER) {
        json_add_raw(out, NULL, inner(record->content));
    } else {
        json_add_string(out, "fromId", record->from_id);
        json_add_null(out, "toId");
        json_add_null(out, "score");
    }
    add_time(out, "createTime", record->at_ms);
    json_end_object(out);
    page_end_row(page, false);
}

static enum err add_records(struct call *call, const struct store_range *range)
{
    struct page page;
    paging_init(&page, range);
    enum err err = store_records(call->backends->store, range, on_record, &page);
    enum err bad = page_end(&page);
    paging_answer(&page, call->out);
    return err ? err : bad;
}

/* Two lists from one reading. */
struct roll {
    struct buf *members, standings;
};

static void on_member(void *arg, const struct store_space_member *member)
{
    struct roll *roll = arg;
    json_add_object(roll->members, NULL);
    json_add_string(roll->members, "userId", member->user_id);
    json_add_string(roll->members, "nickName", member->name);
    json_end_object(roll->members);
    json_add_object(&roll->standings, NULL);
    json_add_string(&roll->standings, "userId", member->user_id);
    json_add_int(&roll->standings, "score", member->score);
    json_end_object(&roll->standings);
}

/* `name` gets the space's; the status. */
static int enter(struct call *call, uint64_t *conversation, struct buf *name)
{
    struct caller caller;
    int status = who(call, &caller);
    if (status != 200)
        return status;
    enum err err = store_space_seen(call->backends->store, call->params[0], caller.user, conversation, name);
    return err ? failure_status(err, "space_seen")
               : call_status(call, moderate(call, caller.user, *conversation, MODERATE_ENTER), "moderate");
}

static int show(struct call *call)
{
    struct store_range range = {.before = INT64_MAX, .limit = RECORDS_SHOWN, .latest = true};
    struct roll roll = {.members = call->out};
    struct buf name;
    buf_init(&name, STORE_NAME_MAX);
    int status = enter(call, &range.conversation, &name);
    if (status == 200) {
        buf_init(&roll.standings, HTTP_RESPONSE_MAX);
        begin_space(call->out, call->params[0], buf_str(&name));
        json_add_array(call->out, "members");
        enum err err = store_space_members(call->backends->store, range.conversation, on_member, &roll);
        json_end_array(call->out);
        json_add_key(call->out, "records");
        if (!err)
            err = add_records(call, &range);
        json_add_array(call->out, "standings");
        json_add_raw(call->out, NULL, buf_str(&roll.standings));
        json_end_array(call->out);
        json_end_object(call->out);
        call->out->failed |= roll.standings.failed;
        buf_fini(&roll.standings);
        status = failure_status(err, "show_space");
    }
    buf_fini(&name);
    return status;
}

static int read_records(struct call *call)
{
    struct store_range range;
    struct buf name;
    if (!paging_range(call, &range))
        return 400;
    buf_init(&name, STORE_NAME_MAX);
    int status = enter(call, &range.conversation, &name);
    if (status == 200)
        status = failure_status(add_records(call, &range), "read_records");
    buf_fini(&name);
    return status;
}

/* ---- transfers ---- */

static bool take_client_id(const struct call *call, struct str *client_id)
{
    if (!json_get_string(call->object, "clientId", client_id))
        *client_id = call->request->idempotency_key;
    return client_id->len <= STORE_TRANSFER_CLIENT_MAX && !text_check_label(*client_id, STORE_TRANSFER_CLIENT_MAX);
}

static void tell_relays(const struct call *call, const struct store_transfer *transfer)
{
    struct message message = {
        .conversation = transfer->conversation,
        .seq = transfer->seq,
        .batch = transfer->batch,
        .sender = transfer->sender,
        .at_ms = transfer->at_ms,
        .kind = MESSAGE_TRANSFER,
        .sender_name = str_of(transfer->sender_name),
        .content = str_of(transfer->content),
    };
    publish_message(call->backends, &message, transfer->epoch);
}

/* In the space that the path names. */
static int check_post(struct call *call, uint64_t user)
{
    uint64_t conversation;
    struct buf name;
    buf_init(&name, STORE_NAME_MAX);
    enum err err = store_space_seen(call->backends->store, call->params[0], user, &conversation, &name);
    buf_fini(&name);
    return err ? failure_status(err, "space_seen")
               : call_status(call, moderate(call, user, conversation, MODERATE_POST), "moderate");
}

static int transfer_score(struct call *call)
{
    struct caller caller;
    struct store_transfer transfer = {.space_id = call->params[0]};
    int status = who(call, &caller);
    if (status != 200)
        return status;
    if (!json_get_string(call->object, "toId", &transfer.to_id) ||
        !json_get_int(call->object, "score", 1, STORE_SCORE_MAX, &transfer.score) ||
        !take_client_id(call, &transfer.client_id))
        return 400;
    transfer.from_id = str_of(caller.user_id);
    if (str_eq(transfer.from_id, transfer.to_id)) {
        call->error = "a transfer is to somebody else";
        return 400;
    }
    status = check_post(call, caller.user);
    if (status != 200)
        return status;
    enum err err = store_transfer(call->backends->store, &transfer);
    if (err == ERR_DUPLICATE)
        call->error = "this clientId was used for another transfer";
    if (err)
        return failure_status(err, "transfer");
    if (!transfer.repeated)
        tell_relays(call, &transfer);
    json_begin_object(call->out);
    json_add_string(call->out, "roomId", transfer.space_id);
    json_add_u64(call->out, "seq", transfer.seq);
    json_add_raw(call->out, NULL, inner(str_of(transfer.content)));
    add_time(call->out, "createTime", transfer.at_ms);
    json_end_object(call->out);
    return 200;
}

static const struct route rows[] = {
    {.method = "POST",
     .path = "/api/login",
     .creates = true,
     .body = BODY_JSON,
     .handler = log_in,
     .failed = failure_coded,
     .doc = "a user of the spaces by name, and a token"},
    {.method = "POST",
     .path = "/api/spaces",
     .creates = true,
     .body = BODY_JSON,
     .handler = make,
     .failed = failure_coded,
     .doc = "makes a space"},
    {.method = "POST",
     .path = "/api/spaces/:roomId/join",
     .creates = true,
     .handler = join,
     .failed = failure_coded,
     .doc = "becomes a member of a space"},
    {.method = "GET",
     .path = "/api/spaces/:roomId",
     .handler = show,
     .failed = failure_coded,
     .doc = "a space's members, latest records and standings"},
    {.method = "GET",
     .path = "/api/spaces/:roomId/messages",
     .takes_query = true,
     .handler = read_records,
     .failed = failure_coded,
     .doc = "a space's records, page by page"},
    {.method = "POST",
     .path = "/api/spaces/:roomId/transfers",
     .body = BODY_JSON,
     .handler = transfer_score,
     .failed = failure_coded,
     .doc = "moves points to another member"},
};

const struct route_table spaces_routes = ROUTE_TABLE_OF_FRONT_END(rows);
