/* trim.h: the job that removes what all consumers have passed. */
#ifndef CG_WORKER_TRIM_H
#define CG_WORKER_TRIM_H

#include "worker/job.h"

/* A job_kind's turn; `arg` is not looked at. */
enum err trim_turn(struct job_lease *lease, const void *arg, bool *more) CG_MUST_CHECK;

#endif
