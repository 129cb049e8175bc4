/* store_said.c: reads messages that users wrote, skipping runs of joins and leaves. */
#include "common/mem.h"
#include "common/store/store_passing.h"
#include "common/store/store_sql.h"

#include <stdlib.h>

static const struct store_statement rows[] = {
    {SQL_RUNS_BEFORE, "SELECT first, last FROM passing_run WHERE conversation = ? AND first < ?"
                      " ORDER BY first DESC LIMIT ?"},
};

const struct store_statements store_said_statements = STORE_STATEMENTS(rows);

/* The runs that end before a number, the latest first. */
struct runs {
    struct store_run *runs;
    size_t count;
};

static void on_run(void *arg, const struct db_value *columns)
{
    struct runs *runs = arg;
    runs->runs[runs->count++] = (struct store_run){.first = columns[0].number, .last = columns[1].number};
}

static enum err find_runs(struct store *store, const struct store_range *range, size_t limit, struct runs *runs)
{
    struct db_value params[] = {DB_NUM(range->conversation), DB_NUM(range->before), DB_NUM(limit)};
    return db_query(store->db, SQL_RUNS_BEFORE, params, 3, on_run, runs);
}

/* Adds the numbers between `after` and `before` to the statement, at most `left`: the highest. */
static void add_between(struct buf *sql, uint64_t after, uint64_t before, uint64_t *left)
{
    if (before <= after + 1 || !*left)
        return;
    if (before - 1 - after > *left)
        after = before - 1 - *left;
    buf_addf(sql, "%s(seq > %llu AND seq < %llu)", *left == STORE_SAID_AMONG ? "" : " OR ", (unsigned long long)after,
             (unsigned long long)before);
    *left -= before - 1 - after;
}

/* False if nothing lies between them. */
static bool add_all_between(struct buf *sql, const struct store_range *range, const struct runs *runs, bool are_all)
{
    uint64_t left = STORE_SAID_AMONG, before = range->before;
    for (size_t i = 0; i < runs->count && before > range->after; i++) {
        const struct store_run *run = &runs->runs[i];
        add_between(sql, run->last > range->after ? run->last : range->after, before, &left);
        if (run->first < before)
            before = run->first;
    }
    if (are_all && before > range->after)
        add_between(sql, range->after, before, &left);
    return left < STORE_SAID_AMONG;
}

enum err store_passing_read_said(struct store *store, const struct store_range *range, store_message_fn *fn, void *arg)
{
    struct store_reading reading = {range->conversation, 0, fn, arg};
    size_t most = (size_t)range->limit + 1; /* before each there is a message at least, but for the first */
    struct runs runs = {.runs = mem_zalloc(most * sizeof runs.runs[0])};
    struct buf sql;
    buf_init(&sql, 1024 + (most + 1) * 64);
    enum err err = find_runs(store, range, most, &runs);
    buf_addf(&sql,
             "SELECT * FROM (SELECT " STORE_MESSAGE_COLUMNS " FROM message FORCE INDEX (PRIMARY)"
             " WHERE conversation = %llu AND kind IN (" STORE_KINDS_SAID ") AND (",
             (unsigned long long)range->conversation);
    if (!err && add_all_between(&sql, range, &runs, runs.count < most)) {
        buf_addf(&sql, ") ORDER BY seq DESC LIMIT %u) AS said ORDER BY seq", range->limit);
        buf_add_char(&sql, '\0');
        CG_ASSERT(!sql.failed);
        err = db_run(store->db, sql.data, store_on_message, &reading);
    }
    buf_fini(&sql);
    free(runs.runs);
    return err;
}
