#include "common/store/store_native.h"

#include "common/about.h"
#include "common/store/store_admission.h"
#include "common/store/store_app_conversation.h"
#include "common/store/store_sql.h"

enum { MEMBERSHIPS_AT_ONCE = 10, ENTER_PATIENCE_MS = 1000 };

static const struct store_statement rows[] = {
    {SQL_NATIVE_USER, "SELECT u.id, u.realm, " STORE_SHOWN ", u.head_num, c.user, " STORE_RIGHTS_COLUMNS(
                          "u") ", " STORE_AUTHOR_COLUMNS " FROM user u"
                               " LEFT JOIN credential c ON c.user = u.id LEFT JOIN app_user a ON a.user = u.id"
                               " WHERE u.public_id = ? AND u.realm IN (1, 2, 4, 5)"},
    {SQL_NATIVE_MEMBERSHIPS, "SELECT c.public_id, c.id, c.kind, c.seq, m.read_seq, c.name, u.rights,"
                             " m.role FROM conversation c"
                             " JOIN member m ON m.conversation = c.id AND m.user = ? JOIN user u ON u.id = m.user"
                             " WHERE c.public_id IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AND c.kind IN (1, 2, 4, 6)"},
    /* The first time that somebody names it. */
    {SQL_ENTER_PUBLIC, "SELECT c.id FROM conversation c"
                       " JOIN app_conversation a ON a.conversation = c.id AND a.type = 3 AND a.deleted_at IS NULL"
                       " JOIN user u ON u.id = ? AND u.realm = 5 WHERE c.public_id = ?"},
    {SQL_UNREAD, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM message WHERE conversation = ? AND seq > ?"
                 " AND seq <= ? AND (sender IS NULL OR sender <> ?) AND kind IN (" STORE_KINDS_SAID ") AND recalled = 0"
                 " LIMIT 1000) AS unread"},
};
_Static_assert(STORE_UNREAD_MAX == 1000, "as SQL_UNREAD says");
_Static_assert(REALM_CHATROOM == 1 && REALM_FRIENDS == 2 && REALM_SPACES == 4 && REALM_APP == 5,
               "as SQL_NATIVE_USER says");
_Static_assert(KIND_CHATROOM == 1 && KIND_FRIENDS == 2 && KIND_SPACE == 4 && KIND_APP == 6,
               "as SQL_NATIVE_MEMBERSHIPS says");
_Static_assert(APP_PUBLIC == 3, "as SQL_ENTER_PUBLIC says");

const struct store_statements store_native_statements = STORE_STATEMENTS(rows);

