#include "common/store.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/store_sql.h"

#include <pthread.h>
#include <stdio.h>

enum { CHATROOM = 1 }; /* conversation.kind and user.realm */

static const struct store_statement core_rows[] = {
    {SQL_ENTRY, "SELECT c.id, c.public_id, u.id, u.public_id, u.head_num, m.user"
                " FROM (SELECT 1 AS one) AS one"
                " LEFT JOIN conversation c ON c.kind = 1 AND c.name = ?"
                " LEFT JOIN user u ON u.realm = 1 AND u.name = ?"
                " LEFT JOIN member m ON m.conversation = c.id AND m.user = u.id"},
    {SQL_ADD_ROOM, "INSERT INTO conversation (public_id, kind, name, created_at)"
                   " VALUES (?, ?, ?, UTC_TIMESTAMP(3))"},
    {SQL_ADD_USER, "INSERT INTO user (public_id, realm, name, head_num, created_at)"
                   " VALUES (?, ?, ?, ?, UTC_TIMESTAMP(3))"},
    {SQL_SET_HEAD, "UPDATE user SET head_num = ? WHERE id = ?"},
    {SQL_ADD_MEMBER, "INSERT INTO member (conversation, user, joined_at)"
                     " VALUES (?, ?, UTC_TIMESTAMP(3))"},
    {SQL_COUNT_MINE, "SELECT COUNT(*) FROM member WHERE user = ?"},
    {SQL_COUNT_ROOMS, "SELECT COUNT(*) FROM conversation WHERE kind = 1"},
    {SQL_ROOM_NAME, "SELECT name FROM conversation WHERE public_id = ? AND kind = 1"},
    {SQL_USER_NAME, "SELECT name FROM user WHERE public_id = ? AND realm = 1"},
    {SQL_PLACE, "SELECT c.id, c.seq, u.id, u.name, u.head_num, m.user"
                " FROM (SELECT 1 AS one) AS one"
                " LEFT JOIN conversation c ON c.public_id = ? AND c.kind = 1"
                " LEFT JOIN user u ON u.public_id = ? AND u.realm = 1"
                " LEFT JOIN member m ON m.conversation = c.id AND m.user = u.id"},
    {SQL_READ_FORWARD, "SELECT " STORE_MESSAGE_COLUMNS " FROM message"
                       " WHERE conversation = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?"},
    {SQL_READ_LATEST, "SELECT * FROM (SELECT " STORE_MESSAGE_COLUMNS " FROM message"
                      " WHERE conversation = ? AND seq > ? AND seq < ?"
                      " ORDER BY seq DESC LIMIT ?) AS latest ORDER BY seq"},
    {SQL_EPOCH, "SELECT CAST(value AS UNSIGNED) FROM meta WHERE name = 'epoch'"},
    {SQL_FIND_CLIENT, "SELECT seq, CAST(ROUND(UNIX_TIMESTAMP(created_at) * 1000) AS UNSIGNED), kind"
                      " FROM message WHERE conversation = ? AND sender = ? AND client_id = ?"},
    {SQL_FIND_BATCH, "SELECT batch_id FROM message WHERE conversation = ? AND seq = ?"},
    {SQL_ADD_MESSAGE, "INSERT INTO message (conversation, seq, sender, client_id, batch_id, kind,"
                      " sender_name, content, sent_at, created_at, audience)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
    {SQL_SET_SEQ, "UPDATE conversation SET seq = ? WHERE id = ?"},
};

static const struct store_statements core_statements = STORE_STATEMENTS(core_rows);

static const struct store_statements *const tables[] = {
    &core_statements,
    &store_pair_statements,
    &store_customer_statements,
    &store_media_statements,
    &store_seats_statements,
    &store_login_statements,
    &store_friends_statements,
    &store_spaces_statements,
    &store_io_statements,
    &store_native_statements,
    &store_revise_statements,
    &store_sanctions_statements,
};

static const char *statements[SQL_COUNT];

static void collect_statements(void)
{
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (size_t i = 0; i < tables[t]->count; i++)
            statements[tables[t]->rows[i].id] = tables[t]->rows[i].text;
    for (size_t i = 0; i < SQL_COUNT; i++)
        CG_ASSERT(statements[i]);
}

struct store *store_new(const struct settings *settings)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct store *store = mem_zalloc(sizeof *store);
    pthread_once(&once, collect_statements);
    store->db = db_new(settings, statements, SQL_COUNT);
    return store;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    db_free(store->db);
    free(store);
}

const char *store_error(const struct store *store)
{
    return db_error(store->db);
}

static void take_number(void *arg, const struct db_value *columns)
{
    *(uint64_t *)arg = columns[0].number;
}

