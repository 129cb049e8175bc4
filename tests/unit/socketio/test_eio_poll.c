/* Engine.IO over polling: what requests are answered, also as scripts and forms. */
#include "eio_fakes.h"

/* ---- messages over polling ---- */

static void a_payload_comes_back_as_one_payload(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *answer = ask("POST", query,
                                BYTES("4test1\x1e"
                                      "bAQIDBA==\x1e"
                                      "4test3"));
    assert_answer(answer, 200, "ok");
    assert_string_equal(answer->type, "text/html");
    assert_answer(get(query), 200,
                  "4test1\x1e"
                  "bAQIDBA==\x1e"
                  "4test3");
}

static void a_waiting_poll_gets_all_of_a_turn_at_once(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    assert_true(waiting->held);
    ask("POST", query,
        BYTES("4a\x1e"
              "4b"));
    eio_send(layer.last, false, STR("c"));
    assert_false(waiting->answered);
    eio_flush();
    assert_answer(waiting, 200,
                  "4a\x1e"
                  "4b\x1e"
                  "4c");
    assert_true(get(query)->held);
}

static void what_is_no_packet_ends_the_connection(void **state)
{
    (void)state;
    char *separators = repeat("\x1e", 2000);
    const struct str bad[] = {STR("abc"),
                              STR(""),
                              STR("4a\x1e"),
                              STR("bAQ"),
                              STR("4\xed\xa0\x80"),
                              STR("4\xc0\x80"),
                              str_of(separators),
                              STR("4a\x1e"
                                  "bAQIDB\x1e"
                                  "4b")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char query[128];
        open_polling(query);
        assert_answer(ask("POST", query, bad[i]), 400, BAD);
        assert_answer(get(query), 400, UNKNOWN);
        pass(2 * WHEEL_TICK_MS);
        assert_string_equal(layer.reason, "parse error");
        assert_int_equal(layer.closed, (int)i + 1);
    }
    assert_string_equal(layer.log, "a|a|"); /* up to the broken one */
    free(separators);
}

static void a_broken_post_tells_the_waiting_poll(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    ask("POST", query, STR("abc"));
    assert_answer(waiting, 200, "1");
}

static void a_binary_body_is_refused(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *answer = make_call("POST", query, STR("4a"));
    answer->content_type = "application/octet-stream";
    eio_route.handle(&answer->call);
    assert_answer(answer, 400, BAD);
    assert_answer(get(query), 400, UNKNOWN);
}

static void a_poll_during_a_poll_ends_the_connection(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *first = get(query), *second = get(query);
    assert_answer(first, 200, "1");
    assert_answer(second, 400, BAD);
    assert_answer(get(query), 400, UNKNOWN);
    assert_int_equal(layer.closed, 0); /* not before a later turn */
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(layer.closed, 1);
    assert_string_equal(layer.reason, "transport error");
    assert_int_equal(eio_count(), 0);
}

static void a_client_that_leaves_its_poll_is_gone(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    leave(get(query));
    assert_answer(get(query), 400, UNKNOWN);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "transport close");
}

static void other_methods_do_nothing_to_a_connection(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    assert_answer(ask("PUT", query, STR("")), 400, BAD);
    assert_true(get(query)->held);
}

static void a_ping_from_the_client_is_the_wrong_way_round(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    assert_answer(ask("POST", query, STR("2")), 400, BAD);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "transport error");
}

static void packets_without_meaning_are_ignored(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    assert_answer(ask("POST", query,
                      BYTES("0\x1e"
                            "5\x1e"
                            "6\x1e"
                            "4a")),
                  200, "ok");
    assert_answer(get(query), 200, "4a");
}

static void one_that_fetches_nothing_is_closed_as_too_slow(void **state)
{
    (void)state;
    char query[128];
    int64_t before = metric_get(METRIC_CLOSED_SLOW);
    open_polling(query);
    char *text = repeat("x", 2000);
    eio_send(layer.last, false, str_of(text));
    eio_send(layer.last, false, str_of(text));
    assert_int_equal(metric_get(METRIC_CLOSED_SLOW), before);
    eio_send(layer.last, false, str_of(text));
    assert_int_equal(metric_get(METRIC_CLOSED_SLOW), before + 1);
    assert_answer(get(query), 400, UNKNOWN);
    free(text);
}

static void a_waiting_poll_makes_room_for_more(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    char *text = repeat("x", 3000);
    eio_send(layer.last, false, str_of(text));
    eio_send(layer.last, false, str_of(text));
    assert_int_equal(waiting->len, 3001);
    assert_int_equal(get(query)->len, 3001);
    free(text);
}

/* ---- JSONP ---- */

static void a_script_gets_a_payload_as_a_call(void **state)
{
    (void)state;
    char query[128], jsonp[160];
    struct answer *answer = get(NEW "&j=3");
    assert_memory_equal(answer->body, "___eio[3](\"0{\\\"sid\\\":\\\"", 23);
    assert_string_equal(answer->type, "text/javascript; charset=UTF-8");
    snprintf(query, sizeof query, NEW "&sid=%s", layer.last->sid);
    snprintf(jsonp, sizeof jsonp, "%s&j=7);alert(1", query);
    answer = get(jsonp);
    eio_send(layer.last, false, STR("</script>\"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"));
    eio_flush();
    assert_answer(answer, 200, "___eio[71](\"4</script>\\\"\\u2028\\u2029\xe2\x80\xaa\");");
}

static void a_form_brings_a_payload(void **state)
{
    (void)state;
    char query[160];
    get(NEW "&j=0");
    snprintf(query, sizeof query, NEW "&sid=%s&j=0", layer.last->sid);
    assert_answer(ask("POST", query, STR("x=1&d=4a+b%2Bc%0A%5Cn%5C%5Cn%zz%1e4d&d=4e")), 200, "ok");
    assert_string_equal(layer.log, "a b+c\n\n\\n%zz|d|");
    assert_answer(ask("POST", query, STR("x=1")), 400, BAD);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(a_payload_comes_back_as_one_payload),
        STORY(a_waiting_poll_gets_all_of_a_turn_at_once),
        STORY(what_is_no_packet_ends_the_connection),
        STORY(a_broken_post_tells_the_waiting_poll),
        STORY(a_binary_body_is_refused),
        STORY(a_poll_during_a_poll_ends_the_connection),
        STORY(a_client_that_leaves_its_poll_is_gone),
        STORY(other_methods_do_nothing_to_a_connection),
        STORY(a_ping_from_the_client_is_the_wrong_way_round),
        STORY(packets_without_meaning_are_ignored),
        STORY(one_that_fetches_nothing_is_closed_as_too_slow),
        STORY(a_waiting_poll_makes_room_for_more),
        STORY(a_script_gets_a_payload_as_a_call),
        STORY(a_form_brings_a_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
