#include "common/store/store_admission.h"

#include "common/store/store_sql.h"

static const struct store_statement rows[] = {
    {SQL_FRIEND_SELF,
     "SELECT u.id, " STORE_SHOWN ", IF(u.realm = 5, u.id, c.user), " STORE_RIGHTS_COLUMNS(
         "u") " FROM user u"
              " LEFT JOIN credential c ON c.user = u.id" STORE_SHOWN_OF " WHERE u.public_id = ? AND u.realm IN (2, 5)"},
    {SQL_FRIENDSHIPS, "SELECT m.conversation, c.public_id, p.user1, u1.public_id, p.user2, u2.public_id"
                      " FROM (SELECT conversation FROM member WHERE user = ? AND conversation < ?"
                      "  ORDER BY conversation DESC LIMIT 200) m"
                      " LEFT JOIN conversation c ON c.id = m.conversation AND c.kind = 2"
                      " LEFT JOIN pair p ON p.conversation = c.id"
                      " LEFT JOIN user u1 ON u1.id = p.user1 LEFT JOIN user u2 ON u2.id = p.user2"
                      " ORDER BY m.conversation DESC"},
    {SQL_SPACE_MEMBERSHIP,
     "SELECT c.id, c.name, u.id, " STORE_SHOWN ", m.user, " STORE_RIGHTS_COLUMNS(
         "u") " FROM conversation c JOIN user u ON u.public_id = ? AND u.realm IN (4, 5)" STORE_SHOWN_OF
              " LEFT JOIN member m ON m.conversation = c.id AND m.user = u.id"
              " WHERE c.public_id = ? AND c.kind = 4"},
};

const struct store_statements store_admission_statements = STORE_STATEMENTS(rows);

static void on_self(void *arg, const struct db_value *c)
{
    struct store_friend_self *self = arg;
    self->user = c[0].number;
    self->has_password = !c[2].is_null;
    self->rights = store_read_rights(c + 3);
    store_copy(self->name, sizeof self->name, c[1].text);
}

enum err store_friend_self(struct store *store, struct str user_id, struct store_friend_self *self)
{
    *self = (struct store_friend_self){0};
    if (!id_is(user_id, STORE_USER_PREFIX))
        return ERR_NOT_FOUND;
    enum err err = db_query(store->db, SQL_FRIEND_SELF, &DB_TEXT(user_id), 1, on_self, self);
    return !err && !self->user ? ERR_NOT_FOUND : err;
}

struct visit {
    store_friendship_fn *fn;
    void *arg;
    size_t count;
    uint64_t last;
};

static void on_friendship(void *arg, const struct db_value *c)
{
    struct visit *visit = arg;
    visit->count++;
    visit->last = c[0].number;
    if (c[5].is_null) /* it is being made */
        return;
    struct store_friendship friendship = {.conversation = c[0].number, .low = c[2].number, .high = c[4].number};
    store_copy(friendship.id, sizeof friendship.id, c[1].text);
    store_copy(friendship.low_id, sizeof friendship.low_id, c[3].text);
    store_copy(friendship.high_id, sizeof friendship.high_id, c[5].text);
    visit->fn(visit->arg, &friendship);
}
_Static_assert(STORE_FRIENDSHIPS_PAGE == 200, "as SQL_FRIENDSHIPS says");

enum err store_friendships(struct store *store, uint64_t user, uint64_t *before, store_friendship_fn *fn, void *arg)
{
    struct visit visit = {.fn = fn, .arg = arg};
    struct db_value params[] = {DB_NUM(user), DB_NUM(*before)};
    enum err err = db_query(store->db, SQL_FRIENDSHIPS, params, 2, on_friendship, &visit);
    if (!err)
        *before = visit.count < STORE_FRIENDSHIPS_PAGE ? 0 : visit.last;
    return err;
}

struct space_row {
    struct store_space_membership *membership;
    bool is_member;
};

static void on_space(void *arg, const struct db_value *c)
{
    struct space_row *row = arg;
    row->membership->conversation = c[0].number;
    row->membership->user = c[2].number;
    row->membership->rights = store_read_rights(c + 5);
    row->is_member = !c[4].is_null;
    store_copy(row->membership->space_name, sizeof row->membership->space_name, c[1].text);
    store_copy(row->membership->user_name, sizeof row->membership->user_name, c[3].text);
}

enum err store_space_membership(struct store *store, struct str space_id, struct str user_id, const char *space_name,
                                struct store_space_membership *membership)
{
    *membership = (struct store_space_membership){0};
    struct space_row row = {.membership = membership};
    if (!id_is(space_id, STORE_SPACE_PREFIX) || !id_is(user_id, STORE_USER_PREFIX))
        return ERR_NOT_FOUND;
    struct db_value ids[] = {DB_TEXT(user_id), DB_TEXT(space_id)};
    enum err err = db_query(store->db, SQL_SPACE_MEMBERSHIP, ids, 2, on_space, &row);
    if (err || !membership->conversation)
        return err ? err : ERR_NOT_FOUND;
    if (space_name && strcmp(space_name, membership->space_name) != 0)
        return ERR_DENIED;
    if (row.is_member)
        return ERR_OK;
    struct db_value member[] = {DB_NUM(membership->conversation), DB_NUM(membership->user)};
    err = db_query(store->db, SQL_ADD_MEMBER, member, 2, NULL, NULL);
    return err == ERR_DUPLICATE ? ERR_OK : err; /* somebody else was quicker */
}
