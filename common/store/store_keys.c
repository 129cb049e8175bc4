#include "common/store/store_keys.h"

#include "common/digest.h"
#include "common/store/store_sql.h"

#define SECONDS(column) "COALESCE(DATE_FORMAT(" column ", '%Y-%m-%d %H:%i:%s'), '')"

static const struct store_statement rows[] = {
    /* A row that nobody else locks this way: of two who add a name the second sees the first's. */
    {SQL_KEYS_LOCK, "SELECT value FROM meta WHERE name = 'epoch' FOR UPDATE"},
    {SQL_KEY_NAMED, "SELECT id, scopes FROM server_key WHERE name = ? AND revoked_at IS NULL LIMIT 1"},
    {SQL_ADD_KEY, "INSERT INTO server_key (name, hash, scopes, created_at) VALUES (?, ?, ?, UTC_TIMESTAMP(3))"},
    {SQL_REVOKE_KEY, "UPDATE server_key SET revoked_at = UTC_TIMESTAMP(3) WHERE name = ? AND revoked_at IS NULL"},
    {SQL_FIND_KEY, "SELECT id, scopes FROM server_key WHERE hash = ? AND revoked_at IS NULL"},
    {SQL_KEY_USED, "UPDATE server_key SET last_used_at = UTC_TIMESTAMP(3) WHERE id = ?"
                   " AND (last_used_at IS NULL OR last_used_at < UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE)"},
    {SQL_KEYS, "SELECT name, scopes, " SECONDS("created_at") ", " SECONDS("last_used_at") ", " SECONDS(
                   "revoked_at") " FROM server_key ORDER BY id DESC LIMIT 1000"},
};
_Static_assert(STORE_KEYS_LISTED == 1000, "as SQL_KEYS says");

const struct store_statements store_keys_statements = STORE_STATEMENTS(rows);

static void on_key(void *arg, const struct db_value *c)
{
    *(struct store_key *)arg = (struct store_key){c[0].number, (unsigned)c[1].number};
}

static void on_nothing(void *arg, const struct db_value *c)
{
    (void)arg;
    (void)c;
}

/* Within a transaction. */
static enum err add(struct store *store, struct str name, unsigned scopes, struct str digest)
{
    struct store_key there = {0};
    enum err err = db_query(store->db, SQL_KEYS_LOCK, NULL, 0, on_nothing, NULL);
    if (!err)
        err = db_query(store->db, SQL_KEY_NAMED, &DB_TEXT(name), 1, on_key, &there);
    if (!err && there.id)
        err = ERR_DUPLICATE;
    struct db_value row[] = {DB_TEXT(name), DB_TEXT(digest), DB_NUM(scopes)};
    return err ? err : db_query(store->db, SQL_ADD_KEY, row, 3, NULL, NULL);
}

enum err store_key_add(struct store *store, struct str name, unsigned scopes, struct str key)
{
    char digest[DIGEST_MAX];
    enum err err;
    CG_ASSERT(name.len <= STORE_KEY_NAME_MAX);
    digest_make(&key, 1, digest);
    int tries = 0;
    do {
        err = db_begin(store->db);
        if (err)
            return err;
        err = add(store, name, scopes, str_of(digest));
        err = store_end(store, err);
    } while (err == ERR_RETRY &&
             ++tries < 8); /* not after a lost answer: it may be stored, and its key was never printed */
    return err;
}

enum err store_key_revoke(struct store *store, struct str name)
{
    enum err err = db_query(store->db, SQL_REVOKE_KEY, &DB_TEXT(name), 1, NULL, NULL);
    return !err && !db_affected(store->db) ? ERR_NOT_FOUND : err;
}

enum err store_key_find(struct store *store, struct str digest, struct store_key *key)
{
    *key = (struct store_key){0};
    enum err err = db_query(store->db, SQL_FIND_KEY, &DB_TEXT(digest), 1, on_key, key);
    return !err && !key->id ? ERR_NOT_FOUND : err;
}

enum err store_key_used(struct store *store, uint64_t id)
{
    return db_query(store->db, SQL_KEY_USED, &DB_NUM(id), 1, NULL, NULL);
}

struct visit {
    store_key_line_fn *fn;
    void *arg;
};

static void on_line(void *arg, const struct db_value *c)
{
    struct visit *visit = arg;
    struct store_key_line line = {.name = c[0].text,
                                  .scopes = (unsigned)c[1].number,
                                  .created_at = c[2].text,
                                  .last_used_at = c[3].text,
                                  .revoked_at = c[4].text};
    visit->fn(visit->arg, &line);
}

enum err store_key_list(struct store *store, store_key_line_fn *fn, void *arg)
{
    struct visit visit = {fn, arg};
    return db_query(store->db, SQL_KEYS, NULL, 0, on_line, &visit);
}
