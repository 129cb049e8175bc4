/* The chatrooms over plain HTTP: who is let in, polls that are answered at once or held, streams that are resumed, and
 * what is said by a POST. */
#include "rooms_fakes.h"

#include <stdlib.h>

/* ---- what comes in ---- */

static void callbacks_are_names_and_nothing_else(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "$", "_x", "onmessage", "my.fn.x1", "A0.$_"};
    static const char *const bad[] = {"",    "1a",         ".a",  "a(b",  "a;b", "a b",
                                      "a\n", "alert(1)//", "a-b", "a[0]", "茶",  "a</script>"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(rooms_callback_ok(str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(rooms_callback_ok(str_of(bad[i])));
    char *longest = repeat("x", 64), *longer = repeat("x", 65);
    assert_true(rooms_callback_ok(str_of(longest)));
    assert_false(rooms_callback_ok(str_of(longer)));
    free(longest);
    free(longer);
}

static void cursors_are_two_numbers(void **state)
{
    (void)state;
    struct rooms_cursor cursor;
    assert_true(rooms_read_cursor(STR("3-17"), &cursor));
    assert_int_equal(cursor.epoch, 3);
    assert_int_equal(cursor.seq, 17);
    static const char *const bad[] = {"",      "-",   "3",    "3-",   "-3",
                                      "3-1-2", "3-x", "+3-1", "3- 1", "1234567890123456789-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(rooms_read_cursor(str_of(bad[i]), &cursor));
}

static void seconds_may_have_a_fraction(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0", 0},      {"20", 20000}, {"0.5", 500},    {"1.25", 1250},
                {"0.0019", 1}, {"55", 55000}, {"55.5", 55000}, {"999999999", 55000}};
    static const char *const bad[] = {"",    "x",     "-1",  "1.", ".5",
                                      "1.x", "1.2.3", "1e3", " 1", "0x1"};
    int64_t ms;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(rooms_read_seconds(str_of(good[i].text), 55000, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(rooms_read_seconds(str_of(bad[i]), 55000, &ms));
}

static void nothing_in_a_script_can_end_it(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    rooms_add_script(&out, "my.fn",
                     STR("{\"x\":\"</script><!-- & \xe2\x80\xa8\xe2\x80\xa9 \xe2\x80\xa6 茶\"}"));
    assert_str(
        buf_str(&out),
        STR("<script>parent.my.fn({\"x\":\"\\u003c/script\\u003e\\u003c!-- \\u0026 \\u2028\\u2029 "
            "\xe2\x80\xa6 茶\"})</script>\n"));
    buf_clear(&out);
    rooms_add_script(&out, "f", STR("\"\xe2\x80"));
    assert_str(buf_str(&out), STR("<script>parent.f(\"\xe2\x80)</script>\n"));
    buf_fini(&out);
}

static void events_are_lines_whatever_they_hold(void **state)
{
    (void)state;
    struct message message = {.conversation = 7,
                              .seq = 5,
                              .kind = MESSAGE_TEXT,
                              .sender_name = STR("b\"ob"),
                              .at_ms = 12,
                              .content = STR("one\ntwo\r\n\ndata: x"),
                              .sent_at = STR("2024-02-29 12:34:56")};
    struct member member = {9, STR("茶"), STR("\"x\"")};
    struct buf out;
    buf_init(&out, 10000);
    events_encoding.message(&message, &out);
    assert_str(buf_str(&out),
               STR("id: 3-5\nevent: message\ndata: {\"log_user_name\":\"b\\\"ob\",\"log_content\":"
                   "\"one\\ntwo\\r\\n\\ndata: x\",\"log_time\":\"2024-02-29 "
                   "12:34:56\",\"seq\":5,\"ts\":12}\n\n"));
    buf_clear(&out);
    events_encoding.members(7, &member, 1, &out);
    assert_str(buf_str(&out),
               STR("event: members\ndata: [{\"user_name\":\"茶\",\"head_num\":\"x\"}]\n\n"));
    buf_clear(&out);
    stream_encoding.members(7, &member, 1, &out);
    assert_str(buf_str(&out),
               STR("{\"type\":\"members\",\"data\":[{\"user_name\":\"茶\",\"head_num\":\"x\"}]}"));
    buf_fini(&out);
}

/* ---- who is let in ---- */

static void assert_refused(struct visit *visit, unsigned status, const char *code)
{
    char text[100];
    snprintf(text, sizeof text, "\"code\":\"%s\"}", code);
    assert_int_equal(visit->status, status);
    assert_string_equal(visit->type, "application/json; charset=utf-8");
    assert_non_null(strstr(body_of(visit), text));
    assert_int_equal(strcmp(visit->headers, "Retry-After: 1\r\n") == 0, status == 503);
}

static const char *const verbs[] = {"poll", "events", "stream"};

static struct visit *visit_verb(size_t i, const char *room, const char *query)
{
    char path[200];
    snprintf(path, sizeof path, "/rooms/%s/%s", room, verbs[i]);
    return get(strdup(path), query); /* the call's as long as the test */
}

static void who_is_no_member_finds_nothing(void **state)
{
    (void)state;
    char *paths[16];
    size_t first = visit_count;
    for (size_t i = 0; i < 3; i++) {
        assert_refused(visit_verb(i, ROOM_ID, ""), 400, "bad_request");
        assert_refused(visit_verb(i, "room_x", ME), 404, "not_found");
        assert_refused(visit_verb(i, ROOM_ID, "nickId=' OR 1=1"), 404, "not_found");
        assert_refused(visit_verb(i, "room_ffffffffffffffffffffffffffffffff", ME), 404,
                       "not_found");
        world.stranger = true;
        assert_refused(visit_verb(i, ROOM_ID, ME), 404, "not_found");
        world.stranger = false;
    }
    assert_int_equal(hub.rooms.count, 0);
    assert_int_equal(world.entered, 0);
    for (size_t i = first; i < visit_count; i++)
        paths[i] = (char *)(uintptr_t)visits[i].call.request.path.ptr, free(paths[i]);
}

static void without_a_database_one_is_told_when_to_come_back(void **state)
{
    (void)state;
    world.place = ERR_DOWN;
    assert_refused(get(PATH("poll"), ME), 503, "unavailable");
    assert_refused(get(PATH("events"), ME), 503, "unavailable");
    world.place = ERR_OK;
    db.err = ERR_DOWN;
    db.last[ROOM] = 3;
    assert_refused(get(PATH("poll"), ME "&after=1"), 503, "unavailable");
    world.readers_full = true;
    assert_refused(get(PATH("poll"), ME), 503, "busy");
}

static void other_paths_and_methods_are_refused(void **state)
{
    (void)state;
    assert_refused(get("/rooms/", ME), 404, "not_found");
    assert_refused(get("/rooms/x", ME), 404, "not_found");
    assert_refused(get(PATH("poll/"), ME), 404, "not_found");
    assert_refused(get(PATH("other"), ME), 404, "not_found");
    struct visit *visit = begin_visit("POST", PATH("poll"), ME, "");
    assert_int_equal(visit->status, 405);
    assert_string_equal(visit->headers, "Allow: GET\r\n");
    visit = begin_visit("GET", PATH("send"), ME, "");
    assert_int_equal(visit->status, 405);
    assert_string_equal(visit->headers, "Allow: POST\r\n");
}

static void bad_arguments_are_told(void **state)
{
    (void)state;
    assert_refused(get(PATH("poll"), ME "&after=x"), 400, "bad_request");
    assert_refused(get(PATH("poll"), ME "&wait=x"), 400, "bad_request");
    assert_refused(get(PATH("poll"), ME "&epoch=-1"), 400, "bad_request");
    assert_refused(get(PATH("stream"), ME "&callback=alert(1)"), 400, "bad_request");
    assert_int_equal(jobs_ever, 0);
}

static void who_leaves_while_being_looked_up_is_forgotten(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct visit *visit =
            begin_visit("GET", i ? PATH("events") : PATH("poll"), ME "&wait=9", "");
        leave(visit);
        job_do();
        assert_int_equal(visit->status, 0);
    }
    assert_int_equal(sessions.count, 0);
    assert_int_equal(world.entered, 0);
}

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
    assert_memory_equal(
        body, "{\"epoch\":3,\"next\":7,\"events\":[{\"seq\":5,\"type\":\"message\",\"data\":{", 60);
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
    static const char *const queries[] = {ME "&after=4&epoch=2&wait=9", ME "&after=8&wait=9",
                                          ME "&epoch=4"};
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(body_of(get(PATH("poll"), queries[i])),
                            "{\"epoch\":3,\"next\":7,\"events\":[],\"reset\":true}");
}

static void a_long_poll_is_held_until_something_comes(void **state)
{
    (void)state;
    db.last[ROOM] = 3;
    struct visit *one = get(PATH("poll"), ME "&after=3&wait=20"),
                 *two = get(PATH("poll"), ME "&wait=20");
    seat();
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
    seat();
    go(2400);
    assert_int_equal(visit->status, 0);
    go(150);
    assert_string_equal(body_of(visit), "{\"epoch\":3,\"next\":0,\"events\":[]}");
    assert_int_equal(sessions.count, 0);
    visit = get(PATH("poll"), ME "&wait=1"); /* while the room is still being read */
    go(1100);
    assert_int_equal(visit->status, 200);
    seat();
}

static void nothing_falls_between_looking_and_sitting(void **state)
{
    (void)state;
    db.last[ROOM] = 3;
    struct visit *visit = get(PATH("poll"), ME "&after=3&wait=20");
    db.last[ROOM] = 5; /* stored before the room is read, so its log never has them */
    seat();
    assert_string_equal(numbers(body_of(visit), "{\"seq\":"), "4 5 ");
}

static void what_the_client_has_seen_does_not_come_again(void **state)
{
    (void)state;
    struct visit *other = get(PATH("events"), ME);
    seat();
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
    seat();
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
    seat();
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
    seat();
    session_close(sessions.slots[0], 1012, "Restarting: come back");
    assert_string_equal(body_of(visit), "{\"epoch\":3,\"next\":0,\"events\":[]}");
    go(50);
    assert_int_equal(sessions.count, 0);
}

static void a_client_that_vanishes_leaves_nothing(void **state)
{
    (void)state;
    struct visit *visit = get(PATH("poll"), ME "&wait=20");
    seat();
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
    seat();
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
        job_do(); /* the audit's */
    get(PATH("poll"), ME);
    assert_int_equal(world.entered, 2);
}

/* ---- streams ---- */

static void an_event_stream_begins_with_a_cursor(void **state)
{
    (void)state;
    db.last[ROOM] = 3;
    struct visit *visit = get(PATH("events"), ME);
    assert_true(visit->streaming);
    assert_string_equal(visit->type, "text/event-stream; charset=utf-8");
    assert_string_equal(body_of(visit), "retry: 1000\n\n");
    seat();
    assert_string_equal(body_of(visit), "id: 3-3\n\n");
    assert_int_equal(world.waiting, 1);
    deliver(ROOM, 4);
    hub_flush(&hub);
    assert_string_equal(numbers(body_of(visit), "id: 3-"), "4 ");
    go(settings.ping_interval_ms);
    assert_string_equal(body_of(visit), ":\n\n");
    leave(visit);
    assert_int_equal(world.left, 1);
}

/* A stream with a Last-Event-ID. */
static struct visit *resume(const char *last_event_id)
{
    struct visit *visit = &visits[visit_count++];
    memset(visit, 0, sizeof *visit);
    buf_init(&visit->body, 10000000);
    visit->query = ME;
    visit->last_event_id = last_event_id;
    visit->call.method = "GET";
    visit->call.request = (struct request){STR(PATH("events")), argument_of, header_of, visit};
    rooms_route.handle(&visit->call);
    job_do();
    return visit;
}

static void what_was_missed_comes_first_and_whole(void **state)
{
    (void)state;
    db.last[ROOM] = 14;
    struct visit *visit = resume("3-1"); /* three pages */
    hub_subscribed(&hub, ROOM);
    job_do();
    struct job *page = job_work();
    deliver(ROOM, 15); /* while the first is read */
    hub_flush(&hub);
    assert_string_equal(numbers(body_of(visit), "id: 3-"), "1 ");
    job_finish(page);
    deliver(ROOM, 16);
    hub_flush(&hub);
    while (job_count)
        job_do();
    assert_string_equal(numbers(body_of(visit), "id: 3-"), "2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 ");
    deliver(ROOM, 17);
    hub_flush(&hub);
    assert_string_equal(numbers(body_of(visit), "id: 3-"), "17 ");
}

static void pages_wait_for_a_slow_client(void **state)
{
    (void)state;
    db.last[ROOM] = 12;
    struct visit *visit = resume("3-0");
    visit->answer = SEND_CHOKED;
    seat(); /* the cursor chokes it */
    assert_int_equal(job_count, 0);
    for (int i = 0; i < 10; i++) {
        session_writable(visit->session);
        while (job_count)
            job_do();
    }
    assert_string_equal(numbers(strstr(body_of(visit), "3-0\n") + 4, "id: 3-"),
                        "1 2 3 4 5 6 7 8 9 10 11 12 ");
    visit->answer = SEND_MORE;
    session_writable(visit->session);
    deliver(ROOM, 13);
    hub_flush(&hub);
    assert_string_equal(numbers(body_of(visit), "id: 3-"), "13 ");
}

static void a_cursor_that_is_none_is_reset(void **state)
{
    (void)state;
    static const char *const lost[] = {"2-1", "3-15", "x", "99999999999999999999-1"};
    db.last[ROOM] = 14;
    for (size_t i = 0; i < 4; i++) {
        struct visit *visit = resume(lost[i]);
        seat();
        assert_string_equal(
            body_of(visit),
            "retry: 1000\n\nid: 3-14\nevent: reset\ndata: {\"epoch\":3,\"seq\":14}\n\n");
    }
    struct visit *visit =
        get(PATH("events"), ME "&lastEventId=2-1"); /* for who cannot set headers */
    assert_non_null(strstr(body_of(visit), "event: reset"));
}

static void a_relay_that_is_behind_repeats_nothing(void **state)
{
    (void)state;
    struct visit *other = get(PATH("events"), ME);
    seat();
    db.last[ROOM] = 2; /* stored by another relay, which has told the client already */
    struct visit *visit = resume("3-2");
    assert_string_equal(body_of(visit), "retry: 1000\n\n");
    go(settings.gap_wait_ms); /* what was seen stored is fetched */
    while (job_count)
        job_do();
    go(150);
    assert_string_equal(body_of(visit), "id: 3-2\n\n");
    deliver(ROOM, 3);
    hub_flush(&hub);
    assert_string_equal(numbers(body_of(visit), "id: 3-"), "3 ");
    assert_string_equal(numbers(body_of(other), "id: 3-"), "0 1 2 3 ");
    assert_int_equal(world.entered, 2);
}

static void an_iframe_gets_scripts(void **state)
{
    (void)state;
    struct member member = {USER, STR("bob"), STR("1")};
    struct visit *visit = get(PATH("stream"), ME "&callback=my.fn"),
                 *other = get(PATH("stream"), ME);
    assert_string_equal(visit->type, "text/html; charset=utf-8");
    assert_non_null(strstr(visit->headers, "frame-ancestors 'self'"));
    const char *beginning = body_of(visit);
    assert_memory_equal(beginning, "<!doctype html>\n<!--", 20);
    assert_true(strlen(beginning) > 1024);
    seat();
    assert_string_equal(body_of(visit), "<script>parent.my.fn({\"seq\":0,\"type\":\"open\","
                                        "\"data\":{\"epoch\":3,\"seq\":0}})</script>\n");
    deliver(ROOM, 1);
    hub_broadcast_members(&hub, ROOM, &member, 1);
    deliver(ROOM, 2);
    hub_flush(&hub);
    const char *body = body_of(visit);
    assert_memory_equal(body, "<script>parent.my.fn({\"seq\":1,\"type\":\"message\",\"data\":{",
                        54);
    assert_non_null(strstr(body, "<script>parent.my.fn({\"type\":\"members\",\"data\":[{\"user_"
                                 "name\":\"bob\",\"head_num\":1}]})</script>\n"));
    assert_string_equal(numbers(body, "({\"seq\":"), "1 2 ");
    assert_string_equal(numbers(body_of(other), "parent.onRoomEvent({\"seq\":"), "0 1 2 ");
    hub_send_members(&hub, visit->session->id, ROOM, &member, 1);
    assert_non_null(strstr(body_of(visit), "parent.my.fn({\"type\":\"members\""));
    go(settings.ping_interval_ms);
    assert_string_equal(body_of(visit), "<!-- -->\n");
}

static void an_iframe_resumes_too(void **state)
{
    (void)state;
    db.last[ROOM] = 7;
    struct visit *visit = get(PATH("stream"), ME "&after=3-1");
    hub_subscribed(&hub, ROOM);
    job_do();
    deliver(ROOM, 8); /* while it is held */
    hub_flush(&hub);
    while (job_count)
        job_do();
    assert_string_equal(numbers(body_of(visit), "({\"seq\":"), "1 2 3 4 5 6 7 8 ");
    visit = get(PATH("stream"), ME "&after=2-1");
    assert_non_null(strstr(body_of(visit),
                           "({\"seq\":8,\"type\":\"reset\",\"data\":{\"epoch\":3,\"seq\":8}})"));
}

static void a_stream_whose_room_cannot_be_read_ends(void **state)
{
    (void)state;
    struct visit *visit = get(PATH("events"), ME);
    db.err = ERR_DOWN;
    seat();
    assert_true(visit->ended);
    db.err = ERR_OK;
    leave(visit);
    db.last[ROOM] = 9;
    visit = resume("3-1");
    hub_subscribed(&hub, ROOM);
    job_do();
    db.err = ERR_DOWN; /* the page cannot */
    job_do();
    assert_true(visit->ended);
    db.err = ERR_OK;
}

static void there_are_no_more_streams_than_connections(void **state)
{
    (void)state;
    settings.max_connections = 1;
    struct visit *visit = get(PATH("events"), ME);
    assert_true(visit->streaming);
    assert_refused(get(PATH("events"), ME), 503, "busy");
}

/* ---- saying something ---- */

static struct visit *say(const char *body)
{
    struct visit *visit = begin_visit("POST", PATH("send"), "", body);
    if (!visit->status && job_count)
        job_do();
    return visit;
}

/* The journal's answer to what was said last. */
static void stored(uint64_t seq, enum err err, bool repeated)
{
    struct store_post post = {.message = message_of(ROOM, seq), .err = err, .repeated = repeated};
    uint64_t id = net.submitter;
    hub_stored(&hub, &post, &id, 1);
}

#define SAID "{\"nickId\":\"" NICK_ID "\",\"content\":\"hi\"}"

static void what_is_said_is_answered_after_the_commit(void **state)
{
    (void)state;
    struct visit *visit =
        say("{\"nickId\":\"" NICK_ID "\",\"content\":\"hi \\u202e 茶\",\"clientId\":\"c-1\"}");
    assert_int_equal(net.submitted, 1);
    assert_string_equal(net.content, "hi \xef\xbf\xbd 茶");
    assert_string_equal(net.client_id, "c-1");
    assert_int_equal(visit->status, 0);
    stored(4, ERR_OK, false);
    assert_string_equal(body_of(visit), "{\"success\":true,\"data\":{\"epoch\":3,\"seq\":4}}");
    assert_int_equal(sessions.count, 0);
    visit = say(SAID);
    stored(4, ERR_OK, true);
    assert_string_equal(body_of(visit), "{\"success\":true,\"data\":{\"epoch\":3,\"seq\":4}}");
}

static void who_says_it_may_stand_in_the_query(void **state)
{
    (void)state;
    struct visit *visit = begin_visit("POST", PATH("send"), ME, "{\"content\":\"hi\"}");
    job_do();
    stored(1, ERR_OK, false);
    assert_int_equal(visit->status, 200);
    assert_string_equal(net.client_id, "");
}

static void what_cannot_be_said_is_refused(void **state)
{
    (void)state;
    assert_refused(say(""), 400, "bad_json");
    assert_refused(say("[]"), 400, "bad_json");
    assert_refused(say("{\"content\":\"hi\"}"), 400, "bad_request");
    assert_refused(say("{\"nickId\":\"" NICK_ID "\"}"), 400, "bad_content");
    assert_refused(say("{\"nickId\":\"" NICK_ID "\",\"content\":5}"), 400, "bad_content");
    assert_refused(say("{\"nickId\":\"" NICK_ID "\",\"content\":\"\"}"), 400, "bad_content");
    assert_refused(say("{\"nickId\":\"" NICK_ID "\",\"content\":\"\\u0001\"}"), 400, "bad_content");
    assert_refused(say("{\"nickId\":\"" NICK_ID "\",\"content\":\"x\",\"clientId\":5}"), 400,
                   "bad_request");
    char body[300], *longer = repeat("x", 65);
    snprintf(body, sizeof body,
             "{\"nickId\":\"" NICK_ID "\",\"content\":\"x\",\"clientId\":\"%s\"}", longer);
    free(longer);
    assert_refused(say(body), 400, "bad_request");
    assert_refused(say("{\"nickId\":\"user_x\",\"content\":\"x\"}"), 404, "not_found");
    world.stranger = true;
    assert_refused(say(SAID), 404, "not_found");
    assert_int_equal(net.submitted, 0);
}

static void what_was_not_stored_is_told(void **state)
{
    (void)state;
    net.submit = ERR_BUSY;
    assert_refused(say(SAID), 503, "busy");
    net.submit = ERR_OK;
    static const struct {
        enum err err;
        unsigned status;
        const char *code;
    } rows[] = {{ERR_DOWN, 503, "unavailable"},
                {ERR_UNKNOWN, 503, "unknown"},
                {ERR_INTERNAL, 500, "refused"}};
    for (size_t i = 0; i < 3; i++) {
        struct visit *visit = say(SAID);
        stored(0, rows[i].err, false);
        assert_refused(visit, rows[i].status, rows[i].code);
    }
    struct visit *visit = say(SAID); /* a relay that ends does not wait */
    session_close(sessions_find(&sessions, net.submitter), 1012, "Restarting: come back");
    assert_refused(visit, 503, "unknown");
    stored(9, ERR_OK, false);
}

static void who_leaves_has_said_it_all_the_same(void **state)
{
    (void)state;
    struct visit *visit = begin_visit("POST", PATH("send"), "", SAID);
    leave(visit); /* before anything is known */
    job_do();
    assert_int_equal(net.submitted, 1);
    assert_int_equal(net.submitter, 0);
    visit = say(SAID);
    leave(visit); /* before the commit */
    assert_int_equal(net.submitted, 2);
    stored(2, ERR_OK, false);
    assert_int_equal(visit->status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOMS(callbacks_are_names_and_nothing_else),
        ROOMS(cursors_are_two_numbers),
        ROOMS(seconds_may_have_a_fraction),
        ROOMS(nothing_in_a_script_can_end_it),
        ROOMS(events_are_lines_whatever_they_hold),
        ROOMS(who_is_no_member_finds_nothing),
        ROOMS(without_a_database_one_is_told_when_to_come_back),
        ROOMS(other_paths_and_methods_are_refused),
        ROOMS(bad_arguments_are_told),
        ROOMS(who_leaves_while_being_looked_up_is_forgotten),
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
        ROOMS(a_client_that_vanishes_leaves_nothing),
        ROOMS(who_polls_is_present),
        ROOMS(an_event_stream_begins_with_a_cursor),
        ROOMS(what_was_missed_comes_first_and_whole),
        ROOMS(pages_wait_for_a_slow_client),
        ROOMS(a_cursor_that_is_none_is_reset),
        ROOMS(a_relay_that_is_behind_repeats_nothing),
        ROOMS(an_iframe_gets_scripts),
        ROOMS(an_iframe_resumes_too),
        ROOMS(a_stream_whose_room_cannot_be_read_ends),
        ROOMS(there_are_no_more_streams_than_connections),
        ROOMS(what_is_said_is_answered_after_the_commit),
        ROOMS(who_says_it_may_stand_in_the_query),
        ROOMS(what_cannot_be_said_is_refused),
        ROOMS(what_was_not_stored_is_told),
        ROOMS(who_leaves_has_said_it_all_the_same),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
