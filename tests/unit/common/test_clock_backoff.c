/* Time as text, and when a lost server is tried again; the clock stands still. */
#include "tests/unit/check.h"

#include "common/backoff.h"
#include "common/clock.h"

#include <time.h>

static int thaw(void **state)
{
    (void)state;
    clock_freeze(-1);
    return 0;
}

static void a_frozen_clock_stands(void **state)
{
    (void)state;
    clock_freeze(1234);
    assert_int_equal(clock_wall_ms(), 1234);
    assert_int_equal(clock_mono_ms(), 1234);
    clock_freeze(0);
    assert_int_equal(clock_wall_ms(), 0);
    clock_freeze(-1);
    assert_true(clock_wall_ms() > 1600000000000);
    int64_t before = clock_mono_ms();
    assert_true(clock_mono_ms() >= before);
}

static void times_are_written_in_utc(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01 00:00:00.000"},
        {999, "1970-01-01 00:00:00.999"},
        {1709251199007, "2024-02-29 23:59:59.007"},
        {253402300799999, "9999-12-31 23:59:59.999"},
    };
    char text[CLOCK_TEXT_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        clock_format_utc(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void times_are_shown_in_the_zone_of_the_process(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_MAX];
    setenv("TZ", "CST-8", 1); /* POSIX: eight hours east */
    tzset();
    clock_format_local(1709251199007, text);
    assert_string_equal(text, "2024-03-01 07:59:59");
    setenv("TZ", "UTC", 1);
    tzset();
    clock_format_local(1709251199007, text);
    assert_string_equal(text, "2024-02-29 23:59:59");
}

static void waits_double_up_to_the_most(void **state)
{
    (void)state;
    static const int64_t delays[] = {50, 100, 200, 400, 800, 1600, 2000, 2000, 2000};
    struct backoff backoff = {.first_ms = 50, .most_ms = 2000};
    clock_freeze(1000000);
    assert_true(backoff_due(&backoff));
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        int64_t wait = backoff_fail(&backoff);
        assert_in_range(wait, delays[i] / 2, delays[i]);
        assert_false(wait > 0 && backoff_due(&backoff));
        clock_freeze(1000000 + wait - 1);
        assert_false(backoff_due(&backoff));
        clock_freeze(1000000 + wait);
        assert_true(backoff_due(&backoff));
        clock_freeze(1000000);
    }
    backoff_reset(&backoff);
    assert_true(backoff_due(&backoff));
    assert_in_range(backoff_fail(&backoff), 25, 50);
}

static void waits_differ_by_chance(void **state)
{
    (void)state;
    int64_t least = INT64_MAX, most = 0;
    clock_freeze(1);
    for (int i = 0; i < 200; i++) {
        struct backoff backoff = {.first_ms = 1000, .most_ms = 1000};
        int64_t wait = backoff_fail(&backoff);
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_true(most - least > 250); /* of 500 possible, in 200 attempts */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_frozen_clock_stands, thaw),
        cmocka_unit_test_teardown(times_are_written_in_utc, thaw),
        cmocka_unit_test_teardown(times_are_shown_in_the_zone_of_the_process, thaw),
        cmocka_unit_test_teardown(waits_double_up_to_the_most, thaw),
        cmocka_unit_test_teardown(waits_differ_by_chance, thaw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
