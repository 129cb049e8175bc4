/* The journal with a database that fails or is slow. */
#include "journal_fakes.h"

#include <sched.h>

/* ---- failing ---- */

static void a_failure_is_told_to_each_sender(void **state)
{
    (void)state;
    static const enum err errs[] = {ERR_DOWN, ERR_UNKNOWN};
    int64_t failed = metric_get(METRIC_JOURNAL_FAILED), stored = metric_get(METRIC_JOURNAL_STORED);
    int64_t commits = metric_get(METRIC_JOURNAL_COMMITS);
    for (size_t i = 0; i < 2; i++) {
        answer_with(errs[i]);
        submit_all(2 * i + 1, 2 * i + 2);
        await_answers(2 * i + 2);
        check_answers(2 * i + 1, 2 * i + 2, errs[i]);
    }
    assert_int_equal(metric_get(METRIC_JOURNAL_FAILED) - failed, 4);
    assert_int_equal(metric_get(METRIC_JOURNAL_STORED) - stored, 0);
    assert_int_equal(metric_get(METRIC_JOURNAL_COMMITS) - commits, 0);
    assert_int_equal(metric_get(METRIC_JOURNAL_QUEUED), 0);
}

static void posts_of_a_batch_fail_one_by_one(void **state)
{
    (void)state;
    int64_t failed = metric_get(METRIC_JOURNAL_FAILED), stored = metric_get(METRIC_JOURNAL_STORED);
    int64_t repeated = metric_get(METRIC_JOURNAL_REPEATED);
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    assert_int_equal(submit_for(2, "2", "again"), ERR_OK);
    submit_all(3, 5);
    fake.post_answer[1] = ERR_NOT_FOUND; /* of the second batch too: the first has one post */
    fake.post_answer[2] = ERR_INTERNAL;
    hold(false);
    await_answers(5);
    static const enum err errs[] = {ERR_OK, ERR_OK, ERR_NOT_FOUND, ERR_INTERNAL, ERR_OK};
    for (size_t i = 0; i < 5; i++) {
        check_answers(i + 1, i + 1, errs[i]);
        assert_int_equal(answers[i].repeated, i == 1);
    }
    assert_int_equal(metric_get(METRIC_JOURNAL_FAILED) - failed, 2);
    assert_int_equal(metric_get(METRIC_JOURNAL_REPEATED) - repeated, 1);
    assert_int_equal(metric_get(METRIC_JOURNAL_STORED) - stored, 2);
    submit_all(6, 6);
    await_answers(6);
    assert_int_equal(fake.batches[2].patience_ms, 5000); /* the database is well: the posts were bad */
}

