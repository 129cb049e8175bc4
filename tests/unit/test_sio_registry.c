/* What Redis knows of Socket.IO sockets: the registry of one relay or another, and its scripts, against a Redis of the
 * test's own that answers before bus_command returns. */
#include "redis_server.h"

#include "common/clock.h"
#include "common/io_scripts.h"
#include "common/log.h"
#include "common/metrics.h"
#include "relay/bus.h"
#include "relay/sio_registry.h"
#include "relay/wheel.h"

/* ---- Redis ---- */

static bool is_up;
static int commands;

int64_t bus_reply_number(const struct bus_reply *reply)
{
    const redisReply *r = (const void *)reply;
    return r && r->type == REDIS_REPLY_INTEGER ? r->integer : 0;
}

struct str bus_reply_text(const struct bus_reply *reply)
{
    const redisReply *r = (const void *)reply;
    return r && r->type == REDIS_REPLY_STRING ? (struct str){r->str, (size_t)r->len} : STR("");
}

size_t bus_reply_count(const struct bus_reply *reply)
{
    const redisReply *r = (const void *)reply;
    return r && r->type == REDIS_REPLY_ARRAY ? r->elements : 0;
}

const struct bus_reply *bus_reply_at(const struct bus_reply *reply, size_t index)
{
    assert_true(index < bus_reply_count(reply));
    return (const void *)((const redisReply *)(const void *)reply)->element[index];
}

/* What happens between a question and its answer. */
static void (*meanwhile)(void);

void bus_command(struct bus *bus, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    (void)bus;
    commands++;
    redisReply *reply = is_up ? command(args, count) : NULL;
    void (*then)(void) = meanwhile;
    meanwhile = NULL;
    if (then)
        then();
    fn(arg, (const void *)reply);
    freeReplyObject(reply);
}

/* ---- relays ---- */

enum { LEASE_MS = 6000, RECOVERY_MS = 120000 };

static struct settings settings;
static struct wheel wheel;
static int64_t now_ms;
static const struct sio_record *living[8]; /* what the relay says it has */
static size_t living_count;
static int said_all;

static void say_all(void *arg)
{
    (void)arg;
    said_all++;
    for (size_t i = 0; i < living_count; i++)
        sio_registry_add(living[i]);
}

/* From now on the calls are those of this relay, whose lease lives. */
static void be(uint64_t incarnation)
{
    sio_registry_fini();
    sio_registry_init(&settings, &wheel, (struct bus *)(void *)&wheel, incarnation, say_all, NULL);
    ask("SET t:lease:r:%llu 1", (unsigned long long)incarnation);
}

static int begin(void **state)
{
    (void)state;
    settings = (struct settings){.redis_prefix = (char *)(uintptr_t) "t",
                                 .name = (char *)(uintptr_t) "r",
                                 .lease_ms = LEASE_MS,
                                 .io_recovery_ms = RECOVERY_MS};
    ask("FLUSHALL");
    now_ms = 5000000;
    clock_freeze(now_ms);
    wheel_init(&wheel);
    is_up = true;
    living_count = 0;
    said_all = 0;
    be(1);
    return 0;
}

/* As long as it takes for a relay to look for dead ones, once. */
static void pass_a_turn(void)
{
    now_ms += LEASE_MS / 4 + WHEEL_TICK_MS;
    clock_freeze(now_ms);
    wheel_advance(&wheel);
}

#define SID_A "AAAAAAAAAAAAAAAAAAAA"
#define SID_B "BBBBBBBBBBBBBBBBBBBB"
#define PID_A "aaaaaaaaaaaaaaaaaaaaaaaa"
#define PID_B "bbbbbbbbbbbbbbbbbbbbbbbb"

static const struct str two_rooms[] = {{"reds", 4}, {"a \"b\"/c", 7}};
static const struct sio_record ann = {{"/", 1}, {SID_A, 20}, {PID_A, 24}, {"ann", 3}, two_rooms, 2};
static const struct sio_record bob = {{"/", 1}, {SID_B, 20}, {PID_B, 24}, {"", 0}, NULL, 0};

