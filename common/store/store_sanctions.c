#include "common/store/store_sanctions.h"

#include "common/rights.h"
#include "common/store/store_sql.h"

#define IN_FORCE "s.lifted_at IS NULL AND (s.until IS NULL OR s.until > UTC_TIMESTAMP(3))"
/* Not UNIX_TIMESTAMP, which ends in 2038. */
#define MS(column) "CAST(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', " column ") DIV 1000 AS UNSIGNED)"
#define COLUMNS \
    "s.id, s.kind, s.user, s.address, s.name, s.conversation, " MS("s.until") ", s.lifted_at IS NOT NULL, " MS( \
        "s.changed_at") ", s.generation"

enum { COLUMN_COUNT = 10 };

static const struct store_statement rows[] = {
    /* whoever comes now has proved nothing yet: revocations are for those who came before */
    {SQL_SANCTIONS_ACTIVE, "SELECT " COLUMNS " FROM sanction s WHERE s.kind < 4 AND " IN_FORCE},
    {SQL_ERASED_LATELY, "SELECT 1 FROM sanction WHERE changed_at >= UTC_TIMESTAMP(3) - INTERVAL 60 SECOND AND kind = 4"
                        " AND generation = 4294967295 LIMIT 1"},
    {SQL_SANCTIONS_NOW, "SELECT " MS("UTC_TIMESTAMP(3)")},
    {SQL_SANCTIONS_CHANGED, "SELECT " COLUMNS " FROM sanction s WHERE s.changed_at >="
                            " '1970-01-01' + INTERVAL ? SECOND - INTERVAL 60 SECOND ORDER BY s.changed_at"},
    {SQL_SANCTIONED, "SELECT s.kind FROM sanction s WHERE (s.user = ? OR s.address = ?)"
                     " AND (s.conversation IS NULL OR s.conversation = ?) AND s.kind < 4 AND " IN_FORCE},
    {SQL_ADD_SANCTION, "INSERT INTO sanction (kind, user, address, name, conversation, until, reason, created_at,"
                       " changed_at) VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP(3) + INTERVAL ? SECOND, ?, UTC_TIMESTAMP(3),"
                       " UTC_TIMESTAMP(3))"},
    {SQL_LIFT_SANCTION, "UPDATE sanction s SET s.lifted_at = UTC_TIMESTAMP(3), s.changed_at = UTC_TIMESTAMP(3)"
                        " WHERE s.kind = ? AND s.user <=> ? AND s.address <=> ? AND s.name <=> ?"
                        " AND s.conversation <=> ? AND " IN_FORCE},
    /* an id or a name; ids are ASCII, and a text that is not cannot be compared with them */
    {SQL_MODERATED_FIND,
     "SELECT id, realm, name, created_at FROM user"
     " WHERE public_id = CONVERT(? USING ascii) AND ? IN (0, realm)"
     " UNION SELECT id, realm, name, created_at FROM user WHERE realm IN (1, 2, 3, 4, 5) AND name = ?"
     " AND ? IN (0, realm)"},
    {SQL_MODERATED_LIST, "SELECT id, realm, name, created_at FROM user WHERE id > ? AND ? IN (0, realm)"
                         " ORDER BY id LIMIT ?"},
    {SQL_MODERATED_ROOM, "SELECT id FROM conversation WHERE public_id = CONVERT(? USING ascii)"
                         " UNION SELECT id FROM conversation WHERE kind = ? AND name = ?"},
    {SQL_SANCTION_LINES, "SELECT " COLUMNS ", u.realm, u.name, COALESCE(r.name, ''), s.reason, s.until, s.created_at"
                         " FROM sanction s LEFT JOIN user u ON u.id = s.user"
                         " LEFT JOIN conversation r ON r.id = s.conversation"
                         " WHERE ? IN (0, COALESCE(s.user, 0)) AND s.kind < 4 AND " IN_FORCE " ORDER BY s.id"},
};

_Static_assert(SANCTION_REVOCATION == 4 && RIGHTS_ERASED == 4294967295, "as SQL_ERASED_LATELY says");
_Static_assert(STORE_SANCTIONS_OVERLAP_MS == 60000, "as SQL_SANCTIONS_CHANGED says");

const struct store_statements store_sanctions_statements = STORE_STATEMENTS(rows);

static void copy(char *out, size_t size, const struct db_value *column)
{
    store_copy(out, size, column->is_null ? STR("") : column->text);
}

static struct sanction sanction_of(const struct db_value *c)
{
    struct sanction sanction = {
        .id = c[0].number,
        .kind = (enum sanction_kind)c[1].number,
        .user = c[2].is_null ? 0 : c[2].number,
        .conversation = c[5].is_null ? 0 : c[5].number,
        .until_ms = c[6].is_null ? 0 : (int64_t)c[6].number,
        .lifted = c[7].number,
        .changed_ms = (int64_t)c[8].number,
        .generation = c[9].is_null ? 0 : (uint32_t)c[9].number,
    };
    copy(sanction.address, sizeof sanction.address, &c[3]);
    copy(sanction.name, sizeof sanction.name, &c[4]);
    return sanction;
}

struct visit {
    store_sanction_fn *fn;
    void *arg;
};

static void on_sanction(void *arg, const struct db_value *columns)
{
    const struct visit *visit = arg;
    struct sanction sanction = sanction_of(columns);
    visit->fn(visit->arg, &sanction);
}

enum err store_sanctions_active(struct store *store, int64_t *now_ms, store_sanction_fn *fn, void *arg)
{
    struct visit visit = {fn, arg};
    uint64_t now = 0;
    enum err err = db_query(store->db, SQL_SANCTIONS_NOW, NULL, 0, store_on_number, &now);
    *now_ms = (int64_t)now;
    return err ? err : db_query(store->db, SQL_SANCTIONS_ACTIVE, NULL, 0, on_sanction, &visit);
}

