/* Questions for many at once: what is asked, and that everybody gets their own of what comes. */
#include "tests/unit/check.h"

#include "db_fakes.h"

#include "common/mem.h"
#include "common/store/store_native.h"
#include "common/store/store_sql.h"

enum { ROWS_MAX = 8, COLUMNS_MAX = DB_MAX_COLUMNS };

static struct {
    char *sql; /* of the last question */
    int runs, queries;
    enum err err; /* of the question after `fine` ones */
    int fine;
    struct db_value rows[ROWS_MAX][COLUMNS_MAX];
    size_t row_count;
} db;

static struct store store;

static int begin(void **state)
{
    (void)state;
    memset(&db, 0, sizeof db);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(db.sql);
    return 0;
}

static enum err answer(db_row_fn *row, void *arg)
{
    if (db.err && !db.fine--)
        return db.err;
    for (size_t i = 0; i < db.row_count; i++)
        row(arg, db.rows[i]);
    return ERR_OK;
}

enum err db_query(struct db *connection, size_t statement, const struct db_value *params, size_t count, db_row_fn *row,
                  void *arg)
{
    (void)connection, (void)params, (void)count;
    assert_int_equal(statement, SQL_MEMBERSHIP);
    db.queries++;
    return answer(row, arg);
}

enum err db_run(struct db *connection, const char *sql, db_row_fn *row, void *arg)
{
    (void)connection;
    db.runs++;
    free(db.sql);
    db.sql = mem_strdup(sql);
    return answer(row, arg);
}

static size_t times(const char *part)
{
    size_t count = 0;
    for (const char *at = db.sql; (at = strstr(at, part)); at++)
        count++;
    return count;
}

static struct str id_of(const char *prefix, unsigned number)
{
    static char ids[300][ID_MAX];
    static size_t next;
    char *id = ids[next++ % 300];
    snprintf(id, ID_MAX, "%s%032x", prefix, number);
    return str_of(id);
}

static void add_row(size_t count, const struct db_value *values)
{
    memcpy(db.rows[db.row_count++], values, count * sizeof *values);
}

