/* The calls of the customer sessions: what they take, store, tell the relays and answer. */
#include "rest_fakes.h"

#include "common/service/customer_row.h"

#include <time.h>

/* ---- a store that does as it is told ---- */

static struct {
    enum err pair, journal;
    enum err after; /* how the store is once a post has been stored */
    bool repeated;
    int registered, paired, posted;
    const char *name; /* of whoever is registered */
    char app_sid[80], account[80], username[300], avatar[600], friend[80];
    struct message message;
    char content[4096], client_id[80];
} db;

static const struct store_customer_pair pair = {
    .conversation = 70,
    .app_sid = "app",
    .friend = {11, "f1", "客服", "/media/f.png"},
    .user = {12, "u1", "Bob \"B\"", ""},
};

enum err store_customer_register(struct store *store, struct str app_sid, struct str account, struct str username,
                                 struct str avatar, uint64_t user)
{
    (void)store;
    (void)user;
    db.registered++;
    keep(db.app_sid, sizeof db.app_sid, app_sid);
    keep(db.account, sizeof db.account, account);
    keep(db.username, sizeof db.username, username);
    keep(db.avatar, sizeof db.avatar, avatar);
    return fake.store;
}

enum err store_customer_name(struct store *store, struct str app_sid, struct str account, struct buf *username)
{
    (void)store;
    (void)app_sid;
    (void)account;
    if (db.name)
        buf_add_text(username, db.name);
    return fake.store ? fake.store : db.name ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_customer_pair(struct store *store, struct str app_sid, struct str friend_account,
                             struct str user_account, struct store_customer_pair *out, int *missing)
{
    (void)store;
    db.paired++;
    keep(db.app_sid, sizeof db.app_sid, app_sid);
    keep(db.friend, sizeof db.friend, friend_account);
    keep(db.account, sizeof db.account, user_account);
    *out = pair;
    *missing = db.pair == ERR_NOT_FOUND ? STORE_NO_FRIEND : 0;
    return db.pair;
}

enum err store_journal(struct store *store, struct store_post *posts, size_t count, int64_t patience_ms)
{
    (void)store;
    assert_int_equal(count, 1);
    assert_true(patience_ms > 0);
    db.posted++;
    db.message = posts->message;
    keep(db.content, sizeof db.content, posts->message.content);
    keep(db.client_id, sizeof db.client_id, posts->message.client_id);
    posts->message.seq = 5;
    posts->epoch = 7;
    posts->repeated = db.repeated;
    posts->err = db.journal;
    fake.writes += !db.journal && !db.repeated;
    fake.store = db.after;
    return db.journal == ERR_DOWN ? ERR_DOWN : ERR_OK;
}

static int reset_all(void **state)
{
    memset(&db, 0, sizeof db);
    reset(state);
    settings.media_url = "/media/";
    fake.sender = 12;
    fake.kind = MESSAGE_TEXT;
    fake.content = STR("hi");
    return 0;
}

/* ---- what is sent ---- */

#define PARTY(account, app) "{\"account\":" account ",\"app_sid\":" app "}"
#define PARTIES             "\"friendInfo\":" PARTY("\"f1\"", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "\"app\"")
#define FRAME(rest)         "{" PARTIES "," rest "}"
#define FINE                FRAME("\"chat_content\":\"hello\",\"chat_type\":0")

/* ---- registering ---- */

static void registering_answers_what_is_stored(void **state)
{
    (void)state;
    assert_answer("POST", "/users/register",
                  BYTES("{\"account\":\"a'1\",\"app_sid\":7,\"username\":\"茶 \\\"x\\\"\","
                        "\"avatar\":\"https://x/y.png\"}"),
                  200,
                  "{\"status\":200,\"payload\":{\"account\":\"a'1\",\"app_sid\":\"7\","
                  "\"username\":\"茶 \\\"x\\\"\",\"avatar\":\"https://x/y.png\"}}");
    assert_string_equal(db.account, "a'1");
    assert_string_equal(db.app_sid, "7");
    assert_string_equal(db.username, "茶 \"x\"");
    assert_string_equal(db.avatar, "https://x/y.png");
    assert_answer("POST", "/users/register",
                  BYTES("{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\",\"avatar\":\"\"}"), 200,
                  "{\"status\":200,\"payload\":{\"account\":\"a\",\"app_sid\":\"s\","
                  "\"username\":\"n\",\"avatar\":\"\"}}");
    assert_int_equal(call("POST", "/users/register", BYTES("{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\"}")),
                     200);
    fake.store = ERR_DOWN;
    assert_answer("POST", "/users/register", BYTES("{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\"}"), 503,
                  "{\"status\":503,\"err\":\"service unavailable\"}");
}

/* Zero width spaces. */
static void who_was_registered_under_an_older_rule_stays(void **state)
{
    (void)state;
    static const struct str old_account = BYTES("{\"account\":\"a\xe2\x80\x8b\",\"app_sid\":\"s\",\"username\":\"n\"}");
    static const struct str old_name = BYTES("{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\xe2\x80\x8b\"}");
    assert_int_equal(call("POST", "/users/register", old_account), 400);
    assert_int_equal(call("POST", "/users/register", old_name), 400);
    db.name = "other";
    assert_int_equal(call("POST", "/users/register", old_account), 200);
    assert_int_equal(call("POST", "/users/register", old_name), 400);
    db.name = "n\xe2\x80\x8b";
    assert_int_equal(call("POST", "/users/register", old_name), 200);
    assert_int_equal(db.registered, 2);
    fake.store = ERR_DOWN;
    assert_int_equal(call("POST", "/users/register", old_name), 503);
}

static void a_bad_registration_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"account\":\"a\",\"app_sid\":\"s\"}",
        "{\"account\":\"a\",\"username\":\"n\"}",
        "{\"app_sid\":\"s\",\"username\":\"n\"}",
        "{\"account\":\"\",\"app_sid\":\"s\",\"username\":\"n\"}",
        "{\"account\":\"a\",\"app_sid\":\"\",\"username\":\"n\"}",
        "{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"\"}",
        "{\"account\":\"a\",\"app_sid\":\"s\",\"username\":5}",
        "{\"account\":\"a\\u0000b\",\"app_sid\":\"s\",\"username\":\"n\"}",
        "{\"account\":\"a\\u001fb\",\"app_sid\":\"s\",\"username\":\"n\"}",
        "{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"\\u202e\"}",
        "{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\",\"avatar\":5}",
        "{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\",\"avatar\":\"x\"}",
        "{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\",\"avatar\":\"javascript:x\"}",
        "{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\",\"avatar\":\"//elsewhere/x.png\"}",
        "{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\",\"avatar\":\"/\"}",
        "{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\",\"avatar\":\"/x.png\\\"onerror\"}",
        "{\"account\":\"a\xed\xa0\x80\",\"app_sid\":\"s\",\"username\":\"n\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(call("POST", "/users/register", str_of(bad[i])), 400);
        assert_bytes(buf_str(&response.body), "{\"status\":400,\"err\":\"the request breaks a rule\"}");
    }
    char *avatar = repeat("a", CUSTOMER_AVATAR_MAX), body[1024];
    snprintf(body, sizeof body, "{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\",\"avatar\":\"http://%s\"}",
             avatar);
    assert_int_equal(call("POST", "/users/register", str_of(body)), 400);
    avatar[CUSTOMER_AVATAR_MAX - 7] = '\0';
    snprintf(body, sizeof body, "{\"account\":\"a\",\"app_sid\":\"s\",\"username\":\"n\",\"avatar\":\"http://%s\"}",
             avatar);
    assert_int_equal(db.registered, 0);
    assert_int_equal(call("POST", "/users/register", str_of(body)), 200);
    free(avatar);
}

