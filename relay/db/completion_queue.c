#include "relay/db/completion_queue.h"

#include "common/container.h"
#include "common/err.h"

#include <stddef.h>

static void on_wake(uv_async_t *wake)
{
    completion_queue_drain(container_of(wake, struct completion_queue, wake));
}

void completion_queue_init(struct completion_queue *queue, uv_loop_t *loop)
{
    int failed = uv_async_init(loop, &queue->wake, on_wake);
    CG_NEED(!failed, "a descriptor to wake the loop by");
    pthread_mutex_init(&queue->lock, NULL);
    STAILQ_INIT(&queue->arrived);
}

void completion_queue_add(struct completion_queue *queue, struct completion *completion)
{
    struct parcels parcels = STAILQ_HEAD_INITIALIZER(parcels);
    STAILQ_INSERT_TAIL(&parcels, completion, link);
    completion_queue_add_all(queue, &parcels);
}

void completion_queue_add_all(struct completion_queue *queue, struct parcels *parcels)
{
    pthread_mutex_lock(&queue->lock);
    STAILQ_CONCAT(&queue->arrived, parcels);
    pthread_mutex_unlock(&queue->lock);
    uv_async_send(&queue->wake);
}

void completion_queue_drain(struct completion_queue *queue)
{
    struct parcels arrived = STAILQ_HEAD_INITIALIZER(arrived);
    pthread_mutex_lock(&queue->lock);
    STAILQ_CONCAT(&arrived, &queue->arrived);
    pthread_mutex_unlock(&queue->lock);
    for (struct completion *completion; (completion = STAILQ_FIRST(&arrived));) {
        STAILQ_REMOVE_HEAD(&arrived, link);
        completion->arrived(completion);
    }
}

void completion_queue_fini(struct completion_queue *queue)
{
    completion_queue_drain(queue);
    uv_close((uv_handle_t *)&queue->wake, NULL);
    pthread_mutex_destroy(&queue->lock);
}
