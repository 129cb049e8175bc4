/* Leases: Redis lost, another relay lost, and the end of this one. */
#include "presence_fakes.h"

/* ---- Redis lost ---- */

static void lose_redis(void)
{
    is_up = false;
    while (asked_count)
        answer(NULL);
    presence_bus_state(presence, 0, false);
}

static void find_redis(void)
{
    is_up = true;
    presence_bus_state(presence, 0, true);
    check_asked("renew 3 t:lease:r1:5 t:relays t:reaped:r1:5 10000000 r1:5");
}

static void without_redis_a_relay_decides_by_what_it_knows(void **state)
{
    (void)state;
    bob_is_in();
    presence_changed(presence, 7);
    go(2000);
    ANSWER("r1:5:9", "0|1|3bob", "r2:8:4", "0|1|1eve");
    check_told("all 7: 4=1eve 9=3bob|");
    lose_redis();
    enter(5, "ann", 60); /* unheard of: she comes */
    check_told("join 7 5=ann|entered 60|notify 7|");
    enter(4, "eve", 61); /* was on another relay when Redis was last heard */
    check_told("entered 61|notify 7|");
    go(2000);
    check_told("all 7: 4=3eve 5=3ann 9=3bob|"); /* those of the other relays stay listed */
    presence_leave(presence, 7, 5);
    presence_leave(presence, 7, 4);
    go(5000);
    check_told("leave 7 5=ann|notify 7|notify 7|");
    go(2000);
    check_told("all 7: 4=3eve 9=3bob|");
}

static void an_answer_that_is_lost_is_no_answer(void **state)
{
    (void)state;
    enter(9, "bob", 50);
    lose_redis();
    check_told("join 7 9=bob|entered 50|notify 7|"); /* nobody is kept waiting */
}

static void redis_that_is_back_is_told_all_again(void **state)
{
    (void)state;
    bob_is_in();
    enter(4, "eve", 60);
    answer_number(1);
    go(50);
    presence_leave(presence, 7, 4);
    lose_redis();
    go(10000); /* eve leaves without Redis, which has her entry still */
    buf_clear(&told);
    find_redis();
    answer_renewed(true, false);
    assert_int_equal(asked_count, 3);
    for (int i = 0; i < 2; i++) {
        bool enters = !strncmp(asked[0].text, "enter", 5);
        check_asked(enters ? "enter 4 t:presence:7 t:who:7:9" : "leave 3 t:presence:7 t:who:7:4");
        answer_number(1); /* Redis came back empty: that bob was first again is no news */
        check_told("notify 7|");
    }
    check_asked("SSCAN t:rooms:r1:5 0 COUNT 100");
    answer_texts(0, NULL);
    go(2000);
    ANSWER("r1:5:9", "0|1|3bob");
    go(60000);
    assert_int_equal(asked_count, 0);
}

static size_t count_entering(void)
{
    size_t count = 0;
    for (size_t i = 0; i < asked_count; i++)
        count += !strncmp(asked[i].text, "enter", 5);
    return count;
}

/* Nothing else waits for a large relay; and what is lost with Redis meanwhile begins anew. */
static void many_entries_are_said_some_at_a_time(void **state)
{
    (void)state;
    enum { MANY = PRESENCE_PAGE + 100 };
    char name[24];
    is_up = false;
    for (uint64_t user = 1; user <= MANY; user++) {
        snprintf(name, sizeof name, "n%llu", (unsigned long long)user);
        enter(user, name, 0);
    }
    find_redis();
    answer_renewed(true, false);
    assert_int_equal(count_entering(), PRESENCE_PAGE);
    lose_redis();
    find_redis();
    answer_renewed(true, false);
    assert_int_equal(count_entering(), PRESENCE_PAGE);
    go(5);
    assert_int_equal(count_entering(), MANY);
    go(5);
    assert_int_equal(count_entering(), MANY);
    lose_redis();
}

