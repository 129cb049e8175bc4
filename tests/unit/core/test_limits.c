/* How much a connection, a user and an address may do; the clock stands still. */
#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/rate.h"
#include "relay/core/limits.h"

enum { START_MS = 1000000 };

static struct settings settings;
static struct wheel wheel;
static struct limits limits;
static int64_t now_ms, wait_ms;

static void pass(int64_t ms)
{
    clock_freeze(now_ms += ms);
    wheel_advance(&wheel);
}

static int begin(void **state)
{
    (void)state;
    clock_freeze(now_ms = START_MS);
    wheel_init(&wheel);
    settings = (struct settings){.rate_connection = 10,
                                 .rate_connection_burst = 3,
                                 .rate_user = 10,
                                 .rate_user_burst = 5,
                                 .rate_address = 10,
                                 .rate_address_burst = 8,
                                 .rate_connection_bytes_burst = 1,
                                 .rate_user_bytes_burst = 1,
                                 .rate_address_bytes_burst = 1,
                                 .rate_stranger_percent = 100,
                                 .rate_handshakes_burst = 1};
    limits_init(&limits, &settings, &wheel);
    return 0;
}

static int end(void **state)
{
    (void)state;
    limits_fini(&limits);
    clock_freeze(-1);
    return 0;
}

/* ---- buckets ---- */

static int take_many(struct rate_bucket *bucket, struct rate rate, int64_t at_ms, int count)
{
    int taken = 0;
    for (int i = 0; i < count; i++)
        taken += rate_take(bucket, rate, at_ms, &wait_ms);
    return taken;
}

static void a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    (void)state;
    struct rate_bucket bucket = {0};
    const struct rate rate = {10, 3};
    assert_int_equal(take_many(&bucket, rate, 5, 100), 3);
    assert_int_equal(wait_ms, 100); /* to the millisecond */
    assert_int_equal(take_many(&bucket, rate, 104, 1), 0);
    assert_int_equal(wait_ms, 1);
    assert_int_equal(take_many(&bucket, rate, 105, 2), 1);
    assert_int_equal(take_many(&bucket, rate, 1105, 100), 3); /* never more than the burst */
    int taken = 0;
    for (int ms = 0; ms < 10000; ms += 7)
        taken += take_many(&bucket, rate, 1105 + ms, 5);
    assert_in_range(taken, 99, 100); /* ten seconds of asking too much */
}

static void a_bucket_without_a_rate_gives_all(void **state)
{
    (void)state;
    struct rate_bucket bucket = {0};
    assert_int_equal(take_many(&bucket, (struct rate){0, 1}, 5, 1000), 1000);
}

static void a_bucket_that_was_never_used_for_years_is_full_and_no_more(void **state)
{
    (void)state;
    struct rate_bucket bucket = {0};
    const struct rate rate = {1000000, 1000000};
    assert_int_equal(take_many(&bucket, rate, 1, 1000), 1000);
    assert_int_equal(take_many(&bucket, rate, INT64_C(400) * 366 * 24 * 3600 * 1000, 1000001), 1000000);
}

/* ---- addresses ---- */

static void addresses_are_told_apart_as_customers_are(void **state)
{
    (void)state;
    static const char *const none[] = {"",
                                       "unix:",
                                       "1.2.3",
                                       "1.2.3.4.5",
                                       "1.2.3.4, 5.6.7.8",
                                       "localhost",
                                       "::g",
                                       "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"};
    assert_true(rate_address_key(STR("192.0.2.1")) != rate_address_key(STR("192.0.2.2")));
    assert_true(rate_address_key(STR("2001:db8:1:2::1")) == rate_address_key(STR("2001:db8:1:2:ffff::9")));
    assert_true(rate_address_key(STR("2001:db8:1:2::1")) != rate_address_key(STR("2001:db8:1:3::1")));
    assert_true(rate_address_key(STR("::ffff:192.0.2.1")) == rate_address_key(STR("192.0.2.1")));
    assert_true(rate_address_key(STR("0.0.0.0")) && rate_address_key(STR("::1")));
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_true(!rate_address_key(str_of(none[i])));
}

/* ---- messages ---- */

static int send_many(struct limits_client *client, int count, enum limits_verdict verdict)
{
    int counted = 0;
    for (int i = 0; i < count; i++)
        counted += limits_message(&limits, client, 100, &wait_ms) == verdict;
    return counted;
}

static void a_connection_is_refused_and_then_closed(void **state)
{
    (void)state;
    struct limits_client client = {0};
    assert_int_equal(send_many(&client, 3, LIMITS_FINE), 3);
    assert_int_equal(send_many(&client, 3, LIMITS_REFUSED), 3);
    assert_int_equal(wait_ms, 100);
    assert_int_equal(limits_message(&limits, &client, 100, &wait_ms), LIMITS_CLOSED);
}

