#include "common/search/search_index.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FORMAT = 2,
    BUSY_MS = 2000,
    BLOCK_BITS = 4,   /* so many messages of a millisecond have ids of it, the others of later ones */
    TIDY_PAGES = 200, /* some 10 ms */
    TOKENS_MAX = 1 << 20,
    CLOCK_STEPS = 50, /* of SQLite's machine between two looks at the clock: some ten pages of a list */
};
#define EPOCH_MS  INT64_C(1577836800000) /* 2020: earlier ones count as of then, */
#define LAST_MS   (INT64_C(1) << 44)     /* and those of five centuries later as of that day */
#define FILE_NAME "index.db"

enum sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_FIND_ID,
    SQL_TOP_ID,
    SQL_SPILLED,
    SQL_SPILL,
    SQL_ADD_DOC,
    SQL_ADD_WORDS,
    SQL_NUMBER,
    SQL_SET,
    SQL_PASSED,
    SQL_PASS,
    SQL_TIDY,
    SQL_TIDY_ALL,
    SQL_FIND,
    SQL_LIST,
    SQL_DROP,
    SQLS
};

/* No text is kept, and no positions: both cost more than all the rest, and the messages are read anyway. A message that is
 * put again has the words of both texts.
 *
 * What a word's list holds is NEWEST - id: FTS5 reads lists forwards in half the time in which it reads them backwards. */
#define NEWEST "562949953421312" /* 2^49, which no id reaches */
static const char schema[] =
    "CREATE TABLE doc (id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, seq INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX doc_message ON doc (conversation, seq);"
    "CREATE TABLE spilled (block INTEGER PRIMARY KEY, next INTEGER NOT NULL);"
    "CREATE TABLE number (which INTEGER PRIMARY KEY, value INTEGER NOT NULL);"
    "CREATE TABLE passed (stream INTEGER PRIMARY KEY, pos INTEGER NOT NULL);"
    "CREATE VIRTUAL TABLE word USING fts5 (words, content='', columnsize=0, detail=none,"
    " tokenize=\"ascii tokenchars '_'\");"
    "INSERT INTO word (word, rank) VALUES ('hashsize', 8388608);"
    "INSERT INTO word (word, rank) VALUES ('usermerge', 2);";

static const char *const texts[SQLS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_FIND_ID] = "SELECT id FROM doc WHERE conversation = ?1 AND seq = ?2",
    [SQL_TOP_ID] = "SELECT max(id) FROM doc WHERE id >= ?1 AND id < ?2",
    [SQL_SPILLED] = "SELECT next FROM spilled WHERE block = ?1",
    [SQL_SPILL] = "INSERT INTO spilled (block, next) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET next = excluded.next",
    [SQL_ADD_DOC] = "INSERT INTO doc (id, conversation, seq) VALUES (?1, ?2, ?3)",
    [SQL_ADD_WORDS] = "INSERT INTO word (rowid, words) VALUES (" NEWEST " - ?1, ?2)",
    [SQL_NUMBER] = "SELECT value FROM number WHERE which = ?1",
    [SQL_SET] = "INSERT INTO number (which, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
    [SQL_PASSED] = "SELECT pos FROM passed WHERE stream = ?1",
    [SQL_PASS] = "INSERT INTO passed (stream, pos) VALUES (?1, ?2)"
                 " ON CONFLICT DO UPDATE SET pos = max(pos, excluded.pos)",
    [SQL_TIDY] = "INSERT INTO word (word, rank) VALUES ('merge', ?1)",
    [SQL_TIDY_ALL] = "INSERT INTO word (word, rank) VALUES ('merge', -?1)",
    [SQL_FIND] = "SELECT d.id, d.conversation, d.seq FROM word JOIN doc d ON d.id = " NEWEST " - word.rowid"
                 " WHERE word MATCH ?1 AND word.rowid > " NEWEST " - ?2 ORDER BY word.rowid LIMIT ?3",
    [SQL_LIST] = "SELECT id, conversation, seq FROM doc WHERE id > ?1 ORDER BY id LIMIT ?2",
    [SQL_DROP] = "DELETE FROM doc WHERE id = ?1",
};

struct search_index {
    sqlite3 *db;
    sqlite3_stmt *statements[SQLS];
    char *path;
    dev_t device;
    ino_t inode;
    bool is_tidying;
};

/* ---- SQLite ---- */

static enum err err_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return ERR_OK;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_SCHEMA:
    case SQLITE_FORMAT:
    case SQLITE_ERROR: /* a table is not there */ return ERR_INVALID;
    case SQLITE_BUSY: return ERR_BUSY;
    default: return ERR_DOWN;
    }
}

