/* The pace at which a room is written to. */
#include "hub_fakes.h"

/* Every write takes this long on the frozen clock. */
static int64_t write_ms;
static int64_t small_us; /* since now_ms */

static enum send_result slow_send(void *socket, struct str bytes)
{
    clock_freeze(now_ms += write_ms);
    return on_send(socket, bytes);
}

static const struct transport slow_wire = {.send = slow_send, .close = on_close, .kill = on_kill, .pause = on_pause};

static int begin_slow(void **state)
{
    write_ms = small_us = 0;
    return begin(state);
}

static int end_slow(void **state)
{
    int result = end(state);
    clock_freeze(-1);
    return result;
}

static struct client *slow_client(uint64_t conversation, uint64_t seq)
{
    struct client *client = joined_client(conversation, LINES, seq);
    client->session->transport = &slow_wire;
    return client;
}

static void check_got(struct client *client, const char *want)
{
    assert_str(buf_str(&client->got), str_of(want));
}

static void what_comes_while_a_room_rests_goes_out_in_one_write(void **state)
{
    (void)state;
    struct client *a = slow_client(7, 0), *b = slow_client(7, 0);
    write_ms = 2;
    deliver(7, 1);
    assert_int_equal(hub_flush(&hub), -1);
    check_got(b, "1:m1;");
    deliver(7, 2);
    assert_int_equal(hub_flush(&hub), 4); /* as long as the two writes took */
    go(3);
    deliver(7, 3);
    assert_int_equal(hub_flush(&hub), 1);
    check_got(a, "1:m1;");
    go(1);
    hub_flush(&hub);
    check_got(a, "1:m1;2:m2;3:m3;");
    check_got(b, "1:m1;2:m2;3:m3;");
    assert_int_equal(a->writes, 2);
}

static void only_the_room_that_was_slow_rests(void **state)
{
    (void)state;
    struct client *slow = slow_client(7, 0), *quick = joined_client(8, LINES, 0);
    write_ms = 5;
    deliver(7, 1);
    hub_flush(&hub);
    deliver(7, 2);
    deliver(8, 1);
    assert_int_equal(hub_flush(&hub), 5);
    check_got(quick, "1:m1;");
    check_got(slow, "1:m1;");
    deliver(8, 2);
    assert_int_equal(hub_flush(&hub), 5);
    check_got(quick, "1:m1;2:m2;");
    go(5);
    hub_flush(&hub);
    check_got(slow, "1:m1;2:m2;");
}

static void after_a_cooldown_the_next_message_goes_out_at_once(void **state)
{
    (void)state;
    struct client *client = slow_client(7, 0);
    write_ms = 5;
    deliver(7, 1);
    hub_flush(&hub);
    go(5);
    deliver(7, 2);
    assert_int_equal(hub_flush(&hub), -1);
    check_got(client, "1:m1;2:m2;");
}

static void no_cooldown_is_longer_than_fifty_milliseconds(void **state)
{
    (void)state;
    slow_client(7, 0);
    write_ms = 3000;
    deliver(7, 1);
    hub_flush(&hub);
    deliver(7, 2);
    assert_int_equal(hub_flush(&hub), 50);
}

static void an_answer_does_not_wait_for_the_room_and_takes_what_the_log_has_with_it(void **state)
{
    (void)state;
    struct client *asks = slow_client(7, 0), *other = slow_client(7, 0);
    write_ms = 5;
    deliver(7, 1);
    hub_flush(&hub);
    deliver(7, 2);
    session_send_raw(asks->session, STR("answer;"));
    check_got(asks, "1:m1;2:m2;answer;");
    check_got(other, "1:m1;");
}

/* Takes 150 microseconds. */
static enum send_result small_send(void *socket, struct str bytes)
{
    clock_freeze_us(now_ms * 1000 + (small_us += 150));
    return on_send(socket, bytes);
}

static const struct transport small_wire = {.send = small_send, .close = on_close, .kill = on_kill, .pause = on_pause};

