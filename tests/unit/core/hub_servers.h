/* hub_servers.h: what the hub asks and tells, told what to answer by the test: a database of messages, the readers of
 * it, a bus, a journal. A part of hub_fakes.h. */
#ifndef CG_TESTS_HUB_SERVERS_H
#define CG_TESTS_HUB_SERVERS_H

#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "relay/redis/bus.h"
#include "relay/core/hub.h"
#include "relay/core/hub_room.h"
#include "relay/db/journal.h"
#include "relay/db/db_pool.h"
#include "relay/core/wsframe.h"

enum { INCARNATION = 77, EPOCH = 3, CONVERSATIONS = 64 };

/* ---- the database ---- */

static struct {
    uint64_t last[CONVERSATIONS]; /* messages 1 to this are stored */
    uint64_t missing;             /* but not this one */
    enum err err;
    int epoch_reads;
    uint64_t connection, latest_connection;
    uint64_t epoch; /* 0: EPOCH */
    uint64_t other; /* from this number on, other messages than at first; 0: none */
    enum err raise; /* what raising the epoch comes to */
    int raises;
} db;

/* Which transaction stored it. */
static uint64_t batch_of(uint64_t seq)
{
    return (db.other && seq >= db.other ? 2000 : 1000) + seq;
}

/* The text of a message; of the last few asked for. */
static struct str text_of(uint64_t seq)
{
    static char texts[16][24];
    static unsigned next;
    char *text = texts[next++ % 16];
    snprintf(text, sizeof texts[0], "m%llu", (unsigned long long)seq);
    return str_of(text);
}

static struct message message_of(uint64_t conversation, uint64_t seq)
{
    return (struct message){.conversation = conversation,
                            .seq = seq,
                            .batch = batch_of(seq),
                            .sender = 9,
                            .kind = MESSAGE_TEXT,
                            .sender_name = STR("bob"),
                            .content = text_of(seq)};
}

enum err store_read(struct store *store, const struct store_range *range, store_message_fn *fn, void *arg)
{
    (void)store;
    if (db.err)
        return db.err;
    uint64_t first = range->after + 1, end = db.last[range->conversation] + 1;
    if (end > range->before)
        end = range->before;
    if (end > first && end - first > range->limit && range->latest)
        first = end - range->limit;
    else if (end > first && end - first > range->limit)
        end = first + range->limit;
    for (uint64_t seq = first; seq < end; seq++) {
        struct message message = message_of(range->conversation, seq);
        if (seq != db.missing)
            fn(arg, &message);
    }
    return ERR_OK;
}

struct ranged {
    store_ranged_fn *fn;
    void *arg;
    size_t range;
};

static inline void on_ranged(void *arg, const struct message *message)
{
    const struct ranged *ranged = arg;
    ranged->fn(ranged->arg, ranged->range, message);
}

enum err store_read_ranges(struct store *store, const struct store_range *ranges, size_t count, store_ranged_fn *fn,
                           void *arg)
{
    enum err err = db.err;
    for (size_t i = 0; i < count && !err; i++) {
        struct store_range range = ranges[i];
        range.limit = UINT32_MAX;
        err = store_read(store, &range, on_ranged, &(struct ranged){fn, arg, i});
    }
    return err;
}

enum err store_compare(struct store *store, struct store_anchor *anchors, size_t count)
{
    (void)store;
    for (size_t i = 0; i < count && !db.err; i++) {
        anchors[i].tail = db.last[anchors[i].conversation];
        anchors[i].lost =
            anchors[i].tail < anchors[i].seq || (anchors[i].seq && anchors[i].batch != batch_of(anchors[i].seq));
    }
    return db.err;
}

enum err store_raise_epoch_from(struct store *store, uint64_t from, uint64_t above, uint64_t *epoch)
{
    (void)store;
    if (db.raise)
        return db.raise;
    if (from == (db.epoch ? db.epoch : EPOCH)) {
        db.raises++;
        db.epoch = (from > above ? from : above) + 1;
    }
    *epoch = db.epoch;
    return ERR_OK;
}

