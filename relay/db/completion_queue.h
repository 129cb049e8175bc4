/* completion_queue.h: hands results from worker threads back to the loop thread: two locked lists, and one wake-up
 * however many results are in them.
 *
 * Stored results come before read ones. A sender waits for the answer to a message, and everybody in the conversation
 * waits for the message itself; both are cheap. Read results may be many pages, each of which the loop turns into
 * frames. So a turn of the loop handles all stored results, and then read ones for COMPLETION_TURN_MS, but at least one,
 * so that sockets are served in between. Each list keeps its order; there is none between the two. */
#ifndef CG_RELAY_DB_COMPLETION_QUEUE_H
#define CG_RELAY_DB_COMPLETION_QUEUE_H

#include <pthread.h>
#include <sys/queue.h>
#include <uv.h>

enum { COMPLETION_TURN_MS = 8 };

/* First member of a result. */
struct completion {
    STAILQ_ENTRY(completion) link;
    void (*arrived)(struct completion *completion); /* in the loop thread; owns the completion */
};

STAILQ_HEAD(completions, completion);

struct completion_queue {
    uv_async_t wake;
    pthread_mutex_t lock;
    struct completions stored, read;
};

void completion_queue_init(struct completion_queue *queue, uv_loop_t *loop);
/* From any thread. */
void completion_queue_add_stored(struct completion_queue *queue, struct completion *completion);
void completion_queue_add_read(struct completion_queue *queue, struct completion *completion);
/* The same for a list of at least one, in that order. Leaves `completions` empty. */
void completion_queue_add_all_read(struct completion_queue *queue, struct completions *completions);
/* Calls `arrived` of everything queued, however long that takes. Loop thread only. */
void completion_queue_drain(struct completion_queue *queue);
/* Every worker must have ended. The loop must run once more, to close the handle. */
void completion_queue_fini(struct completion_queue *queue);

#endif
