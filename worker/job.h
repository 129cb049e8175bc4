/* job.h: one job of a worker, in a thread of its own: claims it, does a turn of it after the other while it has the lease,
 * waits while another worker has it. */
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
    int64_t until_ms; /* clock_mono_ms: it is ours until then at least */
};

/* What is to be done. */
struct job_kind {
    const char *name; /* stored */
    bool reads_feed;
    int64_t pause_ms; /* between two turns that found nothing; 0: feed_poll_ms */
    /* A bounded piece of work. *more: there is more to be done at once. ERR_DENIED: the lease is lost, anything else: to be
     * tried again after a pause. What it does to the database it does together with store_job_renew, in one transaction. */
    enum err (*turn)(struct job_lease *lease, const void *arg, bool *more);
    const void *arg;
};

/* Renews the lease, if it was not for some time. */
enum err job_keep(struct job_lease *lease) CG_MUST_CHECK;
/* A renewal that was asked for at `asked_ms` has been granted. */
void job_renewed(struct job_lease *lease, int64_t asked_ms);

/* Starts the thread. `settings` and `kind` must outlive the job. */
struct job;
struct job *job_start(const struct settings *settings, const struct job_kind *kind);
/* The turn that is under way is the last; other workers may take the job at once. Ask all to stop before the first is freed. */
void job_stop(struct job *job);
void job_free(struct job *job);
/* For /readyz: the database answered its latest question. Any thread. */
bool job_is_well(const struct job *job);

#endif
