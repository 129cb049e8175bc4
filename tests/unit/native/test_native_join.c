/* The native protocol: joining conversations, and what was missed. */
#include "native_fakes.h"

/* ---- joining ---- */

static void who_joins_hears_what_comes(void **state)
{
    (void)state;
    db.last[7] = 5;
    struct client *client = greeted(ANN);
    joined(client, ROOM, "");
    assert_string_equal(heard(client),
                        "{\"re\":1,\"ok\":true,\"room\":\"" ROOM "\",\"ch\":7,\"epoch\":3,\"seq\":5,\"read\":0}|");
    deliver(7, 6);
    deliver(8, 1);
    assert_string_equal(
        heard(client),
        "{\"ev\":\"message\",\"ch\":7,\"epoch\":3,\"seq\":6,\"ts\":0,\"from\":{\"uid\":9,\"name\":\"bob\"},\"name\":\"bob\","
        "\"kind\":\"text\",\"content\":\"m6\"}|");
    say(client, "{\"id\":2,\"cmd\":\"leave\",\"room\":\"" ROOM "\"}");
    deliver(7, 7);
    assert_string_equal(brief(client), "re 2|");
}

static void what_was_missed_comes_before_what_is_new(void **state)
{
    (void)state;
    db.last[7] = 450;
    struct client *client = greeted(ANN);
    say(client, "{\"id\":1,\"cmd\":\"join\",\"room\":\"" ROOM "\",\"epoch\":3,\"seq\":10}");
    job_do(); /* the place */
    hub_subscribed(&hub, 7);
    job_do(); /* the room */
    assert_string_equal(brief(client), "re 1|");
    deliver(7, 451);
    deliver(7, 452);
    assert_string_equal(brief(client), ""); /* new, but not yet */
    char expected[10000];
    size_t len = 0;
    for (int seq = 11; seq <= 452; seq++)
        len += (size_t)snprintf(expected + len, sizeof expected - len, "message %d|", seq);
    do_all();
    assert_string_equal(brief(client), expected);
    deliver(7, 453);
    assert_string_equal(brief(client), "message 453|");
}

static void a_conversation_has_two_names_and_is_one(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    joined(client, TEA_ID, "");
    assert_non_null(strstr(heard(client), "\"room\":\"" TEA_ID "\",\"ch\":8,"));
    deliver(8, 1);
    assert_string_equal(brief(client), "message 1|");
    joined(client, TEA, ""); /* looked up, found to be there, and told of by this name */
    assert_non_null(strstr(heard(client), "\"room\":\"" TEA "\",\"ch\":8,"));
    deliver(8, 2);
    assert_string_equal(brief(client), "message 2|"); /* once */
    say(client, "{\"id\":2,\"cmd\":\"leave\",\"room\":\"" TEA "\"}");
    assert_int_equal(job_count, 0); /* it is known by this name from now on */
    deliver(8, 3);
    assert_string_equal(brief(client), "re 2|");
    /* both at once, before either is known; both take one place of three */
    struct client *other = greeted(BOB);
    say(other, "{\"id\":1,\"cmd\":\"join\",\"room\":\"" TEA_ID "\"}");
    say(other, "{\"id\":2,\"cmd\":\"join\",\"room\":\"" TEA "\"}");
    do_all();
    hub_subscribed(&hub, 8);
    do_all();
    deliver(8, 4);
    assert_string_equal(brief(other), "re 1|re 2|message 4|");
    joined(other, ROOM, "");
    assert_string_equal(brief(other), "re 1|");
    /* what cannot be a name is not looked for */
    say(other, "{\"id\":3,\"cmd\":\"join\",\"room\":\"a\\u0001\"}");
    assert_int_equal(job_count, 0);
    assert_string_equal(brief(other), "re 3 not_found|");
}

static void a_hello_that_names_one_twice_has_it_once(void **state)
{
    (void)state;
    struct client *client = open_client();
    say(client, "{\"id\":0,\"cmd\":\"hello\",\"user\":\"" ANN "\",\"resume\":[{\"room\":\"" TEA "\"},"
                "{\"room\":\"" TEA_ID "\"},{\"room\":\"" ROOM "\"}]}");
    do_all();
    for (uint64_t conversation = 7; conversation <= 8; conversation++)
        hub_subscribed(&hub, conversation);
    do_all();
    const char *answer = heard(client);
    assert_non_null(strstr(answer, "{\"room\":\"" TEA "\",\"ch\":8,"));
    assert_non_null(strstr(answer, "{\"room\":\"" TEA_ID "\",\"error\":{\"code\":\"bad_argument\""));
    assert_non_null(strstr(answer, "{\"room\":\"" ROOM "\",\"ch\":7,"));
}

static void pages_wait_for_the_socket(void **state)
{
    (void)state;
    db.last[7] = 900;
    settings.outbox_bytes = 16000; /* a page is of at most 2,000 bytes */
    struct client *client = greeted(ANN);
    client->answer = SEND_BLOCKED;
    joined(client, ROOM, ",\"epoch\":3,\"seq\":0");
    assert_int_equal(client->closes + client->kills, 0);
    assert_int_equal(job_count, 0); /* nothing more is read */
    client->answer = SEND_MORE;
    for (int turn = 0; turn < 200 && (client->session->blocked || job_count); turn++) {
        if (client->session->blocked)
            session_writable(client->session);
        do_all();
    }
    do_all();
    const char *all = brief(client);
    for (int seq = 1; seq <= 900; seq++) {
        char event[30];
        size_t n = (size_t)snprintf(event, sizeof event, "message %d|", seq);
        if (seq == 1)
            all = strstr(all, event);
        assert_memory_equal(all, event, n);
        all += n;
    }
}

