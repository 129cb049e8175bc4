/* The chat room of the article on Socket.IO: names, messages, rooms, history. */
#include "sio_fakes.h"

#include "relay/core/debts.h"

#define NOW                 "2023-11-14T22:13:20.000Z"
#define LINE(name, content) "{\"username\":\"" name "\",\"content\":\"" content "\",\"createAt\":\"" NOW "\""

static int chat_begin(void **state)
{
    (void)state;
    return begin("chat");
}

static struct eio *client(void)
{
    struct eio *conn = dial();
    hear(conn, "0");
    assert_int_equal(strncmp(next(conn), "0{\"sid\":\"", 9), 0);
    return conn;
}

/* One with a name; everybody else has heard of it. */
static struct eio *named(const char *name)
{
    struct eio *conn = client();
    char packet[128];
    snprintf(packet, sizeof packet, "2[\"message\",\"%s\"]", name);
    hear(conn, packet);
    settle(ERR_OK);
    for (int i = 0; i < CONNS; i++)
        conns[i].read = conns[i].count;
    return conn;
}

static void the_first_message_is_a_name_and_the_others_hear_of_it(void **state)
{
    (void)state;
    struct eio *ann = client(), *bob = client();
    hear(ann, "27[\"message\",\"ann\"]");
    assert_sent(ann, "37[{\"success\":true}]");
    settle(ERR_OK);
    assert_sent(bob, "2[\"message\"," LINE("系统", "ann加入聊天室") "},\"3-1\"]");
    assert_nothing_sent(ann);
}

static void end_nothing(struct debt *debt)
{
    (void)debt;
}

static void while_too_much_waits_for_clients_the_list_is_refused(void **state)
{
    (void)state;
    struct debt much = {.end = end_nothing};
    struct eio *ann = named("ann");
    debts_limit(1000);
    debt_set(&much, 800);
    hear(ann, "27[\"getAllMessages\"]");
    assert_sent(ann, "2[\"message\"," LINE("系统", "聊天太忙,请稍后再试") "},\"3-1\"]");
    assert_sent(ann, "37[{\"success\":false,\"error\":\"busy\"}]");
    debt_set(&much, 700);
    hear(ann, "28[\"getAllMessages\"]");
    assert_int_equal(strncmp(next(ann), "2[\"allMessages\",[", 17), 0);
    assert_sent(ann, "38[{\"success\":true}]");
    debt_set(&much, 0);
    debts_limit(0);
}

static void a_taken_name_is_refused_and_the_next_message_is_another_try(void **state)
{
    (void)state;
    struct eio *ann = client();
    redis.claim = ERR_DUPLICATE;
    hear(ann, "20[\"message\",\"bob\"]");
    assert_sent(ann, "2[\"message\"," LINE("系统", "bob已经被占用,请换一个用户名吧") "},\"3-0\"]");
    assert_sent(ann, "30[{\"success\":false,\"error\":\"taken\"}]");
    redis.claim = ERR_OK;
    hear(ann, "2[\"message\",\"ann\"]");
    settle(ERR_OK);
    hear(ann, "2[\"message\",\"hello\"]");
    assert_str(world.posted->content, str_of("hello"));
}

static void the_servers_own_name_and_names_that_deceive_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"系统", "system", " ", "a\\u2028b", "a\\u202eb", "a\\u0007"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct eio *conn = client();
        char packet[64];
        snprintf(packet, sizeof packet, "2[\"message\",\"%s\"]", bad[i]);
        redis.log[0] = '\0';
        hear(conn, packet);
        assert_non_null(next(conn));
        assert_string_equal(redis.log, "");
        assert_null(world.posted);
        hang_up(conn);
    }
}

static void without_redis_this_relay_decides_about_names(void **state)
{
    (void)state;
    named("ann");
    redis.claim = ERR_DOWN;
    struct eio *other = client();
    hear(other, "20[\"message\",\"ann\"]");
    next(other);
    assert_sent(other, "30[{\"success\":false,\"error\":\"taken\"}]");
    hear(other, "21[\"message\",\"bob\"]");
    assert_sent(other, "31[{\"success\":true}]");
}

