#include "common/store/store_pair.h"

#include "common/store/store_sql.h"

#include <stdio.h>

static const struct store_statement rows[] = {
    {SQL_FIND_USER, "SELECT id FROM user WHERE realm = ? AND name = ?"},
    {SQL_FIND_CONVERSATION, "SELECT id FROM conversation WHERE kind = ? AND name = ?"},
    {SQL_ADD_PAIR, "INSERT INTO pair (conversation, user1, user2) VALUES (?, ?, ?)"},
};

const struct store_statements store_pair_statements = STORE_STATEMENTS(rows);

/* A unique key decides between two who make the same thing at once: the loser finds the winner's. */
static enum err add_unless_there(struct store *store, enum statement sql, const struct db_value *params, size_t count)
{
    enum err err = db_query(store->db, sql, params, count, NULL, NULL);
    return err == ERR_DUPLICATE ? ERR_OK : err;
}

enum err store_named_find(struct store *store, enum store_kind kind, struct str name, uint64_t *conversation)
{
    struct db_value key[] = {DB_NUM(kind), DB_TEXT(name)};
    *conversation = 0;
    enum err err = db_query(store->db, SQL_FIND_CONVERSATION, key, 2, store_on_number, conversation);
    return !err && !*conversation ? ERR_NOT_FOUND : err;
}

enum err store_named_make(struct store *store, enum store_kind kind, const char *prefix, struct str name,
                          uint64_t *conversation)
{
    enum err err = store_named_find(store, kind, name, conversation);
    if (err != ERR_NOT_FOUND)
        return err;
    char id[ID_MAX];
    id_make(prefix, id);
    struct db_value row[] = {DB_TEXT(str_of(id)), DB_NUM(kind), DB_TEXT(name)};
    err = add_unless_there(store, SQL_ADD_ROOM, row, 3);
    if (!err)
        err = store_named_find(store, kind, name, conversation);
    return err == ERR_NOT_FOUND ? ERR_INTERNAL : err;
}

/* Each statement is a transaction of its own, and the row of `pair` comes last: whoever finds it finds the rest, and
 * what was left half done by a crash is completed by the next attempt. */
enum err store_pair_make(struct store *store, enum store_kind kind, const char *prefix, uint64_t one, uint64_t other,
                         uint64_t *conversation)
{
    CG_ASSERT(one != other && one && other);
    uint64_t low = one < other ? one : other, high = one < other ? other : one;
    char name[48];
    snprintf(name, sizeof name, "%llu:%llu", (unsigned long long)low, (unsigned long long)high);
    enum err err = store_named_make(store, kind, prefix, str_of(name), conversation);
    struct db_value members[][2] = {{DB_NUM(*conversation), DB_NUM(low)}, {DB_NUM(*conversation), DB_NUM(high)}};
    for (size_t i = 0; !err && i < 2; i++)
        err = add_unless_there(store, SQL_ADD_MEMBER, members[i], 2);
    struct db_value pair[] = {DB_NUM(*conversation), DB_NUM(low), DB_NUM(high)};
    return err ? err : add_unless_there(store, SQL_ADD_PAIR, pair, 3);
}
