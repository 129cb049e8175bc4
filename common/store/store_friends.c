#include "common/store/store_friends.h"

#include "common/store/store_pair.h"
#include "common/store/store_sql.h"

static const struct store_statement rows[] = {
    {SQL_FRIEND_PAIR, "SELECT c.public_id FROM pair p"
                      " JOIN conversation c ON c.id = p.conversation AND c.kind = 2"
                      " WHERE p.user1 = ? AND p.user2 = ?"},
    {SQL_FRIEND_COUNT, "SELECT COUNT(*) FROM (SELECT 1 FROM member WHERE user = ? LIMIT ?) some"},
    /* What is dear, the unread, is counted for those that are listed only. */
    {SQL_FRIEND_LIST,
     "SELECT f.conversation, f.friend, f.other_id, f.name, l.seq, l.sender, IF(l.recalled, 1, l.kind),"
     " IF(l.recalled, '" MESSAGE_RECALLED_TEXT "', LEFT(l.content, 2048)), f.at,"
     " (SELECT COUNT(*) FROM message n WHERE n.conversation = f.conversation"
     "  AND n.seq > IF(f.seq > f.read_seq + 1000, f.seq - 1000, f.read_seq) AND n.sender = f.other"
     "  AND n.kind IN (" STORE_KINDS_SAID ") AND n.recalled = 0)"
     " FROM (SELECT c.id AS conversation, c.public_id AS friend, c.seq AS seq, m.read_seq AS read_seq, u.id AS other,"
     "   u.public_id AS other_id, " STORE_SHOWN " AS name, s.seq AS last,"
     "   CAST(COALESCE(ROUND(UNIX_TIMESTAMP(s.created_at) * 1000), 0) AS UNSIGNED) AS at"
     "  FROM pair p JOIN conversation c ON c.id = p.conversation AND c.kind = 2"
     "  JOIN member m ON m.conversation = c.id AND m.user = ?"
     "  JOIN user u ON u.id = IF(p.user1 = ?, p.user2, p.user1)" STORE_SHOWN_OF
     "  LEFT JOIN message s ON s.conversation = c.id AND s.seq = (SELECT t.seq FROM message t"
     "   WHERE t.conversation = c.id AND t.kind IN (" STORE_KINDS_SAID ") ORDER BY t.seq DESC LIMIT 1)"
     "  WHERE p.user1 = ? OR p.user2 = ?"
     "  HAVING at < ? OR (at = ? AND conversation < ?) ORDER BY at DESC, conversation DESC LIMIT ?) AS f"
     " LEFT JOIN message l ON l.conversation = f.conversation AND l.seq = f.last"
     " ORDER BY f.at DESC, f.conversation DESC"},
    {SQL_FRIEND_MEMBERSHIP, "SELECT c.id, c.seq, m.read_seq, c.public_id,"
                            " p.user1, u1.public_id, p.user2, u2.public_id"
                            " FROM conversation c JOIN pair p ON p.conversation = c.id"
                            " JOIN member m ON m.conversation = c.id AND m.user = ?"
                            " JOIN user u1 ON u1.id = p.user1 JOIN user u2 ON u2.id = p.user2"
                            " WHERE c.public_id = ? AND c.kind = 2"},
    {SQL_SET_READ, "UPDATE member SET read_seq = GREATEST(read_seq, ?)"
                   " WHERE conversation = ? AND user = ?"},
};
_Static_assert(STORE_UNREAD_COUNTED == 1000 && STORE_LAST_CHARS == 2048, "as SQL_FRIEND_LIST says");

const struct store_statements store_friends_statements = STORE_STATEMENTS(rows);

static void on_id(void *arg, const struct db_value *columns)
{
    store_copy(arg, ID_MAX, columns[0].text);
}

static enum err find_pair(struct store *store, uint64_t one, uint64_t other, char friend_id[ID_MAX])
{
    struct db_value key[] = {DB_NUM(one < other ? one : other), DB_NUM(one < other ? other : one)};
    friend_id[0] = '\0';
    return db_query(store->db, SQL_FRIEND_PAIR, key, 2, on_id, friend_id);
}

