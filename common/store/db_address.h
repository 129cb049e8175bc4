/* db_address.h: the database servers that the settings name, in order of preference, and what all connections of this
 * process have found out about them together. It knows no client library; any thread may call it.
 *
 * Each change is logged once, with the server's place in the list instead of its address: db.up, db.down (no server is
 * to be had), db.moved (another one is used), db.passed_over (one of several cannot be used, and why),
 * db.refuses_writes and db.takes_writes (connected, but for instance its disk is full). */
#ifndef CG_COMMON_STORE_DB_ADDRESS_H
#define CG_COMMON_STORE_DB_ADDRESS_H

#include "common/endpoint.h"
#include "common/err.h"
#include "common/settings.h"

#include <stddef.h>

enum { DB_ADDRESSES_MAX = 8 };

/* Takes db_addresses apart, or if that is empty gives the one server of db_socket, db_host and db_port. ERR_INVALID
 * with a line for a person in *why: an item that is none, or too many. */
enum err db_addresses_parse(const struct settings *settings, struct endpoint addresses[DB_ADDRESSES_MAX], size_t *count,
                            char why[256]) CG_MUST_CHECK;

/* The order in which to try `count` servers: that of the list, but those that failed a moment ago come last, so that
 * not every thread waits for one that hangs. */
void db_addresses_order(size_t count, size_t order[DB_ADDRESSES_MAX]);

/* Server `at` of `count` could not be connected to, may not be written, or broke a connection. */
void db_address_failed(size_t at, size_t count, unsigned error, const char *text);
/* A connection was made to it: from now on all connections are to use it. */
void db_address_chosen(size_t at);
/* Whether connections are to use it; a connection to another one moves when it has no transaction open. */
bool db_address_is_current(size_t at);

/* No server was to be had, or the one in use broke. */
void db_is_down(size_t at, unsigned error, const char *text);
/* The server in use answers, but has refused a write that was right; or has carried one out. */
void db_refuses_writes(size_t at, unsigned error, const char *text);
void db_takes_writes(void);

struct db_state {
    bool up;
    bool writable;    /* no write was refused in the last seconds, or one has succeeded since */
    unsigned address; /* place of the server in use, from 1; 0: none was yet */
};
struct db_state db_state(void);

#endif
