#include "common/store/store_app_conversation.h"

#include "common/store/store_rights.h"
#include "common/store/store_sql.h"

#include <stdio.h>

#define MS(column) "CAST(COALESCE(ROUND(UNIX_TIMESTAMP(" column ") * 1000), 0) AS UNSIGNED)"
#define FIND \
    "SELECT c.id, c.kind, c.public_id, c.name, a.type, COALESCE(a.title, ''), c.seq, " MS( \
        "c.created_at") ", m.role, a.deleted_at IS NOT NULL, a.meta FROM conversation c" \
                        " LEFT JOIN app_conversation a ON a.conversation = c.id" \
                        " LEFT JOIN member m ON m.conversation = c.id AND m.user = ?"

enum { DELETE_AT_ONCE = 200 };

static const struct store_statement rows[] = {
    {SQL_APP_BY_PUBLIC_ID, FIND " WHERE c.public_id = ? AND c.kind IN (1, 2, 4, 6)"},
    {SQL_APP_BY_NAME, FIND " WHERE c.kind = 6 AND c.name = ?"},
    {SQL_APP_PAIR, "SELECT c.name FROM pair p JOIN conversation c ON c.id = p.conversation AND c.kind = 6"
                   " WHERE p.user1 = ? AND p.user2 = ?"},
    {SQL_APP_NAMED, "SELECT name FROM conversation WHERE kind = 6 AND name = ?"},
    {SQL_ADD_APP_CONVERSATION, "INSERT INTO app_conversation (conversation, type, title, meta, created_by, changed_at)"
                               " VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP(3))"},
    {SQL_ADD_APP_MEMBER, "INSERT INTO member (conversation, user, role, joined_at) VALUES (?, ?, ?, UTC_TIMESTAMP(3))"},
    {SQL_SET_APP_CONVERSATION, "UPDATE app_conversation SET title = IF(?, ?, title), meta = IF(?, ?, meta),"
                               " changed_at = UTC_TIMESTAMP(3) WHERE conversation = ?"},
    {SQL_END_APP_CONVERSATION, "UPDATE app_conversation SET deleted_at = COALESCE(deleted_at, UTC_TIMESTAMP(3))"
                               " WHERE conversation = ?"},
    {SQL_FREE_APP_NAME, "UPDATE conversation SET name = CONCAT(CHAR(1), public_id) WHERE id = ?"},
    {SQL_FREE_APP_PAIR, "DELETE FROM pair WHERE conversation = ?"},
    {SQL_LOCK_CONVERSATION, "SELECT seq FROM conversation WHERE id = ? FOR UPDATE"},
    {SQL_SOME_MEMBERS, "SELECT user FROM member WHERE conversation = ? LIMIT 200"},
    {SQL_SET_ROLE, "UPDATE member SET role = ? WHERE conversation = ? AND user = ?"},
    {SQL_ROLE, "SELECT role FROM member WHERE conversation = ? AND user = ?"},
    {SQL_APP_MEMBERS, "SELECT m.user, m.role, u.realm, u.name, COALESCE(a.name, ''), COALESCE(a.face, ''), " MS(
                          "m.joined_at") " FROM (SELECT user, role, joined_at FROM member WHERE conversation = ?"
                                         "  AND user > ? ORDER BY user LIMIT ?) m JOIN user u ON u.id = m.user"
                                         " LEFT JOIN app_user a ON a.user = u.id ORDER BY m.user"},
    {SQL_APP_CONVERSATIONS_OF,
     "SELECT m.conversation, c.public_id, c.name, a.type, a.title, a.meta, c.seq, m.role, l.seq, l.kind, l.recalled,"
     " LEFT(l.content, 2048), l.sender_name, " MS(
         "l.created_at") ", (SELECT COUNT(*) FROM message n WHERE n.conversation = c.id"
                         "  AND n.seq > IF(c.seq > m.read_seq + 1000, c.seq - 1000, m.read_seq)"
                         "  AND (n.sender IS NULL OR n.sender <> m.user) AND n.kind IN (" STORE_KINDS_SAID
                         ") AND n.recalled = 0), EXISTS(SELECT 1 FROM sanction s WHERE s.user = m.user AND s.kind = 1"
                         "  AND (s.conversation IS NULL OR s.conversation = c.id) AND s.lifted_at IS NULL"
                         "  AND (s.until IS NULL OR s.until > UTC_TIMESTAMP(3))), q.id, q.name, e.name, e.face"
                         " FROM (SELECT b.conversation, b.user, b.read_seq, b.role FROM member b"
                         "  JOIN app_conversation x ON x.conversation = b.conversation AND x.deleted_at IS NULL"
                         "  WHERE b.user = ? AND b.conversation < ? ORDER BY b.conversation DESC LIMIT ?) m"
                         " JOIN conversation c ON c.id = m.conversation"
                         " JOIN app_conversation a ON a.conversation = c.id"
                         " LEFT JOIN message l ON l.conversation = c.id AND l.seq = (SELECT t.seq FROM message t"
                         "  WHERE t.conversation = c.id AND t.seq > IF(c.seq > 200, c.seq - 200, 0)"
                         "  AND t.kind IN (" STORE_KINDS_SAID ") ORDER BY t.seq DESC LIMIT 1)"
                         /* CHAR(1): who is being erased */
                         " LEFT JOIN pair p ON p.conversation = c.id"
                         " LEFT JOIN user q ON q.id = IF(p.user1 = m.user, p.user2, p.user1)"
                         "  AND LEFT(q.name, 1) <> CHAR(1) LEFT JOIN app_user e ON e.user = q.id"
                         " ORDER BY m.conversation DESC"},
    {SQL_APP_CONVERSATIONS, "SELECT a.conversation, c.public_id, c.name, a.type, a.title, a.meta, c.seq"
                            " FROM app_conversation a JOIN conversation c ON c.id = a.conversation"
                            " WHERE a.conversation < ? AND a.deleted_at IS NULL ORDER BY a.conversation DESC LIMIT ?"},
    {SQL_APP_SAID, "SELECT sender, kind, recalled, sender_name FROM message"
                   " WHERE conversation = ? AND seq = ?"},
};
_Static_assert(DELETE_AT_ONCE == 200, "as SQL_SOME_MEMBERS says");
_Static_assert(KIND_APP == 6 && KIND_CHATROOM == 1 && KIND_FRIENDS == 2 && KIND_SPACE == 4, "as the statements say");
_Static_assert(STORE_APP_LAST_CHARS == 2048 && STORE_APP_UNREAD_MAX == 1000 && STORE_APP_LAST_AMONG == 200,
               "as SQL_APP_CONVERSATIONS_OF says");

