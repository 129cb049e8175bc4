/* follow.c: no state is kept between turns: each turn reads the consumer's positions and the streams' heads from the
 * database. So a turn after a failure, under a new lease, or in a database that was put back to an older state begins
 * like any other. */
#include "worker/follow.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "worker/consumers.h"
#include "worker/merge.h"

enum { SHARE_MIN = 20 }; /* rows of a stream at least, however many streams there are */

/* The streams that there are, and the rows that were read of them. */
struct round {
    struct merge_stream *streams;
    size_t count, room;
    size_t behind; /* streams of which there is something to read */
    size_t rows;
    bool left; /* more than was read */
};

static void on_stream(void *arg, const struct feed_stream *stream)
{
    struct round *round = arg;
    if (round->count == round->room) {
        round->room = round->room ? 2 * round->room : 64;
        round->streams = mem_realloc(round->streams, round->room * sizeof round->streams[0]);
    }
    round->streams[round->count++] = (struct merge_stream){.stream = *stream};
    round->behind += stream->head > stream->passed;
}

/* A position that is not there was never written, or was removed by hand: nothing is known of it. */
static void on_row(void *arg, const struct feed_row *row)
{
    struct merge_stream *stream = arg;
    uint64_t before = stream->count ? stream->rows[stream->count - 1].at.pos : stream->stream.passed;
    if (row->at.pos != before + 1) {
        metric_add(METRIC_FEED_MISSING, (int64_t)(row->at.pos - before - 1));
        log_error("feed.missing", "stream=%llu after=%llu next=%llu", (unsigned long long)row->at.stream,
                  (unsigned long long)before, (unsigned long long)row->at.pos);
    }
    stream->rows[stream->count++] = *row;
}

static enum err read_rows(struct job_lease *lease, struct round *round)
{
    size_t share = round->behind ? (size_t)lease->settings->feed_batch / round->behind : 0;
    enum err err = ERR_OK;
    if (share < SHARE_MIN)
        share = SHARE_MIN;
    for (size_t i = 0; !err && i < round->count; i++) {
        struct merge_stream *stream = &round->streams[i];
        uint64_t behind = stream->stream.head > stream->stream.passed ? stream->stream.head - stream->stream.passed : 0;
        size_t some = behind < share ? (size_t)behind : share;
        round->left |= behind > some;
        if (!some)
            continue;
        struct feed_place after = {stream->stream.id, stream->stream.passed};
        stream->rows = mem_zalloc(some * sizeof stream->rows[0]);
        err = store_feed_read(lease->store, &after, stream->stream.head, (unsigned)some, on_row, stream);
        round->rows += stream->count;
    }
    return err;
}

/* The first row that is left of any stream waits for nothing any more. */
static void force_one(struct round *round, struct feed_row *out, size_t *taken)
{
    for (size_t i = 0; i < round->count && !*taken; i++) {
        struct merge_stream *stream = &round->streams[i];
        if (stream->next == stream->count)
            continue;
        log_error("feed.unordered", "stream=%llu pos=%llu", (unsigned long long)stream->stream.id,
                  (unsigned long long)stream->rows[stream->next].at.pos);
        metric_inc(METRIC_FEED_UNORDERED);
        stream->rows[stream->next].after.stream = 0;
        merge_rows(round->streams, round->count, out, taken);
    }
}

/* Takes the gaps out of the rows, and tells of them. They may come earlier than rows before them, never later. */
static enum err tell_of_gaps(struct job_lease *lease, const struct consumer *consumer, struct feed_row *rows,
                             size_t *count)
{
    size_t left = 0, gaps = 0;
    for (size_t i = 0; i < *count; i++)
        if ((int)rows[i].kind == FEED_GAP)
            gaps++;
        else
            rows[left++] = rows[i];
    *count = left;
    if (!gaps)
        return ERR_OK;
    metric_add(METRIC_FEED_GAPS, (int64_t)gaps);
    log_error("feed.gap",
              "consumer=%s gaps=%zu msg=\"messages were stored of which it will not hear: the feed was full\"",
              consumer->name, gaps);
    return consumer->gap ? consumer->gap(lease->store) : ERR_OK;
}

static enum err give(struct job_lease *lease, const struct consumer *consumer, struct feed_row *rows, size_t count)
{
    enum err err = job_keep(lease); /* reading may have taken its time */
    if (!err)
        err = tell_of_gaps(lease, consumer, rows, &count);
    if (err || !count)
        return err;
    for (size_t i = 0; i < count; i++)
        log_debug("feed.row", "consumer=%s conversation=%llu seq=%llu kind=%d", consumer->name,
                  (unsigned long long)rows[i].conversation, (unsigned long long)rows[i].seq, (int)rows[i].kind);
    return consumer->take(
        &(struct feed_batch){.store = lease->store, .rows = rows, .count = count, .until_ms = lease->until_ms});
}

/* Where each stream is now that rows of it were taken. An answer that was lost is asked for again: it may be said twice. */
static enum err pass(struct job_lease *lease, const struct round *round)
{
    struct feed_place *places = mem_zalloc(round->count * sizeof *places);
    size_t count = 0;
    for (size_t i = 0; i < round->count; i++)
        if (round->streams[i].next)
            places[count++] = (struct feed_place){round->streams[i].stream.id, round->streams[i].stream.passed};
    enum err err = ERR_UNKNOWN;
    for (int attempt = 0; attempt < 3 && (err == ERR_UNKNOWN || err == ERR_RETRY); attempt++) {
        int64_t now_ms = clock_mono_ms();
        err = store_feed_pass(lease->store, lease->job, lease->holder, lease->settings->feed_lease_ms, places, count);
        if (!err)
            job_renewed(lease, now_ms);
    }
    free(places);
    return err;
}

enum err follow_turn(struct job_lease *lease, const void *arg, bool *more)
{
    const struct consumer *consumer = arg;
    struct round round = {0};
    size_t taken = 0;
    enum err err = store_feed_streams(lease->store, lease->job, on_stream, &round);
    if (!err)
        err = read_rows(lease, &round);
    if (!err && round.rows) {
        struct feed_row *rows = mem_zalloc(round.rows * sizeof *rows);
        merge_rows(round.streams, round.count, rows, &taken);
        if (!taken)
            force_one(&round, rows, &taken);
        err = give(lease, consumer, rows, taken);
        bool given = !err;
        if (!err)
            err = pass(lease, &round);
        if (!err)
            metric_add(METRIC_FEED_PASSED, (int64_t)taken);
        else if (given)
            metric_add(METRIC_FEED_AGAIN, (int64_t)taken);
        free(rows);
    }
    for (size_t i = 0; i < round.count; i++)
        free(round.streams[i].rows);
    free(round.streams);
    /* What was stored meanwhile waits for feed_poll_ms: many small turns would take the database's time from those who
     * write. */
    *more = !err && taken && (round.left || taken < round.rows);
    return err;
}
