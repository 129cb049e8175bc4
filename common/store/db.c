/* db.c: one connection: which server, what its failures mean; statements, their parameters and rows, transactions. */
#include "common/store/db.h"

#include "common/backoff.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/db_address.h"
#include "common/text.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

struct db {
    const struct settings *settings;
    const char *const *texts;
    size_t count;
    struct endpoint addresses[DB_ADDRESSES_MAX]; /* in order of preference */
    size_t address_count, at;                    /* `at`: of the connection, or the one tried last */
    bool cluster;                                /* it is a node of a Galera cluster */
    MYSQL *mysql;                                /* NULL: not connected */
    MYSQL_STMT **prepared;                       /* one per text; NULL: not yet */
    uint64_t affected, insert_id;
    unsigned error_number;
    char error_text[256];
    struct backoff backoff;
    int64_t used_ms;    /* when the last statement ended */
    int64_t checked_ms; /* when the server was last seen to be one that may be written */
    bool in_transaction;
    bool written; /* something was, in this transaction */
    bool lost;    /* the latest failure: the connection is gone, and what was sent last may have been done */
    uint64_t writes, connects;
    uint64_t connection; /* number of the last one, by `latest_connection` */
    bool pins;           /* db_pin: what is under way stays with one connection … */
    uint64_t pinned;     /* … with this one, once it has answered; 0: none has */
    bool looks;          /* … but looks through another one (db_look_elsewhere) */
};

static _Atomic uint64_t latest_connection; /* numbers the process' connections in the order in which they are made */

/* ---- the connection ---- */

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

static void disconnect(struct db *db)
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
    disconnect(db);
    free(db->prepared);
    free(db);
}

unsigned db_errno(const struct db *db)
{
    return db->error_number;
}

/* The client library has one number for all that goes wrong with TLS; a server that ends amid the handshake is worth another
 * try, a certificate that does not suit is not. A text that is not known here counts as the former. */
static bool tls_was_refused(const char *text)
{
    static const char *const of_settings[] = {"certificate", "SSL is required", "private key", "mismatch", "Hostname"};
    if (strcasestr(text, "expired") || strcasestr(text, "not yet valid"))
        return false; /* it will be replaced, and the settings stay */
    for (size_t i = 0; i < sizeof of_settings / sizeof of_settings[0]; i++)
        if (strcasestr(text, of_settings[i]))
            return true;
    return false;
}

bool db_was_refused(const struct db *db)
{
    switch (db->error_number) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_BAD_DB_ERROR: return true;
    case CR_SSL_CONNECTION_ERROR: return tls_was_refused(db->error_text);
    default: return false;
    }
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

uint64_t db_connection(const struct db *db)
{
    return db->connection;
}

uint64_t db_latest_connection(void)
{
    return latest_connection;
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
    if (!number) /* it failed, and nobody says why: what this connection says next could be anything */
        return GONE;
    if (number < SYSTEM_ERRORS_END)
        return DISK_FULL;
    return number >= CR_MIN_ERROR && number <= CR_MAX_ERROR ? GONE : REFUSED_FOR_GOOD;
}

/* ---- staying with one connection ---- */

void db_pin(struct db *db)
{
    db->pins = true;
    db->pinned = 0;
    db->looks = false;
}

void db_unpin(struct db *db)
{
    db->pins = db->looks = false;
    db->pinned = 0;
}

bool db_is_cut_off(const struct db *db)
{
    return db->pinned && !db->looks && !(db->mysql && db->connection == db->pinned);
}

void db_look_elsewhere(struct db *db)
{
    db->looks = true;
}

bool db_looks_elsewhere(const struct db *db)
{
    return db->looks;
}

void db_looked(struct db *db, bool same)
{
    if (same && db->pins && db->mysql)
        db->pinned = db->connection;
    db->looks = false;
}

/* The server has said something, if only that it refuses. */
static void answered(struct db *db)
{
    db->used_ms = clock_mono_ms();
    if (db->pins && !db->pinned)
        db->pinned = db->connection;
}

/* ---- failures ---- */

static void remember(struct db *db, unsigned number, const char *text)
{
    db->error_number = number;
    snprintf(db->error_text, sizeof db->error_text, "%s", text);
    metric_inc(METRIC_DB_ERRORS);
}

