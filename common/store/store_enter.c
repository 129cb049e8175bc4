/* store_enter.c: look up all names in one statement; make what is missing of rooms, of users and of members with one
 * insert each; commit. Whoever was quicker with a name is found by its unique key, and then everything begins anew. */
#include "common/store/store_enter.h"

#include "common/mem.h"
#include "common/store/store_sql.h"

#include <stdlib.h>

enum { CHATROOM = 1 }; /* conversation.kind and user.realm */
enum { ROW_SQL_MAX = 2 * (2 * STORE_NAME_MAX + 48) + 160 };

static const struct store_statement rows[] = {
    {SQL_ADD_ROOM, "INSERT INTO conversation (public_id, kind, name, created_at)"
                   " VALUES (?, ?, ?, UTC_TIMESTAMP(3))"},
    {SQL_ADD_USER, "INSERT INTO user (public_id, realm, name, head_num, created_at)"
                   " VALUES (?, ?, ?, ?, UTC_TIMESTAMP(3))"},
    {SQL_SET_HEAD, "UPDATE user SET head_num = ? WHERE id = ?"},
    {SQL_ADD_MEMBER, "INSERT INTO member (conversation, user, joined_at)"
                     " VALUES (?, ?, UTC_TIMESTAMP(3))"},
};

const struct store_statements store_enter_statements = STORE_STATEMENTS(rows);

#define BANNED(whom) \
    "EXISTS (SELECT 1 FROM sanction s WHERE " whom " AND s.kind = 2 AND s.lifted_at IS NULL" \
    " AND (s.until IS NULL OR s.until > UTC_TIMESTAMP(3)) AND (s.conversation IS NULL OR s.conversation = c.id))"

/* Around what add_row says of each who enters. */
static const char look_before[] =
    "SELECT e.at, c.id, c.public_id, u.id, u.public_id, u.head_num, m.user,"
    " CASE WHEN m.user IS NULL THEN (SELECT COUNT(*) FROM member n WHERE n.user = u.id) ELSE 0 END, " BANNED(
        "s.user = u.id") " OR " BANNED("s.address = e.address") " FROM (";
static const char look_after[] = ") AS e LEFT JOIN conversation c ON c.kind = 1 AND c.name = e.room"
                                 " LEFT JOIN user u ON u.realm = 1 AND u.name = e.nick"
                                 " LEFT JOIN member m ON m.conversation = c.id AND m.user = u.id";

/* One who enters, and what is there already. */
struct seat {
    struct store_entering *entering;
    bool is_member, same_head;
    size_t same_room, same_nick; /* the first seat with that name */
    uint64_t member_of;          /* so many rooms */
};

struct entry {
    struct store *store;
    struct seat seats[STORE_ENTER_MAX];
    size_t count;
    int64_t rooms_max;
};

/* ---- looking ---- */

static void add_row(struct buf *sql, size_t at, const struct store_entering *entering)
{
    buf_addf(sql, "%sSELECT %zu AS at, ", at ? " UNION ALL " : "", at);
    store_add_hex(sql, entering->room);
    buf_add_text(sql, " AS room, ");
    store_add_hex(sql, entering->nick);
    buf_add_text(sql, " AS nick, CONVERT(");
    store_add_hex(sql, entering->address);
    buf_add_text(sql, " USING ascii) COLLATE ascii_bin AS address");
}

static void on_look(void *arg, const struct db_value *c)
{
    struct entry *entry = arg;
    if (!store_is_asked(c[0].number, entry->count))
        return;
    struct seat *seat = &entry->seats[c[0].number];
    struct store_entering *entering = seat->entering;
    seat->is_member = !c[6].is_null;
    seat->member_of = c[7].number;
    seat->same_head = !c[5].is_null && str_eq(c[5].text, entering->head);
    entering->conversation = c[1].is_null ? 0 : c[1].number;
    entering->user = c[3].is_null ? 0 : c[3].number;
    if (entering->conversation)
        store_copy(entering->room_id, ID_MAX, c[2].text);
    if (entering->user)
        store_copy(entering->user_id, ID_MAX, c[4].text);
    if (c[8].number)
        entering->err = ERR_DENIED;
    if ((entering->old_room && !entering->conversation) || (entering->old_nick && !entering->user))
        entering->err = ERR_INVALID;
}

