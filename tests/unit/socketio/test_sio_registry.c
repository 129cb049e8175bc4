/* What Redis knows of Socket.IO's sockets: rooms, names, and who comes back. */
#include "registry_fakes.h"

/* ---- coming, going, rooms ---- */

static void a_socket_is_known_by_all_that_it_has(void **state)
{
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        sio_registry_add(&ann);
        assert_ask(SID_A, "SMEMBERS t:io:all:/");
        assert_ask("a \"b\"/c reds", "SORT t:io:rooms:/ ALPHA");
        assert_ask(SID_A, "SMEMBERS %s", "t:io:room:/ reds");
        assert_ask(SID_A, "SMEMBERS %s", "t:io:room:/ a \"b\"/c");
        assert_ask(SID_A, "HGET t:io:names:/ ann");
        assert_ask("r:1 " PID_A " ann", "HMGET %s entry pid name", "t:io:sid:/ " SID_A);
        assert_ask("a \"b\"/c reds", "SORT %s ALPHA", "t:io:in:/ " SID_A);
        assert_ask(SID_A " r:1 ann", "HMGET %s sid entry name", "t:io:pid:/ " PID_A);
        assert_ask("-1", "PTTL %s", "t:io:pid:/ " PID_A);
        assert_ask("/ " SID_A, "SMEMBERS t:io:of:r:1");
        assert_ask("r:1", "SMEMBERS t:io:relays");
    }
}

static void a_socket_that_goes_leaves_nothing(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    sio_registry_drop(&ann, false);
    check_empty();
    assert_ask("0", "EXISTS %s", "t:io:pid:/ " PID_A);
}

static void a_socket_that_may_come_back_leaves_its_pid_for_a_while(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    sio_registry_drop(&ann, true);
    check_empty();
    assert_ask(SID_A "  ann", "HMGET %s sid entry name", "t:io:pid:/ " PID_A);
    int left = atoi(ask("PTTL %s", "t:io:pid:/ " PID_A));
    assert_in_range(left, 1, RECOVERY_MS);
    assert_ask("a \"b\"/c reds", "SORT %s ALPHA", "t:io:back:/ " PID_A);
    assert_in_range(atoi(ask("PTTL %s", "t:io:back:/ " PID_A)), 1, RECOVERY_MS);
    settings.io_recovery_ms = 0;
    be(1);
    sio_registry_add(&ann);
    sio_registry_drop(&ann, true);
    assert_ask("0", "EXISTS %s %s", "t:io:pid:/ " PID_A, "t:io:back:/ " PID_A);
}

static void rooms_are_joined_and_left(void **state)
{
    (void)state;
    sio_registry_add(&bob);
    for (int twice = 0; twice < 2; twice++) {
        sio_registry_join(&bob, STR("reds"));
        assert_ask(SID_B, "SMEMBERS %s", "t:io:room:/ reds");
        assert_ask("reds", "SMEMBERS %s", "t:io:in:/ " SID_B);
    }
    for (int twice = 0; twice < 2; twice++) {
        sio_registry_leave(&bob, STR("reds"));
        assert_ask("0", "EXISTS %s t:io:rooms:/", "t:io:room:/ reds");
        assert_ask("0", "EXISTS %s", "t:io:in:/ " SID_B);
    }
    sio_registry_join(&bob, STR("reds"));
    sio_registry_add(&ann);
    sio_registry_drop(&bob, false);
    assert_ask(SID_A, "SMEMBERS %s", "t:io:room:/ reds");
}

static void a_socket_is_in_64_rooms_at_most(void **state)
{
    (void)state;
    char room[IO_ROOM_MAX + 1];
    sio_registry_add(&bob);
    for (int i = 0; i < IO_ROOMS_PER_SOCKET + 2; i++) {
        memset(room, '\x01', sizeof room - 1);
        snprintf(room + 120, 9, "%08u", (unsigned)i % 1000);
        sio_registry_join(&bob, (struct str){room, IO_ROOM_MAX});
    }
    assert_ask("64", "SCARD t:io:rooms:/");
    sio_registry_drop(&bob, true);
    check_empty();
    assert_int_equal(recover(PID_B), ERR_OK);
    assert_ask("64", "SCARD t:io:rooms:/");
}

