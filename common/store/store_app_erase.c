#include "common/store/store_app_erase.h"

#include "common/app_claims.h"
#include "common/store/store_rights.h"
#include "common/store/store_sql.h"

enum { ERASE_PLACES = 200 }; /* as in the statement */

static const struct store_statement rows[] = {
    {SQL_ERASE_FIND, "SELECT id FROM user WHERE realm = 5 AND name = ?"},
    /* A name that no application can give stands for a user who is being erased; who comes with the id is another one. */
    {SQL_ERASE_BEGIN, "UPDATE user SET name = CONCAT(CHAR(1), name), public_id = ? WHERE id = ? AND name = ?"},
    /* What was said in a namespace to some is to nobody: there is no socket of that name. */
    {SQL_ERASE_MESSAGES,
     "UPDATE message FORCE INDEX (message_sender) SET content = IF(kind IN (10, 12), CONCAT('{\"of\":', CAST(REGEXP_SUBSTR(content, "
     "'[0-9]+') AS UNSIGNED), '}'), IF(kind IN (11, 13, 14), content, IF(kind = 15, '{}', ''))), sender_name = '',"
     " extra = NULL, sent_at = NULL, sent_text = NULL, client_id = NULL, audience = IF(audience > '', 's1:-', NULL),"
     " recalled = IF(kind IN (" STORE_KINDS_SAID "), 1, recalled), sender = NULL"
     " WHERE sender = ? AND conversation = ? LIMIT 500"},
    /* Where something of theirs is left. */
    {SQL_ERASE_PLACES,
     "SELECT DISTINCT conversation FROM message FORCE INDEX (message_sender) WHERE sender = ? LIMIT 200"},
    {SQL_ERASE_MEDIA, "INSERT IGNORE INTO media_doubt (name, since) SELECT REGEXP_SUBSTR(content,"
                      " '[0-9a-f]{32}[.][a-z0-9]{1,8}'), UTC_TIMESTAMP(3) FROM message WHERE sender = ? AND"
                      " kind <> 2 AND kind <> 3 AND content REGEXP '[0-9a-f]{32}[.][a-z0-9]'"},
    {SQL_ERASE_OWNED, "INSERT INTO media_doubt (name, since, gone) SELECT name, UTC_TIMESTAMP(3), 1 FROM media_owner"
                      " WHERE owner = ? ON DUPLICATE KEY UPDATE gone = 1"},
    {SQL_ERASE_OWNER, "DELETE FROM media_owner WHERE owner = ?"},
    {SQL_ERASE_FORGET, "UPDATE conversation SET forgets = forgets + 1 WHERE id = ?"},
    {SQL_ERASE_NOTE, "INSERT INTO erased_user (user, erased_at) VALUES (?, UTC_TIMESTAMP(3))"
                     " ON DUPLICATE KEY UPDATE erased_at = erased_at"},
    {SQL_ERASE_LATE, "SELECT user FROM erased_user WHERE erased_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND LIMIT 1"},
    {SQL_ERASE_SETTLED, "DELETE FROM erased_user WHERE user = ?"},
    {SQL_ERASE_MEMBER, "DELETE FROM member WHERE user = ? LIMIT 500"},
    {SQL_ERASE_REACTIONS, "DELETE FROM reaction WHERE user = ? LIMIT 500"},
    {SQL_ERASE_ANSWERS, "DELETE FROM idempotency WHERE is_user = 1 AND caller = ? LIMIT 500"},
    {SQL_ERASE_CREDENTIAL, "DELETE FROM credential WHERE user = ?"},
    {SQL_ERASE_PROFILE, "DELETE FROM app_user WHERE user = ?"},
    {SQL_ERASE_END, "UPDATE user SET name = CONCAT(CHAR(1), CHAR(1), public_id), head_num = '0' WHERE id = ?"},
};
_Static_assert(MESSAGE_EDIT == 10 && MESSAGE_RECALL == 11 && MESSAGE_REACTION == 12, "as SQL_ERASE_MESSAGES says");
_Static_assert(MESSAGE_JOINED == 13 && MESSAGE_REMOVED == 14 && MESSAGE_RENAMED == 15, "as SQL_ERASE_MESSAGES says");

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

/* Their files are to go, whoever speaks of them, and are nobody's any more. In one transaction, or one that comes in between
 * would stay. */
