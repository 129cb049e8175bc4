/* What clients have begun and not finished has a bound for all, and who keeps most of it loses theirs. */
#include "tests/unit/check.h"

#include "common/metrics.h"
#include "relay/core/unfinished.h"

#include <string.h>

enum { COUNT = 40, BOUND = 64 * 1024 };

static struct unfinished all[COUNT];
static char dropped[COUNT + 1]; /* a letter for each, in their order */
static bool busy;               /* nobody can be dropped */

static void on_drop(struct unfinished *unfinished)
{
    if (busy)
        return;
    dropped[strlen(dropped)] = (char)('A' + (unfinished - all));
    unfinished_set(unfinished, 0, 0);
}

static int begin(void **state)
{
    (void)state;
    memset(all, 0, sizeof all);
    memset(dropped, 0, sizeof dropped);
    busy = false;
    for (size_t i = 0; i < COUNT; i++)
        all[i].drop = on_drop;
    unfinished_limit(BOUND);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        unfinished_set(&all[i], 0, 0);
    unfinished_limit(0);
    assert_int_equal(unfinished_total(), 0);
    assert_int_equal(metric_get(METRIC_UNFINISHED_BYTES), 0);
    return 0;
}

static void who_keeps_most_loses_its_own_and_nobody_else(void **state)
{
    (void)state;
    unfinished_set(&all[0], 1, 20000); /* one person with a large message */
    for (size_t i = 1; i < 11; i++)
        unfinished_set(&all[i], 2, 4200);
    assert_string_equal(dropped, "");
    unfinished_set(&all[11], 3, 100);
    unfinished_set(&all[0], 1, 24000); /* it grows past the bound, and goes on */
    assert_string_equal(dropped, "BC");
    assert_int_equal(all[0].bytes, 24000);
    assert_int_equal(all[11].bytes, 100);
    unfinished_set(&all[0], 1, 0);
    assert_int_equal(unfinished_total(), 8 * 4200 + 100);
}

static void of_one_address_the_largest_go_and_of_those_the_oldest(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++)
        unfinished_set(&all[i], 5, 500);
    for (size_t i = 10; i < 13; i++)
        unfinished_set(&all[i], 5, 17000);
    unfinished_set(&all[12], 5, 30000); /* of about the same size, and the latest */
    assert_string_equal(dropped, "K");
    unfinished_set(&all[13], 5, 20000);
    assert_string_equal(dropped, "KL");
}

static void the_one_that_comes_may_be_the_one_that_goes(void **state)
{
    (void)state;
    unfinished_set(&all[0], 1, 1000);
    unfinished_set(&all[1], 2, BOUND);
    assert_string_equal(dropped, "B");
    assert_int_equal(all[1].bytes, 0);
    assert_int_equal(all[0].bytes, 1000);
}

static void without_anybody_to_drop_the_next_one_tries_again(void **state)
{
    (void)state;
    int64_t before = metric_get(METRIC_UNFINISHED_DROPPED);
    busy = true;
    unfinished_set(&all[0], 1, BOUND);
    unfinished_set(&all[1], 2, 10);
    assert_string_equal(dropped, "");
    busy = false;
    unfinished_set(&all[1], 2, 11);
    assert_string_equal(dropped, "A");
    assert_int_equal(metric_get(METRIC_UNFINISHED_DROPPED), before + 1);
}

static void an_address_that_becomes_known_pays_from_then_on(void **state)
{
    (void)state;
    unfinished_set(&all[0], 0, 3000);
    unfinished_set(&all[1], 0, 3000);
    unfinished_set(&all[1], 7, 40000);
    unfinished_set(&all[2], 8, 30000);
    assert_string_equal(dropped, "B");
    assert_int_equal(unfinished_total(), 33000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_keeps_most_loses_its_own_and_nobody_else, begin, end),
        cmocka_unit_test_setup_teardown(of_one_address_the_largest_go_and_of_those_the_oldest, begin, end),
        cmocka_unit_test_setup_teardown(the_one_that_comes_may_be_the_one_that_goes, begin, end),
        cmocka_unit_test_setup_teardown(without_anybody_to_drop_the_next_one_tries_again, begin, end),
        cmocka_unit_test_setup_teardown(an_address_that_becomes_known_pays_from_then_on, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
