/* The timer wheel under a clock that stands still until it is told to go, and then jumps. */
#include "tests/unit/check.h"

#include "common/clock.h"
#include "relay/core/wheel.h"

enum { START_MS = 1000000, TURN_MS = WHEEL_TICK_MS * WHEEL_SLOTS };

static struct wheel wheel;
static int64_t now_ms;

/* A timer that notes when it fired, and does something then. */
struct alarm {
    struct wheel_timer timer;
    char name;
    int fired;
    int64_t fired_ms;
    void (*then)(struct alarm *alarm);
    struct alarm *other;
    int64_t again_ms;
};

static char order[64]; /* the names in the order they fired */
static size_t order_len;

static void on_fired(struct wheel_timer *timer)
{
    struct alarm *alarm = (struct alarm *)timer;
    assert_false(wheel_is_set(timer)); /* it fires once */
    alarm->fired++;
    alarm->fired_ms = wheel.now_ms;
    if (order_len < sizeof order - 1 && alarm->name)
        order[order_len++] = alarm->name;
    if (alarm->then)
        alarm->then(alarm);
}

static struct alarm alarm_of(char name)
{
    return (struct alarm){.timer.fired = on_fired, .name = name};
}

static void go_to(int64_t ms)
{
    now_ms = ms;
    clock_freeze(now_ms);
    wheel_advance(&wheel);
}

static void go(int64_t ms)
{
    go_to(now_ms + ms);
}

static int begin(void **state)
{
    (void)state;
    now_ms = START_MS;
    clock_freeze(now_ms);
    wheel_init(&wheel);
    memset(order, 0, sizeof order);
    order_len = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    clock_freeze(-1);
    return 0;
}

/* ---- when ---- */

static void a_timer_fires_once_at_the_tick_after_its_deadline(void **state)
{
    (void)state;
    static const int64_t delays[] = {1, 49, 50, 51, 99, 100, 1234, TURN_MS - 50, TURN_MS - 1};
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        struct alarm alarm = alarm_of('a');
        begin(NULL);
        wheel_set(&wheel, &alarm.timer, delays[i]);
        int64_t due_tick = (START_MS + delays[i] + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
        go_to(START_MS + delays[i] - 1);
        assert_int_equal(alarm.fired, 0);
        go_to(due_tick * WHEEL_TICK_MS - 1);
        assert_int_equal(alarm.fired, 0);
        go_to(due_tick * WHEEL_TICK_MS);
        assert_int_equal(alarm.fired, 1);
        go(3 * TURN_MS);
        assert_int_equal(alarm.fired, 1);
    }
}

static void what_is_due_already_fires_with_the_next_tick(void **state)
{
    (void)state;
    struct alarm now = alarm_of('n'), past = alarm_of('p');
    wheel_set(&wheel, &now.timer, 0);
    wheel_set(&wheel, &past.timer, -5000);
    wheel_advance(&wheel); /* no tick has gone by: a callback cannot come before wheel_set returns */
    assert_string_equal(order, "");
    go(WHEEL_TICK_MS);
    assert_string_equal(order, "np");
}

static void deadlines_past_one_turn_wait_for_theirs(void **state)
{
    (void)state;
    struct alarm near = alarm_of('n'), next = alarm_of('x'), far = alarm_of('f');
    wheel_set(&wheel, &far.timer, 10 * TURN_MS + 500); /* all three in one slot */
    wheel_set(&wheel, &next.timer, TURN_MS + 500);
    wheel_set(&wheel, &near.timer, 500);
    for (int64_t ms = 0; ms < 11 * TURN_MS; ms += WHEEL_TICK_MS)
        go(WHEEL_TICK_MS);
    assert_string_equal(order, "nxf");
    assert_int_equal(near.fired_ms, START_MS + 500);
    assert_int_equal(next.fired_ms, START_MS + TURN_MS + 500);
    assert_int_equal(far.fired_ms, START_MS + 10 * TURN_MS + 500);
    assert_int_equal(near.fired + next.fired + far.fired, 3);
}