enum err store_ready(struct store *store, char why[256])
{
    uint64_t version = 0;
    enum err err = db_connect(store->db);
    if (err) {
        snprintf(why, 256, "cannot use the database: %.180s", db_error(store->db));
        return err;
    }
    err = db_run(store->db, "SELECT MAX(version) FROM schema_migration", take_number, &version);
    if (err == ERR_DOWN) {
        snprintf(why, 256, "cannot use the database: %.180s", db_error(store->db));
        return err;
    }
    if (!err && version == STORE_SCHEMA_VERSION)
        return ERR_OK;
    snprintf(why, 256,
             "the database has schema version %llu, this program needs %d: run chaguan migrate",
             (unsigned long long)version, STORE_SCHEMA_VERSION);
    return ERR_INVALID;
}

void store_refresh(struct store *store)
{
    db_refresh(store->db);
}

bool store_is_connected(const struct store *store)
{
    return db_is_connected(store->db);
}

enum err store_ping(struct store *store)
{
    return db_run(store->db, "SELECT 1", NULL, NULL);
}

/* ---- entering a chatroom ---- */

struct found {
    uint64_t room, user;
    bool has_room, has_user, is_member, same_head;
    struct str head; /* the head asked for */
    struct store_entry *entry;
};

static void copy_id(char out[ID_MAX], struct str text)
{
    snprintf(out, ID_MAX, "%.*s", (int)text.len, text.ptr);
}

static void on_entry(void *arg, const struct db_value *c)
{
    struct found *found = arg;
    found->has_room = !c[0].is_null;
    found->has_user = !c[2].is_null;
    found->is_member = !c[5].is_null;
    found->room = c[0].number;
    found->user = c[2].number;
    if (found->has_room)
        copy_id(found->entry->room_id, c[1].text);
    if (found->has_user) {
        copy_id(found->entry->user_id, c[3].text);
        found->same_head = str_eq(c[4].text, found->head);
    }
}

/* A unique key decides between two who make the same thing at once: the loser finds the winner's. */
static enum err add_unless_there(struct store *store, enum statement sql,
                                 const struct db_value *params, size_t count)
{
    enum err err = db_query(store->db, sql, params, count, NULL, NULL);
    return err == ERR_DUPLICATE ? ERR_OK : err;
}

/* Two at once may both find room for one more: it is a bound, not a number. */
static enum err check_rooms(struct store *store, uint64_t user, int64_t most)
{
    uint64_t count = 0;
    enum err err = db_query(store->db, SQL_COUNT_MINE, &DB_NUM(user), 1, take_number, &count);
    return !err && count >= (uint64_t)most ? ERR_TOO_BIG : err;
}

static enum err enter_once(struct store *store, struct str room, struct str nick, int64_t rooms_max,
                           struct found *found)
{
    struct db_value names[] = {DB_TEXT(room), DB_TEXT(nick)};
    enum err err = db_query(store->db, SQL_ENTRY, names, 2, on_entry, found);
    char id[ID_MAX];
    if (!err && !found->has_room) {
        id_make(STORE_ROOM_PREFIX, id);
        struct db_value row[] = {DB_TEXT(str_of(id)), DB_NUM(CHATROOM), DB_TEXT(room)};
        err = add_unless_there(store, SQL_ADD_ROOM, row, 3);
    }
    if (!err && !found->has_user) {
        id_make(STORE_USER_PREFIX, id);
        struct db_value row[] = {DB_TEXT(str_of(id)), DB_NUM(CHATROOM), DB_TEXT(nick),
                                 DB_TEXT(found->head)};
        err = add_unless_there(store, SQL_ADD_USER, row, 4);
    }
    if (!err && (!found->has_room || !found->has_user))
        err = db_query(store->db, SQL_ENTRY, names, 2, on_entry, found);
    if (!err && (!found->has_room || !found->has_user))
        err = ERR_INTERNAL;
    if (!err && !found->same_head) {
        struct db_value row[] = {DB_TEXT(found->head), DB_NUM(found->user)};
        err = db_query(store->db, SQL_SET_HEAD, row, 2, NULL, NULL);
    }
    if (!err && !found->is_member && rooms_max)
        err = check_rooms(store, found->user, rooms_max);
    if (!err && !found->is_member) {
        struct db_value row[] = {DB_NUM(found->room), DB_NUM(found->user)};
        err = add_unless_there(store, SQL_ADD_MEMBER, row, 2);
    }
    return err;
}

enum err store_enter(struct store *store, struct str room, struct str nick, struct str head, int64_t rooms_max,
                     struct store_entry *entry)
{
    enum err err = ERR_RETRY;
    CG_ASSERT(head.len <= STORE_HEAD_MAX);
    for (int attempt = 0; err == ERR_RETRY && attempt < 5; attempt++) {
        struct found found = {.head = head, .entry = entry};
        err = enter_once(store, room, nick, rooms_max, &found);
        entry->conversation = found.room;
        entry->user = found.user;
    }
    return err;
}

enum err store_count_rooms(struct store *store, uint64_t *count)
{
    *count = 0;
    return db_query(store->db, SQL_COUNT_ROOMS, NULL, 0, take_number, count);
}

