/* Who is in which room, as one relay sees it, with a Redis that notes what it is asked and answers when and
 * what the test says. What the scripts do inside Redis is for the integration tests. */
#include "presence_fakes.h"

/* ---- coming ---- */

static void the_first_socket_says_who_came(void **state)
{
    (void)state;
    enter(9, "bob", 50);
    check_told(""); /* not before Redis has said who was first */
    assert_int_equal(asked_count, 1);
    check_asked("enter 4 t:presence:7 t:who:7:9 t:rooms:r1:5 t:admit:7:9 r1:5:9 0|1|3bob r1:5 7");
    answer_number(1);
    check_told("join 7 9=bob|entered 50|notify 7|"); /* the line before what the client may say */
    go(50);
    check_asked("HSCAN t:presence:7 0 COUNT 500");
    ANSWER("r1:5:9", "0|1|3bob", "r2:8:4", "1|2|\"\"eve");
    check_told("all 7: 4=\"\"eve 9=3bob|");
}

/* A list that Redis did not give is not an empty one. */
static void an_answer_that_is_no_list_empties_no_room(void **state)
{
    (void)state;
    enter(9, "bob", 50);
    answer_number(1);
    check_told("join 7 9=bob|entered 50|notify 7|");
    go(50);
    check_asked("HSCAN t:presence:7 0 COUNT 500");
    answer_number(5);
    check_told("all 7: 9=3bob|");
}

static void who_is_on_another_relay_comes_without_a_line(void **state)
{
    (void)state;
    enter(9, "bob", 50);
    answer_number(0);
    check_told("entered 50|notify 7|");
}

static void a_kind_of_reader_without_presence_gets_no_line(void **state)
{
    (void)state;
    struct member member = {9, STR("bob"), STR("3")};
    presence_enter(presence, 7, SILENT, &member, 50);
    check_asked("enter 4 t:presence:7 t:who:7:9 t:rooms:r1:5 t:admit:7:9 r1:5:9 1|1|3bob");
    answer_number(1);
    check_told("entered 50|notify 7|");
}

static void a_second_tab_is_silent(void **state)
{
    (void)state;
    bob_is_in();
    enter(9, "bob", 51);
    check_told("entered 51|");
    go(50);
    assert_int_equal(asked_count, 1);
    ANSWER("r1:5:9", "0|1|3bob");
    check_told("to 51: 9=3bob|"); /* nothing has changed: it alone gets the list */
    presence_leave(presence, 7, 9);
    go(60000);
    assert_int_equal(asked_count, 0);
    check_told("");
}

static void a_new_head_is_shown_without_a_line(void **state)
{
    (void)state;
    bob_is_in();
    struct member member = {9, STR("bob"), STR("\"cat\"")};
    presence_enter(presence, 7, TELLING, &member, 51);
    check_asked("enter 4 t:presence:7 t:who:7:9 t:rooms:r1:5 t:admit:7:9 r1:5:9 0|5|\"cat\"bob");
    answer_number(1); /* even if Redis had forgotten */
    check_told("entered 51|notify 7|");
}

/* When a database was put back, a user's number is given out again, and perhaps within the grace. */
static void another_name_under_the_same_number_takes_its_place(void **state)
{
    (void)state;
    bob_is_in();
    presence_leave(presence, 7, 9);
    enter(9, "eve", 51);
    check_asked("enter 4 t:presence:7 t:who:7:9 t:rooms:r1:5 t:admit:7:9 r1:5:9 0|1|3eve");
    answer_number(0);
    check_told("entered 51|notify 7|");
}

/* ---- going ---- */

static void who_goes_has_left_after_the_grace(void **state)
{
    (void)state;
    bob_is_in();
    presence_leave(presence, 7, 9);
    go(4950);
    assert_int_equal(asked_count, 0);
    go(50);
    check_asked("leave 3 t:presence:7 t:who:7:9 t:rooms:r1:5 r1:5:9 r1:5 7 1");
    check_told("");
    answer_number(1);
    check_told("leave 7 9=bob|notify 7|");
    assert_int_equal(presence->rooms.count, 0);
}

static void who_is_still_on_another_relay_goes_without_a_line(void **state)
{
    (void)state;
    bob_is_in();
    presence_leave(presence, 7, 9);
    go(5000);
    answer_number(0);
    check_told("notify 7|");
    assert_int_equal(presence->rooms.count, 0);
}

static void who_returns_within_the_grace_never_left(void **state)
{
    (void)state;
    bob_is_in();
    for (int i = 0; i < 5; i++) { /* a page that is loaded again and again */
        presence_leave(presence, 7, 9);
        go(4900);
        enter(9, "bob", 51);
        go(50);
        ANSWER("r1:5:9", "0|1|3bob");
        check_told("entered 51|to 51: 9=3bob|");
    }
    go(60000);
    assert_int_equal(asked_count, 0);
}

static void who_returns_while_the_leave_is_on_its_way_comes_again(void **state)
{
    (void)state;
    bob_is_in();
    presence_leave(presence, 7, 9);
    go(5000);
    enter(9, "bob", 51);
    assert_int_equal(asked_count, 2);
    answer_number(1);
    check_told("leave 7 9=bob|notify 7|");
    check_asked("enter");
    answer_number(1);
    check_told("join 7 9=bob|entered 51|notify 7|");
    assert_int_equal(presence->rooms.count, 1);
}

