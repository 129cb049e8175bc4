/* The native protocol: hello, commands and their answers. */
#include "native_fakes.h"

#include "relay/core/postings.h"

/* ---- hello ---- */

static void nothing_goes_before_hello(void **state)
{
    (void)state;
    struct client *client = open_client();
    say(client, "{\"id\":1,\"cmd\":\"ping\"}");
    say(client, "{\"id\":2,\"cmd\":\"nix\"}");
    say(client, "nix");
    say(client, "{\"id\":3}");
    say(client, "{\"id\":4,\"cmd\":\"hello\",\"user\":\"" ANN "\"}");
    say(client, "{\"id\":5,\"cmd\":\"hello\",\"user\":\"" ANN "\"}");
    say(client, "{\"id\":6,\"cmd\":\"ping\"}"); /* not before the answer */
    assert_string_equal(brief(client),
                        "re 1 not_hello|re 2 not_hello|re 0 bad_frame|re 3 bad_frame|re 5 bad_command|re 6 not_hello|");
    do_all();
    assert_string_equal(heard(client),
                        "{\"re\":4,\"ok\":true,\"user\":\"ann\",\"uid\":1,\"epoch\":3,\"ping_ms\":20000," LIMITS
                        "\"joined\":[]}|");
    go(100000);
    assert_int_equal(client->closes, 0);
}

static void whoever_asks_for_beats_hears_that_the_server_is_there(void **state)
{
    (void)state;
    struct client *quiet = greeted(ANN), *client = open_client();
    say(client, "{\"id\":1,\"cmd\":\"hello\",\"user\":\"" BOB "\",\"beat\":true}");
    do_all();
    assert_string_equal(brief(client), "re 1|");
    heard(quiet);
    go(15000);
    say(client, "{\"id\":2,\"cmd\":\"ping\"}");
    say(quiet, "{\"id\":2,\"cmd\":\"ping\"}");
    assert_string_equal(brief(client), "re 2|");
    assert_string_equal(brief(quiet), "re 2|");
    go(19000);                                   /* the answer was a sign of life, too */
    assert_string_equal(heard(client), "ping|"); /* which a page does not see */
    go(1000);
    assert_string_equal(heard(client), "{}|");
    assert_string_equal(heard(quiet), "ping|");
    client->session->heard_ms = quiet->session->heard_ms = now_ms;
    go(19999);
    assert_string_equal(heard(client), "");
    go(1);
    assert_non_null(strstr(heard(client), "{}|"));
    assert_null(strstr(heard(quiet), "{}"));
    struct client *wrong = open_client();
    say(wrong, "{\"id\":1,\"cmd\":\"hello\",\"user\":\"" BOB "\",\"beat\":1}");
    assert_string_equal(brief(wrong), "re 1 bad_argument|");
}

static void a_field_that_is_not_known_is_refused_by_its_name(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    say(client,
        "{\"id\":1,\"cmd\":\"send\",\"room\":\"" ROOM "\",\"client_id\":\"a\",\"content\":\"x\",\"conten\":\"y\"}");
    assert_string_equal(heard(client), "{\"re\":1,\"ok\":false,\"error\":{\"code\":\"bad_argument\","
                                       "\"message\":\"this command has no field conten\"}}|");
    assert_int_equal(net.submitted, 0);
    static const char *const others[] = {
        "", "se", "seq ", "room seq", "\\\"\\u0001\\n", "i", "command", "茶茶茶茶茶茶茶茶茶茶茶茶茶茶茶茶茶茶茶茶"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char command[400];
        snprintf(command, sizeof command, "{\"id\":2,\"cmd\":\"read\",\"room\":\"" ROOM "\",\"seq\":1,\"%s\":null}",
                 others[i]);
        say(client, command);
        assert_string_equal(brief(client), "re 2 bad_argument|");
    }
    struct client *other = open_client();
    say(other, "{\"id\":1,\"cmd\":\"hello\",\"user\":\"" ANN "\",\"resume\":[{\"room\":\"" ROOM "\",\"sequence\":1}]}");
    assert_string_equal(brief(other), "re 1 bad_argument|");
}

