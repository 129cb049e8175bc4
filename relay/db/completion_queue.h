/* completion_queue.h: how the worker threads hand their results back to the loop thread: two locked lists and one wake-up for
 * however many stand in them.
 *
 * What was stored comes before what was read. Who sent a message waits for its answer and everybody in the conversation for
 * the message, and both cost little; what was read may be many pages that others asked for, and each is turned into frames
 * on the loop. So one turn of the loop answers all that was stored, and then what was read until
 * COMPLETION_TURN_MS are over, one result at least: sockets are served in between. Results of one list keep their order;
 * between the two there is none. */
#ifndef CG_RELAY_DB_COMPLETION_QUEUE_H
#define CG_RELAY_DB_COMPLETION_QUEUE_H

#include <pthread.h>
#include <sys/queue.h>
#include <uv.h>

enum { COMPLETION_TURN_MS = 8 };

/* First member of what is handed back. */
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
/* The same for all of them, one at least, in that order. `completions` is empty afterwards. */
void completion_queue_add_all_read(struct completion_queue *queue, struct completions *completions);
/* Carries out all that has arrived, however long it takes. Loop thread. */
void completion_queue_drain(struct completion_queue *queue);
/* No worker may be left. The loop must still run once, for the handle to close. */
void completion_queue_fini(struct completion_queue *queue);

#endif
