/* Socket.IO: namespaces, rooms, attachments, acknowledgements, and coming back. */
#include "sio_fakes.h"

static int echo_begin(void **state)
{
    (void)state;
    return begin("echo");
}

static int chat_begin(void **state)
{
    (void)state;
    return begin("chat");
}

/* What the echo says to who comes in is not in one piece with the answer to CONNECT. */
static void wait_for_auth(void)
{
    clock_freeze(clock_mono_ms() + 30 + WHEEL_TICK_MS);
    wheel_advance(&wheel);
}

/* A connection that is in "/" of the echo. */
static struct eio *echo_client(void)
{
    struct eio *conn = dial();
    hear(conn, "0");
    assert_int_equal(strncmp(next(conn), "0{\"sid\":\"", 9), 0);
    wait_for_auth();
    assert_sent(conn, "2[\"auth\",{}]");
    return conn;
}

/* One that is in "/" of the chat. */
static struct eio *chat_client(char sid[IO_SID_LEN + 1], char pid[IO_PID_LEN + 1])
{
    struct eio *conn = dial();
    hear(conn, "0");
    read_connect(next(conn), sid, pid);
    return conn;
}

/* ---- the protocol ---- */

static void a_client_connects_to_several_namespaces(void **state)
{
    (void)state;
    struct eio *conn = dial();
    hear(conn, "0/custom,{\"token\":\"abc\"}");
    assert_int_equal(strncmp(next(conn), "0/custom,{\"sid\":\"", 17), 0);
    wait_for_auth();
    assert_sent(conn, "2/custom,[\"auth\",{\"token\":\"abc\"}]");
    hear(conn, "0");
    next(conn);
    wait_for_auth();
    assert_sent(conn, "2[\"auth\",{}]");
    hear(conn, "1/custom,");
    hear(conn, "2[\"message\",1]");
    assert_sent(conn, "2[\"message-back\",1]");
    assert_null(conn->closed_for);
}

static void what_the_echo_says_first_comes_before_what_it_is_asked(void **state)
{
    (void)state;
    struct eio *conn = dial();
    hear(conn, "0");
    assert_int_equal(strncmp(next(conn), "0{\"sid\":\"", 9), 0);
    hear(conn, "2[\"message\",1]");
    assert_sent(conn, "2[\"auth\",{}]");
    assert_sent(conn, "2[\"message-back\",1]");
    wait_for_auth(); /* and not twice */
    hear(conn, "2[\"message\",2]");
    assert_sent(conn, "2[\"message-back\",2]");
}

static void an_unknown_namespace_is_an_error_and_no_end(void **state)
{
    (void)state;
    struct eio *conn = dial();
    hear(conn, "0/random");
    assert_sent(conn, "4/random,{\"message\":\"Invalid namespace\"}");
    assert_null(conn->closed_for);
}

static void breaking_the_protocol_ends_that_connection(void **state)
{
    (void)state;
    static const char *const bad[] = {"abc", "2{}",       "2[]", "2abc[\"x\"]", "9", "0", "2/custom,[\"x\"]",
                                      "4{}", "51-[\"x\"]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct eio *conn = echo_client(), *other = echo_client();
        hear(conn, bad[i]);
        if (!conn->closed_for)
            fail_msg("goes on after %s", bad[i]);
        assert_string_equal(conn->closed_for, "parse error");
        hear(other, "2[\"message\"]");
        assert_sent(other, "2[\"message-back\"]");
        hang_up(conn);
        hang_up(other);
    }
}

static void a_client_that_joins_nothing_is_closed_in_time(void **state)
{
    (void)state;
    struct eio *late = dial(), *here = echo_client();
    clock_freeze(1700000000000 + settings.io_connect_timeout_ms + WHEEL_TICK_MS);
    wheel_advance(&wheel);
    assert_non_null(late->closed_for);
    assert_null(here->closed_for);
}