static void earlier_ticks_come_first_and_within_one_the_order_they_were_set_in(void **state)
{
    (void)state;
    struct alarm alarms[6];
    static const int64_t delays[] = {300, 100, 300, 200, 100, 150};
    for (int i = 0; i < 6; i++) {
        alarms[i] = alarm_of((char)('a' + i));
        wheel_set(&wheel, &alarms[i].timer, delays[i]);
    }
    go(1000); /* in one step: it is the ticks that count, not the calls */
    assert_string_equal(order, "befdac");
}

static void setting_again_moves_it(void **state)
{
    (void)state;
    struct alarm alarm = alarm_of('a');
    wheel_set(&wheel, &alarm.timer, 100);
    wheel_set(&wheel, &alarm.timer, 1000);
    go(900);
    assert_int_equal(alarm.fired, 0);
    wheel_set(&wheel, &alarm.timer, 3 * TURN_MS);
    wheel_set(&wheel, &alarm.timer, 100);
    go(100);
    assert_int_equal(alarm.fired, 1);
    go(4 * TURN_MS);
    assert_int_equal(alarm.fired, 1);
}

static void a_cancelled_timer_never_fires_and_may_be_freed(void **state)
{
    (void)state;
    struct alarm *alarm = malloc(sizeof *alarm), other = alarm_of('o');
    *alarm = alarm_of('a');
    wheel_cancel(&alarm->timer); /* nothing: it was not set */
    wheel_set(&wheel, &alarm->timer, 100);
    wheel_set(&wheel, &other.timer, 100);
    assert_true(wheel_is_set(&alarm->timer));
    wheel_cancel(&alarm->timer);
    wheel_cancel(&alarm->timer);
    assert_false(wheel_is_set(&alarm->timer));
    free(alarm);
    go(TURN_MS);
    assert_string_equal(order, "o");
}

/* ---- inside callbacks ---- */

static void set_again(struct alarm *alarm)
{
    wheel_set(&wheel, &alarm->timer, alarm->again_ms);
}

static void a_timer_may_set_itself_again(void **state)
{
    (void)state;
    static const int64_t delays[] = {0, 50, 100, TURN_MS, 2 * TURN_MS}; /* some into its own slot */
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        struct alarm alarm = alarm_of(0);
        begin(NULL);
        alarm.then = set_again;
        alarm.again_ms = delays[i];
        wheel_set(&wheel, &alarm.timer, 50);
        int64_t every = delays[i] ? delays[i] : WHEEL_TICK_MS;
        for (int n = 1; n <= 20; n++) {
            go_to(START_MS + 50 + (n - 1) * every);
            assert_int_equal(alarm.fired, n);
        }
        wheel_cancel(&alarm.timer);
    }
}

/* A process that stood still owes one call, not one for each that was missed, and never an endless row. */
static void one_that_sets_itself_again_does_not_catch_up(void **state)
{
    (void)state;
    struct alarm alarm = alarm_of('a');
    alarm.then = set_again;
    alarm.again_ms = 0;
    wheel_set(&wheel, &alarm.timer, 50);
    go(10 * TURN_MS);
    assert_in_range(alarm.fired, 1, 2);
    wheel_cancel(&alarm.timer);
}

static void cancel_other(struct alarm *alarm)
{
    wheel_cancel(&alarm->other->timer);
}

static void a_callback_may_cancel_one_that_is_due_with_it(void **state)
{
    (void)state;
    struct alarm first = alarm_of('a'), second = alarm_of('b'), third = alarm_of('c');
    first.then = third.then = cancel_other;
    first.other = third.other = &second; /* the one after it in the slot, and later the one before */
    wheel_set(&wheel, &first.timer, 100);
    wheel_set(&wheel, &second.timer, 100);
    wheel_set(&wheel, &third.timer, 100);
    go(100);
    assert_string_equal(order, "ac");
    go(2 * TURN_MS);
    assert_int_equal(second.fired, 0);
}

static void move_other(struct alarm *alarm)
{
    wheel_set(&wheel, &alarm->other->timer, alarm->again_ms);
}

