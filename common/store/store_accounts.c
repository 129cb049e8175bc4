#include "common/store/store_accounts.h"

#include "common/store/store_sql.h"

static const struct store_statement rows[] = {
    {SQL_ANY_ACCOUNT, "SELECT 1 FROM credential c JOIN user u ON u.id = c.user WHERE u.realm = 5 LIMIT 1"},
    {SQL_LOCK_INVITE, "SELECT role FROM invite WHERE hash = ? AND uses_left > 0 AND expires_at > UTC_TIMESTAMP(3)"
                      " FOR UPDATE"},
    {SQL_USE_INVITE, "UPDATE invite SET uses_left = uses_left - 1 WHERE hash = ?"},
    {SQL_ADD_INVITE, "INSERT INTO invite (hash, role, uses_left, created_at, expires_at)"
                     " VALUES (?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) + INTERVAL ? SECOND)"},
    {SQL_OLD_INVITES, "DELETE FROM invite WHERE role = ? OR uses_left = 0 OR expires_at < UTC_TIMESTAMP(3) LIMIT 1000"},
};
_Static_assert(REALM_APP == 5, "as SQL_ANY_ACCOUNT says");

const struct store_statements store_accounts_statements = STORE_STATEMENTS(rows);

enum { NO_ROLE = 255 };

static void on_number(void *arg, const struct db_value *columns)
{
    *(uint64_t *)arg = columns[0].number;
}

/* ERR_DENIED: there is one. */
static enum err nobody_yet(struct store *store)
{
    uint64_t any = 0;
    enum err err = db_query(store->db, SQL_ANY_ACCOUNT, NULL, 0, on_number, &any);
    return !err && any ? ERR_DENIED : err;
}

/* Within the transaction: the invite has one use less. */
static enum err use_invite(struct store *store, struct str digest, bool first, uint64_t *role)
{
    *role = NO_ROLE;
    enum err err = db_query(store->db, SQL_LOCK_INVITE, &DB_TEXT(digest), 1, on_number, role);
    if (!err && (*role == NO_ROLE || (first && *role != USER_ADMINISTRATOR)))
        err = ERR_DENIED;
    if (!err && *role == USER_ADMINISTRATOR)
        err = nobody_yet(store);
    return err ? err : db_query(store->db, SQL_USE_INVITE, &DB_TEXT(digest), 1, NULL, NULL);
}

static enum err add(struct store *store, struct str name, const char *hash, uint64_t role)
{
    char id[ID_MAX];
    id_make(STORE_USER_PREFIX, id);
    struct db_value user[] = {DB_TEXT(str_of(id)), DB_NUM(REALM_APP), DB_TEXT(name), DB_TEXT(STR("0"))};
    enum err err = db_query(store->db, SQL_ADD_USER, user, 4, NULL, NULL);
    uint64_t number = db_insert_id(store->db);
    struct db_value credential[] = {DB_NUM(number), DB_TEXT(str_of(hash))};
    struct db_value said[] = {DB_NUM(number), DB_TEXT(STR("")), DB_TEXT(STR("")), DB_NULL,  DB_NUM(role),
                              DB_NUM(0),      DB_NUM(0),        DB_NUM(0),        DB_NUM(1)};
    if (!err)
        err = db_query(store->db, SQL_ADD_CREDENTIAL, credential, 2, NULL, NULL);
    return err ? err : db_query(store->db, SQL_SET_APP_USER, said, 9, NULL, NULL);
}

enum err store_account_make(struct store *store, struct str name, const char *hash, struct str digest, bool first,
                            struct store_app_user *user)
{
    struct store_tries tries = {0};
    enum err err;
    do {
        uint64_t role = USER_PLAIN;
        err = db_begin(store->db);
        if (err)
            continue;
        if (digest.len)
            err = use_invite(store, digest, first, &role);
        if (!err)
            err = add(store, name, hash, role);
        err = store_end(store, err);
    } while (store_again(&tries, &err)); /* after a lost answer: a name that is there then may be this one: unknown */
    return err ? err : store_app_user_find(store, name, user);
}

enum err store_invite_add(struct store *store, struct str digest, enum store_user_role role, uint64_t uses,
                          int64_t for_s)
{
    struct db_value row[] = {DB_TEXT(digest), DB_NUM(role), DB_NUM(uses), DB_NUM((uint64_t)for_s)};
    bool first = role == USER_ADMINISTRATOR;
    enum err err = first ? nobody_yet(store) : ERR_OK;
    if (!err)
        err = db_query(store->db, SQL_OLD_INVITES, &DB_NUM(first ? USER_ADMINISTRATOR : NO_ROLE), 1, NULL, NULL);
    return err ? err : db_query(store->db, SQL_ADD_INVITE, row, 4, NULL, NULL);
}
