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
    queue->first = NULL;
    queue->last = &queue->first;
}

void completion_queue_add(struct completion_queue *queue, struct completion *completion)
{
    completion_queue_add_all(queue, completion, completion);
}

void completion_queue_add_all(struct completion_queue *queue, struct completion *first, struct completion *last)
{
    last->next = NULL;
    pthread_mutex_lock(&queue->lock);
    *queue->last = first;
    queue->last = &last->next;
    pthread_mutex_unlock(&queue->lock);
    uv_async_send(&queue->wake);
}

void completion_queue_drain(struct completion_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct completion *completion = queue->first;
    queue->first = NULL;
    queue->last = &queue->first;
    pthread_mutex_unlock(&queue->lock);
    while (completion) {
        struct completion *next = completion->next;
        completion->arrived(completion);
        completion = next;
    }
}

void completion_queue_fini(struct completion_queue *queue)
{
    completion_queue_drain(queue);
    uv_close((uv_handle_t *)&queue->wake, NULL);
    pthread_mutex_destroy(&queue->lock);
}
