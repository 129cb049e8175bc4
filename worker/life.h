/* life.h: the job that removes what was kept long enough. */
#ifndef CG_WORKER_LIFE_H
#define CG_WORKER_LIFE_H

#include "worker/job.h"

/* A job_kind's turn; `arg` is not looked at. */
enum err life_turn(struct job_lease *lease, const void *arg, bool *more) CG_MUST_CHECK;

#endif
