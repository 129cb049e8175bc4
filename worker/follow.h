/* follow.h: a turn of a consumer: what is new in the feed, in order, to the consumer; and then the database is told that it
 * was passed. */
#ifndef CG_WORKER_FOLLOW_H
#define CG_WORKER_FOLLOW_H

#include "worker/job.h"

/* A job_kind's turn; `consumer` is a struct consumer. */
enum err follow_turn(struct job_lease *lease, const void *consumer, bool *more) CG_MUST_CHECK;

#endif
