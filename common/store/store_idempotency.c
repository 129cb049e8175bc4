#include "common/store/store_idempotency.h"

#include "common/store/store_sql.h"

#include <stdio.h>

#define OLD  "created_at < UTC_TIMESTAMP(3) - INTERVAL 1 DAY"
#define CALL " WHERE is_user = ? AND caller = ? AND call_key = ?"

static const struct store_statement rows[] = {
    {SQL_CALL_ADD, "INSERT INTO idempotency (is_user, caller, call_key, request, seed, holder, held_at, created_at)"
                   " VALUES (?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))"},
    {SQL_CALL_FIND,
     "SELECT request, seed, holder, status, answer,"
     " CAST(GREATEST(TIMESTAMPDIFF(MICROSECOND, held_at, UTC_TIMESTAMP(3)) DIV 1000, 0) AS UNSIGNED)," OLD
     " FROM idempotency" CALL},
    {SQL_CALL_TAKE,
     "UPDATE idempotency SET holder = ?, held_at = UTC_TIMESTAMP(3)" CALL " AND holder = ? AND status IS NULL"},
    {SQL_CALL_ANSWER, "UPDATE idempotency SET status = ?, answer = ?, holder = 0" CALL " AND holder = ?"},
    {SQL_CALL_RELEASE, "UPDATE idempotency SET holder = 0" CALL " AND holder = ?"},
    {SQL_CALL_FORGET, "DELETE FROM idempotency" CALL " AND holder = ?"},
    {SQL_CALL_DROP, "DELETE FROM idempotency" CALL " AND " OLD},
    {SQL_CALLS_OLD, "DELETE FROM idempotency WHERE " OLD " ORDER BY created_at LIMIT ?"},
};

const struct store_statements store_idempotency_statements = STORE_STATEMENTS(rows);

struct found {
    const struct store_call *call;
    struct store_claim *claim;
    struct buf *answer;
    bool is_there, is_same, is_old;
    uint64_t holder;
    int64_t held_ms;
};

static void on_found(void *arg, const struct db_value *c)
{
    struct found *found = arg;
    found->is_there = true;
    found->is_same = str_eq(c[0].text, found->call->request);
    store_copy(found->claim->seed, sizeof found->claim->seed, c[1].text);
    found->holder = c[2].number;
    found->held_ms = (int64_t)c[5].number;
    found->is_old = c[6].number;
    if (c[3].is_null || !found->is_same || found->is_old)
        return;
    found->claim->status = (int)c[3].number;
    buf_add_str(found->answer, c[4].text);
}

static enum err add(struct store *store, const struct store_call *call, struct store_claim *claim)
{
    snprintf(claim->seed, sizeof claim->seed, "%016llx%016llx", (unsigned long long)id_random(),
             (unsigned long long)id_random());
    struct db_value row[] = {DB_NUM(call->is_user),  DB_NUM(call->caller),         DB_TEXT(call->key),
                             DB_TEXT(call->request), DB_TEXT(str_of(claim->seed)), DB_NUM(claim->holder)};
    enum err err = db_query(store->db, SQL_CALL_ADD, row, 6, NULL, NULL);
    claim->is_new = !err;
    return err;
}

static enum err drop_old(struct store *store, const struct store_call *call)
{
    struct db_value key[] = {DB_NUM(call->is_user), DB_NUM(call->caller), DB_TEXT(call->key)};
    return db_query(store->db, SQL_CALL_DROP, key, 3, NULL, NULL);
}

/* From nobody, or from one who has ended. ERR_RETRY: somebody was quicker. */
static enum err take(struct store *store, const struct store_call *call, const struct store_claim *claim, uint64_t from)
{
    struct db_value params[] = {DB_NUM(claim->holder), DB_NUM(call->is_user), DB_NUM(call->caller), DB_TEXT(call->key),
                                DB_NUM(from)};
    enum err err = db_query(store->db, SQL_CALL_TAKE, params, 5, NULL, NULL);
    return !err && !db_affected(store->db) ? ERR_RETRY : err;
}

static enum err claim_once(struct store *store, const struct store_call *call, struct store_claim *claim,
                           struct buf *answer)
{
    struct db_value key[] = {DB_NUM(call->is_user), DB_NUM(call->caller), DB_TEXT(call->key)};
    struct found found = {.call = call, .claim = claim, .answer = answer};
    enum err err = add(store, call, claim);
    if (err != ERR_DUPLICATE)
        return err;
    err = db_query(store->db, SQL_CALL_FIND, key, 3, on_found, &found);
    if (!err && found.is_old)
        err = drop_old(store, call);
    if (!err && (found.is_old || !found.is_there))
        err = ERR_RETRY;
    if (err)
        return err;
    if (!found.is_same)
        return ERR_DUPLICATE;
    if (claim->status || found.holder == claim->holder) /* the latter: an answer to `add` was lost */
        return ERR_OK;
    if (!found.holder || found.held_ms >= STORE_CALL_HELD_MS)
        return take(store, call, claim, found.holder);
    claim->wait_ms = STORE_CALL_HELD_MS - found.held_ms;
    return ERR_BUSY;
}

enum err store_call_claim(struct store *store, const struct store_call *call, struct store_claim *claim,
                          struct buf *answer)
{
    struct store_tries tries = {0};
    enum err err;
    CG_ASSERT(claim->holder && call->key.len && call->key.len <= STORE_CALL_KEY_MAX);
    claim->status = 0;
    do
        err = claim_once(store, call, claim, answer);
    while (store_again(&tries, &err));
    return err;
}

enum err store_call_answer(struct store *store, const struct store_call *call, const struct store_claim *claim,
                           int status, struct str answer)
{
    struct db_value params[] = {DB_NUM((uint64_t)status), DB_TEXT(answer),    DB_NUM(call->is_user),
                                DB_NUM(call->caller),     DB_TEXT(call->key), DB_NUM(claim->holder)};
    return db_query(store->db, SQL_CALL_ANSWER, params, 6, NULL, NULL);
}

static enum err end(struct store *store, enum statement sql, const struct store_call *call,
                    const struct store_claim *claim)
{
    struct db_value params[] = {DB_NUM(call->is_user), DB_NUM(call->caller), DB_TEXT(call->key), DB_NUM(claim->holder)};
    return db_query(store->db, sql, params, 4, NULL, NULL);
}

enum err store_call_release(struct store *store, const struct store_call *call, const struct store_claim *claim)
{
    return end(store, SQL_CALL_RELEASE, call, claim);
}

enum err store_call_forget(struct store *store, const struct store_call *call, const struct store_claim *claim)
{
    return end(store, SQL_CALL_FORGET, call, claim);
}

enum err store_calls_expire(struct store *store, uint64_t limit, uint64_t *removed)
{
    enum err err = db_query(store->db, SQL_CALLS_OLD, &DB_NUM(limit), 1, NULL, NULL);
    *removed = err ? 0 : db_affected(store->db);
    return err;
}
