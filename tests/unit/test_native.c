/* The native protocol on the real hub: conversations of one connection, what was missed, answers and their order. */
#define HUB_FAKES_REAL_ENCODINGS
#include "hub_fakes.h"

#include "common/store_native.h"
#include "relay/door.h"
#include "relay/native.h"
#include "relay/presence.h"

#define ANN  "user_000000000000000000000000000000a1"
#define BOB  "user_000000000000000000000000000000b2"
#define ROOM "room_00000000000000000000000000000007"
#define TEA  "room_00000000000000000000000000000008"
#define NONE "room_00000000000000000000000000000009"

const struct encoding *const encodings[ENCODING_COUNT] = {
    [ENCODING_NATIVE] = &native_encoding,
    [ENCODING_NATIVE_PRESENCE] = &native_presence_encoding,
};

/* ---- who there is, and where they may be ---- */

static struct {
    bool full;     /* the readers */
    enum err err;  /* of look-ups */
    uint64_t read; /* everybody's marker */
    int entered, left;
    enum encoding_id encoding;
    enum store_realm realm;
    bool has_password;
} world;

static struct token_keys keys;

enum err store_native_user(struct store *store, struct str user_id, struct store_native_user *user)
{
    (void)store;
    bool ann = str_eq(user_id, STR(ANN)), bob = str_eq(user_id, STR(BOB));
    *user = (struct store_native_user){.user = ann ? 1 : 2, .realm = world.realm, .has_password = world.has_password,
                                       .name = "ann", .head = "3"};
    if (bob)
        memcpy(user->name, "bob", 3);
    return world.err ? world.err : ann || bob ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_native_places(struct store *store, uint64_t user, const struct str *ids, size_t count,
                             struct store_native_place *places)
{
    (void)store;
    (void)user;
    memset(places, 0, count * sizeof *places);
    for (size_t i = 0; i < count && !world.err; i++) {
        uint64_t conversation = str_eq(ids[i], STR(ROOM)) ? 7 : str_eq(ids[i], STR(TEA)) ? 8 : 0;
        if (conversation)
            places[i] = (struct store_native_place){
                .conversation = conversation, .kind = KIND_CHATROOM, .seq = db.last[conversation], .read_seq = world.read};
    }
    return world.err;
}

enum err store_native_read(struct store *store, uint64_t user, uint64_t seq, struct store_native_place *place)
{
    (void)store;
    (void)user;
    if (seq > place->seq)
        seq = place->seq;
    if (seq > world.read)
        world.read = place->read_seq = seq;
    return world.err;
}

enum err store_native_unread(struct store *store, uint64_t conversation, uint64_t user, uint64_t after, uint64_t *count)
{
    (void)store;
    (void)user;
    *count = db.last[conversation] - after;
    return world.err;
}

enum err readers_try(struct readers *readers, struct job *job)
{
    if (world.full)
        return ERR_BUSY;
    readers_add(readers, job);
    return ERR_OK;
}

void presence_enter(struct presence *presence, uint64_t conversation, enum encoding_id encoding,
                    const struct member *member, uint64_t session_id)
{
    (void)presence;
    (void)conversation;
    assert_true(member->user && session_id);
    world.encoding = encoding;
    world.entered++;
}

void presence_leave(struct presence *presence, uint64_t conversation, uint64_t user)
{
    (void)presence;
    (void)conversation;
    assert_true(user);
    world.left++;
}

void presence_ask(struct presence *presence, uint64_t conversation, presence_members_fn *fn, void *arg)
{
    struct member member = {1, STR("ann"), STR("3")};
    (void)presence;
    (void)conversation;
    fn(arg, &member, 1);
}

/* ---- clients ---- */

static struct client *open_client(void)
{
    struct client *client = &clients[client_count++];
    memset(client, 0, sizeof *client);
    buf_init(&client->got, 10000000);
    buf_init(&client->told, 100000);
    client->session = session_new(&sessions, &native_protocol, &wire, client);
    native_protocol.open(client->session, NULL);
    return client;
}

static void say(struct client *client, const char *format, ...)
{
    char text[2000];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    native_protocol.received(client->session, (struct str){text, (size_t)len});
}

/* What the client was sent in this turn of the loop: all of it, whole frames. */
static const char *heard(struct client *client)
{
    hub_flush(&hub);
    sessions_flush(&sessions);
    return got(client);
}

/* The same, but of each frame only "re N", "re N CODE", or "KIND SEQ". */
static const char *brief(struct client *client)
{
    static char out[20000];
    size_t len = 0;
    char *text = strdup(heard(client)), *rest = text;
    out[0] = '\0';
    for (char *frame; (frame = strsep(&rest, "|")) && *frame;) {
        const char *code = strstr(frame, "\"code\":\""), *seq = strstr(frame, "\"seq\":"), *ev = strstr(frame, "\"ev\":\"");
        if (!strncmp(frame, "{\"re\":", 6) && code && strstr(frame, "\"ok\":false"))
            len += (size_t)snprintf(out + len, sizeof out - len, "re %d %.*s|", atoi(frame + 6), (int)strcspn(code + 8, "\""), code + 8);
        else if (!strncmp(frame, "{\"re\":", 6))
            len += (size_t)snprintf(out + len, sizeof out - len, "re %d|", atoi(frame + 6));
        else
            len += (size_t)snprintf(out + len, sizeof out - len, "%.*s %d|", (int)strcspn(ev + 6, "\""), ev + 6, seq ? atoi(seq + 6) : 0);
    }
    free(text);
    return out;
}

static void do_all(void)
{
    while (job_count) {
        job_do();
        if (net.up)
            for (uint64_t conversation = 7; conversation <= 8; conversation++)
                hub_subscribed(&hub, conversation);
    }
}

/* Greeted, with nothing joined. */
static struct client *greeted(const char *user)
{
    struct client *client = open_client();
    say(client, "{\"id\":0,\"cmd\":\"hello\",\"user\":\"%s\"}", user);
    do_all();
    assert_string_equal(brief(client), "re 0|");
    return client;
}

static void joined(struct client *client, const char *room, const char *more)
{
    say(client, "{\"id\":1,\"cmd\":\"join\",\"room\":\"%s\"%s}", room, more);
    do_all();
    for (uint64_t conversation = 7; conversation <= 8; conversation++)
        hub_subscribed(&hub, conversation);
    do_all();
}

static void answer_post(struct client *client, uint64_t seq, enum err err)
{
    struct store_post post = {.message = message_of(7, seq), .err = err};
    uint64_t id = client->session->id;
    if (!err && db.last[7] < seq)
        db.last[7] = seq;
    hub_stored(&hub, &post, &id, 1);
}

static int begin_native(void **state)
{
    int failed = begin(state);
    memset(&world, 0, sizeof world);
    world.realm = REALM_CHATROOM;
    settings.max_message_bytes = 1000;
    settings.outbox_bytes = 80000;
    settings.handshake_timeout_ms = 3000;
    settings.native_rooms_max = 3;
    settings.media_url = "/media/";
    door = (struct door){.settings = &settings, .hub = &hub, .tokens = &keys};
    return failed;
}

static int end_native(void **state)
{
    for (size_t i = 0; i < client_count; i++)
        if (clients[i].session)
            disconnect_client(&clients[i]);
    while (job_count)
        job_do();
    assert_int_equal(world.entered, world.left);
    return end(state);
}

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
    assert_string_equal(brief(client), "re 1 not_hello|re 2 not_hello|re 0 bad_frame|re 3 bad_frame|re 5 bad_command|re 6 not_hello|");
    do_all();
    assert_string_equal(heard(client), "{\"re\":4,\"ok\":true,\"user\":\"ann\",\"epoch\":3,\"ping_ms\":20000,\"joined\":[]}|");
    go(100000);
    assert_int_equal(client->closes, 0);
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
    say(client, "{\"id\":3,\"cmd\":\"hello\",\"user\":\"" ANN "\",\"token\":\"x\"}");
    world.err = ERR_DOWN;
    say(client, "{\"id\":4,\"cmd\":\"hello\",\"user\":\"" ANN "\"}");
    do_all();
    world.full = true;
    say(client, "{\"id\":5,\"cmd\":\"hello\",\"user\":\"" ANN "\"}");
    assert_string_equal(brief(client), "re 1 unauthorized|re 2 unauthorized|re 3 unauthorized|re 4 unavailable|re 5 busy|");
}

