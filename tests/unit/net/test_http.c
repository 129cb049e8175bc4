/* The HTTP front: requests over real sockets, one route that answers, one that holds, one that streams. */
#include "http_fakes.h"

#include "common/mem.h"

static struct settings settings;
static struct sessions sessions;
static struct http_server *server;
static struct http_call *held;
static int gone, upgrades;
static bool stream_closed;

static bool claims(struct str path)
{
    return path.len >= 5 && !memcmp(path.ptr, "/test", 5);
}

static size_t max_body(const struct settings *all)
{
    (void)all;
    return 200000;
}

static void on_gone(void *arg, struct http_call *call)
{
    (void)arg;
    assert_ptr_equal(call, held);
    held = NULL;
    gone++;
}

static void nothing(struct session *session)
{
    (void)session;
}

static void on_stream_closed(struct session *session)
{
    nothing(session);
    stream_closed = true;
}

static const struct protocol streaming = {.name = "test", .heartbeat = ":\n\n", .closed = on_stream_closed};

/* Answers with the method, the argument q, the header x-a and the body's length and ends. */
static void handle(struct http_call *call)
{
    char q[64], a[64];
    struct buf out;
    if (str_eq(call->request.path, STR("/test/hold"))) {
        held = call;
        http_hold(call, on_gone, NULL);
        return;
    }
    if (str_eq(call->request.path, STR("/test/stream"))) {
        http_begin_stream(call, "text/event-stream", "");
        struct session *session = session_new(&sessions, &streaming, &http_stream, call);
        http_stream_session(call, session->id, &sessions);
        session_send_raw(session, STR("data: first\n\n"));
        return;
    }
    buf_init(&out, 1024);
    struct str query = call->request.argument(&call->request, "q", q, sizeof q);
    struct str header = call->request.header(&call->request, "x-a", a, sizeof a);
    buf_addf(&out, "[%s q=%.*s a=%.*s body=%zu", call->method, (int)query.len, query.ptr, (int)header.len, header.ptr,
             call->body.len);
    if (call->body.len)
        buf_addf(&out, " %c..%c", call->body.ptr[0], call->body.ptr[call->body.len - 1]);
    buf_add_text(&out, "]");
    http_reply(call, 200, "text/plain", "", buf_str(&out));
    buf_fini(&out);
}

static void on_upgrade(void *arg, struct http_call *call)
{
    struct str bytes;
    (void)arg;
    upgrades++;
    int fd = http_detach(call, &bytes);
    assert_int_equal(send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len); /* an echo of all that was read */
    close(fd);
}

static const struct http_route route = {
    .name = "test", .claims = claims, .max_body = max_body, .handle = handle, .too_large = "{\"error\":\"too large\"}"};
static const struct http_route *const routes[] = {&route, NULL};

static int set_up(void **state)
{
    (void)state;
    char why[256];
    char *sets[] = {"max_connections=500", "origins=http://listed.example"};
    assert_int_equal(settings_load(&settings, NULL, sets, 2, why), ERR_OK);
    uv_loop_init(&loop);
    wheel_init(&wheel);
    sessions_init(&sessions, &settings, &wheel);
    struct http_config config = {
        .loop = &loop, .settings = &settings, .wheel = &wheel, .routes = routes, .upgrade = on_upgrade};
    server = http_new(&config, why);
    assert_non_null(server);
    held = NULL;
    gone = upgrades = 0;
    stream_closed = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clock_freeze(-1);
    http_stop(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0); /* no handle is left */
    http_free(server);
    sessions_fini(&sessions);
    settings_fini(&settings);
    return 0;
}

/* The status that a connection with these bytes gets. */
static int status_of(struct str bytes)
{
    struct client client = dial(server);
    int status = 0;
    say_bytes(&client, bytes);
    hear(&client, "\r\n\r\n", 1);
    sscanf(client.text, "HTTP/1.1 %d", &status);
    hang_up(&client);
    return status;
}

#define HEAD(line) line " HTTP/1.1\r\nHost: x\r\n"

