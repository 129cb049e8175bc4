#include "common/store/store_rights.h"

#include "common/sanction.h"
#include "common/store/store_sql.h"

static const struct store_statement rows[] = {
    {SQL_RIGHTS_LOCK, "SELECT rights FROM user WHERE id = ? FOR UPDATE"},
    {SQL_RIGHTS_RAISE, "UPDATE user SET rights = ?, tokens_rights = IF(?, ?, tokens_rights),"
                       " tokens_at = IF(?, UTC_TIMESTAMP(3), tokens_at) WHERE id = ?"},
    {SQL_ADD_REVOCATION, "INSERT INTO sanction (kind, user, conversation, generation, created_at, changed_at)"
                         " VALUES (4, ?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))"},
    {SQL_REMOVE_MEMBER, "DELETE FROM member WHERE conversation = ? AND user = ?"},
    {SQL_OLD_REVOCATIONS, "DELETE FROM sanction WHERE kind = 4 AND changed_at < UTC_TIMESTAMP(3) - INTERVAL 7 DAY"
                          " LIMIT 1000"},
};
_Static_assert(SANCTION_REVOCATION == 4, "as the statements say");

const struct store_statements store_rights_statements = STORE_STATEMENTS(rows);

struct rights store_read_rights(const struct db_value *c)
{
    return (struct rights){(uint32_t)c[0].number, (uint32_t)c[1].number, c[2].is_null ? 0 : (int64_t)c[2].number};
}

struct locked {
    bool found;
    uint32_t generation;
};

static void on_locked(void *arg, const struct db_value *columns)
{
    *(struct locked *)arg = (struct locked){true, (uint32_t)columns[0].number};
}

static enum err raise(struct store *store, const struct store_revocation *revocation, uint32_t *generation)
{
    struct locked locked = {.found = false};
    enum err err = db_query(store->db, SQL_RIGHTS_LOCK, &DB_NUM(revocation->user), 1, on_locked, &locked);
    if (err || !locked.found)
        return err ? err : ERR_NOT_FOUND;
    bool erased = revocation->erased || locked.generation == RIGHTS_ERASED;
    *generation = erased ? RIGHTS_ERASED : locked.generation + 1;
    struct db_value params[] = {DB_NUM(*generation), DB_NUM(revocation->tokens_too), DB_NUM(*generation),
                                DB_NUM(revocation->tokens_too), DB_NUM(revocation->user)};
    return db_query(store->db, SQL_RIGHTS_RAISE, params, 5, NULL, NULL);
}

enum err store_revoke_within(struct store *store, const struct store_revocation *revocation, uint32_t *generation)
{
    CG_ASSERT(revocation->user || !revocation->conversation);
    *generation = 0;
    enum err err = revocation->user ? raise(store, revocation, generation) : ERR_OK;
    struct db_value row[] = {revocation->user ? DB_NUM(revocation->user) : DB_NULL,
                             revocation->conversation ? DB_NUM(revocation->conversation) : DB_NULL,
                             revocation->user ? DB_NUM(*generation) : DB_NULL};
    return err ? err : db_query(store->db, SQL_ADD_REVOCATION, row, 3, NULL, NULL);
}

static enum err remove_member(struct store *store, const struct store_revocation *revocation)
{
    struct db_value member[] = {DB_NUM(revocation->conversation), DB_NUM(revocation->user)};
    enum err err = db_query(store->db, SQL_REMOVE_MEMBER, member, 2, NULL, NULL);
    return !err && !db_affected(store->db) ? ERR_NOT_FOUND : err;
}

/* `change` NULL: it was made before. */
static enum err carry_out(struct store *store, const struct store_revocation *revocation,
                          enum err (*change)(struct store *, const struct store_revocation *))
{
    uint32_t generation;
    struct store_tries tries = {0};
    enum err err;
    do {
        err = db_begin(store->db);
        if (err)
            continue;
        err = store_revoke_within(store, revocation, &generation);
        if (!err && change)
            err = change(store, revocation);
        if (err == ERR_NOT_FOUND && tries.perhaps)
            err = ERR_OK; /* the lost one was carried out: told once more */
        err = store_end(store, err);
    } while (store_again(&tries, &err));
    if (!err) /* no relay asks for these any more; if it fails, the next one does it */
        (void)!db_query(store->db, SQL_OLD_REVOCATIONS, NULL, 0, NULL, NULL);
    return err;
}

enum err store_revoke(struct store *store, const struct store_revocation *revocation)
{
    return carry_out(store, revocation, NULL);
}

enum err store_member_remove(struct store *store, uint64_t conversation, uint64_t user)
{
    struct store_revocation revocation = {.user = user, .conversation = conversation};
    return carry_out(store, &revocation, remove_member);
}
