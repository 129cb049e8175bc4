#include "common/store/store_app_user.h"

#include "common/store/store_sql.h"

#define COLUMNS \
    "u.id, u.public_id, u.name, COALESCE(a.name, ''), COALESCE(a.face, ''), a.role, k.user, " STORE_RIGHTS_COLUMNS("u")
enum { COLUMN_COUNT = 7 + STORE_RIGHTS_COLUMN_COUNT };
#define JOINED "LEFT JOIN app_user a ON a.user = u.id LEFT JOIN credential k ON k.user = u.id"

static const struct store_statement rows[] = {
    {SQL_APP_USER, "SELECT " COLUMNS ", a.meta FROM user u " JOINED " WHERE u.realm = 5 AND u.name = ?"},
    {SQL_APP_USER_OF, "SELECT " COLUMNS " FROM user u " JOINED " WHERE u.public_id = ? AND u.realm = 5"},
    /* Whether each of the four was given comes behind them. */
    {SQL_SET_APP_USER, "INSERT INTO app_user (user, name, face, meta, role, changed_at)"
                       " VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP(3)) ON DUPLICATE KEY UPDATE"
                       " name = IF(?, VALUES(name), name), face = IF(?, VALUES(face), face),"
                       " meta = IF(?, VALUES(meta), meta), role = IF(?, VALUES(role), role),"
                       " changed_at = VALUES(changed_at)"},
};
_Static_assert(REALM_APP == 5, "as the statements say");

const struct store_statements store_app_user_statements = STORE_STATEMENTS(rows);

/* ---- looking ---- */

static void take_user(struct store_app_user *user, const struct db_value *c)
{
    user->user = c[0].number;
    store_copy(user->public_id, sizeof user->public_id, c[1].text);
    store_copy(user->id, sizeof user->id, c[2].text);
    store_copy(user->name, sizeof user->name, c[3].text);
    store_copy(user->face, sizeof user->face, c[4].text);
    user->role = (enum store_user_role)c[5].number;
    user->has_password = !c[6].is_null;
    user->rights = store_read_rights(c + 7);
}

struct found {
    struct store_app_user *user;
    struct buf *meta; /* NULL: not wanted */
};

static void on_found(void *arg, const struct db_value *c)
{
    struct found *found = arg;
    take_user(found->user, c);
    if (found->meta && !c[COLUMN_COUNT].is_null)
        buf_add_str(found->meta, store_json(c[COLUMN_COUNT].text, "{}"));
}

enum err store_app_user_get(struct store *store, struct str id, struct store_app_user *user, struct buf *meta)
{
    struct found found = {user, meta};
    *user = (struct store_app_user){0};
    if (!app_id_ok(id))
        return ERR_NOT_FOUND;
    enum err err = db_query(store->db, SQL_APP_USER, &DB_TEXT(id), 1, on_found, &found);
    return !err && !user->user ? ERR_NOT_FOUND : err;
}

enum err store_app_user_find(struct store *store, struct str id, struct store_app_user *user)
{
    return store_app_user_get(store, id, user, NULL);
}

enum err store_app_user_of(struct store *store, struct str public_id, struct store_app_user *user)
{
    struct found found = {user, NULL};
    *user = (struct store_app_user){0};
    if (!id_is(public_id, STORE_USER_PREFIX))
        return ERR_NOT_FOUND;
    enum err err = db_query(store->db, SQL_APP_USER_OF, &DB_TEXT(public_id), 1, on_found, &found);
    return !err && !user->user ? ERR_NOT_FOUND : err;
}

/* ---- writing ---- */

/* The unique key decides; the loser finds the winner's. */
static enum err add(struct store *store, struct str id, bool *made)
{
    char public_id[ID_MAX];
    id_make(STORE_USER_PREFIX, public_id);
    struct db_value row[] = {DB_TEXT(str_of(public_id)), DB_NUM(REALM_APP), DB_TEXT(id), DB_TEXT(STR("0"))};
    enum err err = db_query(store->db, SQL_ADD_USER, row, 4, NULL, NULL);
    if (!err)
        *made = true;
    return err == ERR_DUPLICATE ? ERR_OK : err;
}

static enum err set(struct store *store, const struct app_claims *claims, struct store_app_user *user)
{
    struct db_value row[] = {DB_NUM(user->user),
                             DB_TEXT(claims->has_name ? claims->name : STR("")),
                             DB_TEXT(claims->has_face ? claims->face : STR("")),
                             claims->has_meta && claims->meta.len ? DB_TEXT(claims->meta) : DB_NULL,
                             DB_NUM(claims->has_role ? claims->role : USER_PLAIN),
                             DB_NUM(claims->has_name),
                             DB_NUM(claims->has_face),
                             DB_NUM(claims->has_meta),
                             DB_NUM(claims->has_role)};
    enum err err = db_query(store->db, SQL_SET_APP_USER, row, 9, NULL, NULL);
    if (err)
        return err;
    if (claims->has_name)
        store_copy(user->name, sizeof user->name, claims->name);
    if (claims->has_face)
        store_copy(user->face, sizeof user->face, claims->face);
    if (claims->has_role)
        user->role = claims->role;
    return ERR_OK;
}