static void a_message_is_acknowledged_once_it_is_stored_and_seen_by_all(void **state)
{
    (void)state;
    struct eio *ann = named("ann"), *bob = named("bob");
    hear(ann, "29[\"message\",\"你好 <b>\\\"\"]");
    assert_nothing_sent(ann);
    assert_nothing_sent(bob);
    assert_int_equal(world.posted->kind, MESSAGE_TEXT);
    assert_str(world.posted->content, str_of("你好 <b>\""));
    settle(ERR_OK);
    assert_sent(ann, "39[{\"success\":true,\"seq\":3}]");
    assert_sent(ann, "2[\"message\"," LINE("ann", "你好 <b>\\\"") ",\"seq\":3},\"3-3\"]");
    assert_sent(bob, "2[\"message\"," LINE("ann", "你好 <b>\\\"") ",\"seq\":3},\"3-3\"]");
}

static void a_message_that_is_not_stored_is_told_to_its_sender_alone(void **state)
{
    (void)state;
    struct eio *ann = named("ann"), *bob = named("bob");
    hear(ann, "21[\"message\",\"x\"]");
    settle(ERR_DOWN);
    assert_non_null(strstr(next(ann), "消息没有发出"));
    assert_sent(ann, "31[{\"success\":false,\"error\":\"unavailable\"}]");
    hear(ann, "23[\"message\",\"x\"]");
    settle(ERR_UNKNOWN);
    /* the connection to the database broke during the commit */
    assert_non_null(strstr(next(ann), "不知道消息是否发出"));
    assert_sent(ann, "33[{\"success\":false,\"error\":\"unknown\"}]");
    world.post = ERR_BUSY;
    hear(ann, "22[\"message\",\"x\"]");
    next(ann);
    assert_sent(ann, "32[{\"success\":false,\"error\":\"busy\"}]");
    assert_nothing_sent(bob);
}

static void answers_find_their_events_in_any_order(void **state)
{
    (void)state;
    struct eio *ann = named("ann");
    hear(ann, "21[\"message\",\"x\"]");
    struct post_id first = world.posted_by;
    hear(ann, "22[\"message\",\"x\"]");
    struct post_id second = world.posted_by;
    settle(ERR_DOWN);
    assert_non_null(strstr(next(ann), "消息没有发出"));
    assert_sent(ann, "32[{\"success\":false,\"error\":\"unavailable\"}]");
    world.posted_by = first;
    settle(ERR_OK);
    assert_sent(ann, "31[{\"success\":true,\"seq\":2}]");
    assert_non_null(strstr(next(ann), "\"seq\":2"));
    world.posted_by = second; /* it has its answer */
    settle(ERR_DOWN);
    assert_nothing_sent(ann);
}

static void a_client_has_so_many_posts_on_their_way(void **state)
{
    (void)state;
    struct eio *ann = named("ann");
    for (int i = 0; i < POSTINGS_MAX; i++)
        hear(ann, "21[\"message\",\"x\"]");
    assert_nothing_sent(ann);
    hear(ann, "22[\"message\",\"x\"]");
    next(ann);
    assert_sent(ann, "32[{\"success\":false,\"error\":\"busy\"}]");
}