static void what_is_echoed_is_byte_for_byte_what_was_sent(void **state)
{
    (void)state;
    struct eio *conn = echo_client();
    hear(conn, "2[\"message\",1.0,12345678901234567890,{\"a\" : [true]},\"\\u00e9\"]");
    assert_sent(conn, "2[\"message-back\",1.0,12345678901234567890,{\"a\" : [true]},\"\\u00e9\"]");
    hear(conn, "2456[\"message-with-ack\",1,\"2\"]");
    assert_sent(conn, "3456[1,\"2\"]");
}

static void attachments_follow_their_packet(void **state)
{
    (void)state;
    struct eio *conn = echo_client();
    hear(conn, "52-7[\"message-with-ack\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    hear_binary(conn, "one");
    assert_nothing_sent(conn);
    hear_binary(conn, "two");
    assert_sent(conn, "62-7[{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
    assert_sent(conn, "b:one");
    assert_sent(conn, "b:two");
}

static void text_amid_attachments_and_stray_binary_end_the_connection(void **state)
{
    (void)state;
    struct eio *conn = echo_client(), *other = echo_client();
    hear(conn, "51-[\"message\",{\"_placeholder\":true,\"num\":0}]");
    hear(conn, "2[\"message\"]");
    assert_string_equal(conn->closed_for, "parse error");
    hear_binary(other, "x");
    assert_string_equal(other->closed_for, "parse error");
}

static void the_server_asks_and_hears_one_answer(void **state)
{
    (void)state;
    struct eio *conn = echo_client();
    hear(conn, "2[\"ask\",\"well?\"]");
    assert_sent(conn, "20[\"question\",\"well?\"]");
    hear(conn, "39[\"to nothing\"]");
    assert_nothing_sent(conn);
    hear(conn, "30[\"yes\"]");
    assert_sent(conn, "2[\"answer\",\"yes\"]");
    hear(conn, "30[\"again\"]");
    assert_nothing_sent(conn);
    for (int i = 0; i < SIO_ASKS_MAX + 3; i++)
        hear(conn, "2[\"ask\"]");
    assert_int_equal(conn->count - conn->read, SIO_ASKS_MAX);
    assert_null(conn->closed_for);
}

/* ---- who gets what ---- */

static void audiences_are_reached_once_each(void **state)
{
    (void)state;
    char sids[3][IO_SID_LEN + 1], pid[IO_PID_LEN + 1], audience[128];
    struct eio *conn[3];
    for (int i = 0; i < 3; i++)
        conn[i] = chat_client(sids[i], pid);
    for (int i = 0; i < 2; i++) {
        hear(conn[i], "2[\"join\",\"Red\"]");
        assert_sent(conn[i], "2[\"joined\",\"Red\",\"3-0\"]");
    }
    hear(conn[1], "2[\"join\",\"Green\"]");
    next(conn[1]);
    deliver(MESSAGE_EVENT, "", "[\"news\"]", "r3:Redr5:Green");
    assert_sent(conn[0], "2[\"news\",\"3-1\"]");
    assert_sent(conn[1], "2[\"news\",\"3-1\"]");
    snprintf(audience, sizeof audience, "x20:%s", sids[1]);
    deliver(MESSAGE_EVENT, "", "[\"news\"]", audience);
    assert_sent(conn[0], "2[\"news\",\"3-2\"]");
    assert_sent(conn[2], "2[\"news\",\"3-2\"]");
    snprintf(audience, sizeof audience, "s20:%sr6:Nobody", sids[2]);
    deliver(MESSAGE_EVENT, "", "[\"news\"]", audience);
    assert_sent(conn[2], "2[\"news\",\"3-3\"]");
    deliver(MESSAGE_EVENT, "", "[\"news\"]", "x3:Red");
    assert_sent(conn[2], "2[\"news\",\"3-4\"]");
    for (int i = 0; i < 3; i++)
        assert_nothing_sent(conn[i]);
}

static void admin_notices_move_and_end_sockets(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1], audience[64];
    struct eio *conn = chat_client(sid, pid);
    snprintf(audience, sizeof audience, "s20:%s", sid);
    static const struct {
        enum io_notice_kind kind;
        const char *body, *said;
    } steps[] = {{IO_NOTICE_JOIN, "Red", "join:Red"}, {IO_NOTICE_LEAVE, "Red", "leave:Red"}};
    for (int i = 0; i < 2; i++) {
        struct io_notice notice = {steps[i].kind, str_of(audience), str_of(steps[i].body)};
        struct buf wire;
        buf_init(&wire, 1024);
        io_notice_add(&wire, &notice);
        redis.log[0] = '\0';
        world.listeners[1]->notice(world.listeners[1]->arg, buf_str(&wire));
        assert_string_equal(redis.log, steps[i].said);
        buf_fini(&wire);
    }
    struct io_notice last = {IO_NOTICE_DISCONNECT, str_of(audience), STR("")};
    struct buf wire;
    buf_init(&wire, 1024);
    io_notice_add(&wire, &last);
    redis.log[0] = '\0';
    world.listeners[1]->notice(world.listeners[1]->arg, buf_str(&wire));
    assert_sent(conn, "1");
    assert_string_equal(redis.log, "drop:/");
    assert_null(conn->closed_for);
    world.listeners[1]->notice(world.listeners[1]->arg, STR("rubbish"));
    buf_fini(&wire);
}

/* ---- coming back ---- */

static void come_back(struct eio *conn, const char *pid, const char *offset)
{
    char packet[128];
    snprintf(packet, sizeof packet, "0{\"pid\":\"%s\",\"offset\":\"%s\"}", pid, offset);
    hear(conn, packet);
}

static struct eio *cut(char sid[IO_SID_LEN + 1], char pid[IO_PID_LEN + 1], const struct str *rooms, size_t count)
{
    struct eio *conn = chat_client(sid, pid);
    for (size_t i = 0; i < count; i++) {
        char packet[64];
        snprintf(packet, sizeof packet, "2[\"join\",\"%.*s\"]", (int)rooms[i].len, rooms[i].ptr);
        hear(conn, packet);
    }
    redis.log[0] = '\0';
    hang_up(conn);
    assert_string_equal(redis.log, "keep:/");
    redis.log[0] = '\0';
    redis.record = (struct sio_record){STR("/"), str_of(sid), str_of(pid), STR("ann"), rooms, count, 0};
    return dial();
}

static void who_comes_back_gets_what_was_missed_and_is_who_it_was(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1], want[128];
    static const struct str rooms[] = {{"Red", 3}};
    deliver(MESSAGE_EVENT, "", "[\"first\"]", "");
    struct eio *conn = cut(sid, pid, rooms, 1);
    deliver(MESSAGE_EVENT, "", "[\"all\"]", "");
    deliver(MESSAGE_EVENT, "", "[\"green\"]", "r5:Green");
    deliver(MESSAGE_EVENT, "", "[\"red\"]", "r3:Red");
    come_back(conn, pid, "3-1");
    snprintf(want, sizeof want, "0{\"sid\":\"%s\",\"pid\":\"%s\"}", sid, pid);
    assert_sent(conn, want);
    assert_sent(conn, "2[\"all\",\"3-2\"]");
    assert_sent(conn, "2[\"red\",\"3-4\"]");
    deliver(MESSAGE_EVENT, "", "[\"more\"]", "r3:Red");
    assert_sent(conn, "2[\"more\",\"3-5\"]");
    assert_nothing_sent(conn);
    assert_int_equal(db.reads, 0);
    assert_int_equal(world.notices, 1); /* whoever had it drops it */
}