const char *search_index_error(const struct search_index *index)
{
    return sqlite3_errmsg(index->db);
}

/* A statement with its numbers, `count` of them from place `first` on. */
static enum err bind(struct search_index *index, enum sql which, int first, const uint64_t *numbers, size_t count)
{
    int code = SQLITE_OK;
    if (!index->statements[which])
        code =
            sqlite3_prepare_v3(index->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, &index->statements[which], NULL);
    for (size_t i = 0; code == SQLITE_OK && i < count; i++)
        code = sqlite3_bind_int64(index->statements[which], first + (int)i, (int64_t)numbers[i]);
    return err_of(code);
}

/* Runs it to its first row, whose columns it puts into `columns`, 0 for NULL; *found: there was one. */
static enum err run(struct search_index *index, enum sql which, const uint64_t *numbers, size_t count,
                    uint64_t *columns, size_t column_count, bool *found)
{
    enum err err = bind(index, which, 1, numbers, count);
    if (err)
        return err;
    int code = sqlite3_step(index->statements[which]);
    bool row = code == SQLITE_ROW;
    for (size_t i = 0; row && i < column_count; i++)
        columns[i] = (uint64_t)sqlite3_column_int64(index->statements[which], (int)i);
    if (found)
        *found = row;
    sqlite3_reset(index->statements[which]);
    return err_of(code);
}

/* ---- the file ---- */

static char *path_in(const char *dir, const char *suffix)
{
    size_t len = strlen(dir) + sizeof FILE_NAME + strlen(suffix) + 2;
    char *path = mem_zalloc(len);
    snprintf(path, len, "%s/" FILE_NAME "%s", dir, suffix);
    return path;
}

static enum err set_up(struct search_index *index, bool writes)
{
    static const char write_pragmas[] =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;"
        " PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 4000;";
    static const char read_pragmas[] = "PRAGMA query_only = 1; PRAGMA cache_size = -8192;";
    sqlite3_stmt *version;
    sqlite3_busy_timeout(index->db, BUSY_MS);
    sqlite3_db_config(index->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
                      NULL); /* a file of that name may be another's by then */
    int code = sqlite3_exec(index->db, writes ? write_pragmas : read_pragmas, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v2(index->db, "PRAGMA user_version", -1, &version, NULL);
    if (code != SQLITE_OK)
        return err_of(code);
    code = sqlite3_step(version);
    int format = sqlite3_column_int(version, 0);
    sqlite3_finalize(version);
    if (code == SQLITE_ROW && !format && writes) {
        char text[sizeof schema + 64];
        snprintf(text, sizeof text, "BEGIN IMMEDIATE;%s PRAGMA user_version = %d; COMMIT;", schema, FORMAT);
        code = sqlite3_exec(index->db, text, NULL, NULL, NULL);
        format = FORMAT;
    }
    enum err err = err_of(code);
    return err ? err : format == FORMAT ? ERR_OK : format ? ERR_INVALID : ERR_NOT_FOUND;
}

enum err search_index_open(const char *dir, bool writes, struct search_index **out)
{
    struct stat file;
    *out = NULL;
    if (writes && mkdir(dir, 0770) && errno != EEXIST) {
        log_error("search.no_folder", "dir=\"%s\" errno=%d msg=\"%s\"", dir, errno, strerror(errno));
        return ERR_DOWN;
    }
    struct search_index *index = mem_zalloc(sizeof *index);
    index->path = path_in(dir, "");
    if (!writes && stat(index->path, &file)) {
        search_index_close(index);
        return ERR_NOT_FOUND;
    }
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | (writes ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(index->path, &index->db, flags, NULL);
    enum err err = code == SQLITE_OK ? set_up(index, writes) : ERR_DOWN;
    if (!err && stat(index->path, &file))
        err = ERR_DOWN; /* it was removed meanwhile */
    if (err) {
        if (err != ERR_NOT_FOUND)
            log_error("search.not_opened", "file=\"%s\" msg=\"%s\"", index->path,
                      index->db ? sqlite3_errmsg(index->db) : "no memory");
        search_index_close(index);
        return err;
    }
    index->device = file.st_dev;
    index->inode = file.st_ino;
    *out = index;
    return ERR_OK;
}

void search_index_close(struct search_index *index)
{
    if (!index)
        return;
    for (size_t i = 0; i < SQLS; i++)
        sqlite3_finalize(index->statements[i]);
    sqlite3_close(index->db);
    free(index->path);
    free(index);
}

bool search_index_is_current(const struct search_index *index)
{
    struct stat file;
    return !stat(index->path, &file) && file.st_dev == index->device && file.st_ino == index->inode;
}

enum err search_index_remove(const char *dir)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    enum err err = ERR_OK;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        char *path = path_in(dir, suffixes[i]);
        if (unlink(path) && (i == 0 || errno != ENOENT) && !err)
            err = errno == ENOENT ? ERR_NOT_FOUND : ERR_DOWN;
        free(path);
    }
    return err;
}

