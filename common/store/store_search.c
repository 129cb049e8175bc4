#include "common/store/store_search.h"

#include "common/json.h"
#include "common/store/store_sql.h"

#define FOUND "(SELECT " STORE_MESSAGE_COLUMNS ", conversation FROM message FORCE INDEX (PRIMARY) WHERE "
#define SAID  " AND kind IN (1, 4) AND recalled = 0) t"
/* As store_app_conversation_find has it. */
#define JOINED \
    " JOIN conversation c ON c.id = t.conversation LEFT JOIN app_conversation a ON a.conversation = c.id" \
    " LEFT JOIN user u ON u.id = t.sender AND u.realm = 5"
#define CAN_BE_FOUND " WHERE c.kind IN (1, 2, 4, 6) AND (c.kind <> 6 OR (a.type IS NOT NULL AND a.deleted_at IS NULL))"
#define BANNED(user, conversation) \
    "EXISTS (SELECT 1 FROM sanction s WHERE s.user = " user " AND s.kind = 2" \
    " AND (s.conversation IS NULL OR s.conversation = " conversation ") AND s.lifted_at IS NULL" \
    " AND (s.until IS NULL OR s.until > UTC_TIMESTAMP(3)))"

static const struct store_statement rows[] = {
    {SQL_SEARCH_CONVERSATIONS,
     "SELECT b.conversation FROM member b JOIN app_conversation x"
     " ON x.conversation = b.conversation AND x.deleted_at IS NULL"
     " WHERE b.user = ? AND NOT " BANNED("b.user", "b.conversation") " ORDER BY b.conversation DESC LIMIT 20000"},
    {SQL_SEARCH_PLACES, "SELECT conversation, seq FROM message FORCE INDEX (PRIMARY)"
                        " WHERE (conversation = ? AND seq > ?) ORDER BY conversation, seq LIMIT ?"},
    {SQL_SEARCH_PLACES_AFTER, "SELECT conversation, seq FROM message FORCE INDEX (PRIMARY)"
                              " WHERE conversation > ? ORDER BY conversation, seq LIMIT ?"},
};
_Static_assert(STORE_SEARCH_CONVERSATIONS == 20000, "as SQL_SEARCH_CONVERSATIONS says");
_Static_assert(MESSAGE_TEXT == 1 && MESSAGE_EMOJI == 4 && KIND_CUSTOMERS == 3 && KIND_SOCKETIO == 5 && KIND_APP == 6,
               "as SAID and CAN_BE_FOUND say");

const struct store_statements store_search_statements = STORE_STATEMENTS(rows);

/* ---- messages by their keys ---- */

struct visit {
    store_searched_fn *searched;
    store_search_key_fn *key;
    void *arg;
    struct store_searched row;
};

static void on_message(void *arg, const struct message *message)
{
    struct visit *visit = arg;
    visit->row.message = *message;
    visit->searched(visit->arg, &visit->row);
}

static void on_searched(void *arg, const struct db_value *c)
{
    struct visit *visit = arg;
    const struct db_value *of = c + STORE_MESSAGE_COLUMN_COUNT;
    struct store_reading reading = {.conversation = of[0].number, .fn = on_message, .arg = visit};
    visit->row = (struct store_searched){.kind = (enum store_kind)of[1].number,
                                         .public_id = of[2].text,
                                         .name = of[3].text,
                                         .sender_id = of[4].is_null ? STR("") : of[4].text};
    store_on_message(&reading, c);
}

/* Numbers that follow each other as one range, because each row is compared with all that stands here.
 * Not (conversation, seq) IN (…), for which MariaDB reads all there is; and the messages come first (STRAIGHT_JOIN), or it may
 * begin with the conversations and read all that is in them. */
static void add_keys(struct buf *sql, const struct store_search_key *keys, size_t count)
{
    buf_add_char(sql, '(');
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && keys[next].conversation == keys[i].conversation &&
                           keys[next].seq == keys[next - 1].seq + 1;
             next++)
            ;
        buf_addf(sql, "%s(conversation = %llu AND seq BETWEEN %llu AND %llu)", i ? " OR " : "",
                 (unsigned long long)keys[i].conversation, (unsigned long long)keys[i].seq,
                 (unsigned long long)keys[next - 1].seq);
    }
    buf_add_char(sql, ')');
}