static void nobody_gets_what_was_said_before_they_were_there(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    static const struct str rooms[] = {{"Green", 5}};
    deliver(MESSAGE_EVENT, "", "[\"old\"]", "");
    deliver(MESSAGE_EVENT, "", "[\"old green\"]", "r5:Green");
    struct eio *conn = cut(sid, pid, rooms, 1);
    deliver(MESSAGE_EVENT, "", "[\"missed\"]", "");
    deliver(MESSAGE_EVENT, "", "[\"green before\"]", "r5:Green");
    deliver(MESSAGE_EVENT, "", "[\"green\"]", "r5:Green");
    redis.was_since = 4; /* it came into the room later, by another relay's account */
    come_back(conn, pid, "3-0");
    next(conn);
    assert_sent(conn, "2[\"missed\",\"3-3\"]");
    assert_sent(conn, "2[\"green\",\"3-5\"]");
    assert_nothing_sent(conn);
}

static void where_a_socket_began_is_read_off_its_pid_and_no_other_is_believed(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1], new_sid[IO_SID_LEN + 1], new_pid[IO_PID_LEN + 1];
    for (int i = 0; i < 70; i++)
        deliver(MESSAGE_EVENT, "", "[\"e\"]", "r1:x");
    struct eio *conn = cut(sid, pid, NULL, 0);
    assert_int_equal(sio_socket_began(pid), 70);
    assert_true(sio_socket_began("AAAAAAA AAAAAAAAAAAAAAAA") == UINT64_MAX && sio_socket_began("") == UINT64_MAX);
    memset(pid, 'z', 8); /* of numbers that there are not: an earlier epoch's */
    come_back(conn, pid, "3-70");
    read_connect(next(conn), new_sid, new_pid);
    assert_string_not_equal(new_sid, sid);
}

