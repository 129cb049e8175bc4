#include "common/store/store_spaces.h"

#include "common/clock.h"
#include "common/store/store_feed.h"
#include "common/store/store_sql.h"

#include <stdio.h>

#define AT_MS          "CAST(ROUND(UNIX_TIMESTAMP(m.created_at) * 1000) AS UNSIGNED)"
#define RECORD_COLUMNS "m.seq AS seq, m.kind, u.public_id, m.content, " AT_MS
#define RECORD_TABLES \
    " FROM message m LEFT JOIN user u ON u.id = m.sender" \
    " WHERE m.conversation = ? AND m.seq > ? AND m.seq < ? AND m.kind IN (2, 3, 8)"

static const struct store_statement rows[] = {
    {SQL_SPACE_USER,
     "SELECT u.id, " STORE_RIGHTS_COLUMNS("u") " FROM user u WHERE u.public_id = ? AND u.realm IN (4, 5)"},
    {SQL_SPACE_BY_NAME, "SELECT c.id, c.public_id, m.user FROM conversation c"
                        " LEFT JOIN member m ON m.conversation = c.id AND m.user = ?"
                        " WHERE c.kind = 4 AND c.name = ?"},
    {SQL_SPACE_SEEN, "SELECT c.id, c.name FROM conversation c"
                     " JOIN member m ON m.conversation = c.id AND m.user = ?"
                     " WHERE c.public_id = ? AND c.kind = 4"},
    {SQL_SPACE_MEMBERS, "SELECT u.public_id, " STORE_SHOWN ", COALESCE(s.score, 0) FROM member m"
                        " JOIN user u ON u.id = m.user" STORE_SHOWN_OF
                        " LEFT JOIN standing s ON s.conversation = m.conversation AND s.user = m.user"
                        " WHERE m.conversation = ? ORDER BY m.joined_at, m.user LIMIT 10000"},
    {SQL_RECORDS_FORWARD, "SELECT " RECORD_COLUMNS RECORD_TABLES " ORDER BY m.seq LIMIT ?"},
    {SQL_RECORDS_LATEST,
     "SELECT * FROM (SELECT " RECORD_COLUMNS RECORD_TABLES " ORDER BY m.seq DESC LIMIT ?) AS latest ORDER BY seq"},
    {SQL_SPACE_LOCK, "SELECT id, seq, last_at, " STORE_EPOCH ", feed_stream, feed_pos FROM conversation"
                     " WHERE public_id = ? AND kind = 4 FOR UPDATE"},
    {SQL_SPACE_TWO,
     "SELECT u.id, u.public_id, " STORE_SHOWN " FROM member m JOIN user u ON u.id = m.user" STORE_SHOWN_OF
     " WHERE m.conversation = ? AND u.public_id IN (?, ?)"},
    {SQL_FIND_TRANSFER, "SELECT m.seq, m.content, " AT_MS " FROM message m"
                        " WHERE m.conversation = ? AND m.sender = ? AND m.client_id = ?"},
    {SQL_GIVE_SCORE, "INSERT INTO standing (conversation, user, score) VALUES (?, ?, ?)"
                     " ON DUPLICATE KEY UPDATE score = score + VALUES(score)"},
    {SQL_TAKE_SCORE, "INSERT INTO standing (conversation, user, score)"
                     " VALUES (?, ?, 0 - CAST(? AS SIGNED))"
                     " ON DUPLICATE KEY UPDATE score = score + VALUES(score)"},
};
_Static_assert(STORE_SPACE_MEMBERS_LISTED == 10000, "as SQL_SPACE_MEMBERS says");
_Static_assert(MESSAGE_JOIN == 2 && MESSAGE_LEAVE == 3 && MESSAGE_TRANSFER == 8, "as RECORD_TABLES says");

const struct store_statements store_spaces_statements = STORE_STATEMENTS(rows);

static void on_space_user(void *arg, const struct db_value *c)
{
    *(struct store_space_user *)arg = (struct store_space_user){c[0].number, store_read_rights(c + 1)};
}

