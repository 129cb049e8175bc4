/* Conversations that somebody listens to, and rooms that are kept for who comes back. */
#include "hub_listener.h"

/* ---- a listener ---- */

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
    hub_reconcile(&hub);
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
    struct client *client = joined_client(7, PLAIN, 3);
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
    assert_int_equal(client->joined, 1);
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
    assert_int_equal(client->not_joined, 1); /* clients are not kept waiting */
    assert_int_equal(heard.readies, 0);
    go(settings.reconcile_down_ms);
    while (job_count)
        job_do(); /* the reconciliation's among them */
    assert_int_equal(heard.readies, 0);
    db.err = ERR_OK;
    db.last[7] = 5;
    join(client, 7, PLAIN); /* waits for the next attempt */
    assert_int_equal(client->joined, 0);
    go(settings.reconcile_down_ms);
    while (job_count)
        job_do();
    assert_int_equal(heard.readies, 1);
    assert_int_equal(heard.ready, 5);
    assert_int_equal(client->joined, 1);
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
    header.sender++;
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

static void on_other_posted(struct post_id id, const struct store_post *post)
{
    noticed[3] += 1000 * (id.session_id & 0xff) + post->message.seq;
}

static void answers_for_other_connections_go_elsewhere(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    struct store_post posts[] = {{.message = message_of(7, 1)}, {.message = message_of(7, 2)}};
    struct post_id ids[] = {{5, 1, on_other_posted}, post_of(client->session, 1)};
    hub_stored(&hub, posts, ids, 2);
    assert_int_equal(noticed[3], 5001);
    assert_str(buf_str(&client->told), STR("ok 2|"));
}

/* ---- who comes back ---- */

static void a_room_is_kept_for_who_comes_back(void **state)
{
    (void)state;
    settings.room_linger_ms = LINGER_MS;
    struct client *client = joined_client(7, PLAIN, 3);
    disconnect_client(client);
    assert_int_equal(net.subscribed[7], 1);
    assert_int_equal(hub.log_bytes, 0); /* its logs go as ever */
    deliver(7, 4);
    go(LINGER_MS - 50);
    client = connect_client();
    join(client, 7, PULLED);
    assert_int_equal(client->joined, 1); /* at once, and nothing was read for it */
    assert_int_equal(jobs_ever, 1);
    assert_int_equal(hub_seq(hub_subscription(client->session, 7)), 4);
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
    struct client *client = joined_client(7, PLAIN, 3);
    disconnect_client(client);
    db.last[7] = 4;
    deliver(7, 5);
    go(settings.gap_wait_ms);
    job_do();
    client = connect_client();
    join(client, 7, PLAIN);
    assert_int_equal(hub_seq(hub_subscription(client->session, 7)), 5);
    deliver(7, 6);
    hub_flush(&hub);
    assert_string_equal(got(client), "6:m6|");
    assert_string_equal(recent(7, PLAIN), "no"); /* the log does not reach back */
}

static void a_room_whose_time_is_up_while_it_is_read_goes_afterwards(void **state)
{
    (void)state;
    settings.room_linger_ms = 300;
    struct client *client = joined_client(7, PLAIN, 0);
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
    hub_subscribed(&hub, WIRE_INBOX(9));
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
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