static void who_is_put_out_while_being_recovered_does_not_come_in(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    struct sanction ban = {.kind = SANCTION_BAN, .name = "ann"};
    struct eio *conn = cut(sid, pid, NULL, 0);
    for (int i = 0; i < 700; i++)
        deliver(MESSAGE_EVENT, "", "[\"e\"]", "r1:x");
    db.slow = true;
    come_back(conn, pid, "3-0");
    redis.log[0] = '\0';
    sio_expel(&ban, 0);
    assert_string_equal(redis.log, "drop:/"); /* nor can it be recovered again */
    run(db.waiting);
    assert_nothing_sent(conn);
}

static void whoever_is_put_out_each_socket_is_looked_at_once(void **state)
{
    (void)state;
    struct eio *all[CONNS];
    struct sanction ban = {.kind = SANCTION_BAN, .address = "192.0.2.2"};
    for (int i = 0; i < CONNS; i++) {
        hear(all[i] = dial(), "0");
        all[i]->from = i % 2 ? "192.0.2.2" : NULL;
    }
    addresses_asked = 0;
    sio_expel(&ban, rate_address_key(str_of(ban.address)));
    for (int i = 0; i < CONNS; i++)
        assert_int_equal(all[i]->closed_for && !strcmp(all[i]->closed_for, "banned"), i % 2);
    assert_true(addresses_asked <= CONNS + CONNS / 2); /* once more for each that goes, which Redis is told of */
}

/* By one letter each: those that are still connected. */
static const char *who_is_left(struct eio *const *all)
{
    static char left[8];
    size_t len = 0;
    for (int i = 0; i < 5; i++)
        if (!all[i]->closed_for)
            left[len++] = (char)('a' + i);
    left[len] = '\0';
    return left;
}

static void whoever_came_with_a_token_is_put_out_by_user(void **state)
{
    (void)state;
    static const struct {
        uint64_t user;
        uint32_t generation;
    } whose[] = {{1, 4}, {1, 5}, {2, 0}, {3, 9}, {0, 0}};
    static const struct {
        struct sanction sanction;
        const char *left;
    } rows[] = {
        {{.kind = SANCTION_REVOCATION, .user = 1, .generation = 5, .conversation = 999},
         "abcde"},                                                           /* of a room elsewhere */
        {{.kind = SANCTION_REVOCATION, .user = 1, .generation = 5}, "bcde"}, /* b has proved it again since */
        {{.kind = SANCTION_BAN, .user = 4}, "bcde"},
        {{.kind = SANCTION_BAN, .user = 2}, "bde"},
        {{.kind = SANCTION_KICK, .user = 3}, "be"},
        {{.kind = SANCTION_REVOCATION, .generation = 1}, "e"}, /* of all tokens: e came without one */
    };
    struct eio *all[5];
    for (int i = 0; i < 5; i++) {
        char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
        hear(all[i] = dial(), "0");
        read_connect(next(all[i]), sid, pid);
        if (whose[i].user)
            sio_socket_give_user(sio_namespace_socket(sio_namespace_find(STR("/")), str_of(sid)), whose[i].user,
                                 whose[i].generation);
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sio_expel(&rows[i].sanction, 0);
        assert_string_equal(who_is_left(all), rows[i].left);
        sio_flush();
    }
    assert_int_equal(sio.user_count, 0);
}

