/* Engine.IO 3, as clients of Socket.IO's version 2 speak it: its packets and payloads, and connections of it. */
#include "eio_fakes.h"

/* ---- packets and payloads ---- */

static struct buf scratch;

static void next_is(struct str *payload, bool in_binary, enum eio_type type, bool binary, struct str data)
{
    struct eio_packet packet;
    assert_int_equal(eio3_payload_next(payload, in_binary, &scratch, &packet), ERR_OK);
    assert_int_equal(packet.type, type);
    assert_int_equal(packet.binary, binary);
    assert_str(packet.data, data);
}

static enum err first(struct str payload, bool in_binary)
{
    struct eio_packet packet;
    return eio3_payload_next(&payload, in_binary, &scratch, &packet);
}

static void lengths_are_those_of_javascripts_strings(void **state)
{
    (void)state;
    struct str payload = STR("2:4a"
                             "0:"
                             "3:4茶a"
                             "3:4😀"
                             "6:b4AQI="
                             "1:2"
                             "01:6");
    next_is(&payload, false, EIO_MESSAGE, false, STR("a"));
    next_is(&payload, false, EIO_MESSAGE, false, STR("茶a"));
    next_is(&payload, false, EIO_MESSAGE, false, STR("😀"));
    next_is(&payload, false, EIO_MESSAGE, true, STR("\1\2"));
    next_is(&payload, false, EIO_PING, false, STR(""));
    next_is(&payload, false, EIO_NOOP, false, STR(""));
    assert_int_equal(first(payload, false), ERR_NOT_FOUND);
}

static void what_is_no_text_payload_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",     "4",    ":",      ":4",      "1",        "2:4",          "x:4",
        "-1:4", "+1:4", " 1:4",   "1 :4",    "1.0:4",    "2:4😀",        "1:茶",
        "1:7",  "2:b4", "4:b5AA", "6:b4AQI", "6:b4A!I=", "1111111111:4", "99999999999999999999:4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (strcmp(bad[i], "2:b4") != 0)
            assert_int_equal(first(str_of(bad[i]), false), ERR_INVALID);
    assert_int_equal(first(STR("2:b4"), false), ERR_OK); /* no bytes */
}

