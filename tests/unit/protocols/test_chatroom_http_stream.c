/* Event streams and iframes of a chatroom. */
#include "chatroom_http_fakes.h"

#include <stdlib.h>

/* ---- streams ---- */

static void an_event_stream_begins_with_a_cursor(void **state)
{
    (void)state;
    db.last[ROOM] = 3;
    struct visit *visit = get(PATH("events"), ME);
    assert_true(visit->streaming);
    assert_string_equal(visit->type, "text/event-stream; charset=utf-8");
    assert_string_equal(body_of(visit), "retry: 1000\n\n");
    enter_room();
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
    chatroom_http_route.handle(&visit->call);
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
    visit->answer = SEND_BLOCKED;
    enter_room(); /* the cursor blocks it */
    assert_int_equal(job_count, 0);
    for (int i = 0; i < 10; i++) {
        session_writable(visit->session);
        while (job_count)
            job_do();
    }
    assert_string_equal(numbers(strstr(body_of(visit), "3-0\n") + 4, "id: 3-"), "1 2 3 4 5 6 7 8 9 10 11 12 ");
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
        enter_room();
        assert_string_equal(body_of(visit),
                            "retry: 1000\n\nid: 3-14\nevent: reset\ndata: {\"epoch\":3,\"seq\":14}\n\n");
    }
    struct visit *visit = get(PATH("events"), ME "&lastEventId=2-1"); /* for who cannot set headers */
    assert_non_null(strstr(body_of(visit), "event: reset"));
}

static void a_relay_that_is_behind_repeats_nothing(void **state)
{
    (void)state;
    struct visit *other = get(PATH("events"), ME);
    enter_room();
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
    struct visit *visit = get(PATH("stream"), ME "&callback=my.fn"), *other = get(PATH("stream"), ME);
    assert_string_equal(visit->type, "text/html; charset=utf-8");
    assert_non_null(strstr(visit->headers, "frame-ancestors 'self'"));
    const char *beginning = body_of(visit);
    assert_memory_equal(beginning, "<!doctype html>\n<!--", 20);
    assert_true(strlen(beginning) > 1024);
    enter_room();
    assert_string_equal(body_of(visit), "<script>parent.my.fn({\"seq\":0,\"type\":\"open\","
                                        "\"data\":{\"epoch\":3,\"seq\":0}})</script>\n");
    deliver(ROOM, 1);
    hub_broadcast_members(&hub, ROOM, &member, 1);
    deliver(ROOM, 2);
    hub_flush(&hub);
    const char *body = body_of(visit);
    assert_memory_equal(body, "<script>parent.my.fn({\"seq\":1,\"type\":\"message\",\"data\":{", 54);
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
    deliver(ROOM, 8); /* while it is corked */
    hub_flush(&hub);
    while (job_count)
        job_do();
    assert_string_equal(numbers(body_of(visit), "({\"seq\":"), "1 2 3 4 5 6 7 8 ");
    visit = get(PATH("stream"), ME "&after=2-1");
    assert_non_null(strstr(body_of(visit), "({\"seq\":8,\"type\":\"reset\",\"data\":{\"epoch\":3,\"seq\":8}})"));
}

/* For who sits behind a proxy that holds back the last 2 KB of what it has: so much follows each thing that matters. */
static void whoever_asks_for_padding_gets_it_after_each_piece(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *query, *padding, *piece;
    } rows[] = {{PATH("events"), ME "&padding=true", ROOMS_EVENTS_PADDING, "id: 3-"},
                {PATH("stream"), ME "&padding=1", ROOMS_STREAM_PADDING, "({\"seq\":"}};
    struct member member = {USER, STR("bob"), STR("1")};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(rows[i].padding);
        assert_true(len > 2048 && len < 2100);
        struct visit *visit = get(rows[i].verb, rows[i].query), *other = get(rows[i].verb, ME "&padding=false");
        const char *body = body_of(visit);
        assert_true(strlen(body) > len);
        assert_string_equal(body + strlen(body) - len, rows[i].padding);
        assert_null(strstr(body_of(other), rows[i].padding));
        enter_room();
        body = body_of(visit);
        assert_string_equal(body + strlen(body) - len, rows[i].padding);
        body_of(other);
        uint64_t first = db.last[ROOM];
        for (int k = 0; k < 3; k++) {
            if (k == 1)
                hub_broadcast_members(&hub, ROOM, &member, 1);
            else
                deliver(ROOM, ++first);
            hub_flush(&hub);
            body = body_of(visit);
            assert_true(strlen(body) > len);
            assert_string_equal(body + strlen(body) - len, rows[i].padding);
            assert_string_equal(strstr(body, rows[i].padding), rows[i].padding); /* once */
            assert_null(strstr(body_of(other), rows[i].padding));
        }
        go(settings.ping_interval_ms);
        assert_string_equal(body_of(visit), rows[i].padding);
        db.last[ROOM] = first;
        leave(visit);
        leave(other);
        char resume[128];
        snprintf(resume, sizeof resume, "%s%s", rows[i].query, i ? "&after=3-0" : "&lastEventId=3-0");
        visit = get(rows[i].verb, resume);
        enter_room();
        while (job_count)
            job_do();
        body = body_of(visit);
        assert_string_equal(body + strlen(body) - len, rows[i].padding);
        leave(visit);
    }
}

static void a_stream_whose_room_cannot_be_read_ends(void **state)
{
    (void)state;
    struct visit *visit = get(PATH("events"), ME);
    db.err = ERR_DOWN;
    enter_room();
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROOMS(an_event_stream_begins_with_a_cursor),
        ROOMS(what_was_missed_comes_first_and_whole),
        ROOMS(pages_wait_for_a_slow_client),
        ROOMS(a_cursor_that_is_none_is_reset),
        ROOMS(a_relay_that_is_behind_repeats_nothing),
        ROOMS(an_iframe_gets_scripts),
        ROOMS(an_iframe_resumes_too),
        ROOMS(whoever_asks_for_padding_gets_it_after_each_piece),
        ROOMS(a_stream_whose_room_cannot_be_read_ends),
        ROOMS(there_are_no_more_streams_than_connections),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
