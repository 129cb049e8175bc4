/* One connection to the database, over a client library that is made up: when it is opened anew, and when that would
 * join what belongs to two states of a database. */
#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/store/db.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <sys/socket.h>
#include <unistd.h>

static struct settings settings;
static struct db *db;
static MYSQL connection; /* the one that there is */
static int ends[2];      /* ours and the server's; -1: closed */
static unsigned failure; /* of the statement that was sent last */
static unsigned refusal; /* of every statement, while there is a server */
static char sent[512];   /* statements that were carried out, with the number of their connection */
static unsigned opened;

/* ---- the client library ---- */

MYSQL *mysql_init(MYSQL *unused)
{
    (void)unused;
    return &connection;
}

int mysql_options(MYSQL *unused, enum mysql_option option, const void *value)
{
    (void)unused, (void)option, (void)value;
    return 0;
}

MYSQL *mysql_real_connect(MYSQL *mysql, const char *host, const char *user, const char *password, const char *name,
                          unsigned port, const char *socket, unsigned long flags)
{
    (void)host, (void)user, (void)password, (void)name, (void)port, (void)socket, (void)flags;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    opened++;
    return mysql;
}

static void close_end(int *end)
{
    if (*end >= 0)
        close(*end);
    *end = -1;
}

void mysql_close(MYSQL *unused)
{
    (void)unused;
    close_end(&ends[0]);
    close_end(&ends[1]);
}

unsigned mysql_errno(MYSQL *unused)
{
    (void)unused;
    return failure;
}

const char *mysql_error(MYSQL *unused)
{
    (void)unused;
    return "it failed";
}

my_socket mysql_get_socket(MYSQL *unused)
{
    (void)unused;
    return ends[0];
}

int mysql_real_query(MYSQL *unused, const char *sql, unsigned long len)
{
    (void)unused, (void)len;
    failure = ends[1] < 0 ? CR_SERVER_LOST : refusal;
    if (!failure)
        snprintf(sent + strlen(sent), sizeof sent - strlen(sent), "%u %s;", opened, sql);
    return failure != 0;
}

int mysql_query(MYSQL *unused, const char *sql)
{
    (void)unused, (void)sql;
    return 0;
}

MYSQL_RES *mysql_store_result(MYSQL *unused)
{
    (void)unused;
    return (MYSQL_RES *)ends;
}

MYSQL_RES *mysql_use_result(MYSQL *unused)
{
    (void)unused;
    return NULL;
}

MYSQL_ROW mysql_fetch_row(MYSQL_RES *unused)
{
    (void)unused;
    return NULL;
}

void mysql_free_result(MYSQL_RES *unused)
{
    (void)unused;
}

unsigned mysql_field_count(MYSQL *unused)
{
    (void)unused;
    return 0;
}

my_ulonglong mysql_affected_rows(MYSQL *unused)
{
    (void)unused;
    return 1;
}

/* ---- a statement whose rows break off ---- */

static MYSQL_STMT statement;
static unsigned stmt_failure; /* what is said of the statement, beside `failure` of the connection */

MYSQL_STMT *mysql_stmt_init(MYSQL *unused)
{
    (void)unused;
    return &statement;
}

int mysql_stmt_prepare(MYSQL_STMT *unused, const char *sql, unsigned long len)
{
    (void)unused, (void)sql, (void)len;
    return 0;
}

my_bool mysql_stmt_close(MYSQL_STMT *unused)
{
    (void)unused;
    return 0;
}

unsigned long mysql_stmt_param_count(MYSQL_STMT *unused)
{
    (void)unused;
    return 0;
}

my_bool mysql_stmt_attr_set(MYSQL_STMT *unused, enum enum_stmt_attr_type attribute, const void *value)
{
    (void)unused, (void)attribute, (void)value;
    return 0;
}

int mysql_stmt_execute(MYSQL_STMT *unused)
{
    (void)unused;
    return 0;
}

my_ulonglong mysql_stmt_affected_rows(MYSQL_STMT *unused)
{
    (void)unused;
    return 0;
}

my_ulonglong mysql_stmt_insert_id(MYSQL_STMT *unused)
{
    (void)unused;
    return 0;
}

MYSQL_RES *mysql_stmt_result_metadata(MYSQL_STMT *unused)
{
    (void)unused;
    return (MYSQL_RES *)ends;
}

unsigned mysql_num_fields(MYSQL_RES *unused)
{
    (void)unused;
    return 0;
}

my_bool mysql_stmt_bind_result(MYSQL_STMT *unused, MYSQL_BIND *bind)
{
    (void)unused, (void)bind;
    return 0;
}

int mysql_stmt_fetch(MYSQL_STMT *unused)
{
    (void)unused;
    return 1;
}

unsigned mysql_stmt_errno(MYSQL_STMT *unused)
{
    (void)unused;
    return stmt_failure;
}

const char *mysql_stmt_error(MYSQL_STMT *unused)
{
    (void)unused;
    return "it failed";
}

/* ---- what is tried ---- */

