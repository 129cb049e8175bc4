/* The native protocol: the application's conversations, for its users. */
#include "native_fakes.h"

static struct client *user_of_app(void)
{
    world.of_app = true;
    return greeted(ANN);
}

/* Says it and hears the answer, all of it. */
static const char *told(struct client *client, const char *command)
{
    say(client, "{\"id\":1,%s}", command);
    do_all();
    return heard(client);
}

static void expect_code(struct client *client, const char *command, const char *code)
{
    char expected[100];
    snprintf(expected, sizeof expected, "{\"re\":1,\"ok\":false,\"error\":{\"code\":\"%s\",", code);
    const char *answer = told(client, command);
    if (memcmp(answer, expected, strlen(expected)) != 0)
        fail_msg("%s: %s", command, answer);
}

static void a_conversation_is_made(void **state)
{
    (void)state;
    struct client *client = user_of_app();
    assert_string_equal(told(client, "\"cmd\":\"create\",\"room\":\"order-7\",\"type\":\"group\",\"meta\":{\"a\":1},"
                                     "\"members\":[\"bob\",\"tim\"]"),
                        "{\"re\":1,\"ok\":true,\"id\":\"order-7\",\"public_id\":\"" SHOP
                        "\",\"ch\":10,\"type\":\"group\",\"name\":\"\",\"meta\":{\"a\":1},\"seq\":0,\"created\":0,"
                        "\"role\":\"owner\",\"made\":true}|");
    assert_string_equal(world.acts.told, "1 makes order-7 with 2");
    *world.acts.told = '\0';
    static const char *const wrong[] = {
        "\"room\":7,\"type\":\"group\"",
        "\"room\":\"conv\\u0001\",\"type\":\"group\"",
        "\"type\":\"room\"",
        "\"name\":\"x\"",
        "\"type\":\"group\",\"members\":7",
        "\"type\":\"group\",\"members\":[7]",
        "\"type\":\"group\",\"meta\":[]",
        "\"type\":\"group\",\"name\":[]",
        "\"type\":\"group\",\"conversation\":\"x\"",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char command[200];
        snprintf(command, sizeof command, "\"cmd\":\"create\",%s", wrong[i]);
        expect_code(client, command, "bad_argument");
    }
    assert_string_equal(world.acts.told, "");
    world.acts.why = APP_CONFLICT;
    expect_code(client, "\"cmd\":\"create\",\"type\":\"public\"", "conflict");
    world.acts.why = APP_CREATE;
    *world.acts.told = '\0';
    expect_code(client, "\"cmd\":\"create\",\"type\":\"public\"", "create");
    assert_string_equal(world.acts.told, ""); /* nothing was looked up for it */
    world.acts.why = APP_ALLOWED;
    world.acts.err = ERR_UNKNOWN;
    expect_code(client, "\"cmd\":\"create\",\"type\":\"public\"", "unknown");
    world.full = true;
    expect_code(client, "\"cmd\":\"create\",\"type\":\"public\",\"members\":[\"bob\"]", "busy");
    world.full = false;
}