/* The first batch waits for the database to come back. Those behind it would wait as long again, each. */
static void while_it_fails_nobody_is_kept_waiting(void **state)
{
    (void)state;
    static const struct {
        enum err answer;
        int64_t patience_ms;
    } rows[] = {{ERR_OK, 5000}, {ERR_DOWN, 5000},    {ERR_DOWN, 0}, {ERR_UNKNOWN, 0}, {ERR_OK, 0},
                {ERR_OK, 5000}, {ERR_UNKNOWN, 5000}, {ERR_OK, 0},   {ERR_OK, 5000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        answer_with(rows[i].answer);
        submit_all(i + 1, i + 1);
        await_answers(i + 1);
        assert_int_equal(fake.batches[i].patience_ms, rows[i].patience_ms);
    }
}

static void patience_counts_from_when_the_oldest_was_queued(void **state)
{
    (void)state;
    settings.journal_batch = 2;
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    submit_all(2, 2);
    clock_freeze(101000);
    submit_all(3, 4);
    clock_freeze(103500);
    submit_all(5, 5);
    clock_freeze(103000 + 5000 + 1);
    submit_all(6, 6);
    clock_freeze(104000);
    hold(false);
    await_answers(6);
    assert_int_equal(begun(), 4);
    assert_int_equal(fake.batches[0].patience_ms, 5000);
    assert_int_equal(fake.batches[1].patience_ms, 1000); /* 2 and 3: since 100000 */
    assert_int_equal(fake.batches[2].patience_ms, 2000); /* 4 and 5: since 101000 */
    hold(true);
    submit_all(7, 7);
    await_begun(5);
    submit_all(8, 8);
    clock_freeze(104000 + 5000 + 1);
    hold(false);
    await_answers(8);
    assert_int_equal(fake.batches[5].patience_ms, 0); /* late already: one attempt, none below */
}

/* One batch hangs, on a lock or a server that does not answer. Those behind it are not kept in silence. */
static void whoever_waits_too_long_behind_others_is_told(void **state)
{
    (void)state;
    int64_t expired = metric_get(METRIC_JOURNAL_EXPIRED);
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    submit_all(2, 3);
    clock_freeze(103000);
    submit_all(4, 4);
    clock_freeze(104999);
    journal_expire(journal);
    assert_int_equal(answered, 0);
    clock_freeze(105000);
    journal_expire(journal);
    assert_int_equal(answered, 2); /* before it returned */
    assert_int_equal(answers[0].session_id, 2);
    assert_int_equal(answers[1].session_id, 3);
    assert_int_equal(answers[0].err, ERR_DOWN);
    assert_int_equal(metric_get(METRIC_JOURNAL_QUEUED), 2); /* 1 and 4 */
    assert_int_equal(metric_get(METRIC_JOURNAL_EXPIRED) - expired, 2);
    hold(false);
    await_answers(4);
    assert_int_equal(answers[2].session_id, 1);
    assert_int_equal(answers[3].session_id, 4);
    assert_int_equal(answers[3].err, ERR_OK);
    assert_int_equal(begun(), 2); /* 2 and 3 never came to the database */
    hold(true);
    submit_all(5, 5);
    await_begun(3);
    submit_all(6, 6);
    clock_freeze(110000);
    journal_expire(journal); /* all that waits */
    assert_int_equal(answered, 5);
    submit_all(7, 7); /* and the queue is in order afterwards */
    hold(false);
    await_answers(7);
    assert_int_equal(answers[6].session_id, 7);
}

/* ---- the end ---- */

static uint64_t submitted;

/* Once it is stopping, which it says by taking nothing more. */
static void *let_go(void *arg)
{
    (void)arg;
    while (!submit(submitted + 1)) {
        submitted++;
        sched_yield();
    }
    hold(false);
    return NULL;
}

/* A database that stands still: each attempt takes its second. */
static int64_t attempts, now_ms;

static enum err stand_still(struct store_post *posts, size_t count, int64_t patience_ms)
{
    CG_ASSERT(patience_ms <= 5000);
    attempts++;
    clock_freeze(now_ms += 1000);
    for (size_t i = 0; i < count; i++)
        posts[i].err = ERR_UNKNOWN; /* it may have been stored */
    return ERR_UNKNOWN;
}

static void at_the_end_a_database_that_stands_still_is_tried_for_so_long_and_no_longer(void **state)
{
    (void)state;
    int64_t expired = metric_get(METRIC_JOURNAL_EXPIRED);
    settings.journal_batch = 1;
    settings.journal_queue = ANSWERS_MAX;
    hold(true);
    submit_all(1, 1);
    await_begun(1);
    submit_all(2, 60);
    submitted = 60;
    attempts = 0;
    now_ms = 100000;
    fake.instead = stand_still;
    pthread_t helper;
    assert_int_equal(pthread_create(&helper, NULL, let_go, NULL), 0);
    journal_stop(journal);
    pthread_join(helper, NULL);
    fake.instead = NULL;
    completion_queue_drain(&completions);
    assert_int_equal(answered, submitted);
    assert_int_equal(attempts, 5);
    check_answers(1, 1, ERR_OK);
    check_answers(2, 6, ERR_UNKNOWN);      /* tried */
    check_answers(7, submitted, ERR_DOWN); /* never tried */
    assert_int_equal(metric_get(METRIC_JOURNAL_EXPIRED) - expired, submitted - 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_failure_is_told_to_each_sender),
        TEST(posts_of_a_batch_fail_one_by_one),
        TEST(while_it_fails_nobody_is_kept_waiting),
        TEST(patience_counts_from_when_the_oldest_was_queued),
        TEST(whoever_waits_too_long_behind_others_is_told),
        TEST(at_the_end_a_database_that_stands_still_is_tried_for_so_long_and_no_longer),
    };
    if (log_open("test", "/dev/null", LOG_ERROR)) /* it complains of the failures that it is given */
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