static void who_is_in_rooms_is_heard_in_them_and_who_is_in_none_by_all(void **state)
{
    (void)state;
    struct eio *ann = named("ann"), *bob = named("bob"), *cyn = named("cyn");
    hear(ann, "2[\"join\",\"Red\"]");
    assert_sent(ann, "2[\"joined\",\"Red\",\"3-3\"]");
    hear(ann, "20[\"join\",\"Red\"]");
    assert_sent(ann, "30[{\"success\":true}]"); /* nothing changes, nothing is said */
    hear(ann, "2[\"join\",\"Green\"]");
    hear(bob, "2[\"join\",\"Red\"]");
    hear(bob, "2[\"join\",\"Green\"]");
    next(ann), next(bob), next(bob);
    hear(ann, "2[\"message\",\"in rooms\"]");
    settle(ERR_OK);
    assert_non_null(strstr(next(ann), "in rooms"));
    assert_non_null(strstr(next(bob), "in rooms"));
    assert_nothing_sent(bob); /* once, though in both */
    assert_nothing_sent(cyn);
    hear(ann, "2[\"leave\",\"Red\"]");
    assert_sent(ann, "2[\"leaved\",\"Red\",\"3-4\"]");
    hear(ann, "2[\"leave\",\"Green\"]");
    next(ann);
    hear(ann, "2[\"message\",\"to all\"]");
    settle(ERR_OK);
    assert_non_null(strstr(next(cyn), "to all"));
}

static void a_private_message_goes_to_one_alone(void **state)
{
    (void)state;
    struct eio *ann = named("ann"), *bob = named("bob"), *cyn = named("cyn");
    const struct sio_client *bobs = eio_state(bob);
    snprintf(redis.found, sizeof redis.found, "%s", SLIST_FIRST(&bobs->sockets)->sid);
    hear(ann, "25[\"message\",\"@bob psst, you\"]");
    assert_int_equal(world.posted->kind, MESSAGE_EVENT); /* so no history shows it */
    settle(ERR_OK);
    assert_sent(ann, "35[{\"success\":true,\"seq\":4}]");
    assert_sent(bob, "2[\"message\"," LINE("ann", "psst, you") ",\"private\":true},\"3-4\"]");
    assert_nothing_sent(ann);
    assert_nothing_sent(cyn);
    redis.find = ERR_NOT_FOUND;
    hear(ann, "26[\"message\",\"@dan hello\"]");
    assert_non_null(strstr(next(ann), "dan不在聊天室"));
    assert_sent(ann, "36[{\"success\":false,\"error\":\"not_here\"}]");
}

static void a_private_message_is_one_wherever_the_name_stands(void **state)
{
    (void)state;
    static const struct {
        const char *said, *name, *heard;
    } rows[] = {
        {"hello @bob psst", "find:bob", "psst"},
        {"a@b c", "find:b", "c"},
        {"@ x @bob psst", "find:bob", "psst"},
        {"@ @@bob  psst ", "find:@bob", " psst "},
        {"@bob \\n@cyn psst", "find:cyn", "psst"},
        {"mail ann@example.org or @bob now", "find:example.org", "or @bob now"},
        {"@bob one\\ntwo", "find:bob", "one\\ntwo"},
    };
    struct eio *ann = named("ann"), *bob = named("bob"), *cyn = named("cyn");
    const struct sio_client *bobs = eio_state(bob);
    snprintf(redis.found, sizeof redis.found, "%s", SLIST_FIRST(&bobs->sockets)->sid);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char packet[128], heard[64];
        redis.log[0] = '\0';
        snprintf(packet, sizeof packet, "2[\"message\",\"%s\"]", rows[i].said);
        hear(ann, packet);
        assert_string_equal(redis.log, rows[i].name);
        assert_int_equal(world.posted->kind, MESSAGE_EVENT);
        settle(ERR_OK);
        snprintf(heard, sizeof heard, "\"content\":\"%s\"", rows[i].heard);
        assert_non_null(strstr(next(bob), heard));
        assert_nothing_sent(ann);
        assert_nothing_sent(cyn);
    }
    hear(cyn, "2[\"getAllMessages\"]");
    assert_int_equal(strncmp(next(cyn), "2[\"allMessages\",[],", 19), 0);
}

static void what_only_looks_private_is_for_all(void **state)
{
    (void)state;
    static const char *const texts[] = {"@bob", "@bob ", "@ bob", "bob@ x", "@"};
    struct eio *ann = named("ann");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char packet[64];
        snprintf(packet, sizeof packet, "2[\"message\",\"%s\"]", texts[i]);
        hear(ann, packet);
        assert_int_equal(world.posted->kind, MESSAGE_TEXT);
        assert_str(world.posted->content, str_of(texts[i]));
        settle(ERR_OK);
    }
}

