/* store_memberships.c: users' memberships in chatrooms: one, or many in one statement. */
#include "common/store/store_sql.h"

#define SELECT_MEMBERSHIP "c.id, c.seq, u.id, " STORE_SHOWN ", u.head_num, m.user, u.rights, u.realm"
/* Left joins, because they are carried out in this order whatever the server thinks of the tables' sizes. */
#define JOIN_MEMBERSHIP(room, user) \
    " LEFT JOIN conversation c ON c.public_id = " room " AND c.kind = 1" \
    " LEFT JOIN user u ON u.public_id = " user " AND u.realm IN (1, 5)" STORE_SHOWN_OF \
    " LEFT JOIN member m ON m.conversation = c.id AND m.user = u.id"

static const struct store_statement rows[] = {
    {SQL_MEMBERSHIP, "SELECT " SELECT_MEMBERSHIP " FROM (SELECT 1 AS one) AS one" JOIN_MEMBERSHIP("?", "?")},
};

const struct store_statements store_memberships_statements = STORE_STATEMENTS(rows);

static struct str askable(struct str id, const char *prefix)
{
    return id_is(id, prefix) ? id : STR("");
}

static void on_membership(void *arg, const struct db_value *c)
{
    struct store_membership_asked *asked = arg;
    struct store_membership *membership = asked->membership;
    asked->missing = (c[2].is_null ? STORE_NO_USER : 0) | (c[0].is_null ? STORE_NO_ROOM : 0);
    membership->conversation = c[0].number;
    membership->seq = c[1].number;
    membership->user = c[2].number;
    membership->is_member = !c[5].is_null;
    membership->generation = (uint32_t)c[6].number; /* 0 for NULL */
    membership->realm = (enum store_realm)c[7].number;
    if (c[2].is_null)
        return;
    store_copy(membership->user_name, sizeof membership->user_name, c[3].text);
    membership->user_name_len = strlen(membership->user_name);
    store_copy(membership->head, sizeof membership->head, store_json(c[4].text, "0"));
}

struct many {
    struct store_membership_asked *asked;
    size_t count;
};

static void on_one_of_many(void *arg, const struct db_value *c)
{
    struct many *many = arg;
    if (store_is_asked(c[0].number, many->count))
        on_membership(&many->asked[c[0].number], c + 1);
}

static enum err ask_for_one(struct store *store, struct store_membership_asked *asked)
{
    struct db_value ids[] = {DB_TEXT(askable(asked->room_id, STORE_ROOM_PREFIX)),
                             DB_TEXT(askable(asked->user_id, STORE_USER_PREFIX))};
    return db_query(store->db, SQL_MEMBERSHIP, ids, 2, on_membership, asked);
}

static enum err ask_for_many(struct store *store, struct store_membership_asked *asked, size_t count)
{
    static const char before[] = "SELECT e.at, " SELECT_MEMBERSHIP " FROM (";
    static const char after[] = ") AS e" JOIN_MEMBERSHIP("e.room", "e.user");
    struct buf sql;
    buf_init(&sql, sizeof before + sizeof after + count * STORE_ASKED_SQL_MAX);
    buf_add_text(&sql, before);
    for (size_t i = 0; i < count; i++)
        store_add_asked(&sql, i, askable(asked[i].user_id, STORE_USER_PREFIX),
                        askable(asked[i].room_id, STORE_ROOM_PREFIX));
    buf_add(&sql, after, sizeof after); /* with its NUL */
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_one_of_many, &(struct many){asked, count});
    buf_fini(&sql);
    return err;
}

enum err store_memberships(struct store *store, struct store_membership_asked *asked, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *asked[i].membership = (struct store_membership){0};
        asked[i].missing = STORE_NO_USER | STORE_NO_ROOM;
    }
    enum err err = count == 1 ? ask_for_one(store, asked) : ask_for_many(store, asked, count);
    for (size_t i = 0; i < count; i++)
        asked[i].err = err ? err : asked[i].missing ? ERR_NOT_FOUND : ERR_OK;
    return err;
}

enum err store_membership(struct store *store, struct str room_id, struct str user_id,
                          struct store_membership *membership, int *missing)
{
    struct store_membership_asked asked = {.room_id = room_id, .user_id = user_id, .membership = membership};
    enum err err = store_memberships(store, &asked, 1);
    *missing = asked.missing;
    return err ? err : asked.err;
}
