/* A database that was put back: what the hub notices, and what it does in another epoch. */
#include "hub_listener.h"

/* ---- another epoch ---- */

/* The database was put back to where the conversation had `stored` messages, and the operator has said so. */
static void put_back(uint64_t stored)
{
    db.last[7] = stored;
    db.epoch = 9;
    hub_reconcile(&hub);
}

static void a_database_that_knows_less_than_was_delivered_begins_another_epoch(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 5);
    hub_reconcile(&hub);
    job_do();
    assert_int_equal(db.raises, 0);
    db.last[7] = 2;
    hub_reconcile(&hub);
    job_do();
    assert_int_equal(db.raises, 1);
    assert_int_equal(epochs, 1);
    assert_int_equal(hub.epoch, EPOCH + 1);
    assert_int_equal(metric_get(METRIC_ROOMS_AHEAD), 0);
    assert_int_equal(client->code, 1012);
    job_do(); /* the room is read again */
    hub_reconcile(&hub);
    job_do();
    assert_int_equal(db.raises, 1);
}

static void if_no_epoch_can_be_begun_that_is_shown_and_tried_again(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 5);
    db.last[7] = 2;
    db.raise = ERR_DOWN;
    hub_reconcile(&hub);
    job_do();
    assert_int_equal(metric_get(METRIC_ROOMS_AHEAD), 1);
    assert_int_equal(client->closes, 0);
    db.raise = ERR_OK;
    go(settings.reconcile_down_ms);
    job_do();
    assert_int_equal(metric_get(METRIC_ROOMS_AHEAD), 0);
    assert_int_equal(client->closes, 1);
    job_do();
}

static void a_database_of_an_earlier_epoch_was_put_back(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 5);
    db.epoch = EPOCH - 1;
    hub_reconcile(&hub);
    job_do();
    assert_int_equal(db.raises, 1);
    assert_int_equal(hub.epoch, EPOCH + 1); /* one that neither had */
    assert_int_equal(client->closes, 1);
    job_do();
}

/* The database was put back to `stored` messages, and others have been stored since: as many as are delivered. */
static void put_back_unnoticed(uint64_t stored)
{
    db.other = stored + 1;
}

static void a_number_that_is_not_new_is_asked_about(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 9);
    put_back_unnoticed(5);
    deliver(7, 6);
    deliver(7, 7);
    assert_int_equal(job_count, 1); /* one question, however many */
    deliver(7, 8);
    deliver(7, 9);
    deliver(7, 10); /* the numbers have grown past what was delivered: what was asked is what was then */
    db.last[7] = 10;
    hub_flush(&hub);
    job_do();
    assert_int_equal(db.raises, 1);
    assert_int_equal(client->code, 1012);
    job_do();
    assert_string_equal(recent(7, PLAIN), "6:m6|7:m7|8:m8|9:m9|10:m10|");
}

static void the_same_number_by_another_transaction_is_asked_about(void **state)
{
    (void)state;
    joined_client(7, PLAIN, 5);
    put_back_unnoticed(4);
    deliver(7, 5);
    job_do();
    assert_int_equal(db.raises, 1);
    job_do();
}

static void a_repeat_is_no_other_message(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 5);
    deliver(7, 5);
    assert_int_equal(job_count, 0); /* the last one: nobody need be asked */
    deliver(7, 3);
    assert_int_equal(job_count, 1);
    job_do();
    assert_int_equal(db.raises, 0);
    assert_int_equal(client->closes, 0);
    deliver(7, 2); /* another doubt, another question */
    assert_int_equal(job_count, 1);
    job_do();
    assert_int_equal(job_count, 0);
}

static void a_doubt_that_could_not_be_asked_about_is_asked_again(void **state)
{
    (void)state;
    joined_client(7, PLAIN, 5);
    put_back_unnoticed(2);
    deliver(7, 3);
    db.err = ERR_DOWN;
    job_do();
    assert_int_equal(db.raises, 0);
    deliver(7, 4);
    deliver(7, 5);
    deliver(7, 6);
    db.err = ERR_OK;
    go(settings.reconcile_down_ms);
    job_do();
    assert_int_equal(db.raises, 1);
    job_do();
}