/* ':' stands in names of both: what is joined by it must not be cut elsewhere. */
static void namespaces_and_rooms_do_not_run_into_each_other(void **state)
{
    (void)state;
    static const struct str c = {"c", 1}, bc = {"b:c", 3};
    struct sio_record one = {STR("/a"), STR(SID_A), STR(""), STR(""), &bc, 1, 0};
    struct sio_record other = {STR("/a:b"), STR(SID_B), STR(""), STR(""), &c, 1, 0};
    sio_registry_add(&one);
    sio_registry_add(&other);
    assert_ask(SID_A, "SMEMBERS %s", "t:io:room:/a b:c");
    assert_ask(SID_B, "SMEMBERS %s", "t:io:room:/a:b c");
    sio_registry_drop(&one, true);
    sio_registry_drop(&other, true);
    check_empty();
}

/* ---- names ---- */

static void a_name_is_one_sockets(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    sio_registry_add(&bob);
    assert_int_equal(claim(&bob, "ann"), ERR_DUPLICATE);
    assert_int_equal(claim(&ann, "ann"), ERR_OK);
    assert_int_equal(claim(&bob, "bob"), ERR_OK);
    assert_ask("bob bob", "EVAL %s 2 %s %s",
               "return {redis.call('HGET', KEYS[1], 'name'), redis.call('HGET', KEYS[2], 'name')}", "t:io:sid:/ " SID_B,
               "t:io:pid:/ " PID_B);
    assert_int_equal(who("bob"), ERR_OK);
    assert_string_equal(got_sid, SID_B);
    assert_int_equal(claim(&bob, "rob"), ERR_OK); /* frees the other */
    assert_int_equal(who("bob"), ERR_NOT_FOUND);
    assert_int_equal(claim(&ann, "bob"), ERR_OK);
    assert_int_equal(who("ann"), ERR_NOT_FOUND);
}

static void a_name_is_free_when_its_socket_goes(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    sio_registry_add(&bob);
    sio_registry_drop(&ann, true);
    assert_int_equal(who("ann"), ERR_NOT_FOUND);
    be(2);
    sio_registry_drop(&bob, false); /* is relay 1's */
    assert_int_equal(claim(&bob, "ann"), ERR_DOWN);
    be(1);
    assert_int_equal(claim(&bob, "ann"), ERR_OK);
    assert_int_equal(claim(&ann, "ann"), ERR_DOWN); /* Redis knows it no more: the caller's own knowledge decides */
}

static void a_name_is_not_taken_by_saying_it_again(void **state)
{
    (void)state;
    sio_registry_add(&bob);
    assert_int_equal(claim(&bob, "ann"), ERR_OK);
    sio_registry_add(&ann); /* was called so before Redis was lost */
    assert_int_equal(who("ann"), ERR_OK);
    assert_string_equal(got_sid, SID_B);
    sio_registry_drop(&ann, false);
    assert_int_equal(who("ann"), ERR_OK);
}

/* ---- coming back ---- */

static void who_comes_back_gets_all_again(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    sio_registry_drop(&ann, true);
    be(2);
    assert_int_equal(recover(PID_A), ERR_OK);
    assert_string_equal(back.sid, SID_A);
    assert_string_equal(back.name, "ann");
    assert_true(!strcmp(back.rooms, "reds|a \"b\"/c|") || !strcmp(back.rooms, "a \"b\"/c|reds|"));
    assert_ask("0", "EXISTS %s", "t:io:back:/ " PID_A);
    assert_ask(SID_A, "SMEMBERS t:io:all:/");
    assert_ask(SID_A, "SMEMBERS %s", "t:io:room:/ reds");
    assert_ask("/ " SID_A, "SMEMBERS t:io:of:r:2");
    assert_ask("-1", "PTTL %s", "t:io:pid:/ " PID_A);
    assert_int_equal(who("ann"), ERR_OK);
}

static void nobody_comes_back_without_a_pid_that_is_known(void **state)
{
    (void)state;
    assert_int_equal(recover(PID_A), ERR_NOT_FOUND);
    sio_registry_add(&ann);
    sio_registry_drop(&ann, false);
    assert_int_equal(recover(PID_A), ERR_NOT_FOUND);
    check_empty();
}

/* By a relay of another version, or by hand. */
static void a_record_that_no_relay_could_have_made_is_none(void **state)
{
    (void)state;
    char *long_name = repeat("x", IO_ROOM_MAX + 1);
    const char *const bad[][2] = {{"sid", "short"}, {"sid", SID_A "A"}, {"name", "\xff"}, {NULL, long_name}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t malformed = metric_get(METRIC_BUS_MALFORMED);
        ask("FLUSHALL");
        sio_registry_add(&ann);
        sio_registry_drop(&ann, true);
        if (bad[i][0])
            ask("HSET %s %s %s", "t:io:pid:/ " PID_A, bad[i][0], bad[i][1]);
        else
            ask("SADD %s %s", "t:io:back:/ " PID_A, bad[i][1]);
        assert_int_equal(recover(PID_A), ERR_NOT_FOUND);
        assert_int_equal(metric_get(METRIC_BUS_MALFORMED), malformed + 1);
    }
    free(long_name);
}