const struct store_statements store_app_conversation_statements = STORE_STATEMENTS(rows);

/* ---- which one ---- */

static const char *const prefixes[] = {STORE_CONVERSATION_PREFIX, STORE_ROOM_PREFIX, "friend_", "space_"};

bool store_app_conversation_id_ok(struct str id)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t len = strlen(prefixes[i]);
        if (id.len >= len && !memcmp(id.ptr, prefixes[i], len))
            return false;
    }
    return app_id_ok(id);
}

static bool is_public_id(struct str id)
{
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (id_is(id, prefixes[i]))
            return true;
    return false;
}

struct finding {
    struct store_app_conversation *found;
    struct buf *meta;
};

static void on_found(void *arg, const struct db_value *c)
{
    struct finding *finding = arg;
    struct store_app_conversation *found = finding->found;
    found->conversation = c[0].number;
    found->kind = (enum store_kind)c[1].number;
    store_copy(found->public_id, sizeof found->public_id, c[2].text);
    store_copy(found->name, sizeof found->name, c[3].text);
    found->type = (enum store_app_type)c[4].number;
    store_copy(found->title, sizeof found->title, c[5].text);
    found->seq = c[6].number;
    found->created_ms = (int64_t)c[7].number;
    found->role = (enum store_member_role)c[8].number;
    found->is_ending = c[9].number;
    if (finding->meta && !c[10].is_null)
        buf_add_str(finding->meta, store_json(c[10].text, "{}"));
}