static enum err fail(struct db *db, MYSQL_STMT *stmt)
{
    bool of_stmt = stmt && mysql_stmt_errno(stmt); /* a row that could not be read is said of the connection alone */
    remember(db, of_stmt ? mysql_stmt_errno(stmt) : mysql_errno(db->mysql),
             of_stmt ? mysql_stmt_error(stmt) : mysql_error(db->mysql));
    enum meaning meaning = meaning_of(db, db->error_number);
    db->lost = meaning == GONE;
    if (!db->lost)
        answered(db);
    switch (meaning) {
    case REFUSED_FOR_GOOD: return ERR_INTERNAL;
    case DUPLICATE: return ERR_DUPLICATE;
    case TRY_AGAIN: return ERR_RETRY;
    case NOT_WRITABLE:
    case DISK_FULL:
    case GONE: break;
    }
    disconnect(db);
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

/* TLS or nothing. Without the verification anybody on the way could be the server. */
static void demand_tls(MYSQL *mysql, const struct settings *settings)
{
    my_bool on = 1;
    const char *ca = settings->db_tls_ca, *cert = settings->db_tls_cert, *key = settings->db_tls_key;
    mysql_ssl_set(mysql, *key ? key : NULL, *cert ? cert : NULL, *ca ? ca : NULL, NULL, NULL);
    mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
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
             "innodb_lock_wait_timeout=%u /*M!100300 , idle_transaction_timeout=%u */",
             seconds, 2 * seconds); /* what a process that is frozen inside a transaction has locked is let go */
    mysql_options(db->mysql, MYSQL_INIT_COMMAND, session);
    mysql_options(db->mysql, MYSQL_INIT_COMMAND, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    const char *socket = address->port ? NULL : address->host;
    if (settings->db_tls && !socket)
        demand_tls(db->mysql, settings);
    if (mysql_real_connect(db->mysql, socket ? NULL : address->host, settings->db_user,
                           settings_secret(&settings->db_password), settings->db_name, (unsigned)address->port, socket,
                           CLIENT_MULTI_STATEMENTS | CLIENT_FOUND_ROWS))
        return true;
    remember(db, mysql_errno(db->mysql), mysql_error(db->mysql));
    return false;
}

enum err db_connect(struct db *db)
{
    size_t order[DB_ADDRESSES_MAX];
    disconnect(db);
    db_addresses_order(db->address_count, order);
    for (size_t i = 0; i < db->address_count; i++) {
        db->at = order[i];
        if (open_connection(db, &db->addresses[db->at]) && is_writable(db)) {
            backoff_reset(&db->backoff);
            db->used_ms = db->checked_ms = clock_mono_ms();
            metric_inc(METRIC_DB_CONNECTS);
            db->connects++;
            db->connection = ++latest_connection;
            db_address_chosen(db->at);
            return ERR_OK;
        }
        disconnect(db);
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
        disconnect(db);
    } else if (db->address_count > 1 && clock_mono_ms() - db->checked_ms >= RECHECK_MS) {
        db->checked_ms = clock_mono_ms();
        if (is_writable(db))
            return;
        disconnect(db);
        db_address_failed(db->at, db->address_count, db->error_number, db->error_text);
    }
}

static enum err need(struct db *db)
{
    if (db->mysql && clock_mono_ms() - db->used_ms >= IDLE_MS)
        db_refresh(db);
    if (db_is_cut_off(db))
        return ERR_DOWN;
    if (db->mysql)
        return ERR_OK;
    if (!backoff_due(&db->backoff))
        return ERR_DOWN;
    return db_connect(db);
}

enum err db_pin_now(struct db *db)
{
    db_pin(db);
    enum err err = need(db);
    if (err)
        db_unpin(db);
    else
        db->pinned = db->connection;
    return err;
}

/* ---- statements ---- */

enum { COLUMN_BYTES = 320 }; /* what most columns fit into; a longer one is fetched again, whole */

static enum err prepare(struct db *db, size_t statement, size_t count, MYSQL_STMT **out)
{
    CG_ASSERT(statement < db->count && count <= DB_MAX_PARAMS);
    enum err err = need(db);
    if (err)
        return err;
    if (!db->prepared[statement]) {
        MYSQL_STMT *stmt = mysql_stmt_init(db->mysql);
        CG_ASSERT(stmt);
        if (mysql_stmt_prepare(stmt, db->texts[statement], strlen(db->texts[statement]))) {
            err = fail(db, stmt);
            mysql_stmt_close(stmt);
            return err;
        }
        db->prepared[statement] = stmt;
    }
    *out = db->prepared[statement];
    CG_ASSERT(mysql_stmt_param_count(*out) == count);
    return ERR_OK;
}

struct binding {
    MYSQL_BIND bind[DB_MAX_PARAMS];
    unsigned long length[DB_MAX_PARAMS];
    long long number[DB_MAX_PARAMS];
};

static void bind_params(struct binding *b, const struct db_value *params, size_t count)
{
    memset(b->bind, 0, sizeof b->bind);
    for (size_t i = 0; i < count; i++) {
        MYSQL_BIND *bind = &b->bind[i];
        if (params[i].is_null) {
            bind->buffer_type = MYSQL_TYPE_NULL;
        } else if (params[i].is_number) {
            b->number[i] = (long long)params[i].number;
            bind->buffer_type = MYSQL_TYPE_LONGLONG;
            bind->is_unsigned = 1;
            bind->buffer = &b->number[i];
        } else {
            b->length[i] = params[i].text.len;
            bind->buffer_type = MYSQL_TYPE_STRING;
            bind->buffer = (void *)(uintptr_t)(params[i].text.ptr ? params[i].text.ptr : ""); /* no NULL */
            bind->buffer_length = b->length[i];
            bind->length = &b->length[i];
        }
    }
}

static bool is_integer(enum enum_field_types type)
{
    return type == MYSQL_TYPE_TINY || type == MYSQL_TYPE_SHORT || type == MYSQL_TYPE_LONG || type == MYSQL_TYPE_INT24 ||
           type == MYSQL_TYPE_LONGLONG;
}

struct row {
    unsigned columns;
    MYSQL_BIND bind[DB_MAX_COLUMNS];
    unsigned long length[DB_MAX_COLUMNS];
    my_bool null[DB_MAX_COLUMNS];
    long long number[DB_MAX_COLUMNS];
    char text[DB_MAX_COLUMNS][COLUMN_BYTES];
    char *longer[DB_MAX_COLUMNS];
};

static bool bind_row(MYSQL_STMT *stmt, struct row *row)
{
    MYSQL_RES *meta = mysql_stmt_result_metadata(stmt);
    if (!meta)
        return false;
    row->columns = mysql_num_fields(meta);
    CG_ASSERT(row->columns <= DB_MAX_COLUMNS);
    memset(row->bind, 0, sizeof row->bind);
    memset(row->longer, 0, sizeof row->longer);
    for (unsigned i = 0; i < row->columns; i++) {
        MYSQL_BIND *bind = &row->bind[i];
        bool number = is_integer(mysql_fetch_field_direct(meta, i)->type);
        bind->buffer_type = number ? MYSQL_TYPE_LONGLONG : MYSQL_TYPE_STRING;
        bind->buffer = number ? (void *)&row->number[i] : row->text[i];
        bind->buffer_length = number ? sizeof row->number[i] : COLUMN_BYTES;
        bind->length = &row->length[i];
        bind->is_null = &row->null[i];
    }
    mysql_free_result(meta);
    return !mysql_stmt_bind_result(stmt, row->bind);
}

/* What is no UTF-8 is nothing that we have written, and one such name makes every client that is shown it close its
 * socket. Binary columns hold it as they are given it, and MariaDB lets surrogates through. */
static struct str text_of(char *bytes, size_t len)
{
    struct str text = {bytes, len};
    if (text_utf8_valid(text))
        return text;
    metric_inc(METRIC_DB_ODD_ROWS);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)bytes[i] >= 0x80)
            bytes[i] = '?';
    return text;
}

