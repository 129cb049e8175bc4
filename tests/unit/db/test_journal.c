/* The journal: how posts gather into batches, how many may wait, and how it ends. */
#include "journal_fakes.h"

/* ---- gathering ---- */

static void an_idle_journal_stores_at_once(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 3; n++) {
        assert_int_equal(submit(n), ERR_OK);
        await_answers(n);
    }
    check_answers(1, 3, ERR_OK);
    assert_int_equal(begun(), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fake.batches[i].count, 1);
        assert_int_equal(fake.batches[i].patience_ms, 5000);
    }
}

static void while_one_batch_is_stored_the_next_gathers(void **state)
{
    (void)state;
    int64_t commits = metric_get(METRIC_JOURNAL_COMMITS), stored = metric_get(METRIC_JOURNAL_STORED);
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    submit_all(2, 51);
    assert_int_equal(metric_get(METRIC_JOURNAL_QUEUED), 51);
    hold(false);
    await_answers(51);
    assert_int_equal(begun(), 2);
    assert_int_equal(fake.batches[1].count, 50);
    assert_int_equal(batches_answered, 2);
    check_answers(1, 51, ERR_OK);
    for (size_t i = 0; i < 51; i++)
        assert_int_equal(answers[i].seq, i + 1);
    assert_int_equal(metric_get(METRIC_JOURNAL_QUEUED), 0);
    assert_int_equal(metric_get(METRIC_JOURNAL_COMMITS) - commits, 2);
    assert_int_equal(metric_get(METRIC_JOURNAL_STORED) - stored, 51);
}

static void a_batch_has_a_bound(void **state)
{
    (void)state;
    settings.journal_batch = 20;
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    submit_all(2, 51);
    hold(false);
    await_answers(51);
    assert_int_equal(begun(), 4);
    assert_int_equal(fake.batches[1].count, 20);
    assert_int_equal(fake.batches[2].count, 20);
    assert_int_equal(fake.batches[3].count, 10);
    check_answers(1, 51, ERR_OK);
}

static void order_is_kept_however_the_batches_fall(void **state)
{
    (void)state;
    enum { COUNT = 4000 };
    settings.journal_batch = 7;
    for (uint64_t n = 1; n <= COUNT; n++) {
        while (submit(n)) /* full: let the loop take answers until there is room */
            uv_run(&loop, UV_RUN_ONCE);
        if (n % 13 == 0)
            uv_run(&loop, UV_RUN_NOWAIT);
    }
    await_answers(COUNT);
    check_answers(1, COUNT, ERR_OK);
    for (size_t i = 0; i < begun(); i++)
        assert_in_range(fake.batches[i].count, 1, 7);
}

static void long_messages_go_in_smaller_batches(void **state)
{
    (void)state;
    enum { LONG = 64 * 1024, COUNT = 60 };
    char *text = malloc(LONG + 1);
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    settings.journal_queue_bytes = 64 * 1024 * 1024;
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    for (uint64_t n = 2; n <= 1 + COUNT; n++)
        assert_int_equal(submit_of(9, n, "x", text), ERR_OK);
    free(text);
    hold(false);
    await_answers(1 + COUNT);
    for (size_t n = 1; n <= 1 + COUNT; n++)
        assert_int_equal(answers[n - 1].session_id, n);
    for (size_t i = 1; i + 1 < begun(); i++) /* more and more, until there are as many as may be */
        assert_in_range(fake.batches[i].count, i == 1 ? 1 : fake.batches[i - 1].count, 8);
    assert_int_equal(fake.batches[begun() - 2].count, 8);
}

static void a_slow_database_gets_smaller_batches_until_it_is_quick_again(void **state)
{
    (void)state;
    enum { FIRST = 1, SLOW = 900, QUICK = 900 };
    settings.journal_batch = 300;
    fake.per_ms = 2; /* 300 take 150 ms: that is too long */
    hold(true);
    submit_all(1, FIRST);
    await_begun(1);
    submit_all(FIRST + 1, FIRST + SLOW);
    hold(false);
    await_answers(FIRST + SLOW);
    size_t batches = begun(), largest = 0;
    for (size_t i = 2; i < batches; i++)
        largest = fake.batches[i].count > largest ? fake.batches[i].count : largest;
    assert_in_range(largest, 90, 160);
    fake.per_ms = 0;
    hold(true);
    submit_all(FIRST + SLOW + 1, FIRST + SLOW + QUICK);
    hold(false);
    await_answers(FIRST + SLOW + QUICK);
    check_answers(1, FIRST + SLOW + QUICK, ERR_OK);
    largest = 0;
    for (size_t i = batches; i < begun(); i++)
        largest = fake.batches[i].count > largest ? fake.batches[i].count : largest;
    assert_in_range(largest, 250, 300);
}

/* Which answer of those that have come is that of this session. */
static size_t index_of(uint64_t session_id)
{
    for (size_t i = 0; i < answered; i++)
        if (answers[i].session_id == session_id)
            return i;
    fail();
    return 0;
}