enum err store_app_conversation_find(struct store *store, struct str id, uint64_t user, bool ending,
                                     struct store_app_conversation *found, struct buf *meta)
{
    struct finding finding = {found, meta};
    bool is_public = is_public_id(id);
    *found = (struct store_app_conversation){0};
    if (!is_public && !store_app_conversation_id_ok(id))
        return ERR_NOT_FOUND;
    struct db_value params[] = {DB_NUM(user), DB_TEXT(id)};
    enum err err =
        db_query(store->db, is_public ? SQL_APP_BY_PUBLIC_ID : SQL_APP_BY_NAME, params, 2, on_found, &finding);
    if (err)
        return err;
    /* a row of KIND_APP without a type is none of ours */
    bool is_there = found->conversation && (found->kind != KIND_APP || found->type) && (ending || !found->is_ending);
    return is_there ? ERR_OK : ERR_NOT_FOUND;
}

/* ---- making one ---- */

static void on_name(void *arg, const struct db_value *c)
{
    store_copy(arg, STORE_NAME_MAX + 1, c[0].text);
}

static enum err find_same(struct store *store, const struct store_app_new *wanted, const uint64_t pair[2], char *name)
{
    struct db_value two[] = {DB_NUM(pair[0]), DB_NUM(pair[1])};
    enum err err = ERR_OK;
    *name = '\0';
    if (wanted->type == APP_DIRECT)
        err = db_query(store->db, SQL_APP_PAIR, two, 2, on_name, name);
    struct str own = wanted->id.len ? wanted->id : wanted->public_id;
    if (!err && !*name && own.len)
        err = db_query(store->db, SQL_APP_NAMED, &DB_TEXT(own), 1, on_name, name);
    return err;
}

static enum err add_members(struct store *store, uint64_t conversation, const struct store_app_new *wanted)
{
    enum { MEMBER_PARAMS = 3, AT_ONCE = 100 };
    enum err err = ERR_OK;
    for (size_t at = 0; !err && at < wanted->count; at += AT_ONCE) {
        struct db_value params[AT_ONCE * MEMBER_PARAMS];
        size_t some = wanted->count - at < AT_ONCE ? wanted->count - at : AT_ONCE;
        for (size_t i = 0; i < some; i++) {
            params[i * MEMBER_PARAMS] = DB_NUM(conversation);
            params[i * MEMBER_PARAMS + 1] = DB_NUM(wanted->members[at + i].user);
            params[i * MEMBER_PARAMS + 2] = DB_NUM(wanted->members[at + i].role);
        }
        err = db_many(store->db, SQL_ADD_APP_MEMBER, params, some, MEMBER_PARAMS);
    }
    return err;
}

/* Within a transaction. */
static enum err add(struct store *store, struct store_app_new *wanted, const uint64_t pair[2])
{
    char public_id[ID_MAX];
    id_make(STORE_CONVERSATION_PREFIX, public_id);
    if (wanted->public_id.len)
        store_copy(public_id, sizeof public_id, wanted->public_id);
    struct str name = wanted->id.len ? wanted->id : str_of(public_id);
    struct db_value row[] = {DB_TEXT(str_of(public_id)), DB_NUM(KIND_APP), DB_TEXT(name)};
    enum err err = db_query(store->db, SQL_ADD_ROOM, row, 3, NULL, NULL);
    if (err)
        return err;
    uint64_t conversation = db_insert_id(store->db);
    struct db_value of[] = {DB_NUM(conversation), DB_NUM(wanted->type), DB_TEXT(wanted->title),
                            wanted->meta.len ? DB_TEXT(wanted->meta) : DB_NULL,
                            wanted->created_by ? DB_NUM(wanted->created_by) : DB_NULL};
    err = db_query(store->db, SQL_ADD_APP_CONVERSATION, of, 5, NULL, NULL);
    if (!err)
        err = add_members(store, conversation, wanted);
    struct db_value two[] = {DB_NUM(conversation), DB_NUM(pair[0]), DB_NUM(pair[1])};
    if (!err && wanted->type == APP_DIRECT)
        err = db_query(store->db, SQL_ADD_PAIR, two, 3, NULL, NULL);
    store_copy(wanted->name, sizeof wanted->name, name);
    return err;
}

