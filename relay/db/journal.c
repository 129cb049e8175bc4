#include "relay/db/journal.h"

#include "common/clock.h"
#include "common/store/db.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

/* How long a batch may keep its conversations, and with them whoever else posts to them or is stored beside others: what
 * is larger takes longer and is not stored sooner. Few posts are not worth a COMMIT. */
enum { HOLD_MS = 50, MOST_MIN = 50 };
/* … but so many of each payer go together however long it takes: where many say little each, small batches would cost the
 * database more, and nobody would be served sooner. */
enum { SHARE = 8 };
/* … and most bytes of one, unless one message has more: COMMIT writes them out. Where that takes longer than HOLD_MS
 * they are fewer, but for a share of each payer, which is so small that it is not what takes long. */
enum { BATCH_BYTES = 512 * 1024, BATCH_BYTES_MIN = 64 * 1024, SHARE_BYTES = 8 * 1024 };

STAILQ_HEAD(entries, entry);

/* A queued message. */
struct entry {
    STAILQ_ENTRY(entry) next; /* of its payer; once taken, of its batch */
    TAILQ_ENTRY(entry) by_age;
    struct payer *payer;
    struct post_id id;
    uint64_t epoch;
    int64_t queued_ms;
    struct message *message;
};

/* A payer with waiting messages: a sender, or a session without one. Never empty. */
struct payer {
    TAILQ_ENTRY(payer) turn;
    uint64_t key;
    uint64_t batch;            /* in which it had its turn last, */
    size_t taken, taken_bytes; /* … and how many of its own are in that */
    struct entries entries;
};

TAILQ_HEAD(turns, payer);

/* A stored batch on its way back to the loop. */
struct batch {
    struct completion completion;
    struct journal *journal;
    size_t count, bytes; /* bytes: as they were queued */
    struct store_post *posts;
    struct post_id *ids;
    struct message **messages; /* own the posts' texts */
};

struct journal {
    const struct settings *settings;
    struct completion_queue *completions;
    journal_stored_fn *stored;
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t some;
    TAILQ_HEAD(queue, entry) queue; /* the oldest first … */
    struct map payers;              /* … and by who said it, */
    struct turns turns;             /* each in turn: the first is the next */
    size_t waiting, waiting_bytes;
    size_t count, bytes; /* queued or being stored */
    bool stopping, stopped;
    int64_t stop_ms;   /* when stopping: until when batches are tried */
    bool failing;      /* journal thread: the last batch found no database */
    uint64_t batches;  /* journal thread: gathered so far */
    size_t most;       /* journal thread: posts that this machine stores within HOLD_MS, as far as known, */
    size_t most_bytes; /* … and bytes that it writes out within that */
};

static void settle(struct journal *journal, size_t count, size_t bytes)
{
    pthread_mutex_lock(&journal->lock);
    journal->count -= count;
    journal->bytes -= bytes;
    metric_set(METRIC_JOURNAL_QUEUED, (int64_t)journal->count);
    pthread_mutex_unlock(&journal->lock);
}

static void arrived(struct completion *completion)
{
    struct batch *batch = (struct batch *)completion;
    batch->journal->stored(batch->journal->arg, batch->posts, batch->ids, batch->count);
    for (size_t i = 0; i < batch->count; i++)
        free(batch->messages[i]);
    free(batch->messages);
    free(batch->posts);
    free(batch->ids);
    free(batch);
}

/* ---- what waits; under the lock ---- */

static uint64_t payer_key(struct post_id id, const struct message *message)
{
    static const uint64_t session = UINT64_C(1) << 63; /* users' numbers stay below */
    return message->sender ? message->sender : session | id.session_id;
}

static struct payer *payer_of(struct journal *journal, uint64_t key)
{
    struct payer *payer = map_get(&journal->payers, key);
    if (payer)
        return payer;
    payer = mem_zalloc(sizeof *payer);
    payer->key = key;
    STAILQ_INIT(&payer->entries);
    TAILQ_INSERT_TAIL(&journal->turns, payer, turn);
    map_put(&journal->payers, key, payer);
    return payer;
}

