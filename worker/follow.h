/* follow.h: one turn of a consumer: gives it the feed's new rows in order, then records them in the database as
 * passed. */
#ifndef CG_WORKER_FOLLOW_H
#define CG_WORKER_FOLLOW_H

#include "worker/job.h"

/* Implements job_kind.turn; `consumer` is a struct consumer. */
enum err follow_turn(struct job_lease *lease, const void *consumer, bool *more) CG_MUST_CHECK;

#endif