static void test_a_request_is_answered_with_its_arguments_and_headers(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, HEAD("GET /test?a=1&q=a%20b%2bc+d&q=second") "X-A:  v w \r\n\r\n");
    hear(&client, "[GET q=a b+c d a=v w body=0]", 1);
    assert_int_equal(count_of(&client, "Connection: close"), 0);
    say(&client, HEAD("GET /test?q=%00") "\r\n" HEAD("GET /test?q=%zz") "\r\n" HEAD("GET /test?q=%4") "\r\n");
    hear(&client, "[GET q= a= body=0]", 3);
    hang_up(&client);
}

static void test_bodies_come_whole_however_they_are_cut(void **state)
{
    (void)state;
    static const char plain[] = HEAD("POST /test") "Content-Length: 5\r\n\r\nabcde";
    static const char chunks[] = HEAD("POST /test") "Transfer-Encoding: chunked\r\n\r\n"
                                                    "2\r\nab\r\n3;x=y\r\ncde\r\n0\r\nTrailer: t\r\n\r\n";
    struct client client = dial(server);
    for (size_t i = 0; i < 2; i++)
        for (const char *at = i ? chunks : plain; *at; at++)
            say_bytes(&client, (struct str){at, 1});
    hear(&client, "body=5 a..e]", 2);
    say(&client, plain);
    say(&client, chunks);
    say(&client, chunks);
    hear(&client, "body=5 a..e]", 5);
    assert_false(client.over);
    hang_up(&client);
}

static void test_a_client_that_waits_to_be_asked_for_the_body_is_asked(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, HEAD("POST /test") "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    hear(&client, "HTTP/1.1 100 Continue\r\n\r\n", 1);
    say(&client, "hi");
    hear(&client, "body=2 h..i]", 1);
    hang_up(&client);
}

static void test_what_could_smuggle_a_request_is_refused_and_the_connection_ended(void **state)
{
    (void)state;
    static const char *const bad[] = {
        HEAD("POST /test") "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD("POST /test") "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        HEAD("POST /test") "Content-Length: 5, 5\r\n\r\nabcde",
        HEAD("POST /test") "Content-Length: -5\r\n\r\n",
        HEAD("POST /test") "Content-Length: +5\r\n\r\nabcde",
        HEAD("POST /test") "Content-Length:\r\n\r\n",
        HEAD("POST /test") "Content-Length: 99999999999999999999999\r\n\r\n",
        HEAD("POST /test") "Content-Length : 5\r\n\r\nabcde",
        HEAD("POST /test") "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        HEAD("POST /test") "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        HEAD("POST /test") "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD("POST /test") "Transfer-Encoding: chunked\r\n\r\n1\r\nXab0\r\n\r\n",
        HEAD("POST /test") "Transfer-Encoding: chunked\r\n\r\n-1\r\nX\r\n0\r\n\r\n",
        HEAD("POST /test") "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nX\r\n0\r\n\r\n",
        HEAD("GET /test") "X: folded\r\n line\r\n\r\n",
        HEAD("GET /test") "X: bare\n\r\n\r\n",
        "GET /test HTTP/1.1\nHost: x\r\n\r\n",
        HEAD("GET /test") "Host: y\r\n\r\n",
        "GET /test HTTP/1.1\r\n\r\n",
        HEAD("GET test") "\r\n",
        HEAD("GET /test#fragment") "\r\n",
        HEAD("CONNECT x:1") "\r\n",
        HEAD("BREW /test") "\r\n",
        "\x16\x03\x01",
        HEAD("GET /test") "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        HEAD("GET /nowhere") "Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n\r\n",
        HEAD("GET /test") "Upgrade: websocket\r\n\r\n",
        HEAD("GET /test") "Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        HEAD("GET /test") "Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        HEAD("GET /test") "Upgrade: websocket\r\nUpgrade:\r\nConnection: Upgrade\r\n\r\n",
        HEAD("GET /test") "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: upgraded\r\n\r\n",
        HEAD("POST /test") "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        HEAD("GET /test") "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\nx",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct client client = dial(server);
        say(&client, bad[i]);
        say(&client, HEAD("GET /test?q=smuggled") "\r\n");
        hear_end(&client);
        if (!client.text || strncmp(client.text, "HTTP/1.1 400 ", 13) != 0 || count_of(&client, "HTTP/1.1 ") != 1)
            fail_msg("%s -> %s", bad[i], client.text ? client.text : "nothing");
        assert_int_equal(count_of(&client, "Connection: close"), 1);
        hang_up(&client);
    }
    assert_int_equal(upgrades, 0);
}

