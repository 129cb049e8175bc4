/* db.h: one connection to MySQL or MariaDB. The only module that uses its client library; knows no tables. A
 * connection belongs to one thread.
 *
 * It is opened at its first use, and reopened at the first use after it broke, with back-off (jittered, 50 ms doubling
 * to 1 s): between attempts every call fails at once with ERR_DOWN. A transaction never survives a reconnect.
 *
 * With several servers (db_addresses) an attempt tries all of them and takes the first that answers and is writable. A
 * server that becomes read-only, leaves its cluster or has a full disk is treated as lost: ERR_DOWN, nothing was done.
 * Once one connection of the process has moved to another server, db_refresh moves the others. */
#ifndef CG_COMMON_STORE_DB_H
#define CG_COMMON_STORE_DB_H

#include "common/err.h"
#include "common/settings.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;

enum { DB_MAX_PARAMS = 12, DB_MAX_COLUMNS = 20 };

/* A parameter or a column. Columns of an integer type are numbers, all others text, in which invalid UTF-8 is replaced
 * with question marks; NULL has is_null. */
struct db_value {
    bool is_null;
    bool is_number;
    uint64_t number;
    struct str text; /* a column's: valid until the row function returns */
};

#define DB_NUM(value)  ((struct db_value){.is_number = true, .number = (value)})
#define DB_TEXT(value) ((struct db_value){.text = (value)})
#define DB_NULL        ((struct db_value){.is_null = true})

/* Called once per row, in order; must not use the connection. */
typedef void db_row_fn(void *arg, const struct db_value *columns);

/* `texts` is an array of `count` statements that db_query and db_many name by index; they are
 * prepared at first use. Both it and `settings` must outlive the connection. Does not connect. */
struct db *db_new(const struct settings *settings, const char *const *texts, size_t count);
void db_free(struct db *db);

/* Connects now, regardless of back-off. ERR_DOWN: see db_error. */
enum err db_connect(struct db *db) CG_MUST_CHECK;

/* To be called between independent pieces of work. If the server has closed the connection, is no longer writable, or
 * is not the one that other connections have moved to, the next statement reconnects instead of failing. */
void db_refresh(struct db *db);

/* Until db_unpin, all statements use one connection. If it is lost after it has answered a statement, the next one
 * fails with ERR_DOWN instead of reconnecting: a new connection may lead to a database that was put back to an older
 * state, where ids read before mean other rows. */
void db_pin(struct db *db);
/* The same with the connection that it has now, or makes for this. Without one nothing is pinned, and db_unpin need not be
 * called. */
enum err db_pin_now(struct db *db) CG_MUST_CHECK;
void db_unpin(struct db *db);
/* Whether it is pinned and the connection is lost, so that every statement fails. */
bool db_is_cut_off(const struct db *db);
/* Until db_looked, statements may use another connection although it is pinned, only to find out whether a COMMIT took
 * effect. `same`: the committed rows are there, so it is the same database, and the pin moves to that connection. */
void db_look_elsewhere(struct db *db);
bool db_looks_elsewhere(const struct db *db);
void db_looked(struct db *db, bool same);

/* Whether it is connected, as far as is known without a round trip. */
bool db_is_connected(const struct db *db);

/* Runs a prepared statement. `row` is NULL for a statement that writes and has no result. Outside a transaction such a
 * statement is a transaction of its own, with ERR_UNKNOWN if the connection broke before its answer. Afterwards
 * db_affected is the number of changed rows, db_insert_id the AUTO_INCREMENT value. */
enum err db_query(struct db *db, size_t statement, const struct db_value *params, size_t count, db_row_fn *row,
                  void *arg) CG_MUST_CHECK;
uint64_t db_affected(const struct db *db);
/* Counts writes through this connection that were committed, or may have been (ERR_UNKNOWN). If it has grown, a failed
 * call may have had an effect. */
uint64_t db_writes(const struct db *db);
uint64_t db_insert_id(const struct db *db);
/* How often it was opened. If it has grown, earlier results came from another connection. */
uint64_t db_connects(const struct db *db);
/* Connections are numbered within the process. The number of this one, or of its last one (0: none); and the highest
 * number, which any thread may read. */
uint64_t db_connection(const struct db *db);
uint64_t db_latest_connection(void);

/* Runs a prepared statement once for each of `rows` rows of `count` parameters (params[row * count + column]): in one
 * round trip if the server supports it (MariaDB), else one by one. A column must have the same type in all rows, or
 * NULL. */
enum err db_many(struct db *db, size_t statement, const struct db_value *params, size_t rows,
                 size_t count) CG_MUST_CHECK;

/* Runs SQL text that we have built: it must contain no input except as numbers and hexadecimal literals. */
enum err db_run(struct db *db, const char *sql, db_row_fn *row, void *arg) CG_MUST_CHECK;
/* Runs a script of several statements (a migration). */
enum err db_script(struct db *db, const char *sql) CG_MUST_CHECK;

enum err db_begin(struct db *db) CG_MUST_CHECK;
/* ERR_UNKNOWN: the connection broke before the answer; it may be committed. ERR_RETRY: not committed. */
enum err db_commit(struct db *db) CG_MUST_CHECK;
/* Always ends the transaction: closes the connection if ROLLBACK fails. */
void db_rollback(struct db *db);

/* Reports that a transaction was given up after repeated ERR_RETRY: the server answers, but takes no writes now.
 * Counts as down until a write succeeds, or for some seconds. */
void db_gave_up(struct db *db);

/* The last failure, for a log line: the server's number and text. */
unsigned db_errno(const struct db *db);
/* Whether that was a server refusing the account, its password or the database's name: no later try will do. */
bool db_was_refused(const struct db *db);
const char *db_error(const struct db *db);

/* To be called once in each thread, before and after it uses connections. */
void db_thread_begin(void);
void db_thread_end(void);

#endif
