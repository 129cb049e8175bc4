/* store_passing.h: runs of joins and leaves (message_is_passing) with consecutive numbers. The journal records them,
 * so that a search for messages can skip them. */
#ifndef CG_COMMON_STORE_STORE_PASSING_H
#define CG_COMMON_STORE_STORE_PASSING_H

#include "common/store/store.h"

/* Joins and leaves with consecutive numbers, none of them recorded yet. */
struct store_run {
    uint64_t conversation, first, last;
};

/* Records runs, within the transaction that stores them and has locked their conversations' rows. A run that directly
 * follows the last one extends it. One statement; `count` is at least 1. */
enum err store_passing_add(struct store *store, const struct store_run *runs, size_t count) CG_MUST_CHECK;

/* store_read with range->said: the `limit` latest messages that are message_is_said. It reads one run for each row at
 * most, and at most STORE_SAID_AMONG other rows, so the number of joins and leaves does not matter. */
enum { STORE_SAID_AMONG = 10000 };
enum err store_passing_read_said(struct store *store, const struct store_range *range, store_message_fn *fn,
                                 void *arg) CG_MUST_CHECK;

#endif
