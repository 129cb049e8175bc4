#include "common/store/store_app_erase.h"

#include "common/app_claims.h"
#include "common/store/store_rights.h"
#include "common/store/store_sql.h"

static const struct store_statement rows[] = {
    {SQL_ERASE_FIND, "SELECT id FROM user WHERE realm = 5 AND name = ?"},
    /* A name that no application can give stands for a user who is being erased; who comes with the id is another one. */
    {SQL_ERASE_BEGIN, "UPDATE user SET name = CONCAT(CHAR(1), name), public_id = ? WHERE id = ? AND name = ?"},
    {SQL_ERASE_MESSAGES,
     "UPDATE message SET content = IF(kind IN (10, 12), CONCAT('{\"of\":', CAST(REGEXP_SUBSTR(content, "
     "'[0-9]+') AS UNSIGNED), '}'), IF(kind = 11, content, '')), sender_name = '', extra = NULL,"
     " sent_at = NULL, sent_text = NULL, client_id = NULL, audience = NULL,"
     " recalled = IF(kind IN (" STORE_KINDS_SAID "), 1, recalled), sender = NULL"
     " WHERE sender = ? LIMIT 500"},
    {SQL_ERASE_MEMBER, "DELETE FROM member WHERE user = ? LIMIT 500"},
    {SQL_ERASE_REACTIONS, "DELETE FROM reaction WHERE user = ? LIMIT 500"},
    {SQL_ERASE_ANSWERS, "DELETE FROM idempotency WHERE is_user = 1 AND caller = ? LIMIT 500"},
    {SQL_ERASE_CREDENTIAL, "DELETE FROM credential WHERE user = ?"},
    {SQL_ERASE_PROFILE, "DELETE FROM app_user WHERE user = ?"},
    {SQL_ERASE_END, "UPDATE user SET name = CONCAT(CHAR(1), CHAR(1), public_id), head_num = '0' WHERE id = ?"},
};
_Static_assert(MESSAGE_EDIT == 10 && MESSAGE_RECALL == 11 && MESSAGE_REACTION == 12, "as SQL_ERASE_MESSAGES says");

const struct store_statements store_app_erase_statements = STORE_STATEMENTS(rows);

/* Each statement is a transaction of its own. */
static enum err repeat(struct store *store, enum statement sql, uint64_t user)
{
    enum err err;
    do
        err = db_query(store->db, sql, &DB_NUM(user), 1, NULL, NULL);
    while (!err && db_affected(store->db));
    return err;
}

static enum err erase(struct store *store, uint64_t user)
{
    static const enum statement all[] = {SQL_ERASE_MEMBER,  SQL_ERASE_MESSAGES,   SQL_ERASE_REACTIONS,
                                         SQL_ERASE_ANSWERS, SQL_ERASE_CREDENTIAL, SQL_ERASE_PROFILE};
    struct store_revocation revocation = {.user = user, .tokens_too = true};
    enum err err = store_revoke(store, &revocation);
    for (size_t i = 0; !err && i < sizeof all / sizeof all[0]; i++)
        err = repeat(store, all[i], user);
    if (!err) /* what a connection of theirs had under way until it ended */
        err = repeat(store, SQL_ERASE_MESSAGES, user);
    return err ? err : db_query(store->db, SQL_ERASE_END, &DB_NUM(user), 1, NULL, NULL);
}

static enum err erase_named(struct store *store, struct str name)
{
    uint64_t user = 0;
    enum err err = db_query(store->db, SQL_ERASE_FIND, &DB_TEXT(name), 1, store_on_number, &user);
    return err ? err : user ? erase(store, user) : ERR_NOT_FOUND;
}

/* Void at once for whoever comes with the name or the id that it had. */
static enum err begin(struct store *store, struct str id)
{
    uint64_t user = 0;
    char public_id[ID_MAX];
    id_make(STORE_USER_PREFIX, public_id);
    enum err err = db_query(store->db, SQL_ERASE_FIND, &DB_TEXT(id), 1, store_on_number, &user);
    if (err || !user)
        return err ? err : ERR_NOT_FOUND;
    struct db_value params[] = {DB_TEXT(str_of(public_id)), DB_NUM(user), DB_TEXT(id)};
    err = db_query(store->db, SQL_ERASE_BEGIN, params, 3, NULL, NULL);
    return err == ERR_DUPLICATE ? ERR_RETRY : err; /* another one of that id is just being erased */
}

enum err store_app_user_erase(struct store *store, struct str id)
{
    char being[STORE_NAME_MAX + 1] = "\x01";
    struct store_tries tries = {0};
    enum err err;
    if (!app_id_ok(id))
        return ERR_NOT_FOUND;
    memcpy(being + 1, id.ptr, id.len);
    do { /* one that was begun earlier comes first; after it the one that has the id now */
        err = erase_named(store, (struct str){being, id.len + 1});
        bool any = !err;
        if (!err || err == ERR_NOT_FOUND)
            err = begin(store, id);
        if (!err)
            err = erase_named(store, (struct str){being, id.len + 1});
        else if (err == ERR_NOT_FOUND && any)
            err = ERR_OK;
    } while (store_again(&tries, &err));
    return err;
}
