#include "relay/readers.h"

#include "common/db.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <pthread.h>
#include <stdlib.h>

enum { KINDS_OPEN = 8 }; /* firsts that others may still join; more kinds at once than there are */

struct readers {
    const struct settings *settings;
    struct offload *offload;
    pthread_t *threads;
    size_t thread_count;
    pthread_mutex_t lock;
    pthread_cond_t some; /* a job waits, or it is time to stop */
    struct job *first, **last; /* the firsts of those that are taken together */
    struct job *open[KINDS_OPEN]; /* the last first of its kind, if it has room behind it */
    size_t count;  /* jobs that wait */
    size_t untold; /* firsts that no reader was woken for yet: the loop's own */
    bool stopping;
};

static void arrived(struct parcel *parcel)
{
    struct job *job = (struct job *)parcel;
    job->done(job);
}

/* ---- what waits ---- */

/* Where the first of this kind stands, or a free place; NULL: neither. */
static struct job **open_place(struct readers *readers, const struct job *job)
{
    struct job **free_place = NULL;
    for (size_t i = 0; i < KINDS_OPEN; i++) {
        struct job **place = &readers->open[i];
        if (*place && (*place)->work_all == job->work_all)
            return place;
        if (!*place && !free_place)
            free_place = place;
    }
    return free_place;
}

static void append(struct readers *readers, struct job *job)
{
    struct job **place = job->work_all ? open_place(readers, job) : NULL;
    struct job *first = place ? *place : NULL;
    metric_set(METRIC_READER_QUEUED, (int64_t)++readers->count);
    if (first) {
        first->last->parcel.next = &job->parcel;
        first->last = job;
        if (++first->together == READERS_TOGETHER)
            *place = NULL;
        return;
    }
    job->last = job;
    job->together = 1;
    job->next_first = NULL;
    *readers->last = job;
    readers->last = &job->next_first;
    readers->untold++;
    if (place)
        *place = job;
}

/* The first and those behind it; NULL: it is time to end. */
static struct job *take(struct readers *readers)
{
    pthread_mutex_lock(&readers->lock);
    while (!readers->first && !readers->stopping)
        pthread_cond_wait(&readers->some, &readers->lock);
    struct job *first = readers->first;
    if (first) {
        readers->first = first->next_first;
        if (!readers->first)
            readers->last = &readers->first;
        struct job **place = first->work_all ? open_place(readers, first) : NULL;
        if (place && *place == first)
            *place = NULL;
        readers->count -= first->together;
        metric_set(METRIC_READER_QUEUED, (int64_t)readers->count);
    }
    pthread_mutex_unlock(&readers->lock);
    return first;
}

static void work_together(struct job *first, struct store *store)
{
    struct job *jobs[READERS_TOGETHER];
    size_t count = 0;
    for (struct parcel *parcel = &first->parcel; parcel; parcel = parcel->next)
        jobs[count++] = (struct job *)parcel;
    CG_ASSERT(count == first->together);
    first->work_all(jobs, count, store);
}

static void *run(void *arg)
{
    struct readers *readers = arg;
    struct store *store = store_new(readers->settings);
    db_thread_begin();
    for (struct job *first; (first = take(readers));) {
        metric_inc(METRIC_READER_TURNS);
        metric_add(METRIC_READER_JOBS, (int64_t)first->together);
        store_refresh(store);
        if (first->work_all)
            work_together(first, store);
        else
            first->work(first, store);
        offload_return_all(readers->offload, &first->parcel, &first->last->parcel);
    }
    store_free(store);
    db_thread_end();
    return NULL;
}

/* ---- the loop's side ---- */

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
        CG_NEED(!failed, "a thread");
    }
    return readers;
}

static void prepend(struct readers *readers, struct job *job)
{
    CG_ASSERT(!job->work_all);
    metric_set(METRIC_READER_QUEUED, (int64_t)++readers->count);
    job->last = job;
    job->together = 1;
    job->next_first = readers->first;
    readers->first = job;
    if (!job->next_first)
        readers->last = &job->next_first;
    readers->untold++;
}

static enum err add_at(struct readers *readers, struct job *job, size_t most,
                       void (*put)(struct readers *, struct job *))
{
    enum err err = ERR_OK;
    job->parcel = (struct parcel){.arrived = arrived};
    job->err = ERR_OK;
    pthread_mutex_lock(&readers->lock);
    bool ended = readers->stopping;
    if (readers->count >= most) {
        err = ERR_BUSY;
    } else if (!ended) {
        put(readers, job);
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

static enum err add(struct readers *readers, struct job *job, size_t most)
{
    return add_at(readers, job, most, append);
}

enum err readers_try(struct readers *readers, struct job *job)
{
    return add(readers, job, (size_t)readers->settings->reader_queue);
}

void readers_add(struct readers *readers, struct job *job)
{
    enum err err = add(readers, job, SIZE_MAX);
    CG_ASSERT(!err); /* it is refused for its place alone */
}

void readers_add_first(struct readers *readers, struct job *job)
{
    enum err err = add_at(readers, job, SIZE_MAX, prepend);
    CG_ASSERT(!err);
}

void readers_flush(struct readers *readers)
{
    if (!readers->untold)
        return;
    pthread_mutex_lock(&readers->lock);
    for (; readers->untold; readers->untold--)
        if (readers->first)
            pthread_cond_signal(&readers->some);
    pthread_mutex_unlock(&readers->lock);
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
