#include "relay/readers.h"

#include "common/db.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <pthread.h>
#include <stdlib.h>

struct readers {
    const struct settings *settings;
    struct offload *offload;
    pthread_t *threads;
    size_t thread_count;
    pthread_mutex_t lock;
    pthread_cond_t some; /* a job waits, or it is time to stop */
    struct parcel *first, **last;
    size_t count;
    bool stopping;
};

static void arrived(struct parcel *parcel)
{
    struct job *job = (struct job *)parcel;
    job->done(job);
}

static struct job *take(struct readers *readers)
{
    pthread_mutex_lock(&readers->lock);
    while (!readers->first && !readers->stopping)
        pthread_cond_wait(&readers->some, &readers->lock);
    struct parcel *parcel = readers->first;
    if (parcel) {
        readers->first = parcel->next;
        if (!readers->first)
            readers->last = &readers->first;
        metric_set(METRIC_READER_QUEUED, (int64_t)--readers->count);
    }
    pthread_mutex_unlock(&readers->lock);
    return (struct job *)parcel;
}

static void *run(void *arg)
{
    struct readers *readers = arg;
    struct store *store = store_new(readers->settings);
    db_thread_begin();
    for (struct job *job; (job = take(readers));) {
        store_refresh(store);
        job->work(job, store);
        offload_return(readers->offload, &job->parcel);
    }
    store_free(store);
    db_thread_end();
    return NULL;
}

struct readers *readers_new(const struct settings *settings, struct offload *offload)
{
    struct readers *readers = mem_zalloc(sizeof *readers);
    readers->settings = settings;
    readers->offload = offload;
    readers->last = &readers->first;
    pthread_mutex_init(&readers->lock, NULL);
    pthread_cond_init(&readers->some, NULL);
    readers->thread_count = (size_t)settings->readers;
    readers->threads = mem_zalloc(readers->thread_count * sizeof readers->threads[0]);
    for (size_t i = 0; i < readers->thread_count; i++) {
        int failed = pthread_create(&readers->threads[i], NULL, run, readers);
        CG_ASSERT(!failed);
    }
    return readers;
}

static enum err add(struct readers *readers, struct job *job, size_t most)
{
    enum err err = ERR_OK;
    job->parcel = (struct parcel){.arrived = arrived};
    job->err = ERR_OK;
    pthread_mutex_lock(&readers->lock);
    bool ended = readers->stopping;
    if (readers->count >= most) {
        err = ERR_BUSY;
    } else if (!ended) {
        *readers->last = &job->parcel;
        readers->last = &job->parcel.next;
        metric_set(METRIC_READER_QUEUED, (int64_t)++readers->count);
        pthread_cond_signal(&readers->some);
    }
    pthread_mutex_unlock(&readers->lock);
    if (err) {
        metric_inc(METRIC_READER_REFUSED);
    } else if (ended) {
        job->err = ERR_DOWN;
        offload_return(readers->offload, &job->parcel);
    }
    return err;
}

enum err readers_try(struct readers *readers, struct job *job)
{
    return add(readers, job, (size_t)readers->settings->reader_queue);
}

void readers_add(struct readers *readers, struct job *job)
{
    enum err err = add(readers, job, SIZE_MAX);
    CG_ASSERT(!err);
}

void readers_stop(struct readers *readers)
{
    pthread_mutex_lock(&readers->lock);
    readers->stopping = true;
    pthread_cond_broadcast(&readers->some);
    pthread_mutex_unlock(&readers->lock);
    for (size_t i = 0; i < readers->thread_count; i++)
        pthread_join(readers->threads[i], NULL);
    readers->thread_count = 0;
}

void readers_free(struct readers *readers)
{
    CG_ASSERT(!readers->thread_count && !readers->first);
    pthread_mutex_destroy(&readers->lock);
    pthread_cond_destroy(&readers->some);
    free(readers->threads);
    free(readers);
}
