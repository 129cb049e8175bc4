/* The thread that stores messages, with a database that can be held up and told to fail. Nothing here
 * sleeps: the test waits for the batch to be begun, and the loop for it to be answered. */
#include "check.h"

#include "common/clock.h"
#include "common/db.h"
#include "common/err.h"
#include "common/log.h"
#include "common/metrics.h"
#include "relay/journal.h"

#include <pthread.h>

/* ---- the database, as the journal's thread meets it (cmocka's assertions are for the test's own) ---- */

enum { BATCHES_MAX = 4096 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held;       /* the next batch stays with the database */
    enum err answer; /* of the whole batch, and of each of its posts unless post_answer says more */
    enum err post_answer[4]; /* of the batch's first posts, when all else is well */
    size_t begun;
    struct {
        size_t count;
        int64_t patience_ms;
    } batches[BATCHES_MAX];
    int threads, stores; /* begun and not ended */
    uint64_t seq;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct store *const the_store = (struct store *)&fake;

struct store *store_new(const struct settings *settings)
{
    CG_ASSERT(settings);
    fake.stores++;
    return the_store;
}

void store_free(struct store *store)
{
    CG_ASSERT(store == the_store);
    fake.stores--;
}

const char *store_error(const struct store *store)
{
    CG_ASSERT(store == the_store);
    return "as the test told it";
}

void db_thread_begin(void)
{
    fake.threads++;
}

void db_thread_end(void)
{
    fake.threads--;
}

enum err store_journal(struct store *store, struct store_post *posts, size_t count,
                       int64_t patience_ms)
{
    CG_ASSERT(store == the_store);
    pthread_mutex_lock(&fake.lock);
    fake.batches[fake.begun].count = count;
    fake.batches[fake.begun++].patience_ms = patience_ms;
    pthread_cond_broadcast(&fake.changed);
    while (fake.held)
        pthread_cond_wait(&fake.changed, &fake.lock);
    enum err answer = fake.answer;
    for (size_t i = 0; i < count; i++) {
        posts[i].err = answer ? answer : i < 4 ? fake.post_answer[i] : ERR_OK;
        posts[i].message.seq = posts[i].err ? 0 : ++fake.seq;
        posts[i].repeated = !posts[i].err && str_eq(posts[i].message.client_id, STR("again"));
    }
    pthread_mutex_unlock(&fake.lock);
    return answer;
}

static void hold(bool held)
{
    pthread_mutex_lock(&fake.lock);
    fake.held = held;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
}

static void answer_with(enum err answer)
{
    pthread_mutex_lock(&fake.lock);
    fake.answer = answer;
    pthread_mutex_unlock(&fake.lock);
}

/* Returns when `count` batches have come to the database, whether they are answered or not. */
static void await_begun(size_t count)
{
    pthread_mutex_lock(&fake.lock);
    while (fake.begun < count)
        pthread_cond_wait(&fake.changed, &fake.lock);
    pthread_mutex_unlock(&fake.lock);
}

static size_t begun(void)
{
    pthread_mutex_lock(&fake.lock);
    size_t count = fake.begun;
    pthread_mutex_unlock(&fake.lock);
    return count;
}

/* ---- the loop, as the journal's answers meet it ---- */

static uv_loop_t loop;
static struct offload offload;
static struct settings settings;
static struct journal *journal;

enum { ANSWERS_MAX = 8192 };

static struct {
    uint64_t session_id, seq, conversation;
    enum err err;
    bool repeated;
    char content[24];
} answers[ANSWERS_MAX];
static size_t answered, batches_answered;

static void on_stored(void *arg, struct store_post *posts, const uint64_t *session_ids,
                      size_t count)
{
    assert_ptr_equal(arg, &settings);
    assert_true(count > 0);
    batches_answered++;
    for (size_t i = 0; i < count; i++) {
        const struct message *message = &posts[i].message;
        assert_true(message->content.len < sizeof answers[0].content);
        answers[answered].session_id = session_ids[i];
        answers[answered].conversation = message->conversation;
        answers[answered].seq = message->seq;
        answers[answered].err = posts[i].err;
        answers[answered].repeated = posts[i].repeated;
        memcpy(answers[answered].content, message->content.ptr, message->content.len);
        answers[answered++].content[message->content.len] = '\0';
    }
}

static void await_answers(size_t count)
{
    while (answered < count)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(answered, count);
}

static int begin(void **state)
{
    (void)state;
    memset(answers, 0, sizeof answers);
    answered = batches_answered = 0;
    fake.held = false;
    fake.answer = ERR_OK;
    memset(fake.post_answer, 0, sizeof fake.post_answer);
    fake.begun = 0;
    fake.seq = 0;
    settings = (struct settings){.journal_batch = 100,
                                 .journal_queue = 1000,
                                 .journal_queue_bytes = 1000000,
                                 .journal_timeout_ms = 5000};
    clock_freeze(100000);
    if (uv_loop_init(&loop))
        return -1;
    offload_init(&offload, &loop);
    journal = journal_new(&settings, &offload, on_stored, &settings);
    return 0;
}

static int end(void **state)
{
    (void)state;
    hold(false); /* a test that failed may have left it so */
    journal_stop(journal);
    offload_fini(&offload);
    journal_free(journal);
    uv_run(&loop, UV_RUN_DEFAULT);
    clock_freeze(-1);
    return fake.stores || fake.threads || uv_loop_close(&loop) ? -1 : 0;
}

/* The texts are gone when this returns: the journal must have copied them. */
static enum err submit_for(uint64_t session_id, const char *content, const char *client_id)
{
    char *text = strdup(content), *id = strdup(client_id);
    struct message message = {
        .conversation = 7, .sender = 9, .content = str_of(text), .client_id = str_of(id)};
    enum err err = journal_submit(journal, session_id, &message);
    memset(text, '?', strlen(text));
    free(text);
    free(id);
    return err;
}

static enum err submit(uint64_t number)
{
    char content[24];
    snprintf(content, sizeof content, "%llu", (unsigned long long)number);
    return submit_for(number, content, "");
}

static void submit_all(uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++)
        assert_int_equal(submit(number), ERR_OK);
}