enum err store_sanctions_changed(struct store *store, int64_t changed_ms, store_sanction_fn *fn, void *arg)
{
    struct visit visit = {fn, arg};
    struct db_value since[] = {DB_NUM((uint64_t)changed_ms / 1000)};
    return db_query(store->db, SQL_SANCTIONS_CHANGED, since, 1, on_sanction, &visit);
}

static void on_kind(void *arg, const struct db_value *columns)
{
    struct store_sanctioned *out = arg;
    out->muted |= columns[0].number == SANCTION_MUTE;
    out->banned |= columns[0].number == SANCTION_BAN;
}

enum err store_sanctioned(struct store *store, uint64_t user, struct str address, uint64_t conversation,
                          struct store_sanctioned *out)
{
    struct db_value params[] = {DB_NUM(user), DB_TEXT(address), DB_NUM(conversation)};
    *out = (struct store_sanctioned){0};
    return db_query(store->db, SQL_SANCTIONED, params, 3, on_kind, out);
}

/* kind, user, address, name, conversation */
static void put_key(struct db_value params[5], const struct sanction *sanction)
{
    params[0] = DB_NUM(sanction->kind);
    params[1] = sanction->user ? DB_NUM(sanction->user) : DB_NULL;
    params[2] = *sanction->address ? DB_TEXT(str_of(sanction->address)) : DB_NULL;
    params[3] = *sanction->name ? DB_TEXT(str_of(sanction->name)) : DB_NULL;
    params[4] = sanction->conversation ? DB_NUM(sanction->conversation) : DB_NULL;
}

enum err store_sanction_add(struct store *store, const struct sanction *sanction, int64_t for_s, struct str reason)
{
    struct db_value params[7];
    put_key(params, sanction);
    params[5] = for_s ? DB_NUM((uint64_t)for_s) : DB_NULL;
    params[6] = DB_TEXT(reason);
    return db_query(store->db, SQL_ADD_SANCTION, params, 7, NULL, NULL);
}

enum err store_sanction_lift(struct store *store, const struct sanction *sanction, uint64_t *lifted)
{
    struct db_value params[5];
    put_key(params, sanction);
    enum err err = db_query(store->db, SQL_LIFT_SANCTION, params, 5, NULL, NULL);
    *lifted = err ? 0 : db_affected(store->db);
    return err;
}

/* ---- for operators ---- */

struct visit_users {
    store_moderated_fn *fn;
    void *arg;
};

static void on_user(void *arg, const struct db_value *c)
{
    const struct visit_users *visit = arg;
    struct store_moderated user = {c[0].number, (enum store_realm)c[1].number, c[2].text, c[3].text};
    visit->fn(visit->arg, &user);
}

enum err store_moderated_find(struct store *store, enum store_realm realm, struct str name_or_id,
                              store_moderated_fn *fn, void *arg)
{
    struct visit_users visit = {fn, arg};
    struct db_value params[] = {DB_TEXT(name_or_id), DB_NUM(realm), DB_TEXT(name_or_id), DB_NUM(realm)};
    return db_query(store->db, SQL_MODERATED_FIND, params, 4, on_user, &visit);
}

enum err store_moderated_list(struct store *store, enum store_realm realm, uint64_t after, unsigned limit,
                              store_moderated_fn *fn, void *arg)
{
    struct visit_users visit = {fn, arg};
    struct db_value params[] = {DB_NUM(after), DB_NUM(realm), DB_NUM(limit)};
    return db_query(store->db, SQL_MODERATED_LIST, params, 3, on_user, &visit);
}

enum err store_moderated_room(struct store *store, enum store_kind kind, struct str name_or_id, uint64_t *conversation)
{
    struct db_value params[] = {DB_TEXT(name_or_id), DB_NUM(kind), DB_TEXT(name_or_id)};
    *conversation = 0;
    enum err err = db_query(store->db, SQL_MODERATED_ROOM, params, 3, store_on_number, conversation);
    return !err && !*conversation ? ERR_NOT_FOUND : err;
}

struct visit_lines {
    store_sanction_line_fn *fn;
    void *arg;
};

/* Without its thousandths. */
static struct str time_of(const struct db_value *column)
{
    struct str text = column->is_null ? STR("") : column->text;
    return (struct str){text.ptr, text.len > 19 ? 19 : text.len};
}

static void on_line(void *arg, const struct db_value *columns)
{
    const struct visit_lines *visit = arg;
    const struct db_value *c = columns + COLUMN_COUNT;
    struct store_sanction_line line = {
        .sanction = sanction_of(columns),
        .realm = c[0].is_null ? (enum store_realm)0 : (enum store_realm)c[0].number,
        .user_name = c[1].is_null ? STR("") : c[1].text,
        .room = c[2].text,
        .reason = c[3].text,
        .until = time_of(&c[4]),
        .created_at = time_of(&c[5]),
    };
    visit->fn(visit->arg, &line);
}

enum err store_sanction_lines(struct store *store, uint64_t user, store_sanction_line_fn *fn, void *arg)
{
    struct visit_lines visit = {fn, arg};
    struct db_value params[] = {DB_NUM(user)};
    return db_query(store->db, SQL_SANCTION_LINES, params, 1, on_line, &visit);
}

enum err store_erased_lately(struct store *store, bool *any)
{
    uint64_t found = 0;
    enum err err = db_query(store->db, SQL_ERASED_LATELY, NULL, 0, store_on_number, &found);
    *any = found;
    return err;
}
