#include "relay/db/offload.h"

#include "common/err.h"

#include <stddef.h>

static void on_wake(uv_async_t *wake)
{
    offload_drain((struct offload *)(void *)((char *)wake - offsetof(struct offload, wake)));
}

void offload_init(struct offload *offload, uv_loop_t *loop)
{
    int failed = uv_async_init(loop, &offload->wake, on_wake);
    CG_NEED(!failed, "a descriptor to wake the loop by");
    pthread_mutex_init(&offload->lock, NULL);
    offload->first = NULL;
    offload->last = &offload->first;
}

void offload_return(struct offload *offload, struct parcel *parcel)
{
    offload_return_all(offload, parcel, parcel);
}

void offload_return_all(struct offload *offload, struct parcel *first, struct parcel *last)
{
    last->next = NULL;
    pthread_mutex_lock(&offload->lock);
    *offload->last = first;
    offload->last = &last->next;
    pthread_mutex_unlock(&offload->lock);
    uv_async_send(&offload->wake);
}

void offload_drain(struct offload *offload)
{
    pthread_mutex_lock(&offload->lock);
    struct parcel *parcel = offload->first;
    offload->first = NULL;
    offload->last = &offload->first;
    pthread_mutex_unlock(&offload->lock);
    while (parcel) {
        struct parcel *next = parcel->next;
        parcel->arrived(parcel);
        parcel = next;
    }
}

void offload_fini(struct offload *offload)
{
    offload_drain(offload);
    uv_close((uv_handle_t *)&offload->wake, NULL);
    pthread_mutex_destroy(&offload->lock);
}
