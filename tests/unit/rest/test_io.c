/* Socket.IO's admin calls: who may call them, what they take and refuse, what they store, ask of Redis and tell the
 * relays. */
#include "rest_fakes.h"

#include "rest/calls/io.h"

#define TOKEN     "an admin token of this test"
#define SID       "AAAAAAAAAAAAAAAAAAA-"
#define INVALID   "{\"error\":\"the request breaks a rule\",\"code\":\"invalid\"}"
#define NO_SOCKET "{\"error\":\"no such socket\",\"code\":\"not_found\"}"

static struct {
    enum err err;
    int posted;
    struct message message;
    char content[1024], audience[1024];
} journal;

enum err store_journal(struct store *store, struct store_post *posts, size_t count, int64_t patience_ms)
{
    (void)store;
    assert_int_equal(count, 1);
    assert_true(patience_ms > 0);
    journal.posted++;
    journal.message = posts->message;
    keep(journal.content, sizeof journal.content, posts->message.content);
    keep(journal.audience, sizeof journal.audience, posts->message.audience);
    posts->message.seq = 5;
    posts->epoch = 7;
    posts->err = journal.err;
    return journal.err == ERR_DOWN ? ERR_DOWN : ERR_OK;
}

static int begin(void **state)
{
    memset(&journal, 0, sizeof journal);
    reset(state);
    settings.admin_token = (char *)(uintptr_t)TOKEN;
    settings.io_rooms_max = 64;
    return 0;
}

static int ask_io(const char *method, const char *path, const char *query, const char *body)
{
    struct sent sent = {.body = str_of(body), .query = str_of(query), .authorization = STR("Bearer " TOKEN)};
    ask(method, path, &sent);
    return response.status;
}

static int post_io(const char *what, const char *body)
{
    char path[64];
    snprintf(path, sizeof path, "/api/io/%s", what);
    return ask_io("POST", path, NULL, body);
}

static int get_io(const char *what, const char *query)
{
    char path[128];
    snprintf(path, sizeof path, "/api/io/%s", what);
    return ask_io("GET", path, query, NULL);
}

#define assert_body(want) assert_bytes(buf_str(&response.body), want)
#define ANSWERS(...)      ((const char *const[]){__VA_ARGS__, NULL})

/* ---- who may ---- */

static const struct {
    const char *method, *path;
} every_call[] = {{"POST", "/api/io/emit"},   {"GET", "/api/io/rooms"},      {"GET", "/api/io/rooms/reds/sockets"},
                  {"GET", "/api/io/sockets"}, {"GET", "/api/io/counts"},     {"POST", "/api/io/join"},
                  {"POST", "/api/io/leave"},  {"POST", "/api/io/disconnect"}};

static void nobody_may_without_the_token(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "Bearer",
                                        "Bearer ",
                                        "Bearer " TOKEN " ",
                                        "Bearer an admin token of this tes",
                                        "Bearer An admin token of this test",
                                        "Basic " TOKEN,
                                        TOKEN};
    for (size_t i = 0; i < sizeof every_call / sizeof every_call[0]; i++)
        for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++) {
            struct sent sent = {.body = STR("no JSON"), .authorization = str_of(wrong[w])};
            ask(every_call[i].method, every_call[i].path, &sent);
            assert_int_equal(response.status, 401);
            assert_int_equal(sent.reads, 0); /* what a stranger sends is not even read */
        }
    assert_int_equal(fake.evals + (size_t)fake.published + (size_t)journal.posted, 0);
}

static void all_is_off_without_a_token_to_compare_with(void **state)
{
    (void)state;
    settings.admin_token = (char *)(uintptr_t)"";
    for (size_t i = 0; i < sizeof every_call / sizeof every_call[0]; i++) {
        struct sent sent = {.body = STR("{}"), .authorization = STR("Bearer ")};
        ask(every_call[i].method, every_call[i].path, &sent);
        assert_int_equal(response.status, 403);
        assert_body("{\"error\":\"the admin calls are off (setting admin_token)\",\"code\":\"off\"}");
    }
}