static void without_hello_in_time_it_ends(void **state)
{
    (void)state;
    struct client *client = open_client();
    say(client, "{\"id\":4,\"cmd\":\"hello\",\"user\":\"" BOB "x\"}");
    go(3100);
    heard(client);
    assert_int_equal(client->closes, 1);
    assert_int_equal(client->code, 1008);
}

static void an_id_is_not_enough_where_others_know_it(void **state)
{
    (void)state;
    struct client *client = open_client();
    world.realm = REALM_SPACES;
    say(client, "{\"id\":1,\"cmd\":\"hello\",\"user\":\"" ANN "\"}");
    do_all();
    world.realm = REALM_FRIENDS;
    world.has_password = true;
    say(client, "{\"id\":2,\"cmd\":\"hello\",\"user\":\"" ANN "\"}");
    do_all();
    world.realm = REALM_APP;
    world.has_password = false;
    say(client, "{\"id\":3,\"cmd\":\"hello\",\"user\":\"" ANN "\"}");
    do_all();
    world.err = ERR_DOWN;
    say(client, "{\"id\":4,\"cmd\":\"hello\",\"user\":\"" ANN "\"}");
    do_all();
    world.full = true;
    say(client, "{\"id\":5,\"cmd\":\"hello\",\"user\":\"" ANN "\"}");
    assert_string_equal(brief(client),
                        "re 1 unauthorized|re 2 unauthorized|re 3 unauthorized|re 4 unavailable|re 5 busy|");
    assert_int_equal(client->closes, 0);
    say(client, "{\"id\":6,\"cmd\":\"hello\",\"user\":\"" ANN "\",\"token\":\"x\"}");
    assert_string_equal(brief(client), "re 6 token_malformed|");
    assert_int_equal(client->code, 4401);
}

/* ---- commands ---- */

static void commands_about_one_room_keep_their_order(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    say(client, "{\"id\":1,\"cmd\":\"send\",\"room\":\"" ROOM "\",\"client_id\":\"a\",\"content\":\"one\"}");
    say(client, "{\"id\":2,\"cmd\":\"join\",\"room\":\"" ROOM "\"}");
    say(client, "{\"id\":3,\"cmd\":\"send\",\"room\":\"" ROOM "\",\"client_id\":\"b\",\"content\":\"two\"}");
    say(client, "{\"id\":4,\"cmd\":\"leave\",\"room\":\"" ROOM "\"}");
    say(client, "{\"id\":5,\"cmd\":\"send\",\"room\":\"" NONE "\",\"client_id\":\"b\",\"content\":\"two\"}");
    assert_int_equal(net.submitted, 0);
    job_do();
    assert_int_equal(net.submitted, 1);
    assert_string_equal(net.content, "one");
    job_do();
    hub_subscribed(&hub, 7);
    job_do();
    go(100); /* nobody leaves while subscriptions are being taken */
    assert_int_equal(net.submitted, 2);
    assert_string_equal(net.content, "two");
    assert_string_equal(brief(client), "re 5 not_found|re 2|re 4|");
    answer_post(1, ERR_OK);
    answer_post(2, ERR_OK);
    assert_string_equal(brief(client), "re 1|re 3|");
}

