/* completion_queue.h: how the worker threads hand their results back to the loop thread: a locked list and
 * one wake-up for however many stand in it. */
#ifndef CG_RELAY_DB_COMPLETION_QUEUE_H
#define CG_RELAY_DB_COMPLETION_QUEUE_H

#include <pthread.h>
#include <sys/queue.h>
#include <uv.h>

/* First member of what is handed back. */
struct completion {
    STAILQ_ENTRY(completion) link;
    void (*arrived)(struct completion *completion); /* in the loop thread; owns the completion */
};

STAILQ_HEAD(parcels, completion);

struct completion_queue {
    uv_async_t wake;
    pthread_mutex_t lock;
    struct parcels arrived;
};

void completion_queue_init(struct completion_queue *queue, uv_loop_t *loop);
/* From any thread. */
void completion_queue_add(struct completion_queue *queue, struct completion *completion);
/* The same for all of them, one at least: they arrive in that order, in one turn of the loop. `parcels` is empty
 * afterwards. */
void completion_queue_add_all(struct completion_queue *queue, struct parcels *parcels);
/* Carries out what has arrived; also called by the wake-up. Loop thread. */
void completion_queue_drain(struct completion_queue *queue);
/* No worker may be left. The loop must still run once, for the handle to close. */
void completion_queue_fini(struct completion_queue *queue);

#endif
