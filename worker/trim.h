/* trim.h: a job that removes rows of the feed that all consumers have passed. */
#ifndef CG_WORKER_TRIM_H
#define CG_WORKER_TRIM_H

#include "worker/job.h"

/* Implements job_kind.turn; ignores `arg`. */
enum err trim_turn(struct job_lease *lease, const void *arg, bool *more) CG_MUST_CHECK;

#endif
