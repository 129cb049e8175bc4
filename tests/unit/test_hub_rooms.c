/* Rooms that are kept without anybody in them: for a listener, and for who comes back. And readers whose bytes are no
 * WebSocket frames, or who have to wait for older ones. */
#include "hub_fakes.h"

enum { LINGER_MS = 10000, AUDIT_DOWN_MS = 30000 };

/* ---- a listener ---- */

/* What it heard, in words. */
static struct {
    struct buf said;
    uint64_t ready;
    int readies;
} heard;

static void on_ready(void *arg, uint64_t seq)
{
    assert_ptr_equal(arg, &heard);
    heard.ready = seq;
    heard.readies++;
}

static void on_message(void *arg, const struct message *message)
{
    (void)arg;
    assert_true(heard.readies > 0);
    buf_addf(&heard.said, "%llu|", (unsigned long long)message->seq);
}

static void on_notice(void *arg, struct str payload)
{
    (void)arg;
    buf_addf(&heard.said, "%.*s|", (int)payload.len, payload.ptr);
}

static const struct hub_listener listener = {on_ready, on_message, on_notice, &heard};

static const char *said(void)
{
    static char text[10000];
    snprintf(text, sizeof text, "%.*s", (int)heard.said.len, heard.said.len ? heard.said.data : "");
    buf_clear(&heard.said);
    return text;
}

static int begin_kept(void **state)
{
    memset(&heard, 0, sizeof heard);
    buf_init(&heard.said, 100000);
    return begin(state);
}

/* What is kept goes with the hub at the latest. */
static int end_kept(void **state)
{
    (void)state;
    buf_fini(&heard.said);
    for (size_t i = 0; i < client_count; i++)
        if (clients[i].session)
            disconnect_client(&clients[i]);
    while (job_count)
        job_do();
    hub_fini(&hub);
    assert_int_equal(hub.rooms.count, 0);
    assert_int_equal(hub.log_bytes, 0);
    for (size_t i = 0; i < CONVERSATIONS; i++)
        assert_int_equal(net.subscribed[i], 0);
    hub_init(&hub); /* for the end of all tests */
    return end(state);
}

static void listen_to(uint64_t conversation, uint64_t stored)
{
    db.last[conversation] = stored;
    hub_listen(&hub, conversation, &listener);
    if (net.up)
        hub_subscribed(&hub, conversation);
    if (!heard.readies)
        job_do();
    assert_int_equal(heard.readies, 1);
    assert_int_equal(heard.ready, stored);
}

static void a_listener_hears_each_message_once_in_order(void **state)
{
    (void)state;
    hub_listen(&hub, 7, &listener);
    db.last[7] = 4;
    assert_int_equal(job_count, 0); /* first the subscription, then the reading */
    hub_subscribed(&hub, 7);
    struct job *job = job_work();
    deliver(7, 6); /* while it is read */
    deliver(7, 5);
    assert_int_equal(heard.readies, 0);
    job_finish(job);
    assert_int_equal(heard.readies, 1);
    assert_int_equal(heard.ready, 6); /* live from there on */
    assert_string_equal(said(), "");
    deliver(7, 7);
    deliver(7, 7);
    deliver(7, 9);
    deliver(7, 8);
    assert_string_equal(said(), "7|8|9|");
    assert_int_equal(hub.log_bytes, 0); /* nobody reads a log */
}

static void a_gap_is_filled_for_a_listener(void **state)
{
    (void)state;
    listen_to(7, 0);
    db.last[7] = 2;
    deliver(7, 3);
    go(settings.gap_wait_ms);
    job_do();
    assert_string_equal(said(), "1|2|3|");
    db.last[7] = 1203; /* the bus lost the last word, and more than one portion */
    hub_audit(&hub);
    job_do();
    go(settings.gap_wait_ms);
    while (job_count)
        job_do();
    const char *text = said();
    size_t lines_heard = 0;
    for (; *text; text++)
        lines_heard += *text == '|';
    assert_int_equal(lines_heard, 1200);
}

static void a_listener_keeps_the_room_when_its_readers_go(void **state)
{
    (void)state;
    struct client *client = seated_client(7, PLAIN, 3);
    listen_to(7, 3); /* it is there already: at once */
    assert_int_equal(jobs_ever, 1);
    disconnect_client(client);
    assert_int_equal(net.subscribed[7], 1);
    deliver(7, 4);
    assert_string_equal(said(), "4|");
    go(10 * LINGER_MS);
    assert_int_equal(hub.rooms.count, 1);
    client = connect_client();
    join(client, 7, PLAIN);
    assert_int_equal(client->seated, 1);
}