static void what_is_no_binary_payload_is_refused(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES(""),
        BYTES("\0"),
        BYTES("\0\1"),
        BYTES("\0\xff"),
        BYTES("\0\1\xff"),
        BYTES("\0\2\xff"
              "4"),
        BYTES("\0\x0a\xff"
              "4"),
        BYTES("\0\1\1\1\1\1\1\1\1\1\1\1\xff"),
        BYTES("\1\1\xff\3"),
        BYTES("\1\1\xff"
              "4"),
        BYTES("\0\1\xff\4"),
        BYTES("\0\1:4"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(first(bad[i], true), ERR_INVALID);
    struct str payload = BYTES("\0\4\xff"
                               "4茶"
                               "\1\3\xff\4\0\xff"
                               "\2\1\xff\4"
                               "\0\0\xff"
                               "\0\1\xff"
                               "2");
    next_is(&payload, true, EIO_MESSAGE, false, STR("茶"));
    next_is(&payload, true, EIO_MESSAGE, true, BYTES("\0\xff"));
    next_is(&payload, true, EIO_MESSAGE, true, STR("")); /* whatever is not 0 is binary, as in the reference */
    next_is(&payload, true, EIO_PING, false, STR(""));
    assert_int_equal(first(payload, true), ERR_NOT_FOUND);
}

static void what_waits_comes_back_in_either_form(void **state)
{
    (void)state;
    struct buf waits, text;
    buf_init(&waits, 100000);
    buf_init(&text, 400000);
    char long_text[1234];
    memset(long_text, 'x', sizeof long_text);
    eio3_payload_add(&waits, EIO_MESSAGE, false, STR("ä茶😀"));
    eio3_payload_add(&waits, EIO_NOOP, false, STR(""));
    eio3_payload_add(&waits, EIO_MESSAGE, false, (struct str){long_text, sizeof long_text});
    assert_false(eio3_payload_has_binary(buf_str(&waits)));
    eio3_payload_text(buf_str(&waits), &text);
    assert_memory_equal(text.data, "5:4ä茶😀1:61235:4xxx", strlen("5:4ä茶😀1:61235:4xxx"));
    eio3_payload_add(&waits, EIO_MESSAGE, true, BYTES("\0\1\2\3"));
    assert_true(eio3_payload_has_binary(buf_str(&waits)));
    struct str rest = buf_str(&waits);
    next_is(&rest, true, EIO_MESSAGE, false, STR("ä茶😀"));
    next_is(&rest, true, EIO_NOOP, false, STR(""));
    next_is(&rest, true, EIO_MESSAGE, false, (struct str){long_text, sizeof long_text});
    next_is(&rest, true, EIO_MESSAGE, true, BYTES("\0\1\2\3"));
    buf_clear(&text);
    eio3_payload_text(buf_str(&waits), &text);
    assert_true(text.len <= eio3_payload_text_cost(waits.len));
    rest = buf_str(&text);
    next_is(&rest, false, EIO_MESSAGE, false, STR("ä茶😀"));
    next_is(&rest, false, EIO_NOOP, false, STR(""));
    next_is(&rest, false, EIO_MESSAGE, false, (struct str){long_text, sizeof long_text});
    next_is(&rest, false, EIO_MESSAGE, true, BYTES("\0\1\2\3"));
    assert_int_equal(first(rest, false), ERR_NOT_FOUND);
    buf_clear(&text);
    eio3_payload_text(STR(""), &text);
    assert_str(buf_str(&text), STR("0:"));
    for (size_t len = 0; len < 40; len++) { /* the bounds hold */
        for (int binary = 0; binary < 2; binary++) {
            buf_clear(&waits);
            buf_clear(&text);
            eio3_payload_add(&waits, EIO_MESSAGE, binary, (struct str){long_text, len});
            assert_true(waits.len <= eio3_payload_cost(len));
            eio3_payload_text(buf_str(&waits), &text);
            assert_true(text.len <= eio3_payload_text_cost(waits.len));
        }
    }
    buf_fini(&waits);
    buf_fini(&text);
}

/* ---- connections ---- */

static int begin3(void **state)
{
    buf_init(&scratch, 4096);
    int result = begin(state);
    settings.io_eio3 = 1;
    return result;
}

static int end3(void **state)
{
    buf_fini(&scratch);
    return end(state);
}

static void it_is_refused_unless_it_is_allowed(void **state)
{
    (void)state;
    static const char *const others[] = {"transport=polling", "EIO=&transport=polling", "EIO=5&transport=polling",
                                         "EIO=33&transport=polling"};
    char query[128];
    settings.io_eio3 = 0;
    assert_string_equal(get(NEW3)->body, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    settings.io_eio3 = 1;
    assert_int_equal(get(NEW3)->status, 200);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_string_equal(get(others[i])->body, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    open_polling3(query);
    query[4] = '4'; /* a connection keeps its version */
    assert_string_equal(get(query)->body, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    open_polling(query);
    query[4] = '3';
    assert_string_equal(get(query)->body, "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
}

static void the_client_pings_and_whatever_it_says_keeps_it(void **state)
{
    (void)state;
    char query[128];
    open_polling3(query);
    for (int i = 0; i < 4; i++) {
        pass(INTERVAL_MS + TIMEOUT_MS - 2 * WHEEL_TICK_MS);
        assert_answer(ask("POST", query, STR("1:2")), 200, "ok");
        assert_answer(get(query), 200, "1:3");
    }
    pass(INTERVAL_MS + TIMEOUT_MS - 2 * WHEEL_TICK_MS);
    assert_answer(ask("POST", query, STR("2:4a")), 200, "ok");
    pass(INTERVAL_MS + TIMEOUT_MS - 2 * WHEEL_TICK_MS);
    assert_int_equal(layer.closed, 0);
    pass(4 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "ping timeout");
    open_polling3(query);
    assert_answer(ask("POST", query, STR("1:3")), 400, BAD); /* a pong is the server's to say */
    pass(WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "transport error");
}

static void bytes_make_a_binary_payload_unless_it_is_not_taken(void **state)
{
    (void)state;
    char query[128], jsonp[160];
    open_polling3(query);
    struct answer *answer = get(query);
    eio_send(layer.last, false, STR("ä"));
    eio_send(layer.last, true, BYTES("\0\1"));
    eio_flush();
    assert_string_equal(answer->type, "application/octet-stream");
    assert_str(((struct str){answer->body, answer->len}), BYTES("\0\3\xff"
                                                                "4ä"
                                                                "\1\3\xff\4\0\1"));
    snprintf(jsonp, sizeof jsonp, "%s&j=2", query);
    answer = get(jsonp);
    eio_send(layer.last, true, BYTES("\0\1"));
    eio_flush();
    assert_answer(answer, 200, "___eio[2](\"6:b4AAE=\");");
    get(NEW3 "&b64=1");
    snprintf(query, sizeof query, NEW3 "&sid=%s", layer.last->sid);
    answer = get(query);
    eio_send(layer.last, true, BYTES("\0\1"));
    eio_flush();
    assert_answer(answer, 200, "6:b4AAE=");
    assert_string_equal(answer->type, "text/plain; charset=UTF-8");
}

static void a_binary_body_is_taken(void **state)
{
    (void)state;
    char query[128];
    open_polling3(query);
    struct answer *call = make_call("POST", query,
                                    BYTES("\0\2\xff"
                                          "4a"
                                          "\1\2\xff\4b"));
    call->content_type = "application/octet-stream";
    eio_route.handle(&call->call);
    assert_answer(call, 200, "ok");
    assert_string_equal(layer.log, "a|b:b|");
    assert_answer(ask("POST", query, STR("2:4c1:12:4d")), 200, "ok"); /* after its "1" nothing counts */
    assert_string_equal(layer.log, "a|b:b|c|");
}

static void it_changes_over_to_a_websocket(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling3(query);
    to_websocket(query, upgrade);
    struct fake_socket *socket = connect_socket(upgrade);
    say(socket, "2probe");
    assert_string_equal(heard(socket), "3probe");
    eio_send(layer.last, false, STR("first"));
    eio_send(layer.last, true, STR("x"));
    say(socket, "5");
    assert_string_equal(heard(socket), "4first");
    assert_string_equal(heard(socket), "b\4x");
    say(socket, "2");
    assert_string_equal(heard(socket), "3");
    say(socket, "b4eA==");
    assert_string_equal(heard(socket), "b\4x");
    eio_protocol.received_binary(&socket->session, STR("\4y"));
    assert_string_equal(heard(socket), "b\4y");
    eio_protocol.received_binary(&socket->session, STR("y"));
    assert_int_equal(socket->code, 1002);
    hang_up(socket);
    socket = connect_socket("EIO=3&transport=websocket&b64=1");
    heard(socket);
    eio_send(layer.last, true, STR("x"));
    assert_string_equal(heard(socket), "b4eA==");
    say(socket, "3");
    assert_int_equal(socket->code, 1002);
    hang_up(socket);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin3, end3)
    const struct CMUnitTest tests[] = {
        STORY(lengths_are_those_of_javascripts_strings),
        STORY(what_is_no_text_payload_is_refused),
        STORY(what_is_no_binary_payload_is_refused),
        STORY(what_waits_comes_back_in_either_form),
        STORY(it_is_refused_unless_it_is_allowed),
        STORY(the_client_pings_and_whatever_it_says_keeps_it),
        STORY(bytes_make_a_binary_payload_unless_it_is_not_taken),
        STORY(a_binary_body_is_taken),
        STORY(it_changes_over_to_a_websocket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
