/* expire.h: the job that removes the Idempotency-Keys of calls that are a day old. */
#ifndef CG_WORKER_EXPIRE_H
#define CG_WORKER_EXPIRE_H

#include "worker/job.h"

/* A job_kind's turn; `arg` is not looked at. */
enum err expire_turn(struct job_lease *lease, const void *arg, bool *more) CG_MUST_CHECK;

#endif