/* The head may end in no empty line at all, so nobody waits for one. */
static void test_a_line_that_ends_in_lf_alone_is_refused_at_once(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "GET /test HTTP/1.1\nHost: x\n\n",   "GET /test HTTP/1.1\n",        HEAD("GET /test") "\n",
        "GET /test HTTP/1.1\r\nHost: x\n\n", HEAD("GET /test") "X: bare\n", HEAD("POST /test") "Content-Length: 1\n\na",
        "\nGET /test HTTP/1.1\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(status_of(str_of(bad[i])), 400);
    for (const char *at = bad[3]; *at; at++) { /* also where it is cut */
        struct client client = dial(server);
        say_bytes(&client, (struct str){bad[3], (size_t)(at - bad[3]) + 1});
        say(&client, at + 1);
        hear(&client, "HTTP/1.1 400 ", 1);
        hang_up(&client);
    }
    static const char lf[] = HEAD("POST /test") "Content-Length: 3\r\n\r\na\nb";
    assert_int_equal(status_of(STR(HEAD("GET /test") "\r\n")), 200);
    assert_int_equal(status_of((struct str){lf, sizeof lf - 1}), 200); /* a body is no head */
    static const char nul[] = HEAD("GET /test") "X: a\0b\r\n\r\n", cr[] = HEAD("GET /test") "X: a\rb\r\n\r\n";
    assert_int_equal(status_of((struct str){nul, sizeof nul - 1}), 400);
    assert_int_equal(status_of((struct str){cr, sizeof cr - 1}), 400);
}

/* What a timeout says between two requests is said without the first of them: its bytes are gone. */
static void test_nothing_of_a_request_is_looked_at_once_the_next_one_begins(void **state)
{
    (void)state;
    char *long_head = mem_zalloc(8000), *at = long_head;
    at += sprintf(at, "GET /test HTTP/1.1\r\nHost: x\r\nX-Fill: ");
    memset(at, 'x', 7000);
    sprintf(at + 7000, "\r\nOrigin: http://listed.example\r\n\r\n");
    static const char *const next[] = {"\r", "\r\n\r", "G", "GET /test HTTP/1.1\r\nHo"};
    for (size_t i = 0; i < sizeof next / sizeof next[0]; i++) {
        struct client client = dial(server);
        say(&client, long_head);
        hear(&client, "body=0]", 1);
        assert_int_equal(count_of(&client, "Access-Control-Allow-Origin: http://listed.example"), 1);
        clock_freeze(clock_mono_ms());
        say(&client, next[i]);
        for (int turns = 0; turns < 5; turns++)
            turn(&client);
        clock_freeze(clock_mono_ms() + settings.handshake_timeout_ms + WHEEL_TICK_MS);
        wheel_advance(&wheel);
        hear_end(&client);
        assert_int_equal(count_of(&client, "HTTP/1.1 408 "), 1);
        assert_int_equal(count_of(&client, "Access-Control-Allow-Origin"), 1);
        hang_up(&client);
    }
    free(long_head);
}

static void test_empty_lines_before_a_request_keep_no_connection_open(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, HEAD("GET /test") "\r\n\r\n" HEAD("GET /test") "\r\n");
    hear(&client, "body=0]", 2);
    say(&client, "\r\n");
    for (int turns = 0; turns < 5; turns++)
        turn(&client);
    assert_false(client.over);
    say(&client, "\r\n");
    hear(&client, "HTTP/1.1 400 ", 1);
    hang_up(&client);
}

static void test_a_header_of_several_lines_is_one_value(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, HEAD("GET /test") "X-A: first\r\nX-B: 1\r\nx-a:second \r\nX-A\t: no\r\n\r\n");
    hear(&client, "HTTP/1.1 400 ", 1);
    hang_up(&client);
    client = dial(server);
    say(&client, HEAD("GET /test") "X-A: first\r\nX-B: 1\r\nx-a:second \r\nX-AB: third\r\n\r\n");
    hear(&client, "a=first, second body", 1);
    hang_up(&client);
}

