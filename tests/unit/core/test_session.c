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
        TEST(a_message_that_never_ends_ends_the_connection),
        TEST(a_close_is_asked_for_once_and_enforced),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
