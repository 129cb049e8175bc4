/* db.h: one connection to MySQL or MariaDB. The only module that knows its client library; it knows
 * no table. A connection belongs to one thread.
 *
 * It is opened at its first use, and again at the first use after it broke, at most once per back-off
 * (jittered, 50 ms doubling to 1 s): between attempts every call fails at once with ERR_DOWN. An open
 * transaction never survives a reconnect.
 *
 * With several servers (db_addresses) an attempt is a round over all of them: the first that answers and may be written
 * is taken. A server that turns read-only, leaves its cluster or has no room on its disk is left like one that is gone:
 * ERR_DOWN, nothing was done. Once one connection of the process has moved, db_refresh moves the others. */
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

/* A parameter or a column. Columns of an integer type come as numbers, all others as text, in which what is no UTF-8 is
 * made plain question marks; NULL has is_null. */
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

/* Connects now, whatever the back-off says. ERR_DOWN: see db_error. */
enum err db_connect(struct db *db) CG_MUST_CHECK;

/* Between two pieces of work that rely on nothing of each other: if the server has ended the connection
 * meanwhile, may no longer be written, or is not the one that other connections have moved to, the next statement makes
 * a new connection instead of failing. */
void db_refresh(struct db *db);

/* From here to db_unpin, what is under way stays with one connection. Once that has answered a statement, the next one
 * makes no new connection if it is gone, but fails with ERR_DOWN: a new one may lead to a database that was put back to an
 * older state, where numbers that were read before are others' numbers. */
void db_pin(struct db *db);
void db_unpin(struct db *db);
/* Whether it is pinned, and the connection is gone: every statement fails. */
bool db_is_cut_off(const struct db *db);
/* From here to db_looked, statements are sent through another connection all the same: to find out what became of a COMMIT,
 * and for nothing else. `same`: its rows are there, so this is the same database, and from now on it is pinned to that
 * connection. */
void db_look_elsewhere(struct db *db);
bool db_looks_elsewhere(const struct db *db);
void db_looked(struct db *db, bool same);

/* Whether there is a connection that the server has not ended, as far as can be told without asking it. */
bool db_is_connected(const struct db *db);

/* Runs a prepared statement. `row` is NULL for one without a result, that is, one that writes: outside a transaction it
 * is one of its own, and ERR_UNKNOWN if the connection broke before its answer came. Then db_affected is the number of
 * rows changed, db_insert_id the AUTO_INCREMENT value. */
enum err db_query(struct db *db, size_t statement, const struct db_value *params, size_t count, db_row_fn *row,
                  void *arg) CG_MUST_CHECK;
uint64_t db_affected(const struct db *db);
/* How often something was written through this connection for good, or may have been (ERR_UNKNOWN): what fails after
 * this has grown has not failed without a trace. */
uint64_t db_writes(const struct db *db);
uint64_t db_insert_id(const struct db *db);
/* How often it was opened: what was found out through it before this grew was found out on another connection. */
uint64_t db_connects(const struct db *db);
/* All connections of the process are counted as they are made: the number of this one, or of the last one it had (0:
 * none); and the latest of all. Any thread may ask for the latest. */
uint64_t db_connection(const struct db *db);
uint64_t db_latest_connection(void);

/* Runs a prepared statement once for each of `rows` rows of `count` parameters (params[row * count +
 * column]): in one round trip where the server can (MariaDB), else one by one. Every column keeps
 * its type over all rows; NULLs may be mixed in. */
enum err db_many(struct db *db, size_t statement, const struct db_value *params, size_t rows,
                 size_t count) CG_MUST_CHECK;

/* Runs text made by us: never holds anything from outside but numbers and hexadecimal literals. */
enum err db_run(struct db *db, const char *sql, db_row_fn *row, void *arg) CG_MUST_CHECK;
/* Runs a script of several statements (a migration). */
enum err db_script(struct db *db, const char *sql) CG_MUST_CHECK;

enum err db_begin(struct db *db) CG_MUST_CHECK;
/* ERR_UNKNOWN if the connection broke before the answer came: committed or not. ERR_RETRY: not committed. */
enum err db_commit(struct db *db) CG_MUST_CHECK;
/* Always ends with no open transaction: if ROLLBACK cannot be said the connection is closed. */
void db_rollback(struct db *db);

/* A transaction was given up after it failed again and again with ERR_RETRY: the server answers, but takes no writes now.
 * Shown as such until one succeeds, or for some seconds. */
void db_gave_up(struct db *db);

/* The last failure, for a log line: the server's number and text. */
unsigned db_errno(const struct db *db);
const char *db_error(const struct db *db);

/* Call once per thread before and after it uses connections. */
void db_thread_begin(void);
void db_thread_end(void);

#endif
