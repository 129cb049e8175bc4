#include "worker/trim.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "worker/search.h"

enum { RECORDS_AT_ONCE = 2000 }; /* some 10 ms */

enum err trim_turn(struct job_lease *lease, const void *arg, bool *more)
{
    (void)arg;
    struct feed_trim trim = {.job = lease->job,
                             .holder = lease->holder,
                             .lease_ms = lease->settings->feed_lease_ms,
                             .limit = RECORDS_AT_ONCE,
                             .idle_ms = lease->settings->feed_idle_ms};
    struct feed_trimmed trimmed;
    int64_t now_ms = clock_mono_ms();
    enum err err = store_feed_trim(lease->store, &trim, &trimmed);
    if (err == ERR_RETRY || err == ERR_UNKNOWN) /* if it was carried out there is nothing left to be done */
        err = ERR_OK;
    else if (!err)
        job_renewed(lease, now_ms);
    metric_add(METRIC_FEED_REMOVED, err ? 0 : (int64_t)trimmed.removed);
    bool forgotten = false;
    if (!err && !trimmed.removed)
        err = store_job_forget_left(lease->store, SEARCH_JOB_PREFIX, lease->settings->search_keep_ms, &forgotten);
    if (forgotten)
        log_warn("search.forgotten",
                 "msg=\"a machine's index was not continued for search_keep_ms: rows are no longer kept for it\"");
    *more = !err && trimmed.more;
    return err;
}
