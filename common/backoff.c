#include "common/backoff.h"

#include "common/clock.h"
#include "common/id.h"

bool backoff_due(const struct backoff *backoff)
{
    return !backoff->delay_ms || clock_mono_ms() >= backoff->next_ms;
}

static int64_t schedule(struct backoff *backoff)
{
    /* half fixed, half by chance: relays that lost a server together do not come back together */
    int64_t half = backoff->delay_ms / 2;
    int64_t wait = half + (int64_t)(id_random() % (uint64_t)(half + 1));
    backoff->next_ms = clock_mono_ms() + wait;
    return wait;
}

int64_t backoff_fail(struct backoff *backoff)
{
    int64_t delay = backoff->delay_ms ? backoff->delay_ms * 2 : backoff->first_ms;
    backoff->delay_ms = delay < backoff->most_ms ? delay : backoff->most_ms;
    return schedule(backoff);
}

void backoff_wait(struct backoff *backoff)
{
    schedule(backoff);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->delay_ms = 0;
}