/* A server that took over after a failover: the last leaves had not reached it. */
static void entries_that_redis_should_not_have_are_taken_out(void **state)
{
    (void)state;
    bob_is_in();
    enter(4, "eve", 60);
    answer_number(1);
    lose_redis();
    buf_clear(&told);
    find_redis();
    answer_renewed(true, false);
    while (!strncmp(asked[0].text, "enter", 5))
        answer_number(0);
    buf_clear(&told);
    check_asked("SSCAN t:rooms:r1:5 0 COUNT 100");
    ANSWER_PAGE("17", "7", "12");
    check_asked("HSCAN t:presence:7 0 COUNT 500");
    ANSWER("r1:5:9", "0|1|3bob", "r1:5:4", "0|1|3eve", "r1:50:8", "0|1|3zoe");
    check_told("");
    check_asked("HSCAN t:presence:12 0 COUNT 500"); /* nobody of ours is there */
    ANSWER_PAGE("3", "r1:5:9", "0|1|3bob", "r2:8:6", "0|1|3ann");
    check_asked("leave 3 t:presence:12 t:who:12:9 t:rooms:r1:5 r1:5:9 r1:5 12 1");
    answer_number(1);
    check_told("");
    check_asked("HSCAN t:presence:12 3 COUNT 500");
    ANSWER("r1:5:4", "0|1|3eve");
    check_told("notify 12|"); /* that they went was announced when it happened */
    check_asked("leave 3 t:presence:12 t:who:12:4 t:rooms:r1:5 r1:5:4 r1:5 12 1");
    answer_number(0);
    check_asked("SREM t:rooms:r1:5 12");
    answer_number(1);
    check_asked("SSCAN t:rooms:r1:5 17 COUNT 100"); /* the next rooms when these are done */
    answer_texts(0, NULL);
    go(2000);
    check_asked("HSCAN t:presence:7 0 COUNT 500"); /* the list, as after any change */
}

/* Two leaves on their way, one answered: the other may have been lost with the connection. */
static void a_leave_is_forgotten_only_when_all_are_answered(void **state)
{
    (void)state;
    settings.grace_ms = 0;
    bob_is_in();
    presence_leave(presence, 7, 9);
    enter(9, "bob", 51);
    presence_leave(presence, 7, 9);
    assert_int_equal(asked_count, 3);
    answer_number(1);
    lose_redis();
    buf_clear(&told);
    find_redis();
    answer_renewed(true, false);
    check_asked("leave 3 t:presence:7 t:who:7:9");
    answer_number(1);
    check_told("notify 7|");
    go(2000);
    assert_int_equal(presence->rooms.count, 0);
}

static void who_was_announced_as_gone_is_announced_again(void **state)
{
    (void)state;
    bob_is_in();
    lose_redis();
    buf_clear(&told);
    find_redis();
    answer_renewed(false, true); /* another relay took this one for dead */
    check_asked("enter");
    answer_number(1);
    check_told("join 7 9=bob|notify 7|");
}

static void who_was_reaped_here_but_is_elsewhere_is_not_announced(void **state)
{
    (void)state;
    bob_is_in();
    find_redis();
    answer_renewed(false, true);
    answer_number(0);
    check_told("notify 7|");
}

static void an_answer_lost_on_the_way_back_is_asked_for_again(void **state)
{
    (void)state;
    settings.lease_ms = 30000;
    bob_is_in();
    is_up = true;
    presence_bus_state(presence, 0, true);
    go(50);
    lose_redis(); /* before it has answered */
    is_up = true;
    presence_bus_state(presence, 0, true);
    check_asked("renew");
    answer_renewed(true, false);
    check_asked("enter"); /* all the same: the connection was lost in between */
    answer_number(0);
}

static void a_lease_is_kept_alive(void **state)
{
    (void)state;
    settings.lease_ms = 30000;
    presence_bus_state(presence, 0, true);
    check_asked("renew 3 t:lease:r1:5 t:relays t:reaped:r1:5 30000 r1:5");
    answer_renewed(false, false);
    int renewed = 0;
    for (int64_t ms = 0; ms < 60000; ms += 50) {
        go(50);
        for (; asked_count; renewed += !strncmp(asked[0].text, "renew", 5), answer(NULL))
            ;
    }
    assert_int_equal(renewed, 6);
    check_told("");
}

