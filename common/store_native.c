#include "common/store_native.h"

#include "common/store_seats.h"
#include "common/store_sql.h"

enum { PLACES_AT_ONCE = 10 };

static const struct store_statement rows[] = {
    {SQL_NATIVE_USER, "SELECT u.id, u.realm, u.name, u.head_num, c.user FROM user u"
                      " LEFT JOIN credential c ON c.user = u.id"
                      " WHERE u.public_id = ? AND u.realm IN (1, 2, 4)"},
    {SQL_NATIVE_PLACES, "SELECT c.public_id, c.id, c.kind, c.seq, m.read_seq, c.name FROM conversation c"
                        " JOIN member m ON m.conversation = c.id AND m.user = ?"
                        " WHERE c.public_id IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AND c.kind IN (1, 2, 4)"},
    {SQL_UNREAD, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM message WHERE conversation = ? AND seq > ?"
                 " AND (sender IS NULL OR sender <> ?) AND kind IN (" STORE_KINDS_SAID ") AND recalled = 0"
                 " LIMIT 1000) AS unread"},
};
_Static_assert(STORE_UNREAD_MAX == 1000, "as SQL_UNREAD says");
_Static_assert(REALM_CHATROOM == 1 && REALM_FRIENDS == 2 && REALM_SPACES == 4, "as SQL_NATIVE_USER says");
_Static_assert(KIND_CHATROOM == 1 && KIND_FRIENDS == 2 && KIND_SPACE == 4, "as SQL_NATIVE_PLACES says");

const struct store_statements store_native_statements = STORE_STATEMENTS(rows);

static void copy(char *out, size_t size, struct str text)
{
    CG_ASSERT(text.len < size);
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

static void take_number(void *arg, const struct db_value *columns)
{
    *(uint64_t *)arg = columns[0].number;
}

static void on_user(void *arg, const struct db_value *c)
{
    struct store_native_user *user = arg;
    user->user = c[0].number;
    user->realm = (enum store_realm)c[1].number;
    copy(user->name, sizeof user->name, c[2].text);
    copy(user->head, sizeof user->head, c[3].text);
    user->has_password = !c[4].is_null;
}

enum err store_native_user(struct store *store, struct str user_id, struct store_native_user *user)
{
    *user = (struct store_native_user){0};
    if (!id_is(user_id, STORE_USER_PREFIX))
        return ERR_NOT_FOUND;
    enum err err = db_query(store->db, SQL_NATIVE_USER, &DB_TEXT(user_id), 1, on_user, user);
    return !err && !user->user ? ERR_NOT_FOUND : err;
}

/* ---- conversations ---- */

struct looking {
    const struct str *ids;
    size_t count;
    struct store_native_place *places;
};

static void on_place(void *arg, const struct db_value *c)
{
    struct looking *looking = arg;
    for (size_t i = 0; i < looking->count; i++) {
        struct store_native_place *place = &looking->places[i];
        if (!str_eq(looking->ids[i], c[0].text))
            continue;
        place->conversation = c[1].number;
        place->kind = (enum store_kind)c[2].number;
        place->seq = c[3].number;
        place->read_seq = c[4].number;
        copy(place->name, sizeof place->name, c[5].text);
    }
}

/* What has not the shape of an id is never looked for. */
static struct str askable(struct str id)
{
    bool fine = id_is(id, STORE_ROOM_PREFIX) || id_is(id, STORE_FRIEND_PREFIX) || id_is(id, STORE_SPACE_PREFIX);
    return fine ? id : STR("");
}

enum err store_native_places(struct store *store, uint64_t user, const struct str *ids, size_t count,
                             struct store_native_place *places)
{
    enum err err = ERR_OK;
    memset(places, 0, count * sizeof *places);
    for (size_t at = 0; !err && at < count; at += PLACES_AT_ONCE) {
        size_t some = count - at < PLACES_AT_ONCE ? count - at : PLACES_AT_ONCE;
        struct looking looking = {ids + at, some, places + at};
        struct db_value params[1 + PLACES_AT_ONCE] = {DB_NUM(user)};
        for (size_t i = 0; i < PLACES_AT_ONCE; i++)
            params[1 + i] = DB_TEXT(i < some ? askable(ids[at + i]) : STR(""));
        err = db_query(store->db, SQL_NATIVE_PLACES, params, 1 + PLACES_AT_ONCE, on_place, &looking);
    }
    return err;
}

enum err store_native_unread(struct store *store, uint64_t conversation, uint64_t user, uint64_t after,
                             uint64_t *count)
{
    struct db_value params[] = {DB_NUM(conversation), DB_NUM(after), DB_NUM(user)};
    *count = 0;
    return db_query(store->db, SQL_UNREAD, params, 3, take_number, count);
}

enum err store_native_read(struct store *store, uint64_t user, uint64_t seq, struct store_native_place *place)
{
    if (seq > place->seq)
        seq = place->seq;
    if (seq <= place->read_seq)
        return ERR_OK;
    place->read_seq = seq;
    struct db_value params[] = {DB_NUM(seq), DB_NUM(place->conversation), DB_NUM(user)};
    return db_query(store->db, SQL_SET_READ, params, 3, NULL, NULL);
}