/* Many who say little each: smaller batches would cost more, and nobody would be served sooner. One who says much is not
 * many. */
static void a_crowd_goes_together_however_slow_the_database(void **state)
{
    (void)state;
    enum { CROWD = 50, EACH = 8, MUCH = 500, FIRST = 400, ALL = FIRST + MUCH + CROWD * EACH };
    settings.journal_batch = 1000;
    settings.journal_queue = 2000;
    fake.per_ms = 2;
    submit_all(1, FIRST); /* that is how slow it is */
    await_answers(FIRST);
    hold(true);
    uint64_t number = FIRST;
    size_t before = begun() + 1;
    assert_int_equal(submit_of(9, ++number, "x", ""), ERR_OK);
    await_begun(before);
    while (number < FIRST + MUCH)
        assert_int_equal(submit_of(9, ++number, "x", ""), ERR_OK);
    for (uint64_t i = 0; i < EACH; i++)
        for (uint64_t sender = 0; sender < CROWD; sender++)
            assert_int_equal(submit_of(100 + sender, ++number, "x", ""), ERR_OK);
    hold(false);
    await_answers(ALL);
    check_answers(1, 1, ERR_OK);
    assert_in_range(fake.batches[before].count, (CROWD + 1) * EACH, (CROWD + 1) * EACH + 1);
    for (uint64_t session = FIRST + MUCH + 1; session <= ALL; session++)
        assert_in_range(index_of(session), FIRST + 1, FIRST + 1 + (CROWD + 1) * EACH);
    for (size_t i = before + 1; i < begun(); i++)
        assert_in_range(fake.batches[i].count, 1, 160); /* of the one who says much */
}

static void nobody_waits_behind_what_another_pours_in(void **state)
{
    (void)state;
    settings.journal_batch = 10;
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    submit_all(2, 200);
    assert_int_equal(submit_of(5, 201, "a", ""), ERR_OK); /* another sender */
    assert_int_equal(submit_of(5, 202, "b", ""), ERR_OK);
    assert_int_equal(submit_of(0, 203, "c", ""), ERR_OK); /* sessions without one */
    assert_int_equal(submit_of(0, 204, "d", ""), ERR_OK);
    hold(false);
    await_answers(204);
    for (uint64_t session = 201; session <= 204; session++)
        assert_in_range(index_of(session), 1, 10); /* the very next batch */
    assert_true(index_of(201) < index_of(202));    /* and everybody's own in order */
    for (uint64_t session = 2; session <= 200; session++)
        assert_true(index_of(session - 1) < index_of(session));
    assert_int_equal(begun(), 1 + 21); /* as full as ever */
}

/* A disk that takes a quarter of a second for as much as a batch may hold: who says little waits for no such batch. */
static void nobody_waits_while_much_is_written_out_for_another(void **state)
{
    (void)state;
    enum { LONG = 15 * 1024, LESSON = 80, MUCH = 60, CROWD = 40, EACH = 8, ALL = LESSON + MUCH + CROWD * EACH };
    char *text = malloc(LONG + 1);
    memset(text, 'x', LONG);
    text[LONG] = '\0';
    settings.journal_queue_bytes = 64 * 1024 * 1024;
    settings.journal_batch = 1000;
    fake.bytes_per_ms = 2048;
    uint64_t number = 0;
    while (number < LESSON)
        assert_int_equal(submit_of(9, ++number, "x", text), ERR_OK);
    await_answers(LESSON);
    size_t before = begun() + 1;
    hold(true);
    while (number < LESSON + MUCH)
        assert_int_equal(submit_of(9, ++number, "x", text), ERR_OK);
    await_begun(before);
    for (uint64_t i = 0; i < EACH; i++)
        for (uint64_t sender = 0; sender < CROWD; sender++)
            assert_int_equal(submit_of(100 + sender, ++number, "x", ""), ERR_OK);
    hold(false);
    await_answers(ALL);
    assert_in_range(fake.batches[before].count, CROWD * EACH, CROWD * EACH + 8); /* of theirs all, at once */
    for (size_t i = before; i < begun(); i++)
        assert_in_range(fake.batches[i].bytes, 1, 192 * 1024);
    fake.bytes_per_ms = 0;
    size_t later = begun(), largest = 0;
    hold(true);
    for (uint64_t n = 1; n <= 4 * MUCH; n++)
        assert_int_equal(submit_of(9, number + n, "x", text), ERR_OK);
    free(text);
    hold(false);
    await_answers(ALL + 4 * MUCH);
    for (size_t i = later; i < begun(); i++)
        largest = fake.batches[i].bytes > largest ? fake.batches[i].bytes : largest;
    assert_in_range(largest, 400 * 1024, 528 * 1024); /* a quick one gets as much as ever */
}

