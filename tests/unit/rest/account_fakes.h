/* account_fakes.h: users, friendships and spaces controlled by the test, and passwords that cost nothing, for the
 * tests of the friend chat and the spaces. Beside rest_fakes.h; a test includes both once. */
#ifndef CG_TESTS_ACCOUNT_FAKES_H
#define CG_TESTS_ACCOUNT_FAKES_H

#include "rest_fakes.h"

#include "common/password.h"
#include "common/store/store_friends.h"
#include "common/store/store_login.h"
#include "common/store/store_spaces.h"

/* Users by number: 1, 2, 3 … */
#define ANN       "user_00000000000000000000000000000001"
#define BOB       "user_00000000000000000000000000000002"
#define CYN       "user_00000000000000000000000000000003"
#define FRIEND_ID "friend_0123456789abcdef0123456789abcdef"
#define SPACE_ID  "space_0123456789abcdef0123456789abcdef"

enum { USERS_MAX = 8 };

static struct {
    struct store_login users[USERS_MAX];
    char names[USERS_MAX][STORE_NAME_MAX + 1];
    size_t count;
    enum store_realm realm; /* asked for last */
    bool rival_sets;        /* somebody else sets the password "rival!" first */
    enum err gate;          /* what hashing ends with */
    int hashed, checked;
    /* friendships: ANN's and BOB's, with this membership */
    struct store_friend_membership membership;
    bool made;
    int befriended, marked;
    uint64_t friends[8]; /* how many each user has, by number */
    uint64_t marked_seq;
    const struct store_friend_line *lines;
    size_t line_count;
    struct store_friend_cursor listed_from;
    /* spaces: ANN is in SPACE_ID */
    enum err space;                        /* of making or transferring */
    char client_id[MESSAGE_CLIENT_ID_MAX]; /* of the last transfer */
    char made_name[STORE_NAME_MAX + 1];
    int makes, joins, transfers;
    bool repeated;
    const struct store_record *records;
    size_t record_count;
} accounts;

static void add_user(const char *name, const char *hash)
{
    struct store_login *user = &accounts.users[accounts.count];
    user->user = accounts.count + 1;
    snprintf(user->user_id, ID_MAX, "user_%032zx", accounts.count + 1);
    snprintf(user->hash, PASSWORD_HASH_MAX, "%s", hash);
    snprintf(accounts.names[accounts.count], STORE_NAME_MAX, "%s", name);
    accounts.count++;
}

static struct store_login *user_by_id(struct str id)
{
    for (size_t i = 0; i < accounts.count; i++)
        if (str_eq(id, str_of(accounts.users[i].user_id)))
            return &accounts.users[i];
    return NULL;
}

/* ann and bob have no password, cyn has "secret". */
static int reset_accounts(void **state)
{
    memset(&accounts, 0, sizeof accounts);
    add_user("ann", "");
    add_user("bob", "");
    add_user("cyn", "hash of secret");
    accounts.membership.friendship = (struct store_friendship){7, 1, 2, FRIEND_ID, ANN, BOB};
    tokens.secret = SECRET;
    return reset(state);
}

/* ---- passwords ---- */

bool password_ok(struct str password)
{
    return password.len >= PASSWORD_MIN && password.len <= PASSWORD_MAX;
}

enum err password_hash(uint64_t payer, struct str password, char hash[PASSWORD_HASH_MAX])
{
    (void)payer;
    accounts.hashed++;
    snprintf(hash, PASSWORD_HASH_MAX, "hash of %.*s", (int)password.len, password.ptr);
    return accounts.gate;
}

enum err password_check(uint64_t payer, struct str password, const char *hash)
{
    (void)payer;
    char other[PASSWORD_HASH_MAX];
    accounts.checked++;
    snprintf(other, sizeof other, "hash of %.*s", (int)password.len, password.ptr);
    return accounts.gate ? accounts.gate : strcmp(hash, other) ? ERR_DENIED : ERR_OK;
}

/* ---- users ---- */

enum err store_login_find(struct store *store, enum store_realm realm, struct str name, struct store_login *login)
{
    (void)store;
    accounts.realm = realm;
    *login = (struct store_login){0};
    for (size_t i = 0; i < accounts.count && !fake.store; i++)
        if (str_eq(name, str_of(accounts.names[i]))) {
            *login = accounts.users[i];
            return ERR_OK;
        }
    return fake.store ? fake.store : ERR_NOT_FOUND;
}

enum err store_login_make(struct store *store, enum store_realm realm, struct str name, struct store_login *login)
{
    enum err err = store_login_find(store, realm, name, login);
    if (err != ERR_NOT_FOUND)
        return err;
    char text[STORE_NAME_MAX + 1];
    keep(text, sizeof text, name);
    assert_true(accounts.count < USERS_MAX);
    add_user(text, "");
    return store_login_find(store, realm, name, login);
}

enum err store_login_set(struct store *store, struct store_login *login, const char *hash)
{
    (void)store;
    struct store_login *user = &accounts.users[login->user - 1];
    snprintf(user->hash, PASSWORD_HASH_MAX, "%s", accounts.rival_sets ? "hash of rival!" : hash);
    login->generation = ++user->generation;
    return accounts.rival_sets ? ERR_DUPLICATE : fake.store;
}

/* A password voids what was given out before it. */
static struct rights rights_of(const struct store_login *user)
{
    return (struct rights){user->generation, user->generation, user->generation ? 1 : 0};
}