static void a_room_that_cannot_be_read_is_tried_again_for_its_listener(void **state)
{
    (void)state;
    db.err = ERR_DOWN;
    hub_listen(&hub, 7, &listener);
    struct client *client = connect_client();
    join(client, 7, PLAIN);
    hub_subscribed(&hub, 7);
    job_do();
    assert_int_equal(client->not_seated, 1); /* clients are not kept waiting */
    assert_int_equal(heard.readies, 0);
    go(settings.audit_down_ms);
    while (job_count)
        job_do(); /* the audit's among them */
    assert_int_equal(heard.readies, 0);
    db.err = ERR_OK;
    db.last[7] = 5;
    join(client, 7, PLAIN); /* waits for the next attempt */
    assert_int_equal(client->seated, 0);
    go(settings.audit_down_ms);
    while (job_count)
        job_do();
    assert_int_equal(heard.readies, 1);
    assert_int_equal(heard.ready, 5);
    assert_int_equal(client->seated, 1);
    assert_int_equal(net.subscribed[7], 1);
}

static void notices_about_a_namespace_reach_its_listener(void **state)
{
    (void)state;
    listen_to(7, 0);
    hub_notify_io(&hub, 7, STR("from here"));
    assert_int_equal(net.published_count, 1);
    struct str bytes = buf_str(&net.published[0].payload);
    hub_received(&hub, bytes); /* our own: others only */
    assert_string_equal(said(), "");
    struct wire_header header;
    assert_int_equal(wire_get_header(&bytes, &header), ERR_OK);
    assert_int_equal(header.kind, WIRE_IO);
    assert_int_equal(header.conversation, 7);
    assert_str(bytes, STR("from here"));
    struct buf other;
    buf_init(&other, 1000);
    header.origin++;
    wire_add_header(&other, &header);
    buf_add_text(&other, "from afar");
    hub_received(&hub, buf_str(&other));
    assert_string_equal(said(), "from afar|");
    header.conversation = 8; /* nobody listens there */
    buf_clear(&other);
    wire_add_header(&other, &header);
    hub_received(&hub, buf_str(&other));
    assert_string_equal(said(), "");
    buf_fini(&other);
}

static void answers_for_other_connections_go_elsewhere(void **state)
{
    (void)state;
    struct client *client = seated_client(7, PLAIN, 0);
    struct store_post posts[] = {{.message = message_of(7, 1)}, {.message = message_of(7, 2)}};
    uint64_t ids[] = {UINT64_C(1) << 63 | 5, client->session->id};
    hub_stored(&hub, posts, ids, 2);
    assert_int_equal(noticed[3], 5001);
    assert_str(buf_str(&client->told), STR("ok 2|"));
}

/* ---- who comes back ---- */

static void a_room_is_kept_for_who_comes_back(void **state)
{
    (void)state;
    settings.room_linger_ms = LINGER_MS;
    struct client *client = seated_client(7, PLAIN, 3);
    disconnect_client(client);
    assert_int_equal(net.subscribed[7], 1);
    assert_int_equal(hub.log_bytes, 0); /* its logs go as ever */
    deliver(7, 4);
    go(LINGER_MS - 50);
    client = connect_client();
    join(client, 7, PULLED);
    assert_int_equal(client->seated, 1); /* at once, and nothing was read for it */
    assert_int_equal(jobs_ever, 1);
    assert_int_equal(hub_seq(hub_seat(client->session, 7)), 4);
    deliver(7, 5);
    hub_flush(&hub);
    assert_int_equal(client->changed, 1);
    go(LINGER_MS);
    assert_int_equal(hub.rooms.count, 1); /* it is in use again */
    disconnect_client(client);
    go(LINGER_MS);
    assert_int_equal(hub.rooms.count, 0);
    assert_int_equal(net.subscribed[7], 0);
}

static void a_room_without_anybody_stays_in_order(void **state)
{
    (void)state;
    settings.room_linger_ms = LINGER_MS;
    struct client *client = seated_client(7, PLAIN, 3);
    disconnect_client(client);
    db.last[7] = 4;
    deliver(7, 5);
    go(settings.gap_wait_ms);
    job_do();
    client = connect_client();
    join(client, 7, PLAIN);
    assert_int_equal(hub_seq(hub_seat(client->session, 7)), 5);
    deliver(7, 6);
    hub_flush(&hub);
    assert_string_equal(got(client), "6:m6|");
    assert_string_equal(recent(7, PLAIN), "no"); /* the log does not reach back */
}

