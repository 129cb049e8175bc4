#include "common/store/store_io.h"

#include "common/hex.h"
#include "common/store/store_pair.h"
#include "common/store/store_sql.h"

#include <stdio.h>

#define NAMESPACE_PREFIX "nsp_"
enum { ATTEMPTS = 5 };

static const struct store_statement rows[] = {
    {SQL_IO_RECENT,
     "SELECT * FROM (SELECT " STORE_MESSAGE_COLUMNS " FROM message"
     " WHERE conversation = ? AND kind = 1 AND (audience IS NOT NULL) = ? AND seq >"
     " (SELECT CAST(GREATEST(CAST(seq AS SIGNED) - 10000, 0) AS UNSIGNED) FROM conversation WHERE id = ?)"
     " ORDER BY seq DESC LIMIT ?) AS latest ORDER BY seq"},
    {SQL_SECRET, "SELECT value FROM meta WHERE name = 'secret'"},
};
_Static_assert(STORE_RECENT_SPAN == 10000 && MESSAGE_TEXT == 1, "as SQL_IO_RECENT says");

const struct store_statements store_io_statements = STORE_STATEMENTS(rows);

enum err store_io_namespace(struct store *store, struct str name, bool create, uint64_t *conversation)
{
    *conversation = 0;
    if (!name.len || name.len > STORE_NAMESPACE_MAX)
        return ERR_NOT_FOUND;
    if (!create)
        return store_named_find(store, KIND_SOCKETIO, name, conversation);
    enum err err = ERR_RETRY;
    for (int attempt = 0; err == ERR_RETRY && attempt < ATTEMPTS; attempt++)
        err = store_named_make(store, KIND_SOCKETIO, NAMESPACE_PREFIX, name, conversation);
    return err;
}

enum err store_io_recent(struct store *store, uint64_t conversation, bool to_some, unsigned limit, store_message_fn *fn,
                         void *arg)
{
    struct store_reading reading = {conversation, 0, fn, arg};
    struct db_value params[] = {DB_NUM(conversation), DB_NUM(to_some), DB_NUM(conversation), DB_NUM(limit)};
    return db_query(store->db, SQL_IO_RECENT, params, 4, store_on_message, &reading);
}

struct secret {
    unsigned char bytes[STORE_SECRET_BYTES];
    bool right;
};

static void on_secret(void *arg, const struct db_value *columns)
{
    struct secret *secret = arg;
    struct str text = columns[0].text;
    secret->right = text.len == 2 * STORE_SECRET_BYTES;
    for (size_t i = 0; secret->right && i < STORE_SECRET_BYTES; i++) {
        uint64_t byte;
        secret->right = hex_number(text.ptr + 2 * i, 2, &byte);
        secret->bytes[i] = (unsigned char)byte;
    }
}

enum err store_secret(struct store *store, unsigned char out[STORE_SECRET_BYTES])
{
    struct secret secret = {.right = false};
    enum err err = db_query(store->db, SQL_SECRET, NULL, 0, on_secret, &secret);
    memcpy(out, secret.bytes, STORE_SECRET_BYTES);
    return !err && !secret.right ? ERR_INTERNAL : err;
}
