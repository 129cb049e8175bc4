/* The table of sessions, and sessions that say nothing. */
#include "hub_fakes.h"

/* ---- the table of sessions ---- */

static void the_id_of_a_session_that_ended_finds_nothing(void **state)
{
    (void)state;
    uint64_t ids[200];
    for (int i = 0; i < 200; i++) {
        struct client *client = connect_client();
        ids[i] = client->session->id;
        assert_ptr_equal(sessions_find(&sessions, ids[i]), client->session);
        for (int j = 0; j < i; j++) {
            assert_true(ids[i] != ids[j]); /* though they all had the same slot */
            assert_null(sessions_find(&sessions, ids[j]));
        }
        disconnect_client(client);
    }
    assert_null(sessions_find(&sessions, 0));
    assert_null(sessions_find(&sessions, UINT64_MAX));
    assert_null(sessions_find(&sessions, 1000000));
    assert_int_equal(sessions.cap, 64);
}

static void many_sessions_are_found_while_the_table_grows(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        connect_client();
    for (int i = 0; i < 1000; i += 3)
        disconnect_client(&clients[i]);
    for (int i = 0; i < 100; i++)
        connect_client();
    for (size_t i = 0; i < client_count; i++)
        if (clients[i].session)
            assert_ptr_equal(sessions_find(&sessions, clients[i].session->id), clients[i].session);
    assert_int_equal(metric_get(METRIC_CONNECTIONS), sessions.count);
}

static void there_is_a_most(void **state)
{
    (void)state;
    settings.max_connections = 2;
    struct client *one = connect_client();
    connect_client();
    assert_null(connect_client()->session);
    disconnect_client(one);
    assert_non_null(connect_client()->session);
}

/* ---- silence ---- */

static void a_silent_client_is_asked_and_then_cut(void **state)
{
    (void)state;
    struct client *client = connect_client();
    int64_t silent = metric_get(METRIC_CLOSED_SILENT);
    go(19900);
    assert_int_equal(client->got.len, 0);
    go(100);
    assert_true(str_eq(buf_str(&client->got), STR("\x89\0")));
    go(19900);
    assert_int_equal(client->kills, 0);
    go(100);
    assert_int_equal(client->kills, 1);
    assert_int_equal(client->writes, 1);
    assert_int_equal(metric_get(METRIC_CLOSED_SILENT) - silent, 1);
}

static void one_that_answers_is_asked_again_and_again(void **state)
{
    (void)state;
    struct client *client = connect_client();
    for (int i = 1; i <= 10; i++) {
        go(20000); /* since it was last heard */
        assert_int_equal(client->writes, i);
        go(15000);
        session_heard(client->session); /* late, a pong or anything else */
    }
    assert_int_equal(client->kills, 0);
}

static void one_that_talks_is_never_asked(void **state)
{
    (void)state;
    struct client *client = connect_client();
    for (int i = 0; i < 100; i++) {
        go(15000);
        session_heard(client->session);
    }
    assert_int_equal(client->writes, 0);
    assert_int_equal(client->kills, 0);
}

static void a_choked_socket_is_not_asked_but_cut_all_the_same(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    client->answer = SEND_BLOCKED;
    deliver(7, 1);
    hub_flush(&hub);
    go(20000);
    assert_int_equal(client->writes, 1);
    go(20100);
    assert_int_equal(client->kills, 1);
}

static void who_is_entering_is_not_silent_however_long_it_takes(void **state)
{
    (void)state;
    struct client *client = connect_client();
    session_pause(client->session, SESSION_ENTERING, true);
    go(150000);
    assert_int_equal(client->writes, 0); /* a ping would come before the answer to its handshake */
    assert_int_equal(client->kills, 0);
    session_pause(client->session, SESSION_ENTERING, false);
    go(20000);
    assert_int_equal(client->writes, 1);
    go(20000);
    assert_int_equal(client->kills, 1);
}

static void one_that_was_asked_before_it_enters_again_is_not_cut(void **state)
{
    (void)state;
    struct client *client = connect_client();
    go(20000);
    assert_int_equal(client->writes, 1);
    session_pause(client->session, SESSION_ENTERING, true); /* its pong is not read */
    go(40000);
    assert_int_equal(client->kills, 0);
    session_pause(client->session, SESSION_ENTERING, false);
    go(40000);
    assert_int_equal(client->kills, 1);
}

static void a_close_while_it_enters_is_enforced(void **state)
{
    (void)state;
    struct client *client = connect_client();
    session_pause(client->session, SESSION_ENTERING, true);
    session_close(client->session, 1013, "Try again later");
    go(40000);
    assert_int_equal(client->kills, 1);
}

