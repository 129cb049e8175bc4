#include "rest/calls/chatroom.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/name.h"
#include "common/sanction.h"
#include "common/store/store.h"
#include "rest/services/auth.h"
#include "rest/services/caller.h"
#include "rest/services/join_batch.h"
#include "rest/http/failure.h"
#include "rest/services/moderate.h"
#include "rest/services/name_cache.h"
#include "rest/services/paging.h"
#include "rest/services/redis_client.h"

enum { HEAD_TEXT_MAX = 32, ID_TEXT_MAX = 64 };

static int status_of(enum err err, const char *call)
{
    if (!err)
        return 200;
    if (err != ERR_DOWN && err != ERR_UNKNOWN) /* that it is down, db.c says once */
        log_error("rest.store_failed", "call=%s err=%s", call, err_name(err));
    return err == ERR_UNKNOWN ? 504 : 503;
}

/* ---- what the calls take ---- */

/* The names of a room and of the user who joins it. Clients show lines of "system" as the server's own. */
static bool take_names(const struct call *call, struct store_join *join)
{
    size_t max_chars = (size_t)call->backends->settings->max_name_chars;
    if (call->caller) { /* by a token: the room alone is to be named */
        join->nick = str_of(call->caller->user.id);
        return json_get_string(call->object, "chatroomName", &join->room) &&
               name_judge(join->room, max_chars) == NAME_OK;
    }
    if (!json_get_string(call->object, "chatroomName", &join->room) ||
        !json_get_string(call->object, "nickName", &join->nick) || str_eq(join->nick, STR("system")))
        return false;
    enum name_kind room = name_judge(join->room, max_chars);
    enum name_kind nick = name_judge_speaker(join->nick, max_chars);
    join->old_room = room == NAME_OLD;
    join->old_nick = nick == NAME_OLD;
    return room != NAME_BAD && nick != NAME_BAD;
}

/* An id's text. Any shape: one that no id has is an unknown id, not a mistake. None, or an empty one, is nobody's: pages
 * ask before they have any. */
enum given { GIVEN_BAD, GIVEN_NONE, GIVEN_ID };

static enum given take_id(struct json_object *object, const char *key, struct str *out)
{
    if (!json_has(object, key))
        return GIVEN_NONE;
    if (!json_get_string(object, key, out) || out->len > ID_TEXT_MAX)
        return GIVEN_BAD;
    return out->len ? GIVEN_ID : GIVEN_NONE;
}

static bool is_plain_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e)
            return false;
    return true;
}

/* headNum: an integer or a short text, kept as the JSON scalar it is, so that a client gets back the
 * type it sent. */
static bool take_head(struct json_object *object, struct buf *head)
{
    int64_t number;
    struct str text;
    if (json_get_int(object, "headNum", 0, INT32_MAX, &number)) {
        buf_add_u64(head, (uint64_t)number);
        return true;
    }
    if (!json_get_string(object, "headNum", &text) || !text.len || text.len > HEAD_TEXT_MAX || !is_plain_ascii(text))
        return false;
    buf_add_json(head, text);
    return !head->failed; /* escapes can pass STORE_HEAD_MAX */
}

/* ---- createChatroom ---- */

static int enter(struct call *call, struct store_join *join)
{
    char address[SANCTION_ADDRESS_MAX];
    if (sanction_address(call->request->remote, address))
        *address = '\0';
    join->address = str_of(address);
    enum err err = join_batch_go(call->backends, join);
    if (err)
        return status_of(err, "createChatroom");
    if (join->err == ERR_INVALID)
        return 400;
    if (join->err == ERR_TOO_BIG) {
        call->code = "too_many";
        return 429;
    }
    if (join->err)
        return call_status(call, moderate_refuse(call, true), "join");
    call_begin_data(call);
    json_add_object(call->out, NULL);
    json_add_text(call->out, "chatroomId", join->room_id);
    json_add_text(call->out, "nickId", join->user_id);
    json_end_object(call->out);
    json_end_object(call->out);
    return 200;
}

