#include "rest/calls/unread.h"

#include "common/json.h"
#include "common/store/store_native.h"
#include "rest/services/auth.h"
#include "rest/http/failure.h"
#include "rest/services/publish.h"

/* ---- who, and where ---- */

/* The user with that id, of that protocol, and the conversation that the path names: 200, 404 or 503; 401 if what they
 * came with, NULL for nothing, is void. */
static int look_up(struct call *call, struct str user_id, const struct token *token, enum store_kind kind,
                   uint64_t *user, struct store_native_membership *membership)
{
    struct store_native_user found;
    enum err err = store_native_user(call->backends->store, auth_own(call, user_id), &found);
    if (!err && found.realm == REALM_APP && !token && !call->caller)
        err = ERR_NOT_FOUND; /* they come with tokens */
    *user = found.user;
    if (!err && token && !rights_accept(&found.rights, token))
        return 401;
    if (!err)
        err = store_native_memberships(call->backends->store, found.user, &call->params[0], 1, membership);
    if (!err && (!membership->conversation || membership->kind != kind))
        err = ERR_NOT_FOUND;
    return failure_status(err, "unread");
}

static int by_token(struct call *call, uint64_t *user, struct store_native_membership *membership)
{
    struct token token;
    int status = call_status(call, auth_who(call, &token), "app_user_seen");
    if (status != 200)
        return status;
    token_fini(&token);
    return look_up(call, str_of(token.user_id), &token, KIND_SPACE, user, membership);
}

/* ---- what is answered ---- */

static enum err add_unread(struct call *call, uint64_t user, const struct store_native_membership *membership)
{
    uint64_t unread;
    enum err err = store_native_unread(call->backends->store, membership->conversation, user, membership->read_seq,
                                       STORE_UNREAD_AMONG, &unread);
    json_add_object(call->out, NULL);
    json_add_u64(call->out, "seq", membership->seq);
    json_add_u64(call->out, "read", membership->read_seq);
    json_add_u64(call->out, "unread", unread);
    json_end_object(call->out);
    return err;
}

static enum err mark(struct call *call, uint64_t user, uint64_t seq, struct store_native_membership *membership)
{
    uint64_t before = membership->read_seq, epoch;
    enum err err = store_epoch(call->backends->store, &epoch);
    if (!err)
        err = store_native_read(call->backends->store, user, seq, membership);
    if (!err && membership->read_seq > before)
        publish_read(call->backends, user, &(struct wire_mark){membership->conversation, membership->read_seq}, epoch);
    return err;
}

/* ---- chatrooms ---- */

static int count_room(struct call *call)
{
    struct str nick_id = STR("");
    uint64_t user = 0;
    struct store_native_membership membership = {0};
    if (!http_query(call->query, "nickId", &nick_id) && !call->caller)
        return 400;
    int status = look_up(call, nick_id, NULL, KIND_CHATROOM, &user, &membership);
    if (status != 200)
        return status;
    call_begin_data(call);
    enum err err = add_unread(call, user, &membership);
    json_end_object(call->out);
    return failure_status(err, "unread");
}

static int read_room(struct call *call)
{
    struct str nick_id = STR("");
    uint64_t user = 0;
    int64_t seq;
    struct store_native_membership membership = {0};
    if ((!json_get_string(call->object, "nickId", &nick_id) && !call->caller) ||
        !json_get_int(call->object, "seq", 0, INT64_MAX - 1, &seq))
        return 400;
    int status = look_up(call, nick_id, NULL, KIND_CHATROOM, &user, &membership);
    if (status != 200)
        return status;
    enum err err = mark(call, user, (uint64_t)seq, &membership);
    call_begin_data(call);
    if (!err)
        err = add_unread(call, user, &membership);
    json_end_object(call->out);
    return failure_status(err, "read");
}

/* ---- spaces ---- */

static int count_space(struct call *call)
{
    uint64_t user = 0;
    struct store_native_membership membership = {0};
    int status = by_token(call, &user, &membership);
    return status == 200 ? failure_status(add_unread(call, user, &membership), "unread") : status;
}

static int read_space(struct call *call)
{
    uint64_t user = 0;
    int64_t seq;
    struct store_native_membership membership = {0};
    int status = by_token(call, &user, &membership);
    if (status != 200)
        return status;
    if (!json_get_int(call->object, "seq", 0, INT64_MAX - 1, &seq))
        return 400;
    enum err err = mark(call, user, (uint64_t)seq, &membership);
    return failure_status(err ? err : add_unread(call, user, &membership), "read");
}

static const struct route rows[] = {
    {.method = "GET",
     .path = "/api/rooms/:roomId/unread",
     .takes_query = true,
     .handler = count_room,
     .failed = failure_coded,
     .doc = "a member's read marker in a room, and what is unread"},
    {.method = "POST",
     .path = "/api/rooms/:roomId/read",
     .body = BODY_JSON,
     .handler = read_room,
     .failed = failure_coded,
     .doc = "marks a room's messages read"},
    {.method = "GET",
     .path = "/api/spaces/:roomId/unread",
     .handler = count_space,
     .failed = failure_coded,
     .doc = "a member's read marker in a space, and what is unread"},
    {.method = "POST",
     .path = "/api/spaces/:roomId/read",
     .body = BODY_JSON,
     .handler = read_space,
     .failed = failure_coded,
     .doc = "marks a space's messages read"},
};

const struct route_table unread_routes = ROUTE_TABLE_OF_FRONT_END(rows);