static enum err make_once(struct store *store, struct store_app_new *wanted, const uint64_t pair[2])
{
    enum err err = find_same(store, wanted, pair, wanted->name);
    if (err || *wanted->name)
        return err;
    err = db_begin(store->db);
    if (err)
        return err;
    err = add(store, wanted, pair);
    if (err) {
        db_rollback(store->db);
        return err == ERR_DUPLICATE ? ERR_RETRY : err; /* somebody was quicker */
    }
    err = db_commit(store->db);
    wanted->made = !err;
    return err;
}

enum err store_app_conversation_make(struct store *store, struct store_app_new *wanted)
{
    struct store_tries tries = {0};
    uint64_t pair[2] = {0, 0};
    enum err err;
    if (wanted->type == APP_DIRECT) {
        CG_ASSERT(wanted->count == 2 && wanted->members[0].user != wanted->members[1].user);
        bool sorted = wanted->members[0].user < wanted->members[1].user;
        pair[0] = wanted->members[sorted ? 0 : 1].user;
        pair[1] = wanted->members[sorted ? 1 : 0].user;
    }
    wanted->made = false;
    do
        err = make_once(store, wanted, pair);
    while (store_again(&tries, &err));
    return err;
}

enum err store_app_conversation_patch(struct store *store, uint64_t conversation, const struct store_app_change *change)
{
    struct db_value params[] = {DB_NUM(change->has_title), DB_TEXT(change->has_title ? change->title : STR("")),
                                DB_NUM(change->has_meta), change->meta.len ? DB_TEXT(change->meta) : DB_NULL,
                                DB_NUM(conversation)};
    return db_query(store->db, SQL_SET_APP_CONVERSATION, params, 5, NULL, NULL);
}

/* ---- ending one ---- */

struct some {
    struct buf users; /* their numbers, with commas */
    size_t count;
};

static void on_member(void *arg, const struct db_value *c)
{
    struct some *some = arg;
    if (some->count++)
        buf_add_char(&some->users, ',');
    buf_add_u64(&some->users, c[0].number);
}

static enum err run_on(struct store *store, const struct some *some, const char *before, const char *after)
{
    struct buf sql;
    buf_init(&sql, some->users.len + 512);
    buf_add_text(&sql, before);
    buf_add_str(&sql, buf_str(&some->users));
    buf_add_text(&sql, after);
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, NULL, NULL);
    buf_fini(&sql);
    return err;
}

/* What store_member_remove does, for some members at once, in the order of store_app_event.c. */
static enum err remove_some(struct store *store, uint64_t conversation, const struct some *some)
{
    char text[200];
    uint64_t unused;
    enum err err = db_begin(store->db);
    if (err)
        return err;
    err = db_query(store->db, SQL_LOCK_CONVERSATION, &DB_NUM(conversation), 1, store_on_number, &unused);
    if (!err)
        err = run_on(store, some, "UPDATE user SET rights = rights + 1 WHERE id IN (", ") ORDER BY id");
    snprintf(text, sizeof text,
             "INSERT INTO sanction (kind, user, conversation, generation, created_at, changed_at)"
             " SELECT 4, id, %llu, rights, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3) FROM user WHERE id IN (",
             (unsigned long long)conversation);
    if (!err)
        err = run_on(store, some, text, ")");
    snprintf(text, sizeof text, "DELETE FROM member WHERE conversation = %llu AND user IN (",
             (unsigned long long)conversation);
    if (!err)
        err = run_on(store, some, text, ")");
    return store_end(store, err);
}

