/* The list of database servers, and what a process remembers of them: in which order they are tried, and which one is
 * in use. */
#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/store/db_address.h"
#include "common/log.h"
#include "common/metrics.h"

static struct settings settings;
static struct endpoint addresses[DB_ADDRESSES_MAX];
static char why[256];

static size_t parse(const char *list)
{
    size_t count;
    settings = (struct settings){.db_addresses = (char *)(uintptr_t)list,
                                 .db_host = (char *)(uintptr_t)"localhost",
                                 .db_socket = (char *)(uintptr_t)"",
                                 .db_port = 3306};
    return db_addresses_parse(&settings, addresses, &count, why) ? 0 : count;
}

static void check(size_t at, const char *host, int port)
{
    assert_string_equal(addresses[at].host, host);
    assert_int_equal(addresses[at].port, port);
}

static void every_form_of_an_address(void **state)
{
    (void)state;
    assert_int_equal(parse("one, two:33 ,[::1],[fe80::2]:4444,\t/run/db.sock,10.0.0.1:1"), 6);
    check(0, "one", 3306);
    check(1, "two", 33);
    check(2, "::1", 3306);
    check(3, "fe80::2", 4444);
    check(4, "/run/db.sock", 0);
    check(5, "10.0.0.1", 1);
}

static void an_empty_list_means_the_one_server_of_the_other_settings(void **state)
{
    (void)state;
    size_t count;
    assert_int_equal(parse(""), 1);
    check(0, "localhost", 3306);
    settings.db_socket = (char *)(uintptr_t)"/x.sock";
    assert_int_equal(db_addresses_parse(&settings, addresses, &count, why), ERR_OK);
    check(0, "/x.sock", 0);
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        ",",    "a,",    ",a",  "a,,b", " ",  "a:",   "a:0",    "a:65536", "a:123456", "a:1x",
        "a:-1", ":3306", "::1", "[::1", "[]", "[]:1", "[::1]x", "[::1]:",  "a/b",      "a:1:2",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(parse(bad[i]), 0);
    assert_int_equal(parse("good,bad:port"), 0);
    assert_string_equal(why, "db_addresses takes HOST, HOST:PORT, [IPv6]:PORT or /path/of.sock, separated by commas, "
                             "not 'bad:port'");
    char path[120];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[108] = '\0';
    assert_int_equal(parse(path), 0); /* longer than a socket's address */
    path[107] = '\0';
    assert_int_equal(parse(path), 1);
}

static void there_is_a_bound_on_their_number(void **state)
{
    (void)state;
    assert_int_equal(parse("a,b,c,d,e,f,g,h"), 8);
    assert_int_equal(parse("a,b,c,d,e,f,g,h,i"), 0);
    assert_string_equal(why, "db_addresses takes at most 8 servers");
}

static void check_order(size_t a, size_t b, size_t c)
{
    size_t order[DB_ADDRESSES_MAX];
    db_addresses_order(3, order);
    assert_int_equal(order[0], a);
    assert_int_equal(order[1], b);
    assert_int_equal(order[2], c);
}

static void one_that_failed_comes_last_for_a_while(void **state)
{
    (void)state;
    clock_freeze(100000);
    check_order(0, 1, 2);
    db_address_failed(0, 3, 2002, "gone");
    check_order(1, 2, 0);
    db_address_failed(1, 3, 1290, "read_only is ON");
    check_order(2, 0, 1);
    db_address_chosen(1); /* it can be used after all */
    check_order(1, 2, 0);
    clock_freeze(110000);
    check_order(0, 1, 2);
    clock_freeze(-1);
}

static void all_connections_are_to_use_the_one_that_was_taken_last(void **state)
{
    (void)state;
    db_address_chosen(0);
    int64_t failovers = metric_get(METRIC_DB_FAILOVERS);
    assert_true(db_address_is_current(0));
    assert_int_equal(db_state().address, 1);
    db_is_down(0, 2013, "gone");
    assert_false(db_state().up);
    assert_int_equal(metric_get(METRIC_DB_UP), 0);
    db_address_chosen(2);
    db_address_chosen(2); /* another thread's */
    assert_true(db_state().up);
    assert_int_equal(db_state().address, 3);
    assert_false(db_address_is_current(0));
    assert_int_equal(metric_get(METRIC_DB_ADDRESS), 3);
    assert_int_equal(metric_get(METRIC_DB_FAILOVERS) - failovers, 1);
    db_address_chosen(0);
    assert_int_equal(metric_get(METRIC_DB_FAILOVERS) - failovers, 2);
}

static void one_that_refuses_writes_is_up_and_not_writable_for_a_while(void **state)
{
    (void)state;
    clock_freeze(100000);
    db_address_chosen(0);
    db_refuses_writes(0, 1114, "The table is full");
    db_address_chosen(0); /* connecting says nothing about its disk */
    assert_true(db_state().up);
    assert_false(db_state().writable);
    assert_int_equal(metric_get(METRIC_DB_WRITABLE), 0);
    clock_freeze(110000); /* nobody has tried since: it is not known */
    assert_true(db_state().writable);
    db_refuses_writes(0, 1114, "The table is full");
    assert_false(db_state().writable);
    db_takes_writes();
    assert_true(db_state().writable);
    assert_int_equal(metric_get(METRIC_DB_WRITABLE), 1);
    db_refuses_writes(0, 1114, "The table is full");
    db_address_chosen(1); /* another server, another disk */
    assert_true(db_state().writable);
    clock_freeze(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_an_address),
        cmocka_unit_test(an_empty_list_means_the_one_server_of_the_other_settings),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(there_is_a_bound_on_their_number),
        cmocka_unit_test(one_that_failed_comes_last_for_a_while),
        cmocka_unit_test(all_connections_are_to_use_the_one_that_was_taken_last),
        cmocka_unit_test(one_that_refuses_writes_is_up_and_not_writable_for_a_while),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
