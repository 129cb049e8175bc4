/* Storing batches while the database fails, and posts that it will never take. */
#include "fake_tables.h"

#include "common/log.h"

/* ---- failures ---- */

static void every_failure_is_rolled_back_and_tried_again(void **state)
{
    (void)state;
    static const struct {
        char op;
        enum err err;
        const char *trace;
    } rows[] = {
        {'b', ERR_DOWN, "Bblisc"},       {'b', ERR_RETRY, "Bblisc"},
        {'l', ERR_DOWN, "bLrblisc"},     {'l', ERR_RETRY, "bLrblisc"},
        {'i', ERR_DOWN, "blIrblisc"},    {'i', ERR_RETRY, "blIrblisc"},
        {'s', ERR_DOWN, "bliSrblisc"},   {'s', ERR_RETRY, "bliSrblisc"},
        {'c', ERR_RETRY, "blisCrblisc"}, {'c', ERR_INTERNAL, "blisCrbliscblisc"}, /* in halves, as after any refusal */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(NULL);
        post(1, 9, "id");
        post(2, 9, "");
        add_fault((struct fault){.op = rows[i].op, .times = 1, .err = rows[i].err});
        assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
        check_post(0, ERR_OK, 1);
        check_post(1, ERR_OK, 1);
        assert_string_equal(trace, rows[i].trace);
        check_consistent();
    }
}

static void a_failing_look_up_of_repeats_is_tried_again(void **state)
{
    (void)state;
    stored_before(1, 9, "id");
    post(1, 9, "a");
    post(1, 9, "b");
    post(1, 9, "a"); /* put off before the look-up fails */
    post(1, 9, "id");
    add_fault((struct fault){.op = 'f', .skip = 3, .times = 1, .err = ERR_DOWN});
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 2);
    check_post(1, ERR_OK, 3);
    check_post(2, ERR_OK, 2);
    check_post(3, ERR_OK, 1);
    assert_int_equal(committed.row_count, 3);
}

static size_t count_of(char op)
{
    size_t count = 0;
    for (size_t i = 0; i < trace_len; i++)
        count += trace[i] == op;
    return count;
}

static void deadlocks_are_not_tried_for_ever(void **state)
{
    (void)state;
    post(1, 9, "");
    post(2, 9, "");
    add_fault((struct fault){.op = 'i', .times = 1000, .err = ERR_RETRY});
    assert_int_equal(store_all(INT32_MAX), ERR_RETRY);
    check_post(0, ERR_DOWN, 0);
    check_post(1, ERR_DOWN, 0);
    assert_int_equal(count_of('b'), 40);
    assert_int_equal(count_of('r'), 40);
    check_consistent();
}

/* A counter that stands behind the rows: somebody wrote into the database by hand. */
static void a_number_that_is_taken_already_does_not_keep_it_busy_for_ever(void **state)
{
    (void)state;
    stored_before(1, 9, "");
    committed.seq[1] = 0;
    post(1, 9, "");
    assert_int_equal(store_all(INT32_MAX), ERR_DUPLICATE);
    check_post(0, ERR_DOWN, 0);
    assert_in_range(count_of('b'), 40, 41);
    assert_int_equal(committed.row_count, 1);
}

static void without_a_database_it_gives_up_when_patience_ends(void **state)
{
    (void)state;
    static const char ops[] = "blis";
    for (const char *op = ops; *op; op++) {
        begin(NULL);
        int64_t began_ms = now_ms;
        post(1, 9, "");
        post(99, 9, "");
        add_fault((struct fault){.op = *op, .times = 1000, .err = ERR_DOWN});
        assert_int_equal(store_all(PATIENCE_MS), ERR_DOWN);
        check_post(0, ERR_DOWN, 0);
        assert_in_range(now_ms - began_ms, PATIENCE_MS, PATIENCE_MS + 50);
        check_consistent();
    }
}