static void what_the_relay_does_not_remember_comes_from_the_database(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1], offset[32];
    struct eio *conn = cut(sid, pid, NULL, 0);
    for (int i = 0; i < 900; i++)
        deliver(MESSAGE_EVENT, "", "[\"e\"]", i == 7 ? "" : "r1:x");
    db.slow = true;
    come_back(conn, pid, "3-0");
    assert_nothing_sent(conn);
    deliver(MESSAGE_EVENT, "", "[\"meanwhile\"]", ""); /* stored and shown while the reader reads: not shown twice */
    run(db.waiting);
    assert_int_equal(strncmp(next(conn), "0{\"sid\"", 7), 0);
    assert_sent(conn, "2[\"e\",\"3-8\"]");
    assert_sent(conn, "2[\"meanwhile\",\"3-901\"]");
    assert_nothing_sent(conn);
    snprintf(offset, sizeof offset, "3-%zu", db.count);
    deliver(MESSAGE_EVENT, "", "[\"live\"]", "");
    assert_sent(conn, "2[\"live\",\"3-902\"]");
}

static void a_database_that_is_ahead_of_redis_repeats_nothing(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    struct eio *conn = cut(sid, pid, NULL, 0);
    for (int i = 0; i < 700; i++)
        deliver(MESSAGE_EVENT, "", "[\"e\"]", "r1:x");
    const struct message *ahead = store_message(MESSAGE_EVENT, "", "[\"ahead\"]", "");
    come_back(conn, pid, "3-0");
    next(conn);
    assert_sent(conn, "2[\"ahead\",\"3-701\"]");
    world.listeners[1]->message(world.listeners[1]->arg, ahead);
    assert_nothing_sent(conn);
    deliver(MESSAGE_EVENT, "", "[\"then\"]", "");
    assert_sent(conn, "2[\"then\",\"3-702\"]");
}

static void assert_fresh(struct eio *conn, const char *sid, const char *pid)
{
    char new_sid[IO_SID_LEN + 1], new_pid[IO_PID_LEN + 1];
    read_connect(next(conn), new_sid, new_pid);
    assert_string_not_equal(new_sid, sid);
    assert_string_not_equal(new_pid, pid);
    assert_nothing_sent(conn);
}

static void say_gone(uint64_t trimmed, bool more)
{
    world.listeners[1]->gone(world.listeners[1]->arg, trimmed, more);
}

static void what_was_removed_meanwhile_is_not_shown_to_who_comes_back(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    struct eio *conn = cut(sid, pid, NULL, 0);
    for (int i = 0; i < 5; i++)
        deliver(MESSAGE_TEXT, "ann", i < 3 ? "gone" : "there", "");
    say_gone(3, false);
    come_back(conn, pid, "3-2"); /* what follows that is not all there */
    assert_fresh(conn, sid, pid);
    hear(conn, "2[\"getAllMessages\"]");
    const char *sent = next(conn);
    assert_non_null(strstr(sent, "there"));
    assert_null(strstr(sent, "gone"));
    hang_up(conn);

    conn = cut(sid, pid, NULL, 0);
    redis.record.sid = str_of(sid);
    come_back(conn, pid, "3-5"); /* all that it missed is there: nothing */
    assert_int_equal(strncmp(next(conn), "0{\"sid\"", 7), 0);
    assert_nothing_sent(conn);
    hang_up(conn);

    conn = cut(sid, pid, NULL, 0);
    for (int i = 0; i < 700; i++)
        deliver(MESSAGE_TEXT, "ann", "erased", "");
    db.slow = true;
    come_back(conn, pid, "3-5"); /* more than the relay remembers */
    struct job *reading = db.waiting;
    hub.forgotten++;
    run(reading);
    assert_fresh(conn, sid, pid);
    hub.forgotten = 0;
}

