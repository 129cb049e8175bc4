/* db_parts.h: a connection as db.c (statements) and db_connect.c (connecting, failing) see it. For these two only. */
#ifndef CG_COMMON_STORE_DB_PARTS_H
#define CG_COMMON_STORE_DB_PARTS_H

#include "common/backoff.h"
#include "common/store/db.h"
#include "common/store/db_address.h"

#include <mysql.h>

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
};

/* A connection, made if there is none and the back-off allows it. */
enum err db_need(struct db *db) CG_MUST_CHECK;
void db_disconnect(struct db *db);

/* Records a failure of the connection or (if not NULL) of a statement, and says what it means. A server that went away
 * takes the connection with it: Connector/C would answer 2006 for ever. One that cannot be written is left, too: the
 * next connection may be to another. */
enum err db_fail(struct db *db, MYSQL_STMT *stmt);

#endif
