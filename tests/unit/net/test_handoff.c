/* Two relays in one process, with real sockets between them and a Redis that is a table here: the first is asked for
 * what only the second has. */
#include "handoff_fakes.h"

#include "common/mem.h"

#include <sys/un.h>

enum { FIRST = 1001, SECOND = 1002, BIG = 3 * 1024 * 1024 };

/* ---- the relays ---- */

static struct relay first, second;
static uint64_t wanted;
static int gone;
static bool holding;

static bool claims(struct str path)
{
    return path.len && path.ptr[0] == '/';
}

static size_t max_body(const struct settings *settings)
{
    (void)settings;
    return BIG;
}

static void refuse(struct http_call *call)
{
    http_reply_text(call, 503, "no such relay");
}

static void pass_on(struct http_call *call)
{
    if (str_eq(call->request.path, STR("/new"))) {
        if (!handoff_newcomer(first.handoff, call))
            http_reply_text(call, 200, "[first]");
        return;
    }
    handoff_give(first.handoff, wanted, call, refuse);
}

static void upgrade_passes_on(void *arg, struct http_call *call)
{
    (void)arg;
    pass_on(call);
}

static void on_gone(void *arg, struct http_call *call)
{
    (void)arg;
    (void)call;
    gone++;
    holding = false;
}

static void handle(struct http_call *call)
{
    char text[128];
    if (str_eq(call->request.path, STR("/hold"))) {
        holding = true;
        http_hold(call, on_gone, NULL);
        return;
    }
    if (str_eq(call->request.path, STR("/back"))) {
        handoff_give(second.handoff, FIRST, call, refuse);
        return;
    }
    unsigned sum = 0;
    for (size_t i = 0; i < call->body.len; i++)
        sum = sum * 31 + (unsigned char)call->body.ptr[i];
    int len = snprintf(text, sizeof text, "[second %s %zu %u%s]", call->method, call->body.len, sum,
                       call->handed ? " handed" : "");
    http_reply(call, 200, "text/plain", "", (struct str){text, (size_t)len});
}

static void echo(void *arg, struct http_call *call)
{
    struct str bytes;
    (void)arg;
    int fd = http_detach(call, &bytes);
    assert_int_equal(send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len);
    close(fd);
}

static const struct http_route passing = {"passing", claims, max_body, pass_on, NULL, NULL, false};
static const struct http_route serving = {"serving", claims, max_body, handle, NULL, NULL, false};
static const struct http_route *const passing_routes[] = {&passing, NULL}, *const serving_routes[] = {&serving, NULL};

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/chaguan-handoff.XXXXXX");
    assert_non_null(mkdtemp(dir));
    bus = (struct bus){.up = true};
    uv_loop_init(&loop);
    wheel_init(&wheel);
    start(&first, "first", FIRST, passing_routes, upgrade_passes_on);
    start(&second, "second", SECOND, serving_routes, echo);
    wanted = SECOND;
    gone = 0;
    holding = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    clock_freeze(-1);
    bus.slow = false;
    http_stop(first.server);
    http_stop(second.server);
    handoff_stop(first.handoff);
    handoff_stop(second.handoff);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    finish(&first);
    finish(&second);
    assert_int_equal(rmdir(dir), 0); /* no socket is left behind */
    return 0;
}

/* What Redis says about the second relay, from its `word`th word on. */
static char *word_of_second(int word)
{
    char *at = bus.value[1];
    while (word--)
        at = strchr(at, ' ') + 1;
    return at;
}

/* As if the second relay had no Unix socket: its path becomes "-". */
static void hide_socket(void)
{
    char address[64];
    snprintf(address, sizeof address, "%s", word_of_second(2));
    snprintf(word_of_second(1), 80, "- %s", address);
}

static void say_big(struct client *client, const char *head)
{
    char *body = mem_zalloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        body[i] = (char)(i * 7 + i / 251);
    say(client, head);
    say_bytes(client, (struct str){body, BIG});
    free(body);
}

static void expect_big(char text[64])
{
    unsigned sum = 0;
    for (size_t i = 0; i < BIG; i++)
        sum = sum * 31 + (unsigned char)(char)(i * 7 + i / 251);
    snprintf(text, 64, "[second POST %d %u handed]", BIG, sum);
}

#define HEAD(line) line " HTTP/1.1\r\nHost: x\r\n"

