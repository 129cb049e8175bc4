/* Engine.IO connections: who gets one, what keeps it alive, and how it ends. */
#include "eio_fakes.h"

/* ---- handshake ---- */

static void a_newcomer_who_may_not_connect_is_told_so(void **state)
{
    (void)state;
    unwelcome = 403;
    struct answer *answer = get(NEW);
    assert_int_equal(answer->status, 403);
    assert_string_equal(answer->body, "{\"code\":4,\"message\":\"Forbidden\"}");
    unwelcome = 429;
    assert_int_equal(get(NEW)->status, 429);
    shut = true;
    assert_int_equal(get(NEW)->status, 401);
    assert_int_equal(eio_count(), 0);
}

static void a_handshake_says_what_holds_here(void **state)
{
    (void)state;
    struct answer *answer = get(NEW);
    char expected[256];
    assert_string_equal(answer->type, "text/plain; charset=UTF-8");
    snprintf(expected, sizeof expected,
             "0{\"sid\":\"%s\",\"upgrades\":[\"websocket\"],\"pingInterval\":300,\"pingTimeout\":200,"
             "\"maxPayload\":1000}",
             layer.last->sid);
    assert_str(((struct str){answer->body, answer->len}), str_of(expected));
    assert_int_equal(layer.opened, 1);
    assert_true(eio_id(layer.last) >> 63);
    assert_ptr_equal(eio_find(eio_id(layer.last)), layer.last);
}

static void a_handshake_that_breaks_a_rule_gets_the_protocols_error(void **state)
{
    (void)state;
    static const struct {
        const char *method, *query, *body;
    } rows[] = {
        {"GET", "EIO=4", "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", "EIO=4&transport=abc", "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", "EIO=4&transport=__proto__", "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", "EIO=4&transport=webtransport", "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", "transport=polling&sid=abc", UNKNOWN},
        {"GET", NEW "&sid=__proto__", UNKNOWN},
        {"POST", NEW "&sid=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", UNKNOWN},
        {"POST", NEW, "{\"code\":2,\"message\":\"Bad handshake method\"}"},
        {"PUT", NEW, "{\"code\":2,\"message\":\"Bad handshake method\"}"},
        {"GET", "EIO=4&transport=websocket", BAD},
        {"GET", "transport=polling", "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
        {"GET", "EIO=3&transport=polling", "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
        {"GET", "EIO=abc&transport=polling", "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer *answer = ask(rows[i].method, rows[i].query, STR(""));
        assert_int_equal(answer->status, 400);
        assert_string_equal(answer->type, "application/json");
        assert_str(((struct str){answer->body, answer->len}), str_of(rows[i].body));
    }
    assert_int_equal(layer.opened, 0);
}

static void a_websocket_handshake_is_checked_before_it_is_taken(void **state)
{
    (void)state;
    static const char *const bad[] = {"EIO=4", "transport=websocket", "EIO=3&transport=websocket", NEW,
                                      "EIO=4&transport=websocket&sid=abc"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct answer *answer = make_call("GET", bad[i], STR(""));
        assert_true(eio_upgrade(&answer->call));
        assert_int_equal(answer->status, 400);
    }
    assert_false(eio_upgrade(&make_call("GET", "EIO=4&transport=websocket", STR(""))->call));
}

static void the_path_may_lack_its_last_slash(void **state)
{
    (void)state;
    assert_true(eio_route.claims(STR("/test.io/")));
    assert_true(eio_protocol.claims(STR("/test.io")));
    assert_false(eio_route.claims(STR("/test.io/x")));
    assert_false(eio_route.claims(STR("/test.i")));
    assert_false(eio_route.claims(STR("")));
}

static void another_relays_connection_is_handed_over(void **state)
{
    (void)state;
    char sid[SID_MAX], query[128];
    sid_make(secret, STR(""), 4711, (uint64_t)1 << 63 | 5, sid);
    snprintf(query, sizeof query, NEW "&sid=%s", sid);
    struct answer *answer = get(query);
    assert_true(answer->elsewhere);
    assert_int_equal(given_to, 4711);
    assert_answer(answer, 400, UNKNOWN); /* what is said if that relay is gone */
    given_to = 0;
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    assert_true(eio_upgrade(&make_call("GET", query, STR(""))->call));
    assert_int_equal(given_to, 4711);
}

static void no_more_than_max_connections_of_either_kind_are_taken(void **state)
{
    (void)state;
    char query[128];
    sessions.count = 98;
    open_polling(query);
    open_polling(query);
    assert_int_equal(get(NEW)->status, 503);
    struct answer *upgrade = make_call("GET", "EIO=4&transport=websocket", STR(""));
    assert_true(eio_upgrade(&upgrade->call));
    assert_int_equal(upgrade->status, 503);
    assert_int_equal(ask("POST", query, STR("4a"))->status, 200); /* those inside go on */
}

/* ---- heartbeat ---- */

static void a_client_that_pongs_stays(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    for (int i = 0; i < 5; i++) {
        struct answer *waiting = get(query);
        pass(INTERVAL_MS + WHEEL_TICK_MS);
        assert_answer(waiting, 200, "2");
        assert_answer(ask("POST", query, STR("3")), 200, "ok");
    }
    assert_int_equal(layer.closed, 0);
}

static void a_client_that_does_not_poll_is_gone_to_the_millisecond(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    pass(INTERVAL_MS + TIMEOUT_MS - 1);
    assert_answer(get(query), 200, "2");
    assert_answer(ask("POST", query, STR("3")), 200, "ok");
    pass(INTERVAL_MS + TIMEOUT_MS);
    assert_answer(get(query), 400, UNKNOWN);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "ping timeout");
}

static void a_client_that_polls_and_does_not_pong_is_closed(void **state)
{
    (void)state;
    char query[128];
    pass(2); /* off the wheel's ticks, so that the ping is late */
    open_polling(query);
    struct answer *waiting = get(query);
    pass(INTERVAL_MS);
    assert_false(waiting->answered);
    pass(WHEEL_TICK_MS - 2);
    assert_answer(waiting, 200, "2");
    waiting = get(query);
    pass(TIMEOUT_MS - 2);
    assert_false(waiting->answered); /* its time runs from when it got the ping */
    pass(WHEEL_TICK_MS);
    assert_answer(waiting, 200, "1");
}

/* ---- close ---- */

static void a_client_that_closes_gets_its_poll_back(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    assert_answer(ask("POST", query,
                      BYTES("4a\x1e"
                            "1\x1e"
                            "4b")),
                  200, "ok");
    assert_answer(waiting, 200,
                  "4a\x1e"
                  "6");
    assert_answer(get(query), 400, UNKNOWN);
    assert_answer(ask("POST", query, STR("4c")), 400, UNKNOWN);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.log, "a|");
    assert_string_equal(layer.reason, "transport close");
    assert_int_equal(eio_count(), 0);
}

static void a_poll_that_was_overtaken_by_the_close_is_let_go_too(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    assert_answer(ask("POST", query, STR("1")), 200, "ok");
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(layer.closed, 1);
    assert_answer(ask("POST", query, STR("3")), 400, UNKNOWN);
    assert_answer(get(query), 200, "6");
    assert_answer(get(query), 400, UNKNOWN);
    open_polling(query);
    ask("POST", query, STR("1"));
    pass(EIO_FAREWELL_MS + WHEEL_TICK_MS);
    assert_answer(get(query), 400, UNKNOWN);
    assert_int_equal(eio_count(), 0);
}

static void what_was_sent_goes_out_before_a_close(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    layer.on_message = close_it;
    assert_answer(ask("POST", query,
                      BYTES("4a\x1e"
                            "4b")),
                  200, "ok");
    assert_answer(waiting, 200,
                  "4bye\x1e"
                  "1");
    assert_string_equal(layer.log, "a|");
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "forced close");
    assert_answer(get(query), 400, UNKNOWN);
}

