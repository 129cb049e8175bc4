/* How many connections are sent away at a time: spread over drain_ms, whatever their number. */
#include "tests/unit/check.h"

#include "relay/drain.h"

/* So many, and so long: how many have gone after each tenth of the time. */
static void drain(size_t count, int64_t drain_ms, size_t gone[11])
{
    size_t open = count;
    int64_t carry = 0;
    for (int64_t at = 0; at <= drain_ms; at += DRAIN_TICK_MS) {
        open -= drain_share(open, drain_ms - at, &carry);
        gone[drain_ms ? at * 10 / drain_ms : 10] = count - open;
    }
}

static void many_go_evenly(void **state)
{
    (void)state;
    size_t gone[11] = {0};
    drain(10000, 3000, gone);
    for (size_t tenth = 0; tenth < 10; tenth++)
        assert_in_range(gone[tenth], tenth * 1000 + 500, tenth * 1000 + 1500);
    assert_int_equal(gone[10], 10000);
}

static void a_few_have_the_time_that_they_were_promised(void **state)
{
    (void)state;
    size_t gone[11] = {0};
    drain(5, 600000, gone);
    assert_in_range(gone[0], 0, 1);
    assert_in_range(gone[4], 2, 3);
    assert_in_range(gone[8], 3, 5);
    assert_int_equal(gone[10], 5);
    drain(1, 600000, gone);
    assert_int_equal(gone[4], 0);
    assert_int_equal(gone[10], 1);
}

static void without_time_all_go_at_once(void **state)
{
    (void)state;
    int64_t carry = 0;
    assert_int_equal(drain_share(7, 0, &carry), 7);
    assert_int_equal(drain_share(7, -100, &carry), 7);
    assert_int_equal(drain_share(0, 100, &carry), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_go_evenly),
        cmocka_unit_test(a_few_have_the_time_that_they_were_promised),
        cmocka_unit_test(without_time_all_go_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
