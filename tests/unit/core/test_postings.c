/* The table of what a client has said and the journal has not answered yet. */
#include "tests/unit/check.h"

#include "common/metrics.h"
#include "relay/core/postings.h"

static struct postings postings;

static int end(void **state)
{
    (void)state;
    postings_fini(&postings);
    postings = (struct postings){0};
    return 0;
}

static void check_take(uint64_t number, uint64_t owner, int64_t re)
{
    struct posting posting;
    assert_true(postings_answered(&postings, number, &posting));
    assert_int_equal(posting.number, number);
    assert_int_equal(posting.owner, owner);
    assert_int_equal(posting.re, re);
}

static void each_is_found_by_its_number_in_any_order(void **state)
{
    (void)state;
    uint64_t one = postings_add(&postings, 7, 1), two = postings_add(&postings, 8, 2),
             three = postings_add(&postings, 7, 3);
    assert_true(one && two && three && one != two && two != three && one != three);
    check_take(three, 7, 3);
    check_take(one, 7, 1);
    check_take(two, 8, 2);
    assert_null(postings.slots); /* idle clients pay nothing */
}

static void an_answer_that_nobody_waits_for_is_counted(void **state)
{
    (void)state;
    struct posting posting;
    int64_t before = metric_get(METRIC_ANSWERS_UNEXPECTED);
    assert_false(postings_answered(&postings, 1, &posting));
    uint64_t one = postings_add(&postings, 7, 1), two = postings_add(&postings, 7, 2);
    check_take(one, 7, 1);
    assert_false(postings_answered(&postings, one, &posting));
    assert_false(postings_answered(&postings, 0, &posting));
    assert_false(postings_answered(&postings, two + 4, &posting)); /* it would stand where `two` does */
    assert_int_equal(metric_get(METRIC_ANSWERS_UNEXPECTED), before + 4);
    assert_false(postings_take(&postings, one, &posting)); /* a post that was refused is none */
    assert_int_equal(metric_get(METRIC_ANSWERS_UNEXPECTED), before + 4);
    check_take(two, 7, 2);
}

static void there_are_so_many_at_most_and_no_number_comes_twice(void **state)
{
    (void)state;
    uint64_t numbers[POSTINGS_MAX], last = 0;
    for (int i = 0; i < POSTINGS_MAX; i++) {
        numbers[i] = postings_add(&postings, 1, i);
        assert_true(numbers[i] > last);
        last = numbers[i];
    }
    assert_int_equal(postings_add(&postings, 1, 0), 0);
    for (int turn = 0; turn < 2000; turn++) { /* full, and its oldest never answered but for the others */
        int at = 1 + turn * 37 % (POSTINGS_MAX - 1);
        struct posting posting;
        assert_true(postings_take(&postings, numbers[at], &posting));
        numbers[at] = postings_add(&postings, 1, at);
        assert_true(numbers[at] > last);
        last = numbers[at];
        assert_int_equal(postings_add(&postings, 1, 0), 0);
    }
    for (int i = 0; i < POSTINGS_MAX; i++)
        check_take(numbers[i], 1, i);
    assert_true(postings_add(&postings, 1, 0) > last);
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_is_found_by_its_number_in_any_order),
        TEST(an_answer_that_nobody_waits_for_is_counted),
        TEST(there_are_so_many_at_most_and_no_number_comes_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