static int create(struct call *call)
{
    struct store_join join = {0};
    int status = 400;
    struct buf head;
    buf_init(&head, STORE_HEAD_MAX);
    bool headless = call->caller && !json_has(call->object, "headNum");
    if (headless)
        buf_add_char(&head, '0');
    if (take_names(call, &join) && (headless || take_head(call->object, &head))) {
        join.head = buf_str(&head);
        status = enter(call, &join);
    }
    buf_fini(&head);
    return status;
}

/* As the article's client knows it; with a code where it is not the same every time. */
static void create_failed(struct buf *out, const struct failure *failure)
{
    json_begin_object(out);
    json_add_text(out, "error", "创建失败");
    if (failure->status == 403 || failure->status == 429 || failure->status == 504)
        json_add_text(out, "code", failure->code);
    json_end_object(out);
}

/* ---- the questions ---- */

static int count_rooms(struct call *call)
{
    uint64_t count;
    enum err err = store_count_rooms(call->backends->store, &count);
    if (!err) {
        call_begin_data(call);
        json_add_u64(call->out, NULL, count);
        json_end_object(call->out);
    }
    return status_of(err, "getRoomNums");
}

static enum err is_there(const struct backends *backends, struct str room_id, struct str user_id, bool *there)
{
    struct store_membership membership;
    int missing;
    *there = false;
    enum err err = store_membership(backends->store, room_id, user_id, &membership, &missing);
    if (err || !membership.is_member || (membership.realm == REALM_APP && !settings_doors_closed(backends->settings)))
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    if (redis_client_online(backends->redis, membership.conversation, membership.user, there)) {
        metric_inc(METRIC_PRESENCE_SKIPPED);
        *there = true; /* it cannot be known, and nothing is refused for want of Redis */
    }
    return ERR_OK;
}

static int validate(struct call *call)
{
    struct str room_id, user_id = STR("");
    enum given room = take_id(call->object, "roomId", &room_id), user = take_id(call->object, "nickId", &user_id);
    bool there = false;
    if (call->caller) {
        user_id = auth_own(call, user_id);
        user = GIVEN_ID;
    }
    if (room == GIVEN_BAD || user == GIVEN_BAD)
        return 400;
    bool asks = room == GIVEN_ID && user == GIVEN_ID;
    enum err err = asks ? is_there(call->backends, room_id, user_id, &there) : ERR_OK;
    json_begin_object(call->out);
    json_add_bool(call->out, "success", there);
    json_end_object(call->out);
    return status_of(err, "validateNickIdByRoomId");
}

/* Whose names, told by the shape of their ids. */
struct named {
    const char *key, *prefix, *call;
    enum err (*look_up)(struct store *store, struct str id, struct buf *name);
};

/* Not from memory once this thread knows that the database is gone. */
static enum err find_name(const struct backends *backends, const struct named *named, struct str id, struct buf *name)
{
    int64_t now_ms = clock_mono_ms();
    if (!id_is(id, named->prefix))
        return ERR_NOT_FOUND;
    uint64_t checked = 0;
    if (store_is_connected(backends->store)) {
        checked = name_cache_check(backends->store, now_ms, backends->settings->revocation_poll_ms);
        if (name_cache_find(id, now_ms, name))
            return ERR_OK;
    }
    begin_slow(backends);
    enum err err = named->look_up(backends->store, id, name);
    if (!err)
        name_cache_keep(id, buf_str(name), now_ms, backends->settings->name_cache_ms, checked);
    return err;
}