static void an_answer_comes_before_its_event(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    joined(client, ROOM, "");
    brief(client);
    static const enum err errs[] = {ERR_NOT_FOUND, ERR_DENIED, ERR_DUPLICATE, ERR_UNKNOWN, ERR_DOWN, ERR_INTERNAL};
    for (int id = 2; id < 10; id++)
        say(client, "{\"id\":%d,\"cmd\":\"send\",\"room\":\"" ROOM "\",\"client_id\":\"%d\",\"content\":\"x\"}", id,
            id);
    answer_post(1, ERR_OK);
    answer_post(2, ERR_OK);
    for (size_t i = 0; i < 6; i++)
        answer_post(0, errs[i]);
    assert_string_equal(brief(client), "re 2|message 1|re 3|message 2|re 4 not_found|re 5 forbidden|re 6 conflict|"
                                       "re 7 unknown|re 8 unavailable|re 9 unavailable|");
    net.submit = ERR_BUSY;
    say(client, "{\"id\":7,\"cmd\":\"recall\",\"room\":\"" ROOM "\",\"seq\":1,\"client_id\":\"r\"}");
    assert_string_equal(heard(client), "{\"re\":7,\"ok\":false,\"error\":{\"code\":\"busy\",\"message\":\"too much is "
                                       "going on\",\"retry_after_ms\":1000}}|");
    net.submit = ERR_OK;
    say(client,
        "{\"id\":8,\"cmd\":\"edit\",\"room\":\"" ROOM "\",\"seq\":1,\"client_id\":\"e\",\"content\":\"\\\"x\\\"\"}");
    assert_string_equal(net.content, "{\"of\":1,\"content\":\"\\\"x\\\"\"}");
    answer_post(3, ERR_OK);
}

static void answers_find_their_commands_in_any_order(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    joined(client, ROOM, "");
    brief(client);
    for (int id = 2; id < 7; id++)
        say(client, "{\"id\":%d,\"cmd\":\"send\",\"room\":\"" ROOM "\",\"client_id\":\"%d\",\"content\":\"x\"}", id,
            id);
    /* the queue expires before the batch in flight is answered, and its order is its own */
    answer_post_at(4, 0, ERR_DOWN);
    answer_post_at(2, 0, ERR_DOWN);
    assert_string_equal(brief(client), "re 6 unavailable|re 4 unavailable|");
    answer_post_at(3, 1, ERR_OK);
    answer_post_at(0, 2, ERR_OK);
    assert_string_equal(brief(client), "re 5|message 1|re 2|message 2|");
    answer_post_at(0, 2, ERR_DOWN); /* it has its answer */
    net.taken[63] = post_of(client->session, 77);
    net.taken_count = 64;
    answer_post_at(63, 2, ERR_DOWN); /* nobody ever asked */
    assert_string_equal(brief(client), "");
    answer_post_at(1, 3, ERR_OK);
    assert_string_equal(brief(client), "re 3|message 3|");
}

static void a_client_has_so_many_posts_on_their_way(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    joined(client, ROOM, "");
    brief(client);
    for (int id = 2; id < 2 + POSTINGS_MAX; id++)
        say(client, "{\"id\":%d,\"cmd\":\"send\",\"room\":\"" ROOM "\",\"client_id\":\"%d\",\"content\":\"x\"}", id,
            id);
    assert_string_equal(brief(client), "");
    say(client, "{\"id\":1,\"cmd\":\"send\",\"room\":\"" ROOM "\",\"client_id\":\"y\",\"content\":\"x\"}");
    assert_string_equal(brief(client), "re 1 busy|");
    assert_int_equal(net.submitted, POSTINGS_MAX);
}

static void changes_look_as_they_should(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    joined(client, ROOM, "");
    heard(client);
    struct message messages[] = {message_of(7, 1), message_of(7, 2), message_of(7, 3), message_of(7, 4)};
    messages[0].kind = MESSAGE_EDIT;
    messages[0].content = STR("{\"of\":9,\"content\":\"x\"}");
    messages[1].kind = MESSAGE_RECALL;
    messages[1].content = STR("{\"of\":9}");
    messages[2].recalled = true;
    messages[2].revised_by = 2;
    messages[2].content = STR(MESSAGE_RECALLED_TEXT);
    messages[3].revised_by = 9;
    static const char *const ends[] = {"\"name\":\"bob\",\"of\":9,\"content\":\"x\"}|", "\"name\":\"bob\",\"of\":9}|",
                                       "\"kind\":\"text\",\"recalled\":true}|", "\"content\":\"m4\",\"edited\":9}|"};
    messages[3].author_id = STR("b-1");
    messages[3].author_face = STR("https://x/\"");
    static const char from[] = "\"from\":{\"uid\":9,\"id\":\"b-1\",\"name\":\"bob\",\"face\":\"https://x/\\\"\"}";
    for (size_t i = 0; i < 4; i++) {
        hub_deliver(&hub, &messages[i]);
        const char *text = heard(client);
        if (!strstr(text, ends[i]))
            fail_msg("%zu is not as it should be", i);
        assert_non_null(strstr(text, i < 3 ? "\"from\":{\"uid\":9,\"name\":\"bob\"}" : from));
    }
}

