#include "relay/db/completion_queue.h"

#include "common/clock.h"
#include "common/container.h"
#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static void on_wake(uv_async_t *wake);

void completion_queue_init(struct completion_queue *queue, uv_loop_t *loop)
{
    int failed = uv_async_init(loop, &queue->wake, on_wake);
    CG_NEED(!failed, "a descriptor to wake the loop by");
    pthread_mutex_init(&queue->lock, NULL);
    STAILQ_INIT(&queue->stored);
    STAILQ_INIT(&queue->read);
}

static void add(struct completion_queue *queue, struct completions *to, struct completions *completions)
{
    pthread_mutex_lock(&queue->lock);
    STAILQ_CONCAT(to, completions);
    pthread_mutex_unlock(&queue->lock);
    uv_async_send(&queue->wake);
}

static void add_one(struct completion_queue *queue, struct completions *to, struct completion *completion)
{
    struct completions one = STAILQ_HEAD_INITIALIZER(one);
    STAILQ_INSERT_TAIL(&one, completion, link);
    add(queue, to, &one);
}

void completion_queue_add_stored(struct completion_queue *queue, struct completion *completion)
{
    add_one(queue, &queue->stored, completion);
}

void completion_queue_add_read(struct completion_queue *queue, struct completion *completion)
{
    add_one(queue, &queue->read, completion);
}

void completion_queue_add_all_read(struct completion_queue *queue, struct completions *completions)
{
    add(queue, &queue->read, completions);
}

/* NULL: none. */
static struct completion *take(struct completion_queue *queue, struct completions *from)
{
    pthread_mutex_lock(&queue->lock);
    struct completion *completion = STAILQ_FIRST(from);
    if (completion)
        STAILQ_REMOVE_HEAD(from, link);
    pthread_mutex_unlock(&queue->lock);
    return completion;
}

static bool arrive(struct completion_queue *queue, struct completions *from)
{
    struct completion *completion = take(queue, from);
    if (completion)
        completion->arrived(completion);
    return completion;
}

static void arrive_all(struct completion_queue *queue, struct completions *from)
{
    while (arrive(queue, from))
        ;
}

/* A message that is stored while this goes on waits for the rest of the turn at most. */
static void on_wake(uv_async_t *wake)
{
    struct completion_queue *queue = container_of(wake, struct completion_queue, wake);
    int64_t until = clock_mono_ms() + COMPLETION_TURN_MS;
    bool more = true;
    arrive_all(queue, &queue->stored);
    do
        more = arrive(queue, &queue->read);
    while (more && clock_mono_ms() < until);
    if (more)
        uv_async_send(wake);
}

void completion_queue_drain(struct completion_queue *queue)
{
    arrive_all(queue, &queue->stored);
    arrive_all(queue, &queue->read);
}

void completion_queue_fini(struct completion_queue *queue)
{
    completion_queue_drain(queue);
    uv_close((uv_handle_t *)&queue->wake, NULL);
    pthread_mutex_destroy(&queue->lock);
}
