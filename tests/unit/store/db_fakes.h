/* db_fakes.h: what the store's files ask of a database and most tests of them never reach. db_query and db_run are the
 * test's own. */
#ifndef CG_TESTS_DB_FAKES_H
#define CG_TESTS_DB_FAKES_H

#include "common/store/db.h"

struct db *db_new(const struct settings *settings, const char *const *texts, size_t count)
{
    (void)settings, (void)texts, (void)count;
    return NULL;
}
void db_free(struct db *connection)
{
    (void)connection;
}
enum err db_connect(struct db *connection)
{
    (void)connection;
    return ERR_DOWN;
}
bool db_is_connected(const struct db *connection)
{
    (void)connection;
    return false;
}
void db_refresh(struct db *connection)
{
    (void)connection;
}
void db_pin(struct db *connection)
{
    (void)connection;
}
enum err db_pin_now(struct db *connection)
{
    (void)connection;
    return ERR_OK;
}
void db_unpin(struct db *connection)
{
    (void)connection;
}
bool db_is_cut_off(const struct db *connection)
{
    (void)connection;
    return false;
}
void db_look_elsewhere(struct db *connection)
{
    (void)connection;
}
bool db_looks_elsewhere(const struct db *connection)
{
    (void)connection;
    return false;
}
void db_looked(struct db *connection, bool same)
{
    (void)connection, (void)same;
}
enum err db_many(struct db *connection, size_t statement, const struct db_value *params, size_t rows, size_t count)
{
    (void)connection, (void)statement, (void)params, (void)rows, (void)count;
    return ERR_DOWN;
}
enum err db_begin(struct db *connection)
{
    (void)connection;
    return ERR_DOWN;
}
enum err db_commit(struct db *connection)
{
    (void)connection;
    return ERR_DOWN;
}
void db_gave_up(struct db *connection)
{
    (void)connection;
}

void db_rollback(struct db *connection)
{
    (void)connection;
}
uint64_t db_affected(const struct db *connection)
{
    (void)connection;
    return 0;
}
uint64_t db_connects(const struct db *connection)
{
    (void)connection;
    return 0;
}
uint64_t db_connection(const struct db *connection)
{
    (void)connection;
    return 0;
}
uint64_t db_latest_connection(void)
{
    return 0;
}
uint64_t db_writes(const struct db *connection)
{
    (void)connection;
    return 0;
}
uint64_t db_insert_id(const struct db *connection)
{
    (void)connection;
    return 0;
}
bool db_was_refused(const struct db *connection)
{
    (void)connection;
    return false;
}
const char *db_error(const struct db *connection)
{
    (void)connection;
    return "";
}
unsigned db_errno(const struct db *connection)
{
    (void)connection;
    return 0;
}

#endif