static void a_room_whose_time_is_up_while_it_is_read_goes_afterwards(void **state)
{
    (void)state;
    settings.room_linger_ms = 300;
    struct client *client = seated_client(7, PLAIN, 0);
    disconnect_client(client);
    db.last[7] = 1;
    deliver(7, 2);
    go(settings.gap_wait_ms);
    struct job *job = job_work();
    go(1000);
    assert_int_equal(hub.rooms.count, 1);
    job_finish(job);
    go(100);
    assert_int_equal(hub.rooms.count, 0);
}

static void an_inbox_is_not_kept(void **state)
{
    (void)state;
    settings.room_linger_ms = LINGER_MS;
    struct client *client = connect_client();
    join(client, WIRE_INBOX(9), PLAIN);
    disconnect_client(client);
    assert_int_equal(hub.rooms.count, 0);
}

static void a_room_that_nobody_waited_for_is_kept_once_it_was_read(void **state)
{
    (void)state;
    settings.room_linger_ms = LINGER_MS;
    struct client *client = connect_client();
    join(client, 7, PLAIN);
    hub_subscribed(&hub, 7);
    disconnect_client(client);
    job_do();
    assert_int_equal(hub.rooms.count, 1);
    go(LINGER_MS);
    assert_int_equal(hub.rooms.count, 0);
}

/* ---- bytes that are no frames ---- */

static const char *bytes_of(struct client *client)
{
    static char text[100000];
    snprintf(text, sizeof text, "%.*s", (int)client->got.len,
             client->got.len ? client->got.data : "");
    buf_clear(&client->got);
    return text;
}

static void bare_bytes_go_out_as_they_are(void **state)
{
    (void)state;
    struct client *client = seated_client(7, LINES, 0);
    struct member member = {1, STR("bob"), STR("1")};
    deliver(7, 1);
    deliver(7, 2);
    hub_flush(&hub);
    assert_string_equal(bytes_of(client), "1:m1;2:m2;");
    hub_broadcast_members(&hub, 7, &member, 1);
    hub_flush(&hub);
    assert_string_equal(bytes_of(client), "members bob");
    hub_send_members(&hub, client->session->id, 7, &member, 1);
    assert_string_equal(bytes_of(client), "members bob");
}

static void a_pulled_seat_can_take_each_payload(void **state)
{
    (void)state;
    struct client *client = seated_client(7, WRAPPED, 2);
    struct member member = {1, STR("bob"), STR("1")};
    deliver(7, 3);
    hub_broadcast_members(&hub, 7, &member, 1);
    deliver(7, 4);
    hub_flush(&hub);
    assert_str(buf_str(&client->told), STR("3=3:m3|0=members bob|4=4:m4|"));
    hub_send_members(&hub, client->session->id, 7, &member, 1);
    assert_string_equal(bytes_of(client), "<members bob>");
    char *text = repeat("x", 20000);
    buf_clear(&client->told);
    for (uint64_t seq = 5; seq <= 30; seq++) { /* many logs full, in one turn */
        struct message message = message_of(7, seq);
        message.content = str_of(text);
        hub_deliver(&hub, &message);
    }
    free(text);
    hub_flush(&hub);
    buf_add_char(&client->told, '\0');
    char *at = client->told.data;
    for (uint64_t seq = 5; seq <= 30; seq++) {
        char number[24];
        snprintf(number, sizeof number, "%llu=%llu:x", (unsigned long long)seq,
                 (unsigned long long)seq);
        assert_memory_equal(at, number, strlen(number));
        at = strchr(at, '|') + 1;
    }
    assert_int_equal(*at, '\0');
}

/* ---- readers that are held back ---- */

static void a_held_reader_gets_the_log_when_it_is_let_go(void **state)
{
    (void)state;
    struct client *client = seated_client(7, LINES, 0), *other = seated_client(7, LINES, 0);
    session_hold(client->session, true);
    deliver(7, 1);
    hub_flush(&hub);
    assert_string_equal(bytes_of(client), "");
    assert_string_equal(bytes_of(other), "1:m1;");
    session_send_raw(client->session, STR("older;"));
    assert_string_equal(bytes_of(client), "older;");
    session_hold(client->session, false);
    assert_string_equal(bytes_of(client), "1:m1;");
    deliver(7, 2);
    hub_flush(&hub);
    assert_string_equal(bytes_of(client), "2:m2;");
}

