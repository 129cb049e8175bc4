/* store_feed.h: the feed of stored messages, and the jobs that consume it. The journal's transaction writes it
 * (store_journal.c) if the setting `feed` is on; chaguan-worker reads it.
 *
 * Every writing store has a stream of its own, whose row the transaction locks and advances, so positions are
 * committed in order and have no gaps, whatever was rolled back or unanswered. A conversation's rows may be in several
 * streams. Each row names its predecessor if that is in another stream; a reader that has passed the predecessor keeps
 * the order.
 *
 * A job (a consumer of the feed, or another task of the workers) belongs to one worker at a time, by a lease on the
 * database's clock. */
#ifndef CG_COMMON_STORE_STORE_FEED_H
#define CG_COMMON_STORE_STORE_FEED_H

#include "common/store/store.h"

enum { FEED_JOB_MAX = 64, FEED_WORKER_MAX = 128 };

/* ---- writing: within the journal's transaction ---- */

struct feed_place {
    uint64_t stream, pos; /* stream 0: none */
};

struct feed_entry {
    const struct message *message;
    struct feed_place *last; /* in: the last row of its conversation; out: its own */
};
/* The kind of the rows between which a writer stored messages without one, because feed_rows_max were there: one where that
 * begins, one where it ends. They are of no conversation and have no number. For a writer that is killed meanwhile,
 * store_feed_trim writes the second once nothing was said in its stream for idle_ms. */
enum { FEED_GAP = 0 };

/* A row for each, in this order; or, while there is no room, none, with a gap at either end. In a
 * transaction; `count` is at least 1. */
enum err store_feed_add(struct store *store, const struct feed_entry *entries, size_t count) CG_MUST_CHECK;
/* Reports how that transaction ended: a new stream belongs to this store only once it is known to be committed. */
void store_feed_settle(struct store *store, enum err err);

/* ---- jobs ---- */

/* Registers the job if its name is new. One that `reads_feed` begins with the oldest row left, and rows are kept for
 * it from now on. */
enum err store_job_register(struct store *store, const char *name, bool reads_feed, uint64_t *job) CG_MUST_CHECK;
/* Makes `holder`, a unique number of the caller's, the job's holder unless a lease is running; *held says whether it
 * succeeded. After ERR_UNKNOWN, repeat it with the same number to find out. */
enum err store_job_claim(struct store *store, uint64_t job, uint64_t holder, const char *worker, int64_t lease_ms,
                         bool *held) CG_MUST_CHECK;
/* Renews the lease from now. ERR_DENIED: another holder has it. */
enum err store_job_renew(struct store *store, uint64_t job, uint64_t holder, int64_t lease_ms) CG_MUST_CHECK;
enum err store_job_release(struct store *store, uint64_t job, uint64_t holder) CG_MUST_CHECK;
/* Removes a job without a holder, and its positions; *found: there was one. */
enum err store_job_forget(struct store *store, const char *name, bool *found) CG_MUST_CHECK;

/* The same for one job whose name begins with `prefix` and that has had no holder for `left_ms`, if there is any. */
enum err store_job_forget_left(struct store *store, const char *prefix, int64_t left_ms, bool *found) CG_MUST_CHECK;

/* ---- reading ---- */

struct feed_stream {
    uint64_t id, head;
    uint64_t passed; /* by the job */
};
/* Lists all streams, ascending; `fn` must not use the store. The heads are consistent: every predecessor of a row up
 * to a head is up to a head, too, or was removed because all have passed it. */
typedef void feed_stream_fn(void *arg, const struct feed_stream *stream);
enum err store_feed_streams(struct store *store, uint64_t job, feed_stream_fn *fn, void *arg) CG_MUST_CHECK;

struct feed_row {
    struct feed_place at;
    struct feed_place after; /* the predecessor, to be passed first; stream 0: it is in the same stream */
    uint64_t conversation, seq;
    enum message_kind kind;
};
/* The first `limit` rows with after < pos <= head, ascending. */
typedef void feed_row_fn(void *arg, const struct feed_row *row);
enum err store_feed_read(struct store *store, const struct feed_place *after, uint64_t head, unsigned limit,
                         feed_row_fn *fn, void *arg) CG_MUST_CHECK;

/* Records that the job has passed these positions, all or none, and renews its lease, in one transaction. ERR_DENIED:
 * another holder has the job, and nothing was done. May be repeated after ERR_UNKNOWN. `count` may be 0. */
enum err store_feed_pass(struct store *store, uint64_t job, uint64_t holder, int64_t lease_ms,
                         const struct feed_place *places, size_t count) CG_MUST_CHECK;

/* ---- removing what all have passed ---- */

/* The job that removes it; its position in a stream is the last row removed. */
#define FEED_TRIM_JOB "trim"

struct feed_trim {
    uint64_t job, holder;
    int64_t lease_ms;
    unsigned limit;  /* records of the table in one transaction; each has one row or more (feed_pack.h) */
    int64_t idle_ms; /* a stream that was not written to for this time, and that all have passed, is removed */
};
struct feed_trimmed {
    uint64_t removed; /* rows and streams; 0: nothing can be removed now */
    bool more;        /* more may be left for another transaction */
};
/* One transaction's worth. ERR_DENIED as above. */
enum err store_feed_trim(struct store *store, const struct feed_trim *trim, struct feed_trimmed *trimmed) CG_MUST_CHECK;

/* ---- for people ---- */

struct feed_job {
    struct str name, worker; /* worker: empty if nobody has it now */
    bool reads_feed;
    uint64_t rows;  /* that it has not passed */
    int64_t lag_ms; /* how old the oldest of them is; 0: none */
};
typedef void feed_job_fn(void *arg, const struct feed_job *job);
enum err store_feed_jobs(struct store *store, feed_job_fn *fn, void *arg) CG_MUST_CHECK;

struct feed_total {
    uint64_t streams, rows; /* rows that have not been removed */
};
enum err store_feed_total(struct store *store, struct feed_total *total) CG_MUST_CHECK;

#endif
