/* Who those are to the application that posts were stored of: asked for once, for all of a batch together. */
#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/store/store_authors.h"
#include "common/store/store_sql.h"
#include "tests/unit/store/db_fakes.h"

static struct {
    char sql[4096];
    int runs;
    enum err err;
    const char *face;
} db;

static struct store store;
static struct store_post posts[3];

enum err db_query(struct db *connection, size_t statement, const struct db_value *params, size_t count, db_row_fn *row,
                  void *arg)
{
    (void)connection, (void)statement, (void)params, (void)count, (void)row, (void)arg;
    return ERR_DOWN;
}

/* 7 is Ann of the application, 8 is being erased, 9 is of another front end. */
enum err db_run(struct db *connection, const char *sql, db_row_fn *row, void *arg)
{
    (void)connection;
    db.runs++;
    snprintf(db.sql, sizeof db.sql, "%s", strstr(sql, "IN ("));
    struct db_value ann[] = {DB_NUM(7), DB_TEXT(STR("ann")), db.face ? DB_TEXT(str_of(db.face)) : DB_NULL};
    struct db_value gone[] = {DB_NUM(8),
                              DB_TEXT(STR("\x01"
                                          "gone")),
                              DB_NULL};
    if (!db.err && strchr(db.sql, '7'))
        row(arg, ann);
    if (!db.err && strchr(db.sql, '8'))
        row(arg, gone);
    return db.err;
}

static int begin(void **state)
{
    (void)state;
    memset(&db, 0, sizeof db);
    memset(&store, 0, sizeof store);
    store.last.epoch = 3;
    clock_freeze(1700000000000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    store_authors_free(store.authors);
    return 0;
}

static void name_all(uint64_t one, uint64_t two, uint64_t three)
{
    const uint64_t senders[] = {one, two, three};
    for (size_t i = 0; i < 3; i++)
        posts[i] = (struct store_post){.message = {.sender = senders[i], .seq = i + 1}, .of_app = true};
    store_authors_name(&store, posts, 3);
}

static void each_is_asked_for_once(void **state)
{
    (void)state;
    db.face = "/f";
    name_all(7, 9, 7);
    assert_string_equal(db.sql, "IN (7,9)");
    for (size_t i = 0; i < 3; i += 2) {
        assert_str(posts[i].message.author_id, STR("ann"));
        assert_str(posts[i].message.author_face, STR("/f"));
    }
    assert_int_equal(posts[1].message.author_id.len, 0);
    name_all(9, 7, 0);
    assert_int_equal(db.runs, 1);
    assert_str(posts[1].message.author_id, STR("ann"));
    name_all(8, 0, 9);
    assert_string_equal(db.sql, "IN (8)");
    assert_int_equal(posts[0].message.author_id.len, 0);
}

static void a_new_face_is_seen_after_a_while(void **state)
{
    (void)state;
    name_all(7, 9, 0);
    assert_int_equal(posts[0].message.author_face.len, 0);
    db.face = "/new";
    clock_freeze(1700000000000 + 31000);
    name_all(7, 9, 0);
    assert_string_equal(db.sql, "IN (7)"); /* nobody becomes a user of the application later */
    assert_str(posts[0].message.author_face, STR("/new"));
    store.last.epoch = 4; /* 9 may be somebody else now */
    name_all(7, 9, 0);
    assert_string_equal(db.sql, "IN (7,9)");
}

static void what_was_not_stored_now_is_not_named(void **state)
{
    (void)state;
    memset(posts, 0, sizeof posts);
    for (size_t i = 0; i < 3; i++)
        posts[i] = (struct store_post){.message = {.sender = 7}, .of_app = i != 2};
    posts[0].err = ERR_DENIED;
    posts[1].repeated = true;
    store_authors_name(&store, posts, 3);
    assert_int_equal(db.runs, 0); /* and other front ends cost nothing */
    db.err = ERR_DOWN;
    name_all(7, 7, 7);
    assert_int_equal(posts[0].message.author_id.len, 0);
    db.err = ERR_OK;
    name_all(7, 7, 7);
    assert_int_equal(db.runs, 2);
    assert_str(posts[2].message.author_id, STR("ann"));
}

static void more_than_are_remembered_are_all_named(void **state)
{
    (void)state;
    name_all(7, 0, 0);
    for (uint64_t user = 10000; user < 10000 + 3 * 1500; user += 3)
        name_all(user, user + 1, user + 2);
    name_all(7, 1, 7);
    assert_str(posts[2].message.author_id, STR("ann"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_is_asked_for_once),
        CASE(a_new_face_is_seen_after_a_while),
        CASE(what_was_not_stored_now_is_not_named),
        CASE(more_than_are_remembered_are_all_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
