/* merge.h: the rows of several streams, in an order in which those of each conversation stand as they were stored. Knows no
 * database. */
#ifndef CG_WORKER_MERGE_H
#define CG_WORKER_MERGE_H

#include "common/store/store_feed.h"

/* A stream, and what was read of it. */
struct merge_stream {
    struct feed_stream stream; /* `passed` goes on with the rows that are taken */
    struct feed_row *rows;     /* that follow stream.passed, ascending, none left out up to the last */
    size_t count, next;
};

/* Moves rows from the streams to `out`, which has room for all of them, until none may come next: a row waits until the one
 * that it names has been passed. *taken: how many. A stream that is not among `streams`, which are ascending, counts as
 * passed. Whatever was read of each, some row may come if there is any that has not been passed: the one that was stored
 * first waits for none. */
void merge_rows(struct merge_stream *streams, size_t count, struct feed_row *out, size_t *taken);

#endif
