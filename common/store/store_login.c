#include "common/store/store_login.h"

#include "common/store/store_rights.h"
#include "common/store/store_sql.h"

static const struct store_statement rows[] = {
    {SQL_LOGIN, "SELECT u.id, u.public_id, c.hash, u.rights FROM user u LEFT JOIN credential c ON c.user = u.id"
                " WHERE u.realm = ? AND u.name = ?"},
    {SQL_ADD_CREDENTIAL, "INSERT INTO credential (user, hash, changed_at)"
                         " VALUES (?, ?, UTC_TIMESTAMP(3))"},
};

const struct store_statements store_login_statements = STORE_STATEMENTS(rows);

static void on_login(void *arg, const struct db_value *c)
{
    struct store_login *login = arg;
    login->user = c[0].number;
    store_copy(login->user_id, sizeof login->user_id, c[1].text);
    store_copy(login->hash, sizeof login->hash, c[2].text);
    login->generation = (uint32_t)c[3].number;
}

enum err store_login_find(struct store *store, enum store_realm realm, struct str name, struct store_login *login)
{
    struct db_value key[] = {DB_NUM(realm), DB_TEXT(name)};
    *login = (struct store_login){0};
    enum err err = db_query(store->db, SQL_LOGIN, key, 2, on_login, login);
    return !err && !login->user ? ERR_NOT_FOUND : err;
}

static enum err make_once(struct store *store, enum store_realm realm, struct str name, struct store_login *login)
{
    enum err err = store_login_find(store, realm, name, login);
    if (err != ERR_NOT_FOUND)
        return err;
    char id[ID_MAX];
    id_make(STORE_USER_PREFIX, id);
    struct db_value row[] = {DB_TEXT(str_of(id)), DB_NUM(realm), DB_TEXT(name), DB_TEXT(STR("0"))};
    err = db_query(store->db, SQL_ADD_USER, row, 4, NULL, NULL);
    if (!err || err == ERR_DUPLICATE) /* the unique key decides; the loser finds the winner's */
        err = store_login_find(store, realm, name, login);
    return err == ERR_NOT_FOUND ? ERR_RETRY : err;
}

enum err store_login_make(struct store *store, enum store_realm realm, struct str name, struct store_login *login)
{
    struct store_tries tries = {0};
    enum err err;
    do
        err = make_once(store, realm, name, login);
    while (store_again(&tries, &err));
    return err;
}

/* Anybody may have connected before without a password, or with a token issued for the name alone. */
static enum err set(struct store *store, const struct store_login *login, const char *hash, uint32_t *generation)
{
    struct store_revocation revocation = {.user = login->user, .tokens_too = true};
    struct db_value row[] = {DB_NUM(login->user), DB_TEXT(str_of(hash))};
    enum err err = db_begin(store->db);
    if (err)
        return err;
    err = store_revoke_within(store, &revocation, generation);
    if (!err)
        err = db_query(store->db, SQL_ADD_CREDENTIAL, row, 2, NULL, NULL);
    return store_end(store, err);
}

enum err store_login_set(struct store *store, struct store_login *login, const char *hash)
{
    uint32_t generation = 0;
    struct store_tries tries = {0};
    enum err err;
    do /* after a lost answer to COMMIT the next attempt finds a password: the caller then tries whether it is this one */
        err = set(store, login, hash, &generation);
    while (store_again(&tries, &err));
    if (!err)
        login->generation = generation;
    return err;
}