enum err store_epoch(struct store *store, uint64_t *epoch)
{
    (void)store;
    db.epoch_reads++;
    *epoch = db.err ? 0 : db.epoch ? db.epoch : EPOCH;
    return db.err;
}

uint64_t store_connection(const struct store *store)
{
    (void)store;
    return db.connection;
}

uint64_t store_latest_connection(void)
{
    return db.latest_connection;
}

/* ---- the readers: jobs wait until the test has them done ---- */

enum { JOBS_MAX = 512 };

static struct job *jobs[JOBS_MAX];
static size_t job_count, jobs_ever;

void db_pool_add(struct db_pool *db_pool, struct job *job)
{
    (void)db_pool;
    assert_true(job_count < JOBS_MAX);
    job->err = ERR_OK;
    jobs[job_count++] = job;
    jobs_ever++;
}

void db_pool_add_proof(struct db_pool *db_pool, struct job *job)
{
    db_pool_add(db_pool, job);
}

/* What reconciliations say to the answers that wait for one. */
static struct {
    void (*prove)(void *arg);
    void *arg;
    uint64_t proved;
    int refuted;
} proofs;

void db_pool_set_prover(struct db_pool *db_pool, void (*prove)(void *arg), void *arg)
{
    (void)db_pool;
    proofs.prove = prove;
    proofs.arg = arg;
}

void db_pool_proved(struct db_pool *db_pool, uint64_t connection)
{
    (void)db_pool;
    proofs.proved = connection;
}

void db_pool_begin_epoch(struct db_pool *db_pool)
{
    (void)db_pool;
}

void db_pool_refuted(struct db_pool *db_pool)
{
    (void)db_pool;
    proofs.refuted++;
}

/* The oldest job meets the database now; its answer comes back with job_finish. */
static struct job *job_work(void)
{
    assert_true(job_count > 0);
    struct job *job = jobs[0];
    memmove(jobs, jobs + 1, --job_count * sizeof jobs[0]);
    job_alone(job, NULL);
    return job;
}

static void job_finish(struct job *job)
{
    job->done(job);
}

static void job_do(void)
{
    job_finish(job_work());
}

/* ---- the bus and the journal ---- */

static struct {
    bool up;
    int subscribed[CONVERSATIONS]; /* and not unsubscribed */
    int inboxes;
    struct {
        uint64_t conversation;
        struct buf payload;
    } published[64];
    size_t published_count;
    size_t submitted;
    enum err submit;
    struct post_id submitter; /* the last one's */
    uint64_t epoch;           /* of what was submitted last */
    struct post_id taken[64]; /* those that were not refused, and … */
    size_t taken_count;
    enum err (*instead)(struct post_id id, const struct message *message); /* takes the messages itself */
    char content[200], client_id[100];
} net;

static int *subscriptions(uint64_t conversation)
{
    return conversation < CONVERSATIONS ? &net.subscribed[conversation] : &net.inboxes;
}

bool bus_is_up(const struct bus *bus)
{
    (void)bus;
    return net.up;
}

bool bus_subscribe(struct bus *bus, uint64_t conversation)
{
    (void)bus;
    ++*subscriptions(conversation);
    return net.up;
}

void bus_unsubscribe(struct bus *bus, uint64_t conversation)
{
    (void)bus;
    --*subscriptions(conversation);
}

void bus_publish(struct bus *bus, uint64_t conversation, struct str payload)
{
    (void)bus;
    assert_true(net.published_count < 64);
    net.published[net.published_count].conversation = conversation;
    buf_init(&net.published[net.published_count].payload, payload.len);
    buf_add_str(&net.published[net.published_count++].payload, payload);
}

enum err journal_submit(struct journal *journal, struct post_id id, uint64_t epoch, const struct message *message)
{
    (void)journal;
    if (net.instead)
        return net.instead(id, message);
    net.submitted++;
    net.submitter = id;
    net.epoch = epoch;
    if (!net.submit)
        net.taken[net.taken_count++ % 64] = id;
    snprintf(net.content, sizeof net.content, "%.*s", (int)message->content.len, message->content.ptr);
    snprintf(net.client_id, sizeof net.client_id, "%.*s", (int)message->client_id.len, message->client_id.ptr);
    return net.submit;
}

#endif