enum err store_space_user(struct store *store, struct str user_id, struct store_space_user *user)
{
    *user = (struct store_space_user){0};
    if (!id_is(user_id, STORE_USER_PREFIX))
        return ERR_NOT_FOUND;
    enum err err = db_query(store->db, SQL_SPACE_USER, &DB_TEXT(user_id), 1, on_space_user, user);
    return !err && !user->user ? ERR_NOT_FOUND : err;
}

/* ---- making one ---- */

struct by_name {
    uint64_t conversation;
    char *space_id;
    bool is_member;
};

static void on_by_name(void *arg, const struct db_value *c)
{
    struct by_name *found = arg;
    found->conversation = c[0].number;
    store_copy(found->space_id, ID_MAX, c[1].text);
    found->is_member = !c[2].is_null;
}

/* The space and its first member become visible together: nobody finds one that is nobody's. */
static enum err add_space(struct store *store, struct str name, uint64_t user, char space_id[ID_MAX])
{
    id_make(STORE_SPACE_PREFIX, space_id);
    enum err err = db_begin(store->db);
    if (err)
        return err;
    struct db_value space[] = {DB_TEXT(str_of(space_id)), DB_NUM(KIND_SPACE), DB_TEXT(name)};
    err = db_query(store->db, SQL_ADD_ROOM, space, 3, NULL, NULL);
    struct db_value member[] = {DB_NUM(db_insert_id(store->db)), DB_NUM(user)};
    if (!err)
        err = db_query(store->db, SQL_ADD_MEMBER, member, 2, NULL, NULL);
    return store_end(store, err);
}

static enum err make_once(struct store *store, struct str name, uint64_t user, char space_id[ID_MAX])
{
    struct by_name found = {.space_id = space_id};
    struct db_value key[] = {DB_NUM(user), DB_TEXT(name)};
    enum err err = db_query(store->db, SQL_SPACE_BY_NAME, key, 2, on_by_name, &found);
    if (!err && found.conversation)
        return found.is_member ? ERR_OK : ERR_DUPLICATE;
    if (!err)
        err = add_space(store, name, user, space_id);
    return err == ERR_DUPLICATE ? ERR_RETRY : err; /* somebody was quicker: perhaps this very user */
}

enum err store_space_make(struct store *store, struct str name, uint64_t user, char space_id[ID_MAX])
{
    struct store_tries tries = {0};
    enum err err;
    do
        err = make_once(store, name, user, space_id);
    while (store_again(&tries, &err));
    return err;
}

/* ---- looking at one ---- */

struct seen {
    uint64_t *conversation;
    struct buf *name;
};

static void on_seen(void *arg, const struct db_value *c)
{
    struct seen *seen = arg;
    *seen->conversation = c[0].number;
    buf_add_str(seen->name, c[1].text);
}

enum err store_space_seen(struct store *store, struct str space_id, uint64_t user, uint64_t *conversation,
                          struct buf *name)
{
    struct seen seen = {conversation, name};
    *conversation = 0;
    if (!id_is(space_id, STORE_SPACE_PREFIX))
        return ERR_NOT_FOUND;
    struct db_value params[] = {DB_NUM(user), DB_TEXT(space_id)};
    enum err err = db_query(store->db, SQL_SPACE_SEEN, params, 2, on_seen, &seen);
    return !err && !*conversation ? ERR_NOT_FOUND : err;
}

struct visit {
    union {
        store_space_member_fn *member;
        store_record_fn *record;
    } fn;
    void *arg;
};

static void on_member(void *arg, const struct db_value *c)
{
    struct visit *visit = arg;
    struct store_space_member member = {c[0].text, c[1].text, (int64_t)c[2].number};
    visit->fn.member(visit->arg, &member);
}

enum err store_space_members(struct store *store, uint64_t conversation, store_space_member_fn *fn, void *arg)
{
    struct visit visit = {{.member = fn}, arg};
    return db_query(store->db, SQL_SPACE_MEMBERS, &DB_NUM(conversation), 1, on_member, &visit);
}