uint64_t search_index_bytes(const struct search_index *index)
{
    struct stat file;
    char wal[4096 + 16];
    uint64_t bytes = stat(index->path, &file) ? 0 : (uint64_t)file.st_size;
    snprintf(wal, sizeof wal, "%s-wal", index->path);
    return bytes + (stat(wal, &file) ? 0 : (uint64_t)file.st_size);
}

/* ---- writing ---- */

enum err search_index_begin(struct search_index *index)
{
    return run(index, SQL_BEGIN, NULL, 0, NULL, 0, NULL);
}

enum err search_index_commit(struct search_index *index)
{
    return run(index, SQL_COMMIT, NULL, 0, NULL, 0, NULL);
}

void search_index_rollback(struct search_index *index)
{
    if (!sqlite3_get_autocommit(index->db))
        (void)!run(index, SQL_ROLLBACK, NULL, 0, NULL, 0, NULL);
}

/* A block is a millisecond's. One that is full names another, further on, so that a crowd of one time is not gone through
 * again for each of it. */
static enum err free_id(struct search_index *index, int64_t at_ms, uint64_t *id)
{
    int64_t since_ms = at_ms > EPOCH_MS ? at_ms - EPOCH_MS : 1;
    uint64_t own = (uint64_t)(since_ms < LAST_MS ? since_ms : LAST_MS), block = own;
    enum err err = ERR_OK;
    while (!err) {
        uint64_t bounds[] = {block << BLOCK_BITS, (block + 1) << BLOCK_BITS}, top = 0, next = block + 1;
        err = run(index, SQL_TOP_ID, bounds, 2, &top, 1, NULL);
        *id = top ? top + 1 : bounds[0];
        if (err || *id < bounds[1])
            break;
        bool found;
        err = run(index, SQL_SPILLED, &block, 1, &next, 1, &found);
        block = next;
    }
    return err || block == own ? err : run(index, SQL_SPILL, (uint64_t[]){own, block}, 2, NULL, 0, NULL);
}

struct placed {
    uint64_t id;
    const struct search_entry *entry;
};

static enum err place(struct search_index *index, const struct search_entry *entry, struct placed *placed,
                      uint64_t *added)
{
    uint64_t key[] = {entry->conversation, entry->seq};
    bool found;
    placed->entry = entry;
    enum err err = run(index, SQL_FIND_ID, key, 2, &placed->id, 1, &found);
    if (err || found)
        return err;
    err = free_id(index, entry->at_ms, &placed->id);
    uint64_t row[] = {placed->id, entry->conversation, entry->seq};
    if (!err)
        err = run(index, SQL_ADD_DOC, row, 3, NULL, 0, NULL);
    ++*added;
    return err;
}

static enum err add_words(struct search_index *index, const struct placed *placed)
{
    struct buf words;
    const struct search_entry *entry = placed->entry;
    enum err err = bind(index, SQL_ADD_WORDS, 1, &placed->id, 1);
    if (err)
        return err;
    buf_init(&words, TOKENS_MAX);
    buf_addf(&words, SEARCH_CONVERSATION_TOKEN, (unsigned long long)entry->conversation);
    buf_add_str(&words, entry->tokens);
    sqlite3_stmt *statement = index->statements[SQL_ADD_WORDS];
    int code =
        words.failed ? SQLITE_TOOBIG : sqlite3_bind_text(statement, 2, words.data, (int)words.len, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    buf_fini(&words);
    return err_of(code);
}

static int newest_first(const void *a, const void *b)
{
    const struct placed *one = a, *other = b;
    return one->id > other->id ? -1 : one->id < other->id;
}

/* Words are added in the order of their lists, in which FTS5 gathers them; else it writes each message by itself. */
enum err search_index_put(struct search_index *index, const struct search_entry *entries, size_t count)
{
    struct placed *placed = mem_zalloc((count ? count : 1) * sizeof *placed);
    uint64_t added = 0, documents = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++)
        err = place(index, &entries[i], &placed[i], &added);
    qsort(placed, count, sizeof *placed, newest_first);
    for (size_t i = 0; !err && i < count; i++)
        err = add_words(index, &placed[i]);
    free(placed);
    if (!err && added)
        err = search_index_number(index, SEARCH_DOCUMENTS, &documents);
    return !err && added ? search_index_set(index, SEARCH_DOCUMENTS, documents + added) : err;
}

