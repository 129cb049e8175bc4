/* Polls and long polls of a chatroom. */
#include "chatroom_http_fakes.h"

#include <stdlib.h>

/* ---- polls ---- */

static void a_poll_gets_what_came_after(void **state)
{
    (void)state;
    db.last[ROOM] = 7;
    struct visit *visit = get(PATH("poll"), ME);
    assert_string_equal(body_of(visit), "{\"epoch\":3,\"next\":7,\"events\":[]}"); /* from now on */
    visit = get(PATH("poll"), ME "&after=4&epoch=3&wait=9");
    assert_int_equal(visit->status, 200);
    const char *body = body_of(visit);
    assert_memory_equal(body, "{\"epoch\":3,\"next\":7,\"events\":[{\"seq\":5,\"type\":\"message\",\"data\":{", 60);
    assert_string_equal(numbers(body, "{\"seq\":"), "5 6 7 ");
    body = body_of(get(PATH("poll"), ME "&after=0"));
    assert_string_equal(numbers(body, "{\"seq\":"), "1 2 3 4 5 "); /* history_limit at a time */
    assert_string_equal(numbers(body, "\"next\":"), "5 ");
    body = body_of(get(PATH("poll"), ME "&after=7"));
    assert_string_equal(body, "{\"epoch\":3,\"next\":7,\"events\":[]}");
    assert_int_equal(sessions.count, 0);
}

static void a_page_is_bounded_in_bytes_too(void **state)
{
    (void)state;
    settings.history_bytes = 300;
    db.last[ROOM] = 5;
    const char *body = body_of(get(PATH("poll"), ME "&after=0"));
    assert_string_equal(numbers(body, "{\"seq\":"), "1 2 ");
    assert_string_equal(numbers(body, "\"next\":"), "2 ");
    settings.history_bytes = 10; /* one at least */
    assert_string_equal(numbers(body_of(get(PATH("poll"), ME "&after=2")), "{\"seq\":"), "3 ");
}

static void a_place_that_is_none_is_reset(void **state)
{
    (void)state;
    db.last[ROOM] = 7;
    static const char *const queries[] = {ME "&after=4&epoch=2&wait=9", ME "&after=8&wait=9", ME "&epoch=4"};
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(body_of(get(PATH("poll"), queries[i])),
                            "{\"epoch\":3,\"next\":7,\"events\":[],\"reset\":true}");
}

static void a_long_poll_is_held_until_something_comes(void **state)
{
    (void)state;
    db.last[ROOM] = 3;
    struct visit *one = get(PATH("poll"), ME "&after=3&wait=20"), *two = get(PATH("poll"), ME "&wait=20");
    enter_room();
    assert_int_equal(one->status + two->status, 0);
    assert_int_equal(sessions.count, 2);
    deliver(ROOM, 4);
    deliver(ROOM, 5);
    hub_flush(&hub);
    for (size_t i = 0; i < 2; i++) {
        struct visit *visit = i ? two : one;
        assert_int_equal(visit->status, 200);
        const char *body = body_of(visit);
        assert_string_equal(numbers(body, "{\"seq\":"), "4 5 ");
        assert_string_equal(numbers(body, "\"next\":"), "5 ");
    }
    deliver(ROOM, 6); /* before they have ended */
    hub_flush(&hub);
    go(100);
    assert_int_equal(sessions.count, 0);
}

static void a_long_poll_ends_empty_when_its_time_is_up(void **state)
{
    (void)state;
    struct visit *visit = get(PATH("poll"), ME "&wait=2.5");
    enter_room();
    go(2400);
    assert_int_equal(visit->status, 0);
    go(150);
    assert_string_equal(body_of(visit), "{\"epoch\":3,\"next\":0,\"events\":[]}");
    assert_int_equal(sessions.count, 0);
    visit = get(PATH("poll"), ME "&wait=1"); /* while the room is still being read */
    go(1100);
    assert_int_equal(visit->status, 200);
    enter_room();
}

static void nothing_falls_between_looking_and_sitting(void **state)
{
    (void)state;
    db.last[ROOM] = 3;
    struct visit *visit = get(PATH("poll"), ME "&after=3&wait=20");
    db.last[ROOM] = 5; /* stored before the room is read, so its log never has them */
    enter_room();
    assert_string_equal(numbers(body_of(visit), "{\"seq\":"), "4 5 ");
}

static void what_the_client_has_seen_does_not_come_again(void **state)
{
    (void)state;
    struct visit *other = get(PATH("events"), ME);
    enter_room();
    db.last[ROOM] = 2; /* this relay has not heard of them yet */
    struct visit *visit = get(PATH("poll"), ME "&after=2&wait=20");
    deliver(ROOM, 1);
    deliver(ROOM, 2);
    hub_flush(&hub);
    assert_int_equal(visit->status, 0);
    deliver(ROOM, 3);
    hub_flush(&hub);
    assert_string_equal(numbers(body_of(visit), "{\"seq\":"), "3 ");
    assert_string_equal(numbers(body_of(other), "id: 3-"), "0 1 2 3 ");
}

