#include "common/store/store_customer.h"

#include "common/store/store_pair.h"
#include "common/store/store_sql.h"

#include <stdio.h>

enum { USER_NAME_MAX = 2 * CUSTOMER_ACCOUNT_MAX + 1 };

static const struct store_statement rows[] = {
    {SQL_CUSTOMER_PAIR, "SELECT f.user, f.account, f.username, f.avatar, u.user, u.account, u.username, u.avatar,"
                        " c.id, c.seq, r.rights FROM (SELECT 1 AS one) AS one"
                        " LEFT JOIN customer f ON f.app_sid = ? AND f.account = ?"
                        " LEFT JOIN customer u ON u.app_sid = ? AND u.account = ?"
                        " LEFT JOIN pair p ON p.user1 = LEAST(f.user, u.user) AND p.user2 = GREATEST(f.user, u.user)"
                        " LEFT JOIN conversation c ON c.id = p.conversation LEFT JOIN user r ON r.id = u.user"},
    {SQL_CUSTOMER_NAME, "SELECT username FROM customer WHERE app_sid = ? AND account = ?"},
    {SQL_SET_CUSTOMER, "INSERT INTO customer (user, app_sid, account, username, avatar)"
                       " VALUES (?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE"
                       " username = VALUES(username), avatar = VALUES(avatar)"},
};

const struct store_statements store_customer_statements = STORE_STATEMENTS(rows);

/* ---- registering ---- */

static void on_name(void *arg, const struct db_value *columns)
{
    buf_add_str(arg, columns[0].text);
}

enum err store_customer_name(struct store *store, struct str app_sid, struct str account, struct buf *username)
{
    struct db_value key[] = {DB_TEXT(app_sid), DB_TEXT(account)};
    size_t before = username->len;
    enum err err = db_query(store->db, SQL_CUSTOMER_NAME, key, 2, on_name, username);
    return !err && username->len == before ? ERR_NOT_FOUND : err; /* no name is empty */
}

static enum err find_or_add_user(struct store *store, struct str name, uint64_t *user)
{
    struct db_value key[] = {DB_NUM(REALM_CUSTOMERS), DB_TEXT(name)};
    *user = 0;
    enum err err = db_query(store->db, SQL_FIND_USER, key, 2, store_on_number, user);
    if (err || *user)
        return err;
    char id[ID_MAX];
    id_make(STORE_USER_PREFIX, id);
    struct db_value row[] = {DB_TEXT(str_of(id)), DB_NUM(REALM_CUSTOMERS), DB_TEXT(name), DB_TEXT(STR("0"))};
    err = db_query(store->db, SQL_ADD_USER, row, 4, NULL, NULL);
    if (!err || err == ERR_DUPLICATE) /* somebody was faster */
        err = db_query(store->db, SQL_FIND_USER, key, 2, store_on_number, user);
    return !err && !*user ? ERR_INTERNAL : err;
}

enum err store_customer_register(struct store *store, struct str app_sid, struct str account, struct str username,
                                 struct str avatar, uint64_t of_user)
{
    /* user.name must be unique among all applications; neither part can hold this separator. */
    char name[USER_NAME_MAX + 1];
    int len = snprintf(name, sizeof name, "%.*s\x1f%.*s", (int)app_sid.len, app_sid.ptr, (int)account.len, account.ptr);
    CG_ASSERT(len > 0 && (size_t)len < sizeof name && avatar.len <= CUSTOMER_AVATAR_MAX);
    struct store_tries tries = {0};
    enum err err;
    do {
        uint64_t user = of_user;
        err = user ? ERR_OK : find_or_add_user(store, (struct str){name, (size_t)len}, &user);
        struct db_value row[] = {DB_NUM(user), DB_TEXT(app_sid), DB_TEXT(account), DB_TEXT(username), DB_TEXT(avatar)};
        if (!err)
            err = db_query(store->db, SQL_SET_CUSTOMER, row, 5, NULL, NULL);
    } while (store_again(&tries, &err));
    return err;
}

/* ---- the conversation of two ---- */

static void read_customer(struct store_customer *customer, const struct db_value *c)
{
    if (c[0].is_null)
        return;
    customer->user = c[0].number;
    store_copy(customer->account, sizeof customer->account, c[1].text);
    store_copy(customer->username, sizeof customer->username, c[2].text);
    store_copy(customer->avatar, sizeof customer->avatar, c[3].text);
}

static void on_pair(void *arg, const struct db_value *c)
{
    struct store_customer_pair *pair = arg;
    read_customer(&pair->friend, c);
    read_customer(&pair->user, c + 4);
    pair->conversation = c[8].number; /* 0 for NULL */
    pair->seq = c[9].number;
    pair->generation = (uint32_t)c[10].number;
}

enum err store_customer_pair(struct store *store, struct str app_sid, struct str friend_account,
                             struct str user_account, struct store_customer_pair *out, int *missing)
{
    *out = (struct store_customer_pair){0};
    *missing = 0;
    if (!store_customer_account_ok(app_sid)) /* what no account can be is left to the look-up */
        app_sid = STR("");
    store_copy(out->app_sid, sizeof out->app_sid, app_sid);
    struct db_value accounts[] = {DB_TEXT(app_sid), DB_TEXT(friend_account), DB_TEXT(app_sid), DB_TEXT(user_account)};
    enum err err = db_query(store->db, SQL_CUSTOMER_PAIR, accounts, 4, on_pair, out);
    if (err)
        return err;
    *missing = (out->friend.user ? 0 : STORE_NO_FRIEND) | (out->user.user ? 0 : STORE_NO_CUSTOMER);
    if (*missing)
        return ERR_NOT_FOUND;
    if (out->friend.user == out->user.user)
        return ERR_INVALID;
    if (out->conversation)
        return ERR_OK;
    struct store_tries tries = {0};
    do
        err = store_pair_make(store, KIND_CUSTOMERS, STORE_SESSION_PREFIX, out->user.user, out->friend.user,
                              &out->conversation);
    while (store_again(&tries, &err));
    return err;
}