/* Commands about the same conversation wait behind a look-up, and whoever is put out meanwhile is told so. */
static void whom_a_message_mentions_is_looked_up_first(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    joined(client, ROOM, "");
    heard(client);
#define MENTIONING(id, who) \
    "{\"id\":" id ",\"cmd\":\"send\",\"room\":\"" ROOM "\",\"client_id\":\"" id \
    "\",\"content\":\"x\",\"mentions\":[" who "]}"
    say(client, MENTIONING("1", "\"bob\",9"));
    say(client,
        "{\"id\":2,\"cmd\":\"send\",\"room\":\"" ROOM "\",\"client_id\":\"b\",\"content\":\"y\",\"reply_to\":3}");
    say(client, "{\"id\":3,\"cmd\":\"ping\"}");
    assert_string_equal(brief(client), "re 3|");
    assert_int_equal(net.submitted, 0);
    do_all();
    assert_int_equal(net.submitted, 2);
    answer_post(1, ERR_OK);
    answer_post(0, ERR_INVALID);
    assert_string_equal(brief(client), "re 1|message 1|re 2 bad_argument|");
    say(client, MENTIONING("4", "\"nobody\""));
    say(client, MENTIONING("5", "99"));
    do_all();
    world.err = ERR_DOWN;
    say(client, MENTIONING("6", "8"));
    do_all();
    world.err = ERR_OK;
    world.full = true;
    say(client, MENTIONING("7", "8"));
    world.full = false;
    assert_string_equal(brief(client), "re 4 bad_argument|re 5 bad_argument|re 6 unavailable|re 7 busy|");
    say(client, MENTIONING("8", "8"));
    native_protocol.expelled(client->session, 7, "");
    say(client, "{\"id\":9,\"cmd\":\"join\",\"room\":\"" ROOM "\"}");
    do_all();
    assert_string_equal(brief(client), "kicked 0|re 8 not_found|re 9|");
    say(client, MENTIONING("10", "8"));
    disconnect_client(client);
    do_all();
    assert_int_equal(net.submitted, 2);
}

static void reactions_have_a_number_if_they_change_something(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    joined(client, ROOM, "");
    heard(client);
#define REACT(id, rest) "{\"id\":" id ",\"cmd\":\"react\",\"room\":\"" ROOM "\",\"seq\":1," rest "}"
    say(client, REACT("1", "\"emoji\":\"👍\",\"on\":true"));
    say(client, REACT("2", "\"emoji\":\"👍\",\"on\":true"));
    say(client, REACT("3", "\"emoji\":\"🍵\",\"on\":false"));
    say(client, REACT("4", "\"emoji\":\"x\",\"on\":false"));
    assert_int_equal(net.submitted, 3);
    struct store_post same = {.message = {.conversation = 7, .kind = MESSAGE_REACTION}, .repeated = true};
    hub_stored(&hub, &same, &net.taken[1], 1);
    answer_post_at(2, 0, ERR_TOO_BIG);
    assert_string_equal(
        heard(client),
        "{\"re\":4,\"ok\":false,\"error\":{\"code\":\"bad_argument\",\"message\":\"emoji must be one emoji\"}}|"
        "{\"re\":2,\"ok\":true,\"ch\":7,\"epoch\":3,\"repeated\":true}|"
        "{\"re\":3,\"ok\":false,\"error\":{\"code\":\"too_many\",\"message\":\"too many different reactions to this message\"}}|");
    struct message event = message_of(7, 1);
    event.kind = MESSAGE_REACTION;
    event.content = STR("{\"of\":9,\"emoji\":\"👍\",\"on\":true}");
    hub_deliver(&hub, &event);
    const char *text = heard(client);
    assert_non_null(strstr(text, "{\"ev\":\"react\""));
    assert_non_null(strstr(text, "\"of\":9,\"emoji\":\"👍\",\"on\":true}|"));
    db.last[7] = 3;
    world.reactions = 4; /* to the first two */
    say(client, "{\"id\":9,\"cmd\":\"history\",\"room\":\"" ROOM "\"}");
    do_all();
    text = heard(client);
    assert_non_null(strstr(
        text,
        "\"content\":\"m1\",\"reactions\":{\"👍\":{\"count\":1,\"me\":false},\"🍵\":{\"count\":2,\"me\":true}}},"));
    assert_non_null(strstr(text, "\"content\":\"m3\"}],\"reacted\":3"));
}