static void the_history_is_what_all_could_read_latest_last(void **state)
{
    (void)state;
    struct eio *ann = named("ann");
    hear(ann, "2[\"getAllMessages\"]");
    assert_sent(ann, "2[\"allMessages\",[],\"3-1\"]");
    for (int i = 0; i < 12; i++) {
        char text[8];
        snprintf(text, sizeof text, "m%d", i);
        deliver(i == 11 ? MESSAGE_EVENT : MESSAGE_TEXT, "ann", i == 11 ? "[\"message\",1]" : text, "");
        next(ann);
    }
    hear(ann, "2[\"getAllMessages\"]");
    const char *all = next(ann);
    assert_null(strstr(all, "m0"));
    static const char first[] = "2[\"allMessages\",[" LINE("ann", "m1") "}";
    assert_int_equal(strncmp(all, first, strlen(first)), 0);
    assert_non_null(strstr(all, LINE("ann", "m10") "}],\"3-13\"]"));
}

static const char *history_of(struct eio *conn)
{
    hear(conn, "2[\"getAllMessages\"]");
    return next(conn);
}

static void what_was_said_in_a_room_stands_in_the_history_of_those_who_were_there(void **state)
{
    (void)state;
    struct eio *ann = named("ann"), *bob = named("bob"), *cyn = named("cyn");
    deliver(MESSAGE_TEXT, "ann", "before", "r3:Red");
    hear(bob, "2[\"join\",\"Red\"]");
    deliver(MESSAGE_TEXT, "ann", "for all", "");
    deliver(MESSAGE_TEXT, "ann", "red", "r3:Red");
    deliver(MESSAGE_TEXT, "ann", "green", "r5:Green");
    hear(bob, "2[\"leave\",\"Red\"]");
    hear(bob, "2[\"join\",\"Green\"]");
    deliver(MESSAGE_TEXT, "ann", "later", "r3:Redr4:Blue");
    deliver(MESSAGE_TEXT, "ann", "last", "");
    for (int i = 0; i < CONNS; i++)
        conns[i].read = conns[i].count;
    const char *bobs = history_of(bob);
    const char *all = strstr(bobs, "for all"), *red = strstr(bobs, "\"red\""), *last = strstr(bobs, "last");
    assert_true(all && red && last && all < red && red < last);
    assert_true(!strstr(bobs, "before") && !strstr(bobs, "green") && !strstr(bobs, "later"));
    for (struct eio *conn = ann; conn; conn = conn == ann ? cyn : NULL) {
        const char *theirs = history_of(conn);
        assert_true(strstr(theirs, "for all") && strstr(theirs, "last"));
        assert_true(!strstr(theirs, "red") && !strstr(theirs, "green") && !strstr(theirs, "before"));
    }
    hear(cyn, "2[\"join\",\"Red\"]"); /* coming in shows nothing of before */
    next(cyn);
    assert_null(strstr(history_of(cyn), "red"));
}

static void rooms_push_nothing_out_of_the_history_of_others(void **state)
{
    (void)state;
    struct eio *ann = named("ann"), *bob = named("bob");
    hear(bob, "2[\"join\",\"Red\"]");
    deliver(MESSAGE_TEXT, "ann", "for all", "");
    for (int i = 0; i < 20; i++) {
        char text[8];
        snprintf(text, sizeof text, "r%d.", i);
        deliver(MESSAGE_TEXT, "bob", text, "r3:Red");
    }
    for (int i = 0; i < CONNS; i++)
        conns[i].read = conns[i].count;
    assert_non_null(strstr(history_of(ann), "for all"));
    const char *bobs = history_of(bob);
    assert_true(strstr(bobs, "r19.") && strstr(bobs, "r10.") && !strstr(bobs, "r9.") && !strstr(bobs, "for all"));
}