/* A relay that has not heard of it yet asks the database. */
static void what_the_database_has_no_more_is_no_recovery(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    struct eio *conn = cut(sid, pid, NULL, 0);
    for (int i = 0; i < 700; i++)
        deliver(MESSAGE_TEXT, "ann", "e", "");
    free(db.messages[0]);
    memmove(db.messages, db.messages + 1, --db.count * sizeof db.messages[0]);
    come_back(conn, pid, "3-0");
    assert_fresh(conn, sid, pid);
}

static void who_cannot_be_recovered_is_new_and_gets_nothing_old(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    struct eio *conn = cut(sid, pid, NULL, 0);
    deliver(MESSAGE_EVENT, "", "[\"missed\"]", "");
    redis.recover = ERR_NOT_FOUND;
    come_back(conn, pid, "3-0");
    assert_fresh(conn, sid, pid);
    static const char *const offsets[] = {"2-0", "3-", "x", "3-1x", "-1", "3-99999999999999999999"};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        struct eio *other = dial();
        come_back(other, pid, offsets[i]); /* another epoch, or none of ours */
        assert_fresh(other, sid, pid);
        hang_up(other);
    }
}

/* The numbers of an epoch are known when the namespace has read them, not when the epoch begins. */
static void between_an_epoch_and_its_numbers_nobody_comes_in(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    struct eio *conn = cut(sid, pid, NULL, 0);
    deliver(MESSAGE_EVENT, "", "[\"of the lost time\"]", "");
    hub.epoch = EPOCH + 1;
    sio_begin_epoch();
    assert_false(sio_ready());
    come_back(conn, pid, "4-0");
    assert_string_equal(conn->closed_for, "server busy"); /* and not an error that a client takes for final */
    assert_nothing_sent(conn);
    hang_up(conn);

    while (db.count)
        free(db.messages[--db.count]);
    world.listeners[1]->ready(world.listeners[1]->arg, 1);
    conn = dial();
    come_back(conn, pid, "4-0"); /* of another relay, which knew of the epoch before */
    read_connect(next(conn), sid, pid);
    const char *sent;
    while ((sent = next(conn)))
        assert_null(strstr(sent, "lost time"));
    hub.epoch = EPOCH;
}

static void a_history_that_was_read_in_an_earlier_epoch_is_not_shown(void **state)
{
    (void)state;
    db.slow = true;
    world.listeners[1]->ready(world.listeners[1]->arg, 1);
    struct job *old = db.waiting;
    assert_non_null(old);
    hub.epoch = EPOCH + 1;
    sio_begin_epoch();
    run(old);
    struct eio *conn = dial();
    hear(conn, "0");
    assert_string_equal(conn->closed_for, "server busy");
    hang_up(conn);
    world.listeners[1]->ready(world.listeners[1]->arg, 1);
    run(db.waiting);
    conn = dial();
    hear(conn, "0");
    assert_null(conn->closed_for);
    hub.epoch = EPOCH;
}

static void too_much_missed_is_not_half_replayed(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    static const struct str rooms[] = {{"Red", 3}};
    struct eio *conn = cut(sid, pid, rooms, 1);
    for (int i = 0; i < SIO_MISSED_MAX + 1; i++)
        deliver(MESSAGE_EVENT, "", "[\"e\"]", "");
    come_back(conn, pid, "3-0");
    assert_fresh(conn, sid, pid);
    assert_non_null(strstr(redis.log, "drop:/"));
    deliver(MESSAGE_EVENT, "", "[\"red\"]", "r3:Red"); /* a new one is in no room */
    assert_nothing_sent(conn);
}

static void a_database_that_fails_makes_a_new_socket(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    struct eio *conn = cut(sid, pid, NULL, 0);
    for (int i = 0; i < 700; i++)
        deliver(MESSAGE_EVENT, "", "[\"e\"]", "");
    db.err = ERR_DOWN;
    come_back(conn, pid, "3-0");
    assert_fresh(conn, sid, pid);
    db.err = ERR_OK;
}

