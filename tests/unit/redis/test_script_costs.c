/* What a script costs Redis must not depend on how many sockets, rooms or users there are: nobody else is served
 * meanwhile. Counted are the commands that each runs inside, at a hundred, a thousand and ten thousand of each, against
 * a real Redis. */
#include "redis_server.h"

#include "common/redis/io_scripts.h"
#include "relay/core/presence_scripts.h"
#include "common/redis/presence_ask.h"

#include <stdio.h>

enum { PAGE_CALLS = IO_PAGE * 2 * 16 }; /* a page of SSCAN may be half as large again; a dozen commands for each */

/* ---- counting ---- */

/* Commands that Redis has run, but for those that count and EVAL itself. Fails at one that reads the whole of
 * something that grows. SMEMBERS is for relays and for the rooms of one socket. */
static long commands_run(void)
{
    static const char *const whole[] = {"hgetall", "hkeys", "hvals", "keys", "sort", "lrange", "sunion", "sinter"};
    redisReply *reply = redisCommand(redis, "INFO commandstats");
    long sum = 0, calls;
    char name[64];
    assert_non_null(reply);
    for (char *at = reply->str; (at = strstr(at, "cmdstat_")); at++) {
        assert_int_equal(sscanf(at, "cmdstat_%63[^:]:calls=%ld", name, &calls), 2);
        for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
            if (!strcmp(name, whole[i]))
                fail_msg("a script runs %s", name);
        if (strcmp(name, "eval") != 0 && strcmp(name, "info") != 0)
            sum += calls;
    }
    freeReplyObject(reply);
    return sum;
}

static char reply_text[1 << 16];

/* Runs a script; how many commands that took. Texts of its answer go to reply_text, the first one whole. */
static long cost(const char *script, const char *keys, size_t count, const char *const *args)
{
    struct str all[COMMAND_ARGS] = {STR("EVAL"), str_of(script), str_of(keys)};
    for (size_t i = 0; i < count; i++)
        all[3 + i] = str_of(args[i]);
    ask("CONFIG RESETSTAT");
    redisReply *reply = command(all, 3 + count);
    long run = commands_run() - 1; /* RESETSTAT counts itself */
    const redisReply *first = reply->elements ? reply->element[0] : reply;
    snprintf(reply_text, sizeof reply_text, "%s", first->type == REDIS_REPLY_STRING ? first->str : "");
    freeReplyObject(reply);
    return run;
}

#define COST(script, keys, ...) \
    cost(script, keys, sizeof(const char *[]){__VA_ARGS__} / sizeof(char *), (const char *[]){__VA_ARGS__})
#define IO(script, ...) COST(script, "0", "t", __VA_ARGS__)

/* Runs scripts without looking: `later` sends, `drain` reads all answers. */
static int sent;

static void drain(void)
{
    for (void *reply; sent; sent--) {
        assert_int_equal(redisGetReply(redis, &reply), REDIS_OK);
        assert_int_not_equal(((redisReply *)reply)->type, REDIS_REPLY_ERROR);
        freeReplyObject(reply);
    }
}

static void later(const char *script, const char *keys, size_t count, const char *const *args)
{
    const char *all[COMMAND_ARGS] = {"EVAL", script, keys};
    assert_true(3 + count <= COMMAND_ARGS);
    memcpy(all + 3, args, count * sizeof args[0]);
    assert_int_equal(redisAppendCommandArgv(redis, (int)(3 + count), all, NULL), REDIS_OK);
    if (++sent == 200)
        drain();
}
#define LATER(script, keys, ...) \
    later(script, keys, sizeof(const char *[]){__VA_ARGS__} / sizeof(char *), (const char *[]){__VA_ARGS__})

static const int sizes[] = {100, 1000, 10000};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

/* The same for every size. */
static void check_flat(const char *what, const long costs[SIZES])
{
    for (int i = 1; i < SIZES; i++)
        if (costs[i] != costs[0])
            fail_msg("%s: %ld commands with %d, %ld with %d", what, costs[0], sizes[0], costs[i], sizes[i]);
}

static void check_page(const char *what, const long costs[SIZES])
{
    for (int i = 0; i < SIZES; i++)
        if (costs[i] > PAGE_CALLS)
            fail_msg("%s: %ld commands with %d, %d are a page", what, costs[i], sizes[i], (int)PAGE_CALLS);
}

/* ---- Socket.IO ---- */

#define SID "AAAAAAAAAAAAAAAAAAAA"
#define PID "aaaaaaaaaaaaaaaaaaaaaaaa"