/* ---- answers ---- */

static enum err got;
static char got_sid[32];
static struct {
    char sid[32], name[32], rooms[256];
} back;

static void on_name(void *arg, enum err err)
{
    assert_ptr_equal(arg, &got);
    got = err;
}

static void on_who(void *arg, enum err err, struct str sid)
{
    assert_ptr_equal(arg, &got);
    got = err;
    snprintf(got_sid, sizeof got_sid, "%.*s", (int)sid.len, sid.ptr);
}

static void on_recovered(void *arg, enum err err, const struct sio_record *socket)
{
    assert_ptr_equal(arg, &got);
    got = err;
    assert_int_equal(!err, socket != NULL);
    memset(&back, 0, sizeof back);
    if (!socket)
        return;
    assert_bytes(socket->nsp, "/");
    assert_int_equal(socket->pid.len, IO_PID_LEN);
    snprintf(back.sid, sizeof back.sid, "%.*s", (int)socket->sid.len, socket->sid.ptr);
    snprintf(back.name, sizeof back.name, "%.*s", (int)socket->name.len, socket->name.ptr);
    for (size_t i = 0; i < socket->room_count; i++)
        snprintf(back.rooms + strlen(back.rooms), sizeof back.rooms - strlen(back.rooms), "%.*s|",
                 (int)socket->rooms[i].len, socket->rooms[i].ptr);
}

static enum err claim(const struct sio_record *socket, const char *name)
{
    got = ERR_INTERNAL;
    sio_registry_claim_name(socket, str_of(name), on_name, &got);
    return got;
}

static enum err who(const char *name)
{
    got = ERR_INTERNAL;
    sio_registry_find_name(STR("/"), str_of(name), on_who, &got);
    return got;
}

static enum err recover(const char *pid)
{
    got = ERR_INTERNAL;
    sio_registry_recover(STR("/"), str_of(pid), on_recovered, &got);
    return got;
}

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
        assert_ask("r:1 " PID_A " [\"reds\",\"a \\\"b\\\"/c\"] ann", "HMGET %s entry pid rooms name",
                   "t:io:sid:/ " SID_A);
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
    settings.io_recovery_ms = 0;
    be(1);
    sio_registry_add(&ann);
    sio_registry_drop(&ann, true);
    assert_ask("0", "EXISTS %s", "t:io:pid:/ " PID_A);
}