static int name_of(struct call *call, const struct named *named)
{
    struct str id;
    enum given given = take_id(call->object, named->key, &id);
    if (given == GIVEN_BAD)
        return 400;
    struct buf name;
    buf_init(&name, STORE_NAME_MAX);
    enum err err = given == GIVEN_ID ? find_name(call->backends, named, id, &name) : ERR_NOT_FOUND;
    json_begin_object(call->out);
    json_add_bool(call->out, "success", true);
    if (!err)
        json_add_string(call->out, "data", buf_str(&name));
    json_end_object(call->out);
    buf_fini(&name);
    return status_of(err == ERR_NOT_FOUND ? ERR_OK : err, named->call);
}

static int room_info(struct call *call)
{
    static const struct named rooms = {"roomId", STORE_ROOM_PREFIX, "getRoomInfo", store_room_name};
    return name_of(call, &rooms);
}

static int user_info(struct call *call)
{
    static const struct named users = {"userId", STORE_USER_PREFIX, "getUserInfo", store_user_name};
    return name_of(call, &users);
}

/* ---- the history ---- */

static void add_row(void *arg, const struct message *message, struct buf *out)
{
    (void)arg;
    json_begin_object(out);
    json_add_u64(out, "seq", message->seq);
    json_add_text(out, "type",
                  message->kind == MESSAGE_JOIN    ? "join"
                  : message->kind == MESSAGE_LEAVE ? "leave"
                                                   : "message");
    json_add_string(out, "name", message->sender_name);
    json_add_string(out, "content", message->content);
    json_add_int(out, "ts", message->at_ms);
    json_end_object(out);
}

static int read_messages(struct call *call)
{
    struct str user_id = STR("");
    struct store_range range;
    struct store_membership membership;
    int missing;
    if ((!http_query(call->query, "nickId", &user_id) && !call->caller) || !paging_range(call, &range))
        return 400;
    user_id = auth_own(call, user_id);
    enum err err = store_membership(call->backends->store, call->params[0], user_id, &membership, &missing);
    if (!err && (!membership.is_member || (membership.realm == REALM_APP && !call->caller)))
        err = ERR_NOT_FOUND;
    if (err)
        return failure_status(err, "rooms");
    int status =
        call_status(call, moderate(call, membership.user, membership.conversation, MODERATE_ENTER), "moderate");
    if (status != 200)
        return status;
    struct page page;
    range.conversation = membership.conversation;
    paging_init(&page, &range);
    page.wants = page_wants_no_revisions;
    page.encode = add_row;
    err = page_read(&page, call->backends->store);
    call_begin_data(call);
    paging_answer(&page, call->out);
    json_end_object(call->out);
    return failure_status(err, "rooms");
}

static const struct route rows[] = {
    {.method = "POST",
     .path = "createChatroom",
     .creates = true,
     .body = BODY_JSON,
     .quick = true,
     .handler = create,
     .failed = create_failed,
     .doc = "enter a room under a nick; makes what is missing of the two"},
    {.method = "GET",
     .path = "getRoomNums",
     .handler = count_rooms,
     .failure = "{\"success\":true,\"data\":0}",
     .doc = "how many rooms there are"},
    {.method = "POST",
     .path = "validateNickIdByRoomId",
     .body = BODY_JSON,
     .handler = validate,
     .failure = "{\"success\":false}",
     .doc = "whether a user is a member of a room and online in it"},
    {.method = "POST",
     .path = "getRoomInfo",
     .body = BODY_JSON,
     .quick = true,
     .handler = room_info,
     .failure = "{\"error\":\"查询报错\"}",
     .doc = "the name of a room"},
    {.method = "POST",
     .path = "getUserInfo",
     .body = BODY_JSON,
     .quick = true,
     .handler = user_info,
     .failure = "{\"error\":\"查询报错\"}",
     .doc = "the name of a user"},
    {.method = "GET",
     .path = "/api/rooms/:roomId/messages",
     .takes_query = true,
     .handler = read_messages,
     .failed = failure_coded,
     .doc = "what was said in a room, page by page"},
};

const struct route_table chatroom_routes = ROUTE_TABLE_OF_FRONT_END(rows);
