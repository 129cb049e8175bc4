#include "common/store/store_media.h"

#include "common/store/store_sql.h"

#include <stdio.h>

/* The sum of all files' bytes stands in meta as "media_bytes". Whoever changes it holds its row until the end of the
 * transaction, so rows of `media` and the sum change together. */

enum { PAGE = 5000, ATTEMPTS = 5 }; /* PAGE as in the statements */

static const struct store_statement rows[] = {
    {SQL_TAKE_MEDIA_BYTES, "UPDATE meta SET value = CAST(value AS UNSIGNED) + ?"
                           " WHERE name = 'media_bytes' AND CAST(value AS UNSIGNED) + ? <= ?"},
    {SQL_ADD_MEDIA, "INSERT INTO media (name, kind, bytes, created_at)"
                    " VALUES (?, ?, ?, UTC_TIMESTAMP(3))"},
    /* One that was spoken of by a message that is gone is as old as any setting wants it. */
    {SQL_LIST_MEDIA, "SELECT m.name, m.bytes, CAST(IF(d.name IS NULL, GREATEST(0, TIMESTAMPDIFF(MICROSECOND,"
                     " m.created_at, UTC_TIMESTAMP(3)) DIV 1000), 366 * 24 * 3600000) AS UNSIGNED) FROM media m"
                     " LEFT JOIN media_doubt d ON d.name = m.name WHERE m.name > ? ORDER BY m.name LIMIT 5000"},
    {SQL_MEDIA_MESSAGES, "SELECT conversation, seq, IF(content REGEXP '[0-9a-f]{32}[.]', content, '')"
                         " FROM message FORCE INDEX (PRIMARY)"
                         " WHERE conversation > ? OR (conversation = ? AND seq > ?)"
                         " ORDER BY conversation, seq LIMIT 5000"},
    {SQL_MEDIA_AVATARS, "SELECT user, avatar FROM customer WHERE user > ? ORDER BY user LIMIT 5000"},
    {SQL_REMOVE_MEDIA, "DELETE m, d FROM media m LEFT JOIN media_doubt d ON d.name = m.name WHERE m.name = ?"},
};

const struct store_statements store_media_statements = STORE_STATEMENTS(rows);

/* ---- the sum ---- */

static const char sum_sql[] = "UPDATE meta SET value = (SELECT COALESCE(SUM(bytes), 0) FROM media) "
                              "WHERE name = 'media_bytes'";

/* The sum's row is made by whoever needs it first. The statement locks it, also if it was there. */
static const char make_sql[] = "INSERT INTO meta (name, value) VALUES ('media_bytes', '0')"
                               " ON DUPLICATE KEY UPDATE value = value";
static const char look_sql[] = "SELECT CAST(value AS UNSIGNED) FROM meta WHERE name = 'media_bytes'";

static enum err recount_once(struct store *store, uint64_t *bytes)
{
    enum err err = db_begin(store->db);
    if (!err)
        err = db_run(store->db, make_sql, NULL, NULL);
    if (!err)
        err = db_run(store->db, sum_sql, NULL, NULL);
    if (!err)
        err = db_run(store->db, look_sql, store_on_number, bytes);
    if (!err)
        return db_commit(store->db);
    db_rollback(store->db);
    return err;
}

enum err store_media_recount(struct store *store, uint64_t *bytes)
{
    enum err err = ERR_RETRY;
    for (int attempt = 0; err == ERR_RETRY && attempt < ATTEMPTS; attempt++)
        err = recount_once(store, bytes);
    return err;
}

/* ---- adding and removing ---- */

static enum err add_once(struct store *store, struct str name, struct str kind, uint64_t bytes, uint64_t quota)
{
    struct db_value sum[] = {DB_NUM(bytes), DB_NUM(bytes), DB_NUM(quota)};
    struct db_value row[] = {DB_TEXT(name), DB_TEXT(kind), DB_NUM(bytes)};
    enum err err = db_begin(store->db);
    if (!err)
        err = db_query(store->db, SQL_TAKE_MEDIA_BYTES, sum, 3, NULL, NULL);
    if (!err && !db_affected(store->db))
        err = ERR_TOO_BIG;
    if (!err)
        err = db_query(store->db, SQL_ADD_MEDIA, row, 3, NULL, NULL);
    if (!err)
        return db_commit(store->db);
    db_rollback(store->db);
    return err;
}

