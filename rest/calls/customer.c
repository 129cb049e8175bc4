#include "rest/calls/customer.h"

#include "common/client_id.h"
#include "common/json.h"
#include "common/service/customer_frame.h"
#include "common/service/customer_row.h"
#include "common/log.h"
#include "common/name.h"
#include "common/text.h"
#include "rest/http/failure.h"
#include "rest/services/caller.h"
#include "rest/services/moderate.h"
#include "rest/services/paging.h"
#include "rest/services/publish.h"

enum { PATIENCE_MS = 10000 };

static int failed(enum err err, const char *name)
{
    if (err != ERR_DOWN && err != ERR_UNKNOWN) /* that it is down, db.c says once */
        log_error("rest.store_failed", "call=%s err=%s", name, err_name(err));
    return err == ERR_UNKNOWN ? 504 : 503;
}

/* ---- registering ---- */

/* "/a.png": a path on whatever server the page is from, which is not always this one. */
static bool is_path(struct str avatar)
{
    return !text_check_url(avatar, "/") && *avatar.ptr == '/' && avatar.ptr[1] != '/';
}

static bool take_avatar(struct call *call, struct str *avatar)
{
    *avatar = STR("");
    if (!json_has(call->object, "avatar"))
        return true;
    return json_get_string(call->object, "avatar", avatar) && avatar->len <= CUSTOMER_AVATAR_MAX &&
           (!avatar->len || is_path(*avatar) || !text_check_url(*avatar, call->backends->settings->media_url));
}

/* 200, or why nobody is registered so: 400, or 503. Who was registered under an older rule stays: the account, and the
 * name if it is the same. */
static int judge_names(struct call *call, struct str app_sid, struct str account, struct str username)
{
    enum name_kind app_kind = name_judge(app_sid, CUSTOMER_ACCOUNT_MAX);
    enum name_kind account_kind = name_judge(account, CUSTOMER_ACCOUNT_MAX);
    enum name_kind name_kind = name_judge(username, (size_t)call->backends->settings->max_name_chars);
    if (app_kind == NAME_BAD || account_kind == NAME_BAD || name_kind == NAME_BAD)
        return 400;
    if (app_kind == NAME_OK && account_kind == NAME_OK && name_kind == NAME_OK)
        return 200;
    struct buf now;
    buf_init(&now, STORE_NAME_MAX);
    enum err err = store_customer_name(call->backends->store, app_sid, account, &now);
    bool stays = !err && (name_kind == NAME_OK || str_eq(buf_str(&now), username));
    buf_fini(&now);
    return err && err != ERR_NOT_FOUND ? failed(err, "register") : stays ? 200 : 400;
}

static int register_customer(struct call *call)
{
    struct str app_sid, account, username, avatar;
    account = call->caller ? str_of(call->caller->user.id) : STR("");
    if (!customer_get_account(call->object, "app_sid", &app_sid) ||
        (!call->caller && !customer_get_account(call->object, "account", &account)) ||
        !json_get_string(call->object, "username", &username) || !take_avatar(call, &avatar))
        return 400;
    int status = judge_names(call, app_sid, account, username);
    if (status != 200)
        return status;
    enum err err = store_customer_register(call->backends->store, app_sid, account, username, avatar,
                                           call->caller ? call->caller->user.user : 0);
    if (err)
        return failed(err, "register");
    json_begin_object(call->out);
    json_add_int(call->out, "status", 200);
    json_add_object(call->out, "payload");
    json_add_string(call->out, "account", account);
    json_add_string(call->out, "app_sid", app_sid);
    json_add_string(call->out, "username", username);
    json_add_string(call->out, "avatar", avatar);
    json_end_object(call->out);
    json_end_object(call->out);
    return 200;
}

/* ---- the list ---- */

static void add_row(void *pair, const struct message *message, struct buf *out)
{
    customer_add_row(out, message, pair);
}

static int answer_list(struct call *call, struct store_customer_pair *pair, const struct store_range *range)
{
    struct page page;
    paging_init(&page, range);
    page.encode = add_row;
    page.arg = pair;
    enum err err = page_read(&page, call->backends->store);
    json_begin_object(call->out);
    json_add_int(call->out, "code", 1);
    json_add_key(call->out, "data");
    paging_answer(&page, call->out);
    json_end_object(call->out);
    return err ? failed(err, "history") : 200;
}

/* The three parameters that open a session. False if one is missing or empty. */
struct parties {
    struct str app_sid, friend, user;
};

static bool take_parties(const struct call *call, struct parties *parties)
{
    parties->user = call->caller ? str_of(call->caller->user.id) : STR("");
    return http_query(call->query, "friendphone", &parties->friend) && parties->friend.len &&
           (call->caller || http_query(call->query, "userphone", &parties->user)) && parties->user.len &&
           http_query(call->query, "app_sid", &parties->app_sid) && parties->app_sid.len;
}

