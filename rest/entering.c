#include "rest/entering.h"

#include "common/err.h"
#include "common/metrics.h"
#include "rest/presence.h"

#include <pthread.h>

/* A thread that waits. It stands on that thread's stack and leaves the queue before the thread goes on. */
struct waiter {
    struct store_entering *entering;
    enum err err;
    bool done;
    struct waiter *next;
    pthread_cond_t news; /* done, or it is to lead */
};

static struct {
    pthread_mutex_t lock;
    struct waiter *first, **last;
    bool led; /* a group is under way */
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

static size_t take_group(struct waiter *group[STORE_ENTER_MAX])
{
    size_t count = 0;
    while (queue.first && count < STORE_ENTER_MAX) {
        group[count++] = queue.first;
        queue.first = queue.first->next;
    }
    if (!queue.first)
        queue.last = &queue.first;
    return count;
}

/* With the lock held, which is let go meanwhile. Whoever waits longest leads the next group. */
static void lead(const struct backends *backends)
{
    struct waiter *group[STORE_ENTER_MAX];
    size_t count = take_group(group);
    queue.led = true;
    pthread_mutex_unlock(&queue.lock);
    enter_group(backends, group, count);
    pthread_mutex_lock(&queue.lock);
    queue.led = false;
    for (size_t i = 0; i < count; i++) {
        group[i]->done = true;
        pthread_cond_signal(&group[i]->news);
    }
    if (queue.first)
        pthread_cond_signal(&queue.first->news);
}

enum err entering_go(const struct backends *backends, struct store_entering *entering)
{
    struct waiter waiter = {.entering = entering, .news = PTHREAD_COND_INITIALIZER};
    pthread_mutex_lock(&queue.lock);
    if (!queue.first)
        queue.last = &queue.first;
    *queue.last = &waiter;
    queue.last = &waiter.next;
    while (!waiter.done)
        if (queue.led)
            pthread_cond_wait(&waiter.news, &queue.lock);
        else
            lead(backends);
    pthread_mutex_unlock(&queue.lock);
    pthread_cond_destroy(&waiter.news);
    return waiter.err;
}