/* Nothing was taken: is there no room, or no sum yet? */
static enum err why_full(struct store *store)
{
    uint64_t sum = UINT64_MAX;
    enum err err = db_run(store->db, look_sql, store_on_number, &sum);
    if (!err && sum != UINT64_MAX)
        return ERR_TOO_BIG;
    if (!err)
        err = store_media_recount(store, &sum);
    return err ? err : ERR_RETRY;
}

enum err store_media_add(struct store *store, struct str name, struct str kind, uint64_t bytes, uint64_t quota)
{
    CG_ASSERT(media_name_ok(name) && kind.len <= STORE_MEDIA_KIND_MAX && bytes);
    enum err err = ERR_RETRY;
    for (int attempt = 0; err == ERR_RETRY && attempt < ATTEMPTS; attempt++) {
        err = add_once(store, name, kind, bytes, quota);
        if (err == ERR_TOO_BIG)
            err = why_full(store);
    }
    return err;
}

enum err store_media_sum(struct store *store, uint64_t *bytes)
{
    *bytes = 0;
    return db_run(store->db, look_sql, store_on_number, bytes);
}

enum err store_media_remove(struct store *store, struct str name)
{
    enum err err = ERR_RETRY;
    for (int attempt = 0; err == ERR_RETRY && attempt < ATTEMPTS; attempt++)
        err = db_query(store->db, SQL_REMOVE_MEDIA, &DB_TEXT(name), 1, NULL, NULL);
    return err;
}

/* ---- reading all ---- */

struct listing {
    store_media_fn *fn;
    void *arg;
    char last[MEDIA_NAME_MAX + 32];
    unsigned rows; /* of this page */
};

static void on_media(void *arg, const struct db_value *c)
{
    struct listing *listing = arg;
    snprintf(listing->last, sizeof listing->last, "%.*s", (int)c[0].text.len, c[0].text.ptr);
    listing->rows++;
    listing->fn(listing->arg, c[0].text, c[1].number, (int64_t)c[2].number);
}

enum err store_media_list(struct store *store, store_media_fn *fn, void *arg)
{
    struct listing listing = {.fn = fn, .arg = arg};
    enum err err;
    do {
        char after[sizeof listing.last];
        memcpy(after, listing.last, sizeof after);
        listing.rows = 0;
        err = db_query(store->db, SQL_LIST_MEDIA, &DB_TEXT(str_of(after)), 1, on_media, &listing);
    } while (!err && listing.rows == PAGE);
    return err;
}

struct texts {
    store_media_text_fn *fn;
    void *arg;
    uint64_t conversation, seq, user; /* the last seen */
    unsigned rows;                    /* of this page */
};

static void say_text(const struct texts *texts, struct str text)
{
    if (text.len)
        texts->fn(texts->arg, text);
}

static void on_message(void *arg, const struct db_value *c)
{
    struct texts *texts = arg;
    texts->conversation = c[0].number;
    texts->seq = c[1].number;
    texts->rows++;
    say_text(texts, c[2].text);
}

static void on_avatar(void *arg, const struct db_value *c)
{
    struct texts *texts = arg;
    texts->user = c[0].number;
    texts->rows++;
    say_text(texts, c[1].text);
}

enum err store_media_texts(struct store *store, store_media_text_fn *fn, void *arg)
{
    struct texts texts = {.fn = fn, .arg = arg};
    enum err err;
    do {
        struct db_value after[] = {DB_NUM(texts.conversation), DB_NUM(texts.conversation), DB_NUM(texts.seq)};
        texts.rows = 0;
        err = db_query(store->db, SQL_MEDIA_MESSAGES, after, 3, on_message, &texts);
    } while (!err && texts.rows == PAGE);
    while (!err) {
        struct db_value after = DB_NUM(texts.user);
        texts.rows = 0;
        err = db_query(store->db, SQL_MEDIA_AVATARS, &after, 1, on_avatar, &texts);
        if (texts.rows != PAGE)
            break;
    }
    return err;
}