/* Of the last the kind is one of a later version. */
static void changes_of_a_conversation_are_told_as_what_they_are(void **state)
{
    (void)state;
    static const struct {
        int kind;
        const char *content, *begins, *ends;
    } events[] = {
        {MESSAGE_JOINED, "{\"by\":2,\"role\":\"member\"}", "{\"ev\":\"joined\",", "\"},\"by\":2,\"role\":\"member\"}|"},
        {MESSAGE_REMOVED, "{\"by\":0}", "{\"ev\":\"removed\",", "\"},\"by\":0}|"},
        {MESSAGE_RENAMED, "{\"name\":\"tea\"}", "{\"ev\":\"renamed\",", "\"},\"name\":\"tea\"}|"},
        {MESSAGE_RENAMED, "{}", "{\"ev\":\"renamed\",", "\"}}|"},
        {MESSAGE_KIND_MAX + 1, "{}", "{\"ev\":\"message\",", "\"kind\":\"other\"}|"},
    };
    struct client *client = greeted(ANN);
    joined(client, ROOM, "");
    heard(client);
    hub_tell(&hub, NULL, 3); /* what changed nothing */
    assert_string_equal(heard(client), "");
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        struct message event = message_of(7, i + 1);
        event.kind = (enum message_kind)events[i].kind;
        event.content = str_of(events[i].content);
        hub_tell(&hub, &event, 3);
        const char *text = heard(client);
        size_t len = strlen(text), end = strlen(events[i].ends);
        assert_memory_equal(text, events[i].begins, strlen(events[i].begins));
        assert_true(len > end);
        assert_string_equal(text + len - end, events[i].ends);
    }
}

static void a_marker_is_told_to_the_users_other_devices_alone(void **state)
{
    (void)state;
    db.last[7] = 5;
    struct client *mover = greeted(ANN), *device = greeted(ANN), *other = greeted(BOB);
    forget_published();
    say(mover, "{\"id\":1,\"cmd\":\"read\",\"room\":\"" ROOM "\",\"seq\":99}");
    do_all();
    assert_string_equal(heard(mover), "{\"re\":1,\"ok\":true,\"seq\":5,\"unread\":0}|");
    assert_string_equal(heard(device), "{\"ev\":\"read\",\"ch\":7,\"seq\":5}|");
    assert_string_equal(heard(other), "");
    assert_int_equal(net.published_count, 1);
    assert_int_equal(net.published[0].conversation, WIRE_INBOX(1));
    say(mover, "{\"id\":2,\"cmd\":\"read\",\"room\":\"" ROOM "\",\"seq\":2}");
    do_all();
    assert_string_equal(heard(mover), "{\"re\":2,\"ok\":true,\"seq\":5,\"unread\":0}|");
    assert_string_equal(heard(device), "");
    assert_int_equal(net.published_count, 1);
    native_read_moved(1, &(struct wire_mark){7, 6}, NULL);
    assert_string_equal(heard(mover), "{\"ev\":\"read\",\"ch\":7,\"seq\":6}|");
}