static void more_senders_than_go_together_take_turns(void **state)
{
    (void)state;
    settings.journal_batch = 10;
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    for (uint64_t n = 0; n < 75; n++) /* 25 of them, three each */
        assert_int_equal(submit_of(100 + n % 25, 2 + n, "x", ""), ERR_OK);
    hold(false);
    await_answers(76);
    for (uint64_t n = 0; n < 75; n++)
        assert_in_range(index_of(2 + n), 1 + n / 25 * 25, 25 + n / 25 * 25);
}

static void what_goes_into_one_batch_goes_as_it_came(void **state)
{
    (void)state;
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    for (uint64_t n = 2; n <= 60; n++)
        assert_int_equal(submit_of(n % 7 < 4 ? 5 : n, n, "x", ""), ERR_OK);
    hold(false);
    await_answers(60);
    for (uint64_t n = 1; n <= 60; n++)
        assert_int_equal(answers[n - 1].session_id, n);
}

/* ---- bounds ---- */

static void a_full_queue_refuses_by_count(void **state)
{
    (void)state;
    int64_t refused = metric_get(METRIC_JOURNAL_REFUSED);
    settings.journal_queue = 5;
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    submit_all(2, 5); /* what is being stored counts: it takes memory too */
    assert_int_equal(submit(6), ERR_BUSY);
    assert_int_equal(submit(6), ERR_BUSY);
    assert_int_equal(metric_get(METRIC_JOURNAL_REFUSED) - refused, 2);
    hold(false);
    await_answers(5);
    submit_all(6, 6);
    await_answers(6);
    check_answers(1, 6, ERR_OK); /* and nothing of what was refused */
}

static void a_full_queue_refuses_by_bytes(void **state)
{
    (void)state;
    size_t each = sizeof(struct message) + 1; /* one digit */
    settings.journal_queue_bytes = (int64_t)(4 * each);
    int64_t refused = metric_get(METRIC_JOURNAL_REFUSED);
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    submit_all(2, 3);
    assert_int_equal(submit_for(4, "44", ""), ERR_BUSY); /* one byte too many */
    assert_int_equal(submit_for(4, "4", "x"), ERR_BUSY);
    submit_all(4, 4);
    assert_int_equal(submit_for(5, "", ""), ERR_BUSY);
    assert_int_equal(metric_get(METRIC_JOURNAL_REFUSED) - refused, 3);
    hold(false);
    await_answers(4);
    submit_all(5, 8); /* all bytes were given back */
    await_answers(8);
    check_answers(1, 8, ERR_OK);
    settings.journal_queue_bytes = (int64_t)each - 1;
    assert_int_equal(submit(9), ERR_BUSY);
}

/* ---- the end ---- */

static void stopping_stores_what_is_queued(void **state)
{
    (void)state;
    settings.journal_batch = 3;
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    submit_all(2, 20);
    hold(false);
    journal_stop(journal);
    assert_int_equal(submit(21), ERR_BUSY);
    completion_queue_drain(&completions);
    assert_int_equal(answered, 20);
    check_answers(1, 20, ERR_OK);
    journal_stop(journal); /* once more does nothing */
    assert_int_equal(submit(21), ERR_BUSY);
}

static void stopping_without_a_database_answers_what_is_queued(void **state)
{
    (void)state;
    settings.journal_batch = 3;
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    submit_all(2, 10);
    answer_with(ERR_DOWN);
    hold(false);
    journal_stop(journal);
    completion_queue_drain(&completions);
    assert_int_equal(answered, 10);
    check_answers(1, 10, ERR_DOWN);
    for (size_t i = 1; i < begun(); i++)
        assert_int_equal(fake.batches[i].patience_ms, 0); /* or the end would take minutes */
}

static void stopping_an_idle_journal_ends_its_thread(void **state)
{
    (void)state;
    journal_stop(journal);
    assert_int_equal(fake.threads, 0);
    assert_int_equal(fake.stores, 0);
    assert_int_equal(begun(), 0);
    assert_int_equal(submit(1), ERR_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_journal_stores_at_once),
        TEST(while_one_batch_is_stored_the_next_gathers),
        TEST(a_batch_has_a_bound),
        TEST(order_is_kept_however_the_batches_fall),
        TEST(long_messages_go_in_smaller_batches),
        TEST(a_slow_database_gets_smaller_batches_until_it_is_quick_again),
        TEST(a_crowd_goes_together_however_slow_the_database),
        TEST(nobody_waits_behind_what_another_pours_in),
        TEST(nobody_waits_while_much_is_written_out_for_another),
        TEST(more_senders_than_go_together_take_turns),
        TEST(what_goes_into_one_batch_goes_as_it_came),
        TEST(a_full_queue_refuses_by_count),
        TEST(a_full_queue_refuses_by_bytes),
        TEST(stopping_stores_what_is_queued),
        TEST(stopping_without_a_database_answers_what_is_queued),
        TEST(stopping_an_idle_journal_ends_its_thread),
    };
    if (log_open("test", "/dev/null", LOG_ERROR)) /* it complains of the failures that it is given */
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