static void a_held_reader_that_falls_off_the_log_is_closed(void **state)
{
    (void)state;
    static const enum encoding_id kinds[] = {LINES, WRAPPED};
    uint64_t seq = 0;
    for (size_t i = 0; i < 2; i++) {
        struct client *client = seated_client(7, kinds[i], seq),
                      *choked = seated_client(7, kinds[i], seq);
        int64_t closed = metric_get(METRIC_CLOSED_SLOW), spilled = metric_get(METRIC_SPILLED_BYTES);
        char *text = repeat("x", 20000);
        session_hold(client->session, true);
        session_hold(choked->session, true);
        choked->session->choked = true;
        for (int n = 0; n < 6; n++) {
            struct message message = message_of(7, ++seq);
            message.content = str_of(text);
            hub_deliver(&hub, &message);
        }
        free(text);
        hub_flush(&hub);
        assert_int_equal(client->code, 1013);
        assert_int_equal(choked->closes, 1);
        assert_int_equal(client->got.len + choked->got.len, 0);
        assert_int_equal(client->changed, 0);
        assert_int_equal(metric_get(METRIC_CLOSED_SLOW) - closed, 2);
        assert_int_equal(metric_get(METRIC_SPILLED_BYTES) - spilled, 0);
        db.last[7] = seq;
    }
}

/* Also when the last piece is what choked it, and nothing is left in the outbox. */
static void who_waits_for_a_socket_is_told_that_all_is_out(void **state)
{
    (void)state;
    struct client *client = seated_client(7, LINES, 0);
    session_send_raw(client->session, STR("one"));
    assert_int_equal(client->drained, 1);
    client->answer = SEND_CHOKED;
    session_send_raw(client->session, STR("two"));
    assert_int_equal(client->session->outbox.len, 0);
    assert_int_equal(client->drained, 1);
    session_send_raw(client->session, STR("three"));
    session_writable(client->session); /* takes it and is choked again */
    assert_int_equal(client->drained, 1);
    client->answer = SEND_MORE;
    session_writable(client->session);
    assert_int_equal(client->drained, 2);
    assert_string_equal(bytes_of(client), "onetwothree");
}

static void what_somebody_saw_stored_is_fetched(void **state)
{
    (void)state;
    struct client *client = seated_client(7, LINES, 3);
    struct seat *seat = hub_seat(client->session, 7);
    assert_int_equal(hub_seq(seat), 3);
    hub_expect(seat, 3);
    go(1000);
    assert_int_equal(job_count, 0);
    db.last[7] = 5;
    hub_expect(seat, 5); /* no relay told of it */
    go(settings.gap_wait_ms);
    job_do();
    hub_flush(&hub);
    assert_string_equal(bytes_of(client), "4:m4;5:m5;");
}

#define KEPT(name) cmocka_unit_test_setup_teardown(name, begin_kept, end_kept)

/* ---- another epoch ---- */

/* The database was put back to where the conversation had `stored` messages, and the operator has said so. */
static void put_back(uint64_t stored)
{
    db.last[7] = stored;
    db.epoch = 9;
    hub_audit(&hub);
}

static void a_database_that_knows_less_than_was_delivered_is_noticed(void **state)
{
    (void)state;
    seated_client(7, PLAIN, 5);
    hub_audit(&hub);
    job_do();
    assert_int_equal(metric_get(METRIC_ROOMS_AHEAD), 0);
    db.last[7] = 2;
    hub_audit(&hub);
    job_do();
    assert_int_equal(metric_get(METRIC_ROOMS_AHEAD), 1);
    db.last[7] = 5;
    hub_audit(&hub);
    job_do();
    assert_int_equal(metric_get(METRIC_ROOMS_AHEAD), 0);
}

static void what_is_delivered_while_an_audit_is_under_way_is_not_ahead(void **state)
{
    (void)state;
    seated_client(7, PLAIN, 5);
    hub_audit(&hub);
    struct job *audit = job_work();
    deliver(7, 6);
    job_finish(audit);
    assert_int_equal(metric_get(METRIC_ROOMS_AHEAD), 0);
}

