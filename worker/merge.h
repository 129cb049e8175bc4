/* merge.h: merges the rows of several streams so that each conversation's rows are in the order they were stored. Does
 * not use the database. Any thread. */
#ifndef CG_WORKER_MERGE_H
#define CG_WORKER_MERGE_H

#include "common/store/store_feed.h"

/* A stream, and the rows read from it. */
struct merge_stream {
    struct feed_stream stream; /* merge_rows advances `passed` */
    struct feed_row *rows;     /* following stream.passed, ascending, without gaps */
    size_t count, next;
};

/* Moves rows from the streams to `out`, which has room for all of them, until no further row may come: a row waits
 * until the row that it names was passed. Sets *taken. `streams` are ascending; a stream that is not among them counts
 * as passed. If there is any row left, at least one can be taken, because the one that was stored first waits for
 * none. */
void merge_rows(struct merge_stream *streams, size_t count, struct feed_row *out, size_t *taken);

#endif
