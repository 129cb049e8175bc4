/* store_life.h: how long messages are kept, and taking away what is too old: of a conversation everything up to a number,
 * the oldest first, and the same of its comings and goings. Numbers are never given out again, and a number that is not
 * there is explained: it is at most `trimmed`, or it is in a run of comings and goings (store_passing.h) and at most
 * `passing_gone`.
 *
 * Whoever has derived something from messages (an index of words, a cache) asks the database whether what it found is still
 * there before it shows it: a row that is gone, or that was recalled, is not shown. */
#ifndef CG_COMMON_STORE_STORE_LIFE_H
#define CG_COMMON_STORE_STORE_LIFE_H

#include "common/store/store.h"

enum { STORE_KEEP_DAYS_MAX = 36500 };

/* Of one conversation; what it does not have is as the settings have it. */
struct store_life {
    bool has_days, has_presence_days;
    uint64_t days, presence_days; /* 0: for ever */
    uint64_t trimmed;             /* everything up to this number is gone */
};
/* ERR_NOT_FOUND: no such conversation. */
enum err store_life_get(struct store *store, uint64_t conversation, struct store_life *life) CG_MUST_CHECK;

/* What is not given stays. */
struct store_life_change {
    bool change_days, change_presence_days;
    struct store_life to;
};
enum err store_life_set(struct store *store, uint64_t conversation,
                        const struct store_life_change *change) CG_MUST_CHECK;

/* ---- removing ---- */

/* A conversation that has something to remove. */
struct store_life_due {
    uint64_t conversation, trimmed, passing_gone;
    uint64_t days, presence_days;         /* that hold for it */
    bool messages_are_due, lines_are_due; /* something is older */
};

enum { STORE_LIFE_PAGE = 200, STORE_LIFE_ROWS = 500 };
/* Looks at the STORE_LIFE_PAGE conversations after *after, and moves it past them; 0: that was all. `due` has room for as
 * many. One statement. */
enum err store_life_look(struct store *store, uint64_t days, uint64_t presence_days, uint64_t *after,
                         struct store_life_due *due, size_t *count) CG_MUST_CHECK;

struct store_lease {
    uint64_t job, holder;
    int64_t lease_ms;
};
/* Removes at most STORE_LIFE_ROWS messages of it that are too old, the oldest first, and what hangs on them, in one
 * transaction that also renews the lease: ERR_DENIED, and nothing is done, if that is another's. The conversation's row is
 * locked at its end only. *removed: 0, there are none. */
enum err store_life_trim(struct store *store, const struct store_lease *lease, const struct store_life_due *due,
                         uint64_t *removed) CG_MUST_CHECK;
/* The same of its comings and goings. */
enum err store_life_trim_lines(struct store *store, const struct store_lease *lease, const struct store_life_due *due,
                               uint64_t *removed) CG_MUST_CHECK;

#endif
