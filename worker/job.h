/* job.h: runs one job in a thread of its own: claims its lease, does turns of work while it has the lease, and waits
 * while another worker has it. */
#ifndef CG_WORKER_JOB_H
#define CG_WORKER_JOB_H

#include "common/settings.h"
#include "common/store/store_feed.h"

#include <stdbool.h>

/* The lease that a turn works under. */
struct job_lease {
    const struct settings *settings;
    struct store *store;
    uint64_t job, holder;
    int64_t until_ms; /* clock_mono_ms: the lease is ours at least until then */
};

/* The kind of a job. */
struct job_kind {
    const char *name; /* stored */
    bool reads_feed;
    int64_t pause_ms; /* pause after a turn that found nothing; 0: feed_poll_ms */
    /* Does a bounded piece of work. *more: there is more to do at once. ERR_DENIED: the lease was lost. Other errors:
     * retried after a pause. Changes to the database must be in one transaction with store_job_renew. */
    enum err (*turn)(struct job_lease *lease, const void *arg, bool *more);
    const void *arg;
};

/* Renews the lease if that is due. */
enum err job_keep(struct job_lease *lease) CG_MUST_CHECK;
/* Records a successful renewal that was requested at `asked_ms` (clock_mono_ms). */
void job_renewed(struct job_lease *lease, int64_t asked_ms);

/* Starts the thread. `settings` and `kind` must outlive the job. */
struct job;
struct job *job_start(const struct settings *settings, const struct job_kind *kind);
/* Stops the job after its present turn, so that other workers can take it at once. Stop all jobs before freeing the
 * first. */
void job_stop(struct job *job);
void job_free(struct job *job);
/* For /readyz: whether its last database query was answered. Any thread. */
bool job_is_well(const struct job *job);

#endif
