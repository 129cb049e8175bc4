/* What waits for clients has a bound for all together, and who does not read is not answered further. */
#include "hub_fakes.h"

#include "relay/core/debts.h"

/* ---- debts by themselves ---- */

static struct debt debts[10];
static char ended[20];

static void on_end(struct debt *debt)
{
    size_t count = strlen(ended);
    ended[count] = (char)('0' + (debt - debts));
    debt_set(debt, 0);
}

static int begin_debts(void **state)
{
    (void)state;
    memset(debts, 0, sizeof debts);
    memset(ended, 0, sizeof ended);
    for (size_t i = 0; i < 10; i++)
        debts[i].end = on_end;
    debts_limit(1600);
    return 0;
}

static int end_debts(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++)
        debt_set(&debts[i], 0);
    debts_limit(0);
    assert_int_equal(debts_total(), 0);
    return 0;
}

static void those_who_owe_most_go_and_nobody_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++)
        debt_set(&debts[i], 100);
    debt_set(&debts[8], 500);
    assert_string_equal(ended, "");
    debt_set(&debts[3], 800); /* more than may be */
    assert_string_equal(ended, "3");
    assert_int_equal(debts_total(), 1200);
    debt_set(&debts[3], 300);
    assert_string_equal(ended, "3"); /* just as much as may be */
    debt_set(&debts[5], 200);
    debt_set(&debts[5], 201);
    assert_string_equal(ended, "38"); /* whoever it was that asked for more */
}

static void many_small_ones_make_room_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++)
        debt_set(&debts[i], 155 + i);
    debt_set(&debts[0], 300);
    assert_true(strlen(ended) >= 1);
    assert_true(debts_total() <= 1600 - 1600 / 16);
}

static void before_the_bound_requests_for_much_are_refused(void **state)
{
    (void)state;
    int64_t refused = metric_get(METRIC_WAITING_REFUSED);
    debt_set(&debts[0], 1200);
    assert_false(debts_refuse());
    debt_set(&debts[0], 1201);
    assert_true(debts_are_high());
    assert_true(debts_refuse());
    assert_int_equal(metric_get(METRIC_WAITING_REFUSED) - refused, 1);
    assert_int_equal(metric_get(METRIC_WAITING_BYTES), 1201);
    debts_limit(0);
    assert_false(debts_refuse()); /* no bound */
}

/* ---- clients ---- */

static char page[300 * 1024];

static void give_bytes(struct client *client, size_t len)
{
    assert_true(len <= sizeof page);
    session_send_text(client->session, (struct str){page, len});
}

static int begin_clients(void **state)
{
    int result = begin(state);
    memset(page, 'x', sizeof page);
    settings.outbox_bytes = 4 * 1024 * 1024;
    return result;
}

static int end_clients(void **state)
{
    debts_limit(0);
    return end(state);
}

static struct client *blocked_client(void)
{
    struct client *client = connect_client();
    client->answer = SEND_BLOCKED;
    give_bytes(client, 10);
    assert_true(client->session->blocked);
    return client;
}

static void who_does_not_read_is_not_read_from(void **state)
{
    (void)state;
    int64_t paused = metric_get(METRIC_READING_PAUSED);
    struct client *client = blocked_client();
    give_bytes(client, 200 * 1024);
    assert_false(client->paused);
    give_bytes(client, 200 * 1024);
    assert_true(client->paused);
    assert_int_equal(metric_get(METRIC_READING_PAUSED) - paused, 1);
    for (int i = 0; i < 200 && client->paused; i++)
        session_writable(client->session); /* it takes a piece, and blocks again */
    assert_in_range(client->session->outbox.len, 1, SESSION_UNREAD_BYTES / 2);
    client->answer = SEND_MORE;
    session_writable(client->session);
    give_bytes(client, sizeof page); /* who takes it at once is never held back */
    assert_false(client->paused);
    assert_int_equal(metric_get(METRIC_READING_PAUSED) - paused, 1);
}

static void who_reads_slowly_is_not_silent_meanwhile(void **state)
{
    (void)state;
    struct client *client = blocked_client();
    for (int i = 0; i < 10; i++)
        give_bytes(client, sizeof page);
    assert_true(client->paused);
    for (int i = 0; i < 20 && client->paused; i++) {
        go(15000);
        session_writable(client->session);
        assert_int_equal(client->kills, 0);
    }
    assert_true(client->paused);
    go(45000); /* … but who takes nothing is */
    assert_int_equal(client->kills, 1);
}

static void two_reasons_to_pause_are_two(void **state)
{
    (void)state;
    struct client *client = blocked_client();
    session_pause(client->session, SESSION_ENTERING, true);
    give_bytes(client, sizeof page);
    session_pause(client->session, SESSION_ENTERING, false);
    assert_true(client->paused);
    client->answer = SEND_MORE;
    session_pause(client->session, SESSION_ENTERING, true);
    session_writable(client->session);
    assert_true(client->paused);
    session_pause(client->session, SESSION_ENTERING, false);
    assert_false(client->paused);
}

