/* reader.h: pages of a history (common/store/page.h) that the database pool reads for somebody who waits, one at a
 * time. It knows neither sessions nor how they are sent. Loop thread only, but for encoders and filters, which run in a
 * thread of the pool and touch nothing but the page's `arg` and what never changes.
 *
 * Whoever reads embeds a struct reader. When the reader goes away, or needs the page no more, reader_stop: what is on
 * its way then comes to nobody. So nobody looks up whether they are still there.
 *
 * Pages that lie between two numbers and are narrow enough are read together, whoever asked for them: those who were
 * away at the same time missed the same, and it is read once (store_read_ranges). */
#ifndef CG_RELAY_CORE_READER_H
#define CG_RELAY_CORE_READER_H

#include "common/store/page.h"
#include "relay/core/hub.h"

struct reading;

/* Zeroed: reads nothing. */
struct reader {
    struct reading *reading; /* what is on its way */
};

/* The page is there, until this returns; `err` if it could not be read. The reader reads nothing now, may read again,
 * and may be freed. ERR_RETRY: another epoch has begun since it was asked for, so its numbers are void; or something that
 * it may show is gone. */
typedef void reader_done_fn(struct reader *reader, struct page *page, enum err err);

static inline bool reader_is_busy(const struct reader *reader)
{
    return reader->reading;
}

/* A page for a reader that is not busy, to be asked for by reader_ask in the same turn: page_init, with `arg` pointing to
 * `arg_size` zeroed bytes that live as long as the page. */
struct page *reader_plan(struct reader *reader, const struct store_range *range, size_t bytes_max, size_t row_max,
                         size_t arg_size);
/* Has it read, for this payer (db_pool.h), who pays by the rows that the range may have. ERR_BUSY: too many wait, and
 * the reader reads nothing. */
enum err reader_ask(struct reader *reader, struct hub *hub, uint64_t payer, reader_done_fn *done) CG_MUST_CHECK;
/* What is on its way comes to nobody. Nothing if it is not busy. */
void reader_stop(struct reader *reader);

#endif