static void without_patience_there_is_one_attempt(void **state)
{
    (void)state;
    static const enum err errs[] = {ERR_DOWN, ERR_RETRY};
    for (size_t i = 0; i < 2; i++) {
        begin(NULL);
        post(1, 9, "");
        add_fault((struct fault){.op = 'l', .times = 1000, .err = errs[i]});
        assert_int_equal(store_all(0), errs[i]);
        check_post(0, ERR_DOWN, 0);
        assert_string_equal(trace, "bLr");
    }
}

/* ---- posts that are refused for good ---- */

static void a_poisoned_post_harms_no_other(void **state)
{
    (void)state;
    enum { COUNT = 33 };
    for (size_t poisoned = 0; poisoned < COUNT; poisoned++) {
        begin(NULL);
        for (size_t i = 0; i < COUNT; i++)
            post(1 + i % 2, 9, i % 3 ? "" : texts[i]);
        make_poison(&posts[poisoned]);
        assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
        uint64_t seq[3] = {0};
        for (size_t i = 0; i < COUNT; i++)
            if (i == poisoned)
                check_post(i, ERR_INTERNAL, 0);
            else
                check_post(i, ERR_OK, ++seq[1 + i % 2]); /* and the order holds */
        assert_true(count_of('b') <= 2 * 6 + 1);         /* halves of halves, not one by one */
        check_consistent();
    }
}

static void nothing_but_poison_is_refused_and_answered(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 5; count++) {
        begin(NULL);
        for (size_t i = 0; i < count; i++)
            make_poison(post(1, 9, ""));
        assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
        for (size_t i = 0; i < count; i++)
            check_post(i, ERR_INTERNAL, 0);
        assert_int_equal(committed.row_count, 0);
        assert_int_equal(committed.seq[1], 0);
    }
}

static void poison_repeats_and_strangers_in_one_batch(void **state)
{
    (void)state;
    stored_before(1, 9, "id");
    post(1, 9, "id");
    post(99, 9, "id");
    make_poison(post(1, 9, "p"));
    post(1, 9, "twin");
    post(1, 9, "twin");
    post(1, 9, "id");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 1);
    check_post(1, ERR_NOT_FOUND, 0);
    check_post(2, ERR_INTERNAL, 0);
    check_post(3, ERR_OK, 2);
    check_post(4, ERR_OK, 2);
    check_post(5, ERR_OK, 1);
    assert_int_equal(committed.row_count, 2);
}

/* The caller must hear that the database is away, or it would let everybody wait for it once more. */
static void poison_does_not_hide_that_the_database_went_away(void **state)
{
    (void)state;
    make_poison(post(1, 9, ""));
    post(1, 9, "");
    add_fault((struct fault){.op = 'b', .skip = 2, .times = 1000, .err = ERR_DOWN});
    assert_int_equal(store_all(PATIENCE_MS), ERR_DOWN);
    check_post(0, ERR_INTERNAL, 0);
    check_post(1, ERR_DOWN, 0);
    begin(NULL);
    post(1, 9, "");
    make_poison(post(1, 9, ""));
    add_fault((struct fault){.op = 'l', .skip = 1, .times = 1, .err = ERR_DOWN});
    assert_int_equal(store_all(0), ERR_DOWN);
    check_post(0, ERR_DOWN, 0);
    check_post(1, ERR_INTERNAL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_failure_is_rolled_back_and_tried_again),
        TEST(a_failing_look_up_of_repeats_is_tried_again),
        TEST(deadlocks_are_not_tried_for_ever),
        TEST(a_number_that_is_taken_already_does_not_keep_it_busy_for_ever),
        TEST(without_a_database_it_gives_up_when_patience_ends),
        TEST(without_patience_there_is_one_attempt),
        TEST(a_poisoned_post_harms_no_other),
        TEST(nothing_but_poison_is_refused_and_answered),
        TEST(poison_repeats_and_strangers_in_one_batch),
        TEST(poison_does_not_hide_that_the_database_went_away),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