static void our_own_message_under_a_number_that_is_not_new(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 5);
    put_back_unnoticed(2);
    struct store_post post = {.message = message_of(7, 3)};
    struct post_id id = post_of(client->session, 1);
    hub_stored(&hub, &post, &id, 1);
    assert_int_equal(memcmp(client->told.data, "ok 3|", client->told.len), 0);
    job_do();
    assert_int_equal(db.raises, 1);
    assert_int_equal(client->code, 1012);
    job_do();
}

/* Stored, but before the epoch that is shown began: its number is none of those, and it may be lost. */
static void our_own_message_of_another_epoch_is_unknown(void **state)
{
    (void)state;
    static const enum err errs[] = {ERR_OK, ERR_DENIED};
    static const char *const told[] = {"unknown 6|", "denied 6|"};
    for (int later = 0; later < 2; later++)
        for (size_t i = 0; i < 2; i++) {
            struct client *client = joined_client(7 + 2 * (uint64_t)later + i, PLAIN, 5);
            struct store_post post = {.message = message_of(7 + 2 * (uint64_t)later + i, 6),
                                      .err = errs[i],
                                      .epoch = later ? EPOCH + 1 : EPOCH - 1};
            struct post_id id = post_of(client->session, 1);
            hub_stored(&hub, &post, &id, 1);
            assert_int_equal(strncmp(client->told.data, told[i], client->told.len), 0);
            hub_flush(&hub);
            assert_string_equal(got(client), "");
            assert_int_equal(net.published_count, 0); /* nor do the others hear of it so */
            assert_int_equal(job_count, 1);           /* and what is so is asked at once */
            job_do();
        }
}

static void a_refill_that_begins_with_another_message_shows_nothing(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 5);
    put_back_unnoticed(3);
    db.last[7] = 7;
    deliver(7, 8); /* 4 to 7 were not heard */
    go(settings.gap_wait_ms);
    job_do();
    hub_flush(&hub);
    assert_string_equal(got(client), "");
    job_do();
    assert_int_equal(db.raises, 1);
    assert_int_equal(client->code, 1012);
    job_do();
}

static void what_is_stored_after_a_reconnect_is_compared_first(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 5), *other = joined_client(8, PLAIN, 2);
    struct store_post post = {.message = message_of(8, 3)};
    struct post_id id = post_of(other->session, 1);
    db.last[7] = 4;
    db.last[8] = 3;
    metric_inc(METRIC_DB_CONNECTS);
    hub_stored(&hub, &post, &id, 1);
    assert_int_equal(job_count, 1);
    job_do();
    assert_int_equal(db.raises, 1);
    assert_int_equal(client->code, 1012);
    job_do();
    job_do();
}

static void answers_that_wait_for_a_proof_get_one(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 5);
    db.latest_connection = 4;
    db.connection = 3;
    proofs.prove(proofs.arg);
    assert_int_equal(job_count, 1);
    proofs.prove(proofs.arg); /* by one that was made while it is under way: it may be newer than what this one sees */
    assert_int_equal(job_count, 1);
    job_do();
    assert_int_equal(proofs.proved, 4);
    assert_int_equal(job_count, 1);
    db.connection = 6; /* made for it */
    job_do();
    assert_int_equal(proofs.proved, 6);
    assert_int_equal(proofs.refuted, 0);
    assert_int_equal(client->closes, 0);
}

static void answers_of_a_database_that_was_put_back_are_void(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 5);
    db.connection = db.latest_connection = 4;
    put_back_unnoticed(3);
    proofs.prove(proofs.arg);
    job_do();
    assert_int_equal(client->code, 1012);
    assert_int_equal(proofs.refuted, 1);
    assert_int_equal(proofs.proved, 0);
    job_do();
}

static void answers_are_void_if_nothing_can_be_proved(void **state)
{
    (void)state;
    db.connection = db.latest_connection = 4;
    db.err = ERR_DOWN;
    proofs.prove(proofs.arg);
    job_do();
    assert_int_equal(proofs.refuted, 1);
    assert_int_equal(proofs.proved, 0);
}