#define ADD_ROW(...) \
    add_row(sizeof((struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value), (struct db_value[]){__VA_ARGS__})

/* ---- native arrivals ---- */

#define RIGHTS DB_NUM(3), DB_NUM(2), DB_NUM(1700000000)
#define USER(at, user, name) \
    DB_NUM(at), DB_NUM(user), DB_NUM(1), DB_TEXT(STR(name)), DB_TEXT(STR("3")), DB_NULL, RIGHTS, DB_TEXT(STR(name)), \
        DB_NULL
#define NO_MEMBERSHIP             DB_NULL, DB_NULL, DB_NULL, DB_NULL, DB_NULL, DB_NUM(3)
#define MEMBERSHIP(id, seq, read) DB_NUM(id), DB_NUM(1), DB_NUM(seq), DB_NUM(read), DB_TEXT(STR("tea")), DB_NUM(3)

static void everybody_gets_their_own_places(void **state)
{
    (void)state;
    struct store_native_wanted wanted[] = {{.id = id_of("room_", 1), .membership = {.conversation = 99}},
                                           {.id = id_of("room_", 2)},
                                           {.id = id_of("room_", 1)}};
    struct store_native_arrival ann = {.user_id = id_of("user_", 1), .wanted = wanted, .count = 2};
    struct store_native_arrival bob = {.user_id = id_of("user_", 2), .wanted = wanted + 2, .count = 1};
    struct store_native_arrival eve = {.user_id = id_of("user_", 3)}, kim = {.user_id = id_of("user_", 4)};
    struct store_native_arrival *all[] = {&ann, &bob, &eve, &kim};
    ADD_ROW(USER(2, 12, "bob"), MEMBERSHIP(7, 40, 5));
    ADD_ROW(USER(0, 11, "ann"), DB_NUM(7), DB_NUM(1), DB_NUM(40), DB_NULL, DB_TEXT(STR("tea")),
            DB_NUM(3)); /* no member */
    ADD_ROW(USER(1, 11, "ann"), MEMBERSHIP(8, 50, 6));
    ADD_ROW(DB_NUM(3), DB_NULL, DB_NULL, DB_NULL, DB_NULL, DB_NULL, DB_NULL, DB_NULL, DB_NULL, DB_NULL, DB_NULL,
            NO_MEMBERSHIP);
    ADD_ROW(USER(4, 14, "kim"), NO_MEMBERSHIP);
    assert_int_equal(store_native_arrivals(&store, all, 4), ERR_OK);
    assert_int_equal(db.runs, 1);
    assert_int_equal(times(" AS room"), 5);
    assert_string_equal(ann.user.name, "ann");
    assert_true(ann.user.rights.generation == 3 && ann.user.rights.tokens == 2 &&
                ann.user.rights.tokens_s == 1700000000);
    assert_int_equal(wanted[1].membership.generation, 3);
    assert_int_equal(ann.err, ERR_OK);
    assert_int_equal(wanted[0].membership.conversation, 0);
    assert_int_equal(wanted[1].membership.conversation, 8);
    assert_int_equal(wanted[1].membership.read_seq, 6);
    assert_int_equal(bob.user.user, 12);
    assert_int_equal(wanted[2].membership.seq, 40);
    assert_string_equal(wanted[2].membership.name, "tea");
    assert_int_equal(eve.err, ERR_NOT_FOUND);
    assert_int_equal(kim.user.user, 14);
    assert_int_equal(kim.err, ERR_OK);
}

static void what_is_no_id_is_never_asked_for(void **state)
{
    (void)state;
    struct store_native_wanted wanted[] = {{.id = STR("room_' OR 1")}};
    struct store_native_arrival nobody = {.user_id = STR("user_"), .wanted = wanted, .count = 1};
    struct store_native_arrival ann = {.user_id = id_of("user_", 1), .wanted = wanted, .count = 1};
    struct store_native_arrival *all[] = {&nobody, &ann};
    assert_int_equal(store_native_arrivals(&store, all, 1), ERR_OK);
    assert_int_equal(nobody.err, ERR_NOT_FOUND);
    assert_int_equal(db.runs, 0);
    ADD_ROW(USER(0, 11, "ann"), NO_MEMBERSHIP);
    assert_int_equal(store_native_arrivals(&store, all, 2), ERR_OK);
    assert_int_equal(times(" AS room"), 1);
    assert_int_equal(times("_ascii x'' COLLATE ascii_bin AS room"), 1);
    assert_int_equal(nobody.err, ERR_NOT_FOUND);
    assert_int_equal(ann.err, ERR_OK);
}

static void more_than_one_question_holds_are_several(void **state)
{
    (void)state;
    enum { ROOMS = 80 };
    struct store_native_wanted wanted[3][ROOMS];
    struct store_native_arrival arrivals[3];
    struct store_native_arrival *all[] = {&arrivals[0], &arrivals[1], &arrivals[2]};
    for (unsigned i = 0; i < 3; i++) {
        arrivals[i] = (struct store_native_arrival){.user_id = id_of("user_", i), .wanted = wanted[i], .count = ROOMS};
        for (unsigned k = 0; k < ROOMS; k++)
            wanted[i][k] = (struct store_native_wanted){.id = id_of("room_", k)};
    }
    ADD_ROW(USER(39, 11, "ann"), MEMBERSHIP(8, 50, 6)); /* of the first 100, of the second, and of the last 40 */
    assert_int_equal(store_native_arrivals(&store, all, 3), ERR_OK);
    assert_int_equal(db.runs, 3);
    assert_int_equal(times(" AS room"), 40);
    assert_int_equal(wanted[0][39].membership.conversation, 8);
    assert_int_equal(wanted[1][59].membership.conversation, 8);
    assert_int_equal(wanted[2][79].membership.conversation, 8);
    assert_int_equal(wanted[2][78].membership.conversation, 0);
    db.err = ERR_DOWN;
    db.fine = 2;
    assert_int_equal(store_native_arrivals(&store, all, 3), ERR_DOWN);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(arrivals[i].err, ERR_DOWN);
}

/* ---- memberships of chatrooms ---- */

static void one_place_is_asked_for_as_prepared_many_in_one_statement(void **state)
{
    (void)state;
    struct store_membership memberships[3];
    struct store_membership_asked asked[] = {{.room_id = id_of("room_", 1), .user_id = id_of("user_", 1)},
                                             {.room_id = id_of("room_", 2), .user_id = id_of("user_", 2)},
                                             {.room_id = STR("room_"), .user_id = id_of("user_", 3)}};
    for (size_t i = 0; i < 3; i++)
        asked[i].membership = &memberships[i];
    ADD_ROW(DB_NUM(7), DB_NUM(40), DB_NUM(11), DB_TEXT(STR("ann")), DB_TEXT(STR("3")), DB_NUM(11), DB_NUM(5));
    assert_int_equal(store_memberships(&store, asked, 1), ERR_OK);
    assert_int_equal(db.queries, 1);
    assert_true(memberships[0].is_member && memberships[0].conversation == 7 && memberships[0].user_name_len == 3);
    assert_int_equal(memberships[0].generation, 5);
    db.row_count = 0;
    ADD_ROW(DB_NUM(1), DB_NUM(8), DB_NUM(50), DB_NUM(12), DB_TEXT(STR("bob")), DB_TEXT(STR("4")), DB_NULL);
    ADD_ROW(DB_NUM(0), DB_NUM(7), DB_NUM(40), DB_NUM(11), DB_TEXT(STR("ann")), DB_TEXT(STR("3")), DB_NUM(11));
    ADD_ROW(DB_NUM(2), DB_NULL, DB_NULL, DB_NUM(13), DB_TEXT(STR("eve")), DB_TEXT(STR("5")), DB_NULL);
    assert_int_equal(store_memberships(&store, asked, 3), ERR_OK);
    assert_int_equal(db.runs, 1);
    assert_true(memberships[0].is_member && memberships[0].user == 11 && !asked[0].err);
    assert_true(!memberships[1].is_member && memberships[1].user == 12 && !asked[1].err);
    assert_int_equal(asked[2].err, ERR_NOT_FOUND);
    assert_int_equal(asked[2].missing, STORE_NO_ROOM);
    db.err = ERR_DOWN;
    assert_int_equal(store_memberships(&store, asked, 3), ERR_DOWN);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(asked[i].err, ERR_DOWN);
}

/* ---- what was missed ---- */

static char got[200];

static void on_message(void *arg, size_t range, const struct message *message)
{
    size_t len = strlen(got);
    assert_ptr_equal(arg, &store);
    snprintf(got + len, sizeof got - len, "%zu:%llu/%llu ", range, (unsigned long long)message->conversation,
             (unsigned long long)message->seq);
}

static void add_message(uint64_t conversation, uint64_t seq)
{
    ADD_ROW(DB_NUM(seq), DB_NUM(1), DB_NUM(MESSAGE_TEXT), DB_TEXT(STR("ann")), DB_TEXT(STR("hi")), DB_TEXT(STR("")),
            DB_NUM(0), DB_NULL, DB_NULL, DB_NUM(0), DB_NUM(0), DB_NUM(1), DB_NULL, DB_NUM(conversation));
}

static void those_who_missed_the_same_are_asked_for_once(void **state)
{
    (void)state;
    const struct store_range ranges[] = {{.conversation = 7, .after = 3, .before = 6},
                                         {.conversation = 8, .after = 0, .before = 2},
                                         {.conversation = 7, .after = 3, .before = 6},
                                         {.conversation = 7, .after = 4, .before = 6}};
    got[0] = '\0';
    add_message(7, 4);
    add_message(7, 5);
    add_message(8, 1);
    assert_int_equal(store_read_ranges(&store, ranges, 4, on_message, &store), ERR_OK);
    assert_string_equal(got, "0:7/4 2:7/4 0:7/5 2:7/5 3:7/5 1:8/1 ");
    assert_int_equal(times("conversation = 7"), 2);
    assert_int_equal(times("conversation = "), 3);
    assert_int_equal(times(" OR "), 2);
    db.err = ERR_DOWN;
    assert_int_equal(store_read_ranges(&store, ranges, 4, on_message, &store), ERR_DOWN);
    assert_int_equal(store_read_ranges(&store, ranges, 0, on_message, &store), ERR_OK);
}

/* ---- what was delivered ---- */

static const struct store_anchor *anchor_in(const struct store_anchor *anchors, size_t count, uint64_t conversation,
                                            uint64_t batch)
{
    for (size_t i = 0; i < count; i++)
        if (anchors[i].conversation == conversation && anchors[i].batch == batch)
            return &anchors[i];
    return NULL;
}

/* The rows are those of both statements: a conversation and its last number, and whose that number is. */
static void what_the_database_no_longer_has_is_lost(void **state)
{
    (void)state;
    struct store_anchor anchors[] = {
        {.conversation = 9, .seq = 4, .batch = 40}, /* is there */
        {.conversation = 7, .seq = 5, .batch = 50}, /* of another transaction now */
        {.conversation = 8, .seq = 3, .batch = 30}, /* the counter does not reach it */
        {.conversation = 5, .seq = 0},              /* nothing was delivered */
        {.conversation = 6, .seq = 1, .batch = 10}, /* no such conversation */
        {.conversation = 9, .seq = 3, .batch = 31}, /* deleted alone: no row */
        {.conversation = 9, .seq = 4, .batch = 41}, /* twice asked for, and never so */
    };
    ADD_ROW(DB_NUM(9), DB_NUM(4), DB_NUM(40));
    ADD_ROW(DB_NUM(7), DB_NUM(5), DB_NUM(51));
    ADD_ROW(DB_NUM(8), DB_NUM(2), DB_NUM(20));
    ADD_ROW(DB_NUM(5), DB_NUM(6), DB_NUM(60));
    assert_int_equal(store_compare(&store, anchors, 7), ERR_OK);
    assert_int_equal(db.runs, 2);
    assert_false(anchor_in(anchors, 7, 9, 40)->lost);
    assert_true(anchor_in(anchors, 7, 7, 50)->lost);
    assert_true(anchor_in(anchors, 7, 8, 30)->lost);
    assert_false(anchor_in(anchors, 7, 5, 0)->lost);
    assert_int_equal(anchor_in(anchors, 7, 5, 0)->tail, 6);
    assert_true(anchor_in(anchors, 7, 6, 10)->lost);
    assert_false(anchor_in(anchors, 7, 9, 31)->lost);
    assert_true(anchor_in(anchors, 7, 9, 41)->lost);
    db.err = ERR_DOWN;
    assert_int_equal(store_compare(&store, anchors, 7), ERR_DOWN);
    assert_int_equal(store_compare(&store, anchors, 0), ERR_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everybody_gets_their_own_places),
        TEST(what_is_no_id_is_never_asked_for),
        TEST(more_than_one_question_holds_are_several),
        TEST(one_place_is_asked_for_as_prepared_many_in_one_statement),
        TEST(those_who_missed_the_same_are_asked_for_once),
        TEST(what_the_database_no_longer_has_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