static enum err remove_next(struct store *store, uint64_t conversation, bool *any)
{
    struct some some = {.count = 0};
    buf_init(&some.users, DELETE_AT_ONCE * 24);
    enum err err = db_query(store->db, SQL_SOME_MEMBERS, &DB_NUM(conversation), 1, on_member, &some);
    *any = some.count > 0;
    if (!err && *any)
        err = remove_some(store, conversation, &some);
    buf_fini(&some.users);
    return err;
}

static enum err free_names(struct store *store, uint64_t conversation)
{
    enum err err = db_query(store->db, SQL_FREE_APP_PAIR, &DB_NUM(conversation), 1, NULL, NULL);
    return err ? err : db_query(store->db, SQL_FREE_APP_NAME, &DB_NUM(conversation), 1, NULL, NULL);
}

enum err store_app_conversation_delete(struct store *store, const struct store_app_conversation *of)
{
    struct store_tries tries = {0};
    bool any = true;
    enum err err;
    CG_ASSERT(of->kind == KIND_APP);
    do {
        err = db_query(store->db, SQL_END_APP_CONVERSATION, &DB_NUM(of->conversation), 1, NULL, NULL);
        while (!err && any)
            err = remove_next(store, of->conversation, &any);
        if (!err)
            err = free_names(store, of->conversation);
    } while (store_again(&tries, &err));
    return err;
}

/* ---- members ---- */

enum err store_app_member_role(struct store *store, uint64_t conversation, uint64_t user, enum store_member_role *role)
{
    uint64_t number = 0;
    struct db_value key[] = {DB_NUM(conversation), DB_NUM(user)};
    enum err err = db_query(store->db, SQL_ROLE, key, 2, store_on_number, &number);
    *role = (enum store_member_role)number;
    return err;
}

struct visit {
    union {
        store_app_member_fn *member;
        store_app_line_fn *line;
        store_app_id_fn *id;
    } fn;
    void *arg;
};

static void on_member_line(void *arg, const struct db_value *c)
{
    struct visit *visit = arg;
    struct store_app_member_line line = {.user = c[0].number,
                                         .role = (enum store_member_role)c[1].number,
                                         .realm = (enum store_realm)c[2].number,
                                         .id = c[3].text,
                                         .name = c[4].text,
                                         .face = c[5].text,
                                         .joined_ms = (int64_t)c[6].number};
    visit->fn.member(visit->arg, &line);
}

enum err store_app_members(struct store *store, uint64_t conversation, uint64_t after, unsigned limit,
                           store_app_member_fn *fn, void *arg)
{
    struct visit visit = {{.member = fn}, arg};
    struct db_value params[] = {DB_NUM(conversation), DB_NUM(after), DB_NUM(limit)};
    return db_query(store->db, SQL_APP_MEMBERS, params, 3, on_member_line, &visit);
}

/* ---- lists ---- */

/* The columns that both lists begin with. */
static struct store_app_line line_of(const struct db_value *c)
{
    return (struct store_app_line){.conversation = c[0].number,
                                   .public_id = c[1].text,
                                   .name = c[2].text,
                                   .type = (enum store_app_type)c[3].number,
                                   .title = c[4].text,
                                   .meta = c[5].is_null ? STR("") : store_json(c[5].text, "{}"),
                                   .seq = c[6].number};
}

static void on_line(void *arg, const struct db_value *c)
{
    struct visit *visit = arg;
    struct store_app_line line = line_of(c);
    visit->fn.line(visit->arg, &line);
}

