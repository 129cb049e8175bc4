/* What the admin calls ask and do in Redis, against a real one. What the relays say there, test_sio_registry.c
 * tests. */
#include "redis_server.h"

#include "common/redis/io_scripts.h"

#include <stdio.h>

/* Runs a script with the prefix and these arguments; its answer in words, as ask() gives it. */
static const char *run(const char *script, size_t count, const char *const *args)
{
    static char out[1 << 17];
    struct str all[COMMAND_ARGS] = {STR("EVAL"), str_of(script), STR("0"), STR("t")};
    for (size_t i = 0; i < count; i++)
        all[4 + i] = str_of(args[i]);
    redisReply *reply = command(all, 4 + count);
    *out = '\0';
    for (size_t i = 0, len = 0; i < reply->elements; i++) {
        const redisReply *one = reply->element[i];
        if (one->type == REDIS_REPLY_INTEGER)
            len += (size_t)snprintf(out + len, sizeof out - len, "%s%lld", i ? " " : "", one->integer);
        else
            len += (size_t)snprintf(out + len, sizeof out - len, "%s%s", i ? " " : "", one->str);
        assert_true(len < sizeof out);
    }
    freeReplyObject(reply);
    return out;
}

/* A list of two comes in either order. */
static void check_two(const char *one, const char *other, const char *got)
{
    char want[128];
    snprintf(want, sizeof want, "0 %s %s", one, other);
    if (strcmp(got, want) != 0)
        snprintf(want, sizeof want, "0 %s %s", other, one);
    assert_string_equal(got, want);
}

#define RUN(script, ...) \
    run(script, sizeof(const char *[]){__VA_ARGS__} / sizeof(char *), (const char *[]){__VA_ARGS__})
#define assert_run(want, ...) assert_string_equal(RUN(__VA_ARGS__), want)

#define SID_A "AAAAAAAAAAAAAAAAAAAA"
#define SID_B "BBBBBBBBBBBBBBBBBBBB"
#define PID_A "aaaaaaaaaaaaaaaaaaaaaaaa"

static void add(const char *nsp, const char *sid, const char *pid, const char *rooms)
{
    RUN(IO_SCRIPT_ADD, nsp, sid, "r:1", pid, "", rooms, "1");
}

static int begin(void **state)
{
    (void)state;
    ask("FLUSHALL");
    add("/", SID_A, PID_A, "[\"reds\",\"all\"]");
    add("/", SID_B, "", "[\"all\"]");
    add("/news", "CCCCCCCCCCCCCCCCCCCC", "", "[\"reds\"]");
    return 0;
}

static void what_is_there_is_listed_and_counted(void **state)
{
    (void)state;
    check_two(SID_A, SID_B, RUN(IO_SCRIPT_LIST, "/", "all", "", "0", "10"));
    check_two("all", "reds", RUN(IO_SCRIPT_LIST, "/", "rooms", "", "0", "10"));
    assert_run("0 " SID_A, IO_SCRIPT_LIST, "/", "room", "reds", "0", "10");
    assert_run("0 " SID_B, IO_SCRIPT_LIST, "/", "room", SID_B, "0", "10"); /* its own room */
    assert_run("0", IO_SCRIPT_LIST, "/", "room", "greens", "0", "10");
    assert_run("0 reds", IO_SCRIPT_LIST, "/news", "rooms", "", "0", "10");
    assert_run("2 2", IO_SCRIPT_COUNT, "/");
    assert_run("1 1", IO_SCRIPT_COUNT, "/news");
    assert_run("0 0", IO_SCRIPT_COUNT, "/none");
}

static void a_long_list_comes_in_parts_that_make_a_whole(void **state)
{
    (void)state;
    enum { MANY = 4000 };
    static bool seen[MANY];
    char cursor[24] = "0", sid[IO_SID_LEN + 1];
    size_t found = 0, parts = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(sid, sizeof sid, "%020d", i);
        add("/many", sid, "", "[]");
    }
    do {
        const char *at = RUN(IO_SCRIPT_LIST, "/many", "all", "", cursor, "1000");
        size_t digits = strcspn(at, " "), before = found;
        assert_true(digits < sizeof cursor);
        memcpy(cursor, at, digits);
        cursor[digits] = '\0';
        for (at += digits; *at; at += 1 + IO_SID_LEN) {
            int i = atoi(at + 1);
            found += !seen[i];
            seen[i] = true;
        }
        assert_true(found - before <= 3000);
        parts++;
    } while (strcmp(cursor, "0") != 0);
    assert_int_equal(found, MANY);
    assert_true(parts > 1);
}