/* Whether something that it can see of the user is otherwise. The application's object it cannot. */
static bool differs(const struct app_claims *claims, const struct store_app_user *user)
{
    return claims->has_meta || (claims->has_name && !str_eq(claims->name, str_of(user->name))) ||
           (claims->has_face && !str_eq(claims->face, str_of(user->face))) ||
           (claims->has_role && claims->role != user->role);
}

static enum err put_once(struct store *store, const struct app_claims *claims, struct store_app_user *user, bool *made)
{
    enum err err = store_app_user_find(store, claims->id, user);
    if (err == ERR_NOT_FOUND) {
        err = add(store, claims->id, made);
        if (!err)
            err = store_app_user_find(store, claims->id, user);
        if (err == ERR_NOT_FOUND)
            return ERR_RETRY;
    }
    return !err && differs(claims, user) ? set(store, claims, user) : err;
}

enum err store_app_user_put(struct store *store, const struct app_claims *claims, struct store_app_user *user,
                            bool *made)
{
    struct app_claims whole = *claims;
    struct store_tries tries = {0};
    enum err err;
    whole.has_name = whole.has_face = whole.has_meta = true;
    *made = false;
    do
        err = put_once(store, &whole, user, made);
    while (store_again(&tries, &err));
    return err;
}

enum err store_app_user_patch(struct store *store, const struct app_claims *claims, struct store_app_user *user)
{
    struct store_tries tries = {0};
    enum err err;
    do {
        err = store_app_user_find(store, claims->id, user);
        if (!err && differs(claims, user))
            err = set(store, claims, user);
    } while (store_again(&tries, &err));
    return err;
}

/* ---- those who come with tokens ---- */

struct looking {
    struct store_app_seen *seen;
    size_t count;
};

static void on_seen(void *arg, const struct db_value *c)
{
    struct looking *looking = arg;
    if (store_is_asked(c[0].number, looking->count))
        take_user(looking->seen[c[0].number].user, c + 1);
}

/* Left joins, because they are carried out in this order whatever the server thinks of the tables' sizes. */
static enum err look(struct store *store, struct store_app_seen *seen, size_t count)
{
    static const char before[] = "SELECT e.at, " COLUMNS " FROM (";
    static const char after[] = ") AS e JOIN user u ON u.realm = 5 AND u.name = e.id " JOINED;
    struct looking looking = {seen, count};
    struct buf sql;
    buf_init(&sql, sizeof before + sizeof after + count * (STORE_HEX_LEN(APP_ID_MAX) + 64));
    buf_add_text(&sql, before);
    for (size_t i = 0; i < count; i++) {
        *seen[i].user = (struct store_app_user){0};
        buf_addf(&sql, "%sSELECT %zu AS at, ", i ? " UNION ALL " : "", i);
        store_add_hex(&sql, seen[i].claims->id);
        buf_add_text(&sql, " AS id");
    }
    buf_add(&sql, after, sizeof after); /* with its NUL */
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_seen, &looking);
    buf_fini(&sql);
    return err;
}

enum err store_app_users_seen(struct store *store, struct store_app_seen *seen, size_t count)
{
    CG_ASSERT(count && count <= STORE_APP_SEEN_MAX);
    enum err err = look(store, seen, count);
    for (size_t i = 0; i < count; i++) {
        struct store_tries tries = {0};
        bool made = false;
        seen[i].err = err;
        if (err || (seen[i].user->user && !differs(seen[i].claims, seen[i].user)))
            continue;
        do
            seen[i].err = put_once(store, seen[i].claims, seen[i].user, &made);
        while (store_again(&tries, &seen[i].err));
    }
    return err;
}

enum err store_app_user_seen(struct store *store, const struct app_claims *claims, struct store_app_user *user)
{
    struct store_app_seen seen = {.claims = claims, .user = user};
    enum err err = store_app_users_seen(store, &seen, 1);
    return err ? err : seen.err;
}

enum err store_app_user_come(struct store *store, const struct token *token, struct store_app_user *user)
{
    enum err err = token->app ? store_app_user_seen(store, token->app, user)
                              : store_app_user_of(store, str_of(token->user_id), user);
    return !err && !rights_accept(&user->rights, token) ? ERR_DENIED : err;
}
