/* expire.h: a job that removes Idempotency-Keys after a day. */
#ifndef CG_WORKER_EXPIRE_H
#define CG_WORKER_EXPIRE_H

#include "worker/job.h"

/* Implements job_kind.turn; ignores `arg`. */
enum err expire_turn(struct job_lease *lease, const void *arg, bool *more) CG_MUST_CHECK;

#endif