enum err search_index_number(struct search_index *index, enum search_number which, uint64_t *number)
{
    uint64_t key = which;
    bool found;
    *number = 0;
    return run(index, SQL_NUMBER, &key, 1, number, 1, &found);
}

enum err search_index_set(struct search_index *index, enum search_number which, uint64_t number)
{
    return run(index, SQL_SET, (uint64_t[]){which, number}, 2, NULL, 0, NULL);
}

enum err search_index_passed(struct search_index *index, uint64_t stream, uint64_t *pos)
{
    bool found;
    *pos = 0;
    return run(index, SQL_PASSED, &stream, 1, pos, 1, &found);
}

enum err search_index_pass(struct search_index *index, uint64_t stream, uint64_t pos)
{
    return run(index, SQL_PASS, (uint64_t[]){stream, pos}, 2, NULL, 0, NULL);
}

/* Its words stay: to take them out of a table without contents, they would have to be known. */
enum err search_index_drop(struct search_index *index, uint64_t id)
{
    uint64_t documents = 0;
    enum err err = run(index, SQL_DROP, &id, 1, NULL, 0, NULL);
    if (err || !sqlite3_changes(index->db))
        return err;
    err = search_index_number(index, SEARCH_DOCUMENTS, &documents);
    return err || !documents ? err : search_index_set(index, SEARCH_DOCUMENTS, documents - 1);
}

/* The first step says that all parts are to become one, the others go on with that: a part costs a look-up for each word
 * that is looked for. */
enum err search_index_tidy(struct search_index *index, bool *more)
{
    uint64_t pages = TIDY_PAGES;
    int before = sqlite3_total_changes(index->db);
    enum err err = run(index, index->is_tidying ? SQL_TIDY : SQL_TIDY_ALL, &pages, 1, NULL, 0, NULL);
    *more = !err && sqlite3_total_changes(index->db) - before >= 2;
    index->is_tidying = *more;
    return err;
}

/* ---- reading ---- */

/* Rows of (id, conversation, seq), from a statement whose parameters are bound. */
static enum err tell_hits(struct search_index *index, enum sql which, int code, search_hit_fn *fn, void *arg)
{
    sqlite3_stmt *statement = index->statements[which];
    while (code == SQLITE_OK || code == SQLITE_ROW)
        if ((code = sqlite3_step(statement)) == SQLITE_ROW)
            fn(arg, &(struct search_hit){(uint64_t)sqlite3_column_int64(statement, 0),
                                         (uint64_t)sqlite3_column_int64(statement, 1),
                                         (uint64_t)sqlite3_column_int64(statement, 2)});
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return err_of(code);
}

enum err search_index_list(struct search_index *index, uint64_t after, unsigned limit, search_hit_fn *fn, void *arg)
{
    uint64_t numbers[] = {after, limit};
    enum err err = bind(index, SQL_LIST, 1, numbers, 2);
    return err ? err : tell_hits(index, SQL_LIST, SQLITE_OK, fn, arg);
}

static int is_late(void *arg)
{
    const int64_t *until_ms = arg;
    return clock_mono_ms() >= *until_ms;
}

/* One query, however far it has to go. FTS5 has no lower bound: while it looks for the next message that has all words it goes
 * on to the end of the lists, so a window of them costs as much as all that lies behind it. But it reads each page of a list by
 * a statement of SQLite's, so the handler of progress is called meanwhile, and can end it. */
enum err search_index_find(struct search_index *index, const struct search_wanted *wanted, search_hit_fn *fn, void *arg,
                           bool *is_cut)
{
    uint64_t numbers[] = {wanted->before, wanted->limit};
    int64_t until_ms = wanted->until_ms;
    *is_cut = false;
    enum err err = bind(index, SQL_FIND, 2, numbers, 2);
    if (err)
        return err;
    int code =
        sqlite3_bind_text(index->statements[SQL_FIND], 1, wanted->tokens.ptr, (int)wanted->tokens.len, SQLITE_STATIC);
    sqlite3_progress_handler(index->db, CLOCK_STEPS, is_late, &until_ms);
    err = tell_hits(index, SQL_FIND, code, fn, arg);
    sqlite3_progress_handler(index->db, 0, NULL, NULL);
    *is_cut = err == ERR_DOWN && sqlite3_errcode(index->db) == SQLITE_INTERRUPT;
    return *is_cut ? ERR_OK : err;
}