static void on_own_line(void *arg, const struct db_value *c)
{
    struct visit *visit = arg;
    bool recalled = c[10].number;
    struct store_app_line line = line_of(c);
    line.role = (enum store_member_role)c[7].number;
    line.last.seq = c[8].number;
    line.last.kind = recalled ? MESSAGE_TEXT : (enum message_kind)c[9].number;
    line.last.content = recalled ? STR(MESSAGE_RECALLED_TEXT) : c[11].text;
    line.last.name = c[12].text;
    line.last.at_ms = c[13].number;
    line.unread = c[14].number;
    line.is_muted = c[15].number;
    line.partner.user = c[16].number;
    line.partner.id = c[17].text;
    line.partner.name = c[18].text;
    line.partner.face = c[19].text;
    visit->fn.line(visit->arg, &line);
}

enum err store_app_conversations_of(struct store *store, uint64_t user, uint64_t before, unsigned limit,
                                    store_app_line_fn *fn, void *arg)
{
    struct visit visit = {{.line = fn}, arg};
    struct db_value params[] = {DB_NUM(user), DB_NUM(before), DB_NUM(limit)};
    return db_query(store->db, SQL_APP_CONVERSATIONS_OF, params, 3, on_own_line, &visit);
}

enum err store_app_conversations(struct store *store, uint64_t before, unsigned limit, store_app_line_fn *fn, void *arg)
{
    struct visit visit = {{.line = fn}, arg};
    struct db_value params[] = {DB_NUM(before), DB_NUM(limit)};
    return db_query(store->db, SQL_APP_CONVERSATIONS, params, 2, on_line, &visit);
}

/* ---- messages ---- */

static void on_said(void *arg, const struct db_value *c)
{
    struct store_app_said *said = arg;
    said->sender = c[0].number;
    said->kind = (enum message_kind)c[1].number;
    said->recalled = c[2].number;
    store_copy(said->name, sizeof said->name, c[3].text);
}

enum err store_app_said(struct store *store, uint64_t conversation, uint64_t seq, struct store_app_said *said)
{
    struct db_value key[] = {DB_NUM(conversation), DB_NUM(seq)};
    *said = (struct store_app_said){0};
    enum err err = db_query(store->db, SQL_APP_SAID, key, 2, on_said, said);
    return !err && !said->kind ? ERR_NOT_FOUND : err;
}

static void on_id(void *arg, const struct db_value *c)
{
    struct visit *visit = arg;
    visit->fn.id(visit->arg, c[0].number, c[1].text);
}

enum err store_app_ids(struct store *store, const uint64_t *users, size_t count, store_app_id_fn *fn, void *arg)
{
    struct visit visit = {{.id = fn}, arg};
    struct buf sql;
    CG_ASSERT(count <= STORE_KEYS_AT_ONCE);
    if (!count)
        return ERR_OK;
    buf_init(&sql, 128 + count * 24);
    buf_add_text(&sql, "SELECT id, name FROM user WHERE realm = 5 AND id IN (");
    for (size_t i = 0; i < count; i++)
        buf_addf(&sql, "%s%llu", i ? "," : "", (unsigned long long)users[i]);
    buf_add_text(&sql, ")");
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_id, &visit);
    buf_fini(&sql);
    return err;
}

enum err store_app_numbers(struct store *store, const struct str *ids, size_t count, store_app_id_fn *fn, void *arg)
{
    struct visit visit = {{.id = fn}, arg};
    struct buf sql;
    CG_ASSERT(count && count <= STORE_KEYS_AT_ONCE);
    buf_init(&sql, 128 + count * STORE_HEX_LEN(APP_ID_MAX + 1));
    buf_add_text(&sql, "SELECT id, name FROM user WHERE realm = 5 AND name IN (");
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_char(&sql, ',');
        store_add_hex(&sql, ids[i]);
    }
    buf_add_text(&sql, ")");
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_id, &visit);
    buf_fini(&sql);
    return err;
}