static void what_is_not_text_is_refused(void **state)
{
    (void)state;
    struct eio *ann = named("ann");
    static const char *const bad[] = {"20[\"message\"]", "20[\"message\",7]",    "20[\"message\",{\"a\":1}]",
                                      "20[\"join\",[]]", "20[\"message\",\"\"]", "20[\"message\",\"a\\u0001\"]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        hear(ann, bad[i]);
        const char *said = next(ann), *ack = next(ann);
        if (!said || !ack || strncmp(ack, "30[{\"success\":false", 19) != 0)
            fail_msg("%s: %s, %s", bad[i], said ? said : "nothing", ack ? ack : "nothing");
    }
    hear(ann, "20[\"nonsense\",1]");
    assert_sent(ann, "30[{\"success\":false,\"error\":\"unknown_event\"}]");
    assert_null(ann->closed_for);
}

/* Its address has too much on the way to Redis: refused in the room's own words, and nothing has changed. */
static void what_redis_has_no_room_for_is_refused(void **state)
{
    (void)state;
    struct eio *ann = named("ann"), *bob = client();
    redis.full = true;
    *redis.log = '\0';
    hear(ann, "21[\"join\",\"Red\"]");
    next(ann); /* in words */
    assert_sent(ann, "31[{\"success\":false,\"error\":\"busy\"}]");
    hear(ann, "22[\"message\",\"@bob hello\"]");
    next(ann);
    assert_sent(ann, "32[{\"success\":false,\"error\":\"busy\"}]");
    hear(bob, "23[\"message\",\"bob\"]");
    next(bob);
    assert_sent(bob, "33[{\"success\":false,\"error\":\"busy\"}]");
    assert_string_equal(redis.log, "");
    redis.full = false;
    hear(ann, "24[\"join\",\"Red\"]");
    assert_sent(ann, "2[\"joined\",\"Red\",\"3-1\"]");
    assert_sent(ann, "34[{\"success\":true}]");
}

static void a_socket_is_in_no_more_rooms_than_it_may(void **state)
{
    (void)state;
    struct eio *ann = named("ann");
    settings.io_rooms_max = 2;
    hear(ann, "2[\"join\",\"Red\"]");
    hear(ann, "2[\"join\",\"Green\"]");
    next(ann);
    next(ann);
    hear(ann, "21[\"join\",\"Blue\"]");
    next(ann);
    assert_sent(ann, "31[{\"success\":false,\"error\":\"bad_room\"}]");
    hear(ann, "2[\"leave\",\"Red\"]");
    next(ann);
    hear(ann, "2[\"join\",\"Blue\"]");
    assert_sent(ann, "2[\"joined\",\"Blue\",\"3-1\"]");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, chat_begin, end)
    const struct CMUnitTest tests[] = {
        TEST(the_first_message_is_a_name_and_the_others_hear_of_it),
        TEST(while_too_much_waits_for_clients_the_list_is_refused),
        TEST(a_taken_name_is_refused_and_the_next_message_is_another_try),
        TEST(the_servers_own_name_and_names_that_deceive_are_refused),
        TEST(without_redis_this_relay_decides_about_names),
        TEST(a_message_is_acknowledged_once_it_is_stored_and_seen_by_all),
        TEST(a_message_that_is_not_stored_is_told_to_its_sender_alone),
        TEST(answers_find_their_events_in_any_order),
        TEST(a_client_has_so_many_posts_on_their_way),
        TEST(who_is_in_rooms_is_heard_in_them_and_who_is_in_none_by_all),
        TEST(a_private_message_goes_to_one_alone),
        TEST(a_private_message_is_one_wherever_the_name_stands),
        TEST(what_was_said_in_a_room_stands_in_the_history_of_those_who_were_there),
        TEST(rooms_push_nothing_out_of_the_history_of_others),
        TEST(what_only_looks_private_is_for_all),
        TEST(the_history_is_what_all_could_read_latest_last),
        TEST(what_is_not_text_is_refused),
        TEST(what_redis_has_no_room_for_is_refused),
        TEST(a_socket_is_in_no_more_rooms_than_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
