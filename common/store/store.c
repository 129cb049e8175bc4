#include "common/store/store.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/store/store_authors.h"
#include "common/store/store_sql.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const struct store_statement core_rows[] = {
    {SQL_COUNT_ROOMS, "SELECT COUNT(*) FROM conversation WHERE kind = 1"},
    {SQL_ROOM_NAME, "SELECT name FROM conversation WHERE public_id = ? AND kind = 1"},
    {SQL_USER_NAME, "SELECT " STORE_SHOWN " FROM user u" STORE_SHOWN_OF " WHERE u.public_id = ? AND u.realm IN (1, 5)"},
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
    &store_read_statements,
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
    &store_app_event_statements,
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

bool store_was_refused(const struct store *store)
{
    return db_was_refused(store->db);
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

void store_pin(struct store *store)
{
    db_pin(store->db);
}

enum err store_pin_now(struct store *store)
{
    return db_pin_now(store->db);
}

void store_unpin(struct store *store)
{
    db_unpin(store->db);
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

enum err store_epoch(struct store *store, uint64_t *epoch)
{
    *epoch = 0;
    enum err err = db_query(store->db, SQL_EPOCH, NULL, 0, store_on_number, epoch);
    return !err && !*epoch ? ERR_INTERNAL : err;
}
