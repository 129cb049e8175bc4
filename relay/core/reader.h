/* reader.h: reads pages of a history (common/store/page.h) through the database pool, one at a time for each reader.
 * Knows neither sessions nor how pages are sent. Loop thread only, except for encoders and filters: they run in a
 * thread of the pool, and may touch only the page's `arg` and constant data.
 *
 * The owner embeds a struct reader, and calls reader_stop before the reader goes away or when it no longer needs the
 * page. The callback is then never called, so it need not check whether its owner still exists.
 *
 * Small pages with both bounds given are read together, across readers: clients that were disconnected at the same time
 * missed the same messages, which are read once (store_read_ranges). */
#ifndef CG_RELAY_CORE_READER_H
#define CG_RELAY_CORE_READER_H

#include "common/store/page.h"
#include "relay/core/hub.h"

struct reading;

/* Zeroed: idle. */
struct reader {
    struct reading *reading; /* the read in flight; NULL: idle */
};

/* The page was read and is valid until this returns, or `err` says why not. The reader is idle: it may read again or be
 * freed. ERR_RETRY: a new epoch has begun, so the page's numbers are void; or messages in it may have been removed. */
typedef void reader_done_fn(struct reader *reader, struct page *page, enum err err);

static inline bool reader_is_busy(const struct reader *reader)
{
    return reader->reading;
}

/* Prepares a page (page_init) for an idle reader; reader_ask must follow in the same turn of the loop. `arg` points to
 * `arg_size` zeroed bytes that live as long as the page. */
struct page *reader_plan(struct reader *reader, const struct store_range *range, size_t bytes_max, size_t row_max,
                         size_t arg_size);
/* Queues the read. The payer (db_pool.h) is charged by the largest number of rows in the range. ERR_BUSY: the queue is
 * full, and the reader stays idle. */
enum err reader_ask(struct reader *reader, struct hub *hub, uint64_t payer, reader_done_fn *done) CG_MUST_CHECK;
/* Abandons the read in flight, if any; its callback is not called. */
void reader_stop(struct reader *reader);

#endif