static void on_user(void *arg, const struct db_value *c)
{
    struct store_native_user *user = arg;
    user->user = c[0].number;
    user->realm = (enum store_realm)c[1].number;
    store_copy(user->name, sizeof user->name, c[2].text);
    store_copy(user->head, sizeof user->head, store_json(c[3].text, "0"));
    user->has_password = !c[4].is_null;
    user->rights = store_read_rights(c + 5);
    if (user->realm != REALM_APP)
        return;
    store_copy(user->id, sizeof user->id, c[5 + STORE_RIGHTS_COLUMN_COUNT].text);
    store_copy(user->face, sizeof user->face, c[6 + STORE_RIGHTS_COLUMN_COUNT].text);
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

static void read_membership(struct store_native_membership *membership, const struct db_value *c)
{
    membership->conversation = c[0].number;
    membership->kind = (enum store_kind)c[1].number;
    membership->seq = c[2].number;
    membership->read_seq = c[3].number;
    store_copy(membership->name, sizeof membership->name, c[4].text);
    membership->generation = (uint32_t)c[5].number;
    membership->role = (enum store_member_role)c[6].number;
}

struct looking {
    const struct str *ids;
    size_t count;
    struct store_native_membership *memberships;
};

static void on_membership(void *arg, const struct db_value *c)
{
    struct looking *looking = arg;
    for (size_t i = 0; i < looking->count; i++)
        if (str_eq(looking->ids[i], c[0].text))
            read_membership(&looking->memberships[i], c + 1);
}

static bool is_public_id(struct str id)
{
    return id_is(id, STORE_ROOM_PREFIX) || id_is(id, STORE_FRIEND_PREFIX) || id_is(id, STORE_SPACE_PREFIX) ||
           id_is(id, STORE_CONVERSATION_PREFIX);
}

/* ---- by the application's ids ---- */

struct naming {
    const struct str *ids;
    size_t count;
    struct str *public_ids;
    char texts[STORE_NATIVE_ROWS][ID_MAX];
};

static void on_named(void *arg, const struct db_value *c)
{
    struct naming *naming = arg;
    for (size_t i = 0; i < naming->count; i++)
        if (str_eq(naming->ids[i], c[0].text)) {
            store_copy(naming->texts[i], ID_MAX, c[1].text);
            naming->public_ids[i] = str_of(naming->texts[i]);
        }
}

/* The public id of each, at most STORE_NATIVE_ROWS of them; of what names nothing an empty one, which is never found. Views
 * of the ids and of `naming`. */
static enum err find_public(struct store *store, const struct str *ids, size_t count, struct naming *naming,
                            struct str *public_ids)
{
    struct buf sql;
    size_t named = 0;
    naming->ids = ids;
    naming->count = count;
    naming->public_ids = public_ids;
    buf_init(&sql, 128 + count * (STORE_HEX_LEN(APP_ID_MAX) + 1));
    buf_add_text(&sql, "SELECT name, public_id FROM conversation WHERE kind = 6 AND name IN (");
    for (size_t i = 0; i < count; i++) {
        public_ids[i] = is_public_id(ids[i]) ? ids[i] : STR("");
        if (public_ids[i].len || !store_app_conversation_id_ok(ids[i]))
            continue;
        if (named++)
            buf_add_char(&sql, ',');
        store_add_hex(&sql, ids[i]);
    }
    buf_add_text(&sql, ")");
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = named ? db_run(store->db, sql.data, on_named, naming) : ERR_OK;
    buf_fini(&sql);
    return err;
}

static enum err ask_memberships(struct store *store, uint64_t user, const struct str *public_ids, size_t count,
                                struct store_native_membership *memberships)
{
    enum err err = ERR_OK;
    for (size_t at = 0; !err && at < count; at += MEMBERSHIPS_AT_ONCE) {
        size_t some = count - at < MEMBERSHIPS_AT_ONCE ? count - at : MEMBERSHIPS_AT_ONCE;
        struct looking looking = {public_ids + at, some, memberships + at};
        struct db_value params[1 + MEMBERSHIPS_AT_ONCE] = {DB_NUM(user)};
        for (size_t i = 0; i < MEMBERSHIPS_AT_ONCE; i++)
            params[1 + i] = DB_TEXT(i < some ? public_ids[at + i] : STR(""));
        err = db_query(store->db, SQL_NATIVE_MEMBERSHIPS, params, 1 + MEMBERSHIPS_AT_ONCE, on_membership, &looking);
    }
    return err;
}

enum err store_native_memberships(struct store *store, uint64_t user, const struct str *ids, size_t count,
                                  struct store_native_membership *memberships)
{
    struct naming naming;
    struct str public_ids[STORE_NATIVE_ROWS];
    enum err err = ERR_OK;
    memset(memberships, 0, count * sizeof *memberships);
    for (size_t at = 0; !err && at < count; at += STORE_NATIVE_ROWS) {
        size_t some = count - at < STORE_NATIVE_ROWS ? count - at : STORE_NATIVE_ROWS;
        err = find_public(store, ids + at, some, &naming, public_ids);
        if (!err)
            err = ask_memberships(store, user, public_ids, some, memberships + at);
    }
    return err;
}

enum err store_native_enter(struct store *store, uint64_t user, struct str id, struct store_app_event *event)
{
    struct naming naming;
    struct str public_id;
    *event = (struct store_app_event){
        .kind = MESSAGE_JOINED, .user = user, .by = user, .role = ROLE_MEMBER, .keep_role = true};
    enum err err = find_public(store, &id, 1, &naming, &public_id);
    if (err || !id_is(public_id, STORE_CONVERSATION_PREFIX))
        return err ? err : ERR_NOT_FOUND;
    struct db_value params[] = {DB_NUM(user), DB_TEXT(public_id)};
    err = db_query(store->db, SQL_ENTER_PUBLIC, params, 2, store_on_number, &event->conversation);
    if (err || !event->conversation)
        return err ? err : ERR_NOT_FOUND;
    return store_app_event(store, event, ENTER_PATIENCE_MS);
}

/* ---- those who come, with their conversations ---- */

/* Around what add_arrival says of each. A user without conversations asks for one that nobody has. Left joins, because
 * they are carried out in this order whatever the server thinks of the tables' sizes: by unique keys alone. */
static const char arrivals_before[] =
    "SELECT e.at, u.id, u.realm, " STORE_SHOWN
    ", u.head_num, k.user, " STORE_RIGHTS_COLUMNS("u") ", " STORE_AUTHOR_COLUMNS ", c.id, c.kind, c.seq,"
                                                       " m.read_seq, c.name, u.rights, m.role FROM (";
static const char arrivals_after[] = ") AS e LEFT JOIN user u ON u.public_id = e.user AND u.realm IN (1, 2, 4, 5)"
                                     " LEFT JOIN credential k ON k.user = u.id LEFT JOIN app_user a ON a.user = u.id"
                                     " LEFT JOIN conversation c ON c.public_id = e.room AND c.kind IN (1, 2, 4, 6)"
                                     " LEFT JOIN member m ON m.conversation = c.id AND m.user = u.id";

/* One row of the question. */
struct asked {
    struct store_native_arrival *arrival;
    struct store_native_membership *membership; /* NULL: there is none */
};

struct asking {
    struct store *store;
    struct buf sql;
    struct asked asked[STORE_NATIVE_ROWS];
    size_t count;
};

static void on_arrival(void *arg, const struct db_value *c)
{
    struct asking *asking = arg;
    if (!store_is_asked(c[0].number, asking->count))
        return;
    const struct asked *asked = &asking->asked[c[0].number];
    const struct db_value *of_membership = c + 8 + STORE_RIGHTS_COLUMN_COUNT;
    bool is_user = !c[1].is_null, is_member = !of_membership[3].is_null;
    if (is_user)
        on_user(&asked->arrival->user, c + 1);
    if (is_member && asked->membership)
        read_membership(asked->membership, of_membership);
}

static void add_arrival(struct asking *asking, struct store_native_arrival *arrival, size_t i, struct str public_id)
{
    struct store_native_wanted *wanted = i < arrival->count ? &arrival->wanted[i] : NULL;
    store_add_asked(&asking->sql, asking->count, arrival->user_id, public_id);
    asking->asked[asking->count++] = (struct asked){arrival, wanted ? &wanted->membership : NULL};
}

static enum err ask(struct asking *asking)
{
    if (!asking->count)
        return ERR_OK;
    buf_add(&asking->sql, arrivals_after, sizeof arrivals_after); /* with its NUL */
    CG_ASSERT(!asking->sql.failed);
    enum err err = db_run(asking->store->db, asking->sql.data, on_arrival, asking);
    buf_clear(&asking->sql);
    buf_add_text(&asking->sql, arrivals_before);
    asking->count = 0;
    return err;
}

/* Some of its conversations, from number `at` on; without one the user alone. */
static enum err ask_for_some(struct asking *asking, struct store_native_arrival *arrival, size_t at)
{
    struct naming naming;
    struct str ids[STORE_NATIVE_ROWS] = {STR("")}, public_ids[STORE_NATIVE_ROWS] = {STR("")};
    size_t left = arrival->count - at, some = left < STORE_NATIVE_ROWS ? left : STORE_NATIVE_ROWS;
    for (size_t i = 0; i < some; i++)
        ids[i] = arrival->wanted[at + i].id;
    enum err err = find_public(asking->store, ids, some, &naming, public_ids);
    for (size_t i = 0; !err && i < (some ? some : 1); i++) {
        add_arrival(asking, arrival, at + i, public_ids[i]);
        if (asking->count == STORE_NATIVE_ROWS)
            err = ask(asking);
    }
    return err;
}

static enum err ask_for(struct asking *asking, struct store_native_arrival *arrival)
{
    enum err err = ERR_OK;
    size_t at = 0;
    arrival->user = (struct store_native_user){0};
    for (size_t i = 0; i < arrival->count; i++)
        arrival->wanted[i].membership = (struct store_native_membership){0};
    if (!id_is(arrival->user_id, STORE_USER_PREFIX))
        return ERR_OK;
    do
        err = ask_for_some(asking, arrival, at);
    while (!err && (at += STORE_NATIVE_ROWS) < arrival->count);
    return err;
}

enum err store_native_arrivals(struct store *store, struct store_native_arrival *const *arrivals, size_t count)
{
    struct asking asking = {.store = store};
    enum err err = ERR_OK;
    buf_init(&asking.sql, sizeof arrivals_before + sizeof arrivals_after + STORE_NATIVE_ROWS * STORE_ASKED_SQL_MAX);
    buf_add_text(&asking.sql, arrivals_before);
    for (size_t i = 0; !err && i < count; i++)
        err = ask_for(&asking, arrivals[i]);
    if (!err)
        err = ask(&asking);
    for (size_t i = 0; i < count; i++)
        arrivals[i]->err = err ? err : arrivals[i]->user.user ? ERR_OK : ERR_NOT_FOUND;
    buf_fini(&asking.sql);
    return err;
}

/* ---- who is mentioned ---- */

struct mentioning {
    struct store_mentioned *mentioned;
    size_t count;
    bool found[ABOUT_MENTIONS_MAX];
};

static void on_mentioned(void *arg, const struct db_value *c)
{
    struct mentioning *mentioning = arg;
    for (size_t i = 0; i < mentioning->count; i++) {
        struct store_mentioned *one = &mentioning->mentioned[i];
        bool by_id = one->id.len && c[1].number == REALM_APP && str_eq(one->id, c[2].text);
        if (by_id)
            one->user = c[0].number;
        mentioning->found[i] |= by_id || (!one->id.len && one->user == c[0].number);
    }
}

/* Two questions, each by its own key. */
enum err store_native_mentioned(struct store *store, uint64_t conversation, struct store_mentioned *mentioned,
                                size_t count)
{
    struct mentioning mentioning = {mentioned, count, {false}};
    struct buf sql;
    CG_ASSERT(count <= ABOUT_MENTIONS_MAX);
    buf_init(&sql, 1024 + count * (STORE_HEX_LEN(APP_ID_MAX) + 24));
    buf_addf(&sql,
             "SELECT u.id, u.realm, u.name FROM member m JOIN user u ON u.id = m.user WHERE m.conversation = %llu"
             " AND m.user IN (0",
             (unsigned long long)conversation);
    for (size_t i = 0; i < count; i++)
        if (!mentioned[i].id.len)
            buf_addf(&sql, ",%llu", (unsigned long long)mentioned[i].user);
    buf_addf(&sql,
             ") UNION ALL SELECT u.id, u.realm, u.name FROM user u JOIN member m ON m.user = u.id AND"
             " m.conversation = %llu WHERE u.realm = 5 AND u.name IN (''",
             (unsigned long long)conversation);
    for (size_t i = 0; i < count; i++)
        if (mentioned[i].id.len) {
            buf_add_char(&sql, ',');
            store_add_hex(&sql, mentioned[i].id);
        }
    buf_add_text(&sql, ")");
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_mentioned, &mentioning);
    buf_fini(&sql);
    for (size_t i = 0; i < count; i++)
        if (!mentioning.found[i])
            mentioned[i].user = 0;
    return err;
}

/* ---- what was read ---- */

enum err store_native_unread(struct store *store, uint64_t conversation, uint64_t user, uint64_t after, uint64_t among,
                             uint64_t *count)
{
    struct db_value params[] = {DB_NUM(conversation), DB_NUM(after), DB_NUM(after + among), DB_NUM(user)};
    *count = 0;
    return db_query(store->db, SQL_UNREAD, params, 4, store_on_number, count);
}

enum err store_native_read(struct store *store, uint64_t user, uint64_t seq, struct store_native_membership *membership)
{
    if (seq > membership->seq)
        seq = membership->seq;
    if (seq <= membership->read_seq)
        return ERR_OK;
    membership->read_seq = seq;
    struct db_value params[] = {DB_NUM(seq), DB_NUM(membership->conversation), DB_NUM(user)};
    return db_query(store->db, SQL_SET_READ, params, 3, NULL, NULL);
}