static void payer_free(struct journal *journal, struct payer *payer)
{
    TAILQ_REMOVE(&journal->turns, payer, turn);
    map_take(&journal->payers, payer->key);
    free(payer);
}

static void add(struct journal *journal, struct entry *entry)
{
    struct payer *payer = payer_of(journal, payer_key(entry->id, entry->message));
    entry->payer = payer;
    STAILQ_INSERT_TAIL(&payer->entries, entry, next);
    TAILQ_INSERT_TAIL(&journal->queue, entry, by_age);
    journal->waiting++;
    journal->waiting_bytes += message_size(entry->message);
}

/* Moves its oldest to the end of `taken`. */
static struct entry *take_from(struct journal *journal, struct payer *payer, struct entries *taken)
{
    struct entry *entry = STAILQ_FIRST(&payer->entries);
    STAILQ_REMOVE_HEAD(&payer->entries, next);
    if (STAILQ_EMPTY(&payer->entries))
        payer_free(journal, payer);
    TAILQ_REMOVE(&journal->queue, entry, by_age);
    journal->waiting--;
    journal->waiting_bytes -= message_size(entry->message);
    STAILQ_INSERT_TAIL(taken, entry, next);
    return entry;
}

/* How much of something there may be, when `size` of it took so long: one that took too long says how much is done in
 * time; one that was as large as it might be and did not lets the next be larger. */
static size_t learn(size_t most, size_t least, size_t size, int64_t ms)
{
    if (ms > HOLD_MS && size > least) {
        size_t in_time = size * HOLD_MS / (size_t)ms;
        return in_time < least ? least : in_time;
    }
    return size >= most ? most + most / 2 : most;
}

/* Journal thread. */
static void learn_from(struct journal *journal, const struct batch *batch, const struct store *store)
{
    int64_t held_ms = store_journal_ms(store);
    journal->most = learn(journal->most, MOST_MIN, batch->count, held_ms);
    journal->most_bytes =
        learn(journal->most_bytes, BATCH_BYTES_MIN, batch->bytes, held_ms + store_journal_commit_ms(store));
    if (journal->most_bytes > BATCH_BYTES)
        journal->most_bytes = BATCH_BYTES;
}

static bool has_had_share(struct payer *payer, uint64_t batch)
{
    if (payer->batch != batch) {
        payer->batch = batch;
        payer->taken = payer->taken_bytes = 0;
    }
    return payer->taken >= SHARE || payer->taken_bytes >= SHARE_BYTES;
}

/* Whose turn it is; NULL: nobody's. In a batch that is as large as it should be those who have had their share are moved
 * to `served`. */
static struct payer *next_payer(struct journal *journal, bool full, struct turns *served)
{
    struct payer *payer;
    while ((payer = TAILQ_FIRST(&journal->turns)) && has_had_share(payer, journal->batches) && full) {
        TAILQ_REMOVE(&journal->turns, payer, turn);
        TAILQ_INSERT_TAIL(served, payer, turn);
    }
    if (!payer)
        return NULL;
    payer->taken++;
    payer->taken_bytes += message_size(STAILQ_FIRST(&payer->entries)->message);
    TAILQ_REMOVE(&journal->turns, payer, turn);
    TAILQ_INSERT_TAIL(&journal->turns, payer, turn);
    return payer;
}

/* Waits for a message; takes up to journal_batch of them, or as many as are stored in time or are everybody's share, and
 * returns how many; 0 at the end. Oldest first: but while more wait than go together, one of each payer in turn, so that
 * whoever sends much waits behind themselves. What one payer sends keeps its order. */
