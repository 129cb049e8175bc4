#include "relay/core/reader.h"

#include "common/mem.h"
#include "relay/db/db_pool.h"

#include <stddef.h>
#include <stdlib.h>

struct reading {
    struct job job;
    struct reader *reader; /* NULL: it was stopped */
    struct hub *hub;
    uint64_t epoch;     /* in which it was asked for */
    uint64_t forgotten; /* hub->forgotten then */
    reader_done_fn *done;
    struct page page;
    _Alignas(max_align_t) char arg[];
};

static void reading_free(struct reading *reading)
{
    page_fini(&reading->page);
    free(reading);
}

struct page *reader_plan(struct reader *reader, const struct store_range *range, size_t bytes_max, size_t row_max,
                         size_t arg_size)
{
    CG_ASSERT(!reader->reading);
    struct reading *reading = mem_zalloc(sizeof *reading + arg_size);
    reading->reader = reader;
    page_init(&reading->page, range, bytes_max, row_max);
    reading->page.arg = reading->arg;
    reader->reading = reading;
    return &reading->page;
}

/* ---- in a thread of the pool ---- */

static void note_bytes(struct reading *reading)
{
    reading->job.bytes = reading->page.rows.cap;
}

static void read_alone(struct job *job, struct store *store)
{
    struct reading *reading = (struct reading *)job;
    job->err = page_read(&reading->page, store);
    note_bytes(reading);
}

static void on_ranged(void *arg, size_t range, const struct message *message)
{
    struct job *const *jobs = arg;
    page_add(&((struct reading *)jobs[range])->page, message);
}

static void read_together(struct job *const *jobs, size_t count, struct store *store)
{
    struct store_range ranges[DB_POOL_TOGETHER] = {0};
    struct job *own[DB_POOL_TOGETHER] = {NULL};
    for (size_t i = 0; i < count; i++) {
        ranges[i] = ((struct reading *)jobs[i])->page.range;
        own[i] = jobs[i];
    }
    enum err err = store_read_ranges(store, ranges, count, on_ranged, own);
    for (size_t i = 0; i < count; i++) {
        struct reading *reading = (struct reading *)jobs[i];
        enum err bad = page_end(&reading->page);
        jobs[i]->err = err ? err : bad;
        note_bytes(reading);
    }
}

/* ---- in the loop's ---- */

static void on_done(struct job *job)
{
    struct reading *reading = (struct reading *)job;
    struct reader *reader = reading->reader;
    if (reader) {
        reader->reading = NULL;
        bool holds = reading->epoch == reading->hub->epoch && reading->forgotten == reading->hub->forgotten;
        reading->done(reader, &reading->page, holds ? job->err : ERR_RETRY);
    }
    reading_free(reading);
}

/* Messages that the range may have. */
static uint64_t rows_of(const struct store_range *range)
{
    uint64_t between = range->before > range->after ? range->before - range->after - 1 : 0;
    return between < range->limit ? between : range->limit;
}

/* Both of its ends are known, so what lies between them is what is asked for. */
static bool is_narrow(const struct store_range *range)
{
    return !range->latest && rows_of(range) == range->before - range->after - 1;
}

enum err reader_ask(struct reader *reader, struct hub *hub, uint64_t payer, reader_done_fn *done)
{
    enum { ROWS_OF_A_COST = 50 };
    struct reading *reading = reader->reading;
    struct job *job = &reading->job;
    const struct store_range *range = &reading->page.range;
    reading->hub = hub;
    reading->epoch = hub->epoch;
    reading->forgotten = hub->forgotten;
    reading->done = done;
    job->done = on_done;
    if (is_narrow(range))
        job->work_all = read_together;
    else
        job->work = read_alone;
    job_charge(job, JOB_ASK, payer, 1 + rows_of(range) / ROWS_OF_A_COST);
    enum err err = db_pool_try(hub->db_pool, job);
    if (err) {
        reader->reading = NULL;
        reading_free(reading);
    }
    return err;
}

void reader_stop(struct reader *reader)
{
    if (reader->reading)
        reader->reading->reader = NULL;
    reader->reading = NULL;
}
