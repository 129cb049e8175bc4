/* search.h: the consumer of the feed that keeps this machine's index of the messages: a job of its own for each machine, so
 * that each has all. */
#ifndef CG_WORKER_SEARCH_H
#define CG_WORKER_SEARCH_H

#include "worker/job.h"

#define SEARCH_JOB_PREFIX "search@"

/* The job, of which a process has one. `settings` must outlive it. */
struct job_kind search_job(const struct settings *settings);
/* After the job's end. */
void search_end(void);

#endif
