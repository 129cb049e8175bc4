/* search.h: the consumer of the feed that maintains this machine's search index. Each machine has a job of its own, so
 * that each index is complete. */
#ifndef CG_WORKER_SEARCH_H
#define CG_WORKER_SEARCH_H

#include "worker/job.h"

#define SEARCH_JOB_PREFIX "search@"

/* The job, at most one in a process. `settings` must outlive it. */
struct job_kind search_job(const struct settings *settings);
/* Frees its state after the job has ended. */
void search_end(void);

#endif
