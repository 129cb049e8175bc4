/* The older transports: what requests may say, who is let in, and what is said by POST. */
#include "chatroom_http_fakes.h"

#include <stdlib.h>

/* ---- what comes in ---- */

static void callbacks_are_names_and_nothing_else(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "$", "_x", "onmessage", "my.fn.x1", "A0.$_"};
    static const char *const bad[] = {"",    "1a",         ".a",  "a(b",  "a;b", "a b",
                                      "a\n", "alert(1)//", "a-b", "a[0]", "茶",  "a</script>"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(chatroom_http_callback_ok(str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(chatroom_http_callback_ok(str_of(bad[i])));
    char *longest = repeat("x", 64), *longer = repeat("x", 65);
    assert_true(chatroom_http_callback_ok(str_of(longest)));
    assert_false(chatroom_http_callback_ok(str_of(longer)));
    free(longest);
    free(longer);
}

static void cursors_are_two_numbers(void **state)
{
    (void)state;
    struct chatroom_http_cursor cursor;
    assert_true(chatroom_http_read_cursor(STR("3-17"), &cursor));
    assert_int_equal(cursor.epoch, 3);
    assert_int_equal(cursor.seq, 17);
    static const char *const bad[] = {"",      "-",   "3",    "3-",   "-3",
                                      "3-1-2", "3-x", "+3-1", "3- 1", "1234567890123456789-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(chatroom_http_read_cursor(str_of(bad[i]), &cursor));
}

static void seconds_may_have_a_fraction(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0", 0},      {"20", 20000}, {"0.5", 500},    {"1.25", 1250},
                {"0.0019", 1}, {"55", 55000}, {"55.5", 55000}, {"999999999", 55000}};
    static const char *const bad[] = {"", "x", "-1", "1.", ".5", "1.x", "1.2.3", "1e3", " 1", "0x1"};
    int64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(chatroom_http_read_seconds(str_of(good[i].text), 55000, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(chatroom_http_read_seconds(str_of(bad[i]), 55000, &ms));
}

static void a_client_s_numbers_are_integers_however_they_are_spelled(void **state)
{
    (void)state;
    static const char *const good[] = {"20", "20.0", "2e1", "0020", "200e-1"};
    static const char *const bad[] = {"", "x", "-1", "20.5", "1e-1", " 20", "20x", "1e99"};
    uint64_t number;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(chatroom_http_read_integer(str_of(good[i]), &number));
        assert_int_equal(number, 20);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(chatroom_http_read_integer(str_of(bad[i]), &number));
}

static void nothing_in_a_script_can_end_it(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    chatroom_http_add_script(&out, "my.fn",
                             STR("{\"x\":\"</script><!-- & \xe2\x80\xa8\xe2\x80\xa9 \xe2\x80\xa6 茶\"}"));
    assert_str(buf_str(&out),
               STR("<script>parent.my.fn({\"x\":\"\\u003c/script\\u003e\\u003c!-- \\u0026 \\u2028\\u2029 "
                   "\xe2\x80\xa6 茶\"})</script>\n"));
    buf_clear(&out);
    chatroom_http_add_script(&out, "f", STR("\"\xe2\x80"));
    assert_str(buf_str(&out), STR("<script>parent.f(\"\xe2\x80)</script>\n"));
    buf_fini(&out);
}

static void events_are_lines_whatever_they_hold(void **state)
{
    (void)state;
    struct message message = {.conversation = 7,
                              .seq = 5,
                              .kind = MESSAGE_TEXT,
                              .sender_name = STR("b\"ob"),
                              .at_ms = 12,
                              .content = STR("one\ntwo\r\n\ndata: x"),
                              .sent_at = STR("2024-02-29 12:34:56")};
    struct member member = {9, STR("茶"), STR("\"x\"")};
    struct buf out;
    buf_init(&out, 10000);
    events_encoding.message(&message, &out);
    assert_str(buf_str(&out), STR("id: 3-5\nevent: message\ndata: {\"log_user_name\":\"b\\\"ob\",\"log_content\":"
                                  "\"one\\ntwo\\r\\n\\ndata: x\",\"log_time\":\"2024-02-29 "
                                  "12:34:56\",\"seq\":5,\"ts\":12}\n\n"));
    buf_clear(&out);
    events_encoding.members(7, &member, 1, &out);
    assert_str(buf_str(&out), STR("event: members\ndata: [{\"user_name\":\"茶\",\"head_num\":\"x\"}]\n\n"));
    buf_clear(&out);
    stream_encoding.members(7, &member, 1, &out);
    assert_str(buf_str(&out), STR("{\"type\":\"members\",\"data\":[{\"user_name\":\"茶\",\"head_num\":\"x\"}]}"));
    buf_fini(&out);
}

/* ---- who is let in ---- */

static const char *const verbs[] = {"poll", "events", "stream"};

static struct visit *visit_verb(size_t i, const char *room, const char *query)
{
    char path[200];
    snprintf(path, sizeof path, "/rooms/%s/%s", room, verbs[i]);
    return get(strdup(path), query); /* the call's as long as the test */
}

static void who_is_no_member_finds_nothing(void **state)
{
    (void)state;
    char *paths[16];
    size_t first = visit_count;
    for (size_t i = 0; i < 3; i++) {
        assert_refused(visit_verb(i, ROOM_ID, ""), 400, "bad_request");
        assert_refused(visit_verb(i, "room_x", ME), 404, "not_found");
        assert_refused(visit_verb(i, ROOM_ID, "nickId=' OR 1=1"), 404, "not_found");
        assert_refused(visit_verb(i, "room_ffffffffffffffffffffffffffffffff", ME), 404, "not_found");
        world.stranger = true;
        assert_refused(visit_verb(i, ROOM_ID, ME), 404, "not_found");
        world.stranger = false;
    }
    assert_int_equal(hub.rooms.count, 0);
    assert_int_equal(world.entered, 0);
    for (size_t i = first; i < visit_count; i++)
        paths[i] = (char *)(uintptr_t)visits[i].call.request.path.ptr, free(paths[i]);
}

static void without_a_database_one_is_told_when_to_come_back(void **state)
{
    (void)state;
    world.membership = ERR_DOWN;
    assert_refused(get(PATH("poll"), ME), 503, "unavailable");
    assert_refused(get(PATH("events"), ME), 503, "unavailable");
    world.membership = ERR_OK;
    db.err = ERR_DOWN;
    db.last[ROOM] = 3;
    assert_refused(get(PATH("poll"), ME "&after=1"), 503, "unavailable");
    world.pool_full = true;
    assert_refused(get(PATH("poll"), ME), 503, "busy");
}

static void other_paths_and_methods_are_refused(void **state)
{
    (void)state;
    assert_refused(get("/rooms/", ME), 404, "not_found");
    assert_refused(get("/rooms/x", ME), 404, "not_found");
    assert_refused(get(PATH("poll/"), ME), 404, "not_found");
    assert_refused(get(PATH("other"), ME), 404, "not_found");
    struct visit *visit = begin_visit("POST", PATH("poll"), ME, "");
    assert_int_equal(visit->status, 405);
    assert_string_equal(visit->headers, "Allow: GET\r\n");
    visit = begin_visit("GET", PATH("send"), ME, "");
    assert_int_equal(visit->status, 405);
    assert_string_equal(visit->headers, "Allow: POST\r\n");
}

static void bad_arguments_are_told(void **state)
{
    (void)state;
    assert_refused(get(PATH("poll"), ME "&after=x"), 400, "bad_request");
    assert_refused(get(PATH("poll"), ME "&wait=x"), 400, "bad_request");
    assert_refused(get(PATH("poll"), ME "&epoch=-1"), 400, "bad_request");
    assert_refused(get(PATH("stream"), ME "&callback=alert(1)"), 400, "bad_request");
    assert_int_equal(jobs_ever, 0);
}

static void who_leaves_while_being_looked_up_is_forgotten(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct visit *visit = begin_visit("GET", i ? PATH("events") : PATH("poll"), ME "&wait=9", "");
        leave(visit);
        job_do();
        assert_int_equal(visit->status, 0);
    }
    assert_int_equal(sessions.count, 0);
    assert_int_equal(world.entered, 0);
}

/* ---- saying something ---- */

static struct visit *say(const char *body)
{
    struct visit *visit = begin_visit("POST", PATH("send"), "", body);
    if (!visit->status && job_count)
        job_do();
    return visit;
}

/* The journal's answer to what was said last. */
static void stored(uint64_t seq, enum err err, bool repeated)
{
    struct store_post post = {.message = message_of(ROOM, seq), .err = err, .repeated = repeated};
    hub_stored(&hub, &post, &net.submitter, 1);
}

#define SAID "{\"nickId\":\"" NICK_ID "\",\"content\":\"hi\"}"

static void what_is_said_is_answered_after_the_commit(void **state)
{
    (void)state;
    struct visit *visit = say("{\"nickId\":\"" NICK_ID "\",\"content\":\"hi \\u202e 茶\",\"clientId\":\"c-1\"}");
    assert_int_equal(net.submitted, 1);
    assert_string_equal(net.content, "hi \xef\xbf\xbd 茶");
    assert_string_equal(net.client_id, "c-1");
    assert_int_equal(visit->status, 0);
    stored(4, ERR_OK, false);
    assert_string_equal(body_of(visit), "{\"success\":true,\"data\":{\"epoch\":3,\"seq\":4}}");
    assert_int_equal(sessions.count, 0);
    visit = say(SAID);
    stored(4, ERR_OK, true);
    assert_string_equal(body_of(visit), "{\"success\":true,\"data\":{\"epoch\":3,\"seq\":4}}");
}

static void who_says_it_may_stand_in_the_query(void **state)
{
    (void)state;
    struct visit *visit = begin_visit("POST", PATH("send"), ME, "{\"content\":\"hi\"}");
    job_do();
    stored(1, ERR_OK, false);
    assert_int_equal(visit->status, 200);
    assert_string_equal(net.client_id, "");
}

static void what_cannot_be_said_is_refused(void **state)
{
    (void)state;
    assert_refused(say(""), 400, "bad_json");
    assert_refused(say("[]"), 400, "bad_json");
    assert_refused(say("{\"content\":\"hi\"}"), 400, "bad_request");
    assert_refused(say("{\"nickId\":\"" NICK_ID "\"}"), 400, "bad_content");
    assert_refused(say("{\"nickId\":\"" NICK_ID "\",\"content\":5}"), 400, "bad_content");
    assert_refused(say("{\"nickId\":\"" NICK_ID "\",\"content\":\"\"}"), 400, "bad_content");
    assert_refused(say("{\"nickId\":\"" NICK_ID "\",\"content\":\"\\u0001\"}"), 400, "bad_content");
    assert_refused(say("{\"nickId\":\"" NICK_ID "\",\"content\":\"x\",\"clientId\":5}"), 400, "bad_request");
    char body[300], *longer = repeat("x", 65);
    snprintf(body, sizeof body, "{\"nickId\":\"" NICK_ID "\",\"content\":\"x\",\"clientId\":\"%s\"}", longer);
    free(longer);
    assert_refused(say(body), 400, "bad_request");
    assert_refused(say("{\"nickId\":\"user_x\",\"content\":\"x\"}"), 404, "not_found");
    world.stranger = true;
    assert_refused(say(SAID), 404, "not_found");
    assert_int_equal(net.submitted, 0);
}

static void what_was_not_stored_is_told(void **state)
{
    (void)state;
    net.submit = ERR_BUSY;
    assert_refused(say(SAID), 503, "busy");
    net.submit = ERR_OK;
    static const struct {
        enum err err;
        unsigned status;
        const char *code;
    } rows[] = {{ERR_DOWN, 503, "unavailable"}, {ERR_UNKNOWN, 504, "unknown"}, {ERR_INTERNAL, 500, "refused"}};
    for (size_t i = 0; i < 3; i++) {
        struct visit *visit = say(SAID);
        stored(0, rows[i].err, false);
        assert_refused(visit, rows[i].status, rows[i].code);
    }
    struct visit *visit = say(SAID); /* a relay that ends does not wait */
    session_close(sessions_find(&sessions, net.submitter.session_id), 1012, "Restarting: come back");
    assert_refused(visit, 504, "unknown");
    stored(9, ERR_OK, false);
}

static void who_leaves_has_said_it_all_the_same(void **state)
{
    (void)state;
    struct visit *visit = begin_visit("POST", PATH("send"), "", SAID);
    leave(visit); /* before anything is known */
    job_do();
    assert_int_equal(net.submitted, 1);
    assert_int_equal(net.submitter.session_id, 0);
    visit = say(SAID);
    leave(visit); /* before the commit */
    assert_int_equal(net.submitted, 2);
    stored(2, ERR_OK, false);
    assert_int_equal(visit->status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOMS(callbacks_are_names_and_nothing_else),
        ROOMS(cursors_are_two_numbers),
        ROOMS(seconds_may_have_a_fraction),
        ROOMS(a_client_s_numbers_are_integers_however_they_are_spelled),
        ROOMS(nothing_in_a_script_can_end_it),
        ROOMS(events_are_lines_whatever_they_hold),
        ROOMS(who_is_no_member_finds_nothing),
        ROOMS(without_a_database_one_is_told_when_to_come_back),
        ROOMS(other_paths_and_methods_are_refused),
        ROOMS(bad_arguments_are_told),
        ROOMS(who_leaves_while_being_looked_up_is_forgotten),
        ROOMS(what_is_said_is_answered_after_the_commit),
        ROOMS(who_says_it_may_stand_in_the_query),
        ROOMS(what_cannot_be_said_is_refused),
        ROOMS(what_was_not_stored_is_told),
        ROOMS(who_leaves_has_said_it_all_the_same),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
