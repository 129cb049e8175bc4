#include "common/store/store_life.h"

#include "common/store/store_feed.h"
#include "common/store/store_sql.h"

/* Times go with numbers, so what is too old is a prefix. */
static const struct store_statement rows[] = {
    {SQL_LIFE, "SELECT keep_days, keep_presence_lines_days, trimmed FROM conversation WHERE id = ?"},
    {SQL_SET_LIFE, "UPDATE conversation SET keep_days = IF(?, ?, keep_days),"
                   " keep_presence_lines_days = IF(?, ?, keep_presence_lines_days) WHERE id = ?"},
    {SQL_LIFE_LOOK,
     "SELECT c.id, c.trimmed, c.passing_gone, c.days, c.presence_days, IF(c.days, COALESCE((SELECT m.created_at <"
     "  UTC_TIMESTAMP(3) - INTERVAL c.days DAY FROM message m WHERE m.conversation = c.id AND m.seq > c.trimmed"
     "  ORDER BY m.seq LIMIT 1), 0), 0), IF(c.presence_days, COALESCE((SELECT m.created_at < UTC_TIMESTAMP(3) -"
     "  INTERVAL c.presence_days DAY FROM passing_run r JOIN message m ON m.conversation = r.conversation"
     "  AND m.seq = GREATEST(r.first, c.passing_gone + 1, c.trimmed + 1) WHERE r.conversation = c.id AND"
     "  r.last > GREATEST(c.passing_gone, c.trimmed) ORDER BY r.last LIMIT 1), 0), 0)"
     " FROM (SELECT id, trimmed, passing_gone, COALESCE(keep_days, ?) AS days,"
     "  COALESCE(keep_presence_lines_days, ?) AS presence_days FROM conversation WHERE id > ? ORDER BY id LIMIT 200) c"
     " ORDER BY c.id"},
    {SQL_LIFE_OLD, "SELECT CAST(COALESCE(MAX(o.seq), 0) AS UNSIGNED) FROM (SELECT seq, created_at FROM message"
                   " WHERE conversation = ? AND seq >= ? AND seq <= ? ORDER BY seq LIMIT 500) o"
                   " WHERE o.created_at < UTC_TIMESTAMP(3) - INTERVAL ? DAY"},
    {SQL_LIFE_RUN, "SELECT first, last FROM passing_run WHERE conversation = ? AND last > ? ORDER BY last LIMIT 1"},
    {SQL_LIFE_MEDIA, "INSERT IGNORE INTO media_doubt (name, since) SELECT REGEXP_SUBSTR(content,"
                     " '[0-9a-f]{32}[.][a-z0-9]{1,8}'), UTC_TIMESTAMP(3) FROM message WHERE conversation = ? AND"
                     " seq >= ? AND seq <= ? AND kind <> 2 AND kind <> 3 AND content REGEXP '[0-9a-f]{32}[.][a-z0-9]'"},
    {SQL_LIFE_REACTIONS, "DELETE FROM reaction WHERE conversation = ? AND seq >= ? AND seq <= ?"},
    {SQL_LIFE_MESSAGES, "DELETE FROM message WHERE conversation = ? AND seq >= ? AND seq <= ?"},
    {SQL_LIFE_RUNS, "DELETE FROM passing_run WHERE conversation = ? AND last <= ? LIMIT 500"},
    {SQL_LIFE_TRIMMED, "UPDATE conversation SET trimmed = ? WHERE id = ? AND trimmed < ?"},
    {SQL_LIFE_PASSED, "UPDATE conversation SET passing_gone = ?, forgets = forgets + 1"
                      " WHERE id = ? AND passing_gone < ?"},
};
_Static_assert(STORE_LIFE_PAGE == 200 && STORE_LIFE_ROWS == 500, "as the statements say");
_Static_assert(MESSAGE_JOIN == 2 && MESSAGE_LEAVE == 3, "as SQL_LIFE_MEDIA says");

const struct store_statements store_life_statements = STORE_STATEMENTS(rows);

/* ---- what holds for a conversation ---- */

struct found {
    struct store_life *life;
    bool is_there;
};

static void on_life(void *arg, const struct db_value *c)
{
    struct found *found = arg;
    found->is_there = true;
    *found->life = (struct store_life){
        .has_days = !c[0].is_null,
        .has_presence_days = !c[1].is_null,
        .days = c[0].is_null ? 0 : c[0].number,
        .presence_days = c[1].is_null ? 0 : c[1].number,
        .trimmed = c[2].number,
    };
}

enum err store_life_get(struct store *store, uint64_t conversation, struct store_life *life)
{
    struct found found = {.life = life};
    *life = (struct store_life){0};
    enum err err = db_query(store->db, SQL_LIFE, &DB_NUM(conversation), 1, on_life, &found);
    return !err && !found.is_there ? ERR_NOT_FOUND : err;
}

enum err store_life_set(struct store *store, uint64_t conversation, const struct store_life_change *change)
{
    const struct store_life *to = &change->to;
    struct db_value params[] = {DB_NUM(change->change_days), to->has_days ? DB_NUM(to->days) : DB_NULL,
                                DB_NUM(change->change_presence_days),
                                to->has_presence_days ? DB_NUM(to->presence_days) : DB_NULL, DB_NUM(conversation)};
    struct store_tries tries = {0};
    enum err err;
    do
        err = db_query(store->db, SQL_SET_LIFE, params, 5, NULL, NULL);
    while (store_again(&tries, &err));
    return err;
}