static void without_a_grace_the_leave_is_said_at_once(void **state)
{
    (void)state;
    settings.grace_ms = 0;
    bob_is_in();
    presence_leave(presence, 7, 9);
    check_asked("leave");
    answer_number(1);
    check_told("leave 7 9=bob|notify 7|");
}

/* This relay's set of rooms loses a room only with the last who goes. */
static void the_last_of_a_room_takes_the_room_along(void **state)
{
    (void)state;
    bob_is_in();
    enter(4, "eve", 60);
    answer_number(1);
    presence_leave(presence, 7, 4);
    go(2000);
    ANSWER("r1:5:9", "0|1|3bob", "r1:5:4", "0|1|3eve");
    go(3000);
    check_asked("leave 3 t:presence:7 t:who:7:4 t:rooms:r1:5 r1:5:4 r1:5 7 0");
    presence_leave(presence, 7, 9);
    go(5000);
    answer_number(1);
    check_asked("leave 3 t:presence:7 t:who:7:9 t:rooms:r1:5 r1:5:9 r1:5 7 1");
}

/* ---- the list ---- */

static void lists_come_no_faster_than_they_may(void **state)
{
    (void)state;
    bob_is_in();
    for (int i = 0; i < 20; i++) {
        presence_changed(presence, 7);
        go(50);
    }
    assert_int_equal(asked_count, 1); /* not answered yet: no second question */
    ANSWER("r1:5:9", "0|1|3bob", "r2:8:4", "0|1|1eve");
    check_told("all 7: 4=1eve 9=3bob|");
    go(900);
    assert_int_equal(asked_count, 0);
    go(150); /* but what changed while it was asked is not forgotten */
    assert_int_equal(asked_count, 1);
    ANSWER("r1:5:9", "0|1|3bob", "r2:8:4", "0|1|1eve");
    check_told("");                /* the same as before */
    presence_changed(presence, 8); /* a room that nobody here is in */
    go(5000);
    assert_int_equal(asked_count, 0);
}

static void somebody_with_entries_on_two_relays_is_listed_once(void **state)
{
    (void)state;
    bob_is_in();
    presence_changed(presence, 7);
    go(50);
    ANSWER("r2:8:9", "0|1|4bob", "r3:1:4", "0|1|1eve", "r1:5:9", "0|1|3bob", "r2:8:4", "0|1|1eve");
    check_told("all 7: 4=1eve 9=3bob|"); /* and as this relay knows them */
}

static void entries_that_cannot_be_read_are_counted_and_left_out(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"nocolon", "0|1|3eve"},
        {"r2:8:4", ""},
        {"r2:8:4", "eve"},
        {"r2:8:4", "0|eve"},
        {"r2:8:4", "0|9|3eve"},
        {"r2:8:4", "0|-1|3eve"},
        {"r2:8:4", "|1|3eve"},
        {"r2:8:4", "99|1|3eve"},
        {"r2:8:4", "0|1"},
        {"r2:8:4", "0|99999999999999999999|3eve"},
        {"r2:8:4", "-1|1|3eve"},
        {"r2:8:4", "0|1|3e\xed\xa0\x80"},
        {"r2:8:4", "0|1|\xff"
                   "eve"},
        {"r2:8:4", "0|0|eve"}, /* a head is JSON: it goes into frames as it is */
        {"r2:8:4", "0|3|3,\"eve"},
        {"r2:8:", "0|1|3eve"},
        {"r2:8:x", "0|1|3eve"},
        {"r2:8:0", "0|1|3eve"},
        {NULL, "0|1|3eve"},
        {"r2:8:4", NULL},
    };
    bob_is_in();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t malformed = metric_get(METRIC_BUS_MALFORMED);
        presence_changed(presence, 7);
        go(2000);
        ANSWER(bad[i][0], bad[i][1], "r1:5:9", "0|1|3bob");
        assert_int_equal(metric_get(METRIC_BUS_MALFORMED) - malformed, 1);
        check_told("");
    }
    presence_changed(presence, 7);
    go(2000);
    ANSWER("r1:5:9", "0|1|3bob", "r2:8:4"); /* a field without its value */
    check_told("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_socket_says_who_came),
        TEST(an_answer_that_is_no_list_empties_no_room),
        TEST(who_is_on_another_relay_comes_without_a_line),
        TEST(a_kind_of_reader_without_presence_gets_no_line),
        TEST(a_second_tab_is_silent),
        TEST(a_new_head_is_shown_without_a_line),
        TEST(another_name_under_the_same_number_takes_its_place),
        TEST(who_goes_has_left_after_the_grace),
        TEST(who_is_still_on_another_relay_goes_without_a_line),
        TEST(who_returns_within_the_grace_never_left),
        TEST(who_returns_while_the_leave_is_on_its_way_comes_again),
        TEST(without_a_grace_the_leave_is_said_at_once),
        TEST(the_last_of_a_room_takes_the_room_along),
        TEST(lists_come_no_faster_than_they_may),
        TEST(somebody_with_entries_on_two_relays_is_listed_once),
        TEST(entries_that_cannot_be_read_are_counted_and_left_out),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
