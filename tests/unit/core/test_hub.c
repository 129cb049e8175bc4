/* Rooms: how clients come to sit in them, and how their messages come once and in order, whatever the bus
 * does. */
#include "hub_fakes.h"

/* ---- taking a subscription ---- */

static void a_room_is_read_only_once_it_is_listened_to(void **state)
{
    (void)state;
    struct client *client = connect_client();
    db.last[7] = 8;
    join(client, 7, PLAIN);
    assert_int_equal(net.subscribed[7], 1);
    assert_int_equal(job_count, 0); /* what is stored between reading and listening would be lost */
    hub_subscribed(&hub, 8);        /* another's */
    assert_int_equal(job_count, 0);
    hub_subscribed(&hub, 7);
    hub_subscribed(&hub, 7); /* Redis came back meanwhile: said twice */
    assert_int_equal(job_count, 1);
    assert_int_equal(client->joined, 0);
    job_do();
    assert_int_equal(client->joined, 1);
    hub_flush(&hub);
    assert_string_equal(got(client), ""); /* it asks for the history if it wants it */
    assert_string_equal(recent(7, PLAIN), "4:m4|5:m5|6:m6|7:m7|8:m8|");
}

static void without_a_bus_a_room_is_read_at_once(void **state)
{
    (void)state;
    struct client *client = connect_client();
    net.up = false;
    db.last[7] = 2;
    join(client, 7, PLAIN);
    assert_int_equal(net.subscribed[7], 1); /* for when it is back */
    job_do();
    assert_int_equal(client->joined, 1);
    hub_subscribed(&hub, 7);
    assert_int_equal(job_count, 0);
    assert_string_equal(recent(7, PLAIN), "1:m1|2:m2|");
}

static void losing_the_bus_lets_those_in_who_waited_for_it(void **state)
{
    (void)state;
    struct client *client = connect_client();
    join(client, 7, PLAIN);
    net.up = false;
    hub_bus_state(&hub, false);
    assert_int_equal(job_count, 1);
    job_do();
    assert_int_equal(client->joined, 1);
    assert_string_equal(recent(7, PLAIN), ""); /* nothing was ever said in it: that is a history */
}

static void a_room_that_cannot_be_read_turns_them_away(void **state)
{
    (void)state;
    struct client *one = connect_client(), *two = connect_client();
    db.err = ERR_DOWN;
    join(one, 7, PLAIN);
    join(two, 7, BARE);
    hub_subscribed(&hub, 7);
    job_do();
    assert_int_equal(one->not_joined + two->not_joined, 2);
    assert_int_equal(one->err, ERR_DOWN);
    assert_int_equal(one->joined + two->joined, 0);
    assert_int_equal(hub.rooms.count, 0);
    assert_int_equal(net.subscribed[7], 0);
    db.err = ERR_OK;
    join(one, 7, PLAIN); /* later it works */
    hub_subscribed(&hub, 7);
    job_do();
    assert_int_equal(one->joined, 1);
}

static void whoever_comes_later_finds_the_room_there(void **state)
{
    (void)state;
    struct client *one = connect_client(), *two = connect_client(), *three = connect_client();
    join(one, 7, PLAIN);
    join(two, 7, PLAIN); /* waits for the same answer */
    hub_subscribed(&hub, 7);
    join(three, 7, PLAIN);
    assert_int_equal(jobs_ever, 1);
    job_do();
    assert_int_equal(one->joined + two->joined + three->joined, 3);
    struct client *four = connect_client();
    join(four, 7, PLAIN);
    assert_int_equal(four->joined, 1); /* before hub_join returned */
    deliver(7, 1);
    hub_flush(&hub);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(got(&clients[i]), "1:m1|");
    assert_int_equal(jobs_ever, 1);
    assert_int_equal(net.subscribed[7], 1);
}

static void an_inbox_is_nothing_to_read(void **state)
{
    (void)state;
    struct client *client = connect_client();
    join(client, WIRE_INBOX(9), BARE);
    assert_int_equal(client->joined, 0); /* its notices are not heard yet: what they are about is not to be read */
    hub_subscribed(&hub, WIRE_INBOX(9));
    assert_int_equal(client->joined, 1);
    assert_int_equal(net.inboxes, 1);
    hub_reconcile(&hub);
    job_do();
    assert_int_equal(db.epoch_reads, 1); /* asked for no counters: there are none */
    disconnect_client(client);
    assert_int_equal(hub.rooms.count, 0);
}