/* ---- joining ---- */

static void who_joins_hears_what_comes(void **state)
{
    (void)state;
    db.last[7] = 5;
    struct client *client = greeted(ANN);
    joined(client, ROOM, "");
    assert_string_equal(heard(client), "{\"re\":1,\"ok\":true,\"room\":\"" ROOM "\",\"ch\":7,\"epoch\":3,\"seq\":5,\"read\":0}|");
    deliver(7, 6);
    deliver(8, 1);
    assert_string_equal(heard(client), "{\"ev\":\"message\",\"ch\":7,\"epoch\":3,\"seq\":6,\"ts\":0,\"name\":\"bob\",\"kind\":\"text\",\"content\":\"m6\"}|");
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

static void pages_wait_for_the_socket(void **state)
{
    (void)state;
    db.last[7] = 900;
    settings.outbox_bytes = 16000; /* a page is of at most 2,000 bytes */
    struct client *client = greeted(ANN);
    client->answer = SEND_CHOKED;
    joined(client, ROOM, ",\"epoch\":3,\"seq\":0");
    assert_int_equal(client->closes + client->kills, 0);
    assert_int_equal(job_count, 0); /* nothing more is read */
    client->answer = SEND_MORE;
    for (int turn = 0; turn < 200 && (client->session->choked || job_count); turn++) {
        if (client->session->choked)
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

static void a_seat_that_falls_off_while_held_begins_anew(void **state)
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
    static const char *const cursors[] = {",\"epoch\":2,\"seq\":1500", ",\"epoch\":3,\"seq\":1501", ",\"epoch\":3,\"seq\":499"};
    for (size_t i = 0; i < 3; i++) {
        struct client *client = greeted(ANN);
        joined(client, ROOM, cursors[i]);
        assert_string_equal(heard(client), "{\"re\":1,\"ok\":true,\"room\":\"" ROOM "\",\"ch\":7,\"epoch\":3,\"seq\":1500,\"read\":0,\"reset\":true}|");
    }
}

static void a_hello_answers_for_all_its_rooms_at_once(void **state)
{
    (void)state;
    db.last[7] = 5;
    db.last[8] = 2;
    struct client *client = open_client();
    say(client, "{\"id\":1,\"cmd\":\"hello\",\"user\":\"" ANN "\",\"resume\":[{\"room\":\"" ROOM "\",\"epoch\":3,\"seq\":3,\"presence\":true},"
                "{\"room\":\"" NONE "\"},{\"room\":\"" TEA "\"}]}");
    job_do(); /* who and where */
    hub_subscribed(&hub, 7);
    job_do();
    assert_string_equal(brief(client), "");
    hub_subscribed(&hub, 8);
    job_do();
    assert_string_equal(heard(client),
                        "{\"re\":1,\"ok\":true,\"user\":\"ann\",\"epoch\":3,\"ping_ms\":20000,\"joined\":["
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
    go(100); /* nobody leaves while seats are being taken */
    assert_int_equal(net.submitted, 2);
    assert_string_equal(net.content, "two");
    assert_string_equal(brief(client), "re 5 not_found|re 2|re 4|");
    answer_post(client, 1, ERR_OK);
    answer_post(client, 2, ERR_OK);
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
        say(client, "{\"id\":%d,\"cmd\":\"send\",\"room\":\"" ROOM "\",\"client_id\":\"%d\",\"content\":\"x\"}", id, id);
    answer_post(client, 1, ERR_OK);
    answer_post(client, 2, ERR_OK);
    for (size_t i = 0; i < 6; i++)
        answer_post(client, 0, errs[i]);
    assert_string_equal(brief(client), "re 2|message 1|re 3|message 2|re 4 not_found|re 5 forbidden|re 6 conflict|"
                                       "re 7 unavailable|re 8 unavailable|re 9 unavailable|");
    net.submit = ERR_BUSY;
    say(client, "{\"id\":7,\"cmd\":\"recall\",\"room\":\"" ROOM "\",\"seq\":1,\"client_id\":\"r\"}");
    assert_string_equal(heard(client), "{\"re\":7,\"ok\":false,\"error\":{\"code\":\"busy\",\"message\":\"too much is going on\",\"retry_after_ms\":1000}}|");
    net.submit = ERR_OK;
    say(client, "{\"id\":8,\"cmd\":\"edit\",\"room\":\"" ROOM "\",\"seq\":1,\"client_id\":\"e\",\"content\":\"\\\"x\\\"\"}");
    assert_string_equal(net.content, "{\"of\":1,\"content\":\"\\\"x\\\"\"}");
    answer_post(client, 3, ERR_OK);
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
    for (size_t i = 0; i < 4; i++) {
        hub_deliver(&hub, &messages[i]);
        if (!strstr(heard(client), ends[i]))
            fail_msg("%zu is not as it should be", i);
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

static void who_is_put_out_hears_no_more(void **state)
{
    (void)state;
    struct client *client = greeted(ANN);
    joined(client, ROOM, ",\"presence\":true");
    say(client, "{\"id\":2,\"cmd\":\"join\",\"room\":\"" TEA "\"}");
    job_do();
    brief(client);
    native_protocol.expelled(client->session, 7, "\"rude\"");
    native_protocol.expelled(client->session, 8, ""); /* while its seat is asked for */
    native_protocol.expelled(client->session, 9, ""); /* that it never named */
    deliver(7, 1);
    assert_string_equal(heard(client), "{\"ev\":\"kicked\",\"ch\":7,\"reason\":\"\\\"rude\\\"\"}|{\"ev\":\"kicked\",\"ch\":8,\"reason\":\"\"}|"
                                       "{\"re\":2,\"ok\":false,\"error\":{\"code\":\"not_found\",\"message\":\"no such thing, or not one of yours\"}}|");
    assert_int_equal(world.left, 1);
}

static void clients_may_go_at_any_moment(void **state)
{
    (void)state;
    db.last[7] = 900;
    for (int jobs_done = 0; jobs_done < 8; jobs_done++) {
        struct client *client = open_client();
        say(client, "{\"id\":1,\"cmd\":\"hello\",\"user\":\"" ANN "\",\"resume\":[{\"room\":\"" ROOM "\",\"epoch\":3,\"seq\":100,\"presence\":true}]}");
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

#define NATIVE(name) cmocka_unit_test_setup_teardown(name, begin_native, end_native)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NATIVE(nothing_goes_before_hello),
        NATIVE(without_hello_in_time_it_ends),
        NATIVE(an_id_is_not_enough_where_others_know_it),
        NATIVE(who_joins_hears_what_comes),
        NATIVE(what_was_missed_comes_before_what_is_new),
        NATIVE(pages_wait_for_the_socket),
        NATIVE(a_seat_that_falls_off_while_held_begins_anew),
        NATIVE(a_relay_that_is_behind_its_client_repeats_nothing),
        NATIVE(a_cursor_that_is_none_here_is_a_reset),
        NATIVE(a_hello_answers_for_all_its_rooms_at_once),
        NATIVE(a_room_that_cannot_be_read_is_refused_alone),
        NATIVE(commands_about_one_room_keep_their_order),
        NATIVE(an_answer_comes_before_its_event),
        NATIVE(changes_look_as_they_should),
        NATIVE(a_marker_is_told_to_the_users_other_devices_alone),
        NATIVE(who_is_put_out_hears_no_more),
        NATIVE(clients_may_go_at_any_moment),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
