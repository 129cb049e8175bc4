/* backoff.h: jittered exponential back-off for retrying a lost server, from `first_ms` doubling up to `most_ms`. Not
 * thread-safe. */
#ifndef CG_COMMON_BACKOFF_H
#define CG_COMMON_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

struct backoff {
    int64_t first_ms, most_ms;
    int64_t delay_ms; /* 0: no failure since the last reset */
    int64_t next_ms;  /* clock_mono_ms of the next attempt */
};

/* Whether an attempt may be made now. */
bool backoff_due(const struct backoff *backoff);
/* An attempt failed; returns the milliseconds until the next. */
int64_t backoff_fail(struct backoff *backoff);
/* An attempt begins that may take long: allows another one after the same delay as before this one. */
void backoff_wait(struct backoff *backoff);
void backoff_reset(struct backoff *backoff);

#endif