static void more_than_a_log_holds_in_one_turn_is_read(void **state)
{
    (void)state;
    struct visit *visit = get(PATH("poll"), ME "&wait=20");
    enter_room();
    char *text = repeat("x", 20000);
    for (uint64_t seq = 1; seq <= 8; seq++) {
        struct message message = message_of(ROOM, seq);
        message.content = str_of(text);
        hub_deliver(&hub, &message);
    }
    free(text);
    db.last[ROOM] = 8;
    hub_flush(&hub);
    assert_int_equal(visit->status, 0);
    job_do();
    assert_string_equal(numbers(body_of(visit), "{\"seq\":"), "1 2 3 4 5 ");
}

static void polls_that_cannot_wait_are_told(void **state)
{
    (void)state;
    struct visit *visit = get(PATH("poll"), ME "&wait=20");
    db.err = ERR_DOWN;
    enter_room();
    assert_refused(visit, 503, "unavailable");
    db.err = ERR_OK;
    settings.max_connections = 0;
    go(100);
    assert_refused(get(PATH("poll"), ME "&wait=20"), 503, "busy");
}

static void a_relay_that_ends_lets_its_polls_go(void **state)
{
    (void)state;
    struct visit *visit = get(PATH("poll"), ME "&wait=20");
    enter_room();
    session_close(sessions.slots[0], 1012, "Restarting: come back");
    assert_string_equal(body_of(visit), "{\"epoch\":3,\"next\":0,\"events\":[]}");
    go(50);
    assert_int_equal(sessions.count, 0);
}

/* The number that it has seen is one of the old epoch, and is answered as such: with the new one it would count as a place
 * in the new history, and what that has up to there would never come. */
static void in_another_epoch_a_held_poll_keeps_no_place(void **state)
{
    (void)state;
    db.last[ROOM] = 5;
    struct visit *visit = get(PATH("poll"), ME "&after=5&epoch=3&wait=20");
    enter_room();
    db.last[ROOM] = 2;
    db.epoch = 9;
    hub_reconcile(&hub);
    while (job_count)
        job_do();
    assert_int_equal(hub.epoch, 9);
    assert_string_equal(body_of(visit), "{\"epoch\":3,\"next\":5,\"events\":[]}");
    db.last[ROOM] = 8; /* the numbers have grown past it */
    assert_string_equal(body_of(get(PATH("poll"), ME "&after=5&epoch=3&wait=20")),
                        "{\"epoch\":9,\"next\":8,\"events\":[],\"reset\":true}");
}

static void what_was_looked_up_in_another_epoch_is_asked_again(void **state)
{
    (void)state;
    static const char *const queries[] = {ME "&after=0", ME, ME "&after=5&wait=20", ME "&after=5&epoch=3"};
    db.last[ROOM] = 5;
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        hub.epoch = EPOCH;
        struct visit *visit = begin_visit("GET", PATH("poll"), queries[i], "");
        hub.epoch = 9;
        job_do();
        assert_refused(visit, 503, "unavailable");
    }
    hub.epoch = EPOCH;
    assert_int_equal(sessions.count, 0);
}

static void a_client_that_vanishes_leaves_nothing(void **state)
{
    (void)state;
    struct visit *visit = get(PATH("poll"), ME "&wait=20");
    enter_room();
    assert_int_equal(sessions.count, 1);
    leave(visit);
    assert_int_equal(sessions.count, 0);
    assert_int_equal(hub.rooms.count, 0);
    visit = get(PATH("poll"), ME "&wait=20");
    leave(visit); /* before it sat */
    assert_int_equal(sessions.count, 0);
}

static void who_polls_is_present(void **state)
{
    (void)state;
    get(PATH("poll"), ME);
    assert_int_equal(world.entered, 1);
    assert_int_equal(world.encoding, ENCODING_POLL);
    assert_int_equal(world.waiting, 0);
    go(14000);
    struct visit *visit = get(PATH("poll"), ME "&wait=20");
    enter_room();
    go(19000); /* a poll in hand counts, too */
    assert_int_equal(visit->status, 0);
    go(2000);
    assert_int_equal(visit->status, 200);
    go(14000);
    assert_int_equal(world.entered, 1);
    assert_int_equal(world.left, 0);
    go(2000);
    assert_int_equal(world.left, 1);
    while (job_count)
        job_do(); /* the reconciliation's */
    get(PATH("poll"), ME);
    assert_int_equal(world.entered, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOMS(a_poll_gets_what_came_after),
        ROOMS(a_page_is_bounded_in_bytes_too),
        ROOMS(a_place_that_is_none_is_reset),
        ROOMS(a_long_poll_is_held_until_something_comes),
        ROOMS(a_long_poll_ends_empty_when_its_time_is_up),
        ROOMS(nothing_falls_between_looking_and_sitting),
        ROOMS(what_the_client_has_seen_does_not_come_again),
        ROOMS(more_than_a_log_holds_in_one_turn_is_read),
        ROOMS(polls_that_cannot_wait_are_told),
        ROOMS(a_relay_that_ends_lets_its_polls_go),
        ROOMS(in_another_epoch_a_held_poll_keeps_no_place),
        ROOMS(what_was_looked_up_in_another_epoch_is_asked_again),
        ROOMS(a_client_that_vanishes_leaves_nothing),
        ROOMS(who_polls_is_present),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