static void answers_of_another_shape_change_nothing(void **state)
{
    (void)state;
    bob_is_in();
    find_redis();
    ANSWER("1");
    go(100);
    assert_int_equal(asked_count, 1); /* the list, as after any change of state */
    check_asked("HSCAN");
    answer_number(5);
    check_told("");
}

/* ---- another relay lost ---- */

static void find_dead_now(void)
{
    settings.lease_ms = 30000;
    go(10000000 / 4);
    check_asked("find 1 t:relays t r1:5 0 100");
}

static void those_of_a_dead_relay_have_left(void **state)
{
    (void)state;
    int64_t reaped = metric_get(METRIC_PRESENCE_REAPED);
    find_dead_now();
    ANSWER("r2:8", "7", "r2:8", "12");
    assert_int_equal(asked_count, 2);
    check_asked("reap 4 t:presence:7 t:rooms:r2:8 t:lease:r2:8 t:reaped:r2:8 r2:8 7 t:who:7: 0 0 500");
    ANSWER_PAGE("6", "4", "0|1|3eve", "6", "1|1|3zoe");
    check_told("leave 7 4=eve|"); /* zoe's kind of reader is told of nobody */
    check_asked("reap 4 t:presence:12 t:rooms:r2:8 t:lease:r2:8 t:reaped:r2:8 r2:8 12 t:who:12: 0 0 500");
    answer_texts(0, NULL); /* another relay was faster */
    check_told("notify 12|");
    check_asked("reap 4 t:presence:7 t:rooms:r2:8 t:lease:r2:8 t:reaped:r2:8 r2:8 7 t:who:7: 0 6 500");
    ANSWER("8", "0|2|\"\"ann");
    check_told("leave 7 8=ann|notify 7|");
    assert_int_equal(asked_count, 0);
    assert_int_equal(metric_get(METRIC_PRESENCE_REAPED) - reaped, 3);
}

static void entries_of_a_dead_relay_that_cannot_be_read_are_passed_over(void **state)
{
    (void)state;
    find_dead_now();
    ANSWER("r2:8", "7", "r2:8"); /* an entry without its room */
    ANSWER("4", "eve", "x", "0|1|3eve", NULL, "0|1|3eve", "5", NULL, "6", "0|1|3ann", "8");
    check_told("leave 7 6=ann|notify 7|");
    assert_int_equal(asked_count, 0);
}

static void a_room_of_a_dead_relay_that_is_none_is_taken_away_in_silence(void **state)
{
    (void)state;
    find_dead_now();
    ANSWER("r2:8", "seven");
    check_asked("reap");
    ANSWER("4", "0|1|3eve");
    check_told("");
    assert_int_equal(asked_count, 0);
}

static void the_dead_are_looked_for_again_and_again(void **state)
{
    (void)state;
    find_dead_now();
    answer(NULL);
    go(7400);
    assert_int_equal(asked_count, 0);
    go(100);
    check_asked("find");
    answer_texts(0, NULL);
    check_told("");
}

/* ---- the end of this relay ---- */

static void what_is_left_is_handed_to_the_other_relays(void **state)
{
    (void)state;
    bob_is_in();
    presence_leave(presence, 7, 9);
    finish();
    check_asked("hand-on 2 t:relays t:lease:r1:5 t r1:5 5001");
    go(60000); /* neither grace nor lease does anything more */
    assert_int_equal(asked_count, 1);
    assert_int_equal(done_count, 0);
    answer_number(2);
    assert_int_equal(done_count, 1);
    assert_int_equal(asked_count, 0);
    check_told("");
}