static bool read_row(MYSQL_STMT *stmt, struct row *row, struct db_value values[DB_MAX_COLUMNS])
{
    for (unsigned i = 0; i < row->columns; i++) {
        values[i] = (struct db_value){.is_null = row->null[i]};
        if (row->null[i])
            continue;
        if (row->bind[i].buffer_type == MYSQL_TYPE_LONGLONG) {
            values[i].is_number = true;
            values[i].number = (uint64_t)row->number[i];
            continue;
        }
        if (row->length[i] <= COLUMN_BYTES) {
            values[i].text = text_of(row->text[i], row->length[i]);
            continue;
        }
        row->longer[i] = mem_realloc(row->longer[i], row->length[i]);
        unsigned long length = row->length[i];
        MYSQL_BIND whole = {
            .buffer_type = MYSQL_TYPE_STRING, .buffer = row->longer[i], .buffer_length = length, .length = &length};
        if (mysql_stmt_fetch_column(stmt, &whole, i, 0))
            return false;
        values[i].text = text_of(row->longer[i], length);
    }
    return true;
}

static enum err fetch(struct db *db, MYSQL_STMT *stmt, db_row_fn *fn, void *arg)
{
    struct row row;
    struct db_value values[DB_MAX_COLUMNS];
    if (!bind_row(stmt, &row))
        return fail(db, stmt);
    enum err err = ERR_OK;
    int status;
    while ((status = mysql_stmt_fetch(stmt)) == 0 || status == MYSQL_DATA_TRUNCATED) {
        if (!read_row(stmt, &row, values)) {
            status = 1;
            break;
        }
        fn(arg, values);
    }
    for (unsigned i = 0; i < row.columns; i++)
        free(row.longer[i]);
    if (status == MYSQL_NO_DATA)
        mysql_stmt_free_result(stmt);
    else
        err = fail(db, stmt);
    return err;
}