static int send_bytes(struct limits_client *client, size_t bytes, int count)
{
    int fine = 0;
    for (int i = 0; i < count; i++)
        fine += limits_message(&limits, client, bytes, &wait_ms) == LIMITS_FINE;
    return fine;
}

static void long_messages_are_counted_by_their_bytes(void **state)
{
    (void)state;
    settings.rate_connection = settings.rate_user = settings.rate_address = 0;
    settings.rate_connection_bytes = 4096;
    settings.rate_connection_bytes_burst = 16384;
    struct limits_client client = {0};
    assert_int_equal(send_bytes(&client, 4000, 10), 4);
    assert_int_equal(wait_ms, 1000);
    pass(1000);
    assert_int_equal(send_bytes(&client, 1, 10), 4); /* no message costs less than a KiB */
    struct limits_client other = {0};
    assert_int_equal(send_bytes(&other, 1 << 20, 2), 1); /* one that could never be had is had of a full bucket */
}

static void the_bytes_of_a_user_and_of_an_address_are_shared(void **state)
{
    (void)state;
    settings.rate_connection = settings.rate_user = settings.rate_address = 0;
    settings.rate_user_bytes = settings.rate_address_bytes = 1024;
    settings.rate_user_bytes_burst = 4096;
    settings.rate_address_bytes_burst = 6144;
    struct limits_client one = {0}, two = {0}, other = {0};
    limits_connect(&limits, &one, STR("192.0.2.1"));
    limits_connect(&limits, &other, STR("192.0.2.1"));
    assert_true(limits_identify(&limits, &one, 7) && limits_identify(&limits, &two, 7) &&
                limits_identify(&limits, &other, 8));
    assert_int_equal(send_bytes(&one, 1000, 3), 3);
    assert_int_equal(send_bytes(&two, 1000, 3), 1);
    assert_int_equal(send_bytes(&other, 1000, 6), 3);
    limits_leave(&limits, &one);
    limits_leave(&limits, &two);
    limits_leave(&limits, &other);
}

static void who_has_no_account_has_a_part(void **state)
{
    (void)state;
    settings.rate_stranger_percent = 50;
    settings.rate_connection_burst = 6;
    settings.rate_user_burst = 100;
    settings.rate_address = 0;
    struct limits_client stranger = {0}, known = {.by_token = true};
    assert_int_equal(send_many(&stranger, 10, LIMITS_FINE), 3);
    assert_int_equal(send_many(&known, 10, LIMITS_FINE), 6);
    settings.rate_stranger_percent = 1; /* never nothing */
    struct limits_client another = {0};
    assert_int_equal(send_many(&another, 10, LIMITS_FINE), 1);
}

static void who_heeds_the_refusal_goes_on(void **state)
{
    (void)state;
    struct limits_client client = {0};
    for (int i = 0; i < 50; i++) {
        while (limits_message(&limits, &client, 100, &wait_ms) == LIMITS_FINE)
            ;
        pass(500); /* rounded to the wheel's ticks */
    }
    assert_int_equal(limits_message(&limits, &client, 100, &wait_ms), LIMITS_FINE);
}

static void the_connections_of_a_user_share_one_bucket(void **state)
{
    (void)state;
    struct limits_client one = {0}, two = {0}, other = {0};
    assert_true(limits_identify(&limits, &one, 7) && limits_identify(&limits, &two, 7) &&
                limits_identify(&limits, &other, 8));
    assert_int_equal(send_many(&one, 3, LIMITS_FINE), 3);
    assert_int_equal(send_many(&two, 3, LIMITS_FINE), 2);
    assert_int_equal(send_many(&other, 3, LIMITS_FINE), 3);
    limits_leave(&limits, &one);
    limits_leave(&limits, &two);
    limits_leave(&limits, &other);
}

static void the_users_of_an_address_share_one_bucket(void **state)
{
    (void)state;
    struct limits_client clients[4] = {{0}};
    int fine = 0;
    for (uint64_t i = 0; i < 4; i++) {
        limits_connect(&limits, &clients[i], STR("192.0.2.1"));
        assert_true(limits_identify(&limits, &clients[i], i + 1));
        fine += send_many(&clients[i], 3, LIMITS_FINE);
    }
    assert_int_equal(fine, 8);
    struct limits_client elsewhere = {0};
    limits_connect(&limits, &elsewhere, STR("192.0.2.2"));
    assert_int_equal(send_many(&elsewhere, 3, LIMITS_FINE), 3);
    limits_leave(&limits, &elsewhere);
    for (int i = 0; i < 4; i++)
        limits_leave(&limits, &clients[i]);
}

static void coming_back_does_not_fill_the_bucket(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct limits_client client = {0};
        assert_true(limits_identify(&limits, &client, 7));
        assert_int_equal(limits_message(&limits, &client, 100, &wait_ms), LIMITS_FINE);
        limits_leave(&limits, &client);
    }
    struct limits_client client = {0};
    assert_true(limits_identify(&limits, &client, 7));
    assert_int_equal(limits_message(&limits, &client, 100, &wait_ms), LIMITS_REFUSED);
    limits_leave(&limits, &client);
}