enum err store_search_read(struct store *store, const struct store_search_key *keys, size_t count, uint64_t reader,
                           store_searched_fn *fn, void *arg)
{
    struct visit visit = {.searched = fn, .arg = arg};
    struct buf sql;
    CG_ASSERT(count <= STORE_SEARCH_KEYS);
    if (!count)
        return ERR_OK;
    buf_init(&sql, 4096 + count * 112);
    buf_add_text(&sql, "SELECT STRAIGHT_JOIN t.*, c.kind, c.public_id, c.name, u.name FROM " FOUND);
    add_keys(&sql, keys, count);
    buf_add_text(&sql, SAID JOINED);
    if (reader)
        buf_addf(&sql, " LEFT JOIN member b ON b.conversation = c.id AND b.user = %llu", (unsigned long long)reader);
    buf_add_text(&sql, CAN_BE_FOUND);
    if (reader)
        buf_addf(&sql, " AND c.kind = 6 AND (a.type = 3 OR b.user IS NOT NULL) AND NOT " BANNED("%llu", "c.id"),
                 (unsigned long long)reader);
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_searched, &visit);
    buf_fini(&sql);
    return err;
}

/* ---- edits ---- */

static void on_edit(void *arg, const struct db_value *c)
{
    const struct visit *visit = arg;
    struct json_object *object;
    int64_t of;
    if (json_parse_object(c[1].text, &object))
        return; /* not of our making */
    if (json_get_int(object, "of", 1, INT64_MAX, &of))
        visit->key(visit->arg, &(struct store_search_key){c[0].number, (uint64_t)of});
    json_object_put(object);
}

enum err store_search_edited(struct store *store, const struct store_search_key *edits, size_t count,
                             store_search_key_fn *fn, void *arg)
{
    struct visit visit = {.key = fn, .arg = arg};
    struct buf sql;
    CG_ASSERT(count <= STORE_SEARCH_KEYS);
    if (!count)
        return ERR_OK;
    buf_init(&sql, 1024 + count * 112);
    buf_add_text(&sql, "SELECT conversation, content FROM message FORCE INDEX (PRIMARY) WHERE ");
    add_keys(&sql, edits, count);
    buf_add_text(&sql, " AND kind = 10");
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_edit, &visit);
    buf_fini(&sql);
    return err;
}

/* ---- all of them ---- */

struct places {
    struct store_search_key keys[STORE_SEARCH_KEYS];
    size_t count;
};

static void on_place(void *arg, const struct db_value *c)
{
    struct places *places = arg;
    CG_ASSERT(places->count < STORE_SEARCH_KEYS);
    places->keys[places->count++] = (struct store_search_key){c[0].number, c[1].number};
}

/* What is left of a conversation, and then the next ones: each a range of the primary key. */
enum err store_search_scan(struct store *store, const struct store_search_key *after, unsigned limit,
                           store_searched_fn *fn, void *arg, struct store_search_key *last)
{
    struct places places = {.count = 0};
    if (limit > STORE_SEARCH_KEYS)
        limit = STORE_SEARCH_KEYS;
    struct db_value own[] = {DB_NUM(after->conversation), DB_NUM(after->seq), DB_NUM(limit)};
    enum err err = db_query(store->db, SQL_SEARCH_PLACES, own, 3, on_place, &places);
    struct db_value next[] = {DB_NUM(after->conversation), DB_NUM(limit - places.count)};
    if (!err && places.count < limit)
        err = db_query(store->db, SQL_SEARCH_PLACES_AFTER, next, 2, on_place, &places);
    *last = places.count ? places.keys[places.count - 1] : (struct store_search_key){0};
    return err ? err : store_search_read(store, places.keys, places.count, 0, fn, arg);
}

/* ---- whose ---- */

struct conversations {
    uint64_t *at;
    size_t count;
};

static void on_conversation(void *arg, const struct db_value *c)
{
    struct conversations *conversations = arg;
    CG_ASSERT(conversations->count < STORE_SEARCH_CONVERSATIONS);
    conversations->at[conversations->count++] = c[0].number;
}

enum err store_search_conversations(struct store *store, uint64_t user, uint64_t *conversations, size_t *count)
{
    struct conversations found = {conversations, 0};
    enum err err = db_query(store->db, SQL_SEARCH_CONVERSATIONS, &DB_NUM(user), 1, on_conversation, &found);
    for (size_t i = 0; i < found.count / 2; i++) {
        uint64_t low = conversations[i];
        conversations[i] = conversations[found.count - 1 - i];
        conversations[found.count - 1 - i] = low;
    }
    *count = err ? 0 : found.count;
    return err;
}
