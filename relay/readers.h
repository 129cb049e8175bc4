/* readers.h: threads that ask the database, so that the loop never waits. Each has its own connection;
 * jobs are taken in order and may overtake each other while they run.
 *
 * Jobs of one kind that wait at the same moment can be worked on together, by one reader with one question: whoever
 * comes joins the first of its kind that still waits. What a turn of the loop adds is shown to idle readers at its end
 * (readers_flush), so that those whom many sockets ask for at once are together, and one alone waits for no timer. */
#ifndef CG_RELAY_READERS_H
#define CG_RELAY_READERS_H

#include "common/settings.h"
#include "common/store.h"
#include "relay/offload.h"

enum { READERS_TOGETHER = 32 }; /* jobs that are worked on together at most */

/* First member of a job. It has one of `work` and `work_all`. */
struct job {
    struct parcel parcel;
    void (*work)(struct job *job, struct store *store); /* in a reader thread; touches only the job */
    /* The same for 1 to READERS_TOGETHER jobs that have the same work_all; sets each one's `err`. */
    void (*work_all)(struct job *const *jobs, size_t count, struct store *store);
    void (*done)(struct job *job);                      /* in the loop thread; frees the job */
    enum err err;                                       /* ERR_OK until its work sets it */

    /* the readers' own: a job that waits is the first of those that are taken with it, or hangs behind it */
    struct job *next_first, *last;
    size_t together; /* as many are taken, with the first */
};

/* Works on one job alone: what a reader does, for those who stand in for readers. */
static inline void job_alone(struct job *job, struct store *store)
{
    if (job->work_all)
        job->work_all(&job, 1, store);
    else
        job->work(job, store);
}

struct readers;

struct readers *readers_new(const struct settings *settings, struct offload *offload);
/* Ends the threads once every job has been worked on; what they return still has to be drained. Jobs that are added
 * from then on come back with ERR_DOWN. */
void readers_stop(struct readers *readers);
void readers_free(struct readers *readers);

/* Loop thread only, as what follows. For what clients ask for: ERR_BUSY if reader_queue jobs wait; the job is still the
 * caller's. */
enum err readers_try(struct readers *readers, struct job *job) CG_MUST_CHECK;
/* For what the relay itself needs, which is bounded by its rooms: always taken. */
void readers_add(struct readers *readers, struct job *job);
/* The same before all that waits: for who may be here. A job with `work`. */
void readers_add_first(struct readers *readers, struct job *job);
/* Wakes readers for what was added since it was called last: at the end of each turn of the loop. */
void readers_flush(struct readers *readers);

#endif