static int begin(void **state)
{
    (void)state;
    clock_freeze(1700000000000);
    settings = (struct settings){.db_addresses = (char *)(uintptr_t)"here", .db_port = 3306, .db_timeout_ms = 1000};
    ends[0] = ends[1] = -1;
    opened = 0;
    *sent = '\0';
    failure = stmt_failure = refusal = 0;
    static const char *const texts[] = {"SELECT 1"};
    db = db_new(&settings, texts, 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    db_free(db);
    clock_freeze(-1);
    return 0;
}

static enum err run(const char *sql)
{
    return db_run(db, sql, NULL, NULL);
}

/* The server goes, and may be another one when it is back. */
static void server_is_started_anew(void)
{
    close_end(&ends[1]);
}

static void pass(int64_t ms)
{
    clock_freeze(clock_mono_ms() + ms);
}

static void a_new_connection_is_made_when_the_old_one_was_closed_in_a_pause(void **state)
{
    (void)state;
    assert_int_equal(run("a"), ERR_OK);
    pass(2000);
    server_is_started_anew();
    assert_int_equal(run("b"), ERR_OK);
    assert_string_equal(sent, "1 a;2 b;");
}

static void what_is_pinned_does_not_go_on_through_another_connection(void **state)
{
    (void)state;
    for (int pauses = 0; pauses < 2; pauses++) {
        db_pin(db);
        assert_int_equal(run("read"), ERR_OK);
        *sent = '\0';
        unsigned before = opened;
        if (pauses)
            pass(2000);
        server_is_started_anew();
        for (int i = 0; i < 3; i++, pass(2000)) {
            assert_int_equal(run("write"), ERR_DOWN);
            assert_int_equal(db_begin(db), ERR_DOWN);
            db_refresh(db);
        }
        assert_true(db_is_cut_off(db));
        assert_string_equal(sent, "");
        assert_int_equal(opened, before);
        db_unpin(db);
        assert_int_equal(run("next"), ERR_OK);
        assert_int_equal(opened, before + 1);
    }
}

static void pinned_to_nothing_it_goes_through_the_first_that_answers(void **state)
{
    (void)state;
    assert_int_equal(run("of another call"), ERR_OK);
    db_pin(db);
    server_is_started_anew();
    assert_int_equal(run("lost"), ERR_DOWN);
    assert_false(db_is_cut_off(db));
    pass(2000);
    assert_int_equal(run("read"), ERR_OK);
    server_is_started_anew();
    assert_int_equal(run("lost"), ERR_DOWN);
    assert_true(db_is_cut_off(db));
    assert_string_equal(sent, "1 of another call;2 read;");
}

static void a_refusal_is_an_answer_too(void **state)
{
    (void)state;
    db_pin(db);
    refusal = ER_DUP_ENTRY;
    assert_int_equal(run("write"), ERR_DUPLICATE);
    refusal = 0;
    server_is_started_anew();
    assert_int_equal(run("lost"), ERR_DOWN);
    assert_true(db_is_cut_off(db));
}

static void what_became_of_a_commit_is_looked_for_elsewhere(void **state)
{
    (void)state;
    for (int same = 0; same < 2; same++) {
        db_pin(db);
        assert_int_equal(db_begin(db), ERR_OK);
        assert_int_equal(run("write"), ERR_OK);
        server_is_started_anew();
        assert_int_equal(db_commit(db), ERR_UNKNOWN);
        assert_true(db_is_cut_off(db));
        db_look_elsewhere(db);
        assert_false(db_is_cut_off(db));
        pass(2000);
        assert_int_equal(run("look"), ERR_OK);
        db_looked(db, same);
        assert_int_equal(run("go on"), same ? ERR_OK : ERR_DOWN);
        db_unpin(db);
    }
}

static void looked_for_without_a_pin_it_pins_nothing(void **state)
{
    (void)state;
    assert_int_equal(run("a"), ERR_OK);
    db_looked(db, true);
    server_is_started_anew();
    pass(2000);
    assert_int_equal(run("b"), ERR_OK);
}

/* However long nothing was sent before it. */
static void a_commit_is_never_sent_through_another_connection(void **state)
{
    (void)state;
    assert_int_equal(db_begin(db), ERR_OK);
    assert_int_equal(run("write"), ERR_OK);
    pass(2000);
    server_is_started_anew();
    assert_int_equal(db_commit(db), ERR_UNKNOWN);
    assert_string_equal(sent, "1 START TRANSACTION;1 write;");
    assert_int_equal(opened, 1);
}

static void ignore_row(void *arg, const struct db_value *columns)
{
    (void)arg, (void)columns;
}

/* What ends the reading of rows, such as a deadlock with another node of a cluster, the client library says of the
 * connection and not of the statement. */
static void rows_that_break_off_have_failed_as_the_connection_says(void **state)
{
    (void)state;
    static const struct {
        unsigned of_stmt, of_connection;
        enum err err;
        unsigned connections;
    } cases[] = {
        {0, ER_LOCK_DEADLOCK, ERR_RETRY, 1},
        {0, CR_SERVER_LOST, ERR_DOWN, 2},
        {0, ER_SUBQUERY_NO_1_ROW, ERR_INTERNAL, 1},
        {ER_LOCK_WAIT_TIMEOUT, CR_SERVER_LOST, ERR_RETRY, 1},
        {0, 0, ERR_DOWN, 2}, /* nobody says why */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(run("before"), ERR_OK);
        unsigned before = opened;
        stmt_failure = cases[i].of_stmt;
        failure = cases[i].of_connection;
        assert_int_equal(db_query(db, 0, NULL, 0, ignore_row, NULL), cases[i].err);
        assert_int_equal(db_errno(db), cases[i].of_stmt ? cases[i].of_stmt : cases[i].of_connection);
        pass(2000);
        assert_int_equal(run("after"), ERR_OK);
        assert_int_equal(opened - before + 1, cases[i].connections);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_new_connection_is_made_when_the_old_one_was_closed_in_a_pause),
        TEST(what_is_pinned_does_not_go_on_through_another_connection),
        TEST(pinned_to_nothing_it_goes_through_the_first_that_answers),
        TEST(a_refusal_is_an_answer_too),
        TEST(what_became_of_a_commit_is_looked_for_elsewhere),
        TEST(looked_for_without_a_pin_it_pins_nothing),
        TEST(rows_that_break_off_have_failed_as_the_connection_says),
        TEST(a_commit_is_never_sent_through_another_connection),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
