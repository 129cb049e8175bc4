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
                     " m.created_at, UTC_TIMESTAMP(3)) DIV 1000), 366 * 24 * 3600000) AS UNSIGNED),"
                     " COALESCE(d.gone, 0) FROM media m"
                     " LEFT JOIN media_doubt d ON d.name = m.name WHERE m.name > ? ORDER BY m.name LIMIT 5000"},
    {SQL_MEDIA_MESSAGES, "SELECT conversation, seq, IF(content REGEXP '[0-9a-f]{32}[.]', content, ''),"
                         " IF(extra REGEXP '[0-9a-f]{32}[.]', extra, '')"
                         " FROM message FORCE INDEX (PRIMARY)"
                         " WHERE conversation > ? OR (conversation = ? AND seq > ?)"
                         " ORDER BY conversation, seq LIMIT 5000"},
    {SQL_MEDIA_AVATARS, "SELECT user, avatar FROM customer WHERE user > ? ORDER BY user LIMIT 5000"},
    {SQL_MEDIA_USERS, "SELECT user, face, COALESCE(meta, '') FROM app_user WHERE user > ? ORDER BY user LIMIT 5000"},
    {SQL_MEDIA_CONVERSATIONS, "SELECT conversation, COALESCE(meta, '') FROM app_conversation WHERE conversation > ?"
                              " ORDER BY conversation LIMIT 5000"},
    {SQL_REMOVE_MEDIA, "DELETE m, d, o FROM media m LEFT JOIN media_doubt d ON d.name = m.name"
                       " LEFT JOIN media_owner o ON o.name = m.name WHERE m.name = ?"},
    {SQL_OWN_MEDIA, "INSERT INTO media_owner (owner, name) VALUES (?, ?)"},
    {SQL_GONE_MEDIA, "SELECT d.name FROM media_doubt d JOIN media m ON m.name = d.name WHERE d.name > ? AND d.gone = 1"
                     " ORDER BY d.name LIMIT 1"},
};

const struct store_statements store_media_statements = STORE_STATEMENTS(rows);

/* ---- the sum ---- */

static const char sum_sql[] = "UPDATE meta SET value = (SELECT COALESCE(SUM(bytes), 0) FROM media) "
                              "WHERE name = 'media_bytes'";

/* The sum's row is made at its first use. The statement locks it, even if it existed. */
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
    return store_end(store, err);
}

enum err store_media_recount(struct store *store, uint64_t *bytes)
{
    enum err err = ERR_RETRY;
    for (int attempt = 0; err == ERR_RETRY && attempt < ATTEMPTS; attempt++)
        err = recount_once(store, bytes);
    return err;
}

/* ---- adding and removing ---- */

static enum err add_once(struct store *store, struct str name, struct str kind, uint64_t bytes, uint64_t quota,
                         uint64_t owner)
{
    struct db_value own[] = {DB_NUM(owner), DB_TEXT(name)};
    struct db_value sum[] = {DB_NUM(bytes), DB_NUM(bytes), DB_NUM(quota)};
    struct db_value row[] = {DB_TEXT(name), DB_TEXT(kind), DB_NUM(bytes)};
    enum err err = db_begin(store->db);
    if (!err)
        err = db_query(store->db, SQL_TAKE_MEDIA_BYTES, sum, 3, NULL, NULL);
    if (!err && !db_affected(store->db))
        err = ERR_TOO_BIG;
    if (!err)
        err = db_query(store->db, SQL_ADD_MEDIA, row, 3, NULL, NULL);
    if (!err && owner)
        err = db_query(store->db, SQL_OWN_MEDIA, own, 2, NULL, NULL);
    return store_end(store, err);
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

enum err store_media_add(struct store *store, struct str name, struct str kind, uint64_t bytes, uint64_t quota,
                         uint64_t owner)
{
    CG_ASSERT(media_name_ok(name) && kind.len <= STORE_MEDIA_KIND_MAX && bytes);
    enum err err = ERR_RETRY;
    for (int attempt = 0; err == ERR_RETRY && attempt < ATTEMPTS; attempt++) {
        err = add_once(store, name, kind, bytes, quota, owner);
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

static void on_gone(void *arg, const struct db_value *c)
{
    store_copy(arg, MEDIA_NAME_MAX + 1, c[0].text);
}

enum err store_media_gone(struct store *store, struct str after, char name[MEDIA_NAME_MAX + 1])
{
    *name = '\0';
    return db_query(store->db, SQL_GONE_MEDIA, &DB_TEXT(after), 1, on_gone, name);
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
    listing->fn(listing->arg, c[0].text, c[1].number, (int64_t)c[2].number, c[3].number);
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
    uint64_t conversation, seq; /* the last message seen */
    uint64_t key;               /* the last row seen of another table, by its key, whose columns then are texts: */
    size_t columns;
    unsigned rows; /* of this page */
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
    say_text(texts, c[3].is_null ? STR("") : c[3].text);
}

static void on_row(void *arg, const struct db_value *c)
{
    struct texts *texts = arg;
    texts->key = c[0].number;
    texts->rows++;
    for (size_t i = 1; i <= texts->columns; i++)
        say_text(texts, c[i].text);
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
    static const struct {
        enum statement sql;
        size_t columns;
    } others[] = {{SQL_MEDIA_AVATARS, 1}, {SQL_MEDIA_USERS, 2}, {SQL_MEDIA_CONVERSATIONS, 1}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        texts.key = 0;
        texts.columns = others[i].columns;
        do {
            struct db_value after = DB_NUM(texts.key);
            texts.rows = 0;
            if (!err)
                err = db_query(store->db, others[i].sql, &after, 1, on_row, &texts);
        } while (!err && texts.rows == PAGE);
    }
    return err;
}