static void sockets_join_and_leave(void **state)
{
    (void)state;
    assert_run("0 1", IO_SCRIPT_CHANGE, "/", "sid", SID_B, "0", "64", "join", "[\"x\",\"y\",\"all\"]", "64");
    assert_ask(SID_B, "SMEMBERS %s", "t:io:room:/ x");
    assert_ask("all x y", "SORT %s ALPHA", "t:io:in:/ " SID_B);
    assert_run("0 1", IO_SCRIPT_CHANGE, "/", "room", "reds", "0", "64", "join", "[\"x\"]", "64");
    assert_ask(SID_A " " SID_B, "SORT %s ALPHA", "t:io:room:/ x");
    assert_ask("all reds x", "SORT %s ALPHA", "t:io:in:/ " SID_A);
    assert_run("0 2", IO_SCRIPT_CHANGE, "/", "all", "", "0", "64", "leave", "[\"all\"]", "64");
    assert_ask("0", "EXISTS %s", "t:io:room:/ all");
    assert_ask("reds x y", "SORT t:io:rooms:/ ALPHA");
    assert_run("0 1", IO_SCRIPT_CHANGE, "/", "room", "reds", "0", "64", "leave", "[\"x\",\"reds\"]", "64");
    assert_ask("x y", "SORT t:io:rooms:/ ALPHA");
    assert_run("0 0", IO_SCRIPT_CHANGE, "/", "room", "reds", "0", "64", "join", "[\"z\"]", "64");
    assert_run("0 1", IO_SCRIPT_CHANGE, "/", "room", SID_A, "0", "64", "join", "[\"z\"]", "64");
    assert_ask(SID_A, "SMEMBERS %s", "t:io:room:/ z");
    assert_ask("reds", "SMEMBERS t:io:rooms:/news"); /* another namespace's */
}

static void an_unknown_socket_is_none(void **state)
{
    (void)state;
    assert_run("0 0", IO_SCRIPT_CHANGE, "/news", "sid", SID_A, "0", "64", "join", "[\"x\"]", "64");
    assert_run("0 0", IO_SCRIPT_CHANGE, "/", "sid", "reds", "0", "64", "drop", "[]", "64");
    assert_ask("0", "EXISTS t:io:rooms:/news%s", " x");
    assert_run("2 2", IO_SCRIPT_COUNT, "/");
}

static void who_is_disconnected_does_not_come_back(void **state)
{
    (void)state;
    assert_run("0 1", IO_SCRIPT_CHANGE, "/", "sid", SID_A, "0", "64", "drop", "[]", "64");
    assert_ask("0", "EXISTS %s", "t:io:pid:/ " PID_A);
    assert_run("0 " SID_B, IO_SCRIPT_LIST, "/", "all", "", "0", "10");
    assert_run("0 1", IO_SCRIPT_CHANGE, "/", "room", "all", "0", "64", "drop", "[]", "64");
    assert_run("0 0", IO_SCRIPT_COUNT, "/");
    assert_run("0 1", IO_SCRIPT_CHANGE, "/news", "all", "", "0", "64", "drop", "[]", "64");
    check_empty();
}

/* Dropping takes sockets out of the very set that is being gone through. */
static void many_are_dropped_in_portions(void **state)
{
    (void)state;
    char cursor[24] = "0", sid[IO_SID_LEN + 1];
    int total = 0, portions = 0;
    for (int i = 0; i < 3000; i++) {
        snprintf(sid, sizeof sid, "%020d", i);
        add("/many", sid, "", "[\"a\",\"b\"]");
    }
    do {
        int dropped;
        const char *got = RUN(IO_SCRIPT_CHANGE, "/many", "room", "a", cursor, "500", "drop", "[]", "64");
        assert_int_equal(sscanf(got, "%23s %d", cursor, &dropped), 2);
        assert_true(dropped <= 1500);
        total += dropped;
        portions++;
    } while (strcmp(cursor, "0") != 0);
    assert_int_equal(total, 3000);
    assert_true(portions > 1);
    assert_run("0 0", IO_SCRIPT_COUNT, "/many");
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_there_is_listed_and_counted),
        TEST(a_long_list_comes_in_parts_that_make_a_whole),
        TEST(sockets_join_and_leave),
        TEST(an_unknown_socket_is_none),
        TEST(who_is_disconnected_does_not_come_back),
        TEST(many_are_dropped_in_portions),
    };
    return cmocka_run_group_tests(tests, start_redis, stop_redis);
}
