/* store_passing.h: runs of comings and goings (message_is_passing), as consecutive numbers: the journal notes them, and
 * whoever wants what was said jumps over them. */
#ifndef CG_COMMON_STORE_STORE_PASSING_H
#define CG_COMMON_STORE_STORE_PASSING_H

#include "common/store/store.h"

/* Comings and goings with consecutive numbers, none of which is noted yet. */
struct store_run {
    uint64_t conversation, first, last;
};

/* Within the transaction that stores them, which holds their conversations' rows. A run that follows the last one
 * directly becomes part of it. One statement; `count` is at least 1. */
enum err store_passing_add(struct store *store, const struct store_run *runs, size_t count) CG_MUST_CHECK;

/* store_read with range->said: the `limit` latest that somebody said. It reads the runs that it jumps over, at most one
 * for each row that is wanted, and of everything else at most STORE_SAID_AMONG rows: so it costs the same however many
 * came and went. */
enum { STORE_SAID_AMONG = 10000 };
enum err store_passing_read_said(struct store *store, const struct store_range *range, store_message_fn *fn,
                                 void *arg) CG_MUST_CHECK;

#endif
