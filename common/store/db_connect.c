/* db_connect.c: which server, and what its failures mean. */
#include "common/clock.h"
#include "common/store/db_parts.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { IDLE_MS = 1000 };    /* unused for this long, a connection may have been closed meanwhile */
enum { RECHECK_MS = 3000 }; /* so that who only reads does not stay with a server that is a replica by now */

struct db *db_new(const struct settings *settings, const char *const *texts, size_t count)
{
    struct db *db = mem_zalloc(sizeof *db);
    db->settings = settings;
    db->texts = texts;
    db->count = count;
    char why[256];
    enum err err = db_addresses_parse(settings, db->addresses, &db->address_count, why);
    CG_ASSERT(!err); /* config_load has seen to it */
    db->prepared = mem_zalloc(count * sizeof(MYSQL_STMT *));
    db->backoff = (struct backoff){.first_ms = 50, .most_ms = 1000};
    return db;
}

void db_disconnect(struct db *db)
{
    for (size_t i = 0; i < db->count; i++) {
        if (db->prepared[i])
            mysql_stmt_close(db->prepared[i]);
        db->prepared[i] = NULL;
    }
    if (db->mysql)
        mysql_close(db->mysql);
    db->mysql = NULL;
    db->in_transaction = false;
}

void db_free(struct db *db)
{
    if (!db)
        return;
    db_disconnect(db);
    free(db->prepared);
    free(db);
}

unsigned db_errno(const struct db *db)
{
    return db->error_number;
}

const char *db_error(const struct db *db)
{
    return db->error_text;
}

uint64_t db_affected(const struct db *db)
{
    return db->affected;
}

uint64_t db_insert_id(const struct db *db)
{
    return db->insert_id;
}

uint64_t db_connects(const struct db *db)
{
    return db->connects;
}

uint64_t db_writes(const struct db *db)
{
    return db->writes;
}

/* What the number of a failure means. */
enum meaning {
    REFUSED_FOR_GOOD,
    DUPLICATE,
    TRY_AGAIN,    /* deadlock, lock wait, a cluster's other node was first: the transaction is to be rolled back */
    NOT_WRITABLE, /* not this server, or not now: another may do */
    DISK_FULL,    /* likewise; it answers all the same */
    GONE,
};

static enum meaning meaning_of(const struct db *db, unsigned number)
{
    enum { SYSTEM_ERRORS_END = 120 }; /* below: failed file operations of the server */
    switch (number) {
    case ER_DUP_ENTRY: return DUPLICATE;
    case ER_CHECKREAD:
    case ER_ERROR_DURING_COMMIT:
    case ER_LOCK_DEADLOCK:
    case ER_LOCK_WAIT_TIMEOUT: return TRY_AGAIN;
    case ER_UNKNOWN_ERROR: return db->cluster ? TRY_AGAIN : REFUSED_FOR_GOOD; /* what a cluster has no number for */
    case ER_OPTION_PREVENTS_STATEMENT:                                        /* read-only */
    case ER_READ_ONLY_MODE:
    case ER_OPEN_AS_READONLY:
    case ER_INNODB_READ_ONLY:
    case ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION:
    case ER_CANT_UPDATE_WITH_READLOCK:
    case ER_UNKNOWN_COM_ERROR: /* a node that is not part of its cluster */ return NOT_WRITABLE;
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
    case ER_ERROR_ON_WRITE:
    case ER_GET_ERRNO: return DISK_FULL;
    case ER_SERVER_SHUTDOWN:
    case ER_NORMAL_SHUTDOWN:
    case ER_CONNECTION_KILLED:
    case ER_QUERY_INTERRUPTED:
    case ER_STATEMENT_TIMEOUT:
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS: return GONE;
    }
    if (number && number < SYSTEM_ERRORS_END)
        return DISK_FULL;
    return number >= CR_MIN_ERROR && number <= CR_MAX_ERROR ? GONE : REFUSED_FOR_GOOD;
}

static void remember(struct db *db, unsigned number, const char *text)
{
    db->error_number = number;
    snprintf(db->error_text, sizeof db->error_text, "%s", text);
    metric_inc(METRIC_DB_ERRORS);
}

enum err db_fail(struct db *db, MYSQL_STMT *stmt)
{
    remember(db, stmt ? mysql_stmt_errno(stmt) : mysql_errno(db->mysql),
             stmt ? mysql_stmt_error(stmt) : mysql_error(db->mysql));
    enum meaning meaning = meaning_of(db, db->error_number);
    db->lost = meaning == GONE;
    switch (meaning) {
    case REFUSED_FOR_GOOD: return ERR_INTERNAL;
    case DUPLICATE: return ERR_DUPLICATE;
    case TRY_AGAIN: return ERR_RETRY;
    case NOT_WRITABLE:
    case DISK_FULL:
    case GONE: break;
    }
    db_disconnect(db);
    if (meaning == DISK_FULL)
        db_refuses_writes(db->at, db->error_number, db->error_text);
    else
        db_is_down(db->at, db->error_number, db->error_text);
    db_address_failed(db->at, db->address_count, db->error_number, db->error_text);
    backoff_fail(&db->backoff);
    return ERR_DOWN;
}

/* A server whose binary log has no room neither commits nor refuses: all others wait for its locks. */
void db_gave_up(struct db *db)
{
    db_refuses_writes(db->at, db->error_number, db->error_text);
}

/* ---- connecting ---- */