static void test_a_request_goes_over_with_its_socket(void **state)
{
    (void)state;
    int64_t given = metric_get(METRIC_HANDOFFS_GIVEN), taken = metric_get(METRIC_HANDOFFS_TAKEN);
    struct client client = dial(first.server);
    say(&client, HEAD("GET /x") "\r\n");
    hear(&client, "[second GET 0 0 handed]", 1);
    hear(&client, "Connection: close", 1);
    hear_end(&client); /* a balancer would go on taking it for a connection to the first */
    hang_up(&client);
    client = dial(first.server);
    say(&client, HEAD("POST /x") "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n");
    hear(&client, "[second POST 3 96354 handed]", 1);
    hang_up(&client);
    assert_int_equal(metric_get(METRIC_HANDOFFS_GIVEN), given + 2);
    assert_int_equal(metric_get(METRIC_HANDOFFS_TAKEN), taken + 2);
    assert_int_equal(bus.asked, 1); /* the answer is kept */
}

static void test_a_body_past_any_message_goes_over_too(void **state)
{
    (void)state;
    char want[64], head[128];
    int64_t given = metric_get(METRIC_HANDOFFS_GIVEN);
    struct client client = dial(first.server);
    expect_big(want);
    snprintf(head, sizeof head, HEAD("POST /x") "Content-Length: %d\r\n\r\n", BIG);
    say_big(&client, head);
    hear(&client, want, 1);
    assert_int_equal(metric_get(METRIC_HANDOFFS_GIVEN), given + 1);
    hang_up(&client);
}

static void test_a_handshake_goes_over_with_what_came_behind_it(void **state)
{
    (void)state;
    struct client client = dial(first.server);
    say(&client, HEAD("GET /x") "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\nframe");
    hear(&client, "\r\n\r\nframe", 1);
    hang_up(&client);
}

static void test_without_a_socket_it_is_passed_on_over_tcp(void **state)
{
    (void)state;
    char want[64], head[128];
    int64_t spliced = metric_get(METRIC_HANDOFFS_SPLICED);
    hide_socket();
    struct client client = dial(first.server);
    say(&client, HEAD("GET /x") "\r\n");
    hear(&client, "[second GET 0 0 handed]", 1);
    hear_end(&client); /* the next request might be for another relay */
    hang_up(&client);
    client = dial(first.server);
    expect_big(want);
    snprintf(head, sizeof head, HEAD("POST /x") "Content-Length: %d\r\n\r\n", BIG);
    say_big(&client, head);
    hear(&client, want, 1);
    hang_up(&client);
    client = dial(first.server);
    say(&client, HEAD("GET /x") "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\nframe");
    hear(&client, "\r\n\r\nframe", 1);
    hear_end(&client);
    hang_up(&client);
    assert_int_equal(metric_get(METRIC_HANDOFFS_SPLICED), spliced + 3);
}

static void test_a_socket_that_is_gone_leaves_the_way_over_tcp(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/second.sock.handoff", dir);
    assert_int_equal(unlink(path), 0);
    struct client client = dial(first.server);
    say(&client, HEAD("GET /x") "\r\n");
    hear(&client, "[second GET 0 0 handed]", 1);
    hang_up(&client);
}

static void test_the_end_of_the_client_is_the_end_of_what_is_passed_on(void **state)
{
    (void)state;
    hide_socket();
    struct client client = dial(first.server);
    say(&client, HEAD("GET /hold") "\r\n");
    while (!holding)
        turn(&client);
    hang_up(&client);
    while (!gone)
        uv_run(&loop, UV_RUN_ONCE);
}

static void test_who_leaves_a_call_that_was_handed_over_is_missed_there(void **state)
{
    (void)state;
    struct client client = dial(first.server);
    say(&client, HEAD("GET /hold") "\r\n");
    while (!holding)
        turn(&client);
    hang_up(&client);
    while (!gone)
        uv_run(&loop, UV_RUN_ONCE);
}

static void expect_refusal(const char *request)
{
    int64_t failed = metric_get(METRIC_HANDOFFS_FAILED);
    struct client client = dial(first.server);
    say(&client, request);
    hear(&client, "no such relay", 1);
    assert_int_equal(metric_get(METRIC_HANDOFFS_FAILED), failed + 1);
    hang_up(&client);
}