static void the_last_relay_says_the_leaves_itself(void **state)
{
    (void)state;
    bob_is_in();
    enter(4, "eve", 60);
    answer_number(1);
    presence_leave(presence, 7, 4);
    go(5000);
    presence_leave(presence, 7, 9);
    buf_clear(&told);
    finish();
    while (strncmp(asked[0].text, "hand-on", 7) != 0)
        answer_number(1); /* the list and eve's leave were asked for before */
    buf_clear(&told);
    answer_number(0);
    assert_int_equal(done_count, 0);
    check_asked("leave 3 t:presence:7 t:who:7:9");
    answer_number(1);
    check_told("leave 7 9=bob|notify 7|");
    check_asked("DEL t:lease:r1:5");
    answer_number(1);
    assert_int_equal(done_count, 0);
    check_asked("find 1 t:relays t r1:5 1 100"); /* and those of relays that ended before it */
    ANSWER("r2:8", "12");
    assert_int_equal(done_count, 0);
    check_asked("reap 4 t:presence:12 t:rooms:r2:8 t:lease:r2:8 t:reaped:r2:8 r2:8 12 t:who:12: 1 0 500");
    ANSWER("4", "0|1|3eve");
    check_told("leave 12 4=eve|notify 12|");
    assert_int_equal(done_count, 1);
}

static void without_redis_the_end_does_not_wait(void **state)
{
    (void)state;
    bob_is_in();
    presence_leave(presence, 7, 9);
    is_up = false;
    finish();
    assert_int_equal(done_count, 1);
    check_told("");
}

static void redis_lost_at_the_end_does_not_hold_it_up(void **state)
{
    (void)state;
    bob_is_in();
    presence_leave(presence, 7, 9);
    finish();
    answer_number(0);
    lose_redis();
    assert_int_equal(done_count, 1);
    check_told("leave 7 9=bob|notify 7|"); /* by what it knows itself */
}

/* Asked before the end and answered after it had begun: nobody waits for it. */
static void what_was_being_asked_when_the_end_came_is_not_waited_for(void **state)
{
    (void)state;
    go(10000000 / 4 + 100);
    while (strncmp(asked[0].text, "find", 4) != 0)
        answer(NULL);
    finish();
    while (asked_count > 2)
        answer_texts(0, NULL);
    check_asked("find");
    ANSWER("r9:1", "7"); /* a dead one: its room is reaped, behind the question who goes on */
    check_asked("hand-on");
    answer_number(0);
    check_asked("reap");
    answer_texts(0, NULL);
    assert_int_equal(done_count, 0);
    check_asked("DEL t:lease:r1:5");
    answer_number(1);
    check_asked("find");
    answer_texts(0, NULL);
    assert_int_equal(done_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_redis_a_relay_decides_by_what_it_knows),
        TEST(an_answer_that_is_lost_is_no_answer),
        TEST(redis_that_is_back_is_told_all_again),
        TEST(many_entries_are_said_some_at_a_time),
        TEST(entries_that_redis_should_not_have_are_taken_out),
        TEST(a_leave_is_forgotten_only_when_all_are_answered),
        TEST(who_was_announced_as_gone_is_announced_again),
        TEST(who_was_reaped_here_but_is_elsewhere_is_not_announced),
        TEST(an_answer_lost_on_the_way_back_is_asked_for_again),
        TEST(a_lease_is_kept_alive),
        TEST(answers_of_another_shape_change_nothing),
        TEST(those_of_a_dead_relay_have_left),
        TEST(entries_of_a_dead_relay_that_cannot_be_read_are_passed_over),
        TEST(a_room_of_a_dead_relay_that_is_none_is_taken_away_in_silence),
        TEST(the_dead_are_looked_for_again_and_again),
        TEST(what_is_left_is_handed_to_the_other_relays),
        TEST(the_last_relay_says_the_leaves_itself),
        TEST(without_redis_the_end_does_not_wait),
        TEST(redis_lost_at_the_end_does_not_hold_it_up),
        TEST(what_was_being_asked_when_the_end_came_is_not_waited_for),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