static void a_short_token_is_refused_at_the_start(void **state)
{
    (void)state;
    char why[256] = "";
    assert_int_equal(io_token_check(&settings, why), ERR_OK);
    settings.admin_token = (char *)(uintptr_t)"";
    assert_int_equal(io_token_check(&settings, why), ERR_OK);
    settings.admin_token = (char *)(uintptr_t)"0123456789abcdef";
    assert_int_equal(io_token_check(&settings, why), ERR_OK);
    settings.admin_token = (char *)(uintptr_t)"0123456789abcde";
    assert_int_equal(io_token_check(&settings, why), ERR_INVALID);
    assert_string_equal(why, "admin_token: has 15 bytes, at least 16 are needed");
}

static void an_unknown_namespace_is_not_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof every_call / sizeof every_call[0]; i++) {
        ask_io(every_call[i].method, every_call[i].path, "ns=/none", "{\"ns\":\"/none\"}");
        assert_int_equal(response.status, 404);
        assert_body("{\"error\":\"no such namespace\",\"code\":\"not_found\"}");
    }
    assert_int_equal(post_io("emit", "{\"ns\":5,\"event\":\"x\"}"), 400);
}

static void what_is_down_is_said_to_be(void **state)
{
    (void)state;
    static const char body[] = "{\"event\":\"x\",\"volatile\":true,\"rooms\":[\"r\"]}";
    for (int database = 0; database < 2; database++) {
        begin(NULL);
        *(database ? &fake.store : &fake.presence) = ERR_DOWN;
        for (size_t i = 0; i < sizeof every_call / sizeof every_call[0]; i++)
            assert_int_equal(ask_io(every_call[i].method, every_call[i].path, NULL, body), 503);
    }
    begin(NULL);
    fake.presence = ERR_DOWN; /* what is stored, the relays find */
    assert_int_equal(post_io("emit", "{\"event\":\"x\",\"room\":\"r\"}"), 200);
    journal.err = ERR_DOWN;
    assert_int_equal(post_io("emit", "{\"event\":\"x\"}"), 503);
}

/* ---- emit ---- */

static void an_event_is_stored_and_published(void **state)
{
    (void)state;
    assert_int_equal(post_io("emit", "{\"event\":\"news\",\"args\":[1,{\"a\":\"b\"}]}"), 200);
    assert_body("{\"success\":true,\"data\":{\"epoch\":7,\"seq\":5}}");
    assert_int_equal(journal.message.conversation, 7);
    assert_int_equal(journal.message.kind, MESSAGE_EVENT);
    assert_int_equal(journal.message.sender, 0);
    assert_string_equal(journal.content, "[\"news\",1,{\"a\":\"b\"}]");
    assert_string_equal(journal.audience, "");
    assert_int_equal(fake.published, 1);
    assert_int_equal(fake.publications[0].kind, WIRE_MESSAGES);
    assert_int_equal(fake.publications[0].epoch, 7); /* of the transaction */
    assert_string_equal(fake.published_content, journal.content);
}

