/* store_places.c: who somebody is in chatrooms and whether they may be in one: of one, and of many in one statement. */
#include "common/store/store_sql.h"

#define SELECT_PLACE "c.id, c.seq, u.id, u.name, u.head_num, m.user, u.rights"
/* Left joins, because they are carried out in this order whatever the server thinks of the tables' sizes. */
#define JOIN_PLACE(room, user) \
    " LEFT JOIN conversation c ON c.public_id = " room " AND c.kind = 1" \
    " LEFT JOIN user u ON u.public_id = " user " AND u.realm = 1" \
    " LEFT JOIN member m ON m.conversation = c.id AND m.user = u.id"

static const struct store_statement rows[] = {
    {SQL_PLACE, "SELECT " SELECT_PLACE " FROM (SELECT 1 AS one) AS one" JOIN_PLACE("?", "?")},
};

const struct store_statements store_places_statements = STORE_STATEMENTS(rows);

static struct str askable(struct str id, const char *prefix)
{
    return id_is(id, prefix) ? id : STR("");
}

static void on_place(void *arg, const struct db_value *c)
{
    struct store_place_asked *asked = arg;
    struct store_place *place = asked->place;
    asked->missing = (c[2].is_null ? STORE_NO_USER : 0) | (c[0].is_null ? STORE_NO_ROOM : 0);
    place->conversation = c[0].number;
    place->seq = c[1].number;
    place->user = c[2].number;
    place->is_member = !c[5].is_null;
    place->generation = (uint32_t)c[6].number; /* 0 for NULL */
    if (c[2].is_null)
        return;
    store_copy(place->user_name, sizeof place->user_name, c[3].text);
    place->user_name_len = strlen(place->user_name);
    store_copy(place->head, sizeof place->head, store_json(c[4].text, "0"));
}

struct many {
    struct store_place_asked *asked;
    size_t count;
};

static void on_one_of_many(void *arg, const struct db_value *c)
{
    struct many *many = arg;
    if (store_is_asked(c[0].number, many->count))
        on_place(&many->asked[c[0].number], c + 1);
}

static enum err ask_for_one(struct store *store, struct store_place_asked *asked)
{
    struct db_value ids[] = {DB_TEXT(askable(asked->room_id, STORE_ROOM_PREFIX)),
                             DB_TEXT(askable(asked->user_id, STORE_USER_PREFIX))};
    return db_query(store->db, SQL_PLACE, ids, 2, on_place, asked);
}

static enum err ask_for_many(struct store *store, struct store_place_asked *asked, size_t count)
{
    static const char before[] = "SELECT e.at, " SELECT_PLACE " FROM (";
    static const char after[] = ") AS e" JOIN_PLACE("e.room", "e.user");
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

enum err store_places(struct store *store, struct store_place_asked *asked, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *asked[i].place = (struct store_place){0};
        asked[i].missing = STORE_NO_USER | STORE_NO_ROOM;
    }
    enum err err = count == 1 ? ask_for_one(store, asked) : ask_for_many(store, asked, count);
    for (size_t i = 0; i < count; i++)
        asked[i].err = err ? err : asked[i].missing ? ERR_NOT_FOUND : ERR_OK;
    return err;
}

enum err store_place(struct store *store, struct str room_id, struct str user_id, struct store_place *place,
                     int *missing)
{
    struct store_place_asked asked = {.room_id = room_id, .user_id = user_id, .place = place};
    enum err err = store_places(store, &asked, 1);
    *missing = asked.missing;
    return err ? err : asked.err;
}
