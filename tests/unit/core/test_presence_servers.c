/* Presence on several Redis servers: each is asked, lost and left by itself. */
#include "presence_fakes.h"

/* ---- several Redis servers ---- */

static int begin_with_two(void **state)
{
    int failed = begin(state);
    presence_free(presence);
    server_count = 2;
    presence = presence_new(&settings, &wheel, &hub, NULL, 5);
    return failed;
}

static void ann_is_in_room_8(void)
{
    struct member member = {5, STR("ann"), STR("2")};
    presence_enter(presence, 8, TELLING, &member, 0);
    check_asked("2: enter 4 t:presence:8 t:who:8:5");
    answer_number(1);
    check_told("join 8 5=ann|notify 8|");
}

static void each_server_has_a_lease_and_is_asked_for_its_dead(void **state)
{
    (void)state;
    presence_bus_state(presence, 0, true);
    presence_bus_state(presence, 1, true);
    check_asked("renew");
    answer_renewed(true, false);
    check_asked("2: renew");
    answer_renewed(true, false);
    check_asked("SSCAN");
    answer_texts(0, NULL); /* rooms that it has us in: none */
    check_asked("2: SSCAN");
    answer_texts(0, NULL);
    for (int quarter = 1; quarter < 4; quarter++) {
        go(10000000 / 4); /* leases may have run out because the servers were away: others may come back, too */
        while (asked_count) {
            assert_null(strstr(asked[0].text, "find"));
            answer(NULL);
        }
    }
    settings.lease_ms = 30000;
    go(10000000 / 4);
    while (strncmp(asked[0].text, "find", 4) != 0)
        answer(NULL);
    answer_texts(0, NULL);
    check_asked("2: find");
    ANSWER("r2:8", "7"); /* a room that has moved to the first since: reaped where it was found */
    check_asked("2: reap 4 t:presence:7");
    answer_texts(0, NULL);
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static void who_is_online_is_asked_of_the_server_that_knows(void **state)
{
    (void)state;
    int calls = 0;
    struct presence_asked who[] = {{.user = 5}, {.user = 8}, {.user = 6}};
    const struct bus_reply numbers[] = {{.is_number = true, .number = 1}, {.is_number = true}};
    const struct bus_reply first = {.elements = numbers, .count = 2}, second = {.elements = numbers, .count = 1};
    presence_ask_online(presence, who, 3, count_call, &calls);
    assert_int_equal(asked_count, 2);
    assert_string_equal(asked[0].text, "ask 0 t 9223372036854775813:5 9223372036854775814:6");
    assert_string_equal(asked[1].text, "2: ask 0 t 9223372036854775816:8");
    answer(&first);
    assert_int_equal(calls, 0);
    answer(&second);
    assert_int_equal(calls, 1);
    for (int i = 0; i < 3; i++)
        assert_true(who[i].known && who[i].online == (who[i].user != 6));
    /* one is down, and the other says less than it was asked */
    second_is_down = true;
    presence_ask_online(presence, who, 3, count_call, &calls);
    answer(&second);
    assert_int_equal(calls, 2);
    for (int i = 0; i < 3; i++)
        assert_false(who[i].known || who[i].online);
    presence_ask_online(presence, who, 0, count_call, &calls); /* nobody is asked about */
    assert_int_equal(calls, 3);
    assert_int_equal(asked_count, 0);
}

static void losing_one_server_concerns_its_rooms_only(void **state)
{
    (void)state;
    bob_is_in();
    ann_is_in_room_8();
    go(2000);
    while (asked_count)
        answer(NULL);
    second_is_down = true;
    presence_bus_state(presence, 1, false);
    buf_clear(&told);
    go(2000);
    assert_int_equal(asked_count, 0);
    presence_leave(presence, 7, 9);
    go(5000);
    check_asked("leave 3 t:presence:7 t:who:7:9"); /* the other one still decides for its rooms */
    answer_number(1);
    go(2000);
    while (asked_count)
        answer(NULL);
    second_is_down = false;
    presence_bus_state(presence, 1, true);
    check_asked("2: renew");
    answer_renewed(false, false);
    check_asked("2: enter 4 t:presence:8 t:who:8:5");
    answer_number(1);
    check_asked("2: SSCAN");
    answer_texts(0, NULL);
    assert_int_equal(asked_count, 0);
    go(2000);
    check_asked("2: HSCAN t:presence:8");
}

static void at_the_end_each_server_decides_for_itself_who_goes_on(void **state)
{
    (void)state;
    bob_is_in();
    ann_is_in_room_8();
    presence_leave(presence, 7, 9);
    presence_leave(presence, 8, 5);
    finish();
    check_asked("hand-on");
    answer_number(1); /* there another relay lives */
    assert_int_equal(done_count, 0);
    check_asked("2: hand-on");
    answer_number(0);
    check_asked("2: leave 3 t:presence:8 t:who:8:5");
    answer_number(1);
    check_told("leave 8 5=ann|notify 8|");
    check_asked("2: DEL t:lease:r1:5");
    answer_number(1);
    check_asked("2: find");
    answer_texts(0, NULL);
    assert_int_equal(done_count, 1);
}

/* ---- the end of this relay ---- */

#define TEST_OF_TWO(name) cmocka_unit_test_setup_teardown(name, begin_with_two, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OF_TWO(each_server_has_a_lease_and_is_asked_for_its_dead),
        TEST_OF_TWO(who_is_online_is_asked_of_the_server_that_knows),
        TEST_OF_TWO(losing_one_server_concerns_its_rooms_only),
        TEST_OF_TWO(at_the_end_each_server_decides_for_itself_who_goes_on),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
