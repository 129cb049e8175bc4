/* store_schema.c: the operator's command's use of the database: migrations, check, statistics. */
#include "common/log.h"
#include "common/mem.h"
#include "common/store/store_sql.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>

enum { MIGRATION_BYTES = 1 << 20, LOCK_SECONDS = 60, TABLE_TRIES = 150 };

/* ---- migrations ---- */

static enum err read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return ERR_NOT_FOUND;
    char part[4096];
    size_t len;
    while ((len = fread(part, 1, sizeof part, file)) > 0)
        buf_add(out, part, len);
    bool broken = ferror(file);
    fclose(file);
    buf_add_char(out, '\0');
    return broken || out->failed ? ERR_INVALID : ERR_OK;
}

static int is_migration(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 9 && strspn(entry->d_name, "0123456789") == 4 && entry->d_name[4] == '_' &&
           !strcmp(entry->d_name + len - 4, ".sql");
}

static enum err apply(struct store *store, const char *dir, const char *name, char why[256])
{
    char path[4096], sql[128];
    struct buf script;
    buf_init(&script, MIGRATION_BYTES);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    enum err err = read_file(path, &script);
    if (err)
        snprintf(why, 256, "cannot read %.200s", path);
    if (!err) {
        err = db_script(store->db, script.data);
        snprintf(sql, sizeof sql, "INSERT INTO schema_migration (version, applied_at) VALUES (%d, UTC_TIMESTAMP(3))",
                 atoi(name));
        if (!err)
            err = db_run(store->db, sql, NULL, NULL);
        if (err)
            snprintf(why, 256, "%.60s: %.180s", name, db_error(store->db));
    }
    buf_fini(&script);
    return err;
}

/* A change of a table waits until no transaction has the table, and all that come later wait for it: a backup would have
 * everybody wait. So it waits for a second at most, and then lets the others go on for as long before it tries again, the
 * whole migration, which finds what was done already. */
static enum err apply_between_others(struct store *store, const char *dir, const char *name, store_line_fn *said,
                                     void *arg, char why[256])
{
    enum err err = db_run(store->db, "SET SESSION lock_wait_timeout = 1", NULL, NULL);
    if (err)
        snprintf(why, 256, "%.250s", db_error(store->db));
    for (int i = 0; !err && (err = apply(store, dir, name, why)) == ERR_RETRY && i < TABLE_TRIES; i++) {
        char line[128];
        snprintf(line, sizeof line, "waiting for a transaction that has a table of %.60s open", name);
        if (!i)
            said(arg, line);
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        err = ERR_OK;
    }
    return err;
}

static enum err apply_missing(struct store *store, const char *dir, store_line_fn *said, void *arg, char why[256])
{
    struct dirent **files;
    int count = scandir(dir, &files, is_migration, alphasort);
    if (count <= 0) {
        snprintf(why, 256, "no migrations in %.200s (setting sql_dir)", dir);
        if (count == 0)
            free(files);
        return ERR_NOT_FOUND;
    }
    enum err err = ERR_OK;
    for (int i = 0; i < count; i++) {
        uint64_t applied = 0;
        char sql[128], line[300];
        snprintf(sql, sizeof sql, "SELECT COUNT(*) FROM schema_migration WHERE version = %d", atoi(files[i]->d_name));
        if (!err)
            err = db_run(store->db, sql, store_on_number, &applied);
        if (!err && !applied) {
            err = apply_between_others(store, dir, files[i]->d_name, said, arg, why);
            snprintf(line, sizeof line, "%s %s", err ? "failed" : "applied", files[i]->d_name);
            said(arg, line);
        }
        free(files[i]);
    }
    free(files);
    return err;
}

enum err store_migrate(struct store *store, const char *dir, store_line_fn *said, void *arg, char why[256])
{
    uint64_t locked = 0;
    snprintf(why, 256, "cannot use the database");
    enum err err = db_connect(store->db);
    /* the lock may be awaited longer than an answer: ask in short turns */
    for (int turn = 0; !err && !locked && turn < LOCK_SECONDS; turn++)
        err = db_run(store->db, "SELECT GET_LOCK('chaguan_migrate', 1)", store_on_number, &locked);
    if (!err && !locked) {
        snprintf(why, 256, "another migration holds the lock");
        return ERR_BUSY;
    }
    if (!err)
        err = db_run(store->db,
                     "CREATE TABLE IF NOT EXISTS schema_migration (version INT UNSIGNED NOT NULL PRIMARY KEY,"
                     " applied_at DATETIME(3) NOT NULL) ENGINE=InnoDB",
                     NULL, NULL);
    if (err) {
        snprintf(why, 256, "%.250s", db_error(store->db));
        return err;
    }
    uint64_t version = 0;
    err = db_run(store->db, "SELECT MAX(version) FROM schema_migration", store_on_number, &version);
    if (err) {
        snprintf(why, 256, "%.250s", db_error(store->db));
    } else if (version > STORE_SCHEMA_VERSION) {
        snprintf(why, 256, STORE_NEWER, (unsigned long long)version, STORE_SCHEMA_VERSION);
        err = ERR_INVALID;
    } else {
        err = apply_missing(store, dir, said, arg, why);
    }
    enum err unlocked = db_run(store->db, "SELECT RELEASE_LOCK('chaguan_migrate')", NULL, NULL);
    return err ? err : unlocked;
}