/* Whom a private message is for: what is the id of no socket must not become an audience. */
static void a_name_that_belongs_to_no_socket_is_nobodys(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "short", SID_A "A", "r", "",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    sio_registry_add(&ann);
    assert_int_equal(claim(&ann, "ann"), ERR_OK);
    assert_int_equal(who("ann"), ERR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ask("HSET t:io:names:/ ann %s", bad[i]);
        ask("SADD t:io:all:/ %s", bad[i]);
        assert_int_equal(who("ann"), ERR_NOT_FOUND);
    }
}

static size_t find_room(const char *room)
{
    size_t at = 0;
    for (const char *start = back.rooms; strncmp(start, room, strlen(room)) != 0; at++)
        start = strchr(start, '|') + 1;
    return at;
}

static void since_when_a_socket_is_in_its_rooms_comes_back_with_it(void **state)
{
    (void)state;
    const uint64_t since[] = {7, UINT64_C(1) << 60};
    sio_registry_add(&ann);
    sio_registry_since(&ann, two_rooms, since, 2);
    be(2);
    assert_int_equal(recover(PID_A), ERR_OK);
    assert_true(back.since[find_room("reds")] == since[0] && back.since[find_room("a \"b\"/c")] == since[1]);
    sio_registry_leave(&ann, two_rooms[0]);
    sio_registry_join(&ann, two_rooms[0]);
    sio_registry_drop(&ann, true);
    assert_int_equal(recover(PID_A), ERR_OK);
    assert_true(back.since[find_room("reds")] == UINT64_MAX && back.since[find_room("a \"b\"/c")] == since[1]);
    sio_registry_drop(&ann, false);
    sio_registry_since(&ann, two_rooms, since, 2); /* too late: nothing is made of it */
    check_empty();
}

static void who_comes_back_too_late_for_the_name_comes_anew(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    sio_registry_add(&bob);
    sio_registry_drop(&ann, true);
    assert_int_equal(claim(&bob, "ann"), ERR_OK);
    assert_int_equal(recover(PID_A), ERR_NOT_FOUND);
    assert_ask(SID_B, "SMEMBERS t:io:all:/");
    assert_ask("0", "EXISTS %s", "t:io:room:/ reds"); /* nothing of it is half there */
    sio_registry_drop(&bob, false);
    assert_int_equal(recover(PID_A), ERR_OK);
}

static void a_socket_is_taken_from_a_relay_that_still_has_it(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    be(2);
    assert_int_equal(recover(PID_A), ERR_OK);
    assert_ask("", "SMEMBERS t:io:of:r:1");
    be(1); /* hears of it later */
    sio_registry_join(&ann, STR("late"));
    sio_registry_drop(&ann, true);
    sio_registry_add(&ann);
    assert_int_equal(claim(&ann, "late"), ERR_DOWN);
    assert_ask("r:2", "HGET %s entry", "t:io:sid:/ " SID_A);
    assert_ask("/ " SID_A, "SMEMBERS t:io:of:r:2");
    assert_ask("0", "EXISTS %s", "t:io:room:/ late");
    assert_ask("-1", "PTTL %s", "t:io:pid:/ " PID_A);
    be(2);
    sio_registry_drop(&ann, false);
    check_empty();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_socket_is_known_by_all_that_it_has),
        TEST(a_socket_that_goes_leaves_nothing),
        TEST(a_socket_that_may_come_back_leaves_its_pid_for_a_while),
        TEST(rooms_are_joined_and_left),
        TEST(a_socket_is_in_64_rooms_at_most),
        TEST(namespaces_and_rooms_do_not_run_into_each_other),
        TEST(a_name_is_one_sockets),
        TEST(a_name_is_free_when_its_socket_goes),
        TEST(a_name_is_not_taken_by_saying_it_again),
        TEST(who_comes_back_gets_all_again),
        TEST(nobody_comes_back_without_a_pid_that_is_known),
        TEST(a_record_that_no_relay_could_have_made_is_none),
        TEST(a_name_that_belongs_to_no_socket_is_nobodys),
        TEST(since_when_a_socket_is_in_its_rooms_comes_back_with_it),
        TEST(who_comes_back_too_late_for_the_name_comes_anew),
        TEST(a_socket_is_taken_from_a_relay_that_still_has_it),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, start_redis, stop_redis);
}