static enum err look(struct entry *entry)
{
    struct buf sql;
    buf_init(&sql, sizeof look_before + sizeof look_after + entry->count * ROW_SQL_MAX);
    buf_add_text(&sql, look_before);
    for (size_t i = 0; i < entry->count; i++)
        add_row(&sql, i, entry->seats[i].entering);
    buf_add(&sql, look_after, sizeof look_after); /* with its NUL */
    CG_ASSERT(!sql.failed);
    enum err err = db_run(entry->store->db, sql.data, on_look, entry);
    buf_fini(&sql);
    return err;
}

/* ---- making ---- */

/* The seats that are the first of those who need the same thing. */
struct needed {
    struct seat *seats[STORE_ENTER_MAX];
    size_t count;
};

static bool enters(const struct seat *seat)
{
    return !seat->entering->err;
}

static void find_same_names(struct entry *entry)
{
    for (size_t i = 0; i < entry->count; i++) {
        struct seat *seat = &entry->seats[i];
        for (seat->same_room = 0; seat->same_room < i; seat->same_room++)
            if (enters(&entry->seats[seat->same_room]) &&
                str_eq(entry->seats[seat->same_room].entering->room, seat->entering->room))
                break;
        for (seat->same_nick = 0; seat->same_nick < i; seat->same_nick++)
            if (enters(&entry->seats[seat->same_nick]) &&
                str_eq(entry->seats[seat->same_nick].entering->nick, seat->entering->nick))
                break;
    }
}

/* The head that counts: of those who come under one name, that of the last. */
static struct str head_of(const struct entry *entry, size_t first)
{
    for (size_t i = entry->count; i-- > first;)
        if (enters(&entry->seats[i]) && entry->seats[i].same_nick == first)
            return entry->seats[i].entering->head;
    return entry->seats[first].entering->head;
}

static enum err make_rooms(struct entry *entry, struct needed *made)
{
    struct db_value values[STORE_ENTER_MAX][3];
    made->count = 0;
    for (size_t i = 0; i < entry->count; i++) {
        struct seat *seat = &entry->seats[i];
        if (!enters(seat) || seat->entering->conversation || seat->same_room != i)
            continue;
        id_make(STORE_ROOM_PREFIX, seat->entering->room_id);
        values[made->count][0] = DB_TEXT(str_of(seat->entering->room_id));
        values[made->count][1] = DB_NUM(CHATROOM);
        values[made->count][2] = DB_TEXT(seat->entering->room);
        made->seats[made->count++] = seat;
    }
    return made->count ? db_many(entry->store->db, SQL_ADD_ROOM, values[0], made->count, 3) : ERR_OK;
}

static enum err make_users(struct entry *entry, struct needed *made)
{
    struct db_value values[STORE_ENTER_MAX][4];
    made->count = 0;
    for (size_t i = 0; i < entry->count; i++) {
        struct seat *seat = &entry->seats[i];
        if (!enters(seat) || seat->entering->user || seat->same_nick != i)
            continue;
        id_make(STORE_USER_PREFIX, seat->entering->user_id);
        values[made->count][0] = DB_TEXT(str_of(seat->entering->user_id));
        values[made->count][1] = DB_NUM(CHATROOM);
        values[made->count][2] = DB_TEXT(seat->entering->nick);
        values[made->count][3] = DB_TEXT(head_of(entry, i));
        made->seats[made->count++] = seat;
    }
    return made->count ? db_many(entry->store->db, SQL_ADD_USER, values[0], made->count, 4) : ERR_OK;
}

/* Of users who were there before; one statement each, because a head rarely changes. */
static enum err set_heads(struct entry *entry)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < entry->count; i++) {
        struct seat *seat = &entry->seats[i];
        bool last = true;
        for (size_t j = i + 1; j < entry->count; j++)
            last &= !enters(&entry->seats[j]) || entry->seats[j].same_nick != seat->same_nick;
        if (!enters(seat) || !last || seat->same_head)
            continue;
        struct db_value values[] = {DB_TEXT(seat->entering->head), DB_NUM(seat->entering->user)};
        err = db_query(entry->store->db, SQL_SET_HEAD, values, 2, NULL, NULL);
    }
    return err;
}

