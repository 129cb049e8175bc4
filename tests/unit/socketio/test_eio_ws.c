/* Engine.IO over WebSockets, and the change from polling to one. */
#include "eio_fakes.h"

/* ---- WebSocket ---- */

static void a_websocket_is_a_connection_by_itself(void **state)
{
    (void)state;
    struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
    const char *open = heard(socket);
    assert_memory_equal(open, "0{\"sid\":\"", 9);
    assert_non_null(strstr(open, "\"upgrades\":[],"));
    say(socket, "4hello");
    assert_string_equal(heard(socket), "4hello");
    eio_protocol.received_binary(&socket->session, STR("\1\2"));
    assert_string_equal(heard(socket), "b\1\2");
    assert_int_equal(eio_protocol.max_message(&settings), 1000);
    hang_up(socket);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "transport close");
    assert_int_equal(eio_count(), 0);
}

/* A client without binary frames says binary packets as polling does, and wants them so. */
static void a_websocket_without_binary_frames_speaks_base64(void **state)
{
    (void)state;
    struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
    heard(socket);
    say(socket, "bAQI=\n");
    assert_string_equal(layer.log, "b:\1\2|");
    assert_string_equal(heard(socket), "b\1\2"); /* it did not ask for base64 */
    hang_up(socket);
    socket = connect_socket("EIO=4&transport=websocket&b64=1");
    heard(socket);
    say(socket, "bAQI=");
    assert_string_equal(heard(socket), "bAQI=");
    say(socket, "b");
    assert_string_equal(heard(socket), "b");
    say(socket, "4text");
    assert_string_equal(heard(socket), "4text");
    hang_up(socket);

    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    strcat(upgrade, "&b64=1");
    socket = connect_socket(upgrade);
    say(socket, "2probe");
    assert_string_equal(heard(socket), "3probe");
    ask("POST", query, STR("bAQI="));
    say(socket, "5");
    assert_string_equal(heard(socket), "bAQI="); /* what no poll fetched */
    hang_up(socket);
}

static void a_websocket_is_pinged_and_closed_when_it_does_not_pong(void **state)
{
    (void)state;
    struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
    heard(socket);
    for (int i = 0; i < 3; i++) {
        pass(INTERVAL_MS + WHEEL_TICK_MS);
        assert_string_equal(heard(socket), "2");
        say(socket, "3");
    }
    pass(INTERVAL_MS + TIMEOUT_MS + 2 * WHEEL_TICK_MS);
    assert_int_equal(socket->code, 1000);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "ping timeout");
    hang_up(socket);
}

static void a_frame_that_is_no_packet_closes_the_websocket(void **state)
{
    (void)state;
    static const char *const bad[] = {"abc", "", "bAQ=", "b?", "2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
        say(socket, bad[i]);
        assert_int_equal(socket->code, 1002);
        hang_up(socket);
    }
    struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
    say(socket, "1");
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
}

static void a_websocket_is_closed_after_what_was_sent(void **state)
{
    (void)state;
    struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
    turn(socket);
    heard(socket);
    layer.on_message = close_it;
    eio_protocol.received(&socket->session, STR("4a"));
    assert_int_equal(socket->code, 0); /* not before it is out */
    turn(socket);
    assert_string_equal(heard(socket), "4bye");
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "forced close");
    assert_int_equal(eio_count(), 0);
}

static void a_websocket_that_does_not_read_is_closed_all_the_same(void **state)
{
    (void)state;
    struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
    eio_close(layer.last, "forced close");
    assert_int_equal(socket->code, 0);
    pass(settings.close_timeout_ms + WHEEL_TICK_MS);
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
}

/* ---- upgrade ---- */

/* A WebSocket that names a connection of polling, which is opened for it; `query` gets what its requests say. */
static struct fake_socket *begin_upgrade(char query[128])
{
    char upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    return connect_socket(upgrade);
}

/* And the probe was answered. */
static struct fake_socket *probed(char query[128])
{
    struct fake_socket *socket = begin_upgrade(query);
    say(socket, "2probe");
    assert_string_equal(heard(socket), "3probe");
    return socket;
}

static void polling_becomes_a_websocket(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    struct answer *waiting = get(query);
    struct fake_socket *socket = connect_socket(upgrade);
    assert_false(waiting->answered);
    say(socket, "2probe");
    assert_string_equal(heard(socket), "3probe");
    assert_answer(waiting, 200, "6");
    waiting = get(query); /* until the change is made none waits for long */
    assert_true(waiting->held);
    pass(EIO_NOOP_MS + WHEEL_TICK_MS);
    assert_answer(waiting, 200, "6");
    ask("POST", query,
        BYTES("4one\x1e"
              "bAQI="));
    say(socket, "5");
    assert_string_equal(heard(socket), "4one"); /* what no poll fetched */
    assert_string_equal(heard(socket), "b\1\2");
    say(socket, "4two");
    assert_string_equal(heard(socket), "4two");
    assert_answer(get(query), 400, BAD);
    assert_answer(ask("POST", query, STR("4x")), 400, BAD);
    assert_int_equal(layer.opened, 1);
    assert_int_equal(layer.closed, 0);
    hang_up(socket);
}

