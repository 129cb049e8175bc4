/* feed_pack.h: packs the feed rows of one transaction into fewer records. A record has the last row's values and
 * position; the rows directly before it are in its column `earlier`, as JSON: an array with [conversation, seq, kind]
 * of each, or [conversation, seq, kind, after_stream, after_pos]. Pure functions. */
#ifndef CG_COMMON_STORE_FEED_PACK_H
#define CG_COMMON_STORE_FEED_PACK_H

#include "common/buf.h"
#include "common/store/store_feed.h"

/* What the column has room for, and how many rows a record stands for at most. */
enum { FEED_PACK_BYTES = 4000, FEED_PACK_ROWS = 256 };

/* How many of the first of these rows, which are `count` (at least 1) and follow each other in one stream, go into one
 * record. Writes what its column `earlier` is, empty for one row, into `earlier`, which it clears first. */
size_t feed_pack(const struct feed_row *rows, size_t count, struct buf *earlier);

/* Gives each row that a record stands for, the first first. `last`: the record's own. An `earlier` that is not `count` - 1
 * rows was not written by us, and is left out. */
void feed_unpack(const struct feed_row *last, uint64_t count, struct str earlier, feed_row_fn *fn, void *arg);

#endif
