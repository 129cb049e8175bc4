/* Random sequences for the journal, its own thread and a database that stalls, fails, loses COMMITs and answers when it
 * likes, while the loop submits, lets expire, and ends: every post that was taken has one answer, its own; what was said
 * to be stored is, under that number; what was refused is not, now or later. */
#include "journal_fakes.h"
#include "tests/unit/sequences.h"

enum { POSTS = 600, SESSIONS = 5 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned open;  /* batches that may be answered; while 0, the database hangs */
    uint64_t state; /* of its random numbers */
    uint64_t seq;
    uint64_t stored[POSTS]; /* the number of each post in the database; 0: it is not there */
    bool twice;
} database = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct {
    uint64_t session_id;
    bool taken;
    unsigned answers;
    enum err err;
    uint64_t seq;
} posts[POSTS];

static size_t post_count;

/* ---- the database ---- */

static size_t number_of(const struct message *message)
{
    size_t number = 0;
    for (size_t i = 0; i < message->content.len; i++)
        number = number * 10 + (size_t)(message->content.ptr[i] - '0');
    CG_ASSERT(number < POSTS);
    return number;
}

static void keep(struct store_post *post)
{
    size_t number = number_of(&post->message);
    database.twice |= database.stored[number] != 0;
    database.stored[number] = post->message.seq = ++database.seq;
}

/* In the journal's thread. */
static enum err answer_batch(struct store_post *batch, size_t count, int64_t patience_ms)
{
    static const enum err wholes[] = {ERR_OK, ERR_OK, ERR_OK, ERR_OK, ERR_DOWN, ERR_UNKNOWN};
    static const enum err ones[] = {ERR_NOT_FOUND, ERR_DENIED, ERR_DUPLICATE, ERR_INTERNAL};
    pthread_mutex_lock(&database.lock);
    CG_ASSERT(patience_ms >= 0 && patience_ms <= settings.journal_timeout_ms);
    while (!database.open)
        pthread_cond_wait(&database.changed, &database.lock);
    database.open--;
    enum err whole = wholes[seq_next(&database.state) % 6];
    bool carried_out = whole == ERR_OK || (whole == ERR_UNKNOWN && seq_next(&database.state) % 2);
    for (size_t i = 0; i < count; i++) {
        batch[i].err = whole;
        if (!whole && seq_next(&database.state) % 8 == 0)
            batch[i].err = ones[seq_next(&database.state) % 4];
        if (carried_out && (!batch[i].err || batch[i].err == ERR_UNKNOWN))
            keep(&batch[i]);
    }
    pthread_mutex_unlock(&database.lock);
    return whole;
}

/* So many more batches are answered, when the journal's thread gets to them. */
static void let(unsigned batches)
{
    pthread_mutex_lock(&database.lock);
    database.open += batches;
    pthread_cond_broadcast(&database.changed);
    pthread_mutex_unlock(&database.lock);
}

/* ---- the loop ---- */

static void on_answers(void *arg, struct store_post *batch, const struct post_id *ids, size_t count)
{
    assert_ptr_equal(arg, &settings);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        size_t number = number_of(&batch[i].message);
        assert_int_equal(ids[i].number, number); /* its own answer … */
        assert_int_equal(ids[i].session_id, posts[number].session_id);
        assert_true(posts[number].taken);
        posts[number].answers++;
        posts[number].err = batch[i].err;
        posts[number].seq = batch[i].message.seq;
    }
}

static void submit_one(void)
{
    char content[24];
    if (post_count == POSTS)
        return;
    size_t number = post_count++;
    posts[number].session_id = any(SESSIONS);
    snprintf(content, sizeof content, "%zu", number);
    struct message message = {.conversation = 1 + any(3), .sender = any(4), .content = str_of(content)};
    struct post_id id = {posts[number].session_id, number, NULL};
    posts[number].taken = !journal_submit(journal, id, 0, &message);
}

static void step(int64_t *now)
{
    seq.steps++;
    switch (any(8)) {
    case 0:
    case 1:
        for (unsigned n = any(20); n; n--)
            submit_one();
        break;
    case 2:
    case 3: uv_run(&loop, UV_RUN_NOWAIT); break;
    case 4: let(1 + any(3)); break;
    case 5: clock_freeze(*now += any(3000)); break;
    case 6: journal_expire(journal); break;
    case 7: /* the thread's turn, now and then for longer */
        if (once_in(4))
            nanosleep(&(struct timespec){0, any(200000)}, NULL);
        else
            sched_yield();
        break;
    }
}

static void check_all(void)
{
    assert_false(database.twice);
    for (size_t n = 0; n < post_count; n++) {
        uint64_t stored = database.stored[n];
        assert_int_equal(posts[n].answers, posts[n].taken);
        if (!posts[n].taken)
            assert_int_equal(stored, 0);
        else if (!posts[n].err)
            assert_int_equal(stored, posts[n].seq);
        else if (posts[n].err != ERR_UNKNOWN)
            assert_int_equal(stored, 0);
        if (!posts[n].err && posts[n].taken)
            assert_true(stored > 0);
    }
    assert_int_equal(metric_get(METRIC_JOURNAL_QUEUED), 0);
}

static bool running, failed = true;

static void round_of_steps(void)
{
    int64_t now = 100000;
    memset(posts, 0, sizeof posts);
    memset(database.stored, 0, sizeof database.stored);
    post_count = 0;
    database.open = any(2) ? 0 : any(5);
    database.state = seq.state;
    database.seq = 0;
    settings = (struct settings){.journal_batch = 1 + any(12),
                                 .journal_queue = 20 + any(100),
                                 .journal_queue_bytes = 100000,
                                 .journal_timeout_ms = 1000 + any(3000)};
    clock_freeze(now);
    assert_int_equal(uv_loop_init(&loop), 0);
    completion_queue_init(&completions, &loop);
    journal = journal_new(&settings, &completions, on_answers, &settings);
    running = true;
    for (unsigned steps = 50 + any(400); steps; steps--)
        step(&now);
    let(POSTS + 1); /* it goes on, and what waits is stored or refused before the end */
    if (once_in(2))
        journal_expire(journal);
    journal_stop(journal);
    running = false;
    completion_queue_fini(&completions);
    journal_free(journal);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    check_all();
}

static void every_post_has_one_answer_and_it_is_true(void **state)
{
    (void)state;
    fake.instead = answer_batch;
    seq_run(round_of_steps, 40);
    failed = false;
}

static int end_all(void **state)
{
    (void)state;
    if (failed && running) {
        let(POSTS + 1);
        journal_stop(journal);
    }
    clock_freeze(-1);
    return seq_told_if(failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_post_has_one_answer_and_it_is_true, end_all),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