static void a_poll_that_overtook_the_upgrade_is_refused(void **state)
{
    (void)state;
    char query[128];
    struct fake_socket *socket = probed(query);
    struct answer *late = get(query);
    assert_true(late->held);
    say(socket, "5");
    assert_answer(late, 400, BAD);
    pass(EIO_NOOP_MS + WHEEL_TICK_MS);
    say(socket, "4hello");
    assert_string_equal(heard(socket), "4hello");
    hang_up(socket);
}

static void a_poll_that_overtook_the_probe_is_refused_too(void **state)
{
    (void)state;
    char query[128];
    struct fake_socket *socket = begin_upgrade(query);
    struct answer *late = get(query);
    assert_true(late->held);
    say(socket, "2probe");
    assert_string_equal(heard(socket), "3probe");
    assert_true(late->held);
    say(socket, "5");
    assert_answer(late, 400, BAD);
    hang_up(socket);
}

static void a_poll_that_overtook_the_probe_is_let_go_soon(void **state)
{
    (void)state;
    char query[128];
    struct fake_socket *socket = begin_upgrade(query);
    struct answer *late = get(query);
    say(socket, "2probe");
    pass(EIO_NOOP_MS + WHEEL_TICK_MS);
    assert_answer(late, 200, "6");
    hang_up(socket);
}

static void what_is_sent_during_an_upgrade_goes_to_the_poll_that_waits(void **state)
{
    (void)state;
    char query[128];
    struct fake_socket *socket = probed(query);
    struct answer *late = get(query);
    eio_send(layer.last, false, STR("hello"));
    eio_flush();
    assert_answer(late, 200, "4hello");
    pass(EIO_NOOP_MS + WHEEL_TICK_MS);
    hang_up(socket);
    assert_true(get(query)->held);
}

static void the_heartbeat_goes_on_over_the_websocket(void **state)
{
    (void)state;
    char query[128];
    struct fake_socket *socket = probed(query);
    say(socket, "5");
    pass(INTERVAL_MS + WHEEL_TICK_MS);
    assert_string_equal(heard(socket), "2");
    hang_up(socket);
}

static void a_second_websocket_is_closed_and_does_not_disturb_the_first(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    struct fake_socket *first = connect_socket(upgrade), *second = connect_socket(upgrade);
    assert_int_equal(second->code, 1008);
    hang_up(second);
    say(first, "2probe");
    say(first, "5");
    second = connect_socket(upgrade);
    assert_int_equal(second->code, 1008);
    say(second, "4x");
    hang_up(second);
    heard(first);
    say(first, "4hello");
    assert_string_equal(heard(first), "4hello");
    hang_up(first);
}

static void a_failed_upgrade_leaves_the_connection_on_polling(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    static const char *const words[] = {"4hello", "2", "abc", "2probe?"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct fake_socket *socket = connect_socket(upgrade);
        say(socket, words[i]);
        assert_int_equal(socket->code, 1002);
        hang_up(socket);
    }
    struct fake_socket *left = connect_socket(upgrade);
    say(left, "2probe");
    hang_up(left);
    assert_true(get(query)->held); /* and nobody waits for its end any more */
    assert_string_equal(layer.log, "");
    assert_int_equal(layer.closed, 0);
}

static void an_upgrade_that_is_not_finished_is_given_up(void **state)
{
    (void)state;
    char query[128];
    settings.io_ping_interval_ms = 60000;
    struct fake_socket *socket = probed(query);
    pass(EIO_UPGRADE_MS + WHEEL_TICK_MS);
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
    assert_true(get(query)->held);
}

static void a_connection_that_ends_takes_its_probe_along(void **state)
{
    (void)state;
    char query[128];
    struct fake_socket *socket = begin_upgrade(query);
    ask("POST", query, STR("1"));
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
}

static void what_a_close_left_during_an_upgrade_goes_to_the_websocket(void **state)
{
    (void)state;
    char query[128];
    struct fake_socket *socket = probed(query);
    eio_send(layer.last, false, STR("bye"));
    eio_close(layer.last, "forced close");
    say(socket, "5");
    assert_string_equal(heard(socket), "4bye");
    assert_string_equal(heard(socket), "");
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(eio_count(), 0);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(a_websocket_is_a_connection_by_itself),
        STORY(a_websocket_without_binary_frames_speaks_base64),
        STORY(a_websocket_is_pinged_and_closed_when_it_does_not_pong),
        STORY(a_frame_that_is_no_packet_closes_the_websocket),
        STORY(a_websocket_is_closed_after_what_was_sent),
        STORY(a_websocket_that_does_not_read_is_closed_all_the_same),
        STORY(polling_becomes_a_websocket),
        STORY(a_poll_that_overtook_the_upgrade_is_refused),
        STORY(a_poll_that_overtook_the_probe_is_refused_too),
        STORY(a_poll_that_overtook_the_probe_is_let_go_soon),
        STORY(what_is_sent_during_an_upgrade_goes_to_the_poll_that_waits),
        STORY(the_heartbeat_goes_on_over_the_websocket),
        STORY(a_second_websocket_is_closed_and_does_not_disturb_the_first),
        STORY(a_failed_upgrade_leaves_the_connection_on_polling),
        STORY(an_upgrade_that_is_not_finished_is_given_up),
        STORY(a_connection_that_ends_takes_its_probe_along),
        STORY(what_a_close_left_during_an_upgrade_goes_to_the_websocket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