static size_t gather(struct journal *journal, struct entries *taken, int64_t *oldest_ms)
{
    struct turns served = TAILQ_HEAD_INITIALIZER(served);
    size_t count = 0, bytes = 0;
    pthread_mutex_lock(&journal->lock);
    while (!journal->waiting && !journal->stopping)
        pthread_cond_wait(&journal->some, &journal->lock);
    size_t limit = (size_t)journal->settings->journal_batch, most = journal->most < limit ? journal->most : limit;
    journal->batches++;
    bool all = journal->waiting <= most && journal->waiting_bytes <= journal->most_bytes;
    *oldest_ms = INT64_MAX;
    for (; journal->waiting && count < limit && bytes < BATCH_BYTES; count++) {
        bool full = count >= most || bytes >= journal->most_bytes;
        struct payer *payer = all ? TAILQ_FIRST(&journal->queue)->payer : next_payer(journal, full, &served);
        if (!payer)
            break;
        const struct entry *entry = take_from(journal, payer, taken);
        bytes += message_size(entry->message);
        if (entry->queued_ms < *oldest_ms)
            *oldest_ms = entry->queued_ms;
    }
    TAILQ_CONCAT(&journal->turns, &served, turn);
    pthread_mutex_unlock(&journal->lock);
    return count;
}

/* Of `count` entries, which it empties `taken` of. */
static struct batch *batch_new(struct journal *journal, struct entries *taken, size_t count)
{
    struct batch *batch = mem_zalloc(sizeof *batch);
    batch->completion.arrived = arrived;
    batch->journal = journal;
    batch->count = count;
    batch->posts = mem_zalloc(count * sizeof batch->posts[0]);
    batch->ids = mem_zalloc(count * sizeof batch->ids[0]);
    batch->messages = mem_zalloc(count * sizeof batch->messages[0]);
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = STAILQ_FIRST(taken);
        STAILQ_REMOVE_HEAD(taken, next);
        batch->posts[i].message = *entry->message;
        batch->bytes += message_size(entry->message);
        batch->posts[i].of_epoch = entry->epoch;
        batch->ids[i] = entry->id;
        batch->messages[i] = entry->message;
        free(entry);
    }
    return batch;
}

static void count_results(struct journal *journal, const struct batch *batch)
{
    size_t stored = 0, repeated = 0, failed = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct store_post *post = &batch->posts[i];
        failed += post->err != ERR_OK;
        repeated += !post->err && post->repeated;
        stored += !post->err && !post->repeated;
    }
    metric_add(METRIC_JOURNAL_COMMITS, stored > 0);
    metric_add(METRIC_JOURNAL_STORED, (int64_t)stored);
    metric_add(METRIC_JOURNAL_REPEATED, (int64_t)repeated);
    metric_add(METRIC_JOURNAL_FAILED, (int64_t)failed);
    settle(journal, batch->count, batch->bytes);
}

/* What posts borrow from the store they keep. */
static void keep_borrowed(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct store_post *post = &batch->posts[i];
        if (!post->message.author_id.len)
            continue;
        struct message *own = message_dup(&post->message);
        free(batch->messages[i]);
        batch->messages[i] = own;
        post->message = *own;
    }
}

/* While the database is known to be away nobody is kept waiting: each batch gets one attempt. */
static void store_batch(struct journal *journal, struct store *store, struct batch *batch, int64_t oldest_ms,
                        int64_t stop_ms)
{
    int64_t now_ms = clock_mono_ms(), until_ms = oldest_ms + journal->settings->journal_timeout_ms;
    int64_t patience = (until_ms < stop_ms ? until_ms : stop_ms) - now_ms;
    if (journal->failing || patience < 0)
        patience = 0;
    enum err err = store_journal(store, batch->posts, batch->count, patience);
    if (err && !journal->failing)
        log_error("journal.failing", "err=%s batch=%zu msg=\"%s\"", err_name(err), batch->count, store_error(store));
    else if (!err && journal->failing)
        log_info("journal.recovered", "batch=%zu", batch->count);
    journal->failing = err != ERR_OK;
    keep_borrowed(batch);
    learn_from(journal, batch, store);
}

/* Not tried. */
static void give_up(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        batch->posts[i].err = ERR_DOWN;
    metric_add(METRIC_JOURNAL_EXPIRED, (int64_t)batch->count);
}

static int64_t ends_at(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    int64_t stop_ms = journal->stopping ? journal->stop_ms : INT64_MAX;
    pthread_mutex_unlock(&journal->lock);
    return stop_ms;
}