static void who_leaves_while_being_recovered_may_come_again(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    static const struct str rooms[] = {{"Red", 3}};
    struct eio *conn = cut(sid, pid, rooms, 1);
    redis.slow = true;
    come_back(conn, pid, "3-0");
    hang_up(conn);
    redis.log[0] = '\0';
    redis.waiting(redis.waiting_arg, ERR_OK, &redis.record);
    assert_string_equal(redis.log, "keep:/");
    /* and while the database is read */
    conn = dial();
    redis.slow = false;
    for (int i = 0; i < 700; i++)
        deliver(MESSAGE_EVENT, "", "[\"e\"]", "");
    db.slow = true;
    come_back(conn, pid, "3-0");
    deliver(MESSAGE_EVENT, "", "[\"red\"]", "r3:Red");
    assert_nothing_sent(conn); /* nothing before CONNECT */
    redis.log[0] = '\0';
    hang_up(conn);
    assert_string_equal(redis.log, "keep:/");
    run(db.waiting);
}

static void a_connection_here_that_is_not_known_to_be_dead_loses_its_socket(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    struct eio *stale = chat_client(sid, pid), *conn = dial();
    redis.record = (struct sio_record){STR("/"), str_of(sid), str_of(pid), STR(""), NULL, 0, 0};
    redis.log[0] = '\0';
    come_back(conn, pid, "3-0");
    assert_non_null(stale->closed_for);
    assert_null(strstr(redis.log, "drop"));
    assert_null(strstr(redis.log, "keep"));
    deliver(MESSAGE_EVENT, "", "[\"once\"]", "");
    next(conn);
    assert_sent(conn, "2[\"once\",\"3-1\"]");
    assert_nothing_sent(stale);
}

static void who_says_goodbye_is_forgotten(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    struct eio *conn = chat_client(sid, pid);
    redis.log[0] = '\0';
    hear(conn, "1");
    assert_string_equal(redis.log, "drop:/");
}

/* ---- clients of version 2 ---- */

static void a_client_of_version_2_is_in_the_main_namespace_at_once(void **state)
{
    (void)state;
    struct eio *conn = dial_as(true);
    assert_sent(conn, "0");
    wait_for_auth();
    assert_sent(conn, "2[\"auth\",{}]");
    hear(conn, "0/custom?token=a%20b+%22c%22&n=1&&flag&=x&bad=%zz,");
    assert_sent(conn, "0/custom,");
    wait_for_auth();
    assert_sent(conn, "2/custom,[\"auth\",{\"token\":\"a b \\\"c\\\"\",\"n\":\"1\",\"flag\":\"\",\"bad\":\"%zz\"}]");
    hear(conn, "0/nowhere?x=1,");
    assert_sent(conn, "4/nowhere,\"Invalid namespace\"");
    hear(conn, "0/custom/deeper");
    assert_sent(conn, "4/custom/deeper,\"Invalid namespace\"");
    hear(conn, "2/custom,7[\"message-with-ack\",1]");
    assert_sent(conn, "3/custom,7[1]");
    hear(conn, "1/custom,");
    hear(conn, "0/custom,");
    assert_sent(conn, "0/custom,");
    assert_null(conn->closed_for);
    hear(conn, "0"); /* it is there */
    assert_string_equal(conn->closed_for, "parse error");
}

static void a_client_of_version_2_has_the_id_of_its_connection_and_no_offsets(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1], audience[300];
    struct eio *old = dial_as(true), *conn = chat_client(sid, pid);
    assert_sent(old, "0");
    hear(old, "0/news,");
    assert_sent(old, "0/news,");
    deliver(MESSAGE_EVENT, "", "[\"to all\"]", "");
    assert_sent(old, "2[\"to all\"]");
    assert_sent(conn, "2[\"to all\",\"3-1\"]");
    struct str own = eio_sid(old);
    snprintf(audience, sizeof audience, "s%zu:%s", own.len, own.ptr);
    deliver(MESSAGE_EVENT, "", "[\"to one\"]", audience);
    assert_sent(old, "2[\"to one\"]");
    snprintf(audience, sizeof audience, "x%zu:%s", own.len, own.ptr);
    deliver(MESSAGE_EVENT, "", "[\"to others\"]", audience);
    assert_sent(conn, "2[\"to others\",\"3-3\"]");
    hear(old, "2[\"join\",\"Red\"]");
    assert_sent(old, "2[\"joined\",\"Red\"]");
    struct io_notice notice = {IO_NOTICE_EMIT, STR("r3:Red"), STR("[\"shown\",{\"a\":[1]}]")};
    struct buf wire;
    buf_init(&wire, 1024);
    io_notice_add(&wire, &notice);
    world.listeners[1]->notice(world.listeners[1]->arg, buf_str(&wire));
    buf_fini(&wire);
    assert_sent(old, "2[\"shown\",{\"a\":[1]}]");
    assert_nothing_sent(old);
    assert_nothing_sent(conn);
    redis.log[0] = '\0';
    hang_up(old);
    assert_null(strstr(redis.log, "keep"));
    assert_non_null(strstr(redis.log, "drop:/"));
}