static void an_inbox_goes_on_without_a_bus(void **state)
{
    (void)state;
    struct client *waiting = connect_client(), *gone = connect_client(), *late = connect_client();
    join(waiting, WIRE_INBOX(9), BARE);
    join(gone, WIRE_INBOX(8), BARE);
    disconnect_client(gone);
    assert_int_equal(net.inboxes, 2);
    net.up = false;
    hub_bus_state(&hub, false);
    assert_int_equal(waiting->joined, 1);
    assert_int_equal(net.inboxes, 1); /* the one that nobody waits for went */
    join(late, WIRE_INBOX(7), BARE);
    assert_int_equal(late->joined, 1);
}

static void those_without_history_read_only_the_last_number(void **state)
{
    (void)state;
    struct client *client = joined_client(7, BARE, 100);
    assert_string_equal(recent(7, BARE), "no");
    deliver(7, 101);
    deliver(7, 102); /* not for these readers */
    deliver(7, 103);
    hub_flush(&hub);
    assert_string_equal(got(client), "101|103|");
    assert_int_equal(jobs_ever, 1);
}

static void what_comes_while_a_room_is_read_is_kept(void **state)
{
    (void)state;
    struct client *client = connect_client();
    db.last[7] = 4;
    join(client, 7, PLAIN);
    deliver(7, 5); /* in the database too, before it is read */
    hub_subscribed(&hub, 7);
    struct job *job = job_work();
    deliver(7, 7); /* and two that it could not see; the bus turns them round */
    deliver(7, 6);
    deliver(7, 6);
    job_finish(job);
    assert_string_equal(recent(7, PLAIN), "3:m3|4:m4|5:m5|6:m6|7:m7|");
    hub_flush(&hub);
    assert_string_equal(got(client), "");
    deliver(7, 8);
    hub_flush(&hub);
    assert_string_equal(got(client), "8:m8|");
    assert_int_equal(jobs_ever, 1);
}

static void a_gap_left_by_the_reading_is_filled(void **state)
{
    (void)state;
    struct client *client = connect_client();
    db.last[7] = 2;
    join(client, 7, PLAIN);
    hub_subscribed(&hub, 7);
    struct job *job = job_work();
    deliver(7, 5);
    job_finish(job);
    assert_int_equal(client->joined, 1);
    assert_int_equal(job_count, 0);
    go(300);
    assert_int_equal(job_count, 1);
    job_do();
    hub_flush(&hub);
    assert_string_equal(got(client), "3:m3|4:m4|5:m5|");
}

static void leaving_while_the_room_is_read_leaves_nothing(void **state)
{
    (void)state;
    struct client *one = connect_client(), *two = connect_client();
    join(one, 7, PLAIN);
    disconnect_client(one); /* while it waits for the bus */
    hub_subscribed(&hub, 7);
    deliver(7, 3);
    job_do();
    assert_int_equal(hub.rooms.count, 0);
    join(two, 7, PLAIN);
    hub_subscribed(&hub, 7);
    disconnect_client(two);
    db.err = ERR_DOWN;
    job_do();
    assert_int_equal(hub.rooms.count, 0);
    assert_int_equal(two->not_joined, 0); /* there is nobody to tell */
}

static void coming_back_while_the_room_is_read_joins_the_waiting(void **state)
{
    (void)state;
    struct client *one = connect_client(), *two = connect_client();
    join(one, 7, PLAIN);
    hub_subscribed(&hub, 7);
    disconnect_client(one);
    join(two, 7, PLAIN);
    job_do();
    assert_int_equal(two->joined, 1);
    assert_int_equal(jobs_ever, 1);
}

static void one_session_sits_in_many_rooms(void **state)
{
    (void)state;
    struct client *client = connect_client();
    for (uint64_t id = 1; id <= 5; id++) {
        join(client, id, PLAIN);
        hub_subscribed(&hub, id);
        job_do();
    }
    for (uint64_t id = 1; id <= 5; id++)
        deliver(id, 1);
    hub_flush(&hub);
    assert_string_equal(got(client), "1:m1|1:m1|1:m1|1:m1|1:m1|");
    assert_null(hub_subscription(client->session, 6));
    disconnect_client(client);
    assert_int_equal(hub.rooms.count, 0);
}

/* ---- order ---- */

static void messages_reach_the_socket_as_frames(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    deliver(7, 1);
    deliver(7, 2);
    assert_int_equal(client->writes, 0); /* not before the turn ends */
    hub_flush(&hub);
    assert_bytes(buf_str(&client->got), "\x81\x04"
                                        "1:m1\x81\x04"
                                        "2:m2");
    hub_flush(&hub);
    assert_int_equal(client->writes, 1);
}

