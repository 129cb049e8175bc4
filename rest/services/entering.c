#include "rest/services/entering.h"

#include "common/err.h"
#include "common/metrics.h"
#include "rest/services/presence.h"
#include "rest/http/gate.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

/* A thread that waits. It stands on that thread's stack and has left the queue before the thread goes on. */
struct waiter {
    struct store_entering *entering;
    enum err err;
    bool done; /* when there is news; else it is to lead */
    struct waiter *next;
    sem_t news;
};

static struct {
    pthread_mutex_t lock;
    struct waiter *first, *last;
    bool led; /* somebody leads a group, or has been told to */
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void admit(const struct backends *backends, const struct store_entering *entering, size_t count)
{
    struct presence_seat seats[STORE_ENTER_MAX];
    size_t entered = 0;
    for (size_t i = 0; i < count; i++)
        if (!entering[i].err)
            seats[entered++] = (struct presence_seat){entering[i].conversation, entering[i].user};
    size_t admitted = presence_admit(backends->presence, seats, entered);
    metric_add(METRIC_PRESENCE_SKIPPED, (int64_t)(entered - admitted));
}

/* A group that the database refuses for good is tried one by one, so that whoever is at fault harms no other. */
static void enter_group(const struct backends *backends, struct waiter **group, size_t count)
{
    struct store_entering all[STORE_ENTER_MAX];
    for (size_t i = 0; i < count; i++)
        all[i] = *group[i]->entering;
    enum err err = store_enter(backends->store, all, count, backends->settings->user_rooms_max);
    if (err == ERR_INTERNAL && count > 1) {
        for (size_t i = 0; i < count; i++)
            enter_group(backends, &group[i], 1);
        return;
    }
    if (!err)
        admit(backends, all, count);
    for (size_t i = 0; i < count; i++) {
        *group[i]->entering = all[i];
        group[i]->err = err;
    }
    metric_inc(METRIC_ENTERING_GROUPS);
    metric_add(METRIC_ENTERINGS, (int64_t)count);
}

/* Whether the newcomer is to lead. */
static bool join(struct waiter *waiter)
{
    pthread_mutex_lock(&queue.lock);
    if (queue.first)
        queue.last->next = waiter;
    else
        queue.first = waiter;
    queue.last = waiter;
    bool leads = !queue.led;
    queue.led = true;
    pthread_mutex_unlock(&queue.lock);
    return leads;
}

/* Who leads has waited longest, and so is the first of the group. */
static size_t take_group(struct waiter *group[STORE_ENTER_MAX])
{
    size_t count = 0;
    pthread_mutex_lock(&queue.lock);
    while (queue.first && count < STORE_ENTER_MAX) {
        group[count++] = queue.first;
        queue.first = queue.first->next;
    }
    pthread_mutex_unlock(&queue.lock);
    return count;
}

static struct waiter *next_leader(void)
{
    pthread_mutex_lock(&queue.lock);
    struct waiter *next = queue.first;
    queue.led = next;
    pthread_mutex_unlock(&queue.lock);
    return next;
}

/* Nobody is told anything with the lock held, for which they would have to wait at once. */
static void lead(const struct backends *backends)
{
    struct waiter *group[STORE_ENTER_MAX];
    size_t count = take_group(group);
    enter_group(backends, group, count);
    for (size_t i = 1; i < count; i++) {
        group[i]->done = true;
        sem_post(&group[i]->news);
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

enum err entering_go(const struct backends *backends, struct store_entering *entering)
{
    struct waiter waiter = {.entering = entering};
    CG_ASSERT(!sem_init(&waiter.news, 0, 0));
    bool leads = join(&waiter);
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