static void the_next_poll_gets_what_a_close_left(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    layer.on_message = close_it;
    ask("POST", query, STR("4a"));
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(layer.closed, 1);                      /* heard long before the client polls */
    assert_answer(ask("POST", query, STR("3")), 200, "ok"); /* it does not know yet */
    assert_answer(get(query), 200,
                  "4bye\x1e"
                  "1");
    assert_answer(get(query), 400, UNKNOWN);
    assert_int_equal(eio_count(), 0);
}

static void draining_closes_by_quota_and_lets_nobody_in(void **state)
{
    (void)state;
    char query[3][128];
    struct answer *waiting[3];
    for (int i = 0; i < 3; i++) {
        open_polling(query[i]);
        waiting[i] = get(query[i]);
    }
    assert_int_equal(eio_drain(2), 3);
    assert_int_equal(waiting[0]->answered + waiting[1]->answered + waiting[2]->answered, 2);
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(eio_count(), 1);
    assert_int_equal(get(NEW)->status, 503);
    eio_drain(2);
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(eio_drain(2), 0);
}

/* The client counts what stands before a "1" as not received when it comes back. */
static void draining_says_nothing_behind_what_was_sent(void **state)
{
    (void)state;
    char busy[128], idle[128], waits[128];
    open_polling(busy);
    eio_send(layer.last, false, STR("last words"));
    open_polling(waits);
    struct answer *waiting = get(waits);
    eio_send(layer.last, false, STR("for now"));
    open_polling(idle);
    eio_drain(3);
    assert_answer(waiting, 200, "4for now");
    pass(2 * WHEEL_TICK_MS);
    assert_answer(get(busy), 200, "4last words");
    assert_answer(get(idle), 200, "1");
    assert_answer(get(busy), 400, UNKNOWN);
    assert_answer(get(waits), 400, UNKNOWN);
    assert_int_equal(eio_count(), 0);
}

static void who_is_put_out_hears_the_last_word_and_then_the_end(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    struct eio *conn = layer.last;
    eio_send(conn, false, STR("bye"));
    eio_expel(conn, true);
    assert_string_equal(waiting->body, "4bye");
    assert_string_equal(get(query)->body, "1");
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(a_newcomer_who_may_not_connect_is_told_so),
        STORY(who_is_put_out_hears_the_last_word_and_then_the_end),
        STORY(a_handshake_says_what_holds_here),
        STORY(a_handshake_that_breaks_a_rule_gets_the_protocols_error),
        STORY(a_websocket_handshake_is_checked_before_it_is_taken),
        STORY(the_path_may_lack_its_last_slash),
        STORY(another_relays_connection_is_handed_over),
        STORY(no_more_than_max_connections_of_either_kind_are_taken),
        STORY(a_client_that_pongs_stays),
        STORY(a_client_that_does_not_poll_is_gone_to_the_millisecond),
        STORY(a_client_that_polls_and_does_not_pong_is_closed),
        STORY(a_client_that_closes_gets_its_poll_back),
        STORY(a_poll_that_was_overtaken_by_the_close_is_let_go_too),
        STORY(what_was_sent_goes_out_before_a_close),
        STORY(the_next_poll_gets_what_a_close_left),
        STORY(draining_closes_by_quota_and_lets_nobody_in),
        STORY(draining_says_nothing_behind_what_was_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