static void a_callback_may_move_one_that_is_due_with_it(void **state)
{
    (void)state;
    static const int64_t delays[] = {0, 50, TURN_MS}; /* the last: into the slot that is running */
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        struct alarm first = alarm_of('a'), second = alarm_of('b');
        begin(NULL);
        first.then = move_other;
        first.other = &second;
        first.again_ms = delays[i];
        wheel_set(&wheel, &first.timer, 100);
        wheel_set(&wheel, &second.timer, 100);
        go(100);
        assert_string_equal(order, "a");
        go(delays[i] ? delays[i] : WHEEL_TICK_MS);
        assert_string_equal(order, "ab");
    }
}

static void free_it(struct alarm *alarm)
{
    free(alarm);
}

static void free_both(struct alarm *alarm)
{
    wheel_cancel(&alarm->other->timer);
    free(alarm->other);
    free(alarm);
}

static void a_callback_may_free_its_own_timer_and_a_cancelled_one(void **state)
{
    (void)state;
    struct alarm *alarms[4];
    for (int i = 0; i < 4; i++) {
        alarms[i] = malloc(sizeof *alarms[i]);
        *alarms[i] = alarm_of((char)('a' + i));
        alarms[i]->then = free_it;
        wheel_set(&wheel, &alarms[i]->timer, 100);
    }
    alarms[1]->then = free_both; /* b takes c with it, which is due next */
    alarms[1]->other = alarms[2];
    go(100);
    assert_string_equal(order, "abd");
    go(2 * TURN_MS);
    assert_string_equal(order, "abd");
}

/* ---- jumps ---- */

static void a_far_jump_fires_all_that_is_due_and_nothing_else(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static struct alarm alarms[COUNT];
    for (int i = 0; i < COUNT; i++) {
        alarms[i] = alarm_of(0);
        wheel_set(&wheel, &alarms[i].timer, (int64_t)i * 97);
    }
    int64_t jump = (int64_t)COUNT / 2 * 97; /* four turns and a bit, to a tick's very time */
    assert_true(jump > 4 * TURN_MS && (START_MS + jump) % WHEEL_TICK_MS == 0);
    go(jump);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(alarms[i].fired, i <= COUNT / 2);
    go(jump + TURN_MS);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(alarms[i].fired, 1);
}

static void a_jump_of_years_takes_one_turn(void **state)
{
    (void)state;
    struct alarm alarm = alarm_of('a'), later = alarm_of('b');
    int64_t years = INT64_C(20) * 365 * 86400 * 1000;
    wheel_set(&wheel, &alarm.timer, 100);
    wheel_set(&wheel, &later.timer, years + 200);
    go(years); /* tick by tick this would not end */
    assert_string_equal(order, "a");
    go(200);
    assert_string_equal(order, "ab");
}

/* Set after the process woke, before the wheel was advanced: its tick lies more than a turn ahead. */
static void one_set_before_the_wheel_has_seen_the_jump_waits_from_now(void **state)
{
    (void)state;
    struct alarm alarm = alarm_of('a');
    now_ms += 7 * TURN_MS + 30;
    clock_freeze(now_ms);
    wheel_set(&wheel, &alarm.timer, 100);
    wheel_advance(&wheel);
    assert_int_equal(alarm.fired, 0);
    go(99);
    assert_int_equal(alarm.fired, 0);
    go(WHEEL_TICK_MS);
    assert_int_equal(alarm.fired, 1);
}

/* ---- a model ---- */

static uint64_t random_state = 7;

