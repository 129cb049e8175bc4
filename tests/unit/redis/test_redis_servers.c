/* Which Redis servers there are, and which conversation is on which. */
#include "tests/unit/check.h"

#include "common/redis/redis_servers.h"

static struct settings settings;
static struct redis_servers servers;
static char why[256];

static int begin(void **state)
{
    (void)state;
    char *none = (char *)(uintptr_t)"";
    settings = (struct settings){.redis_host = none,
                                 .redis_socket = none,
                                 .redis_addresses = none,
                                 .redis_sentinels = none,
                                 .redis_port = 6379,
                                 .redis_master = (char *)(uintptr_t)"mymaster"};
    return 0;
}

static enum err read_these(const char *addresses)
{
    settings.redis_addresses = (char *)(uintptr_t)addresses;
    return redis_servers_read(&settings, &servers, why);
}

static const char *at(size_t index)
{
    static char text[ENDPOINT_TEXT_MAX];
    endpoint_text(&servers.servers[index].address, text);
    return text;
}

static void one_server_by_host_or_by_socket(void **state)
{
    (void)state;
    settings.redis_host = (char *)(uintptr_t)"redis.example";
    assert_int_equal(read_these(""), ERR_OK);
    assert_int_equal(servers.count, 1);
    assert_string_equal(at(0), "redis.example:6379");
    settings.redis_socket = (char *)(uintptr_t)"/run/redis.sock";
    assert_int_equal(read_these(""), ERR_OK);
    assert_string_equal(at(0), "/run/redis.sock");
    assert_int_equal(redis_server_of(servers.count, 12345), 0);
}

static void several_by_every_form_of_address(void **state)
{
    (void)state;
    assert_int_equal(read_these("one:1, 10.0.0.2:65535 ,[::1]:7000,/run/four.sock"), ERR_OK);
    assert_int_equal(servers.count, 4);
    assert_string_equal(at(0), "one:1");
    assert_string_equal(at(1), "10.0.0.2:65535");
    assert_string_equal(at(2), "[::1]:7000");
    assert_string_equal(servers.servers[2].address.host, "::1");
    assert_string_equal(at(3), "/run/four.sock");
    assert_int_equal(servers.servers[3].address.port, 0);
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"one",        "one:",          ":1",     "one:0",  "one:65536",
                                        "one:1x",     "::1:7000",      "[]:1",   "one:1,", ",one:1",
                                        "one:1,,b:2", "relative.sock", "one:-1", "one:+1", "one: 1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        bool trailing = !strcmp(wrong[i], "one:1,"); /* a comma at the end is nobody's harm */
        assert_int_equal(read_these(wrong[i]), trailing ? ERR_OK : ERR_INVALID);
    }
    assert_int_equal(read_these("a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1"), ERR_INVALID);
    assert_non_null(strstr(why, "redis_addresses"));
}

static void sentinels_name_the_servers(void **state)
{
    (void)state;
    settings.redis_sentinels = (char *)(uintptr_t)"s1:26379,[fe80::1]:26379";
    settings.redis_master = (char *)(uintptr_t)"east, west";
    assert_int_equal(read_these(""), ERR_OK);
    assert_int_equal(servers.sentinel_count, 2);
    assert_int_equal(servers.count, 2);
    assert_string_equal(servers.servers[1].master, "west");
    assert_string_equal(servers.sentinels[1].host, "fe80::1");
    assert_int_equal(read_these("a:1"), ERR_INVALID); /* one or the other */
    settings.redis_sentinels = (char *)(uintptr_t)"/run/sentinel.sock";
    assert_int_equal(read_these(""), ERR_INVALID);
}

enum { CONVERSATIONS = 20000 };

static void conversations_are_spread_evenly(void **state)
{
    (void)state;
    for (size_t count = 2; count <= REDIS_SERVERS_MAX; count++) {
        unsigned on[REDIS_SERVERS_MAX] = {0};
        for (uint64_t i = 1; i <= CONVERSATIONS; i++)
            on[redis_server_of(count, i % 2 ? i : UINT64_C(1) << 63 | i)]++;
        for (size_t i = 0; i < count; i++) {
            assert_true(on[i] > CONVERSATIONS / count * 8 / 10);
            assert_true(on[i] < CONVERSATIONS / count * 12 / 10);
        }
    }
}

static void one_server_more_takes_its_share_and_moves_nothing_else(void **state)
{
    (void)state;
    unsigned moved = 0;
    for (uint64_t i = 1; i <= CONVERSATIONS; i++) {
        size_t before = redis_server_of(3, i), after = redis_server_of(4, i);
        assert_true(after == before || after == 3);
        moved += after != before;
    }
    assert_true(moved > CONVERSATIONS / 5 && moved < CONVERSATIONS * 3 / 10);
}

/* All programs of a deployment must agree, also those of different versions. */
static void the_choice_is_for_ever(void **state)
{
    (void)state;
    uint64_t sum = 0;
    for (uint64_t i = 1; i <= 64; i++)
        sum = sum * 31 + redis_server_of(5, i);
    assert_int_equal(sum, UINT64_C(0xf451d4f98f5ce7d8));
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_server_by_host_or_by_socket), TEST(several_by_every_form_of_address),
        TEST(what_is_no_address_is_refused),   TEST(sentinels_name_the_servers),
        TEST(conversations_are_spread_evenly), TEST(one_server_more_takes_its_share_and_moves_nothing_else),
        TEST(the_choice_is_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