static void test_nobody_knows_the_relay(void **state)
{
    (void)state;
    wanted = 4711;
    expect_refusal(HEAD("GET /x") "\r\n");
    expect_refusal(HEAD("GET /x") "\r\n");
    assert_int_equal(bus.asked, 1); /* that there is none is kept for a while as well */
    wanted = FIRST;
    expect_refusal(HEAD("GET /x") "\r\n"); /* itself */
}

static void test_nothing_is_handed_over_twice(void **state)
{
    (void)state;
    expect_refusal(HEAD("GET /back") "\r\n");
    expect_refusal(HEAD("GET /x") "X-Chaguan-Handed: 1\r\n\r\n");
    hide_socket();
    clock_freeze(clock_mono_ms() + 60000);
    expect_refusal(HEAD("GET /back") "\r\n");
}

static void test_another_machines_loopback_is_not_ours(void **state)
{
    (void)state;
    bus.value[1][0] = bus.value[1][0] == 'f' ? 'e' : 'f';
    expect_refusal(HEAD("GET /x") "\r\n");
}

static void test_a_relay_that_ended_or_does_not_answer_is_refused(void **state)
{
    (void)state;
    hide_socket();
    char *port = strchr(word_of_second(2), ':') + 1;
    snprintf(port, 8, "1");
    expect_refusal(HEAD("GET /x") "\r\n");
}

static void test_while_redis_is_down_what_is_known_goes_on(void **state)
{
    (void)state;
    struct client client = dial(first.server);
    say(&client, HEAD("GET /x") "\r\n");
    hear(&client, "[second GET 0 0 handed]", 1);
    hang_up(&client);
    bus.up = false;
    handoff_bus_state(first.handoff, false);
    clock_freeze(clock_mono_ms() + 60000);
    client = dial(first.server);
    say(&client, HEAD("GET /x") "\r\n");
    hear(&client, "[second GET 0 0 handed]", 1);
    hang_up(&client);
    wanted = 4711;
    expect_refusal(HEAD("GET /x") "\r\n");
}

static void test_those_who_wait_for_redis_may_leave_or_stay(void **state)
{
    (void)state;
    bus.slow = true;
    struct client leaves = dial(first.server), stays = dial(first.server);
    say(&leaves, HEAD("GET /x") "\r\n");
    say(&stays, HEAD("GET /x") "\r\n");
    int64_t aborted = metric_get(METRIC_HTTP_ABORTED);
    while (!bus.asked)
        turn(&leaves);
    for (int i = 0; i < 20; i++)
        turn(&stays);
    hang_up(&leaves);
    while (metric_get(METRIC_HTTP_ABORTED) == aborted)
        turn(&stays);
    assert_int_equal(bus.asked, 1);
    bus.slow = false;
    answer(bus.key[1], bus.fn, bus.arg);
    hear(&stays, "[second GET 0 0 handed]", 1);
    hang_up(&stays);
}

static void test_malformed_messages_reach_nobody(void **state)
{
    (void)state;
    int64_t failed = metric_get(METRIC_HANDOFFS_FAILED), taken = metric_get(METRIC_HANDOFFS_TAKEN);
    struct client none = dial(second.server);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/second.sock.handoff", dir);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    char *long_one = mem_zalloc(100000);
    send(fd, "x", 1, MSG_NOSIGNAL);
    send(fd, long_one, 24, MSG_NOSIGNAL);
    send(fd, long_one, 100000, MSG_NOSIGNAL);
    while (metric_get(METRIC_HANDOFFS_FAILED) < failed + 3)
        turn(&none);
    assert_int_equal(metric_get(METRIC_HANDOFFS_TAKEN), taken);
    free(long_one);
    close(fd);
    hang_up(&none);
}

/* ---- newcomers go to the relay with the fewest clients ---- */

static size_t clients_of_first;

static size_t count_clients(void)
{
    return clients_of_first;
}

