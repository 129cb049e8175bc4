/* store_join.c: looks up all names in one statement, inserts missing rooms, users and members with one statement each,
 * and commits. If another transaction has inserted a name first, the unique key shows it, and the transaction starts
 * over. */
#include "common/store/store_join.h"

#include "common/mem.h"
#include "common/store/store_sql.h"

#include <stdlib.h>

enum { CHATROOM = 1 }; /* conversation.kind */
enum { ROW_SQL_MAX = 2 * (2 * STORE_NAME_MAX + 48) + 192 };

static const struct store_statement rows[] = {
    {SQL_ADD_ROOM, "INSERT INTO conversation (public_id, kind, name, created_at)"
                   " VALUES (?, ?, ?, UTC_TIMESTAMP(3))"},
    {SQL_ADD_USER, "INSERT INTO user (public_id, realm, name, head_num, created_at)"
                   " VALUES (?, ?, ?, ?, UTC_TIMESTAMP(3))"},
    {SQL_SET_HEAD, "UPDATE user SET head_num = ? WHERE id = ?"},
    {SQL_ADD_MEMBER, "INSERT INTO member (conversation, user, joined_at)"
                     " VALUES (?, ?, UTC_TIMESTAMP(3))"},
};

const struct store_statements store_join_statements = STORE_STATEMENTS(rows);

#define BANNED(whom) \
    "EXISTS (SELECT 1 FROM sanction s WHERE " whom " AND s.kind = 2 AND s.lifted_at IS NULL" \
    " AND (s.until IS NULL OR s.until > UTC_TIMESTAMP(3)) AND (s.conversation IS NULL OR s.conversation = c.id))"

/* Around what add_row says of each who enters. */
static const char look_before[] =
    "SELECT e.at, c.id, c.public_id, u.id, u.public_id, u.head_num, m.user,"
    " CASE WHEN m.user IS NULL THEN (SELECT COUNT(*) FROM member n WHERE n.user = u.id) ELSE 0 END, " BANNED(
        "s.user = u.id") " OR " BANNED("s.address = e.address") " FROM (";
static const char look_after[] = ") AS e LEFT JOIN conversation c ON c.kind = 1 AND c.name = e.room"
                                 " LEFT JOIN user u ON u.realm = e.realm AND u.name = e.nick"
                                 " LEFT JOIN member m ON m.conversation = c.id AND m.user = u.id";

/* One who joins, and what is there already. */
struct joiner {
    struct store_join *join;
    bool is_member, same_head;
    size_t same_room, same_nick; /* the first joiner with that name */
    uint64_t member_of;          /* number of rooms */
};

struct join_batch {
    struct store *store;
    struct joiner joiners[STORE_JOIN_MAX];
    size_t count;
    int64_t rooms_max;
};

/* ---- looking ---- */

static void add_row(struct buf *sql, size_t at, const struct store_join *join, enum store_realm realm)
{
    buf_addf(sql, "%sSELECT %zu AS at, %d AS realm, ", at ? " UNION ALL " : "", at, (int)realm);
    store_add_hex(sql, join->room);
    buf_add_text(sql, " AS room, ");
    store_add_hex(sql, join->nick);
    buf_add_text(sql, " AS nick, CONVERT(");
    store_add_hex(sql, join->address);
    buf_add_text(sql, " USING ascii) COLLATE ascii_bin AS address");
}

static void on_look(void *arg, const struct db_value *c)
{
    struct join_batch *batch = arg;
    if (!store_is_asked(c[0].number, batch->count))
        return;
    struct joiner *joiner = &batch->joiners[c[0].number];
    struct store_join *join = joiner->join;
    joiner->is_member = !c[6].is_null;
    joiner->member_of = c[7].number;
    joiner->same_head = !c[5].is_null && str_eq(c[5].text, join->head);
    join->conversation = c[1].is_null ? 0 : c[1].number;
    join->user = c[3].is_null ? 0 : c[3].number;
    if (join->conversation)
        store_copy(join->room_id, ID_MAX, c[2].text);
    if (join->user)
        store_copy(join->user_id, ID_MAX, c[4].text);
    if (c[8].number)
        join->err = ERR_DENIED;
    if ((join->old_room && !join->conversation) || (join->old_nick && !join->user))
        join->err = ERR_INVALID;
}