static void arguments_pass_as_they_were_written(void **state)
{
    (void)state;
    static const struct {
        const char *body, *content;
    } rows[] = {
        {"{\"event\":\"e\"}", "[\"e\"]"},
        {"{\"event\":\"e\",\"args\":[]}", "[\"e\"]"},
        {"{\"event\":\"e\",\"args\":[ ]}", "[\"e\"]"},
        {"{\"args\":[123456789012345678901234567890,1.10,1e400],\"event\":\"e\"}",
         "[\"e\",123456789012345678901234567890,1.10,1e400]"},
        {"{\"event\":\"e\",\"args\":[\"]}\\\"\",[[]],null,true,{\"args\":[0]}],\"ns\":\"/\"}",
         "[\"e\",\"]}\\\"\",[[]],null,true,{\"args\":[0]}]"},
        {"{\"x\":{\"args\":[0]},\"args\":[1],\"event\":\"\\\"\"}", "[\"\\\"\",1]"},
        {"{\"x\":\"args\",\"args\":[1],\"event\":\"args\"}", "[\"args\",1]"},
        {"{\"args\":[1],\"args\":[2],\"event\":\"e\"}", "[\"e\",2]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(NULL);
        assert_int_equal(post_io("emit", rows[i].body), 200);
        assert_string_equal(journal.content, rows[i].content);
    }
}

static void an_event_is_for_rooms_and_not_for_exceptions(void **state)
{
    (void)state;
    static const struct {
        const char *body, *audience;
    } rows[] = {
        {"{\"event\":\"e\",\"room\":\"reds\"}", "r4:reds"},
        {"{\"event\":\"e\",\"rooms\":[\"reds\",\"b\"],\"room\":\"c\"}", "r1:cr4:redsr1:b"},
        {"{\"event\":\"e\",\"rooms\":[]}", ""},
        {"{\"event\":\"e\",\"room\":null}", ""},
        {"{\"event\":\"e\",\"except\":\"" SID "\"}", "x20:" SID},
        {"{\"event\":\"e\",\"room\":\"a\",\"except\":[\"b\",\"c\"]}", "r1:ax1:bx1:c"},
        /* a socket's own room */
        {"{\"event\":\"e\",\"room\":\"" SID "\"}", "r20:" SID "s20:" SID},
        {"{\"event\":\"e\",\"room\":\"AAAAAAAAAAAAAAAAAAA.\"}", "r20:AAAAAAAAAAAAAAAAAAA."},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(NULL);
        assert_int_equal(post_io("emit", rows[i].body), 200);
        assert_string_equal(journal.audience, rows[i].audience);
    }
}

static void a_volatile_event_is_published_only(void **state)
{
    (void)state;
    assert_int_equal(post_io("emit", "{\"event\":\"e\",\"args\":[1],\"room\":\"a\",\"volatile\":true}"), 200);
    assert_body("{\"success\":true,\"data\":{}}");
    assert_int_equal(journal.posted, 0);
    assert_int_equal(fake.publications[0].kind, WIRE_IO);
    assert_int_equal(fake.publications[0].conversation, 7);
    assert_string_equal(fake.notices, "1 r1:a [\"e\",1]|");
    assert_int_equal(post_io("emit", "{\"event\":\"e\",\"volatile\":false}"), 200);
    assert_int_equal(journal.posted, 1);
}

static void what_is_no_event_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{}",
                                      "{\"event\":\"\"}",
                                      "{\"event\":5}",
                                      "{\"event\":\"a\\u0000\"}",
                                      "{\"event\":\"connect\"}",
                                      "{\"event\":\"disconnecting\"}",
                                      "{\"event\":\"newListener\"}",
                                      "{\"event\":\"e\",\"args\":{}}",
                                      "{\"event\":\"e\",\"args\":\"[]\"}",
                                      "{\"event\":\"e\",\"\\u0061rgs\":[1]}",
                                      "{\"event\":\"e\",\"room\":\"\"}",
                                      "{\"event\":\"e\",\"room\":5}",
                                      "{\"event\":\"e\",\"rooms\":[5]}",
                                      "{\"event\":\"e\",\"rooms\":{}}",
                                      "{\"event\":\"e\",\"except\":[\"\"]}",
                                      "{\"event\":\"e\",\"volatile\":1}",
                                      "{\"event\":\"e\"}x",
                                      "{\"event\":\"\xed\xa0\x80\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (post_io("emit", bad[i]) != 400)
            fail_msg("taken: %s", bad[i]);
    char *long_name = repeat("n", 257), body[16384];
    snprintf(body, sizeof body, "{\"event\":\"%s\"}", long_name);
    assert_int_equal(post_io("emit", body), 400);
    snprintf(body, sizeof body, "{\"event\":\"e\",\"room\":\"%.129s\"}", long_name);
    assert_int_equal(post_io("emit", body), 400);
    free(long_name);
    char *rooms = repeat("\"r\",", 64);
    snprintf(body, sizeof body, "{\"event\":\"e\",\"rooms\":[%s\"r\"]}", rooms);
    assert_int_equal(post_io("emit", body), 400);
    snprintf(body, sizeof body, "{\"event\":\"e\",\"rooms\":[%.*s]}", 64 * 4 - 1, rooms);
    assert_int_equal(post_io("emit", body), 200);
    snprintf(body, sizeof body, "{\"event\":\"e\",\"rooms\":[%.*s],\"except\":\"x\"}", 64 * 4 - 1, rooms);
    assert_int_equal(post_io("emit", body), 400);
    free(rooms);
    assert_int_equal(journal.posted, 1);
    settings.max_body_bytes = 64;
    snprintf(body, sizeof body, "{\"event\":\"e\",\"args\":[\"%060d\"]}", 0);
    assert_int_equal(post_io("emit", body), 413);
}