static void test_limits_have_a_status_each(void **state)
{
    (void)state;
    char *big = mem_zalloc(300000);
    int len = snprintf(big, 300000, "GET /test?q=");
    memset(big + len, 'x', 20000);
    assert_int_equal(status_of((struct str){big, 20000}), 414);
    len = snprintf(big, 300000, HEAD("GET /test") "X: ");
    memset(big + len, 'x', 20000);
    assert_int_equal(status_of((struct str){big, 20000}), 431);
    for (int more = 0; more < 2; more++) { /* as nginx has it: 8 KB a line, four of them */
        len = snprintf(big, 300000, HEAD("GET /test") "X: ");
        memset(big + len, 'x', HTTP_LINE_BYTES);
        strcpy(big + len + HTTP_LINE_BYTES - 1 + more, "\r\n\r\n");
        assert_int_equal(status_of(str_of(big)), more ? 431 : 200);
        len = snprintf(big, 300000, HEAD("GET /test"));
        for (int line = 0; line < 4 + more; line++) {
            len += snprintf(big + len, 100, "X-%d: ", line);
            memset(big + len, 'x', HTTP_LINE_BYTES - 100);
            len += snprintf(big + len + HTTP_LINE_BYTES - 100, 3, "\r\n") + HTTP_LINE_BYTES - 100;
        }
        strcpy(big + len, "\r\n");
        assert_int_equal(status_of(str_of(big)), more ? 431 : 200);
        len = snprintf(big, 300000, "GET /test?q=1&x=");
        memset(big + len, 'x', HTTP_URL_BYTES);
        strcpy(big + HTTP_URL_BYTES + 4 + more, " HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_int_equal(status_of(str_of(big)), more ? 414 : 200);
    }
    assert_int_equal(status_of(STR(HEAD("POST /test") "Content-Length: 200001\r\n\r\n")), 413);
    len = snprintf(big, 300000, HEAD("POST /test") "Transfer-Encoding: chunked\r\n\r\n40000\r\n");
    memset(big + len, 'x', 250000);
    assert_int_equal(status_of((struct str){big, 250000}), 413);
    assert_int_equal(status_of(STR(HEAD("GET /nowhere") "\r\n")), 404);
    assert_int_equal(status_of(STR(HEAD("POST /nowhere") "Content-Length: 9\r\n\r\n")), 405);
    assert_int_equal(status_of(STR("GET /test HTTP/2.0\r\nHost: x\r\n\r\n")), 505);
    assert_int_equal(status_of(STR(HEAD("POST /test") "Expect: a miracle\r\n\r\n")), 417);
    free(big);
}

static void test_an_old_client_gets_its_answer_and_the_end(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, "GET /test?q=old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    hear_end(&client);
    assert_int_equal(count_of(&client, "[GET q=old a= body=0]"), 1);
    assert_int_equal(count_of(&client, "Connection: close"), 1);
    hang_up(&client);
}

static void test_what_comes_while_a_call_is_held_waits_until_it_is_answered(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, HEAD("GET /test/hold") "\r\n" HEAD("GET /test?q=next") "\r\n");
    while (!held)
        turn(&client);
    say(&client, HEAD("GET /test?q=last") "\r\n");
    for (int i = 0; i < 5; i++)
        turn(&client);
    assert_int_equal(client.len, 0);
    http_reply_text(held, 200, "at last");
    held = NULL;
    hear(&client, "q=last", 1);
    assert_true(strstr(client.text, "at last") < strstr(client.text, "q=next"));
    hang_up(&client);
}

static void test_who_leaves_a_held_call_is_missed_at_once(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, HEAD("GET /test/hold") "\r\nand more that nobody reads");
    while (!held)
        turn(&client);
    hang_up(&client);
    while (!gone)
        uv_run(&loop, UV_RUN_ONCE);
    assert_null(held);
}

static void test_a_stream_is_a_session_that_ends_with_its_client(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, HEAD("GET /test/stream") "\r\n");
    hear(&client, "data: first\n\n", 1);
    assert_int_equal(sessions.count, 1);
    assert_int_equal(count_of(&client, "Content-Length"), 0);
    hang_up(&client);
    while (!stream_closed)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(sessions.count, 0);
}

