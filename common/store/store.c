#include "common/store/store.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/store/store_authors.h"
#include "common/store/store_passing.h"
#include "common/store/store_sql.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const struct store_statement core_rows[] = {
    {SQL_COUNT_ROOMS, "SELECT COUNT(*) FROM conversation WHERE kind = 1"},
    {SQL_ROOM_NAME, "SELECT name FROM conversation WHERE public_id = ? AND kind = 1"},
    {SQL_USER_NAME, "SELECT " STORE_SHOWN " FROM user u" STORE_SHOWN_OF " WHERE u.public_id = ? AND u.realm IN (1, 5)"},
    {SQL_READ_FORWARD, "SELECT " STORE_MESSAGE_COLUMNS " FROM message"
                       " WHERE conversation = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?"},
    {SQL_READ_LATEST, "SELECT * FROM (SELECT " STORE_MESSAGE_COLUMNS " FROM message"
                      " WHERE conversation = ? AND seq > ? AND seq < ?"
                      " ORDER BY seq DESC LIMIT ?) AS latest ORDER BY seq"},
    {SQL_READ_FORWARD_BY,
     "SELECT r.*, " STORE_AUTHOR_COLUMNS " FROM (SELECT " STORE_MESSAGE_COLUMNS " FROM message"
     " WHERE conversation = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?) AS r" STORE_AUTHORS_OF " ORDER BY r.seq"},
    {SQL_READ_LATEST_BY, "SELECT r.*, " STORE_AUTHOR_COLUMNS " FROM (SELECT " STORE_MESSAGE_COLUMNS " FROM message"
                         " WHERE conversation = ? AND seq > ? AND seq < ?"
                         " ORDER BY seq DESC LIMIT ?) AS r" STORE_AUTHORS_OF " ORDER BY r.seq"},
    {SQL_EPOCH, "SELECT CAST(value AS UNSIGNED) FROM meta WHERE name = 'epoch'"},
    {SQL_FIND_BATCH, "SELECT batch_id FROM message WHERE conversation = ? AND seq = ?"},
    {SQL_ADD_MESSAGE, "INSERT INTO message (conversation, seq, sender, client_id, batch_id, kind,"
                      " sender_name, content, sent_text, created_at, audience, extra)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
    {SQL_SET_SEQ, "UPDATE conversation SET seq = ?, last_at = ?, feed_stream = ?, feed_pos = ? WHERE id = ?"},
};

static const struct store_statements core_statements = STORE_STATEMENTS(core_rows);

static const struct store_statements *const tables[] = {
    &core_statements,
    &store_join_statements,
    &store_memberships_statements,
    &store_pair_statements,
    &store_customer_statements,
    &store_media_statements,
    &store_said_statements,
    &store_life_statements,
    &store_admission_statements,
    &store_login_statements,
    &store_friends_statements,
    &store_spaces_statements,
    &store_io_statements,
    &store_native_statements,
    &store_revise_statements,
    &store_reaction_statements,
    &store_sanctions_statements,
    &store_rights_statements,
    &store_app_user_statements,
    &store_keys_statements,
    &store_app_conversation_statements,
    &store_app_erase_statements,
    &store_idempotency_statements,
    &store_feed_statements,
    &store_accounts_statements,
    &store_export_statements,
    &store_import_statements,
    &store_search_statements,
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
    store->chatroom_realm = settings_doors_closed(settings) ? REALM_APP : REALM_CHATROOM;
    store->db = db_new(settings, statements, SQL_COUNT);
    store->feed.on = settings->feed;
    store->feed.rows_max = (uint64_t)settings->feed_rows_max;
    return store;
}

void store_free(struct store *store)
{
    if (!store)
        return;
    db_free(store->db);
    store_authors_free(store->authors);
    free(store);
}

const char *store_error(const struct store *store)
{
    return db_error(store->db);
}

enum err store_ready(struct store *store, char why[256])
{
    uint64_t version = 0;
    enum err err = db_connect(store->db);
    if (err) {
        snprintf(why, 256, "cannot use the database: %.180s", db_error(store->db));
        return err;
    }
    err = db_run(store->db, "SELECT MAX(version) FROM schema_migration", store_on_number, &version);
    if (err == ERR_DOWN) {
        snprintf(why, 256, "cannot use the database: %.180s", db_error(store->db));
        return err;
    }
    if (!err && version == STORE_SCHEMA_VERSION)
        return ERR_OK;
    if (!err && version > STORE_SCHEMA_VERSION)
        snprintf(why, 256, STORE_NEWER, (unsigned long long)version, STORE_SCHEMA_VERSION);
    else
        snprintf(why, 256, "the database has schema version %llu, this program needs %d: run chaguan migrate",
                 (unsigned long long)version, STORE_SCHEMA_VERSION);
    return ERR_INVALID;
}

void store_refresh(struct store *store)
{
    db_refresh(store->db);
}

uint64_t store_connection(const struct store *store)
{
    return db_connection(store->db);
}

uint64_t store_latest_connection(void)
{
    return db_latest_connection();
}

uint64_t store_writes(const struct store *store)
{
    return db_writes(store->db);
}

bool store_is_connected(const struct store *store)
{
    return db_is_connected(store->db);
}

enum err store_ping(struct store *store)
{
    return db_run(store->db, "SELECT 1", NULL, NULL);
}