/* 0, or the status of the failure. */
static int find_pair(struct call *call, const struct parties *parties, struct store_customer_pair *pair)
{
    int missing;
    enum err err =
        store_customer_pair(call->backends->store, parties->app_sid, parties->friend, parties->user, pair, &missing);
    if (err == ERR_NOT_FOUND || err == ERR_INVALID)
        return 404;
    return err ? failed(err, "session") : 0;
}

static int history(struct call *call)
{
    struct parties parties;
    struct store_customer_pair pair;
    struct store_range range;
    struct str given;
    if (!take_parties(call, &parties))
        return 400;
    if (!paging_range(call, &range))
        return 400;
    if (!http_query(call->query, "limit", &given))
        range.limit = PAGING_LIMIT_MAX; /* as many as over the socket */
    int status = find_pair(call, &parties, &pair);
    if (status)
        return status;
    status = call_status(call, moderate(call, pair.user.user, pair.conversation, MODERATE_ENTER), "moderate");
    if (status != 200)
        return status;
    range.conversation = pair.conversation;
    return answer_list(call, &pair, &range);
}

/* ---- posting ---- */

static int post(struct call *call, const struct customer_frame *frame, const struct store_customer_pair *pair)
{
    struct buf clean;
    struct str key = call->request->idempotency_key;
    buf_init(&clean, frame->content.len + 1); /* what is replaced is as long as before */
    text_add_content(&clean, frame->content);
    struct store_post post = {.message = {
                                  .conversation = pair->conversation,
                                  .sender = pair->user.user,
                                  .kind = frame->kind,
                                  .sender_name = str_of(pair->user.username),
                                  .content = buf_str(&clean),
                                  .client_id = key.len ? key : frame->client_id,
                              }};
    enum err err = store_journal(call->backends->store, &post, 1, PATIENCE_MS);
    err = err ? err : post.err;
    if (!err && !post.repeated)
        publish_message(call->backends, &post.message, post.epoch);
    buf_fini(&clean);
    if (err == ERR_DUPLICATE)
        return 409; /* the id was used for something else */
    return err ? failed(err, "message") : 0;
}

/* The query may say what the socket's says; then it must be what the frame says. */
static bool query_agrees(const struct call *call, const struct customer_frame *frame)
{
    static const char *const names[] = {"app_sid", "friendphone", "userphone"};
    const struct str said[] = {frame->app_sid, frame->friend_account, frame->user_account};
    struct str given;
    for (size_t i = 0; i < 3; i++)
        if (http_query(call->query, names[i], &given) && !str_eq(given, said[i]))
            return false;
    return true;
}

static int message(struct call *call)
{
    struct customer_frame frame;
    struct store_customer_pair pair;
    if (call->request->idempotency_key.len && !client_id_ok(call->request->idempotency_key))
        return 400;
    if (customer_frame_read(call->object, call->backends->settings->media_url, &frame))
        return 400;
    if (!query_agrees(call, &frame) || (call->caller && !str_eq(frame.user_account, str_of(call->caller->user.id))))
        return 403;
    struct parties parties = {frame.app_sid, frame.friend_account, frame.user_account};
    int status = find_pair(call, &parties, &pair);
    if (!status && (status = call_status(call, moderate(call, pair.user.user, pair.conversation, MODERATE_POST),
                                         "moderate")) != 200)
        return status;
    if (status == 200)
        status = post(call, &frame, &pair);
    if (status)
        return status;
    struct store_range range = {
        .conversation = pair.conversation, .before = INT64_MAX, .limit = PAGING_LIMIT_MAX, .latest = true};
    return answer_list(call, &pair, &range);
}

/* ---- the routes ---- */

/* The body is what the article's client reads, whatever the status; the socket has the same. */
static void session_failure(struct buf *out, const struct failure *failure)
{
    int status = failure->status;
    const char *code = failure->code;
    if (status == 413)
        failure_customer(out, failure);
    else if (status == 429)
        buf_add_text(out, CUSTOMER_TOO_MANY);
    else if (status == 403 && !strcmp(code, "banned"))
        buf_add_text(out, CUSTOMER_BANNED);
    else if (status == 403 && !strcmp(code, "muted"))
        buf_add_text(out, CUSTOMER_MUTED);
    else if (status >= 500)
        customer_add_failed(out, code, STR(""));
    else
        buf_add_text(out, status == 404 ? CUSTOMER_UNKNOWN : CUSTOMER_INCOMPLETE);
}

static const struct route rows[] = {
    {.method = "POST",
     .path = "/users/register",
     .creates = true,
     .body = BODY_JSON,
     .handler = register_customer,
     .failed = failure_upload,
     .doc = "make or change a customer: an account within an application"},
    {.method = "GET",
     .path = "/chat/v1/history",
     .takes_query = true,
     .handler = history,
     .failed = session_failure,
     .doc = "messages of a customer session, oldest first"},
    {.method = "POST",
     .path = "/chat/v1/message",
     .body = BODY_JSON,
     .takes_query = true,
     .handler = message,
     .failed = session_failure,
     .doc = "post to a customer session; answers its latest messages"},
};

const struct route_table customer_routes = ROUTE_TABLE_OF_FRONT_END(rows);