static void a_client_of_version_2_cannot_be_recovered(void **state)
{
    (void)state;
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1], packet[200];
    struct eio *cut = chat_client(sid, pid);
    hang_up(cut);
    struct eio *old = dial_as(true);
    next(old);
    redis.log[0] = '\0';
    snprintf(packet, sizeof packet, "0/news?pid=%s&offset=3-0,", pid);
    hear(old, packet);
    assert_sent(old, "0/news,");
    assert_null(strstr(redis.log, "recover"));
}

int main(void)
{
#define IN_ECHO(test) cmocka_unit_test_setup_teardown(test, echo_begin, end)
#define IN_CHAT(test) cmocka_unit_test_setup_teardown(test, chat_begin, end)
    const struct CMUnitTest tests[] = {
        IN_ECHO(a_client_connects_to_several_namespaces),
        IN_ECHO(what_the_echo_says_first_comes_before_what_it_is_asked),
        IN_ECHO(an_unknown_namespace_is_an_error_and_no_end),
        IN_ECHO(breaking_the_protocol_ends_that_connection),
        IN_ECHO(a_client_that_joins_nothing_is_closed_in_time),
        IN_ECHO(what_is_echoed_is_byte_for_byte_what_was_sent),
        IN_ECHO(attachments_follow_their_packet),
        IN_ECHO(text_amid_attachments_and_stray_binary_end_the_connection),
        IN_ECHO(the_server_asks_and_hears_one_answer),
        IN_CHAT(audiences_are_reached_once_each),
        IN_CHAT(admin_notices_move_and_end_sockets),
        IN_CHAT(who_comes_back_gets_what_was_missed_and_is_who_it_was),
        IN_CHAT(nobody_gets_what_was_said_before_they_were_there),
        IN_CHAT(where_a_socket_began_is_read_off_its_pid_and_no_other_is_believed),
        IN_CHAT(who_is_put_out_while_being_recovered_does_not_come_in),
        IN_CHAT(whoever_is_put_out_each_socket_is_looked_at_once),
        IN_CHAT(whoever_came_with_a_token_is_put_out_by_user),
        IN_CHAT(what_the_relay_does_not_remember_comes_from_the_database),
        IN_CHAT(a_database_that_is_ahead_of_redis_repeats_nothing),
        IN_CHAT(what_was_removed_meanwhile_is_not_shown_to_who_comes_back),
        IN_CHAT(what_the_database_has_no_more_is_no_recovery),
        IN_CHAT(who_cannot_be_recovered_is_new_and_gets_nothing_old),
        IN_CHAT(between_an_epoch_and_its_numbers_nobody_comes_in),
        IN_CHAT(a_history_that_was_read_in_an_earlier_epoch_is_not_shown),
        IN_CHAT(too_much_missed_is_not_half_replayed),
        IN_CHAT(a_database_that_fails_makes_a_new_socket),
        IN_CHAT(who_leaves_while_being_recovered_may_come_again),
        IN_CHAT(a_connection_here_that_is_not_known_to_be_dead_loses_its_socket),
        IN_CHAT(who_says_goodbye_is_forgotten),
        IN_ECHO(a_client_of_version_2_is_in_the_main_namespace_at_once),
        IN_CHAT(a_client_of_version_2_has_the_id_of_its_connection_and_no_offsets),
        IN_CHAT(a_client_of_version_2_cannot_be_recovered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