struct name_row {
    struct buf *name;
    bool found;
};

static void on_name(void *arg, const struct db_value *columns)
{
    struct name_row *row = arg;
    row->found = true;
    buf_add_str(row->name, columns[0].text);
}

static enum err name_of(struct store *store, enum statement sql, struct str id, struct buf *name)
{
    struct name_row row = {.name = name};
    enum err err = db_query(store->db, sql, &DB_TEXT(id), 1, on_name, &row);
    return !err && !row.found ? ERR_NOT_FOUND : err;
}

enum err store_room_name(struct store *store, struct str room_id, struct buf *name)
{
    if (!id_is(room_id, STORE_ROOM_PREFIX))
        return ERR_NOT_FOUND;
    return name_of(store, SQL_ROOM_NAME, room_id, name);
}

enum err store_user_name(struct store *store, struct str user_id, struct buf *name)
{
    if (!id_is(user_id, STORE_USER_PREFIX))
        return ERR_NOT_FOUND;
    return name_of(store, SQL_USER_NAME, user_id, name);
}

struct place_row {
    struct store_place *place;
    bool has_user, has_room;
};

static void on_place(void *arg, const struct db_value *c)
{
    struct place_row *row = arg;
    struct store_place *place = row->place;
    row->has_room = !c[0].is_null;
    row->has_user = !c[2].is_null;
    place->conversation = c[0].number;
    place->seq = c[1].number;
    place->user = c[2].number;
    place->is_member = !c[5].is_null;
    if (!row->has_user)
        return;
    CG_ASSERT(c[3].text.len <= STORE_NAME_MAX && c[4].text.len <= STORE_HEAD_MAX);
    memcpy(place->user_name, c[3].text.ptr, c[3].text.len);
    place->user_name_len = c[3].text.len;
    memcpy(place->head, c[4].text.ptr, c[4].text.len);
}

enum err store_place(struct store *store, struct str room_id, struct str user_id,
                     struct store_place *place, int *missing)
{
    *place = (struct store_place){0};
    struct place_row row = {.place = place};
    struct db_value ids[] = {DB_TEXT(id_is(room_id, STORE_ROOM_PREFIX) ? room_id : STR("")),
                             DB_TEXT(id_is(user_id, STORE_USER_PREFIX) ? user_id : STR(""))};
    enum err err = db_query(store->db, SQL_PLACE, ids, 2, on_place, &row);
    *missing = (row.has_user ? 0 : STORE_NO_USER) | (row.has_room ? 0 : STORE_NO_ROOM);
    return !err && *missing ? ERR_NOT_FOUND : err;
}

/* ---- reading messages ---- */

void store_on_message(void *arg, const struct db_value *c)
{
    struct store_reading *reading = arg;
    struct message message = {
        .conversation = reading->conversation,
        .seq = c[0].number,
        .sender = c[1].number,
        .kind = (enum message_kind)c[2].number,
        .sender_name = c[3].text,
        .content = c[4].text,
        .sent_at = c[5].text,
        .at_ms = (int64_t)c[6].number,
        .client_id = c[7].text,
        .audience = c[8].text,
        .revised_by = c[9].number,
        .recalled = c[10].number,
    };
    if (message.recalled) {
        message.kind = MESSAGE_TEXT;
        message.content = STR(MESSAGE_RECALLED_TEXT);
    }
    reading->fn(reading->arg, &message);
}

enum err store_read(struct store *store, const struct store_range *range, store_message_fn *fn,
                    void *arg)
{
    struct store_reading reading = {range->conversation, fn, arg};
    struct db_value params[] = {DB_NUM(range->conversation), DB_NUM(range->after),
                                DB_NUM(range->before), DB_NUM(range->limit)};
    return db_query(store->db, range->latest ? SQL_READ_LATEST : SQL_READ_FORWARD, params, 4,
                    store_on_message, &reading);
}

struct tails {
    store_tail_fn *fn;
    void *arg;
};

static void on_tail(void *arg, const struct db_value *columns)
{
    struct tails *tails = arg;
    tails->fn(tails->arg, columns[0].number, columns[1].number);
}

enum err store_tails(struct store *store, const uint64_t *conversations, size_t count,
                     store_tail_fn *fn, void *arg)
{
    if (!count)
        return ERR_OK;
    struct buf sql;
    struct tails tails = {fn, arg};
    buf_init(&sql, 64 + count * 21);
    buf_add_text(&sql, "SELECT id, seq FROM conversation WHERE id IN (");
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(&sql, ',');
        buf_add_u64(&sql, conversations[i]);
    }
    buf_add(&sql, ")", 2); /* with the NUL */
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_tail, &tails);
    buf_fini(&sql);
    return err;
}

enum err store_epoch(struct store *store, uint64_t *epoch)
{
    *epoch = 0;
    enum err err = db_query(store->db, SQL_EPOCH, NULL, 0, take_number, epoch);
    return !err && !*epoch ? ERR_INTERNAL : err;
}