static void of_two_relays_one_begins_the_epoch(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 5);
    db.last[7] = 2;
    hub_reconcile(&hub);
    db.epoch = EPOCH + 5; /* by the other one */
    job_do();
    assert_int_equal(db.raises, 0);
    assert_int_equal(hub.epoch, EPOCH + 5);
    assert_int_equal(client->closes, 1);
    job_do();
}

static void also_those_who_sit_nowhere_are_asked_to_come_back(void **state)
{
    (void)state;
    struct client *idle = connect_client();
    put_back(2);
    job_do();
    assert_int_equal(idle->code, 1012);
    assert_int_equal(epochs, 1);
}

static void what_is_delivered_while_a_reconciliation_is_under_way_is_not_ahead(void **state)
{
    (void)state;
    joined_client(7, PLAIN, 5);
    hub_reconcile(&hub);
    struct job *reconcile = job_work();
    deliver(7, 6);
    job_finish(reconcile);
    assert_int_equal(db.raises, 0);
}

static void in_another_epoch_everybody_is_asked_to_come_back(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 5);
    put_back(2);
    job_do();
    assert_int_equal(hub.epoch, 9);
    assert_int_equal(client->closes, 1);
    assert_int_equal(client->code, 1012);
    assert_int_equal(client->joined, 1);
    struct client *next = connect_client();
    join(next, 7, PLAIN);
    assert_int_equal(next->joined, 0); /* the room is being read */
    job_do();
    assert_int_equal(next->joined, 1);
    assert_int_equal(client->joined, 1); /* not once more */
    assert_string_equal(recent(7, PLAIN), "1:m1|2:m2|");
    deliver(7, 3); /* a number that was another message's */
    hub_flush(&hub);
    assert_string_equal(got(next), "3:m3|");
    assert_string_equal(got(client), "");
    hub_reconcile(&hub);
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
    struct client *client = joined_client(7, PLAIN, 5);
    deliver(7, 8);
    go(settings.gap_wait_ms);
    struct job *backfill = job_work();
    put_back(2);
    job_do();
    assert_int_equal(job_count, 0); /* the room waits for its answer */
    job_finish(backfill);
    assert_int_equal(job_count, 1);
    job_do();
    struct client *next = connect_client();
    join(next, 7, PLAIN);
    assert_int_equal(next->joined, 1);
    assert_int_equal(client->joined, 1);
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
    struct client *client = joined_client(7, PLAIN, 5), *next = connect_client();
    put_back(2);
    job_do();
    join(next, 7, PLAIN);
    db.err = ERR_DOWN;
    job_do();
    assert_int_equal(client->not_joined, 0);
    assert_int_equal(next->not_joined, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_database_that_knows_less_than_was_delivered_begins_another_epoch),
        TEST(if_no_epoch_can_be_begun_that_is_shown_and_tried_again),
        TEST(a_database_of_an_earlier_epoch_was_put_back),
        TEST(a_number_that_is_not_new_is_asked_about),
        TEST(the_same_number_by_another_transaction_is_asked_about),
        TEST(a_repeat_is_no_other_message),
        TEST(a_doubt_that_could_not_be_asked_about_is_asked_again),
        TEST(our_own_message_under_a_number_that_is_not_new),
        TEST(our_own_message_of_another_epoch_is_unknown),
        TEST(a_refill_that_begins_with_another_message_shows_nothing),
        TEST(what_is_stored_after_a_reconnect_is_compared_first),
        TEST(answers_that_wait_for_a_proof_get_one),
        TEST(answers_of_a_database_that_was_put_back_are_void),
        TEST(answers_are_void_if_nothing_can_be_proved),
        TEST(of_two_relays_one_begins_the_epoch),
        TEST(also_those_who_sit_nowhere_are_asked_to_come_back),
        TEST(what_is_delivered_while_a_reconciliation_is_under_way_is_not_ahead),
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