/* So many sockets of a relay, all in one room, each in one of its own, with a name each. */
static void fill_io(int count, const char *entry)
{
    char sid[24], name[24], rooms[48];
    for (int i = 0; i < count; i++) {
        snprintf(sid, sizeof sid, "%020d", i);
        snprintf(name, sizeof name, "n%d", i);
        snprintf(rooms, sizeof rooms, "[\"all\",\"r%d\"]", i);
        LATER(IO_SCRIPT_ADD, "0", "t", "/", sid, entry, "", name, rooms, "1");
    }
    drain();
}

static void what_a_socket_does_costs_the_same_among_any_number(void **state)
{
    (void)state;
    enum { ADD, JOIN, LEAVE, CLAIM, WHO, DROP, RECOVER, COUNT, KINDS };
    static const char *const names[KINDS] = {"add", "join", "leave", "claim", "who", "drop", "recover", "count"};
    long costs[KINDS][SIZES];
    for (int i = 0; i < SIZES; i++) {
        ask("FLUSHALL");
        fill_io(sizes[i], "r:1");
        costs[ADD][i] = IO(IO_SCRIPT_ADD, "/", SID, "r:1", PID, "", "[\"all\"]", "1");
        costs[JOIN][i] = IO(IO_SCRIPT_MOVE, "/", SID, "r:1", "join", "r7", "64");
        costs[LEAVE][i] = IO(IO_SCRIPT_MOVE, "/", SID, "r:1", "leave", "r7", "64");
        costs[CLAIM][i] = IO(IO_SCRIPT_CLAIM, "/", SID, "r:1", "ann");
        costs[WHO][i] = IO(IO_SCRIPT_WHO, "/", "n7");
        costs[DROP][i] = IO(IO_SCRIPT_DROP, "/", SID, "r:1", "60000");
        costs[RECOVER][i] = IO(IO_SCRIPT_RECOVER, "/", PID, "r:1", "1");
        costs[COUNT][i] = IO(IO_SCRIPT_COUNT, "/");
    }
    for (int kind = 0; kind < KINDS; kind++)
        check_flat(names[kind], costs[kind]);
}

/* Nor is what is kept of it longer, which each command about it would have to read and write again. */
static void the_next_room_of_a_socket_costs_no_more_than_the_first(void **state)
{
    (void)state;
    char room[16], before[64];
    ask("FLUSHALL");
    IO(IO_SCRIPT_ADD, "/", SID, "r:1", PID, "", "[]", "1");
    snprintf(before, sizeof before, "%s", ask("MEMORY USAGE %s", "t:io:sid:/ " SID));
    long first = IO(IO_SCRIPT_MOVE, "/", SID, "r:1", "join", "first", "64");
    for (int i = 1; i < IO_ROOMS_PER_SOCKET; i++) {
        snprintf(room, sizeof room, "room %d", i);
        assert_int_equal(IO(IO_SCRIPT_MOVE, "/", SID, "r:1", "join", room, "64"), first);
    }
    assert_ask("64", "SCARD %s", "t:io:in:/ " SID);
    assert_true(IO(IO_SCRIPT_MOVE, "/", SID, "r:1", "join", "one more", "64") < first); /* refused */
    assert_ask("64", "SCARD %s", "t:io:in:/ " SID);
    assert_string_equal(ask("MEMORY USAGE %s", "t:io:sid:/ " SID), before);
    long in_all = IO(IO_SCRIPT_DROP, "/", SID, "r:1", "60000");
    assert_in_range(in_all, 64, IO_ROOMS_PER_SOCKET * 4 + 16);
}

static void what_goes_through_many_takes_a_page_of_them(void **state)
{
    (void)state;
    enum { SWEEP, REAP, LIST, LEAVE, DROP, KINDS };
    static const char *const names[KINDS] = {"sweep", "reap", "list", "leave", "drop"};
    long costs[KINDS][SIZES];
    char page[8];
    snprintf(page, sizeof page, "%d", IO_PAGE);
    for (int i = 0; i < SIZES; i++) {
        ask("FLUSHALL");
        fill_io(sizes[i], "r:1");
        costs[LIST][i] = IO(IO_SCRIPT_LIST, "/", "all", "", "0", "1000");
        costs[LEAVE][i] = IO(IO_SCRIPT_CHANGE, "/", "all", "", "0", page, "leave", "[\"all\"]", "64");
        costs[SWEEP][i] = IO(IO_SCRIPT_SWEEP, "r:1", "2", "60000", "0", page);
        costs[DROP][i] = IO(IO_SCRIPT_CHANGE, "/", "all", "", "0", page, "drop", "[]", "64");
        costs[REAP][i] = IO(IO_SCRIPT_REAP, "r:2", "60000", page);
    }
    for (int kind = 0; kind < KINDS; kind++)
        check_page(names[kind], costs[kind]);
}

