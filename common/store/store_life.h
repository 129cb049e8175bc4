/* store_life.h: retention: how long messages are kept, and removing those that are too old. A conversation loses
 * everything up to a number, oldest first, and its joins and leaves up to another number. Numbers are never reused,
 * and every missing number is explained: it is at most `trimmed`, or it is in a run of joins and leaves
 * (store_passing.h) and at most `passing_gone`.
 *
 * Code that derives data from messages (an index, a cache) must check in the database that a message still exists and
 * is not recalled before it shows it. */
#ifndef CG_COMMON_STORE_STORE_LIFE_H
#define CG_COMMON_STORE_STORE_LIFE_H

#include "common/store/store.h"

enum { STORE_KEEP_DAYS_MAX = 36500 };

/* The retention of one conversation; the settings apply where it has none of its own. */
struct store_life {
    bool has_days, has_presence_days;
    uint64_t days, presence_days; /* 0: for ever */
    uint64_t trimmed;             /* messages up to this number were removed */
};
/* ERR_NOT_FOUND: no such conversation. */
enum err store_life_get(struct store *store, uint64_t conversation, struct store_life *life) CG_MUST_CHECK;

/* Changes only what is given. */
struct store_life_change {
    bool change_days, change_presence_days;
    struct store_life to;
};
enum err store_life_set(struct store *store, uint64_t conversation,
                        const struct store_life_change *change) CG_MUST_CHECK;

/* ---- removing ---- */

/* A conversation with something to remove. */
struct store_life_due {
    uint64_t conversation, trimmed, passing_gone;
    uint64_t days, presence_days;         /* the retention that applies */
    bool messages_are_due, lines_are_due; /* something is past it */
};

enum { STORE_LIFE_PAGE = 200, STORE_LIFE_ROWS = 500 };
/* Checks the STORE_LIFE_PAGE conversations after *after and moves *after past them, to 0 after the last. `due` has
 * room for as many. One statement. */
enum err store_life_look(struct store *store, uint64_t days, uint64_t presence_days, uint64_t *after,
                         struct store_life_due *due, size_t *count) CG_MUST_CHECK;

struct store_lease {
    uint64_t job, holder;
    int64_t lease_ms;
};
/* Removes at most STORE_LIFE_ROWS messages that are too old, oldest first, with the rows that depend on them, in one
 * transaction that also renews the lease. ERR_DENIED: the lease was lost, and nothing was done. The conversation's row
 * is locked only at the end. *removed is 0 when none are left. */
enum err store_life_trim(struct store *store, const struct store_lease *lease, const struct store_life_due *due,
                         uint64_t *removed) CG_MUST_CHECK;
/* The same for its joins and leaves. */
enum err store_life_trim_lines(struct store *store, const struct store_lease *lease, const struct store_life_due *due,
                               uint64_t *removed) CG_MUST_CHECK;

#endif
