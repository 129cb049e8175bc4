/* A database that was put back: what the hub notices, and what it does in another epoch. */
#include "hub_listener.h"

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
