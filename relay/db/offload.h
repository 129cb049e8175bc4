/* offload.h: how the worker threads hand their results back to the loop thread: a locked list and
 * one wake-up for however many stand in it. */
#ifndef CG_RELAY_DB_OFFLOAD_H
#define CG_RELAY_DB_OFFLOAD_H

#include <pthread.h>
#include <uv.h>

/* First member of what is handed back. */
struct parcel {
    struct parcel *next;
    void (*arrived)(struct parcel *parcel); /* in the loop thread; owns the parcel */
};

struct offload {
    uv_async_t wake;
    pthread_mutex_t lock;
    struct parcel *first, **last;
};

void offload_init(struct offload *offload, uv_loop_t *loop);
/* From any thread. */
void offload_return(struct offload *offload, struct parcel *parcel);
/* The same for those from `first` by `next` to `last`: they arrive in that order, in one turn of the loop. */
void offload_return_all(struct offload *offload, struct parcel *first, struct parcel *last);
/* Carries out what has arrived; also called by the wake-up. Loop thread. */
void offload_drain(struct offload *offload);
/* No worker may be left. The loop must still run once, for the handle to close. */
void offload_fini(struct offload *offload);

#endif