static enum err erase_files(struct store *store, uint64_t user)
{
    struct store_tries tries = {0};
    enum err err;
    do {
        err = db_begin(store->db);
        if (!err)
            err = db_query(store->db, SQL_ERASE_OWNED, &DB_NUM(user), 1, NULL, NULL);
        if (!err)
            err = db_query(store->db, SQL_ERASE_OWNER, &DB_NUM(user), 1, NULL, NULL);
        err = store_end(store, err);
    } while (store_again(&tries, &err));
    return err;
}

/* Some of what they said in a conversation, with what makes relays drop what they have in memory of it (struct
 * store_anchor). The conversation is locked first, as the journal does. *some: there may be more. */
static enum err erase_some(struct store *store, uint64_t user, uint64_t conversation, bool *some)
{
    struct db_value params[] = {DB_NUM(user), DB_NUM(conversation)};
    enum err err = db_begin(store->db);
    if (!err)
        err = db_query(store->db, SQL_ERASE_FORGET, &DB_NUM(conversation), 1, NULL, NULL);
    if (!err)
        err = db_query(store->db, SQL_ERASE_MESSAGES, params, 2, NULL, NULL);
    *some = !err && db_affected(store->db);
    return store_end(store, err);
}

static enum err erase_place(struct store *store, uint64_t user, uint64_t conversation)
{
    bool some = true;
    enum err err = ERR_OK;
    while (!err && some) {
        struct store_tries tries = {0};
        do
            err = erase_some(store, user, conversation, &some);
        while (store_again(&tries, &err));
    }
    return err;
}

struct places {
    uint64_t conversations[ERASE_PLACES];
    size_t count;
};

static void on_place(void *arg, const struct db_value *c)
{
    struct places *places = arg;
    places->conversations[places->count++] = c[0].number;
}

static enum err erase_messages(struct store *store, uint64_t user)
{
    struct places places;
    enum err err = db_query(store->db, SQL_ERASE_MEDIA, &DB_NUM(user), 1, NULL, NULL);
    do {
        places.count = 0;
        if (!err)
            err = db_query(store->db, SQL_ERASE_PLACES, &DB_NUM(user), 1, on_place, &places);
        for (size_t i = 0; !err && i < places.count; i++)
            err = erase_place(store, user, places.conversations[i]);
    } while (!err && places.count);
    return err;
}

static enum err erase(struct store *store, uint64_t user)
{
    static const enum statement all[] = {SQL_ERASE_MEMBER, SQL_ERASE_REACTIONS, SQL_ERASE_ANSWERS, SQL_ERASE_CREDENTIAL,
                                         SQL_ERASE_PROFILE};
    struct store_revocation revocation = {.user = user, .tokens_too = true, .erased = true};
    enum err err = db_query(store->db, SQL_ERASE_NOTE, &DB_NUM(user), 1, NULL, NULL);
    if (!err)
        err = store_revoke(store, &revocation);
    for (size_t i = 0; !err && i < sizeof all / sizeof all[0]; i++)
        err = repeat(store, all[i], user);
    if (!err)
        err = erase_files(store, user);
    if (!err)
        err = erase_messages(store, user);
    if (!err) /* what a connection of theirs had under way until it ended */
        err = erase_messages(store, user);
    if (!err) /* told again: now the relays find that it is done */
        err = store_revoke(store, &revocation);
    return err ? err : db_query(store->db, SQL_ERASE_END, &DB_NUM(user), 1, NULL, NULL);
}

static enum err erase_named(struct store *store, struct str name)
{
    uint64_t user = 0;
    enum err err = db_query(store->db, SQL_ERASE_FIND, &DB_TEXT(name), 1, store_on_number, &user);
    return err ? err : user ? erase(store, user) : ERR_NOT_FOUND;
}

/* The name and the id that it had are void at once. */
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

/* ---- afterwards ---- */

enum err store_app_user_erase_late(struct store *store, int64_t after_s, uint64_t *user)
{
    *user = 0;
    enum err err = db_query(store->db, SQL_ERASE_LATE, &DB_NUM((uint64_t)after_s), 1, store_on_number, user);
    if (err || !*user)
        return err;
    err = erase(store, *user);
    return err ? err : db_query(store->db, SQL_ERASE_SETTLED, &DB_NUM(*user), 1, NULL, NULL);
}