static void in_another_epoch_everybody_is_asked_to_come_back(void **state)
{
    (void)state;
    struct client *client = seated_client(7, PLAIN, 5);
    put_back(2);
    job_do();
    assert_int_equal(hub.epoch, 9);
    assert_int_equal(client->closes, 1);
    assert_int_equal(client->code, 1012);
    assert_int_equal(client->seated, 1);
    struct client *next = connect_client();
    join(next, 7, PLAIN);
    assert_int_equal(next->seated, 0); /* the room is being read */
    job_do();
    assert_int_equal(next->seated, 1);
    assert_int_equal(client->seated, 1); /* not once more */
    assert_string_equal(recent(7, PLAIN), "1:m1|2:m2|");
    deliver(7, 3); /* a number that was another message's */
    hub_flush(&hub);
    assert_string_equal(got(next), "3:m3|");
    assert_string_equal(got(client), "");
    hub_audit(&hub);
    job_do();
    assert_int_equal(next->closes, 0); /* once an epoch */
}

static void in_another_epoch_a_listener_is_told_to_begin_again(void **state)
{
    (void)state;
    listen_to(7, 5);
    put_back(2);
    job_do();
    deliver(7, 3); /* while it is read */
    job_do();
    assert_int_equal(heard.readies, 2);
    assert_int_equal(heard.ready, 3);
    deliver(7, 4);
    assert_string_equal(said(), "4|");
}

static void what_was_being_read_when_the_epoch_changed_is_read_again(void **state)
{
    (void)state;
    struct client *client = seated_client(7, PLAIN, 5);
    deliver(7, 8);
    go(settings.gap_wait_ms);
    struct job *refill = job_work();
    put_back(2);
    job_do();
    assert_int_equal(job_count, 0); /* the room waits for its answer */
    job_finish(refill);
    assert_int_equal(job_count, 1);
    job_do();
    struct client *next = connect_client();
    join(next, 7, PLAIN);
    assert_int_equal(next->seated, 1);
    assert_int_equal(client->seated, 1);
    deliver(7, 3);
    hub_flush(&hub);
    assert_string_equal(got(next), "3:m3|");
}

static void a_room_that_was_being_loaded_is_loaded_again(void **state)
{
    (void)state;
    struct client *client = connect_client();
    db.last[7] = 5;
    join(client, 7, PLAIN);
    hub_subscribed(&hub, 7);
    struct job *load = job_work();
    put_back(2);
    job_do();
    assert_int_equal(client->closes, 1); /* it may have been told of a number already */
    job_finish(load);
    job_do();
    assert_string_equal(recent(7, PLAIN), "1:m1|2:m2|");
}

static void if_it_cannot_be_read_again_nobody_is_told_twice(void **state)
{
    (void)state;
    struct client *client = seated_client(7, PLAIN, 5), *next = connect_client();
    put_back(2);
    job_do();
    join(next, 7, PLAIN);
    db.err = ERR_DOWN;
    job_do();
    assert_int_equal(client->not_seated, 0);
    assert_int_equal(next->not_seated, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEPT(a_listener_hears_each_message_once_in_order),
        KEPT(a_gap_is_filled_for_a_listener),
        KEPT(a_listener_keeps_the_room_when_its_readers_go),
        KEPT(a_room_that_cannot_be_read_is_tried_again_for_its_listener),
        KEPT(notices_about_a_namespace_reach_its_listener),
        TEST(answers_for_other_connections_go_elsewhere),
        KEPT(a_room_is_kept_for_who_comes_back),
        KEPT(a_room_without_anybody_stays_in_order),
        TEST(a_room_whose_time_is_up_while_it_is_read_goes_afterwards),
        TEST(an_inbox_is_not_kept),
        TEST(a_room_that_nobody_waited_for_is_kept_once_it_was_read),
        TEST(bare_bytes_go_out_as_they_are),
        TEST(a_pulled_seat_can_take_each_payload),
        TEST(a_held_reader_gets_the_log_when_it_is_let_go),
        TEST(a_held_reader_that_falls_off_the_log_is_closed),
        TEST(who_waits_for_a_socket_is_told_that_all_is_out),
        TEST(what_somebody_saw_stored_is_fetched),
        TEST(a_database_that_knows_less_than_was_delivered_is_noticed),
        TEST(what_is_delivered_while_an_audit_is_under_way_is_not_ahead),
        TEST(in_another_epoch_everybody_is_asked_to_come_back),
        KEPT(in_another_epoch_a_listener_is_told_to_begin_again),
        TEST(what_was_being_read_when_the_epoch_changed_is_read_again),
        TEST(a_room_that_was_being_loaded_is_loaded_again),
        TEST(if_it_cannot_be_read_again_nobody_is_told_twice),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
