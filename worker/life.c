/* life.c: visits the conversations, a page in each turn, and removes messages that are too old in small transactions.
 * Its position is not stored: another worker begins with the first conversation, where little is left to remove. */
#include "worker/life.h"

#include "common/clock.h"
#include "common/metrics.h"
#include "common/store/store_app_erase.h"
#include "common/store/store_life.h"

/* Of this process, whose one thread for this job uses it. */
static struct {
    uint64_t after;   /* conversations up to this one were looked at in this round */
    int64_t begin_ms; /* clock_mono_ms: the next round is not before */
} walk;

typedef enum err trim_fn(struct store *store, const struct store_lease *lease, const struct store_life_due *due,
                         uint64_t *removed);

/* A transaction of it. *whole: nothing is left to do. */
static enum err remove_some(struct job_lease *lease, trim_fn *trim, const struct store_life_due *due, bool *whole)
{
    struct store_lease own = {lease->job, lease->holder, lease->settings->feed_lease_ms};
    uint64_t removed = 0;
    int64_t now_ms = clock_mono_ms();
    enum err err = trim(lease->store, &own, due, &removed);
    if (!err && removed)
        job_renewed(lease, now_ms);
    metric_add(METRIC_LIFE_REMOVED, err ? 0 : (int64_t)removed);
    *whole = !err && !removed;
    return err;
}

static enum err settle(struct job_lease *lease, const struct store_life_due *due, bool *whole)
{
    enum err err = ERR_OK;
    *whole = true;
    if (due->messages_are_due)
        err = remove_some(lease, store_life_trim, due, whole);
    bool lines_are_whole = true;
    if (!err && due->lines_are_due)
        err = remove_some(lease, store_life_trim_lines, due, &lines_are_whole);
    *whole &= lines_are_whole;
    return err;
}

/* What somebody had under way when their erasure began has been stored by then, or never will be. */
static enum err finish_erasures(struct job_lease *lease)
{
    enum { ERASED_S = 60 };
    uint64_t user = 1;
    enum err err = ERR_OK;
    while (!err && user) {
        err = store_app_user_erase_late(lease->store, ERASED_S, &user);
        if (!err)
            err = job_keep(lease);
    }
    return err;
}

enum err life_turn(struct job_lease *lease, const void *arg, bool *more)
{
    static struct store_life_due due[STORE_LIFE_PAGE];
    const struct settings *settings = lease->settings;
    size_t count = 0;
    uint64_t after = walk.after;
    bool all_are_whole = true;
    (void)arg;
    *more = false;
    if (!after && clock_mono_ms() < walk.begin_ms)
        return ERR_OK;
    enum err err = finish_erasures(lease);
    if (err)
        return err;
    err = store_life_look(lease->store, (uint64_t)settings->keep_days, (uint64_t)settings->keep_presence_lines_days,
                          &after, due, &count);
    for (size_t i = 0; !err && i < count; i++) {
        bool whole;
        err = settle(lease, &due[i], &whole);
        all_are_whole &= whole;
    }
    if (err == ERR_RETRY || err == ERR_UNKNOWN) { /* if it was carried out there is nothing left to be done */
        *more = true;
        return ERR_OK;
    }
    if (err)
        return err;
    if (all_are_whole) { /* else there may be more: the same page again */
        walk.after = after;
        if (!after)
            walk.begin_ms = clock_mono_ms() + settings->keep_round_ms;
    }
    *more = walk.after || !all_are_whole;
    return job_keep(lease);
}