/* ---- lists ---- */

static void lists_are_what_redis_says(void **state)
{
    (void)state;
    fake.answers[0] = ANSWERS("0", "a \"b\"", "reds");
    assert_int_equal(get_io("rooms", NULL), 200);
    assert_body("{\"success\":true,\"data\":[\"a \\\"b\\\"\",\"reds\"]}");
    assert_int_equal(get_io("rooms/reds/sockets", "ns=/"), 200);
    assert_int_equal(get_io("sockets", "limit=5&cursor=77"), 200);
    assert_int_equal(get_io("sockets", "room=a/b"), 200);
    assert_string_equal(fake.evaluated, "/ rooms  0 1000|/ room reds 0 1000|/ all  77 5|/ room a/b 0 1000|");
}

static void a_list_that_goes_on_says_where(void **state)
{
    (void)state;
    fake.answers[0] = ANSWERS("3", "y", "x");
    fake.answers[1] = ANSWERS("18446744073709551615", "x", "z");
    assert_int_equal(get_io("sockets", "limit=4"), 200); /* one was in two pages */
    assert_body("{\"success\":true,\"data\":[\"x\",\"y\",\"z\"],\"next\":\"18446744073709551615\"}");
    fake.evals = 0;
    fake.answers[0] = ANSWERS("0");
    assert_int_equal(get_io("sockets", "cursor=18446744073709551615"), 200);
    assert_body("{\"success\":true,\"data\":[]}");
    static const char *const bad[] = {"cursor=", "cursor=x", "cursor=123456789012345678901", "limit=0", "limit=10001"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (get_io("sockets", bad[i]) != 400)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(get_io("rooms/\xff/sockets", NULL), 400);
}

static void sockets_and_rooms_are_counted(void **state)
{
    (void)state;
    fake.answers[0] = ANSWERS("12", "3");
    assert_int_equal(get_io("counts", NULL), 200);
    assert_body("{\"success\":true,\"data\":{\"sockets\":12,\"rooms\":3}}");
}

/* ---- join, leave, disconnect ---- */

static void sockets_are_moved_in_redis_and_their_relays_told(void **state)
{
    (void)state;
    static const struct {
        const char *what, *body, *evaluated, *notices;
    } rows[] = {
        {"join", "{\"sid\":\"" SID "\",\"rooms\":[\"a\",\"b\"]}", "/ sid " SID " 0 256 join [\"a\",\"b\"] 64|",
         "2 s20:" SID " a|2 s20:" SID " b|"},
        {"join", "{\"sid\":\"" SID "\",\"room\":\"a\"}", "/ sid " SID " 0 512 join [\"a\"] 64|", "2 s20:" SID " a|"},
        {"join", "{\"room\":\"reds\",\"rooms\":\"b\"}", "/ room reds 0 512 join [\"b\"] 64|", "2 r4:reds b|"},
        {"join", "{\"rooms\":[\"b\"]}", "/ all  0 512 join [\"b\"] 64|", "2  b|"},
        {"leave", "{\"room\":\"b\"}", "/ all  0 512 leave [\"b\"] 64|", "3  b|"},
        {"leave", "{\"room\":\"a\",\"rooms\":[\"a\",\"b\"]}", "/ room a 0 256 leave [\"b\",\"a\"] 64|",
         "3 r1:a b|3 r1:a a|"},
        {"leave", "{\"room\":\"" SID "\",\"rooms\":[\"b\"]}", "/ room " SID " 0 512 leave [\"b\"] 64|",
         "3 r20:" SID "s20:" SID " b|"},
        {"disconnect", "{\"sid\":\"" SID "\"}", "/ sid " SID " 0 64 drop [] 64|", "4 s20:" SID " |"},
        {"disconnect", "{\"room\":\"reds\"}", "/ room reds 0 64 drop [] 64|", "4 r4:reds |"},
        {"disconnect", "{}", "/ all  0 64 drop [] 64|", "4  |"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(NULL);
        fake.answers[0] = ANSWERS("0", "1");
        assert_int_equal(post_io(rows[i].what, rows[i].body), 200);
        assert_body("{\"success\":true,\"data\":{\"sockets\":1}}");
        assert_string_equal(fake.evaluated, rows[i].evaluated);
        assert_string_equal(fake.notices, rows[i].notices);
    }
}

static void many_sockets_are_moved_in_portions(void **state)
{
    (void)state;
    fake.answers[0] = ANSWERS("9", "500");
    fake.answers[1] = ANSWERS("4", "0");
    fake.answers[2] = ANSWERS("0", "7");
    assert_int_equal(post_io("join", "{\"rooms\":[\"b\"]}"), 200);
    assert_body("{\"success\":true,\"data\":{\"sockets\":507}}");
    assert_string_equal(fake.evaluated,
                        "/ all  0 512 join [\"b\"] 64|/ all  9 512 join [\"b\"] 64|/ all  4 512 join [\"b\"] 64|");
    assert_string_equal(fake.notices, "2  b|"); /* once */
}

static void a_socket_that_nobody_knows_is_not_found(void **state)
{
    (void)state;
    fake.answers[0] = ANSWERS("0", "0");
    static const char *const calls[] = {"join", "leave", "disconnect"};
    for (size_t i = 0; i < 3; i++) {
        const char *room = i < 2 ? ",\"rooms\":[\"r\"]" : "";
        char body[128];
        snprintf(body, sizeof body, "{\"sid\":\"" SID "\"%s}", room);
        assert_int_equal(post_io(calls[i], body), 404);
        assert_body(NO_SOCKET);
        snprintf(body, sizeof body, "{\"sid\":\"no sid\"%s}", room);
        assert_int_equal(post_io(calls[i], body), 404);
        snprintf(body, sizeof body, "{\"sid\":5%s}", room);
        assert_int_equal(post_io(calls[i], body), 400);
    }
    assert_int_equal(fake.published, 0);
    assert_int_equal(post_io("disconnect", "{\"room\":\"nobody is in\"}"), 200); /* as in the library */
}

static void what_names_no_room_moves_nobody(void **state)
{
    (void)state;
    static const char only_sid[] = "{\"sid\":\"" SID "\"}";
    static const char *const bad[] = {"{}",
                                      only_sid,
                                      "{\"rooms\":[]}",
                                      "{\"rooms\":[\"\"]}",
                                      "{\"rooms\":5}",
                                      "{\"room\":5,\"rooms\":[\"a\"]}",
                                      "{\"room\":\"\",\"rooms\":[\"a\"]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(post_io("join", bad[i]), 400);
        assert_int_equal(post_io("leave", bad[i]), 400);
    }
    assert_int_equal(post_io("disconnect", "{\"room\":5}"), 400);
    assert_int_equal(post_io("disconnect", "{\"room\":\"r\",\"sid\":\"" SID "\"}"), 400);
    assert_int_equal(fake.evals, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_may_without_the_token),
        TEST(all_is_off_without_a_token_to_compare_with),
        TEST(a_short_token_is_refused_at_the_start),
        TEST(an_unknown_namespace_is_not_found),
        TEST(what_is_down_is_said_to_be),
        TEST(an_event_is_stored_and_published),
        TEST(arguments_pass_as_they_were_written),
        TEST(an_event_is_for_rooms_and_not_for_exceptions),
        TEST(a_volatile_event_is_published_only),
        TEST(what_is_no_event_is_refused),
        TEST(lists_are_what_redis_says),
        TEST(a_list_that_goes_on_says_where),
        TEST(sockets_and_rooms_are_counted),
        TEST(sockets_are_moved_in_redis_and_their_relays_told),
        TEST(many_sockets_are_moved_in_portions),
        TEST(a_socket_that_nobody_knows_is_not_found),
        TEST(what_names_no_room_moves_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, free_response);
}