/* ---- what is too old ---- */

struct looking {
    struct store_life_due *due;
    size_t count, seen;
    uint64_t last;
};

static void on_look(void *arg, const struct db_value *c)
{
    struct looking *looking = arg;
    looking->seen++;
    looking->last = c[0].number;
    if (!c[5].number && !c[6].number)
        return;
    looking->due[looking->count++] = (struct store_life_due){
        .conversation = c[0].number,
        .trimmed = c[1].number,
        .passing_gone = c[2].number,
        .days = c[3].number,
        .presence_days = c[4].number,
        .messages_are_due = c[5].number,
        .lines_are_due = c[6].number,
    };
}

enum err store_life_look(struct store *store, uint64_t days, uint64_t presence_days, uint64_t *after,
                         struct store_life_due *due, size_t *count)
{
    struct looking looking = {.due = due};
    struct db_value params[] = {DB_NUM(days), DB_NUM(presence_days), DB_NUM(*after)};
    enum err err = db_query(store->db, SQL_LIFE_LOOK, params, 3, on_look, &looking);
    *count = err ? 0 : looking.count;
    if (!err)
        *after = looking.seen == STORE_LIFE_PAGE ? looking.last : 0;
    return err;
}

/* ---- removing ---- */

/* Numbers of a conversation, both ends included. */
struct span {
    uint64_t conversation, first, last;
};

static enum err on_span(struct store *store, enum statement sql, const struct span *span)
{
    struct db_value params[] = {DB_NUM(span->conversation), DB_NUM(span->first), DB_NUM(span->last)};
    return db_query(store->db, sql, params, 3, NULL, NULL);
}

/* The last number of a span that is too old, among its first STORE_LIFE_ROWS; 0: none is. */
static enum err find_old(struct store *store, const struct span *span, uint64_t days, uint64_t *old)
{
    struct db_value params[] = {DB_NUM(span->conversation), DB_NUM(span->first), DB_NUM(span->last), DB_NUM(days)};
    *old = 0;
    return db_query(store->db, SQL_LIFE_OLD, params, 4, store_on_number, old);
}

static enum err set(struct store *store, enum statement sql, uint64_t conversation, uint64_t to)
{
    struct db_value params[] = {DB_NUM(to), DB_NUM(conversation), DB_NUM(to)};
    return db_query(store->db, sql, params, 3, NULL, NULL);
}

static enum err remove_messages(struct store *store, const struct span *span, uint64_t *removed)
{
    enum err err = on_span(store, SQL_LIFE_MEDIA, span);
    if (!err)
        err = on_span(store, SQL_LIFE_REACTIONS, span);
    if (!err)
        err = on_span(store, SQL_LIFE_MESSAGES, span);
    *removed = err ? 0 : db_affected(store->db);
    struct db_value runs[] = {DB_NUM(span->conversation), DB_NUM(span->last)};
    if (!err)
        err = db_query(store->db, SQL_LIFE_RUNS, runs, 2, NULL, NULL);
    return err ? err : set(store, SQL_LIFE_TRIMMED, span->conversation, span->last);
}

/* Removing begins by renewing the lease in the same transaction, so a worker that has lost it removes nothing. */
static enum err begin(struct store *store, const struct store_lease *lease)
{
    enum err err = db_begin(store->db);
    if (err)
        return err;
    err = store_job_renew(store, lease->job, lease->holder, lease->lease_ms);
    return err ? store_end(store, err) : ERR_OK;
}

enum err store_life_trim(struct store *store, const struct store_lease *lease, const struct store_life_due *due,
                         uint64_t *removed)
{
    struct span span = {due->conversation, due->trimmed + 1, INT64_MAX};
    *removed = 0;
    enum err err = find_old(store, &span, due->days, &span.last);
    if (err || !span.last || (err = begin(store, lease)))
        return err;
    err = remove_messages(store, &span, removed);
    return store_end(store, err);
}

static void on_run(void *arg, const struct db_value *c)
{
    struct span *span = arg;
    span->first = c[0].number;
    span->last = c[1].number;
}

enum err store_life_trim_lines(struct store *store, const struct store_lease *lease, const struct store_life_due *due,
                               uint64_t *removed)
{
    uint64_t gone = due->trimmed > due->passing_gone ? due->trimmed : due->passing_gone;
    struct span span = {.conversation = due->conversation};
    struct db_value params[] = {DB_NUM(due->conversation), DB_NUM(gone)};
    *removed = 0;
    enum err err = db_query(store->db, SQL_LIFE_RUN, params, 2, on_run, &span);
    if (err || !span.last)
        return err;
    if (span.first <= gone)
        span.first = gone + 1;
    err = find_old(store, &span, due->presence_days, &span.last);
    if (err || !span.last || (err = begin(store, lease)))
        return err;
    err = on_span(store, SQL_LIFE_MESSAGES, &span);
    *removed = err ? 0 : db_affected(store->db);
    if (!err)
        err = set(store, SQL_LIFE_PASSED, span.conversation, span.last);
    return store_end(store, err);
}
