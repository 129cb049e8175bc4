/* consumers.h: the table of the feed's consumers. To add one: a file with its `take`, and a row. */
#ifndef CG_WORKER_CONSUMERS_H
#define CG_WORKER_CONSUMERS_H

#include "common/buf.h"
#include "common/store/store_feed.h"

/* A batch of rows for a consumer. */
struct feed_batch {
    struct store *store; /* for reading the messages; no transaction is open */
    const struct feed_row *rows;
    size_t count;     /* at least 1 */
    int64_t until_ms; /* clock_mono_ms: no other worker gets them before; check it before publishing anything */
};

struct consumer {
    const char *name; /* stored: never change it */
    const char *doc;
    /* Takes a batch. Rows of one conversation come in order of their numbers, each at least once: again if the worker
     * ends or loses its lease before the database has recorded them as taken. ERR_OK: all were taken. On an error the
     * same rows are given again after a pause, before any others. Called in a thread of the consumer's own. */
    enum err (*take)(const struct feed_batch *batch);
    /* Appends its own metrics as Prometheus text. May be NULL. Any thread. */
    void (*print)(struct buf *out);
    /* Messages were stored without rows because the feed was full: any number, in any conversation. Called where such
     * a gap begins and where it ends, by when the omitted messages are stored. Repeated on an error, as rows are. May
     * be NULL. */
    enum err (*gap)(struct store *store);
};

extern const struct consumer consumers[];
extern const size_t consumer_count;

/* ---- the consumers ---- */

/* count.c: a consumer that only counts. */
enum err count_take(const struct feed_batch *batch) CG_MUST_CHECK;
void count_print(struct buf *out);

#endif