/* `alone`: it was a transaction of its own, so a lost answer may be that of its commit. */
static enum err fail_executed(struct db *db, MYSQL_STMT *stmt, bool alone)
{
    enum err err = fail(db, stmt);
    if (!alone || err != ERR_DOWN || !db->lost)
        return err;
    db->writes++;
    return ERR_UNKNOWN;
}

enum err db_query(struct db *db, size_t statement, const struct db_value *params, size_t count, db_row_fn *row,
                  void *arg)
{
    MYSQL_STMT *stmt = NULL;
    enum err err = prepare(db, statement, count, &stmt);
    if (err)
        return err;
    struct binding b;
    unsigned int one = 0; /* no array: db_many may have set one on this statement */
    mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &one);
    bind_params(&b, params, count);
    if (count && mysql_stmt_bind_param(stmt, b.bind))
        return fail(db, stmt);
    bool alone = !row && !db->in_transaction;
    if (mysql_stmt_execute(stmt))
        return fail_executed(db, stmt, alone);
    db->affected = mysql_stmt_affected_rows(stmt);
    db->insert_id = mysql_stmt_insert_id(stmt);
    db->written |= !row && db->affected;
    db->writes += alone && db->affected;
    if (db->written && !db->in_transaction)
        db_takes_writes();
    err = row ? fetch(db, stmt, row, arg) : ERR_OK;
    answered(db);
    return err;
}

static bool bulk_supported(struct db *db)
{
    unsigned long capabilities = 0; /* the upper half, which only MariaDB servers have */
    mariadb_get_infov(db->mysql, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &capabilities);
    return capabilities & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32);
}

/* Column-wise arrays for MariaDB's bulk execution. */
static enum err run_bulk(struct db *db, MYSQL_STMT *stmt, const struct db_value *params, size_t rows, size_t count)
{
    MYSQL_BIND bind[DB_MAX_PARAMS] = {0};
    size_t cells = rows * count;
    long long *numbers = mem_zalloc(cells * sizeof *numbers);
    const char **texts = mem_zalloc(cells * sizeof *texts);
    unsigned long *lengths = mem_zalloc(cells * sizeof *lengths);
    char *indicators = mem_zalloc(cells);
    for (size_t column = 0; column < count; column++) {
        bool number = false;
        for (size_t row = 0, at = column * rows; row < rows; row++, at++) {
            const struct db_value *value = &params[row * count + column];
            indicators[at] = value->is_null ? STMT_INDICATOR_NULL : STMT_INDICATOR_NONE;
            number |= !value->is_null && value->is_number;
            numbers[at] = (long long)value->number;
            texts[at] = value->text.ptr ? value->text.ptr : "";
            lengths[at] = value->text.len;
        }
        MYSQL_BIND *b = &bind[column];
        b->buffer_type = number ? MYSQL_TYPE_LONGLONG : MYSQL_TYPE_STRING;
        b->is_unsigned = number ? 1 : 0;
        b->buffer = number ? (void *)(numbers + column * rows) : (void *)(texts + column * rows);
        b->length = lengths + column * rows;
        b->u.indicator = indicators + column * rows;
    }
    unsigned int size = (unsigned int)rows;
    mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &size);
    enum err err = ERR_OK;
    bool alone = !db->in_transaction;
    if (mysql_stmt_bind_param(stmt, bind))
        err = fail(db, stmt);
    else if (mysql_stmt_execute(stmt))
        err = fail_executed(db, stmt, alone);
    else
        db->writes += alone;
    if (!err)
        answered(db);
    free(numbers);
    free(texts);
    free(lengths);
    free(indicators);
    return err;
}