/* ---- history ---- */

static int ask_history(const char *query)
{
    struct sent sent = {.query = str_of(query)};
    ask("GET", "/chat/v1/history", &sent);
    return response.status;
}

#define WHO "friendphone=f1&userphone=u1&app_sid=app"

static void the_history_is_the_latest_rows(void **state)
{
    (void)state;
    assert_int_equal(ask_history(WHO), 200);
    assert_bytes(buf_str(&response.body), "{\"code\":1,\"data\":[]}");
    assert_string_equal(db.friend, "f1");
    assert_string_equal(db.account, "u1");
    assert_int_equal(fake.range.conversation, 70);
    assert_int_equal(fake.range.limit, 200);
    assert_true(fake.range.latest);
    fake.messages = 1;
    assert_int_equal(ask_history(WHO), 200);
    assert_bytes(buf_str(&response.body),
                 "{\"code\":1,\"data\":[{\"id\":1,\"friendphone\":\"f1\",\"friendname\":\"客服\","
                 "\"friendavatar\":\"/media/f.png\",\"app_sid\":\"app\","
                 "\"created_date\":\"2023-11-14 22:13:20\",\"userphone\":\"u1\","
                 "\"username\":\"Bob \\\"B\\\"\",\"useravatar\":\"\",\"content\":\"hi\",\"chat_type\":0}]}");
    assert_int_equal(ask_history(WHO "&before=9&limit=3"), 200);
    assert_int_equal(fake.range.before, 9);
    assert_int_equal(fake.range.limit, 3);
    assert_int_equal(ask_history(WHO "&after=4"), 200);
    assert_int_equal(fake.range.after, 4);
    assert_false(fake.range.latest);
    assert_int_equal(fake.range.limit, 200);
}