/* Looks for a variable that is not as it must be; *cluster, which may be NULL, is set if wsrep_on is ON. */
static bool all_well(struct db *db, const char *sql, bool *cluster)
{
    bool well = true;
    MYSQL_RES *result = mysql_query(db->mysql, sql) ? NULL : mysql_store_result(db->mysql);
    if (!result) {
        remember(db, mysql_errno(db->mysql), mysql_error(db->mysql));
        return false;
    }
    for (MYSQL_ROW row; (row = mysql_fetch_row(result));) {
        static const char *const wanted[][2] = {
            {"wsrep_ready", "ON"}, {"wsrep_local_state_comment", "Synced"}, {"wsrep_cluster_status", "Primary"}};
        const char *want = "OFF"; /* read_only, super_read_only, innodb_read_only */
        for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
            if (!strcmp(row[0], wanted[i][0]))
                want = wanted[i][1];
        if (!strcmp(row[0], "wsrep_on")) {
            *cluster = !strcmp(row[1], "ON");
        } else if (strcmp(row[1], want) != 0) {
            char text[128];
            snprintf(text, sizeof text, "%.60s is %.60s", row[0], row[1]);
            remember(db, ER_OPTION_PREVENTS_STATEMENT, text);
            well = false;
        }
    }
    mysql_free_result(result);
    return well;
}

/* Whether the server, just connected to, may be written. On a node of a cluster, transactions are to begin only when
 * what the others have committed has arrived: a message that was acknowledged through one node is found through
 * each. */
static bool is_writable(struct db *db)
{
    db->cluster = false;
    if (!all_well(db,
                  "SHOW GLOBAL VARIABLES WHERE Variable_name IN"
                  " ('read_only', 'super_read_only', 'innodb_read_only', 'wsrep_on')",
                  &db->cluster))
        return false;
    if (!db->cluster)
        return true;
    if (!all_well(db,
                  "SHOW GLOBAL STATUS WHERE Variable_name IN"
                  " ('wsrep_ready', 'wsrep_local_state_comment', 'wsrep_cluster_status')",
                  NULL))
        return false;
    if (!mysql_query(db->mysql, "SET SESSION wsrep_sync_wait = 1"))
        return true;
    remember(db, mysql_errno(db->mysql), mysql_error(db->mysql));
    return false;
}

static bool open_connection(struct db *db, const struct endpoint *address)
{
    const struct settings *settings = db->settings;
    unsigned seconds = (unsigned)((settings->db_timeout_ms + 999) / 1000);
    db->mysql = mysql_init(NULL);
    CG_ASSERT(db->mysql);
    mysql_options(db->mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(db->mysql, MYSQL_OPT_READ_TIMEOUT, &seconds);
    mysql_options(db->mysql, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
    mysql_options(db->mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    char session[256];
    snprintf(session, sizeof session,
             "SET time_zone='+00:00', sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', "
             "innodb_lock_wait_timeout=%u",
             seconds);
    mysql_options(db->mysql, MYSQL_INIT_COMMAND, session);
    mysql_options(db->mysql, MYSQL_INIT_COMMAND, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    const char *socket = address->port ? NULL : address->host;
    if (mysql_real_connect(db->mysql, socket ? NULL : address->host, settings->db_user, settings->db_password,
                           settings->db_name, (unsigned)address->port, socket,
                           CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS))
        return true;
    remember(db, mysql_errno(db->mysql), mysql_error(db->mysql));
    return false;
}

enum err db_connect(struct db *db)
{
    size_t order[DB_ADDRESSES_MAX];
    db_disconnect(db);
    db_addresses_order(db->address_count, order);
    for (size_t i = 0; i < db->address_count; i++) {
        db->at = order[i];
        if (open_connection(db, &db->addresses[db->at]) && is_writable(db)) {
            backoff_reset(&db->backoff);
            db->used_ms = db->checked_ms = clock_mono_ms();
            metric_inc(METRIC_DB_CONNECTS);
            db->connects++;
            db_address_taken(db->at);
            return ERR_OK;
        }
        db_disconnect(db);
        db_address_failed(db->at, db->address_count, db->error_number, db->error_text);
    }
    db_is_down(db->at, db->error_number, db->error_text);
    backoff_fail(&db->backoff);
    return ERR_DOWN;
}

/* The server ended the connection while nobody used it: after wait_timeout, or when it was started
 * anew. Found out before a statement is sent, this is no failure. Only after a pause, so that what
 * statements in a row rely on (a lock, a snapshot) cannot be lost unnoticed between them. */
static bool was_closed(const struct db *db)
{
    struct pollfd fd = {.fd = mysql_get_socket(db->mysql), .events = POLLRDHUP};
    return poll(&fd, 1, 0) > 0;
}

bool db_is_connected(const struct db *db)
{
    return db->mysql && db_address_is_current(db->at) && !was_closed(db);
}

void db_refresh(struct db *db)
{
    if (!db->mysql || db->in_transaction)
        return;
    if (!db_is_connected(db)) {
        db_disconnect(db);
    } else if (db->address_count > 1 && clock_mono_ms() - db->checked_ms >= RECHECK_MS) {
        db->checked_ms = clock_mono_ms();
        if (is_writable(db))
            return;
        db_disconnect(db);
        db_address_failed(db->at, db->address_count, db->error_number, db->error_text);
    }
}

enum err db_need(struct db *db)
{
    if (db->mysql && clock_mono_ms() - db->used_ms >= IDLE_MS)
        db_refresh(db);
    if (db->mysql)
        return ERR_OK;
    if (!backoff_due(&db->backoff))
        return ERR_DOWN;
    return db_connect(db);
}