static void many_small_rooms_cool_down_together(void **state)
{
    (void)state;
    struct client *small[20];
    for (uint64_t room = 0; room < 20; room++) {
        small[room] = joined_client(10 + room, LINES, 0);
        small[room]->session->transport = &small_wire;
        deliver(10 + room, 1);
    }
    go(100); /* in which the loop waited for nothing */
    assert_int_equal(hub_flush(&hub), -1);
    deliver(10, 2);
    assert_int_equal(hub_flush(&hub), 3); /* as long as the twenty writes took */
    deliver(10, 3);
    check_got(small[0], "1:m1;");
    go(10);
    assert_int_equal(hub_flush(&hub), -1);
    check_got(small[0], "1:m1;2:m2;3:m3;");
    assert_int_equal(small[0]->writes, 2);
}

static void small_rooms_rest_only_while_the_loop_has_no_time_left(void **state)
{
    (void)state;
    struct client *small[20];
    uint64_t seq = 0;
    for (uint64_t room = 0; room < 20; room++) {
        small[room] = joined_client(10 + room, LINES, 0);
        small[room]->session->transport = &small_wire;
    }
    static const int64_t waited_us[] = {50000, 7000, 6000, 50000}; /* of the 100 ms before */
    for (size_t i = 0; i < 4; i++) {
        go(100);
        hub.waited_us += waited_us[i];
        seq++;
        for (uint64_t room = 0; room < 20; room++)
            deliver(10 + room, room ? i + 1 : seq);
        assert_int_equal(hub_flush(&hub), -1);
        deliver(10, ++seq);
        assert_int_equal(hub_flush(&hub), waited_us[i] == 6000 ? 3 : -1);
    }
    check_got(small[1], "1:m1;2:m2;3:m3;4:m4;");
    check_got(small[0], "1:m1;2:m2;3:m3;4:m4;5:m5;6:m6;7:m7;8:m8;");
}

static void a_few_small_rooms_do_not_rest(void **state)
{
    (void)state;
    struct client *small[3];
    for (uint64_t room = 0; room < 3; room++) {
        small[room] = joined_client(10 + room, LINES, 0);
        small[room]->session->transport = &small_wire;
        deliver(10 + room, 1);
    }
    assert_int_equal(hub_flush(&hub), -1);
    deliver(10, 2);
    assert_int_equal(hub_flush(&hub), -1);
    check_got(small[0], "1:m1;2:m2;");
}

static void who_is_closed_while_the_room_rests_gets_the_rest_first(void **state)
{
    (void)state;
    struct client *leaving = slow_client(7, 0), *staying = slow_client(7, 0);
    write_ms = 5;
    deliver(7, 1);
    hub_flush(&hub);
    deliver(7, 2);
    session_close(leaving->session, 1012, "restarting");
    check_got(leaving, "1:m1;2:m2;");
    assert_int_equal(leaving->closes, 1);
    check_got(staying, "1:m1;");
}

static void a_room_whose_readers_leave_while_it_rests_is_forgotten(void **state)
{
    (void)state;
    struct client *client = slow_client(7, 0);
    write_ms = 5;
    deliver(7, 1);
    hub_flush(&hub);
    deliver(7, 2);
    assert_int_equal(hub_flush(&hub), 5);
    hub_leave(&hub, client->session);
    assert_int_equal(hub_flush(&hub), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_comes_while_a_room_rests_goes_out_in_one_write, begin_slow, end_slow),
        cmocka_unit_test_setup_teardown(only_the_room_that_was_slow_rests, begin_slow, end_slow),
        cmocka_unit_test_setup_teardown(after_a_cooldown_the_next_message_goes_out_at_once, begin_slow, end_slow),
        cmocka_unit_test_setup_teardown(no_cooldown_is_longer_than_fifty_milliseconds, begin_slow, end_slow),
        cmocka_unit_test_setup_teardown(an_answer_does_not_wait_for_the_room_and_takes_what_the_log_has_with_it,
                                        begin_slow, end_slow),
        cmocka_unit_test_setup_teardown(many_small_rooms_cool_down_together, begin_slow, end_slow),
        cmocka_unit_test_setup_teardown(small_rooms_rest_only_while_the_loop_has_no_time_left, begin_slow, end_slow),
        cmocka_unit_test_setup_teardown(a_few_small_rooms_do_not_rest, begin_slow, end_slow),
        cmocka_unit_test_setup_teardown(who_is_closed_while_the_room_rests_gets_the_rest_first, begin_slow, end_slow),
        cmocka_unit_test_setup_teardown(a_room_whose_readers_leave_while_it_rests_is_forgotten, begin_slow, end_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