static enum err look(struct join_batch *batch)
{
    struct buf sql;
    buf_init(&sql, sizeof look_before + sizeof look_after + batch->count * ROW_SQL_MAX);
    buf_add_text(&sql, look_before);
    for (size_t i = 0; i < batch->count; i++)
        add_row(&sql, i, batch->joiners[i].join, batch->store->chatroom_realm);
    buf_add(&sql, look_after, sizeof look_after); /* with its NUL */
    CG_ASSERT(!sql.failed);
    enum err err = db_run(batch->store->db, sql.data, on_look, batch);
    buf_fini(&sql);
    return err;
}

/* ---- making ---- */

/* The joiners that are the first of those who need the same thing. */
struct needed {
    struct joiner *joiners[STORE_JOIN_MAX];
    size_t count;
};

static bool enters(const struct joiner *joiner)
{
    return !joiner->join->err;
}

static void find_same_names(struct join_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct joiner *joiner = &batch->joiners[i];
        for (joiner->same_room = 0; joiner->same_room < i; joiner->same_room++)
            if (enters(&batch->joiners[joiner->same_room]) &&
                str_eq(batch->joiners[joiner->same_room].join->room, joiner->join->room))
                break;
        for (joiner->same_nick = 0; joiner->same_nick < i; joiner->same_nick++)
            if (enters(&batch->joiners[joiner->same_nick]) &&
                str_eq(batch->joiners[joiner->same_nick].join->nick, joiner->join->nick))
                break;
    }
}

/* The head that counts: of those who come under one name, that of the last. */
static struct str head_of(const struct join_batch *batch, size_t first)
{
    for (size_t i = batch->count; i-- > first;)
        if (enters(&batch->joiners[i]) && batch->joiners[i].same_nick == first)
            return batch->joiners[i].join->head;
    return batch->joiners[first].join->head;
}

static enum err make_rooms(struct join_batch *batch, struct needed *made)
{
    struct db_value values[STORE_JOIN_MAX][3];
    made->count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct joiner *joiner = &batch->joiners[i];
        if (!enters(joiner) || joiner->join->conversation || joiner->same_room != i)
            continue;
        id_make(STORE_ROOM_PREFIX, joiner->join->room_id);
        values[made->count][0] = DB_TEXT(str_of(joiner->join->room_id));
        values[made->count][1] = DB_NUM(CHATROOM);
        values[made->count][2] = DB_TEXT(joiner->join->room);
        made->joiners[made->count++] = joiner;
    }
    return made->count ? db_many(batch->store->db, SQL_ADD_ROOM, values[0], made->count, 3) : ERR_OK;
}

static enum err make_users(struct join_batch *batch, struct needed *made)
{
    struct db_value values[STORE_JOIN_MAX][4];
    made->count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct joiner *joiner = &batch->joiners[i];
        if (!enters(joiner) || joiner->join->user || joiner->same_nick != i)
            continue;
        id_make(STORE_USER_PREFIX, joiner->join->user_id);
        values[made->count][0] = DB_TEXT(str_of(joiner->join->user_id));
        values[made->count][1] = DB_NUM(batch->store->chatroom_realm);
        values[made->count][2] = DB_TEXT(joiner->join->nick);
        values[made->count][3] = DB_TEXT(head_of(batch, i));
        made->joiners[made->count++] = joiner;
    }
    return made->count ? db_many(batch->store->db, SQL_ADD_USER, values[0], made->count, 4) : ERR_OK;
}

/* Of users who were there before; one statement each, because a head rarely changes. */
static enum err set_heads(struct join_batch *batch)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < batch->count; i++) {
        struct joiner *joiner = &batch->joiners[i];
        bool last = true;
        for (size_t j = i + 1; j < batch->count; j++)
            last &= !enters(&batch->joiners[j]) || batch->joiners[j].same_nick != joiner->same_nick;
        if (!enters(joiner) || !last || joiner->same_head)
            continue;
        struct db_value values[] = {DB_TEXT(joiner->join->head), DB_NUM(joiner->join->user)};
        err = db_query(batch->store->db, SQL_SET_HEAD, values, 2, NULL, NULL);
    }
    return err;
}