static void without_limits_everything_goes(void **state)
{
    (void)state;
    struct limits_client client = {0};
    limits_connect(NULL, &client, STR("192.0.2.1"));
    assert_true(client.address && limits_identify(NULL, &client, 7));
    assert_int_equal(limits_message(NULL, &client, 100, &wait_ms), LIMITS_FINE);
    settings.rate_connection = settings.rate_user = settings.rate_address = 0;
    assert_int_equal(send_many(&client, 1000, LIMITS_FINE), 1000);
}

/* ---- connections ---- */

static void a_user_has_only_so_many_sockets(void **state)
{
    (void)state;
    struct limits_client one = {0}, two = {0}, three = {0};
    settings.user_sockets_max = 2;
    assert_true(limits_identify(&limits, &one, 7) && limits_identify(&limits, &two, 7));
    assert_true(limits_user_full(&limits, 7) && !limits_user_full(&limits, 8));
    assert_false(limits_identify(&limits, &three, 7));
    limits_leave(&limits, &three); /* was never counted */
    assert_true(limits_user_full(&limits, 7));
    limits_leave(&limits, &one);
    struct limits_client four = {0};
    assert_true(limits_identify(&limits, &four, 7));
    limits_leave(&limits, &two);
    limits_leave(&limits, &four);
}

static void an_address_has_only_so_many_connections_and_opens_only_so_many_a_second(void **state)
{
    (void)state;
    struct limits_client one = {0};
    settings.address_connections_max = 1;
    assert_true(limits_may_connect(&limits, STR("192.0.2.1"), &wait_ms));
    limits_connect(&limits, &one, STR("192.0.2.1"));
    assert_false(limits_may_connect(&limits, STR("192.0.2.1"), &wait_ms));
    assert_true(wait_ms > 0);
    assert_true(limits_may_connect(&limits, STR("192.0.2.2"), &wait_ms));
    assert_true(limits_may_connect(&limits, STR(""), &wait_ms)); /* nobody knows whose */
    limits_leave(&limits, &one);
    assert_true(limits_may_connect(&limits, STR("192.0.2.1"), &wait_ms));
    settings.rate_handshakes = 2;
    settings.rate_handshakes_burst = 2;
    pass(10000);
    for (int i = 0; i < 2; i++)
        assert_true(limits_may_connect(&limits, STR("192.0.2.1"), &wait_ms));
    assert_false(limits_may_connect(&limits, STR("192.0.2.1"), &wait_ms));
    assert_int_equal(wait_ms, 500);
    pass(500);
    assert_true(limits_may_connect(&limits, STR("192.0.2.1"), &wait_ms));
}

static void who_is_idle_is_forgotten_and_who_is_here_is_not(void **state)
{
    (void)state;
    struct limits_client here = {0}, gone = {0};
    assert_true(limits_identify(&limits, &here, 7) && limits_identify(&limits, &gone, 8));
    limits_leave(&limits, &gone);
    for (int i = 0; i < 200; i++)
        pass(1000);
    assert_non_null(rate_table_find(&limits.users, 7));
    assert_null(rate_table_find(&limits.users, 8));
    limits_leave(&limits, &here);
}

static void a_table_never_grows_past_its_bound(void **state)
{
    (void)state;
    struct rate_table table = {0};
    for (uint64_t key = 1; key <= RATE_ENTRIES_MAX + 10; key++)
        rate_table_use(&table, key, 1);
    assert_int_equal(table.entries.count, RATE_ENTRIES_MAX);
    assert_null(rate_table_find(&table, 10));
    assert_non_null(rate_table_find(&table, 11));
    rate_table_fini(&table);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bucket_gives_its_burst_and_then_its_rate),
        TEST(a_bucket_without_a_rate_gives_all),
        TEST(a_bucket_that_was_never_used_for_years_is_full_and_no_more),
        TEST(addresses_are_told_apart_as_customers_are),
        TEST(a_connection_is_refused_and_then_closed),
        TEST(who_heeds_the_refusal_goes_on),
        TEST(long_messages_are_counted_by_their_bytes),
        TEST(the_bytes_of_a_user_and_of_an_address_are_shared),
        TEST(who_has_no_account_has_a_part),
        TEST(the_connections_of_a_user_share_one_bucket),
        TEST(the_users_of_an_address_share_one_bucket),
        TEST(coming_back_does_not_fill_the_bucket),
        TEST(without_limits_everything_goes),
        TEST(a_user_has_only_so_many_sockets),
        TEST(an_address_has_only_so_many_connections_and_opens_only_so_many_a_second),
        TEST(who_is_idle_is_forgotten_and_who_is_here_is_not),
        TEST(a_table_never_grows_past_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