/* Answers `first` to `last` are those of the messages with these numbers, each for its own session. */
static void check_answers(size_t first, size_t last, enum err err)
{
    for (size_t n = first; n <= last; n++) {
        assert_int_equal(answers[n - 1].session_id, n);
        assert_int_equal(strtoull(answers[n - 1].content, NULL, 10), n);
        assert_int_equal(answers[n - 1].err, err);
        assert_int_equal(answers[n - 1].conversation, 7);
    }
}

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
    int64_t commits = metric_get(METRIC_JOURNAL_COMMITS),
            stored = metric_get(METRIC_JOURNAL_STORED);
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
    assert_int_equal(fake.batches[2].patience_ms,
                     5000); /* the database is well: the posts were bad */
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
    offload_drain(&offload);
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
    offload_drain(&offload);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_idle_journal_stores_at_once),
        TEST(while_one_batch_is_stored_the_next_gathers),
        TEST(a_batch_has_a_bound),
        TEST(order_is_kept_however_the_batches_fall),
        TEST(a_full_queue_refuses_by_count),
        TEST(a_full_queue_refuses_by_bytes),
        TEST(a_failure_is_told_to_each_sender),
        TEST(posts_of_a_batch_fail_one_by_one),
        TEST(while_it_fails_nobody_is_kept_waiting),
        TEST(patience_counts_from_when_the_oldest_was_queued),
        TEST(whoever_waits_too_long_behind_others_is_told),
        TEST(stopping_stores_what_is_queued),
        TEST(stopping_without_a_database_answers_what_is_queued),
        TEST(stopping_an_idle_journal_ends_its_thread),
    };
    if (log_open("test", "/dev/null",
                 LOG_ERROR)) /* it complains of the failures that it is given */
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
