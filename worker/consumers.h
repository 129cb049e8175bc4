/* consumers.h: who follows the feed: a table. To add a consumer: a file with its `take`, a row here. */
#ifndef CG_WORKER_CONSUMERS_H
#define CG_WORKER_CONSUMERS_H

#include "common/buf.h"
#include "common/store/store_feed.h"

/* What a consumer is given at once. */
struct feed_batch {
    struct store *store; /* to read what the rows are about; no transaction is open */
    const struct feed_row *rows;
    size_t count; /* at least 1 */
    int64_t
        until_ms; /* clock_mono_ms: until then nobody else is given them; check it before anything is told to others */
};

struct consumer {
    const char *name; /* stored: never change it */
    const char *doc;
    /* Rows of one conversation come in the order of their numbers, each at least once: again if the worker ends or loses its
     * lease before the database knows that they were taken. ERR_OK: all were taken for good. Else all are given again, after
     * a pause, and nothing after them until then. In a thread of the consumer's own. */
    enum err (*take)(const struct feed_batch *batch);
    /* Its own figures, as Prometheus text; NULL: none. In any thread. */
    void (*print)(struct buf *out);
    /* Messages were stored of which no row tells, because the feed was full: any number of them, in any conversation. Called
     * where that begins, and where it ends: what a writer left out is stored by then. Again as with rows. NULL: it does
     * not matter. */
    enum err (*gap)(struct store *store);
};

extern const struct consumer consumers[];
extern const size_t consumer_count;

/* ---- the consumers ---- */

/* count.c: counts, and does nothing else. */
enum err count_take(const struct feed_batch *batch) CG_MUST_CHECK;
void count_print(struct buf *out);

#endif