static uint64_t random_below(uint64_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

/* Timers set, moved and cancelled at random, at random times: each fires at exactly the first advance
 * that reaches its tick. */
static void every_timer_fires_in_its_tick_whatever_was_done_before(void **state)
{
    (void)state;
    enum { COUNT = 200, TURNS = 20000 };
    static struct alarm alarms[COUNT];
    static int64_t due_tick[COUNT]; /* 0: not set */
    static const uint64_t delays[] = {60, 1000, TURN_MS, 5 * TURN_MS};
    for (int i = 0; i < COUNT; i++)
        alarms[i] = alarm_of(0);
    for (int turn = 0; turn < TURNS; turn++) {
        size_t i = random_below(COUNT);
        if (random_below(4) == 0) {
            wheel_cancel(&alarms[i].timer);
            due_tick[i] = 0;
        } else {
            int64_t delay = (int64_t)random_below(delays[random_below(4)]);
            int64_t tick = (now_ms + delay + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
            wheel_set(&wheel, &alarms[i].timer, delay);
            due_tick[i] = tick > wheel.tick ? tick : wheel.tick + 1;
        }
        if (random_below(3))
            continue;
        go((int64_t)random_below(random_below(50) ? 400 : 3 * TURN_MS));
        for (int a = 0; a < COUNT; a++) {
            bool due = due_tick[a] && due_tick[a] <= now_ms / WHEEL_TICK_MS;
            if (due)
                due_tick[a] = 0;
            assert_int_equal(alarms[a].fired, due);
            assert_int_equal(wheel_is_set(&alarms[a].timer), due_tick[a] != 0);
            alarms[a].fired = 0;
        }
    }
}

/* As the loop does it: it sleeps as long as it is told to. Then nothing is late by more than a tick, and the loop wakes
 * no more often than there are timers, or WHEEL_REST_MS pass. */
static void who_sleeps_as_long_as_it_is_told_is_never_late(void **state)
{
    (void)state;
    enum { COUNT = 50, ROUNDS = 20000 };
    static struct alarm alarms[COUNT];
    static int64_t due_ms[COUNT];
    for (int i = 0; i < COUNT; i++)
        alarms[i] = alarm_of(0);
    for (int round = 0; round < ROUNDS; round++) {
        size_t i = random_below(COUNT);
        if (!wheel_is_set(&alarms[i].timer)) {
            int64_t delay = (int64_t)random_below(random_below(2) ? 100 : 2 * TURN_MS);
            wheel_set(&wheel, &alarms[i].timer, delay);
            due_ms[i] = now_ms + delay;
        }
        int64_t wait_ms = wheel_wait_ms(&wheel);
        assert_in_range(wait_ms, 0, WHEEL_REST_MS);
        go(wait_ms);
        for (int a = 0; a < COUNT; a++) {
            if (alarms[a].fired)
                assert_in_range(now_ms - due_ms[a], 0, WHEEL_TICK_MS);
            else if (wheel_is_set(&alarms[a].timer))
                assert_true(now_ms < due_ms[a] + WHEEL_TICK_MS);
            alarms[a].fired = 0;
        }
    }
}

static void a_wheel_without_timers_lets_the_loop_rest(void **state)
{
    (void)state;
    go(WHEEL_TICK_MS);
    int wakes = 0;
    for (int64_t until_ms = now_ms + 5000; now_ms < until_ms; wakes++)
        go(wheel_wait_ms(&wheel));
    assert_in_range(wakes, 99, 101);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_timer_fires_once_at_the_tick_after_its_deadline),
        TEST(what_is_due_already_fires_with_the_next_tick),
        TEST(deadlines_past_one_turn_wait_for_theirs),
        TEST(earlier_ticks_come_first_and_within_one_the_order_they_were_set_in),
        TEST(setting_again_moves_it),
        TEST(a_cancelled_timer_never_fires_and_may_be_freed),
        TEST(a_timer_may_set_itself_again),
        TEST(one_that_sets_itself_again_does_not_catch_up),
        TEST(a_callback_may_cancel_one_that_is_due_with_it),
        TEST(a_callback_may_move_one_that_is_due_with_it),
        TEST(a_callback_may_free_its_own_timer_and_a_cancelled_one),
        TEST(a_far_jump_fires_all_that_is_due_and_nothing_else),
        TEST(a_jump_of_years_takes_one_turn),
        TEST(one_set_before_the_wheel_has_seen_the_jump_waits_from_now),
        TEST(every_timer_fires_in_its_tick_whatever_was_done_before),
        TEST(who_sleeps_as_long_as_it_is_told_is_never_late),
        TEST(a_wheel_without_timers_lets_the_loop_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