static void a_subscription_that_falls_off_while_held_begins_anew(void **state)
{
    (void)state;
    settings.room_log_bytes = 2000;
    hub_fini(&hub);
    hub_init(&hub);
    db.last[7] = 3;
    struct client *client = greeted(ANN);
    say(client, "{\"id\":1,\"cmd\":\"join\",\"room\":\"" ROOM "\",\"epoch\":3,\"seq\":1}");
    job_do();
    hub_subscribed(&hub, 7);
    job_do();
    for (uint64_t seq = 4; seq <= 60; seq++)
        deliver(7, seq); /* far more than the log holds */
    hub_flush(&hub);
    do_all();
    const char *all = brief(client);
    assert_memory_equal(all, "re 1|message 2|message 3|message 4|", 35);
    assert_non_null(strstr(all, "message 59|message 60|"));
    assert_int_equal(client->closes, 0);
}

static void a_relay_that_is_behind_its_client_repeats_nothing(void **state)
{
    (void)state;
    db.last[7] = 5;
    struct client *other = greeted(BOB), *client = greeted(ANN);
    joined(other, ROOM, "");
    db.last[7] = 8; /* stored by another relay; not heard of here */
    joined(client, ROOM, ",\"epoch\":3,\"seq\":8");
    assert_non_null(strstr(heard(client), "\"seq\":8,\"read\":0,\"missed\":0}"));
    deliver(7, 6);
    deliver(7, 7);
    deliver(7, 8);
    go(200);
    assert_string_equal(brief(client), "");
    deliver(7, 9);
    assert_string_equal(brief(client), "message 9|");
    assert_string_equal(brief(other), "re 1|message 6|message 7|message 8|message 9|");
}

static void a_cursor_that_is_none_here_is_a_reset(void **state)
{
    (void)state;
    db.last[7] = 1500;
    static const char *const cursors[] = {",\"epoch\":2,\"seq\":1500", ",\"epoch\":3,\"seq\":1501",
                                          ",\"epoch\":3,\"seq\":499"};
    for (size_t i = 0; i < 3; i++) {
        struct client *client = greeted(ANN);
        joined(client, ROOM, cursors[i]);
        assert_string_equal(heard(client), "{\"re\":1,\"ok\":true,\"room\":\"" ROOM
                                           "\",\"ch\":7,\"epoch\":3,\"seq\":1500,\"read\":0,\"reset\":true}|");
    }
}

static void a_hello_answers_for_all_its_rooms_at_once(void **state)
{
    (void)state;
    db.last[7] = 5;
    db.last[8] = 2;
    struct client *client = open_client();
    say(client, "{\"id\":1,\"cmd\":\"hello\",\"user\":\"" ANN "\",\"resume\":[{\"room\":\"" ROOM
                "\",\"epoch\":3,\"seq\":3,\"presence\":true},"
                "{\"room\":\"" NONE "\"},{\"room\":\"" TEA "\"}]}");
    job_do(); /* who and where */
    hub_subscribed(&hub, 7);
    job_do();
    assert_string_equal(brief(client), "");
    hub_subscribed(&hub, 8);
    job_do();
    assert_string_equal(brief(client), ""); /* what is read elsewhere would not be heard of */
    confirm_inboxes();
    assert_string_equal(
        heard(client),
        "{\"re\":1,\"ok\":true,\"user\":\"ann\",\"uid\":1,\"epoch\":3,\"ping_ms\":20000," LIMITS "\"joined\":["
        "{\"room\":\"" ROOM "\",\"ch\":7,\"epoch\":3,\"seq\":5,\"read\":0,\"missed\":2},"
        "{\"room\":\"" NONE "\",\"error\":{\"code\":\"not_found\",\"message\":\"no such thing, or not one of yours\"}},"
        "{\"room\":\"" TEA "\",\"ch\":8,\"epoch\":3,\"seq\":2,\"read\":0}]}|");
    assert_int_equal(world.entered, 1);
    assert_int_equal(world.encoding, ENCODING_CHATROOM);
    deliver(8, 3);
    assert_string_equal(brief(client), "message 3|"); /* the other room's page is on its way still */
    do_all();
    assert_string_equal(brief(client), "message 4|message 5|");
}

static void a_room_that_cannot_be_read_is_refused_alone(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    say(client, "{\"id\":1,\"cmd\":\"join\",\"room\":\"" ROOM "\"}");
    say(client, "{\"id\":2,\"cmd\":\"typing\",\"room\":\"" ROOM "\"}");
    job_do();
    db.err = ERR_DOWN;
    hub_subscribed(&hub, 7);
    job_do();
    db.err = ERR_OK;
    assert_string_equal(brief(client), "re 1 unavailable|re 2|");
    joined(client, ROOM, "");
    assert_string_equal(brief(client), "re 1|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NATIVE(who_joins_hears_what_comes),
        NATIVE(what_was_missed_comes_before_what_is_new),
        NATIVE(a_conversation_has_two_names_and_is_one),
        NATIVE(a_hello_that_names_one_twice_has_it_once),
        NATIVE(pages_wait_for_the_socket),
        NATIVE(a_subscription_that_falls_off_while_held_begins_anew),
        NATIVE(a_relay_that_is_behind_its_client_repeats_nothing),
        NATIVE(a_cursor_that_is_none_here_is_a_reset),
        NATIVE(a_hello_answers_for_all_its_rooms_at_once),
        NATIVE(a_room_that_cannot_be_read_is_refused_alone),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