static void rooms_are_joined_and_left(void **state)
{
    (void)state;
    sio_registry_add(&bob);
    for (int twice = 0; twice < 2; twice++) {
        sio_registry_join(&bob, STR("reds"));
        assert_ask(SID_B, "SMEMBERS %s", "t:io:room:/ reds");
        assert_ask("[\"reds\"]", "HGET %s rooms", "t:io:sid:/ " SID_B);
        assert_ask("[\"reds\"]", "HGET %s rooms", "t:io:pid:/ " PID_B);
    }
    for (int twice = 0; twice < 2; twice++) {
        sio_registry_leave(&bob, STR("reds"));
        assert_ask("0", "EXISTS %s t:io:rooms:/", "t:io:room:/ reds");
        assert_ask("[]", "HGET %s rooms", "t:io:sid:/ " SID_B);
        assert_ask("[]", "HGET %s rooms", "t:io:pid:/ " PID_B);
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
    struct sio_record one = {STR("/a"), STR(SID_A), STR(""), STR(""), &bc, 1};
    struct sio_record other = {STR("/a:b"), STR(SID_B), STR(""), STR(""), &c, 1};
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
               "return {redis.call('HGET', KEYS[1], 'name'), redis.call('HGET', KEYS[2], 'name')}",
               "t:io:sid:/ " SID_B, "t:io:pid:/ " PID_B);
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
    assert_string_equal(back.rooms, "reds|a \"b\"/c|");
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
    char *long_name = repeat("x", IO_ROOM_MAX + 1), rooms[IO_ROOM_MAX + 8];
    snprintf(rooms, sizeof rooms, "[\"%s\"]", long_name);
    const char *const bad[][2] = {{"sid", "short"}, {"sid", SID_A "A"}, {"name", "\xff"}, {"rooms", rooms}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t malformed = metric_get(METRIC_BUS_MALFORMED);
        ask("FLUSHALL");
        sio_registry_add(&ann);
        sio_registry_drop(&ann, true);
        ask("HSET %s %s %s", "t:io:pid:/ " PID_A, bad[i][0], bad[i][1]);
        assert_int_equal(recover(PID_A), ERR_NOT_FOUND);
        assert_int_equal(metric_get(METRIC_BUS_MALFORMED), malformed + 1);
    }
    free(long_name);
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

/* ---- Redis lost ---- */

static void without_redis_every_question_is_answered_at_once(void **state)
{
    (void)state;
    is_up = false;
    sio_registry_add(&ann);
    sio_registry_join(&ann, STR("reds"));
    assert_int_equal(claim(&ann, "ann"), ERR_DOWN);
    assert_int_equal(who("ann"), ERR_DOWN);
    assert_int_equal(recover(PID_A), ERR_DOWN);
    sio_registry_bus_state(false);
    sio_registry_drop(&ann, true);
    pass_a_turn();
    is_up = true;
    check_empty();
}

static void all_is_said_again_to_a_redis_that_was_emptied(void **state)
{
    (void)state;
    living[0] = &ann;
    living[1] = &bob;
    living_count = 2;
    sio_registry_add(&ann);
    sio_registry_add(&bob);
    ask("FLUSHALL");
    sio_registry_bus_state(false);
    sio_registry_bus_state(true);
    assert_int_equal(said_all, 1);
    assert_ask(SID_A " " SID_B, "SORT t:io:all:/ ALPHA");
    assert_ask(SID_A, "SMEMBERS %s", "t:io:room:/ reds");
    assert_int_equal(who("ann"), ERR_OK);
}

static void what_went_while_redis_was_away_is_swept_out(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    sio_registry_add(&bob);
    be(2);
    static const struct sio_record cyn = {{"/", 1}, {"CCCCCCCCCCCCCCCCCCCC", 20}, {"", 0}, {"", 0}, NULL, 0};
    sio_registry_add(&cyn); /* another relay's stays */
    be(1);
    is_up = false;
    sio_registry_drop(&ann, true);
    struct sio_record fewer = {STR("/"), STR(SID_B), STR(PID_B), STR(""), two_rooms, 1};
    sio_registry_add(&fewer);
    is_up = true;
    living[0] = &fewer;
    living_count = 1;
    sio_registry_bus_state(true);
    assert_ask(SID_B " CCCCCCCCCCCCCCCCCCCC", "SORT t:io:all:/ ALPHA");
    assert_ask("/ " SID_B, "SMEMBERS t:io:of:r:1");
    assert_ask(SID_B, "SMEMBERS %s", "t:io:room:/ reds");
    assert_int_equal(who("ann"), ERR_NOT_FOUND);
    assert_int_equal(recover(PID_A), ERR_OK); /* it can come back as if Redis had been told */
}

static void a_sweep_goes_through_many(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    for (int i = 0; i < MANY; i++) {
        char sid[IO_SID_LEN + 1];
        snprintf(sid, sizeof sid, "%020d", i);
        struct sio_record one = {STR("/"), str_of(sid), STR(""), STR(""), two_rooms, 2};
        sio_registry_add(&one);
    }
    living[0] = &bob;
    living_count = 1;
    commands = 0;
    sio_registry_bus_state(true);
    assert_in_range(commands, 4, 100); /* in portions, but not one by one */
    assert_ask(SID_B, "SMEMBERS t:io:all:/");
    assert_ask("0", "EXISTS t:io:rooms:/");
}

static void all_is_said_again(void)
{
    sio_registry_bus_state(true);
}

static void who_comes_back_while_all_is_said_again_is_not_swept_out(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    sio_registry_drop(&ann, true);
    meanwhile = all_is_said_again; /* by a relay that has not heard of it yet */
    assert_int_equal(recover(PID_A), ERR_OK);
    assert_ask(SID_A, "SMEMBERS t:io:all:/");
    assert_int_equal(who("ann"), ERR_OK);
}

/* ---- relays lost ---- */

static void the_sockets_of_a_dead_relay_can_come_back(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    be(2);
    sio_registry_add(&bob);
    pass_a_turn();
    assert_ask(SID_A " " SID_B, "SORT t:io:all:/ ALPHA"); /* both live */
    ask("DEL t:lease:r:1");
    pass_a_turn();
    assert_ask(SID_B, "SMEMBERS t:io:all:/");
    assert_ask("0", "EXISTS t:io:rooms:/");
    assert_ask("r:2", "SMEMBERS t:io:relays");
    assert_int_equal(who("ann"), ERR_NOT_FOUND);
    assert_in_range(atoi(ask("PTTL %s", "t:io:pid:/ " PID_A)), 1, RECOVERY_MS);
    assert_int_equal(recover(PID_A), ERR_OK);
    assert_ask("r:2", "HGET %s entry", "t:io:sid:/ " SID_A);
    pass_a_turn();
    assert_int_equal(who("ann"), ERR_OK); /* nobody drops it again */
}

static void a_relay_that_was_taken_for_dead_says_all_again(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    be(2);
    ask("DEL t:lease:r:1");
    pass_a_turn();
    be(1); /* wakes, and renews its lease */
    living[0] = &ann;
    living_count = 1;
    pass_a_turn();
    assert_int_equal(said_all, 1);
    assert_ask(SID_A, "SMEMBERS t:io:all:/");
    assert_ask("-1", "PTTL %s", "t:io:pid:/ " PID_A);
    pass_a_turn();
    assert_int_equal(said_all, 1);
}

static void a_dead_relays_many_sockets_are_dropped_in_portions(void **state)
{
    (void)state;
    enum { MANY = 1200 };
    for (int i = 0; i < MANY; i++) {
        char sid[IO_SID_LEN + 1];
        snprintf(sid, sizeof sid, "%020d", i);
        struct sio_record one = {STR("/news"), str_of(sid), STR(""), STR(""), NULL, 0};
        sio_registry_add(&one);
    }
    be(2);
    ask("DEL t:lease:r:1");
    pass_a_turn();
    int left = atoi(ask("SCARD t:io:all:/news"));
    assert_in_range(left, 1, MANY - 1);
    for (int i = 0; i < 3; i++) { /* the rest at once, not a turn later */
        now_ms += WHEEL_TICK_MS;
        clock_freeze(now_ms);
        wheel_advance(&wheel);
    }
    check_empty();
    assert_ask("", "SMEMBERS t:io:relays");
}

static void answers_after_the_end_are_harmless(void **state)
{
    (void)state;
    meanwhile = sio_registry_fini;
    sio_registry_bus_state(true);
    meanwhile = sio_registry_fini;
    be(1);
    assert_int_equal(who("x"), ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

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
        TEST(who_comes_back_too_late_for_the_name_comes_anew),
        TEST(a_socket_is_taken_from_a_relay_that_still_has_it),
        TEST(without_redis_every_question_is_answered_at_once),
        TEST(all_is_said_again_to_a_redis_that_was_emptied),
        TEST(what_went_while_redis_was_away_is_swept_out),
        TEST(a_sweep_goes_through_many),
        TEST(who_comes_back_while_all_is_said_again_is_not_swept_out),
        TEST(the_sockets_of_a_dead_relay_can_come_back),
        TEST(a_relay_that_was_taken_for_dead_says_all_again),
        TEST(a_dead_relays_many_sockets_are_dropped_in_portions),
        TEST(answers_after_the_end_are_harmless),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, start_redis, stop_redis);
}