static void test_a_stream_that_is_closed_sends_what_it_had_and_ends(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, HEAD("GET /test/stream") "\r\n");
    hear(&client, "data: first\n\n", 1);
    struct session *session = sessions.slots[0] ? sessions.slots[0] : sessions.slots[1];
    for (size_t i = 0; !session && i < sessions.cap; i++)
        session = sessions.slots[i];
    session_send_raw(session, STR("data: last\n\n"));
    session_close(session, 1012, "Restarting");
    hear_end(&client);
    assert_int_equal(count_of(&client, "data: last\n\n"), 1);
    assert_true(stream_closed);
    hang_up(&client);
}

static void test_a_handshake_is_taken_over_with_all_that_was_read(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, HEAD("GET /ws") "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n\x81\x80 frame");
    hear_end(&client);
    assert_int_equal(upgrades, 1);
    assert_int_equal(count_of(&client, "\r\n\r\n\x81\x80 frame"), 1);
    hang_up(&client);
}

static void test_heads_bodies_and_idle_connections_have_their_time(void **state)
{
    (void)state;
    int64_t cut = metric_get(METRIC_HTTP_TIMEOUTS);
    clock_freeze(clock_mono_ms());
    struct client head = dial(server), body = dial(server), mute = dial(server), idle = dial(server);
    say(&head, "GET /te");
    say(&body, HEAD("POST /test") "Content-Length: 10\r\n\r\nabc");
    say(&idle, HEAD("GET /test") "\r\n");
    hear(&idle, "body=0]", 1);
    for (int i = 0; i < 20; i++)
        turn(&head);
    clock_freeze(clock_mono_ms() + settings.handshake_timeout_ms + WHEEL_TICK_MS);
    wheel_advance(&wheel);
    hear_end(&head);
    hear_end(&body);
    hear_end(&mute);
    assert_int_equal(count_of(&head, "HTTP/1.1 408 "), 1);
    assert_int_equal(count_of(&body, "HTTP/1.1 408 "), 1);
    assert_int_equal(mute.len, 0);
    assert_int_equal(metric_get(METRIC_HTTP_TIMEOUTS), cut + 3);
    assert_false(idle.over);
    clock_freeze(clock_mono_ms() + settings.http_idle_ms);
    wheel_advance(&wheel);
    hear_end(&idle);
    assert_int_equal(metric_get(METRIC_HTTP_TIMEOUTS), cut + 3);
    hang_up(&head);
    hang_up(&body);
    hang_up(&mute);
    hang_up(&idle);
}

static void test_a_drained_server_ends_each_connection_after_its_answer(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, HEAD("GET /test") "\r\n");
    hear(&client, "body=0]", 1);
    http_drain(server);
    say(&client, HEAD("GET /test") "\r\n");
    hear_end(&client);
    assert_int_equal(count_of(&client, "body=0]"), 2);
    hang_up(&client);
}

static void test_holders_are_told_when_the_server_stops(void **state)
{
    (void)state;
    struct client client = dial(server);
    say(&client, HEAD("GET /test/hold") "\r\n");
    while (!held)
        turn(&client);
    tear_down(NULL);
    assert_int_equal(gone, 1);
    hang_up(&client);
    set_up(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered_with_its_arguments_and_headers),
        TEST(bodies_come_whole_however_they_are_cut),
        TEST(a_client_that_waits_to_be_asked_for_the_body_is_asked),
        TEST(what_could_smuggle_a_request_is_refused_and_the_connection_ended),
        TEST(a_line_that_ends_in_lf_alone_is_refused_at_once),
        TEST(nothing_of_a_request_is_looked_at_once_the_next_one_begins),
        TEST(empty_lines_before_a_request_keep_no_connection_open),
        TEST(a_header_of_several_lines_is_one_value),
        TEST(limits_have_a_status_each),
        TEST(an_old_client_gets_its_answer_and_the_end),
        TEST(what_comes_while_a_call_is_held_waits_until_it_is_answered),
        TEST(who_leaves_a_held_call_is_missed_at_once),
        TEST(a_stream_is_a_session_that_ends_with_its_client),
        TEST(a_stream_that_is_closed_sends_what_it_had_and_ends),
        TEST(a_handshake_is_taken_over_with_all_that_was_read),
        TEST(heads_bodies_and_idle_connections_have_their_time),
        TEST(a_drained_server_ends_each_connection_after_its_answer),
        TEST(holders_are_told_when_the_server_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