/* ---- presence ---- */

/* So many users of a relay in room 7, and the relay in as many rooms. */
static void fill_presence(int count)
{
    char field[32], who[32], room[16], user[24];
    for (int i = 1; i <= count; i++) {
        snprintf(field, sizeof field, "r:1:%d", i);
        snprintf(who, sizeof who, "t:who:7:%d", i);
        snprintf(room, sizeof room, "%d", i);
        snprintf(user, sizeof user, "%020d", i);
        LATER(SCRIPT_ENTER, "4", "t:presence:7", who, "t:rooms:r:1", "t:admit:7:1", field, "0|1|3bob", "r:1", room,
              "t:here:7", user);
    }
    drain();
}

static void coming_and_going_cost_the_same_in_any_room(void **state)
{
    (void)state;
    enum { ENTER, LEAVE, RENEW, FIND, HAND_ON, KINDS };
    static const char *const names[KINDS] = {"enter", "leave", "renew", "find", "hand on"};
    long costs[KINDS][SIZES];
    for (int i = 0; i < SIZES; i++) {
        ask("FLUSHALL");
        fill_presence(sizes[i]);
        costs[ENTER][i] = COST(SCRIPT_ENTER, "4", "t:presence:7", "t:who:7:0", "t:rooms:r:1", "t:admit:7:0", "r:1:0",
                               "0|1|3ann", "r:1", "7", "t:here:7", "00000000000000000000");
        costs[LEAVE][i] = COST(SCRIPT_LEAVE, "3", "t:presence:7", "t:who:7:0", "t:rooms:r:1", "r:1:0", "r:1", "7", "1",
                               "t:here:7", "00000000000000000000");
        costs[RENEW][i] = COST(SCRIPT_RENEW, "3", "t:lease:r:2", "t:relays", "t:reaped:r:2", "6000", "r:2");
        ask("SADD t:relays r:1");
        costs[FIND][i] = COST(SCRIPT_FIND_DEAD, "1", "t:relays", "t", "r:2", "0", "100");
        costs[HAND_ON][i] = COST(SCRIPT_HAND_ON, "2", "t:relays", "t:lease:r:2", "t", "r:2", "5000");
    }
    for (int kind = 0; kind < KINDS; kind++)
        check_flat(names[kind], costs[kind]);
}

static void who_is_present_costs_the_same_in_any_room(void **state)
{
    (void)state;
    long list[SIZES], ask_two[SIZES];
    for (int i = 0; i < SIZES; i++) {
        ask("FLUSHALL");
        fill_presence(sizes[i]);
        ask("SET t:lease:r:1 1");
        list[i] = COST(PRESENCE_SCRIPT_LIST, "0", "t", "7", "(00000000000000000042", "50");
        assert_string_equal(reply_text, "00000000000000000043");
        ask_two[i] = COST(PRESENCE_SCRIPT_ASK, "0", "t", "7:42", "7:0");
    }
    check_flat("a page of who is present", list);
    check_flat("whether two are", ask_two);
}

/* All are announced once, however many pages that takes. */
static void a_dead_relays_room_is_taken_away_in_pages(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        int pages = 0;
        char cursor[24] = "0";
        ask("FLUSHALL");
        fill_presence(sizes[i]);
        do {
            long run = COST(SCRIPT_REAP, "4", "t:presence:7", "t:rooms:r:1", "t:lease:r:1", "t:reaped:r:1", "r:1", "7",
                            "t:who:7:", "0", cursor, "500", "t:here:7");
            assert_true(run <= 1000 * 4 + 8);
            assert_true(strlen(reply_text) < sizeof cursor);
            strcpy(cursor, reply_text);
            pages++;
        } while (strcmp(cursor, "0") != 0);
        assert_true(pages >= sizes[i] / 1000);
        assert_ask("0", "EXISTS t:presence:7 t:here:7 t:who:7:1 t:who:7:50");
        assert_ask("0", "SISMEMBER t:rooms:r:1 7");
        assert_ask("1", "EXISTS t:reaped:r:1");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_socket_does_costs_the_same_among_any_number),
        cmocka_unit_test(the_next_room_of_a_socket_costs_no_more_than_the_first),
        cmocka_unit_test(what_goes_through_many_takes_a_page_of_them),
        cmocka_unit_test(coming_and_going_cost_the_same_in_any_room),
        cmocka_unit_test(who_is_present_costs_the_same_in_any_room),
        cmocka_unit_test(a_dead_relays_room_is_taken_away_in_pages),
    };
    return cmocka_run_group_tests(tests, start_redis, stop_redis);
}