static void failures_have_the_bodies_of_the_socket(void **state)
{
    (void)state;
    static const char *const incomplete[] = {
        "",
        "friendphone=f1&userphone=u1",
        "friendphone=f1&app_sid=app",
        "userphone=u1&app_sid=app",
        "friendphone=&userphone=u1&app_sid=app",
        WHO "&limit=0",
        WHO "&limit=201",
        WHO "&limit=x",
        WHO "&before=-1",
        WHO "&x=%zz",
        WHO "&x=%00",
        WHO "&x=%ed%a0%80",
    };
    for (size_t i = 0; i < sizeof incomplete / sizeof incomplete[0]; i++) {
        assert_int_equal(ask_history(incomplete[i]), 400);
        assert_bytes(buf_str(&response.body), "{\"code\":0,\"msg\":\"参数不全!\"}");
    }
    assert_int_equal(db.paired, 0);
    db.pair = ERR_NOT_FOUND;
    assert_int_equal(ask_history(WHO), 404);
    assert_bytes(buf_str(&response.body), "{\"code\":0,\"msg\":\"用户不存在!\"}");
    assert_answer("POST", "/chat/v1/message", BYTES(FINE), 404, "{\"code\":0,\"msg\":\"用户不存在!\"}");
    db.pair = ERR_DOWN;
    assert_int_equal(ask_history(WHO), 503);
    assert_bytes(buf_str(&response.body), "{\"code\":0,\"msg\":\"聊天出现故障!\"}");
    db.pair = ERR_OK;
    fake.store = ERR_DOWN; /* while the rows are being read */
    fake.messages = 1;
    assert_int_equal(ask_history(WHO), 503);
    assert_bytes(buf_str(&response.body), "{\"code\":0,\"msg\":\"聊天出现故障!\"}");
    fake.store = ERR_OK;
    db.after = ERR_DOWN; /* what was stored is not said to be not stored because the list cannot be read */
    assert_answer("POST", "/chat/v1/message", BYTES(FINE), 504,
                  "{\"code\":0,\"msg\":\"聊天出现故障!\",\"error\":\"unknown\"}");
    db.journal = ERR_DOWN;
    assert_answer("POST", "/chat/v1/message", BYTES(FINE), 503, "{\"code\":0,\"msg\":\"聊天出现故障!\"}");
}

/* ---- posting ---- */

static int post(const char *body, const char *query, const char *key)
{
    struct sent sent = {.body = str_of(body), .query = str_of(query), .idempotency_key = str_of(key)};
    ask("POST", "/chat/v1/message", &sent);
    return response.status;
}