static bool is_repeated(const struct join_batch *batch, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (enters(&batch->joiners[j]) && batch->joiners[j].same_room == batch->joiners[i].same_room &&
            batch->joiners[j].same_nick == batch->joiners[i].same_nick)
            return true;
    return false;
}

static int by_conversation(const void *a, const void *b)
{
    uint64_t left = ((const struct db_value *)a)->number, right = ((const struct db_value *)b)->number;
    return left < right ? -1 : left > right;
}

/* In order of conversation, as the journal locks them: the foreign key locks them too. */
static enum err make_members(struct join_batch *batch)
{
    struct db_value values[STORE_JOIN_MAX][2];
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct joiner *joiner = &batch->joiners[i];
        if (!enters(joiner) || joiner->is_member || is_repeated(batch, i))
            continue;
        values[count][0] = DB_NUM(joiner->join->conversation);
        values[count++][1] = DB_NUM(joiner->join->user);
    }
    qsort(values, count, sizeof values[0], by_conversation);
    return count ? db_many(batch->store->db, SQL_ADD_MEMBER, values[0], count, 2) : ERR_OK;
}

/* The numbers of what was just made. One row's number comes with its insert; those of several are looked up. */
static enum err learn(struct join_batch *batch, const struct needed *rooms, uint64_t room, const struct needed *users,
                      uint64_t user)
{
    if (batch->count > 1)
        return rooms->count || users->count ? look(batch) : ERR_OK;
    if (rooms->count)
        rooms->joiners[0]->join->conversation = room;
    if (users->count) {
        users->joiners[0]->join->user = user;
        users->joiners[0]->same_head = true;
    }
    return ERR_OK;
}

static enum err make(struct join_batch *batch)
{
    struct needed rooms, users;
    enum err err = make_rooms(batch, &rooms);
    uint64_t room = db_insert_id(batch->store->db);
    if (!err)
        err = make_users(batch, &users);
    uint64_t user = db_insert_id(batch->store->db);
    if (!err)
        err = learn(batch, &rooms, room, &users, user);
    if (!err)
        err = make_members(batch);
    return err ? err : set_heads(batch); /* last: who holds a user's row waits for no conversation's */
}

/* ---- all of it ---- */

/* Two at once may both find room for one more: it is a bound, not a number. */
static void refuse_too_many(struct join_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct joiner *joiner = &batch->joiners[i];
        if (enters(joiner) && batch->rooms_max && !joiner->is_member && joiner->member_of >= (uint64_t)batch->rooms_max)
            joiner->join->err = ERR_TOO_BIG;
    }
}

static bool all_there(const struct join_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (enters(&batch->joiners[i]) && (!batch->joiners[i].is_member || !batch->joiners[i].same_head))
            return false;
    return true;
}

static enum err enter_once(struct join_batch *batch)
{
    struct db *db = batch->store->db;
    for (size_t i = 0; i < batch->count; i++)
        batch->joiners[i].join->err = ERR_OK;
    enum err err = look(batch);
    if (err)
        return err;
    refuse_too_many(batch);
    if (all_there(batch))
        return ERR_OK;
    find_same_names(batch);
    err = db_begin(db);
    if (err)
        return err;
    err = make(batch);
    return store_end(batch->store, err);
}

enum err store_join(struct store *store, struct store_join *join, size_t count, int64_t rooms_max)
{
    CG_ASSERT(count && count <= STORE_JOIN_MAX);
    struct join_batch *batch = mem_zalloc(sizeof *batch);
    struct store_tries tries = {0};
    enum err err;
    *batch = (struct join_batch){.store = store, .count = count, .rooms_max = rooms_max};
    for (size_t i = 0; i < count; i++) {
        CG_ASSERT(join[i].head.len <= STORE_HEAD_MAX && join[i].room.len <= STORE_NAME_MAX);
        CG_ASSERT(join[i].nick.len <= STORE_NAME_MAX && join[i].address.len < 48);
        batch->joiners[i].join = &join[i];
    }
    do {
        err = enter_once(batch);
        if (err == ERR_DUPLICATE)
            err = ERR_RETRY; /* somebody else made one of the names */
    } while (store_again(&tries, &err));
    free(batch);
    return err;
}