enum err store_friend_self(struct store *store, struct str user_id, struct store_friend_self *self)
{
    (void)store;
    const struct store_login *user = user_by_id(user_id);
    *self = (struct store_friend_self){0};
    if (user)
        *self = (struct store_friend_self){.user = user->user, .has_password = *user->hash, .rights = rights_of(user)};
    return fake.store ? fake.store : user ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_space_user(struct store *store, struct str user_id, struct store_space_user *user)
{
    (void)store;
    const struct store_login *found = user_by_id(user_id);
    *user = (struct store_space_user){0};
    if (found)
        *user = (struct store_space_user){found->user, rights_of(found)};
    return fake.store ? fake.store : found ? ERR_OK : ERR_NOT_FOUND;
}

/* ---- friendships ---- */

enum err store_friend_find(struct store *store, uint64_t one, uint64_t other, char friend_id[ID_MAX])
{
    (void)store;
    assert_true(one && other && one != other);
    snprintf(friend_id, ID_MAX, "%s", FRIEND_ID);
    return fake.store ? fake.store : accounts.made ? ERR_NOT_FOUND : ERR_OK;
}

enum err store_friend_count(struct store *store, uint64_t user, uint64_t most, uint64_t *count)
{
    (void)store;
    *count = user < sizeof accounts.friends / sizeof accounts.friends[0] ? accounts.friends[user] : 0;
    if (*count > most)
        *count = most;
    return fake.store;
}

enum err store_friend_make(struct store *store, uint64_t one, uint64_t other, char friend_id[ID_MAX], bool *made)
{
    (void)store;
    assert_true(one && other && one != other);
    accounts.befriended++;
    *made = accounts.made;
    snprintf(friend_id, ID_MAX, "%s", FRIEND_ID);
    return fake.store;
}

enum err store_friend_list(struct store *store, uint64_t user, const struct store_friend_cursor *from, unsigned limit,
                           store_friend_line_fn *fn, void *arg)
{
    (void)store;
    (void)user;
    accounts.listed_from = *from;
    for (size_t i = 0; i < accounts.line_count && i < limit; i++)
        fn(arg, &accounts.lines[i]);
    return fake.store;
}

enum err store_friend_membership(struct store *store, struct str friend_id, uint64_t user,
                                 struct store_friend_membership *membership)
{
    (void)store;
    *membership = accounts.membership;
    bool mine = str_eq(friend_id, STR(FRIEND_ID)) && user <= 2;
    return fake.store ? fake.store : mine ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_friend_read(struct store *store, uint64_t conversation, uint64_t user, uint64_t seq)
{
    (void)store;
    (void)user;
    assert_int_equal(conversation, 7);
    accounts.marked++;
    accounts.marked_seq = seq;
    return fake.store;
}

/* ---- spaces ---- */

enum err store_space_membership(struct store *store, struct str space_id, struct str user_id, const char *space_name,
                                struct store_space_membership *membership)
{
    (void)store;
    (void)user_id;
    assert_null(space_name);
    accounts.joins++;
    *membership = (struct store_space_membership){.conversation = 7, .space_name = "茶 \"room\""};
    return fake.store ? fake.store : str_eq(space_id, STR(SPACE_ID)) ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_space_make(struct store *store, struct str name, uint64_t user, char space_id[ID_MAX])
{
    (void)store;
    assert_true(user);
    accounts.makes++;
    keep(accounts.made_name, sizeof accounts.made_name, name);
    snprintf(space_id, ID_MAX, "%s", SPACE_ID);
    return accounts.space;
}

enum err store_space_seen(struct store *store, struct str space_id, uint64_t user, uint64_t *conversation,
                          struct buf *name)
{
    (void)store;
    *conversation = 7;
    buf_add_text(name, "tea");
    bool mine = str_eq(space_id, STR(SPACE_ID)) && user == 1;
    return fake.store ? fake.store : mine ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_space_members(struct store *store, uint64_t conversation, store_space_member_fn *fn, void *arg)
{
    (void)store;
    assert_int_equal(conversation, 7);
    struct store_space_member members[] = {{STR(ANN), STR("ann"), -5}, {STR(BOB), STR("\"bob\""), 5}};
    for (size_t i = 0; i < 2; i++)
        fn(arg, &members[i]);
    return fake.store;
}

enum err store_records(struct store *store, const struct store_range *range, store_record_fn *fn, void *arg)
{
    (void)store;
    fake.range = *range;
    for (size_t i = 0; i < accounts.record_count; i++)
        fn(arg, &accounts.records[i]);
    return fake.store;
}

enum err store_transfer(struct store *store, struct store_transfer *transfer)
{
    (void)store;
    accounts.transfers++;
    transfer->conversation = 7;
    transfer->seq = 3;
    transfer->epoch = 7;
    transfer->sender = 1;
    transfer->at_ms = 1700000000123;
    transfer->repeated = accounts.repeated;
    snprintf(transfer->sender_name, sizeof transfer->sender_name, "ann");
    snprintf(transfer->content, sizeof transfer->content,
             "{\"fromId\":\"" ANN "\",\"toId\":\"" BOB "\",\"score\":%lld}", (long long)transfer->score);
    keep(accounts.client_id, sizeof accounts.client_id, transfer->client_id);
    return accounts.space;
}

#endif