/* ---- required variables of the server ---- */

static const struct condition {
    const char *variable, *wanted, *why;
    bool alone; /* not needed where other nodes of a cluster have a transaction before it is committed */
} conditions[] = {
    {"innodb_flush_log_at_trx_commit", "1", "else what was acknowledged may be lost", false},
    {"log_bin", "ON", "else a message may be shown before it is on the disk, and its number given to another", true},
    {"sync_binlog", "1", "else what was acknowledged may be lost, and what was shown become another message", true},
};

enum { CONDITIONS = sizeof conditions / sizeof conditions[0] };

struct variables {
    char values[CONDITIONS][32];
    bool cluster;
};

static void on_variable(void *arg, const struct db_value *columns)
{
    struct variables *variables = arg;
    struct str name = columns[0].text, value = columns[1].text;
    if (str_eq(name, STR("wsrep_on")))
        variables->cluster = str_eq(value, STR("ON"));
    for (size_t i = 0; i < CONDITIONS; i++)
        if (str_eq(name, str_of(conditions[i].variable)))
            snprintf(variables->values[i], sizeof variables->values[i], "%.*s", (int)value.len, value.ptr);
}

enum err store_conditions(struct store *store, store_line_fn *said, void *arg)
{
    struct variables variables = {.cluster = false};
    enum err err = db_run(store->db,
                          "SHOW GLOBAL VARIABLES WHERE Variable_name IN"
                          " ('innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog', 'wsrep_on')",
                          on_variable, &variables);
    for (size_t i = 0; !err && i < CONDITIONS; i++) {
        const struct condition *condition = &conditions[i];
        char line[256];
        if (!strcmp(variables.values[i], condition->wanted) || (condition->alone && variables.cluster))
            continue;
        snprintf(line, sizeof line, "%s is %s and must be %s: %s", condition->variable,
                 *variables.values[i] ? variables.values[i] : "unknown", condition->wanted, condition->why);
        said(arg, line);
    }
    return err;
}

/* ---- check ---- */

struct finding {
    const char *format; /* takes conversation, then two numbers */
    store_line_fn *found;
    void *arg;
    uint64_t *count;
};

static void on_finding(void *arg, const struct db_value *c)
{
    struct finding *finding = arg;
    char line[256];
    int len = snprintf(line, sizeof line, "conversation=%llu ", (unsigned long long)c[0].number);
    snprintf(line + len, sizeof line - (size_t)len, finding->format, (unsigned long long)c[1].number,
             (unsigned long long)c[2].number);
    finding->found(finding->arg, line);
    ++*finding->count;
}

static void on_feed_finding(void *arg, const struct db_value *c)
{
    struct finding *finding = arg;
    char line[256];
    snprintf(line, sizeof line, finding->format, (unsigned long long)c[0].number, (unsigned long long)c[1].number,
             (unsigned long long)c[2].number);
    finding->found(finding->arg, line);
    ++*finding->count;
}

/* Rows of what was never said, streams with holes, and workers that have passed what is not there. Each is one statement, so
 * nothing that runs is a finding. */
static enum err check_feed(struct store *store, struct finding *finding)
{
    static const struct {
        const char *sql, *format;
    } checks[] = {
        {"SELECT f.conversation, f.seq, c.seq FROM (SELECT conversation, seq FROM feed UNION ALL"
         " SELECT e.conversation, e.seq FROM feed p JOIN JSON_TABLE(p.earlier, '$[*]' COLUMNS"
         " (conversation BIGINT UNSIGNED PATH '$[0]', seq BIGINT UNSIGNED PATH '$[1]')) e) f"
         " JOIN conversation c ON c.id = f.conversation WHERE f.seq > c.seq",
         "conversation=%llu the feed has number %llu, past the last message %llu"},
        {"SELECT c.stream, c.pos, s.pos FROM feed_cursor c JOIN feed_stream s ON s.id = c.stream WHERE c.pos > s.pos",
         "stream=%llu a worker has passed %llu, past its end %llu"},
        {"SELECT s.id, CAST(s.pos - COALESCE(t.pos, 0) AS UNSIGNED) AS wanted, "
         " CAST(COALESCE(SUM(LEAST(f.count, f.pos - COALESCE(t.pos, 0))), 0) AS UNSIGNED) AS found"
         " FROM feed_stream s"
         " LEFT JOIN worker_job j ON j.name = 'trim' LEFT JOIN feed_cursor t ON t.stream = s.id AND t.job = j.id"
         " LEFT JOIN feed f ON f.stream = s.id AND f.pos > COALESCE(t.pos, 0) AND f.pos <= s.pos"
         " WHERE s.pos >= COALESCE(t.pos, 0) GROUP BY s.id, s.pos, t.pos HAVING found <> wanted",
         "stream=%llu must have %llu rows but has %llu"},
    };
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < sizeof checks / sizeof checks[0]; i++) {
        finding->format = checks[i].format;
        err = db_run(store->db, checks[i].sql, on_feed_finding, finding);
    }
    return err;
}

