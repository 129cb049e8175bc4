#include "common/store/store_authors.h"

#include "common/clock.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/store/store_sql.h"

#include <stdlib.h>

enum {
    KNOWN_MAX = 4096, /* users that are remembered; one more, and all are forgotten */
    FRESH_MS = 30000, /* how long what they are called and look like is believed */
};

struct author {
    bool is_app;
    int64_t asked_ms;
    uint32_t id_len, face_len;
    char texts[]; /* one behind the other */
};

struct store_authors {
    uint64_t epoch; /* in which their numbers are theirs */
    struct map by_user;
};

_Static_assert(REALM_APP == 5, "as STORE_AUTHORS_OF says");

static void forget_all(struct store_authors *authors)
{
    size_t at = 0;
    for (struct author *author; (author = map_next(&authors->by_user, &at));)
        free(author);
    map_fini(&authors->by_user);
    authors->by_user = (struct map){0};
}

void store_authors_free(struct store_authors *authors)
{
    if (authors)
        forget_all(authors);
    free(authors);
}

void store_author_of(const struct db_value *c, struct str *id, struct str *face)
{
    *id = c[0].is_null ? STR("") : c[0].text;
    *face = c[1].is_null ? STR("") : c[1].text;
    if (id->len && (unsigned char)id->ptr[0] < ' ') /* who is being erased has no id any more */
        *id = *face = STR("");
}

static void remember(struct store_authors *authors, uint64_t user, struct str id, struct str face, int64_t now_ms)
{
    struct author *author = mem_zalloc(sizeof *author + id.len + face.len);
    author->is_app = id.len;
    author->asked_ms = now_ms;
    author->id_len = (uint32_t)id.len;
    author->face_len = (uint32_t)face.len;
    if (id.len)
        memcpy(author->texts, id.ptr, id.len);
    if (face.len)
        memcpy(author->texts + id.len, face.ptr, face.len);
    free(map_take(&authors->by_user, user));
    map_put(&authors->by_user, user, author);
}

struct asking {
    struct store_authors *authors;
    int64_t now_ms;
};

static void on_author(void *arg, const struct db_value *c)
{
    const struct asking *asking = arg;
    struct str id, face;
    store_author_of(c + 1, &id, &face);
    remember(asking->authors, c[0].number, id, face, asking->now_ms);
}

static bool is_wanted(const struct store_post *post)
{
    return post->of_app && !post->err && !post->repeated && post->message.sender;
}

/* Those who are not known, for the statement that asks for them: what that does not find is no user of the application,
 * which nobody becomes later. */
static size_t gather(struct store_authors *authors, const struct store_post *posts, size_t count, int64_t now_ms,
                     struct buf *sql)
{
    size_t some = 0;
    if (authors->by_user.count + count > KNOWN_MAX)
        forget_all(authors);
    for (size_t i = 0; i < count; i++) {
        uint64_t user = posts[i].message.sender;
        if (!is_wanted(&posts[i]))
            continue;
        const struct author *author = map_get(&authors->by_user, user);
        if (author && (!author->is_app || now_ms - author->asked_ms < FRESH_MS))
            continue;
        remember(authors, user, STR(""), STR(""), now_ms);
        buf_addf(sql, "%s%llu", some++ ? "," : "", (unsigned long long)user);
    }
    return some;
}

static void name(const struct store_authors *authors, struct store_post *post)
{
    const struct author *author = is_wanted(post) ? map_get(&authors->by_user, post->message.sender) : NULL;
    if (!author || !author->is_app)
        return;
    post->message.author_id = (struct str){author->texts, author->id_len};
    post->message.author_face = (struct str){author->texts + author->id_len, author->face_len};
}

static bool any_of_app(const struct store_post *posts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_wanted(&posts[i]))
            return true;
    return false;
}

void store_authors_name(struct store *store, struct store_post *posts, size_t count)
{
    if (!any_of_app(posts, count))
        return;
    if (!store->authors)
        store->authors = mem_zalloc(sizeof *store->authors);
    struct asking asking = {store->authors, clock_mono_ms()};
    if (store->authors->epoch != store->last.epoch)
        forget_all(store->authors);
    store->authors->epoch = store->last.epoch;
    struct buf sql;
    buf_init(&sql, 256 + count * 24);
    buf_add_text(&sql, "SELECT u.id, " STORE_AUTHOR_COLUMNS " FROM user u LEFT JOIN app_user a ON a.user = u.id"
                       " WHERE u.realm = 5 AND u.id IN (");
    if (gather(store->authors, posts, count, asking.now_ms, &sql)) {
        buf_add_text(&sql, ")");
        buf_add_char(&sql, '\0');
        CG_ASSERT(!sql.failed);
        if (db_run(store->db, sql.data, on_author, &asking))
            forget_all(store->authors);
    }
    buf_fini(&sql);
    for (size_t i = 0; i < count; i++)
        name(store->authors, &posts[i]);
}