static void what_came_already_is_dropped(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 3);
    int64_t duplicates = metric_get(METRIC_DUPLICATES), delivered = metric_get(METRIC_DELIVERED);
    for (uint64_t seq = 1; seq <= 4; seq++)
        deliver(7, seq);
    deliver(7, 4);
    hub_flush(&hub);
    assert_string_equal(got(client), "4:m4|");
    assert_int_equal(metric_get(METRIC_DUPLICATES) - duplicates, 4);
    assert_int_equal(metric_get(METRIC_DELIVERED) - delivered, 1);
    deliver(9, 1); /* a room that nobody is in */
    assert_int_equal(hub.rooms.count, 1);
}

static void a_short_gap_closes_by_itself(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    deliver(7, 2);
    deliver(7, 4);
    hub_flush(&hub);
    assert_string_equal(got(client), "");
    go(100);
    deliver(7, 1);
    hub_flush(&hub);
    assert_string_equal(got(client), "1:m1|2:m2|");
    deliver(7, 3);
    hub_flush(&hub);
    assert_string_equal(got(client), "3:m3|4:m4|");
    go(10000);
    assert_int_equal(jobs_ever, 1); /* the load */
}

static void a_gap_is_fetched_once_whoever_notices(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 1);
    int64_t gaps = metric_get(METRIC_GAPS), backfilled = metric_get(METRIC_BACKFILLED);
    deliver(7, 4);
    deliver(7, 6);
    deliver(7, 6);
    go(150);
    assert_int_equal(job_count, 0);
    go(100);
    assert_int_equal(job_count, 1);
    struct job *job = job_work(); /* 2 and 3: up to what is there already */
    deliver(7, 5);
    deliver(7, 8);
    hub_reconcile(&hub);
    job_do(); /* the reconciliation sees it too */
    go(1000);
    assert_int_equal(job_count, 0);
    assert_int_equal(metric_get(METRIC_GAPS) - gaps, 1);
    job_finish(job);
    hub_flush(&hub);
    assert_string_equal(got(client), "2:m2|3:m3|4:m4|5:m5|6:m6|");
    assert_int_equal(metric_get(METRIC_BACKFILLED) - backfilled, 2);
    assert_int_equal(job_count, 1); /* 7 is known to be missing */
    job_do();
    hub_flush(&hub);
    assert_string_equal(got(client), "7:m7|8:m8|");
}

static void what_comes_while_it_is_fetched_comes_once(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    deliver(7, 3);
    go(300);
    struct job *job = job_work();
    deliver(7, 1); /* late, but before the answer */
    deliver(7, 2);
    hub_flush(&hub);
    assert_string_equal(got(client), "1:m1|2:m2|3:m3|");
    job_finish(job);
    deliver(7, 4);
    hub_flush(&hub);
    assert_string_equal(got(client), "4:m4|");
    assert_int_equal(job_count, 0);
}

static void a_wide_gap_is_fetched_in_portions(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    deliver(7, 1234);
    go(300);
    int portions = 0;
    while (job_count) {
        job_do();
        hub_flush(&hub);
        portions++;
    }
    assert_int_equal(portions, 3); /* of 500 */
    const char *all = got(client);
    for (uint64_t seq = 1; seq <= 1234; seq++) {
        char want[24];
        size_t len =
            (size_t)snprintf(want, sizeof want, "%llu:m%llu|", (unsigned long long)seq, (unsigned long long)seq);
        assert_memory_equal(all, want, len);
        all += len;
    }
    assert_string_equal(all, "");
}

static void what_cannot_be_fetched_is_found_by_the_next_reconciliation(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    deliver(7, 2);
    db.err = ERR_DOWN;
    go(300);
    job_do();
    go(5000);
    assert_int_equal(job_count, 0); /* not asked again and again */
    hub_reconcile(&hub);
    job_do(); /* cannot ask either */
    go(5000);
    assert_int_equal(job_count, 0);
    db.err = ERR_OK;
    hub_reconcile(&hub);
    hub_reconcile(&hub); /* one at a time */
    assert_int_equal(job_count, 1);
    job_do();
    go(300);
    assert_int_equal(job_count, 1);
    job_do();
    hub_flush(&hub);
    assert_string_equal(got(client), "1:m1|2:m2|");
}