enum err db_many(struct db *db, size_t statement, const struct db_value *params, size_t rows, size_t count)
{
    MYSQL_STMT *stmt = NULL;
    enum err err = prepare(db, statement, count, &stmt);
    if (err)
        return err;
    if (rows > 1 && bulk_supported(db)) {
        db->written = true;
        return run_bulk(db, stmt, params, rows, count);
    }
    for (size_t row = 0; !err && row < rows; row++)
        err = db_query(db, statement, params + row * count, count, NULL, NULL);
    return err;
}

static enum err text_rows(struct db *db, db_row_fn *fn, void *arg)
{
    MYSQL_RES *result = mysql_use_result(db->mysql);
    if (!result)
        return mysql_field_count(db->mysql) ? fail(db, NULL) : ERR_OK;
    unsigned columns = mysql_num_fields(result);
    CG_ASSERT(columns <= DB_MAX_COLUMNS);
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(result))) {
        struct db_value values[DB_MAX_COLUMNS];
        unsigned long *lengths = mysql_fetch_lengths(result);
        for (unsigned i = 0; i < columns; i++) {
            bool number = is_integer(mysql_fetch_field_direct(result, i)->type);
            values[i] = (struct db_value){.is_null = !row[i], .is_number = number && row[i]};
            if (row[i] && number)
                values[i].number = strtoull(row[i], NULL, 10);
            else if (row[i])
                values[i].text = text_of(row[i], lengths[i]);
        }
        if (fn)
            fn(arg, values);
    }
    bool broken = mysql_errno(db->mysql) != 0;
    mysql_free_result(result);
    return broken ? fail(db, NULL) : ERR_OK;
}

enum err db_run(struct db *db, const char *sql, db_row_fn *row, void *arg)
{
    enum err err = need(db);
    if (err)
        return err;
    if (mysql_real_query(db->mysql, sql, strlen(sql)))
        return fail(db, NULL);
    db->affected = mysql_affected_rows(db->mysql);
    err = text_rows(db, row, arg);
    answered(db);
    return err;
}

enum err db_script(struct db *db, const char *sql)
{
    enum err err = db_run(db, sql, NULL, NULL);
    int more = 1;
    while (!err && (more = mysql_next_result(db->mysql)) == 0)
        err = text_rows(db, NULL, NULL);
    return !err && more > 0 ? fail(db, NULL) : err;
}

enum err db_begin(struct db *db)
{
    CG_ASSERT(!db->in_transaction);
    db->written = false;
    enum err err = db_run(db, "START TRANSACTION", NULL, NULL);
    db->in_transaction = !err;
    return err;
}

enum err db_commit(struct db *db)
{
    if (!db->in_transaction)
        return ERR_DOWN; /* the connection has been lost, and with it what was to be committed */
    enum err err = db_run(db, "COMMIT", NULL, NULL); /* still in it: never sent through another connection */
    db->in_transaction = false;
    if (!err && db->written)
        db_takes_writes();
    if (db->written && (!err || err != ERR_RETRY || db->error_number == ER_ERROR_DURING_COMMIT))
        db->writes++;
    if (!err || (err == ERR_RETRY && db->error_number != ER_ERROR_DURING_COMMIT))
        return err;
    if (db->mysql) /* within the server, who knows where: the next look is on another connection */
        disconnect(db);
    if (err == ERR_INTERNAL || err == ERR_DUPLICATE)
        backoff_fail(&db->backoff); /* a server that says so says so again */
    return ERR_UNKNOWN;
}

void db_rollback(struct db *db)
{
    if (!db->mysql)
        return; /* the broken connection took the transaction with it */
    db->in_transaction = false;
    if (db_run(db, "ROLLBACK", NULL, NULL))
        disconnect(db);
}

void db_thread_begin(void)
{
    mysql_thread_init();
}

void db_thread_end(void)
{
    mysql_thread_end();
}