static void on_record(void *arg, const struct db_value *c)
{
    struct visit *visit = arg;
    struct store_record record = {.seq = c[0].number,
                                  .kind = (enum message_kind)c[1].number,
                                  .from_id = c[2].text,
                                  .content =
                                      c[1].number == MESSAGE_TRANSFER ? store_json(c[3].text, "null") : c[3].text,
                                  .at_ms = (int64_t)c[4].number};
    visit->fn.record(visit->arg, &record);
}

enum err store_records(struct store *store, const struct store_range *range, store_record_fn *fn, void *arg)
{
    struct visit visit = {{.record = fn}, arg};
    struct db_value params[] = {DB_NUM(range->conversation), DB_NUM(range->after), DB_NUM(range->before),
                                DB_NUM(range->limit)};
    return db_query(store->db, range->latest ? SQL_RECORDS_LATEST : SQL_RECORDS_FORWARD, params, 4, on_record, &visit);
}

/* ---- a transfer ---- */

struct transfer_state {
    struct store_transfer *transfer;
    uint64_t last, to;     /* the conversation's last number; the receiver's */
    int64_t last_ms;       /* when that was */
    struct feed_place fed; /* its last row of the feed */
    char earlier[STORE_TRANSFER_TEXT_MAX];
};

static void on_lock(void *arg, const struct db_value *c)
{
    struct transfer_state *state = arg;
    state->transfer->conversation = c[0].number;
    state->last = c[1].number;
    state->last_ms = (int64_t)c[2].number;
    state->transfer->epoch = c[3].number;
    state->fed = (struct feed_place){c[4].number, c[5].number};
}

static void on_two(void *arg, const struct db_value *c)
{
    struct transfer_state *state = arg;
    struct store_transfer *transfer = state->transfer;
    if (str_eq(c[1].text, transfer->to_id))
        state->to = c[0].number;
    if (!str_eq(c[1].text, transfer->from_id))
        return;
    transfer->sender = c[0].number;
    store_copy(transfer->sender_name, sizeof transfer->sender_name, c[2].text);
}

static void on_earlier(void *arg, const struct db_value *c)
{
    struct transfer_state *state = arg;
    state->transfer->seq = c[0].number;
    state->transfer->at_ms = (int64_t)c[2].number;
    if (c[1].text.len < sizeof state->earlier) /* else it is no transfer */
        store_copy(state->earlier, sizeof state->earlier, c[1].text);
}

static enum err insert_transfer(struct store *store, struct transfer_state *state, struct str client_id)
{
    struct store_transfer *transfer = state->transfer;
    char now[CLOCK_TEXT_MAX];
    transfer->seq = state->last + 1;
    transfer->batch = id_random();
    transfer->at_ms = store_next_ms(state->last_ms);
    clock_format_utc(transfer->at_ms, now);
    struct db_value row[] = {DB_NUM(transfer->conversation),
                             DB_NUM(transfer->seq),
                             DB_NUM(transfer->sender),
                             DB_TEXT(client_id),
                             DB_NUM(transfer->batch),
                             DB_NUM(MESSAGE_TRANSFER),
                             DB_TEXT(str_of(transfer->sender_name)),
                             DB_TEXT(str_of(transfer->content)),
                             DB_NULL,
                             DB_TEXT(str_of(now)),
                             DB_NULL,
                             DB_NULL};
    struct message message = {.conversation = transfer->conversation, .seq = transfer->seq, .kind = MESSAGE_TRANSFER};
    enum err err = db_query(store->db, SQL_ADD_MESSAGE, row, 12, NULL, NULL);
    if (!err && store->feed.on)
        err = store_feed_add(store, &(struct feed_entry){&message, &state->fed}, 1);
    struct db_value counter[] = {DB_NUM(transfer->seq), DB_NUM((uint64_t)transfer->at_ms), DB_NUM(state->fed.stream),
                                 DB_NUM(state->fed.pos), DB_NUM(transfer->conversation)};
    if (!err)
        err = db_query(store->db, SQL_SET_SEQ, counter, 5, NULL, NULL);
    struct db_value give[] = {DB_NUM(transfer->conversation), DB_NUM(state->to), DB_NUM((uint64_t)transfer->score)};
    if (!err)
        err = db_query(store->db, SQL_GIVE_SCORE, give, 3, NULL, NULL);
    struct db_value take[] = {DB_NUM(transfer->conversation), DB_NUM(transfer->sender),
                              DB_NUM((uint64_t)transfer->score)};
    if (!err)
        err = db_query(store->db, SQL_TAKE_SCORE, take, 3, NULL, NULL);
    return err;
}