/* A row that somebody deleted by hand: the room waits for it, but does not ask without end. */
static void a_number_that_is_nowhere_is_not_asked_for_without_end(void **state)
{
    (void)state;
    joined_client(7, PLAIN, 0);
    db.missing = 1;
    deliver(7, 3);
    go(300);
    for (int i = 0; i < 20; i++) {
        if (job_count)
            job_do();
        go(500);
    }
    assert_int_equal(job_count, 0);
    assert_true(jobs_ever <= 5); /* the load, what is around the hole, and that nothing is in it */
}

static void leaving_while_a_gap_is_fetched_leaves_nothing(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    deliver(7, 3);
    disconnect_client(client); /* while it waits: the timer goes with the room */
    assert_int_equal(hub.rooms.count, 0);
    go(300);
    assert_int_equal(job_count, 0);
    client = joined_client(7, PLAIN, 3);
    deliver(7, 6);
    go(300);
    disconnect_client(client);
    assert_int_equal(hub.rooms.count, 1); /* the answer names it */
    struct client *next = connect_client();
    join(next, 7, PLAIN);
    assert_int_equal(next->joined, 1);
    disconnect_client(next);
    job_do();
    assert_int_equal(hub.rooms.count, 0);
}

/* More than the stash holds: the rest is in the database. */
static void a_flood_of_early_messages_is_bounded_and_none_is_lost(void **state)
{
    (void)state;
    struct client *client = joined_client(7, BARE, 0);
    settings.room_log_bytes = 65536;
    for (int i = 0; i < 5000; i++)
        deliver(7, 2); /* the same one takes no more room */
    struct room *room = map_get(&hub.rooms, 7);
    assert_int_equal(room->gap->count, 1);
    for (uint64_t seq = 2; seq <= 6000; seq++)
        deliver(7, seq);
    assert_int_equal(room->gap->count, 4096);
    go(300);
    while (job_count)
        job_do();
    hub_flush(&hub);
    assert_int_equal(room->seq, 6000);
    const char *all = got(client);
    assert_memory_equal(all, "1|2|4|5|", 8);
    assert_string_equal(all + strlen(all) - 10, "5998|5999|");
}

static void all_orders_of_five_give_the_same_bytes(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    uint64_t done = 0;
    for (int order = 0; order < 120; order++) {
        int left[] = {1, 2, 3, 4, 5}, rest = order;
        for (int n = 5; n > 0; n--) {
            int at = rest % n;
            rest /= n;
            deliver(7, done + (uint64_t)left[at]);
            memmove(&left[at], &left[at + 1], (size_t)(n - at - 1) * sizeof left[0]);
            if (order % 2)
                hub_flush(&hub); /* in one turn, or in five */
        }
        hub_flush(&hub);
        char want[200] = "";
        for (uint64_t seq = done + 1; seq <= done + 5; seq++)
            snprintf(want + strlen(want), sizeof want - strlen(want), "%llu:m%llu|", (unsigned long long)seq,
                     (unsigned long long)seq);
        assert_string_equal(got(client), want);
        done += 5;
    }
    assert_int_equal(jobs_ever, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_room_is_read_only_once_it_is_listened_to),
        TEST(without_a_bus_a_room_is_read_at_once),
        TEST(losing_the_bus_lets_those_in_who_waited_for_it),
        TEST(a_room_that_cannot_be_read_turns_them_away),
        TEST(whoever_comes_later_finds_the_room_there),
        TEST(an_inbox_is_nothing_to_read),
        TEST(an_inbox_goes_on_without_a_bus),
        TEST(those_without_history_read_only_the_last_number),
        TEST(what_comes_while_a_room_is_read_is_kept),
        TEST(a_gap_left_by_the_reading_is_filled),
        TEST(leaving_while_the_room_is_read_leaves_nothing),
        TEST(coming_back_while_the_room_is_read_joins_the_waiting),
        TEST(one_session_sits_in_many_rooms),
        TEST(messages_reach_the_socket_as_frames),
        TEST(what_came_already_is_dropped),
        TEST(a_short_gap_closes_by_itself),
        TEST(a_gap_is_fetched_once_whoever_notices),
        TEST(what_comes_while_it_is_fetched_comes_once),
        TEST(a_wide_gap_is_fetched_in_portions),
        TEST(what_cannot_be_fetched_is_found_by_the_next_reconciliation),
        TEST(a_number_that_is_nowhere_is_not_asked_for_without_end),
        TEST(leaving_while_a_gap_is_fetched_leaves_nothing),
        TEST(a_flood_of_early_messages_is_bounded_and_none_is_lost),
        TEST(all_orders_of_five_give_the_same_bytes),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
