#include "rest/services/join_batch.h"

#include "common/err.h"
#include "common/metrics.h"
#include "rest/services/redis_client.h"
#include "rest/http/gate.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/queue.h>

/* A thread that waits. It stands on that thread's stack and has left the queue before the thread goes on. */
struct waiter {
    struct store_join *join;
    enum err err;
    bool done; /* when there is news; else it is to lead */
    STAILQ_ENTRY(waiter) link;
    sem_t news;
};

static struct {
    pthread_mutex_t lock;
    STAILQ_HEAD(, waiter) waiting;
    bool led; /* a thread leads a batch, or was woken to do so */
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .waiting = STAILQ_HEAD_INITIALIZER(queue.waiting)};

static void admit(const struct backends *backends, const struct store_join *joins, size_t count)
{
    struct redis_admission admissions[STORE_JOIN_MAX];
    size_t entered = 0;
    for (size_t i = 0; i < count; i++)
        if (!joins[i].err)
            admissions[entered++] = (struct redis_admission){joins[i].conversation, joins[i].user};
    size_t admitted = redis_client_admit(backends->redis, admissions, entered);
    metric_add(METRIC_PRESENCE_SKIPPED, (int64_t)(entered - admitted));
}

/* A batch that the database refuses permanently is tried one by one, so that a faulty one affects no other. */
static void run_batch(const struct backends *backends, struct waiter **batch, size_t count)
{
    struct store_join all[STORE_JOIN_MAX];
    for (size_t i = 0; i < count; i++)
        all[i] = *batch[i]->join;
    enum err err = store_join(backends->store, all, count, backends->settings->user_rooms_max);
    if (err == ERR_INTERNAL && count > 1) {
        for (size_t i = 0; i < count; i++)
            run_batch(backends, &batch[i], 1);
        return;
    }
    if (!err)
        admit(backends, all, count);
    for (size_t i = 0; i < count; i++) {
        *batch[i]->join = all[i];
        batch[i]->err = err;
    }
    metric_inc(METRIC_JOIN_BATCHES);
    metric_add(METRIC_JOINS, (int64_t)count);
}

/* Whether the newcomer is to lead. */
static bool queue_up(struct waiter *waiter)
{
    pthread_mutex_lock(&queue.lock);
    STAILQ_INSERT_TAIL(&queue.waiting, waiter, link);
    bool leads = !queue.led;
    queue.led = true;
    pthread_mutex_unlock(&queue.lock);
    return leads;
}

/* The leader has waited longest, and so is the first of the batch. */
static size_t take_batch(struct waiter *batch[STORE_JOIN_MAX])
{
    size_t count = 0;
    pthread_mutex_lock(&queue.lock);
    for (; count < STORE_JOIN_MAX && !STAILQ_EMPTY(&queue.waiting); count++) {
        batch[count] = STAILQ_FIRST(&queue.waiting);
        STAILQ_REMOVE_HEAD(&queue.waiting, link);
    }
    pthread_mutex_unlock(&queue.lock);
    return count;
}

static struct waiter *next_leader(void)
{
    pthread_mutex_lock(&queue.lock);
    struct waiter *next = STAILQ_FIRST(&queue.waiting);
    queue.led = next;
    pthread_mutex_unlock(&queue.lock);
    return next;
}

/* Callers are woken without the lock, which they would have to wait for at once. */
static void lead(const struct backends *backends)
{
    struct waiter *batch[STORE_JOIN_MAX];
    size_t count = take_batch(batch);
    run_batch(backends, batch, count);
    for (size_t i = 1; i < count; i++) {
        batch[i]->done = true;
        sem_post(&batch[i]->news);
    }
    struct waiter *next = next_leader();
    if (next)
        sem_post(&next->news);
}

static void wait_for_news(struct waiter *waiter)
{
    while (sem_wait(&waiter->news))
        CG_ASSERT(errno == EINTR);
}

enum err join_batch_go(const struct backends *backends, struct store_join *join)
{
    struct waiter waiter = {.join = join};
    CG_ASSERT(!sem_init(&waiter.news, 0, 0));
    bool leads = queue_up(&waiter);
    if (!leads) {
        gate_leave(backends->pass);
        wait_for_news(&waiter);
    }
    if (!waiter.done) {
        begin_slow(backends);
        lead(backends);
    }
    sem_destroy(&waiter.news);
    return waiter.err;
}