static void a_marker_that_moved_is_not_said_to_be_where_it_was(void **state)
{
    (void)state;
    db.last[7] = 5;
    struct client *mover = greeted(ANN), *device = greeted(ANN);
    world.uncounted = ERR_DOWN;
    say(mover, "{\"id\":1,\"cmd\":\"read\",\"room\":\"" ROOM "\",\"seq\":4}");
    do_all();
    assert_non_null(strstr(heard(mover), "\"code\":\"unknown\""));
    assert_string_equal(heard(device), "{\"ev\":\"read\",\"ch\":7,\"seq\":4}|");
    say(mover, "{\"id\":2,\"cmd\":\"read\",\"room\":\"" ROOM "\",\"seq\":3}"); /* it did not move */
    do_all();
    assert_non_null(strstr(heard(mover), "\"code\":\"unavailable\""));
}

static void who_is_put_out_hears_no_more(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    joined(client, ROOM, ",\"presence\":true");
    say(client, "{\"id\":2,\"cmd\":\"join\",\"room\":\"" TEA "\"}");
    job_do();
    brief(client);
    native_protocol.expelled(client->session, 7, "\"rude\"");
    native_protocol.expelled(client->session, 8, ""); /* while its subscription is asked for */
    native_protocol.expelled(client->session, 9, ""); /* that it never named */
    deliver(7, 1);
    assert_string_equal(
        heard(client),
        "{\"ev\":\"kicked\",\"ch\":7,\"reason\":\"\\\"rude\\\"\"}|{\"ev\":\"kicked\",\"ch\":8,\"reason\":\"\"}|"
        "{\"re\":2,\"ok\":false,\"error\":{\"code\":\"not_found\",\"message\":\"no such thing, or not one of "
        "yours\"}}|");
    assert_int_equal(world.left, 1);
}

static void clients_may_go_at_any_moment(void **state)
{
    (void)state;
    db.last[7] = 900;
    for (int jobs_done = 0; jobs_done < 8; jobs_done++) {
        struct client *client = open_client();
        say(client, "{\"id\":1,\"cmd\":\"hello\",\"user\":\"" ANN "\",\"resume\":[{\"room\":\"" ROOM
                    "\",\"epoch\":3,\"seq\":100,\"presence\":true}]}");
        for (int i = 0; i < jobs_done && job_count; i++) {
            job_do();
            hub_subscribed(&hub, 7);
        }
        say(client, "{\"id\":2,\"cmd\":\"history\",\"room\":\"" ROOM "\"}");
        say(client, "{\"id\":3,\"cmd\":\"join\",\"room\":\"" TEA "\"}");
        say(client, "{\"id\":4,\"cmd\":\"send\",\"room\":\"" TEA "\",\"client_id\":\"x\",\"content\":\"x\"}");
        disconnect_client(client);
        do_all();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NATIVE(nothing_goes_before_hello),
        NATIVE(whoever_asks_for_beats_hears_that_the_server_is_there),
        NATIVE(a_field_that_is_not_known_is_refused_by_its_name),
        NATIVE(without_hello_in_time_it_ends),
        NATIVE(an_id_is_not_enough_where_others_know_it),
        NATIVE(commands_about_one_room_keep_their_order),
        NATIVE(an_answer_comes_before_its_event),
        NATIVE(answers_find_their_commands_in_any_order),
        NATIVE(a_client_has_so_many_posts_on_their_way),
        NATIVE(changes_look_as_they_should),
        NATIVE(whom_a_message_mentions_is_looked_up_first),
        NATIVE(reactions_have_a_number_if_they_change_something),
        NATIVE(changes_of_a_conversation_are_told_as_what_they_are),
        NATIVE(a_marker_is_told_to_the_users_other_devices_alone),
        NATIVE(a_marker_that_moved_is_not_said_to_be_where_it_was),
        NATIVE(who_is_put_out_hears_no_more),
        NATIVE(clients_may_go_at_any_moment),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