/* Bytes that trickle in keep a connection lively, but not for ever one whose message never ends. */
static void a_message_that_never_ends_ends_the_connection(void **state)
{
    (void)state;
    struct client *client = connect_client(), *good = connect_client();
    for (int i = 0; i < 30 && !client->kills; i++) {
        session_heard(client->session);
        session_unfinished(client->session, true);
        session_heard(good->session);
        session_unfinished(good->session, i % 2); /* each of its messages ends in time */
        go(3000);
    }
    assert_int_equal(client->kills, 1);
    assert_in_range(now_ms - 5000000, 40000, 63000);
    go(20000);
    assert_int_equal(good->kills, 0);
}

static void a_close_is_asked_for_once_and_enforced(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    session_close(client->session, 4001, "first");
    session_close(client->session, 4002, "second");
    assert_int_equal(client->code, 4001);
    assert_int_equal(client->closes, 1);
    deliver(7, 1);
    session_send_text(client->session, STR("too late"));
    hub_flush(&hub);
    session_writable(client->session);
    assert_int_equal(client->got.len, 0);
    session_heard(client->session); /* talking does not keep it */
    go(2100);
    assert_int_equal(client->kills, 1);
}

/* ---- one answer for several ---- */

static void an_answer_for_several_is_kept_once(void **state)
{
    (void)state;
    enum { READERS = 3, BYTES = 100000 };
    char *text = malloc(BYTES);
    struct client *readers[READERS];
    memset(text, 'x', BYTES);
    settings.room_logs_bytes = 2 * BYTES;
    settings.outbox_bytes = 4 * BYTES;
    for (int i = 0; i < READERS; i++) {
        readers[i] = connect_client();
        readers[i]->answer = SEND_BLOCKED;
        session_send_text(readers[i]->session, STR("first")); /* which the socket takes, and no more */
    }
    struct outbox_spill *frame = sessions_share_text(&sessions, (struct str){text, BYTES}, READERS);
    assert_non_null(frame);
    for (int i = 0; i < READERS; i++)
        session_send_shared(readers[i]->session, frame);
    outbox_spill_release(frame);
    assert_in_range(sessions.spilled_bytes, BYTES, BYTES + 100);
    assert_in_range(sessions.outbox_bytes, BYTES, BYTES + 1000);                         /* each is charged its share */
    assert_null(sessions_share_text(&sessions, (struct str){text, BYTES + 1}, READERS)); /* past the bound of all */
    assert_null(sessions_share_text(&sessions, (struct str){text, BYTES}, 1));
    disconnect_client(readers[0]);
    for (int i = 1; i < READERS; i++) {
        readers[i]->answer = SEND_MORE;
        session_writable(readers[i]->session);
        assert_int_equal(readers[i]->got.len, 2 + 5 + 10 + BYTES); /* RFC 6455 section 5.2: headers of 2 and 10 bytes */
        assert_memory_equal(readers[i]->got.data + 2, "first\x81\x7f", 7);
        assert_memory_equal(readers[i]->got.data + 17, text, BYTES);
    }
    assert_int_equal(sessions.spilled_bytes, 0);
    assert_int_equal(sessions.outbox_bytes, 0);
    free(text);
}

static void who_has_no_room_for_it_is_too_slow(void **state)
{
    (void)state;
    char text[1000] = {0};
    settings.room_logs_bytes = 10000;
    settings.outbox_bytes = 1500;
    struct client *slow = connect_client(), *quick = connect_client();
    slow->answer = SEND_BLOCKED;
    session_send_text(slow->session, STR("first"));
    for (int i = 0; i < 2; i++) {
        struct outbox_spill *frame = sessions_share_text(&sessions, (struct str){text, sizeof text}, 2);
        session_send_shared(slow->session, frame);
        session_send_shared(quick->session, frame);
        outbox_spill_release(frame);
    }
    assert_int_equal(slow->kills, 1); /* a frame may be half sent */
    assert_int_equal(quick->closes, 0);
    assert_int_equal(quick->got.len, 2 * (4 + sizeof text));
    assert_int_equal(sessions.spilled_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_id_of_a_session_that_ended_finds_nothing),
        TEST(many_sessions_are_found_while_the_table_grows),
        TEST(there_is_a_most),
        TEST(a_silent_client_is_asked_and_then_cut),
        TEST(one_that_answers_is_asked_again_and_again),
        TEST(one_that_talks_is_never_asked),
        TEST(a_choked_socket_is_not_asked_but_cut_all_the_same),
        TEST(who_is_entering_is_not_silent_however_long_it_takes),
        TEST(one_that_was_asked_before_it_enters_again_is_not_cut),
        TEST(a_close_while_it_enters_is_enforced),
        TEST(a_message_that_never_ends_ends_the_connection),
        TEST(a_close_is_asked_for_once_and_enforced),
        TEST(an_answer_for_several_is_kept_once),
        TEST(who_has_no_room_for_it_is_too_slow),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