/* Inside the transaction. The space's row is locked first, as the journal does, and everything else of this
 * space is only written by who holds it. */
static enum err move(struct store *store, struct transfer_state *state)
{
    struct store_transfer *transfer = state->transfer;
    char client_id[MESSAGE_CLIENT_ID_MAX + 1];
    int len = snprintf(client_id, sizeof client_id, MESSAGE_ID_TRANSFER "%.*s", (int)transfer->client_id.len,
                       transfer->client_id.ptr);
    struct str key = {client_id, (size_t)len};
    enum err err = db_query(store->db, SQL_SPACE_LOCK, &DB_TEXT(transfer->space_id), 1, on_lock, state);
    if (err || !transfer->conversation)
        return err ? err : ERR_NOT_FOUND;
    struct db_value two[] = {DB_NUM(transfer->conversation), DB_TEXT(transfer->from_id), DB_TEXT(transfer->to_id)};
    err = db_query(store->db, SQL_SPACE_TWO, two, 3, on_two, state);
    if (err || !transfer->sender || !state->to)
        return err ? err : ERR_NOT_FOUND;
    struct db_value before[] = {DB_NUM(transfer->conversation), DB_NUM(transfer->sender), DB_TEXT(key)};
    err = db_query(store->db, SQL_FIND_TRANSFER, before, 3, on_earlier, state);
    if (err)
        return err;
    if (!transfer->seq)
        return insert_transfer(store, state, key);
    transfer->repeated = true;
    return strcmp(state->earlier, transfer->content) == 0 ? ERR_OK : ERR_DUPLICATE;
}

static enum err transfer_once(struct store *store, struct store_transfer *transfer)
{
    struct transfer_state state = {.transfer = transfer};
    transfer->conversation = transfer->sender = transfer->seq = 0;
    transfer->repeated = false;
    enum err err = db_begin(store->db);
    if (err)
        return err;
    err = move(store, &state);
    if (!err && !transfer->repeated) {
        err = db_commit(store->db);
        store_feed_settle(store, err);
        return err;
    }
    db_rollback(store->db);
    store_feed_settle(store, err);
    return err;
}

enum err store_transfer(struct store *store, struct store_transfer *transfer)
{
    struct store_tries tries = {0};
    enum err err;
    CG_ASSERT(transfer->client_id.len && transfer->client_id.len <= STORE_TRANSFER_CLIENT_MAX);
    CG_ASSERT(transfer->score > 0 && transfer->score <= STORE_SCORE_MAX);
    if (!id_is(transfer->space_id, STORE_SPACE_PREFIX) || !id_is(transfer->to_id, STORE_USER_PREFIX) ||
        str_eq(transfer->from_id, transfer->to_id))
        return ERR_NOT_FOUND;
    snprintf(transfer->content, sizeof transfer->content, "{\"fromId\":\"%.*s\",\"toId\":\"%.*s\",\"score\":%lld}",
             (int)transfer->from_id.len, transfer->from_id.ptr, (int)transfer->to_id.len, transfer->to_id.ptr,
             (long long)transfer->score);
    do /* after a lost answer to COMMIT the next attempt waits for the row and finds what became of it */
        err = transfer_once(store, transfer);
    while (store_again(&tries, &err));
    return err;
}