static struct client dial_socket(const struct relay *relay)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", relay->settings.listen_socket);
    struct client client = {.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

/* What the second says of itself; `machine` is as the first says it of its own. */
static void second_has(uint64_t clients, uint64_t machine)
{
    struct buf out;
    buf_init(&out, 64);
    wire_add_mark(&out, &(struct wire_mark){machine, clients});
    handoff_heard(first.handoff, SECOND, buf_str(&out));
    buf_fini(&out);
}

/* Waits until the first has said how many clients it has, and reads that. */
static struct wire_mark first_says(void)
{
    struct wire_header header;
    struct wire_mark mark;
    for (int before = published.count; published.count == before;) {
        uv_run(&loop, UV_RUN_NOWAIT);
        wheel_advance(&wheel);
    }
    struct str at = {published.bytes, published.len};
    assert_int_equal(wire_get_header(&at, &header), ERR_OK);
    assert_int_equal(header.kind, WIRE_LOAD);
    assert_true(header.sender == FIRST);
    assert_int_equal(wire_get_mark(at, &mark), ERR_OK);
    return mark;
}

static void newcomer(struct client client, const char *answer)
{
    say(&client, HEAD("GET /new") "X-Forwarded-For: 203.0.113.7\r\n\r\n");
    hear(&client, answer, 1);
    hang_up(&client);
}

static void test_a_newcomer_goes_to_the_relay_that_has_clearly_fewer(void **state)
{
    (void)state;
    clients_of_first = 100;
    newcomer(dial_socket(&first), "[first]"); /* nobody counts yet */
    handoff_spread(first.handoff, count_clients);
    struct wire_mark mark = first_says();
    assert_true(mark.seq == 100);
    newcomer(dial_socket(&first), "[first]"); /* and it has heard of nobody */
    second_has(95, mark.conversation);
    newcomer(dial_socket(&first), "[first]"); /* about the same */
    second_has(10, mark.conversation + 1);
    newcomer(dial_socket(&first), "[first]"); /* as before: that was another machine's */
    int64_t evened = metric_get(METRIC_HANDOFFS_EVENED);
    second_has(90, mark.conversation);
    for (int i = 0; i < 3; i++)
        newcomer(dial_socket(&first), "[second GET 0 0 handed]");
    assert_int_equal(metric_get(METRIC_HANDOFFS_EVENED), evened + 3);
    newcomer(dial_socket(&first), "[first]"); /* it has 93 by now */
    second_has(50, mark.conversation);
    newcomer(dial(first.server), "[first]"); /* who asked for this relay gets it */
    newcomer(dial_socket(&first), "[second GET 0 0 handed]");
    second_has(UINT64_MAX, mark.conversation);
    newcomer(dial_socket(&first), "[first]"); /* it takes nobody */
    second_has(50, mark.conversation);
    clock_freeze(clock_mono_ms() + 60000);
    newcomer(dial_socket(&first), "[first]"); /* it has been silent for a minute */
    handoff_heard(first.handoff, SECOND, STR("no number"));
}

static void test_a_relay_that_takes_newcomers_from_three_counts_for_all(void **state)
{
    (void)state;
    clients_of_first = 100;
    handoff_spread(first.handoff, count_clients);
    struct wire_mark mark = first_says();
    for (uint64_t other = 1; other <= 2; other++) {
        struct buf out;
        buf_init(&out, 64);
        wire_add_mark(&out, &(struct wire_mark){mark.conversation, 100});
        handoff_heard(first.handoff, SECOND + other, buf_str(&out));
        buf_fini(&out);
    }
    second_has(80, mark.conversation);
    int given = 0;
    for (int i = 0; i < 20; i++) {
        int64_t evened = metric_get(METRIC_HANDOFFS_EVENED);
        newcomer(dial_socket(&first), "]");
        given += metric_get(METRIC_HANDOFFS_EVENED) > evened;
    }
    assert_int_equal(given, 5); /* with what the two others give it, it has about as many as we */
    clients_of_first = 101;
    assert_true(first_says().seq == 101);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_request_goes_over_with_its_socket),
        TEST(a_body_past_any_message_goes_over_too),
        TEST(a_handshake_goes_over_with_what_came_behind_it),
        TEST(without_a_socket_it_is_passed_on_over_tcp),
        TEST(a_socket_that_is_gone_leaves_the_way_over_tcp),
        TEST(the_end_of_the_client_is_the_end_of_what_is_passed_on),
        TEST(who_leaves_a_call_that_was_handed_over_is_missed_there),
        TEST(nobody_knows_the_relay),
        TEST(nothing_is_handed_over_twice),
        TEST(a_newcomer_goes_to_the_relay_that_has_clearly_fewer),
        TEST(a_relay_that_takes_newcomers_from_three_counts_for_all),
        TEST(another_machines_loopback_is_not_ours),
        TEST(a_relay_that_ended_or_does_not_answer_is_refused),
        TEST(while_redis_is_down_what_is_known_goes_on),
        TEST(those_who_wait_for_redis_may_leave_or_stay),
        TEST(malformed_messages_reach_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
