/* backoff.h: when to try a lost server again: jittered, doubling from `first_ms` to `most_ms`. */
#ifndef CG_COMMON_BACKOFF_H
#define CG_COMMON_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

struct backoff {
    int64_t first_ms, most_ms;
    int64_t delay_ms; /* 0 while things go well */
    int64_t next_ms;  /* clock_mono_ms of the next attempt */
};

/* Whether an attempt may be made now. */
bool backoff_due(const struct backoff *backoff);
/* An attempt failed; returns the milliseconds until the next. */
int64_t backoff_fail(struct backoff *backoff);
/* An attempt begins whose end may be long in coming: another may be made after as much time as before this one. */
void backoff_wait(struct backoff *backoff);
void backoff_reset(struct backoff *backoff);

#endif