static void past_the_bound_the_slowest_of_all_goes(void **state)
{
    (void)state;
    int64_t closed = metric_get(METRIC_WAITING_CLOSED);
    debts_limit(2 * 1024 * 1024);
    struct client *reader = connect_client(), *slow = blocked_client(), *small[30];
    for (int i = 0; i < 30; i++)
        small[i] = blocked_client();
    for (int i = 0; i < 3; i++)
        give_bytes(slow, sizeof page);
    for (int i = 0; i < 30; i++)
        give_bytes(small[i], 50 * 1024);
    assert_int_equal(slow->kills, 1); /* a frame may be half out: no close frame */
    assert_int_equal(slow->session->outbox.memory, 0);
    assert_int_equal(metric_get(METRIC_WAITING_CLOSED) - closed, 1);
    for (int i = 0; i < 30; i++)
        assert_int_equal(small[i]->kills + small[i]->closes, 0);
    give_bytes(reader, sizeof page);
    assert_int_equal(reader->kills + reader->closes, 0);
}

/* What many were sent in one turn of the loop was not theirs to take yet. */
static void what_was_only_not_written_yet_is_written(void **state)
{
    (void)state;
    debts_limit(1024 * 1024);
    for (int i = 0; i < 40; i++) {
        connect_client();
        session_queue(clients[i].session, 1, (struct str){page, 100 * 1024}, STR(""));
    }
    sessions_flush(&sessions);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(clients[i].kills + clients[i].closes, 0);
        assert_true(clients[i].got.len > 100 * 1024);
    }
    assert_int_equal(debts_total(), 0);
}

static void what_the_socket_keeps_counts(void **state)
{
    (void)state;
    debts_limit(1024 * 1024);
    struct client *client = connect_client(), *other = blocked_client();
    client->answer = SEND_BLOCKED;
    client->kept = 900 * 1024;
    give_bytes(client, 10);
    assert_int_equal(debts_total(), 900 * 1024);
    give_bytes(other, 150 * 1024);
    assert_int_equal(client->kills, 1);
    assert_int_equal(other->kills + other->closes, 0);
    assert_true(debts_total() < 300 * 1024);
}

/* What the socket has just taken is not owed by the outbox as well. */
static void bytes_on_their_way_to_the_socket_are_its_own_once(void **state)
{
    (void)state;
    debts_limit(512 * 1024);
    struct client *client = blocked_client();
    give_bytes(client, 250 * 1024);
    for (int i = 0; i < 100 && client->session->outbox.len; i++) {
        client->kept = client->session->outbox.len / 2;
        session_writable(client->session);
    }
    assert_int_equal(client->kills + client->closes, 0);
    assert_int_equal(client->session->outbox.len, 0);
}

/* Ended in the middle of the writing, by what the writing itself has come to owe. */
static void one_that_is_being_written_to_is_ended_in_one_piece(void **state)
{
    (void)state;
    debts_limit(512 * 1024);
    struct client *client = blocked_client(), *other = blocked_client();
    for (int i = 0; i < 2; i++)
        give_bytes(client, 100 * 1024);
    give_bytes(other, 10 * 1024);
    client->kept = 900 * 1024;
    session_writable(client->session);
    assert_true(client->kills);
    assert_int_equal(client->session->outbox.len, 0);
    assert_int_equal(sessions.outbox_bytes, other->session->outbox.memory);
    assert_int_equal(other->kills + other->closes, 0);
    session_writable(client->session); /* its socket's end is still to come */
    assert_int_equal(sessions.outbox_bytes, other->session->outbox.memory);
}

/* The same from its room's log. */
static void what_the_socket_keeps_of_a_room_ends_it_as_well(void **state)
{
    (void)state;
    debts_limit(256 * 1024);
    struct client *client = joined_client(7, PLAIN, 3);
    client->answer = SEND_BLOCKED;
    client->kept = 900 * 1024;
    deliver(7, 4);
    hub_flush(&hub);
    assert_int_equal(client->kills, 1);
    assert_int_equal(debts_total(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(those_who_owe_most_go_and_nobody_else, begin_debts, end_debts),
        cmocka_unit_test_setup_teardown(many_small_ones_make_room_too, begin_debts, end_debts),
        cmocka_unit_test_setup_teardown(before_the_bound_requests_for_much_are_refused, begin_debts, end_debts),
        cmocka_unit_test_setup_teardown(who_does_not_read_is_not_read_from, begin_clients, end_clients),
        cmocka_unit_test_setup_teardown(who_reads_slowly_is_not_silent_meanwhile, begin_clients, end_clients),
        cmocka_unit_test_setup_teardown(two_reasons_to_pause_are_two, begin_clients, end_clients),
        cmocka_unit_test_setup_teardown(past_the_bound_the_slowest_of_all_goes, begin_clients, end_clients),
        cmocka_unit_test_setup_teardown(what_was_only_not_written_yet_is_written, begin_clients, end_clients),
        cmocka_unit_test_setup_teardown(what_the_socket_keeps_counts, begin_clients, end_clients),
        cmocka_unit_test_setup_teardown(bytes_on_their_way_to_the_socket_are_its_own_once, begin_clients, end_clients),
        cmocka_unit_test_setup_teardown(one_that_is_being_written_to_is_ended_in_one_piece, begin_clients, end_clients),
        cmocka_unit_test_setup_teardown(what_the_socket_keeps_of_a_room_ends_it_as_well, begin_clients, end_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
