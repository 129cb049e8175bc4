/* life.h: a job that removes messages past their retention period. */
#ifndef CG_WORKER_LIFE_H
#define CG_WORKER_LIFE_H

#include "worker/job.h"

/* Implements job_kind.turn; ignores `arg`. */
enum err life_turn(struct job_lease *lease, const void *arg, bool *more) CG_MUST_CHECK;

#endif
