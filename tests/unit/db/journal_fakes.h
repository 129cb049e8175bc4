/* journal_fakes.h: the journal between a loop and a database whose answers the test controls. */
#ifndef CG_TESTS_JOURNAL_FAKES_H
#define CG_TESTS_JOURNAL_FAKES_H

#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/store/db.h"
#include "common/err.h"
#include "common/log.h"
#include "common/metrics.h"
#include "relay/db/journal.h"

#include <pthread.h>

/* ---- the database, as the journal's thread meets it (cmocka's assertions are for the test's own) ---- */

enum { BATCHES_MAX = 4096 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held;               /* the next batch stays with the database */
    enum err answer;         /* of the whole batch, and of each of its posts unless post_answer says more */
    enum err post_answer[4]; /* of the batch's first posts, when all else is well */
    size_t begun;
    struct {
        size_t count;
        int64_t patience_ms;
        size_t bytes; /* of the texts, once it is answered */
    } batches[BATCHES_MAX];
    /* Instead of all that: answers a batch itself. */
    enum err (*instead)(struct store_post *posts, size_t count, int64_t patience_ms);
    int threads, stores; /* begun and not ended */
    uint64_t seq;
    size_t per_ms; /* posts that it stores in a millisecond; 0: it takes no time */
    int64_t took_ms;
    size_t bytes_per_ms; /* that it writes out at COMMIT; 0: in no time */
    int64_t commit_ms;
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

enum err store_journal(struct store *store, struct store_post *posts, size_t count, int64_t patience_ms)
{
    CG_ASSERT(store == the_store);
    if (fake.instead)
        return fake.instead(posts, count, patience_ms);
    pthread_mutex_lock(&fake.lock);
    fake.batches[fake.begun].count = count;
    fake.batches[fake.begun++].patience_ms = patience_ms;
    pthread_cond_broadcast(&fake.changed);
    while (fake.held)
        pthread_cond_wait(&fake.changed, &fake.lock);
    enum err answer = fake.answer;
    fake.took_ms = fake.per_ms ? (int64_t)(count / fake.per_ms) : 0;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += posts[i].message.content.len + posts[i].message.client_id.len;
    fake.batches[fake.begun - 1].bytes = bytes;
    fake.commit_ms = fake.bytes_per_ms ? (int64_t)(bytes / fake.bytes_per_ms) : 0;
    for (size_t i = 0; i < count; i++) {
        posts[i].err = answer ? answer : i < 4 ? fake.post_answer[i] : ERR_OK;
        posts[i].message.seq = posts[i].err ? 0 : ++fake.seq;
        posts[i].repeated = !posts[i].err && str_eq(posts[i].message.client_id, STR("again"));
    }
    pthread_mutex_unlock(&fake.lock);
    return answer;
}

int64_t store_journal_ms(const struct store *store)
{
    CG_ASSERT(store == the_store);
    return fake.took_ms;
}

int64_t store_journal_commit_ms(const struct store *store)
{
    CG_ASSERT(store == the_store);
    return fake.commit_ms;
}

static inline void hold(bool held)
{
    pthread_mutex_lock(&fake.lock);
    fake.held = held;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
}

static inline void answer_with(enum err answer)
{
    pthread_mutex_lock(&fake.lock);
    fake.answer = answer;
    pthread_mutex_unlock(&fake.lock);
}

/* Returns when `count` batches have come to the database, whether they are answered or not. */
static inline void await_begun(size_t count)
{
    pthread_mutex_lock(&fake.lock);
    while (fake.begun < count)
        pthread_cond_wait(&fake.changed, &fake.lock);
    pthread_mutex_unlock(&fake.lock);
}

static inline size_t begun(void)
{
    pthread_mutex_lock(&fake.lock);
    size_t count = fake.begun;
    pthread_mutex_unlock(&fake.lock);
    return count;
}

/* ---- the loop, as the journal's answers meet it ---- */

static uv_loop_t loop;
static struct completion_queue completions;
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

static inline void on_stored(void *arg, struct store_post *posts, const struct post_id *ids, size_t count)
{
    assert_ptr_equal(arg, &settings);
    assert_true(count > 0);
    batches_answered++;
    for (size_t i = 0; i < count; i++) {
        const struct message *message = &posts[i].message;
        assert_true(message->content.len < sizeof answers[0].content);
        assert_int_equal(ids[i].number, 3 * ids[i].session_id);
        answers[answered].session_id = ids[i].session_id;
        answers[answered].conversation = message->conversation;
        answers[answered].seq = message->seq;
        answers[answered].err = posts[i].err;
        answers[answered].repeated = posts[i].repeated;
        memcpy(answers[answered].content, message->content.ptr, message->content.len);
        answers[answered++].content[message->content.len] = '\0';
    }
}

static inline void await_answers(size_t count)
{
    while (answered < count)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(answered, count);
}

static inline int begin(void **state)
{
    (void)state;
    memset(answers, 0, sizeof answers);
    answered = batches_answered = 0;
    fake.held = false;
    fake.answer = ERR_OK;
    memset(fake.post_answer, 0, sizeof fake.post_answer);
    fake.begun = 0;
    fake.seq = 0;
    fake.per_ms = 0;
    fake.took_ms = 0;
    fake.bytes_per_ms = 0;
    fake.commit_ms = 0;
    settings = (struct settings){
        .journal_batch = 100, .journal_queue = 1000, .journal_queue_bytes = 1000000, .journal_timeout_ms = 5000};
    clock_freeze(100000);
    if (uv_loop_init(&loop))
        return -1;
    completion_queue_init(&completions, &loop);
    journal = journal_new(&settings, &completions, on_stored, &settings);
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    hold(false); /* a test that failed may have left it so */
    journal_stop(journal);
    completion_queue_fini(&completions);
    journal_free(journal);
    uv_run(&loop, UV_RUN_DEFAULT);
    clock_freeze(-1);
    return fake.stores || fake.threads || uv_loop_close(&loop) ? -1 : 0;
}

/* The texts are gone when this returns: the journal must have copied them. */
static inline enum err submit_of(uint64_t sender, uint64_t session_id, const char *content, const char *client_id)
{
    char *text = strdup(content), *id = strdup(client_id);
    struct message message = {.conversation = 7, .sender = sender, .content = str_of(text), .client_id = str_of(id)};
    enum err err = journal_submit(journal, (struct post_id){session_id, 3 * session_id, NULL}, 0, &message);
    memset(text, '?', strlen(text));
    free(text);
    free(id);
    return err;
}

static inline enum err submit_for(uint64_t session_id, const char *content, const char *client_id)
{
    return submit_of(9, session_id, content, client_id);
}

static inline enum err submit(uint64_t number)
{
    char content[24];
    snprintf(content, sizeof content, "%llu", (unsigned long long)number);
    return submit_for(number, content, "");
}

static inline void submit_all(uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++)
        assert_int_equal(submit(number), ERR_OK);
}

/* Answers `first` to `last` are those of the messages with these numbers, each for its own session. */
static inline void check_answers(size_t first, size_t last, enum err err)
{
    for (size_t n = first; n <= last; n++) {
        assert_int_equal(answers[n - 1].session_id, n);
        assert_int_equal(strtoull(answers[n - 1].content, NULL, 10), n);
        assert_int_equal(answers[n - 1].err, err);
        assert_int_equal(answers[n - 1].conversation, 7);
    }
}

/* ---- the end ---- */

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