static void a_post_is_stored_told_and_answered_with_the_list(void **state)
{
    (void)state;
    fake.messages = 1;
    assert_int_equal(post(FRAME("\"chat_content\":\"a\\u202eb\",\"chat_type\":0"), "", ""), 200);
    assert_memory_equal(response.body.data, "{\"code\":1,\"data\":[{\"id\":1,", 26);
    assert_int_equal(db.posted, 1);
    assert_int_equal(db.message.conversation, 70);
    assert_int_equal(db.message.sender, 12);
    assert_int_equal(db.message.kind, MESSAGE_TEXT);
    assert_string_equal(db.content, "a\xef\xbf\xbd"
                                    "b");
    assert_int_equal(fake.published, 1);
    assert_int_equal(fake.publications[0].conversation, 70);
    assert_int_equal(fake.publications[0].epoch, 7); /* of the transaction */
    assert_string_equal(fake.published_content, db.content);
    assert_int_equal(fake.range.limit, 200);
    assert_true(fake.range.latest);
}

static void a_repeated_post_is_not_told_again(void **state)
{
    (void)state;
    char *key = repeat("k", MESSAGE_CLIENT_ID_MAX + 1);
    db.repeated = true;
    assert_int_equal(post(FINE, WHO, "k1"), 200);
    assert_string_equal(db.client_id, "k1");
    assert_int_equal(fake.published, 0);
    assert_int_equal(post(FINE, WHO, key), 400);
    assert_int_equal(post(FINE, WHO, key + 1), 200);
    free(key);
}

static void a_post_that_cannot_be_stored_is_told_so(void **state)
{
    (void)state;
    static const struct {
        enum err err;
        const char *answer;
    } rows[] = {
        {ERR_DOWN, "{\"code\":0,\"msg\":\"聊天出现故障!\"}"},
        {ERR_UNKNOWN, "{\"code\":0,\"msg\":\"聊天出现故障!\",\"error\":\"unknown\"}"},
        {ERR_INTERNAL, "{\"code\":0,\"msg\":\"聊天出现故障!\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        db.journal = rows[i].err;
        assert_int_equal(post(FINE, "", ""), rows[i].err == ERR_UNKNOWN ? 504 : 503);
        check_bytes(buf_str(&response.body), str_of(rows[i].answer), __FILE__, __LINE__);
    }
    assert_int_equal(fake.published, 0);
    db.journal = ERR_OK;
    fake.presence = ERR_DOWN; /* nobody is told, the reconciliation is: no failure */
    assert_int_equal(post(FINE, "", ""), 200);
}

static void a_post_for_others_than_the_query_says_is_refused(void **state)
{
    (void)state;
    static const char *const queries[] = {"userphone=u2", "friendphone=u1", "app_sid=ap",
                                          WHO "&userphone=u1" /* the first counts */};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(post(FINE, queries[i], ""), 403);
        assert_bytes(buf_str(&response.body), "{\"code\":0,\"msg\":\"参数不全!\"}");
    }
    assert_int_equal(post("{}", "", ""), 400);
    assert_int_equal(post("x", "", ""), 400);
    assert_int_equal(db.posted + db.paired, 0);
    assert_int_equal(post(FINE, queries[3], ""), 200);
    settings.max_body_bytes = 100;
    assert_int_equal(post(FINE, "", ""), 413);
    assert_bytes(buf_str(&response.body), "{\"code\":0,\"msg\":\"request body too large\"}");
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(registering_answers_what_is_stored, reset_all),
        cmocka_unit_test_setup(who_was_registered_under_an_older_rule_stays, reset_all),
        cmocka_unit_test_setup(a_bad_registration_is_refused, reset_all),
        cmocka_unit_test_setup(the_history_is_the_latest_rows, reset_all),
        cmocka_unit_test_setup(failures_have_the_bodies_of_the_socket, reset_all),
        cmocka_unit_test_setup(a_post_is_stored_told_and_answered_with_the_list, reset_all),
        cmocka_unit_test_setup(a_repeated_post_is_not_told_again, reset_all),
        cmocka_unit_test_setup(a_post_that_cannot_be_stored_is_told_so, reset_all),
        cmocka_unit_test_setup(a_post_for_others_than_the_query_says_is_refused, reset_all),
    };
    return cmocka_run_group_tests(tests, NULL, free_response);
}
