#include "worker/expire.h"

#include "common/metrics.h"
#include "common/store/store_idempotency.h"

enum { KEYS_AT_ONCE = 500 };

/* Two workers at once would do no harm: what is old is old for both. */
enum err expire_turn(struct job_lease *lease, const void *arg, bool *more)
{
    (void)arg;
    uint64_t removed;
    enum err err = store_calls_expire(lease->store, KEYS_AT_ONCE, &removed);
    if (err == ERR_RETRY || err == ERR_UNKNOWN) /* if it was carried out there is nothing left to be done */
        err = ERR_OK;
    metric_add(METRIC_IDEMPOTENCY_EXPIRED, (int64_t)removed);
    *more = removed >= KEYS_AT_ONCE;
    return err;
}