enum err store_check(struct store *store, store_line_fn *found, void *arg, uint64_t *findings)
{
    static const struct {
        const char *sql, *format;
    } checks[] = {
        /* The counter is read before the messages of the same snapshot, so a running relay is no finding. What is too old
         * is removed from the front of a conversation, and from its comings and goings (store_life.h). */
        {"SELECT c.id, c.seq, CAST(GREATEST(COALESCE(m.last, 0), c.trimmed, c.passing_gone) AS UNSIGNED)"
         " FROM conversation c LEFT JOIN"
         " (SELECT conversation, MAX(seq) AS last FROM message GROUP BY conversation) m"
         " ON m.conversation = c.id WHERE c.seq <> GREATEST(COALESCE(m.last, 0), c.trimmed, c.passing_gone)",
         "counter says %llu but the last message is %llu"},
        {"SELECT c.id, c.seq, CAST(COALESCE(m.count, 0) AS UNSIGNED) FROM conversation c LEFT JOIN"
         " (SELECT conversation, COUNT(*) AS count FROM message GROUP BY conversation) m ON m.conversation = c.id"
         " LEFT JOIN (SELECT r.conversation, SUM(LEAST(r.last, k.passing_gone) - GREATEST(r.first, k.trimmed + 1) + 1)"
         "  AS count FROM passing_run r JOIN conversation k ON k.id = r.conversation"
         "  WHERE r.first <= k.passing_gone AND r.last > k.trimmed AND LEAST(r.last, k.passing_gone) > k.trimmed"
         "  GROUP BY r.conversation) g ON g.conversation = c.id"
         " WHERE c.seq <> c.trimmed + COALESCE(m.count, 0) + COALESCE(g.count, 0)",
         "the last number is %llu but there are %llu messages: some are missing"},
        {"SELECT m.conversation, m.seq, c.trimmed FROM conversation c JOIN message m ON m.conversation = c.id"
         " AND m.seq <= c.trimmed",
         "message %llu is there, though everything up to %llu is gone"},
        {"SELECT m.conversation, m.seq, c.passing_gone FROM conversation c JOIN passing_run r ON r.conversation = c.id"
         " AND r.first <= c.passing_gone JOIN message m ON m.conversation = c.id AND m.seq >= r.first"
         " AND m.seq <= LEAST(r.last, c.passing_gone)",
         "line %llu is there, though comings and goings up to %llu are gone"},
        {"SELECT conversation, seq, CAST(COUNT(*) AS UNSIGNED) FROM message"
         " GROUP BY conversation, seq HAVING COUNT(*) > 1",
         "number %llu stands %llu times"},
        {"SELECT conversation, sender, CAST(COUNT(*) AS UNSIGNED) FROM message"
         " WHERE client_id IS NOT NULL AND sender IS NOT NULL"
         " GROUP BY conversation, sender, client_id HAVING COUNT(*) > 1",
         "user %llu has one client id on %llu messages"},
        {"SELECT m.conversation, m.user, m.read_seq FROM member m JOIN conversation c"
         " ON c.id = m.conversation WHERE m.read_seq > c.seq",
         "user %llu has read up to %llu, past the last message"},
        {"SELECT conversation, CAST(ABS(SUM(score)) AS UNSIGNED), CAST(COUNT(*) AS UNSIGNED)"
         " FROM standing GROUP BY conversation HAVING SUM(score) <> 0",
         "the scores are %llu off zero, over %llu members"},
    };
    *findings = 0;
    enum err err = db_run(store->db, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", NULL, NULL);
    if (!err)
        err = db_run(store->db, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", NULL, NULL);
    for (size_t i = 0; !err && i < sizeof checks / sizeof checks[0]; i++) {
        struct finding finding = {checks[i].format, found, arg, findings};
        err = db_run(store->db, checks[i].sql, on_finding, &finding);
    }
    struct finding of_feed = {NULL, found, arg, findings};
    if (!err)
        err = check_feed(store, &of_feed);
    db_rollback(store->db);
    return err;
}

enum err store_stats(struct store *store, struct store_stats *stats)
{
    struct {
        const char *sql;
        uint64_t *value;
    } figures[] = {
        {"SELECT COUNT(*) FROM user", &stats->users},
        {"SELECT COUNT(*) FROM conversation", &stats->conversations},
        {"SELECT COUNT(*) FROM member", &stats->members},
        {"SELECT CAST(COALESCE(SUM(seq), 0) AS UNSIGNED) FROM conversation", &stats->messages},
        {"SELECT CAST(value AS UNSIGNED) FROM meta WHERE name = 'epoch'", &stats->epoch},
        {"SELECT MAX(version) FROM schema_migration", &stats->schema},
    };
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < sizeof figures / sizeof figures[0]; i++)
        err = db_run(store->db, figures[i].sql, store_on_number, figures[i].value);
    return err;
}