/* ---- chatrooms ---- */

enum err store_count_rooms(struct store *store, uint64_t *count)
{
    *count = 0;
    return db_query(store->db, SQL_COUNT_ROOMS, NULL, 0, store_on_number, count);
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

/* ---- reading messages ---- */

/* JSON that begins like this, else `instead`: encoders cut its beginning or its end off. */
static struct str begun(struct str content, const char *begin, const char *instead)
{
    size_t len = strlen(begin);
    content = store_json(content, instead);
    return content.len > len && !memcmp(content.ptr, begin, len) ? content : str_of(instead);
}

/* What goes into frames as it is, of rows that are not ours: a transfer of nothing, an event that nobody listens to, a
 * change of no message. */
static struct str raw_of(enum message_kind kind, struct str content)
{
    if (kind == MESSAGE_TRANSFER)
        return begun(content, "{\"", "null");
    if (kind == MESSAGE_EVENT)
        return begun(content, "[\"", "[\"unreadable\"]");
    return message_has_of(kind) ? begun(content, "{\"", "{\"of\":0}") : content;
}

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
        .batch = c[11].number,
        .extra = c[12].text,
    };
    message.content = raw_of(message.kind, message.content);
    if (reading->authors)
        store_author_of(c + reading->authors, &message.author_id, &message.author_face);
    if (message.recalled) {
        message.kind = MESSAGE_TEXT;
        message.content = STR(MESSAGE_RECALLED_TEXT);
    }
    reading->fn(reading->arg, &message);
}

enum err store_read(struct store *store, const struct store_range *range, store_message_fn *fn, void *arg)
{
    struct store_reading reading = {range->conversation, range->authors ? STORE_MESSAGE_COLUMN_COUNT : 0, fn, arg};
    struct db_value params[] = {DB_NUM(range->conversation), DB_NUM(range->after), DB_NUM(range->before),
                                DB_NUM(range->limit)};
    if (range->said)
        return store_passing_read_said(store, range, fn, arg);
    enum statement sql = range->latest ? SQL_READ_LATEST : SQL_READ_FORWARD;
    if (range->authors)
        sql = range->latest ? SQL_READ_LATEST_BY : SQL_READ_FORWARD_BY;
    return db_query(store->db, sql, params, 4, store_on_message, &reading);
}

struct ranged {
    const struct store_range *ranges;
    size_t count;
    bool authors;
    store_ranged_fn *fn;
    void *arg;
};

static void on_ranged(void *arg, const struct message *message)
{
    const struct ranged *ranged = arg;
    for (size_t i = 0; i < ranged->count; i++) {
        const struct store_range *range = &ranged->ranges[i];
        if (range->conversation == message->conversation && range->after < message->seq && message->seq < range->before)
            ranged->fn(ranged->arg, i, message);
    }
}

static void on_ranged_row(void *arg, const struct db_value *columns)
{
    const struct ranged *ranged = arg;
    struct store_reading reading = {columns[STORE_MESSAGE_COLUMN_COUNT].number,
                                    ranged->authors ? STORE_MESSAGE_COLUMN_COUNT + 1 : 0, on_ranged, arg};
    store_on_message(&reading, columns);
}

/* Whether somebody before it wants the same: those who were away together missed the same. */
static bool is_repeated(const struct store_range *ranges, size_t i)
{
    const struct store_range *range = &ranges[i];
    for (size_t j = 0; j < i; j++)
        if (ranges[j].conversation == range->conversation && ranges[j].after == range->after &&
            ranges[j].before == range->before)
            return true;
    return false;
}

static bool wants_authors(const struct store_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ranges[i].authors)
            return true;
    return false;
}

enum err store_read_ranges(struct store *store, const struct store_range *ranges, size_t count, store_ranged_fn *fn,
                           void *arg)
{
    static const char with[] = "SELECT r.*, " STORE_AUTHOR_COLUMNS " FROM (";
    static const char select[] = "SELECT " STORE_MESSAGE_COLUMNS ", conversation FROM message FORCE INDEX (PRIMARY)";
    static const char order[] = " ORDER BY conversation, seq";
    static const char order_with[] = ") AS r" STORE_AUTHORS_OF " ORDER BY r.conversation, r.seq";
    struct ranged ranged = {ranges, count, wants_authors(ranges, count), fn, arg};
    struct buf sql;
    if (!count)
        return ERR_OK;
    buf_init(&sql, sizeof with + sizeof select + sizeof order + sizeof order_with + count * 120);
    if (ranged.authors)
        buf_add_text(&sql, with);
    buf_add_text(&sql, select);
    for (size_t i = 0; i < count; i++)
        if (!is_repeated(ranges, i))
            buf_addf(&sql, " %s (conversation = %llu AND seq > %llu AND seq < %llu)", i ? "OR" : "WHERE",
                     (unsigned long long)ranges[i].conversation, (unsigned long long)ranges[i].after,
                     (unsigned long long)ranges[i].before);
    buf_add_text(&sql, ranged.authors ? order_with : order);
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_ranged_row, &ranged);
    buf_fini(&sql);
    return err;
}

enum err store_epoch(struct store *store, uint64_t *epoch)
{
    *epoch = 0;
    enum err err = db_query(store->db, SQL_EPOCH, NULL, 0, store_on_number, epoch);
    return !err && !*epoch ? ERR_INTERNAL : err;
}