static void *run(void *arg)
{
    struct journal *journal = arg;
    struct store *store = store_new(journal->settings);
    struct entries taken = STAILQ_HEAD_INITIALIZER(taken);
    size_t count;
    int64_t oldest_ms;
    db_thread_begin();
    while ((count = gather(journal, &taken, &oldest_ms))) {
        int64_t stop_ms = ends_at(journal);
        struct batch *batch = batch_new(journal, &taken, count);
        if (clock_mono_ms() < stop_ms)
            store_batch(journal, store, batch, oldest_ms, stop_ms);
        else
            give_up(batch);
        count_results(journal, batch);
        completion_queue_add_stored(journal->completions, &batch->completion);
    }
    store_free(store);
    db_thread_end();
    return NULL;
}

struct journal *journal_new(const struct settings *settings, struct completion_queue *completions,
                            journal_stored_fn *stored, void *arg)
{
    struct journal *journal = mem_zalloc(sizeof *journal);
    journal->settings = settings;
    journal->completions = completions;
    journal->stored = stored;
    journal->arg = arg;
    journal->most = (size_t)settings->journal_batch;
    journal->most_bytes = BATCH_BYTES_MIN; /* nothing is known of the disk yet */
    TAILQ_INIT(&journal->queue);
    TAILQ_INIT(&journal->turns);
    pthread_mutex_init(&journal->lock, NULL);
    pthread_cond_init(&journal->some, NULL);
    int failed = pthread_create(&journal->thread, NULL, run, journal);
    CG_NEED(!failed, "a thread");
    return journal;
}

enum err journal_submit(struct journal *journal, struct post_id id, uint64_t epoch, const struct message *message)
{
    size_t bytes = message_size(message);
    enum err err = ERR_OK;
    pthread_mutex_lock(&journal->lock);
    if (journal->stopping || journal->count >= (size_t)journal->settings->journal_queue ||
        journal->bytes + bytes > (size_t)journal->settings->journal_queue_bytes)
        err = ERR_BUSY;
    pthread_mutex_unlock(&journal->lock);
    if (err) {
        metric_inc(METRIC_JOURNAL_REFUSED);
        return err;
    }
    struct entry *entry = mem_zalloc(sizeof *entry);
    entry->id = id;
    entry->epoch = epoch;
    entry->queued_ms = clock_mono_ms();
    entry->message = message_dup(message);
    pthread_mutex_lock(&journal->lock);
    bool was_empty = !journal->waiting;
    add(journal, entry);
    journal->count++;
    journal->bytes += bytes;
    metric_set(METRIC_JOURNAL_QUEUED, (int64_t)journal->count);
    pthread_mutex_unlock(&journal->lock);
    if (was_empty)
        pthread_cond_signal(&journal->some);
    return ERR_OK;
}

void journal_expire(struct journal *journal)
{
    int64_t since_ms = clock_mono_ms() - journal->settings->journal_timeout_ms;
    size_t count = 0;
    pthread_mutex_lock(&journal->lock);
    struct entries taken = STAILQ_HEAD_INITIALIZER(taken);
    for (; journal->waiting && TAILQ_FIRST(&journal->queue)->queued_ms <= since_ms; count++)
        take_from(journal, TAILQ_FIRST(&journal->queue)->payer, &taken);
    pthread_mutex_unlock(&journal->lock);
    if (!count)
        return;
    struct batch *batch = batch_new(journal, &taken, count);
    give_up(batch);
    count_results(journal, batch);
    arrived(&batch->completion);
}

void journal_stop(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    if (!journal->stopping)
        journal->stop_ms = clock_mono_ms() + journal->settings->journal_timeout_ms;
    journal->stopping = true;
    pthread_cond_signal(&journal->some);
    pthread_mutex_unlock(&journal->lock);
    if (!journal->stopped)
        pthread_join(journal->thread, NULL);
    journal->stopped = true;
}

void journal_free(struct journal *journal)
{
    CG_ASSERT(journal->stopped && !journal->waiting);
    map_fini(&journal->payers);
    pthread_mutex_destroy(&journal->lock);
    pthread_cond_destroy(&journal->some);
    free(journal);
}
