/* db.c: statements, their parameters and rows, transactions. */
#include "common/clock.h"
#include "common/store/db_parts.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/text.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLUMN_BYTES = 320 }; /* what most columns fit into; a longer one is fetched again, whole */

static enum err prepare(struct db *db, size_t statement, MYSQL_STMT **out)
{
    CG_ASSERT(statement < db->count);
    enum err err = db_need(db);
    if (err)
        return err;
    if (!db->prepared[statement]) {
        MYSQL_STMT *stmt = mysql_stmt_init(db->mysql);
        CG_ASSERT(stmt);
        if (mysql_stmt_prepare(stmt, db->texts[statement], strlen(db->texts[statement]))) {
            err = db_fail(db, stmt);
            mysql_stmt_close(stmt);
            return err;
        }
        db->prepared[statement] = stmt;
    }
    *out = db->prepared[statement];
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
        return db_fail(db, stmt);
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
        err = db_fail(db, stmt);
    return err;
}

/* `alone`: it was a transaction of its own, so a lost answer may be that of its commit. */
static enum err fail_executed(struct db *db, MYSQL_STMT *stmt, bool alone)
{
    enum err err = db_fail(db, stmt);
    if (!alone || err != ERR_DOWN || !db->lost)
        return err;
    db->writes++;
    return ERR_UNKNOWN;
}

enum err db_query(struct db *db, size_t statement, const struct db_value *params, size_t count, db_row_fn *row,
                  void *arg)
{
    CG_ASSERT(count <= DB_MAX_PARAMS);
    MYSQL_STMT *stmt = NULL;
    enum err err = prepare(db, statement, &stmt);
    if (err)
        return err;
    CG_ASSERT(mysql_stmt_param_count(stmt) == count);
    struct binding b;
    unsigned int one = 0; /* no array: db_many may have set one on this statement */
    mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &one);
    bind_params(&b, params, count);
    if (count && mysql_stmt_bind_param(stmt, b.bind))
        return db_fail(db, stmt);
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
    db->used_ms = clock_mono_ms();
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
        err = db_fail(db, stmt);
    else if (mysql_stmt_execute(stmt))
        err = fail_executed(db, stmt, alone);
    else
        db->writes += alone;
    free(numbers);
    free(texts);
    free(lengths);
    free(indicators);
    return err;
}

enum err db_many(struct db *db, size_t statement, const struct db_value *params, size_t rows, size_t count)
{
    CG_ASSERT(count <= DB_MAX_PARAMS);
    MYSQL_STMT *stmt = NULL;
    enum err err = prepare(db, statement, &stmt);
    if (err)
        return err;
    CG_ASSERT(mysql_stmt_param_count(stmt) == count);
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
        return mysql_field_count(db->mysql) ? db_fail(db, NULL) : ERR_OK;
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
    return broken ? db_fail(db, NULL) : ERR_OK;
}

enum err db_run(struct db *db, const char *sql, db_row_fn *row, void *arg)
{
    enum err err = db_need(db);
    if (err)
        return err;
    if (mysql_real_query(db->mysql, sql, strlen(sql)))
        return db_fail(db, NULL);
    db->affected = mysql_affected_rows(db->mysql);
    err = text_rows(db, row, arg);
    db->used_ms = clock_mono_ms();
    return err;
}

enum err db_script(struct db *db, const char *sql)
{
    enum err err = db_run(db, sql, NULL, NULL);
    int more = 1;
    while (!err && (more = mysql_next_result(db->mysql)) == 0)
        err = text_rows(db, NULL, NULL);
    return !err && more > 0 ? db_fail(db, NULL) : err;
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
    db->in_transaction = false;
    enum err err = db_run(db, "COMMIT", NULL, NULL);
    if (!err && db->written)
        db_takes_writes();
    if (db->written && (!err || err != ERR_RETRY || db->error_number == ER_ERROR_DURING_COMMIT))
        db->writes++;
    if (!err || (err == ERR_RETRY && db->error_number != ER_ERROR_DURING_COMMIT))
        return err;
    if (db->mysql) /* within the server, who knows where: the next look is on another connection */
        db_disconnect(db);
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
        db_disconnect(db);
}

void db_thread_begin(void)
{
    mysql_thread_init();
}

void db_thread_end(void)
{
    mysql_thread_end();
}