enum err store_friend_find(struct store *store, uint64_t one, uint64_t other, char friend_id[ID_MAX])
{
    enum err err = find_pair(store, one, other, friend_id);
    return !err && !*friend_id ? ERR_NOT_FOUND : err;
}

enum err store_friend_count(struct store *store, uint64_t user, uint64_t most, uint64_t *count)
{
    struct db_value params[] = {DB_NUM(user), DB_NUM(most)};
    *count = 0;
    return db_query(store->db, SQL_FRIEND_COUNT, params, 2, store_on_number, count);
}

enum err store_friend_make(struct store *store, uint64_t one, uint64_t other, char friend_id[ID_MAX], bool *made)
{
    uint64_t conversation;
    struct store_tries tries = {0};
    *made = false;
    enum err err;
    do {
        err = find_pair(store, one, other, friend_id);
        if (err || *friend_id)
            continue;
        *made = true;
        err = store_pair_make(store, KIND_FRIENDS, STORE_FRIEND_PREFIX, one, other, &conversation);
        if (!err)
            err = find_pair(store, one, other, friend_id);
        if (!err && !*friend_id)
            err = ERR_INTERNAL;
    } while (store_again(&tries, &err));
    return err;
}

struct listing {
    store_friend_line_fn *fn;
    void *arg;
};

static void on_line(void *arg, const struct db_value *c)
{
    struct listing *listing = arg;
    struct store_friend_line line = {
        .conversation = c[0].number,
        .friend_id = c[1].text,
        .user_id = c[2].text,
        .name = c[3].text,
        .last = {.seq = c[4].number,
                 .sender = c[5].number,
                 .kind = (enum message_kind)c[6].number,
                 .content = c[7].text,
                 .at_ms = (int64_t)c[8].number},
        .unread = c[9].number,
    };
    listing->fn(listing->arg, &line);
}

enum err store_friend_list(struct store *store, uint64_t user, const struct store_friend_cursor *from, unsigned limit,
                           store_friend_line_fn *fn, void *arg)
{
    struct listing listing = {fn, arg};
    struct db_value params[] = {DB_NUM(user),
                                DB_NUM(user),
                                DB_NUM(user),
                                DB_NUM(user),
                                DB_NUM(from->at_ms),
                                DB_NUM(from->at_ms),
                                DB_NUM(from->conversation),
                                DB_NUM(limit)};
    return db_query(store->db, SQL_FRIEND_LIST, params, 8, on_line, &listing);
}

static void on_membership(void *arg, const struct db_value *c)
{
    struct store_friend_membership *membership = arg;
    struct store_friendship *friendship = &membership->friendship;
    friendship->conversation = c[0].number;
    membership->seq = c[1].number;
    membership->read_seq = c[2].number;
    store_copy(friendship->id, ID_MAX, c[3].text);
    friendship->low = c[4].number;
    store_copy(friendship->low_id, ID_MAX, c[5].text);
    friendship->high = c[6].number;
    store_copy(friendship->high_id, ID_MAX, c[7].text);
}

enum err store_friend_membership(struct store *store, struct str friend_id, uint64_t user,
                                 struct store_friend_membership *membership)
{
    *membership = (struct store_friend_membership){0};
    if (!id_is(friend_id, STORE_FRIEND_PREFIX))
        return ERR_NOT_FOUND;
    struct db_value params[] = {DB_NUM(user), DB_TEXT(friend_id)};
    enum err err = db_query(store->db, SQL_FRIEND_MEMBERSHIP, params, 2, on_membership, membership);
    return !err && !membership->friendship.conversation ? ERR_NOT_FOUND : err;
}

enum err store_friend_read(struct store *store, uint64_t conversation, uint64_t user, uint64_t seq)
{
    struct db_value params[] = {DB_NUM(seq), DB_NUM(conversation), DB_NUM(user)};
    return db_query(store->db, SQL_SET_READ, params, 3, NULL, NULL);
}