static bool is_repeated(const struct entry *entry, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (enters(&entry->seats[j]) && entry->seats[j].same_room == entry->seats[i].same_room &&
            entry->seats[j].same_nick == entry->seats[i].same_nick)
            return true;
    return false;
}

static int by_conversation(const void *a, const void *b)
{
    uint64_t left = ((const struct db_value *)a)->number, right = ((const struct db_value *)b)->number;
    return left < right ? -1 : left > right;
}

/* In order of conversation, as the journal locks them: the foreign key locks them too. */
static enum err make_members(struct entry *entry)
{
    struct db_value values[STORE_ENTER_MAX][2];
    size_t count = 0;
    for (size_t i = 0; i < entry->count; i++) {
        const struct seat *seat = &entry->seats[i];
        if (!enters(seat) || seat->is_member || is_repeated(entry, i))
            continue;
        values[count][0] = DB_NUM(seat->entering->conversation);
        values[count++][1] = DB_NUM(seat->entering->user);
    }
    qsort(values, count, sizeof values[0], by_conversation);
    return count ? db_many(entry->store->db, SQL_ADD_MEMBER, values[0], count, 2) : ERR_OK;
}

/* The numbers of what was just made. One row's number comes with its insert; those of several are looked up. */
static enum err learn(struct entry *entry, const struct needed *rooms, uint64_t room, const struct needed *users,
                      uint64_t user)
{
    if (entry->count > 1)
        return rooms->count || users->count ? look(entry) : ERR_OK;
    if (rooms->count)
        rooms->seats[0]->entering->conversation = room;
    if (users->count) {
        users->seats[0]->entering->user = user;
        users->seats[0]->same_head = true;
    }
    return ERR_OK;
}

static enum err make(struct entry *entry)
{
    struct needed rooms, users;
    enum err err = make_rooms(entry, &rooms);
    uint64_t room = db_insert_id(entry->store->db);
    if (!err)
        err = make_users(entry, &users);
    uint64_t user = db_insert_id(entry->store->db);
    if (!err)
        err = learn(entry, &rooms, room, &users, user);
    if (!err)
        err = make_members(entry);
    return err ? err : set_heads(entry); /* last: who holds a user's row waits for no conversation's */
}

/* ---- all of it ---- */

/* Two at once may both find room for one more: it is a bound, not a number. */
static void refuse_too_many(struct entry *entry)
{
    for (size_t i = 0; i < entry->count; i++) {
        struct seat *seat = &entry->seats[i];
        if (enters(seat) && entry->rooms_max && !seat->is_member && seat->member_of >= (uint64_t)entry->rooms_max)
            seat->entering->err = ERR_TOO_BIG;
    }
}

static bool all_there(const struct entry *entry)
{
    for (size_t i = 0; i < entry->count; i++)
        if (enters(&entry->seats[i]) && (!entry->seats[i].is_member || !entry->seats[i].same_head))
            return false;
    return true;
}

static enum err enter_once(struct entry *entry)
{
    struct db *db = entry->store->db;
    for (size_t i = 0; i < entry->count; i++)
        entry->seats[i].entering->err = ERR_OK;
    enum err err = look(entry);
    if (err)
        return err;
    refuse_too_many(entry);
    if (all_there(entry))
        return ERR_OK;
    find_same_names(entry);
    err = db_begin(db);
    if (err)
        return err;
    err = make(entry);
    if (!err)
        return db_commit(db);
    db_rollback(db);
    return err;
}

enum err store_enter(struct store *store, struct store_entering *entering, size_t count, int64_t rooms_max)
{
    CG_ASSERT(count && count <= STORE_ENTER_MAX);
    struct entry *entry = mem_zalloc(sizeof *entry);
    struct store_tries tries = {0};
    enum err err;
    *entry = (struct entry){.store = store, .count = count, .rooms_max = rooms_max};
    for (size_t i = 0; i < count; i++) {
        CG_ASSERT(entering[i].head.len <= STORE_HEAD_MAX && entering[i].room.len <= STORE_NAME_MAX);
        CG_ASSERT(entering[i].nick.len <= STORE_NAME_MAX && entering[i].address.len < 48);
        entry->seats[i].entering = &entering[i];
    }
    do {
        err = enter_once(entry);
        if (err == ERR_DUPLICATE)
            err = ERR_RETRY; /* somebody else made one of the names */
    } while (store_again(&tries, &err));
    free(entry);
    return err;
}
