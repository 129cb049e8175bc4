/* Namespaces and the secret, against a database of a few rows. */
#include "tests/unit/check.h"

#include "db_fakes.h"

#include "common/store/store_io.h"
#include "common/store/store_sql.h"

static struct {
    char name[32]; /* of the only conversation there is; "" none */
    uint64_t kind;
    int refusals; /* INSERTs that meet another's of the same name */
    int retries;  /* INSERTs that meet a deadlock */
    enum err err; /* of every statement */
    int inserts;
    const char *secret;
} db;

static struct store store;

static int begin(void **state)
{
    (void)state;
    memset(&db, 0, sizeof db);
    return 0;
}

static enum err insert(const struct db_value *row)
{
    db.inserts++;
    if (db.retries && db.retries--)
        return ERR_RETRY;
    assert_true(row[0].text.len > 4 && !memcmp(row[0].text.ptr, "nsp_", 4));
    db.kind = row[1].number;
    snprintf(db.name, sizeof db.name, "%.*s", (int)row[2].text.len, row[2].text.ptr);
    return db.refusals && db.refusals-- ? ERR_DUPLICATE : ERR_OK;
}

enum err db_query(struct db *connection, size_t statement, const struct db_value *params, size_t count, db_row_fn *fn,
                  void *arg)
{
    (void)connection;
    (void)count;
    if (db.err)
        return db.err;
    if (statement == SQL_ADD_ROOM)
        return insert(params);
    if (statement == SQL_FIND_CONVERSATION && *db.name && params[0].number == db.kind &&
        str_eq(params[1].text, str_of(db.name)))
        fn(arg, &DB_NUM(7));
    if (statement == SQL_SECRET && db.secret)
        fn(arg, &DB_TEXT(str_of(db.secret)));
    return ERR_OK;
}

enum err db_run(struct db *connection, const char *sql, db_row_fn *row, void *arg)
{
    (void)connection, (void)sql, (void)row, (void)arg;
    return ERR_DOWN;
}

static enum err look(const char *name, bool create, uint64_t *conversation)
{
    return store_io_namespace(&store, str_of(name), create, conversation);
}

static void a_namespace_is_made_once_and_found(void **state)
{
    (void)state;
    uint64_t conversation;
    assert_int_equal(look("/news", false, &conversation), ERR_NOT_FOUND);
    assert_int_equal(db.inserts, 0);
    assert_int_equal(look("/news", true, &conversation), ERR_OK);
    assert_int_equal(conversation, 7);
    assert_int_equal(db.kind, KIND_SOCKETIO);
    assert_string_equal(db.name, "/news");
    assert_int_equal(look("/news", true, &conversation), ERR_OK);
    assert_int_equal(look("/news", false, &conversation), ERR_OK);
    assert_int_equal(conversation, 7);
    assert_int_equal(db.inserts, 1);
}

static void two_that_make_it_at_once_get_one(void **state)
{
    (void)state;
    uint64_t conversation;
    db.refusals = 1; /* the other was quicker */
    assert_int_equal(look("/", true, &conversation), ERR_OK);
    assert_int_equal(conversation, 7);
    begin(NULL);
    db.retries = 2;
    assert_int_equal(look("/", true, &conversation), ERR_OK);
    assert_int_equal(conversation, 7);
}

static void no_name_and_a_long_one_are_none(void **state)
{
    (void)state;
    uint64_t conversation;
    char *longest = repeat("n", STORE_NAMESPACE_MAX + 1);
    assert_int_equal(look("", true, &conversation), ERR_NOT_FOUND);
    assert_int_equal(look(longest, true, &conversation), ERR_NOT_FOUND);
    assert_int_equal(db.inserts, 0);
    free(longest);
}

static void a_database_that_is_down_is_no_missing_namespace(void **state)
{
    (void)state;
    uint64_t conversation;
    db.err = ERR_DOWN;
    assert_int_equal(look("/", true, &conversation), ERR_DOWN);
    assert_int_equal(look("/", false, &conversation), ERR_DOWN);
}

static void the_secret_is_32_bytes_or_none(void **state)
{
    (void)state;
    unsigned char secret[STORE_SECRET_BYTES];
    assert_int_equal(store_secret(&store, secret), ERR_INTERNAL);
    db.secret = "00ff10a5" /* and 28 bytes more */ "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c";
    assert_int_equal(store_secret(&store, secret), ERR_OK);
    assert_memory_equal(secret, "\x00\xff\x10\xa5\x01\x02", 6);
    assert_int_equal(secret[31], 0x1c);
    static const char *const wrong[] = {"", "00ff", "00ff10a50102030405060708090a0b0c0d0e0f101112131415161718191a1b1g",
                                        "00ff10a50102030405060708090a0b0c0d0e0f101112131415161718191a1b1c00"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        db.secret = wrong[i];
        assert_int_equal(store_secret(&store, secret), ERR_INTERNAL);
    }
    db.err = ERR_DOWN;
    assert_int_equal(store_secret(&store, secret), ERR_DOWN);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_namespace_is_made_once_and_found), TEST(two_that_make_it_at_once_get_one),
        TEST(no_name_and_a_long_one_are_none),    TEST(a_database_that_is_down_is_no_missing_namespace),
        TEST(the_secret_is_32_bytes_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
