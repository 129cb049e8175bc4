#include "common/store/store_feed.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/feed_pack.h"
#include "common/store/store_sql.h"

/* How many rows a job has not passed of the stream s with its cursor c. */
#define BEHIND "IF(s.pos > COALESCE(c.pos, 0), s.pos - COALESCE(c.pos, 0), 0)"
#define LEASE  "UTC_TIMESTAMP(3) + INTERVAL ? * 1000 MICROSECOND"

static const struct store_statement rows[] = {
    {SQL_FEED_ADVANCE, "UPDATE feed_stream SET pos = LAST_INSERT_ID(pos + ?), changed_at = UTC_TIMESTAMP(3)"
                       " WHERE id = ? AND owner = ?"},
    {SQL_FEED_BEGIN, "INSERT INTO feed_stream (owner, pos, changed_at) VALUES (?, ?, UTC_TIMESTAMP(3))"},
    {SQL_FEED_ADD, "INSERT INTO feed (stream, pos, conversation, seq, kind, after_stream, after_pos, count, earlier)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
    {SQL_FEED_GAP, "UPDATE feed_stream SET gap = ?, changed_at = UTC_TIMESTAMP(3) WHERE id = ? AND owner = ?"},
    {SQL_FEED_END_GAP, "UPDATE feed_stream SET pos = pos + 1, gap = 0, changed_at = UTC_TIMESTAMP(3)"
                       " WHERE id = ? AND pos = ? AND gap = 1"},
    {SQL_FEED_STREAMS, "SELECT s.id, s.pos, CAST(COALESCE(c.pos, 0) AS UNSIGNED) FROM feed_stream s"
                       " LEFT JOIN feed_cursor c ON c.stream = s.id AND c.job = ? ORDER BY s.id"},
    {SQL_FEED_READ, "SELECT pos, conversation, seq, kind, after_stream, after_pos, count, earlier FROM feed"
                    " WHERE stream = ? AND pos > ? AND pos <= ? ORDER BY pos LIMIT ?"},
    {SQL_FEED_PASS, "INSERT INTO feed_cursor (job, stream, pos) VALUES (?, ?, ?)"
                    " ON DUPLICATE KEY UPDATE pos = VALUES(pos)"},
    {SQL_FEED_PASSED_BY_ALL,
     "SELECT s.id, s.pos, CAST(COALESCE(t.pos, 0) AS UNSIGNED) AS gone,"
     " CAST(MIN(COALESCE(c.pos, 0)) AS UNSIGNED) AS passed,"
     " s.changed_at < UTC_TIMESTAMP(3) - INTERVAL ? * 1000 MICROSECOND AS idle, s.gap"
     " FROM feed_stream s JOIN worker_job j ON j.reads_feed = 1"
     " LEFT JOIN feed_cursor c ON c.stream = s.id AND c.job = j.id"
     " LEFT JOIN feed_cursor t ON t.stream = s.id AND t.job = ?"
     " GROUP BY s.id HAVING passed > gone OR (idle AND (passed >= s.pos OR s.gap)) ORDER BY s.id LIMIT 1000"},
    {SQL_FEED_REACHES, "SELECT pos FROM feed WHERE stream = ? AND pos > ? AND pos <= ? ORDER BY pos LIMIT 1 OFFSET ?"},
    {SQL_FEED_REMOVE, "DELETE FROM feed WHERE stream = ? AND pos > ? AND pos <= ?"},
    {SQL_FEED_REMOVE_STREAM, "DELETE FROM feed_stream WHERE id = ? AND pos = ?"},
    {SQL_FEED_REMOVE_CURSORS, "DELETE FROM feed_cursor WHERE stream = ?"},
    {SQL_JOB_FIND, "SELECT id FROM worker_job WHERE name = ?"},
    {SQL_JOB_ADD, "INSERT INTO worker_job (name, reads_feed) VALUES (?, ?)"},
    {SQL_JOB_BEGIN, "INSERT INTO feed_cursor (job, stream, pos) SELECT ?, c.stream, c.pos FROM feed_cursor c"
                    " JOIN worker_job t ON t.id = c.job AND t.name = '" FEED_TRIM_JOB "'"},
    {SQL_JOB_CLAIM, "UPDATE worker_job SET holder = ?, worker = ?, until = " LEASE
                    " WHERE id = ? AND (holder = ? OR until < UTC_TIMESTAMP(3))"},
    {SQL_JOB_RENEW, "UPDATE worker_job SET until = " LEASE " WHERE id = ? AND holder = ?"},
    {SQL_JOB_RELEASE, "UPDATE worker_job SET holder = 0, until = UTC_TIMESTAMP(3) - INTERVAL 1 SECOND"
                      " WHERE id = ? AND holder = ?"},
    {SQL_JOB_FORGET, "DELETE FROM worker_job WHERE id = ? AND until < UTC_TIMESTAMP(3)"},
    {SQL_JOB_FORGET_PLACES, "DELETE FROM feed_cursor WHERE job = ?"},
    {SQL_JOBS_LEFT, "SELECT id FROM worker_job WHERE LEFT(name, ?) = ? AND until > '1971-01-01'"
                    " AND until < UTC_TIMESTAMP(3) - INTERVAL ? * 1000 MICROSECOND LIMIT 1"},
    {SQL_FEED_JOBS,
     "SELECT j.name, IF(j.holder <> 0 AND j.until >= UTC_TIMESTAMP(3), j.worker, ''), j.reads_feed,"
     " CAST(COALESCE(SUM(" BEHIND "), 0) AS UNSIGNED),"
     " CAST(COALESCE(MAX(GREATEST(0, TIMESTAMPDIFF(MICROSECOND, m.created_at, UTC_TIMESTAMP(3)))), 0) DIV 1000"
     " AS UNSIGNED)"
     " FROM worker_job j LEFT JOIN feed_stream s ON j.reads_feed = 1"
     " LEFT JOIN feed_cursor c ON c.stream = s.id AND c.job = j.id"
     " LEFT JOIN feed f ON f.stream = s.id AND f.pos ="
     " (SELECT MIN(n.pos) FROM feed n WHERE n.stream = s.id AND n.pos > COALESCE(c.pos, 0))"
     " LEFT JOIN message m ON m.conversation = f.conversation AND m.seq = f.seq"
     " GROUP BY j.id ORDER BY j.id"},
    {SQL_FEED_TOTAL, "SELECT COUNT(*), CAST(COALESCE(SUM(" BEHIND "), 0) AS UNSIGNED) FROM feed_stream s"
                     " LEFT JOIN worker_job j ON j.name = '" FEED_TRIM_JOB "'"
                     " LEFT JOIN feed_cursor c ON c.stream = s.id AND c.job = j.id"},
};

enum { FEED_PARAMS = 9, PASS_PARAMS = 3, READ_PARAMS = 4 };

const struct store_statements store_feed_statements = STORE_STATEMENTS(rows);

/* ---- writing ---- */

/* The next `count` places of this store's stream, whose row is locked until the transaction ends; of a new one if it has none
 * any more. */
static enum err take_places(struct store *store, size_t count, struct feed_place *first)
{
    struct db_value advance[] = {DB_NUM(count), DB_NUM(store->feed.stream), DB_NUM(store->feed.owner)};
    if (store->feed.stream) {
        enum err err = db_query(store->db, SQL_FEED_ADVANCE, advance, 3, NULL, NULL);
        if (err)
            return err;
        *first = (struct feed_place){store->feed.stream, db_insert_id(store->db) - count + 1};
        if (db_affected(store->db))
            return ERR_OK;
    }
    store->feed.owner = id_random();
    struct db_value begin[] = {DB_NUM(store->feed.owner), DB_NUM(count)};
    enum err err = db_query(store->db, SQL_FEED_BEGIN, begin, 2, NULL, NULL);
    store->feed.stream = err ? 0 : db_insert_id(store->db);
    store->feed.begun = !err;
    *first = (struct feed_place){store->feed.stream, 1};
    return err;
}

/* Whether there is room for more. How many rows there are is asked once in a thousandth of them, and while there is no room
 * once a second: many writers pass the bound by little, and it costs none of them anything. */
static enum err look_for_room(struct store *store, size_t count, bool *room)
{
    enum { PARTS = 1000, LOOK_MS = 1000 };
    const uint64_t max = store->feed.rows_max;
    int64_t now_ms = clock_mono_ms();
    bool due = store->feed.full ? now_ms - store->feed.looked_ms >= LOOK_MS
                                : !store->feed.looked_ms || store->feed.since_look >= max / PARTS;
    *room = !store->feed.full;
    if (!max || !due)
        return ERR_OK;
    struct feed_total total;
    enum err err = store_feed_total(store, &total);
    if (err)
        return err;
    *room = total.rows + count <= (store->feed.full ? max / 10 * 9 : max);
    store->feed.looked_ms = now_ms;
    store->feed.since_look = 0;
    store->feed.ending = *room && store->feed.full;
    store->feed.telling = !*room && store->feed.full;
    return ERR_OK;
}

/* Writes rows that follow each other, in as few records as have room for them. */
static enum err add_rows(struct store *store, const struct feed_row *list, size_t count)
{
    struct db_value *params = mem_zalloc(count * FEED_PARAMS * sizeof *params);
    struct buf *earlier = mem_zalloc(count * sizeof *earlier);
    size_t records = 0;
    for (size_t at = 0; at < count; records++) {
        buf_init(&earlier[records], 2 * FEED_PACK_BYTES);
        size_t some = feed_pack(list + at, count - at, &earlier[records]);
        CG_ASSERT(!earlier[records].failed);
        at += some;
        const struct feed_row *last = &list[at - 1];
        struct db_value *p = &params[records * FEED_PARAMS];
        p[0] = DB_NUM(last->at.stream);
        p[1] = DB_NUM(last->at.pos);
        p[2] = DB_NUM(last->conversation);
        p[3] = DB_NUM(last->seq);
        p[4] = DB_NUM(last->kind);
        p[5] = last->after.stream ? DB_NUM(last->after.stream) : DB_NULL;
        p[6] = last->after.stream ? DB_NUM(last->after.pos) : DB_NULL;
        p[7] = DB_NUM(some);
        p[8] = some > 1 ? DB_TEXT(buf_str(&earlier[records])) : DB_NULL;
    }
    enum err err = db_many(store->db, SQL_FEED_ADD, params, records, FEED_PARAMS);
    for (size_t i = 0; i < records; i++)
        buf_fini(&earlier[i]);
    free(earlier);
    free(params);
    return err;
}

static enum err write_gap(struct store *store, struct feed_place at)
{
    struct feed_row gap = {.at = at, .kind = (enum message_kind)FEED_GAP};
    return add_rows(store, &gap, 1);
}

/* Whether the stream is inside a gap: what its writer does not end any more, whoever removes the stream does. */
static enum err mark_gap(struct store *store, bool is_open)
{
    struct db_value params[] = {DB_NUM(is_open), DB_NUM(store->feed.stream), DB_NUM(store->feed.owner)};
    return db_query(store->db, SQL_FEED_GAP, params, 3, NULL, NULL);
}

static enum err add_gap(struct store *store, bool is_open)
{
    struct feed_place at;
    enum err err = take_places(store, 1, &at);
    if (!err)
        err = write_gap(store, at);
    return err ? err : mark_gap(store, is_open);
}

/* From here on this writer's messages have no row: so says the last that it writes, and its stream once a second for as long
 * as it stores some. */
static enum err leave_out(struct store *store, size_t count)
{
    enum err err = ERR_OK;
    store->feed.left_out = count;
    if (store->feed.full && store->feed.telling)
        err = mark_gap(store, true);
    bool is_lost = store->feed.telling && !err && !db_affected(store->db);
    if (!err && (!store->feed.full || is_lost))
        err = add_gap(store, true);
    store->feed.filling = !err && !store->feed.full;
    return err;
}

enum err store_feed_add(struct store *store, const struct feed_entry *entries, size_t count)
{
    struct feed_place at;
    bool room;
    enum err err = look_for_room(store, count, &room);
    if (!err && !room)
        return leave_out(store, count);
    if (!err && store->feed.ending) /* whoever looks for what was left out finds all of this writer's from here on */
        err = add_gap(store, false);
    if (!err)
        err = take_places(store, count, &at);
    if (err)
        return err;
    struct feed_row *list = mem_zalloc(count * sizeof *list);
    for (size_t i = 0; i < count; i++, at.pos++) {
        const struct message *message = entries[i].message;
        struct feed_place *last = entries[i].last;
        list[i] = (struct feed_row){
            .at = at, .conversation = message->conversation, .seq = message->seq, .kind = message->kind};
        if (last->stream && last->stream != at.stream)
            list[i].after = *last;
        *last = at;
    }
    err = add_rows(store, list, count);
    free(list);
    store->feed.since_look += count;
    return err;
}

/* Messages that have no row any more are worth a word, once. */
static void settle_room(struct store *store, enum err err)
{
    if (!err && store->feed.filling) {
        store->feed.full = true;
        metric_inc(METRIC_FEED_FULL);
        log_error("feed.full",
                  "rows_max=%llu msg=\"messages are stored, but no consumer will hear of them, until chaguan-worker"
                  " has passed a tenth of the feed: is one running?\"",
                  (unsigned long long)store->feed.rows_max);
    }
    if (!err && store->feed.ending) {
        store->feed.full = false;
        metric_add(METRIC_FEED_FULL, -1);
        log_info("feed.goes_on", "rows_max=%llu", (unsigned long long)store->feed.rows_max);
    }
    if (!err)
        metric_add(METRIC_FEED_LEFT_OUT, (int64_t)store->feed.left_out);
    if (err && store->feed.telling)
        store->feed.looked_ms = 0; /* it was not said */
    store->feed.filling = store->feed.ending = store->feed.telling = false;
    store->feed.left_out = 0;
}

void store_feed_settle(struct store *store, enum err err)
{
    if (err && store->feed.begun)
        store->feed.stream = 0;
    store->feed.begun = false;
    settle_room(store, err);
}

/* ---- jobs ---- */

static void take_number(void *arg, const struct db_value *columns)
{
    *(uint64_t *)arg = columns[0].number;
}

static enum err find_job(struct store *store, const char *name, uint64_t *job)
{
    *job = 0;
    return db_query(store->db, SQL_JOB_FIND, &DB_TEXT(str_of(name)), 1, take_number, job);
}

static enum err end(struct store *store, enum err err)
{
    if (!err)
        err = db_commit(store->db);
    if (err && err != ERR_UNKNOWN)
        db_rollback(store->db);
    return err;
}

/* Nothing is removed from the feed between finding out what has gone and having a place in it: who removes changes the row
 * that is locked here first. */
static enum err register_once(struct store *store, const char *name, bool reads_feed, uint64_t *job)
{
    uint64_t trim;
    struct db_value row[] = {DB_TEXT(str_of(name)), DB_NUM(reads_feed)};
    enum err err = db_begin(store->db);
    if (!err)
        err = db_run(store->db, "SELECT id FROM worker_job WHERE name = '" FEED_TRIM_JOB "' FOR UPDATE", take_number,
                     &trim);
    if (!err)
        err = db_query(store->db, SQL_JOB_ADD, row, 2, NULL, NULL);
    if (!err)
        *job = db_insert_id(store->db);
    if (!err && reads_feed)
        err = db_query(store->db, SQL_JOB_BEGIN, &DB_NUM(*job), 1, NULL, NULL);
    return end(store, err);
}

enum err store_job_register(struct store *store, const char *name, bool reads_feed, uint64_t *job)
{
    struct store_tries tries = {0};
    enum err err;
    CG_ASSERT(strlen(name) <= FEED_JOB_MAX);
    do {
        err = find_job(store, name, job);
        if (!err && !*job) {
            err = register_once(store, name, reads_feed, job);
            if (err == ERR_DUPLICATE) /* another worker was first */
                err = find_job(store, name, job);
        }
    } while (store_again(&tries, &err));
    return err;
}

enum err store_job_claim(struct store *store, uint64_t job, uint64_t holder, const char *worker, int64_t lease_ms,
                         bool *held)
{
    struct db_value params[] = {DB_NUM(holder), DB_TEXT(str_of(worker)), DB_NUM((uint64_t)lease_ms), DB_NUM(job),
                                DB_NUM(holder)};
    *held = false;
    enum err err = db_query(store->db, SQL_JOB_CLAIM, params, 5, NULL, NULL);
    *held = !err && db_affected(store->db);
    return err;
}

enum err store_job_renew(struct store *store, uint64_t job, uint64_t holder, int64_t lease_ms)
{
    struct db_value params[] = {DB_NUM((uint64_t)lease_ms), DB_NUM(job), DB_NUM(holder)};
    enum err err = db_query(store->db, SQL_JOB_RENEW, params, 3, NULL, NULL);
    return !err && !db_affected(store->db) ? ERR_DENIED : err;
}

enum err store_job_release(struct store *store, uint64_t job, uint64_t holder)
{
    struct db_value params[] = {DB_NUM(job), DB_NUM(holder)};
    return db_query(store->db, SQL_JOB_RELEASE, params, 2, NULL, NULL);
}

static enum err forget_once(struct store *store, uint64_t job, bool *found)
{
    enum err err = db_begin(store->db);
    if (!err)
        err = db_query(store->db, SQL_JOB_FORGET, &DB_NUM(job), 1, NULL, NULL);
    *found = !err && db_affected(store->db);
    if (!err)
        err = db_query(store->db, SQL_JOB_FORGET_PLACES, &DB_NUM(job), 1, NULL, NULL);
    if (!err && !*found)
        err = ERR_DENIED;
    return end(store, err);
}

enum err store_job_forget(struct store *store, const char *name, bool *found)
{
    uint64_t job;
    *found = false;
    enum err err = find_job(store, name, &job);
    if (!err && job)
        err = forget_once(store, job, found);
    return err == ERR_DENIED ? ERR_OK : err;
}

enum err store_job_forget_left(struct store *store, const char *prefix, int64_t left_ms, bool *found)
{
    uint64_t job = 0;
    struct db_value params[] = {DB_NUM(strlen(prefix)), DB_TEXT(str_of(prefix)), DB_NUM((uint64_t)left_ms)};
    *found = false;
    enum err err = db_query(store->db, SQL_JOBS_LEFT, params, 3, take_number, &job);
    if (!err && job)
        err = forget_once(store, job, found);
    return err == ERR_DENIED ? ERR_OK : err; /* somebody has it again */
}

/* ---- reading ---- */

struct reading {
    feed_stream_fn *stream;
    feed_row_fn *row;
    feed_job_fn *job;
    void *arg;
    struct feed_place after;
    unsigned limit, given; /* rows */
};

static void on_stream(void *arg, const struct db_value *c)
{
    const struct reading *reading = arg;
    struct feed_stream stream = {.id = c[0].number, .head = c[1].number, .passed = c[2].number};
    reading->stream(reading->arg, &stream);
}

enum err store_feed_streams(struct store *store, uint64_t job, feed_stream_fn *fn, void *arg)
{
    struct reading reading = {.stream = fn, .arg = arg};
    return db_query(store->db, SQL_FEED_STREAMS, &DB_NUM(job), 1, on_stream, &reading);
}

static void on_row(void *arg, const struct feed_row *row)
{
    struct reading *reading = arg;
    if (row->at.pos <= reading->after.pos || reading->given == reading->limit)
        return;
    reading->given++;
    reading->row(reading->arg, row);
}

static void on_record(void *arg, const struct db_value *c)
{
    const struct reading *reading = arg;
    struct feed_row last = {
        .at = {reading->after.stream, c[0].number},
        .conversation = c[1].number,
        .seq = c[2].number,
        .kind = (enum message_kind)c[3].number,
        .after = {c[4].is_null ? 0 : c[4].number, c[5].is_null ? 0 : c[5].number},
    };
    feed_unpack(&last, c[6].number, c[7].is_null ? STR("") : c[7].text, on_row, arg);
}

/* The rows that are asked for are in records up to `reach`. Where positions are missing there may be none: then
 * the next record there is has the first. */
enum err store_feed_read(struct store *store, const struct feed_place *after, uint64_t head, unsigned limit,
                         feed_row_fn *fn, void *arg)
{
    struct reading reading = {.row = fn, .arg = arg, .after = *after, .limit = limit};
    uint64_t reach = after->pos + limit + FEED_PACK_ROWS - 1;
    struct db_value near[] = {DB_NUM(after->stream), DB_NUM(after->pos), DB_NUM(reach < head ? reach : head),
                              DB_NUM(limit)};
    struct db_value next[] = {DB_NUM(after->stream), DB_NUM(after->pos), DB_NUM(head), DB_NUM(1)};
    enum err err = db_query(store->db, SQL_FEED_READ, near, READ_PARAMS, on_record, &reading);
    if (!err && !reading.given && reach < head)
        err = db_query(store->db, SQL_FEED_READ, next, READ_PARAMS, on_record, &reading);
    return err;
}

static enum err write_places(struct store *store, uint64_t job, const struct feed_place *places, size_t count)
{
    struct db_value *params = mem_zalloc(count * PASS_PARAMS * sizeof *params);
    for (size_t i = 0; i < count; i++) {
        params[i * PASS_PARAMS] = DB_NUM(job);
        params[i * PASS_PARAMS + 1] = DB_NUM(places[i].stream);
        params[i * PASS_PARAMS + 2] = DB_NUM(places[i].pos);
    }
    enum err err = db_many(store->db, SQL_FEED_PASS, params, count, PASS_PARAMS);
    free(params);
    return err;
}

enum err store_feed_pass(struct store *store, uint64_t job, uint64_t holder, int64_t lease_ms,
                         const struct feed_place *places, size_t count)
{
    enum err err = db_begin(store->db);
    if (!err)
        err = store_job_renew(store, job, holder, lease_ms);
    if (!err && count)
        err = write_places(store, job, places, count);
    return end(store, err);
}

/* ---- what all have passed ---- */

enum { STREAMS_AT_ONCE = 1000 }; /* as in the statement */

struct passed {
    struct feed_stream streams[STREAMS_AT_ONCE]; /* passed: by all; head: of the stream */
    uint64_t gone[STREAMS_AT_ONCE];
    bool idle[STREAMS_AT_ONCE];
    bool gap[STREAMS_AT_ONCE]; /* its writer has ended inside one, or stores nothing */
    size_t count;
};

static void on_passed(void *arg, const struct db_value *c)
{
    struct passed *passed = arg;
    size_t i = passed->count++;
    CG_ASSERT(i < STREAMS_AT_ONCE);
    passed->streams[i] = (struct feed_stream){.id = c[0].number, .head = c[1].number, .passed = c[3].number};
    passed->gone[i] = c[2].number;
    passed->idle[i] = c[4].number;
    passed->gap[i] = c[5].number;
}

/* Records up to `to`, but not more than are left of the limit; *to: up to where there are none now. */
static enum err remove_rows(struct store *store, uint64_t trim, uint64_t stream, uint64_t from, uint64_t *to,
                            uint64_t *left)
{
    uint64_t reached = 0;
    struct db_value reaches[] = {DB_NUM(stream), DB_NUM(from), DB_NUM(*to), DB_NUM(*left - 1)};
    enum err err = db_query(store->db, SQL_FEED_REACHES, reaches, 4, take_number, &reached);
    if (reached)
        *to = reached;
    struct db_value params[] = {DB_NUM(stream), DB_NUM(from), DB_NUM(*to)};
    struct feed_place gone = {stream, *to};
    if (!err)
        err = db_query(store->db, SQL_FEED_REMOVE, params, 3, NULL, NULL);
    *left -= err ? 0 : db_affected(store->db);
    return err ? err : write_places(store, trim, &gone, 1);
}

/* A stream that its writer goes on with after all is another one: the writer finds this one gone. */
static enum err remove_stream(struct store *store, const struct feed_stream *stream, uint64_t *removed)
{
    struct db_value params[] = {DB_NUM(stream->id), DB_NUM(stream->head)};
    enum err err = db_query(store->db, SQL_FEED_REMOVE_STREAM, params, 2, NULL, NULL);
    if (err || !db_affected(store->db))
        return err;
    ++*removed;
    return db_query(store->db, SQL_FEED_REMOVE_CURSORS, params, 1, NULL, NULL);
}

/* Whatever its writer left out has been stored long since: whoever looks for it finds all. If the writer is there after all,
 * and leaves out more, it says so anew. */
static enum err end_gap(struct store *store, const struct feed_stream *stream)
{
    struct db_value params[] = {DB_NUM(stream->id), DB_NUM(stream->head)};
    enum err err = db_query(store->db, SQL_FEED_END_GAP, params, 2, NULL, NULL);
    if (err || !db_affected(store->db))
        return err;
    return write_gap(store, (struct feed_place){stream->id, stream->head + 1});
}

static enum err remove_passed(struct store *store, const struct feed_trim *trim, const struct passed *passed,
                              struct feed_trimmed *trimmed)
{
    enum err err = ERR_OK;
    uint64_t left = trim->limit;
    for (size_t i = 0; !err && left && i < passed->count; i++) {
        const struct feed_stream *stream = &passed->streams[i];
        uint64_t to = stream->passed;
        if (to > passed->gone[i])
            err = remove_rows(store, trim->job, stream->id, passed->gone[i], &to, &left);
        else if (passed->idle[i] && passed->gap[i])
            err = end_gap(store, stream);
        else if (passed->idle[i])
            err = remove_stream(store, stream, &trimmed->removed);
        trimmed->removed += to > passed->gone[i] ? to - passed->gone[i] : 0;
    }
    trimmed->more = !left;
    return err;
}

enum err store_feed_trim(struct store *store, const struct feed_trim *trim, struct feed_trimmed *trimmed)
{
    struct db_value asked[] = {DB_NUM((uint64_t)trim->idle_ms), DB_NUM(trim->job)};
    struct passed *passed = mem_zalloc(sizeof *passed);
    *trimmed = (struct feed_trimmed){0};
    enum err err = db_begin(store->db);
    if (!err)
        err = store_job_renew(store, trim->job, trim->holder, trim->lease_ms);
    if (!err)
        err = db_query(store->db, SQL_FEED_PASSED_BY_ALL, asked, 2, on_passed, passed);
    if (!err)
        err = remove_passed(store, trim, passed, trimmed);
    free(passed);
    return end(store, err);
}

/* ---- for people ---- */

static void on_job(void *arg, const struct db_value *c)
{
    const struct reading *reading = arg;
    struct feed_job job = {.name = c[0].text,
                           .worker = c[1].text,
                           .reads_feed = c[2].number,
                           .rows = c[3].number,
                           .lag_ms = (int64_t)c[4].number};
    reading->job(reading->arg, &job);
}

enum err store_feed_jobs(struct store *store, feed_job_fn *fn, void *arg)
{
    struct reading reading = {.job = fn, .arg = arg};
    return db_query(store->db, SQL_FEED_JOBS, NULL, 0, on_job, &reading);
}

static void on_total(void *arg, const struct db_value *c)
{
    *(struct feed_total *)arg = (struct feed_total){c[0].number, c[1].number};
}

enum err store_feed_total(struct store *store, struct feed_total *total)
{
    *total = (struct feed_total){0};
    return db_query(store->db, SQL_FEED_TOTAL, NULL, 0, on_total, total);
}