static void members_come_and_go(void **state)
{
    (void)state;
    struct client *client = user_of_app();
    assert_string_equal(
        told(client, "\"cmd\":\"invite\",\"room\":\"" SHOP_ID "\",\"user\":\"bob\",\"role\":\"reader\""),
        "{\"re\":1,\"ok\":true,\"ch\":10,\"id\":\"bob\",\"uid\":4,\"role\":\"reader\",\"made\":true}|");
    assert_string_equal(world.acts.told, "1 puts bob " SHOP_ID);
    assert_int_equal(noticed[5], 0);
    world.acts.revoked = true;
    assert_string_equal(told(client, "\"cmd\":\"remove\",\"room\":\"" SHOP_ID "\",\"user\":\"bob\""),
                        "{\"re\":1,\"ok\":true}|");
    assert_string_equal(world.acts.told, "1 removes bob " SHOP_ID);
    assert_int_equal(noticed[5], 1000 * WIRE_SANCTION); /* this relay looks at once, and the others */
    assert_int_equal(net.published_count, 1);
    assert_string_equal(told(client, "\"cmd\":\"quit\",\"room\":\"" SHOP "\""), "{\"re\":1,\"ok\":true}|");
    assert_string_equal(world.acts.told, "1 removes ann " SHOP_ID);
    static const char *const wrong[] = {
        "\"cmd\":\"invite\",\"room\":\"" SHOP "\"",
        "\"cmd\":\"invite\",\"room\":\"" SHOP "\",\"user\":7",
        "\"cmd\":\"invite\",\"room\":\"" SHOP "\",\"user\":\"\"",
        "\"cmd\":\"invite\",\"room\":\"" SHOP "\",\"user\":\"bob\",\"role\":\"king\"",
        "\"cmd\":\"invite\",\"room\":\"" SHOP "\",\"user\":\"bob\",\"role\":3",
        "\"cmd\":\"remove\",\"room\":\"" SHOP "\"",
        "\"cmd\":\"quit\",\"room\":\"" SHOP "\",\"user\":\"bob\"",
        "\"cmd\":\"quit\"",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_code(client, wrong[i], "bad_argument");
    world.acts.why = APP_ROLE;
    expect_code(client, "\"cmd\":\"invite\",\"room\":\"" SHOP "\",\"user\":\"bob\"", "role");
    world.acts.why = APP_NO_USER;
    expect_code(client, "\"cmd\":\"remove\",\"room\":\"" SHOP "\",\"user\":\"bob\"", "no_such_user");
    world.acts.why = APP_ALLOWED;
    world.acts.err = ERR_DOWN;
    expect_code(client, "\"cmd\":\"quit\",\"room\":\"" SHOP "\"", "unavailable");
    /* a front end's own */
    expect_code(client, "\"cmd\":\"quit\",\"room\":\"" ROOM "\"", "not_ours");
}

/* What may have been done is told, too, whether or not somebody is there to be answered. */
static void rights_that_may_be_gone_are_told_of(void **state)
{
    (void)state;
    struct client *client = user_of_app();
    world.acts.revoked = true;
    world.acts.err = ERR_UNKNOWN;
    expect_code(client, "\"cmd\":\"remove\",\"room\":\"" SHOP "\",\"user\":\"bob\"", "unknown");
    assert_int_equal(noticed[5], 1000 * WIRE_SANCTION);
    say(client, "{\"id\":1,\"cmd\":\"remove\",\"room\":\"" SHOP "\",\"user\":\"bob\"}");
    disconnect_client(client);
    do_all();
    assert_int_equal(noticed[5], 2000 * WIRE_SANCTION);
}

static void who_only_goes_does_not_enter(void **state)
{
    (void)state;
    struct client *client = user_of_app();
    static const char *const commands[] = {"\"cmd\":\"quit\"", "\"cmd\":\"invite\",\"user\":\"bob\"",
                                           "\"cmd\":\"remove\",\"user\":\"bob\""};
    for (size_t i = 0; i < 3; i++) {
        char command[200];
        snprintf(command, sizeof command, "%s,\"room\":\"hall\"", commands[i]);
        expect_code(client, command, "not_found");
    }
    assert_int_equal(world.acts.entered, 0);
    /* what comes behind it is looked up for itself */
    say(client, "{\"id\":1,\"cmd\":\"quit\",\"room\":\"hall\"}");
    say(client, "{\"id\":2,\"cmd\":\"join\",\"room\":\"hall\"}");
    say(client, "{\"id\":3,\"cmd\":\"quit\",\"room\":\"hall\"}");
    do_all();
    assert_string_equal(brief(client), "re 1 not_found|re 2 not_found|re 3 not_found|");
    assert_int_equal(world.acts.entered, 1);
}

static void a_list_goes_on_where_it_ended(void **state)
{
    (void)state;
    struct client *client = user_of_app();
    assert_string_equal(told(client, "\"cmd\":\"conversations\""),
                        "{\"re\":1,\"ok\":true,\"items\":[],\"next\":null}|");
    world.acts.lines = 4;
    const char *all = told(client, "\"cmd\":\"conversations\",\"limit\":3");
    assert_non_null(strstr(all,
                           "{\"id\":\"" SHOP_ID "\",\"public_id\":\"" SHOP
                           "\",\"ch\":3,\"type\":\"direct\",\"name\":\"\",\"meta\":{},\"seq\":0,\"role\":\"member\","
                           "\"muted\":false,\"unread\":2,\"last\":null,"
                           "\"partner\":{\"uid\":3,\"id\":\"bob\",\"name\":\"bob\",\"online\":false}},"));
    assert_non_null(strstr(all, "\"ch\":2,\"type\":\"group\",\"name\":\"\",\"meta\":{},\"seq\":0,\"role\":\"member\","
                                "\"muted\":false,\"unread\":2,\"last\":null}],\"next\":\"2\"}|"));
    const char *rest = told(client, "\"cmd\":\"conversations\",\"limit\":3,\"cursor\":\"2\"");
    assert_non_null(strstr(rest, "\"online\":true}}],\"next\":null}|"));
    assert_null(strstr(rest, "\"ch\":2"));
    world.acts.silent = true; /* what nobody knows is not said */
    rest = told(client, "\"cmd\":\"conversations\",\"cursor\":\"2\"");
    assert_non_null(strstr(rest, "\"name\":\"bob\"}}],\"next\":null}|"));
    /* no more of them than there is room for */
    world.acts.lines = 100;
    all = told(client, "\"cmd\":\"conversations\",\"limit\":100");
    assert_true(strlen(all) < (size_t)settings.history_bytes + 2000);
    const char *next = strstr(all, "\"next\":\"");
    assert_non_null(next);
    char place[20];
    snprintf(place, sizeof place, "\"ch\":%d,", atoi(next + 8));
    assert_non_null(strstr(all, place)); /* the last one that is there */
    assert_false(client->session->paused);
    static const char *const wrong[] = {"\"limit\":0",      "\"limit\":101",    "\"limit\":\"3\"", "\"cursor\":3",
                                        "\"cursor\":\"x\"", "\"cursor\":\"0\"", "\"before\":3"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char command[200];
        snprintf(command, sizeof command, "\"cmd\":\"conversations\",%s", wrong[i]);
        expect_code(client, command, "bad_argument");
    }
    world.err = ERR_DOWN;
    expect_code(client, "\"cmd\":\"conversations\"", "unavailable");
    world.err = ERR_OK;
}

static void users_of_front_ends_have_none(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    expect_code(client, "\"cmd\":\"conversations\"", "forbidden");
    expect_code(client, "\"cmd\":\"create\",\"type\":\"group\"", "forbidden");
    expect_code(client, "\"cmd\":\"quit\",\"room\":\"" ROOM "\"", "not_ours");
    expect_code(client, "\"cmd\":\"invite\",\"room\":\"" ROOM "\",\"user\":\"bob\"", "not_ours");
}

static void messages_are_looked_for(void **state)
{
    (void)state;
    struct client *client = user_of_app();
    expect_code(client, "\"cmd\":\"search\",\"q\":\"tea\"", "search_off");
    settings.search = true;
    assert_string_equal(told(client, "\"cmd\":\"search\",\"q\":\"tea\""),
                        "{\"re\":1,\"ok\":true,\"items\":[],\"limit\":20,\"before\":0}|");
    assert_string_equal(world.acts.told, "1 looks in ");
    assert_string_equal(
        told(client, "\"cmd\":\"search\",\"q\":\"tea\",\"room\":\"order-7\",\"limit\":3,\"cursor\":\"17\""),
        "{\"re\":1,\"ok\":true,\"items\":[],\"limit\":3,\"before\":17}|");
    assert_string_equal(world.acts.told, "1 looks in order-7");
    static const char *const wrong[] = {"",
                                        ",\"q\":7",
                                        ",\"q\":\"\"",
                                        ",\"q\":\"tea\",\"limit\":101",
                                        ",\"q\":\"tea\",\"cursor\":17",
                                        ",\"q\":\"tea\",\"room\":7",
                                        ",\"q\":\"tea\",\"room\":\"\"",
                                        ",\"q\":\"tea\",\"user\":\"bob\""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char command[200];
        snprintf(command, sizeof command, "\"cmd\":\"search\"%s", wrong[i]);
        expect_code(client, command, "bad_argument");
    }
    /* one at a time of two threads, so that the other one is there for others */
    settings.db_pool_threads = 2;
    struct client *other = greeted(BOB);
    say(client, "{\"id\":1,\"cmd\":\"search\",\"q\":\"tea\"}");
    say(other, "{\"id\":1,\"cmd\":\"search\",\"q\":\"tea\"}");
    assert_string_equal(brief(other), "re 1 busy|");
    assert_true(client->session->paused); /* until it is answered */
    disconnect_client(client);
    do_all(); /* nobody is there for the answer, and the next one may search */
    world.acts.why = APP_NO_CONVERSATION;
    expect_code(other, "\"cmd\":\"search\",\"q\":\"tea\",\"room\":\"order-7\"", "not_found");
    world.acts.why = APP_ALLOWED;
    world.acts.no_index = true;
    expect_code(other, "\"cmd\":\"search\",\"q\":\"tea\"", "search_unavailable");
    world.acts.no_index = false;
    world.acts.refused = ERR_INVALID;
    expect_code(other, "\"cmd\":\"search\",\"q\":\"tea\"", "search_unavailable");
    world.acts.refused = ERR_OK;
    world.err = ERR_DOWN;
    expect_code(other, "\"cmd\":\"search\",\"q\":\"tea\"", "unavailable");
    world.err = ERR_OK;
    world.full = true;
    expect_code(other, "\"cmd\":\"search\",\"q\":\"tea\"", "busy");
    world.full = false;
    assert_string_equal(told(other, "\"cmd\":\"search\",\"q\":\"tea\""),
                        "{\"re\":1,\"ok\":true,\"items\":[],\"limit\":20,\"before\":0}|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NATIVE(a_conversation_is_made),
        NATIVE(members_come_and_go),
        NATIVE(rights_that_may_be_gone_are_told_of),
        NATIVE(who_only_goes_does_not_enter),
        NATIVE(a_list_goes_on_where_it_ended),
        NATIVE(users_of_front_ends_have_none),
        NATIVE(messages_are_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
