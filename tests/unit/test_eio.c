/* Engine.IO connections under a frozen clock: what requests and frames are answered, when a connection is over, and
 * what its layer hears of it. HTTP calls, the WebSocket's session and the way to other relays are fakes. */
#include "check.h"

#include "common/clock.h"
#include "common/metrics.h"
#include "relay/eio_parts.h"
#include "relay/door.h"
#include "relay/handoff.h"
#include "relay/wsframe.h"

enum { START_MS = 1000000, INTERVAL_MS = 300, TIMEOUT_MS = 200, CALLS_MAX = 4096, FRAMES_MAX = 32, HERE = 77 };
#define NEW "EIO=4&transport=polling"

static const unsigned char secret[SID_SECRET_BYTES] = "0123456789abcdef0123456789abcde";
static struct settings settings;
static struct wheel wheel;
static struct sessions sessions;
static int64_t now_ms;

/* ---- fakes: calls ---- */

struct answer {
    struct http_call call;
    const char *query, *content_type;
    bool held, answered, elsewhere;
    unsigned status;
    char type[64], body[8192];
    size_t len;
};
static struct answer answers[CALLS_MAX];
static size_t answer_count;
static uint64_t given_to;

static unsigned unwelcome; /* what newcomers are refused with; 0: nothing */

unsigned door_may_connect(struct str peer, int64_t *retry_after_ms)
{
    (void)peer;
    *retry_after_ms = 1500;
    return unwelcome;
}

static struct answer *answer_of(struct http_call *call)
{
    return (struct answer *)(void *)((char *)call - offsetof(struct answer, call));
}

void http_reply(struct http_call *call, unsigned status, const char *type, const char *headers, struct str body)
{
    struct answer *answer = answer_of(call);
    (void)headers;
    assert_false(answer->answered);
    assert_true(body.len < sizeof answer->body);
    answer->answered = true;
    answer->status = status;
    snprintf(answer->type, sizeof answer->type, "%s", type);
    answer->len = body.len;
    if (body.len)
        memcpy(answer->body, body.ptr, body.len);
}

void http_reply_text(struct http_call *call, unsigned status, const char *text)
{
    http_reply(call, status, "text/plain", "", str_of(text));
}

void http_hold(struct http_call *call, void (*gone)(void *arg, struct http_call *call), void *arg)
{
    assert_false(answer_of(call)->answered);
    answer_of(call)->held = true;
    call->gone = gone;
    call->arg = arg;
}

void handoff_give(struct handoff *handoff, uint64_t incarnation, struct http_call *call,
                  void (*refuse)(struct http_call *call))
{
    (void)handoff;
    given_to = incarnation;
    answer_of(call)->elsewhere = true;
    refuse(call);
}

static struct str in_query(const char *query, const char *name, char *out, size_t size)
{
    size_t len = strlen(name);
    for (const char *at = query; at && *at; at = strchr(at, '&') ? strchr(at, '&') + 1 : NULL)
        if (!strncmp(at, name, len) && at[len] == '=') {
            size_t count = strcspn(at + len + 1, "&");
            if (count >= size)
                break;
            memcpy(out, at + len + 1, count);
            return (struct str){out, count};
        }
    return (struct str){out, 0};
}

static struct str argument(const struct request *request, const char *name, char *out, size_t size)
{
    return in_query(((struct answer *)request->source)->query, name, out, size);
}

static struct str header(const struct request *request, const char *name, char *out, size_t size)
{
    const char *type = ((struct answer *)request->source)->content_type;
    assert_string_equal(name, "content-type");
    snprintf(out, size, "%s", type ? type : "");
    return str_of(out);
}

static struct answer *make_call(const char *method, const char *query, struct str body)
{
    assert_true(answer_count < CALLS_MAX);
    struct answer *answer = &answers[answer_count++];
    *answer = (struct answer){.query = query};
    answer->call.method = method;
    answer->call.body = body;
    answer->call.request =
        (struct request){.path = STR("/test.io/"), .argument = argument, .header = header, .source = answer};
    return answer;
}

static struct answer *ask(const char *method, const char *query, struct str body)
{
    struct answer *answer = make_call(method, query, body);
    eio_route.handle(&answer->call);
    return answer;
}

static struct answer *get(const char *query)
{
    return ask("GET", query, STR(""));
}

static void leave(struct answer *answer)
{
    assert_true(answer->held && !answer->answered);
    answer->answered = true;
    answer->call.gone(answer->call.arg, &answer->call);
}

static void check_answer(const struct answer *answer, unsigned status, struct str body, const char *file, int line)
{
    _assert_true(answer->answered, "answered", file, line);
    _assert_int_equal(answer->status, status, file, line);
    check_bytes((struct str){answer->body, answer->len}, body, file, line);
}

#define assert_answer(answer, status, body) check_answer(answer, status, BYTES(body), __FILE__, __LINE__)
#define UNKNOWN "{\"code\":1,\"message\":\"Session ID unknown\"}"
#define BAD     "{\"code\":3,\"message\":\"Bad request\"}"

/* ---- fakes: WebSockets ---- */

struct fake_socket {
    struct session session;
    _Alignas(max_align_t) char state[256];
    char frames[FRAMES_MAX][256]; /* a 'b' before binary ones */
    size_t frame_count, read;
    unsigned code; /* closed with; 0: open */
    struct answer request;
};

void session_queue(struct session *session, int opcode, struct str head, struct str tail)
{
    struct fake_socket *socket = (struct fake_socket *)(void *)session;
    if (session->closing)
        return;
    assert_true(socket->frame_count < FRAMES_MAX);
    snprintf(socket->frames[socket->frame_count++], 256, "%s%.*s%.*s", opcode == WSFRAME_BINARY ? "b" : "",
             (int)head.len, head.ptr, (int)tail.len, tail.ptr);
    session->outbox.len = 1; /* something waits for the end of the turn */
}

void session_close(struct session *session, unsigned code, const char *reason)
{
    struct fake_socket *socket = (struct fake_socket *)(void *)session;
    (void)reason;
    if (!session->closing)
        socket->code = code;
    session->closing = true;
}

static struct fake_socket *connect_socket(const char *query)
{
    struct fake_socket *socket = calloc(1, sizeof *socket);
    assert_non_null(socket);
    assert_true(eio_protocol.state_size <= sizeof socket->state);
    socket->session.state = socket->state;
    socket->session.protocol = &eio_protocol;
    socket->request.query = query;
    struct request request = {
        .path = STR("/test.io/"), .argument = argument, .header = header, .source = &socket->request};
    assert_false(eio_upgrade(&make_call("GET", query, STR(""))->call));
    eio_protocol.open(&socket->session, &request);
    return socket;
}

/* The loop is about to sleep: what was queued goes out. */
static void turn(struct fake_socket *socket)
{
    eio_flush();
    if (socket && socket->session.outbox.len) {
        socket->session.outbox.len = 0;
        if (!socket->session.closing)
            eio_protocol.drained(&socket->session);
    }
}

static void say(struct fake_socket *socket, const char *text)
{
    if (!socket->session.closing)
        eio_protocol.received(&socket->session, str_of(text));
    turn(socket);
}

static void hang_up(struct fake_socket *socket)
{
    socket->session.closing = true;
    eio_protocol.closed(&socket->session);
    free(socket);
}

static const char *heard(struct fake_socket *socket)
{
    return socket->read < socket->frame_count ? socket->frames[socket->read++] : "";
}

/* ---- a layer that echoes, and notes what it hears ---- */

static struct {
    int opened, closed;
    char reason[32], log[512];
    struct eio *last;
    bool in_call;
    void (*on_message)(struct eio *conn);
} layer;

struct layer_state {
    int messages;
};

static void opened(struct eio *conn)
{
    assert_int_equal(((struct layer_state *)eio_state(conn))->messages, 0);
    layer.opened++;
    layer.last = conn;
}

static void received(struct eio *conn, bool binary, struct str data)
{
    layer.in_call = true;
    ((struct layer_state *)eio_state(conn))->messages++;
    snprintf(layer.log + strlen(layer.log), sizeof layer.log - strlen(layer.log), "%s%.*s|", binary ? "b:" : "",
             (int)data.len, data.ptr);
    if (layer.on_message)
        layer.on_message(conn);
    else
        eio_send(conn, binary, data);
    layer.in_call = false;
}

static void closed(struct eio *conn, const char *reason)
{
    assert_false(layer.in_call);
    assert_null(eio_find(eio_id(conn)));
    eio_send(conn, false, STR("too late"));
    layer.closed++;
    snprintf(layer.reason, sizeof layer.reason, "%s", reason);
}

static const struct eio_layer test_layer = {"/test.io/", sizeof(struct layer_state), opened, received, NULL, closed};
static const struct eio_layer *const layers[] = {&test_layer, NULL};

static void pass(int64_t ms)
{
    for (int64_t until = now_ms + ms; now_ms < until;) {
        now_ms += until - now_ms < 10 ? until - now_ms : 10;
        clock_freeze(now_ms);
        wheel_advance(&wheel);
        eio_flush();
    }
}

static int begin(void **state)
{
    (void)state;
    memset(&settings, 0, sizeof settings);
    memset(&layer, 0, sizeof layer);
    settings.max_connections = 100;
    settings.outbox_bytes = 4096;
    settings.close_timeout_ms = 2000;
    settings.io_ping_interval_ms = INTERVAL_MS;
    settings.io_ping_timeout_ms = TIMEOUT_MS;
    settings.io_max_payload_bytes = 1000;
    clock_freeze(now_ms = START_MS);
    wheel_init(&wheel);
    sessions = (struct sessions){.settings = &settings, .wheel = &wheel};
    answer_count = 0;
    given_to = 0;
    unwelcome = 0;
    eio_init(&settings, &wheel, &sessions, NULL, layers, HERE, secret);
    return 0;
}

static int end(void **state)
{
    (void)state;
    while (eio_drain(100))
        pass(WHEEL_TICK_MS);
    assert_int_equal(layer.closed, layer.opened);
    eio_fini();
    return 0;
}

/* Opens one by polling; `query` gets what its requests say. */
static void open_polling(char query[128])
{
    struct answer *answer = get(NEW);
    assert_int_equal(answer->status, 200);
    assert_memory_equal(answer->body, "0{\"sid\":\"", 9);
    snprintf(query, 128, NEW "&sid=%.*s", SID_LEN, answer->body + 9);
}

static void to_websocket(const char query[128], char out[160])
{
    snprintf(out, 160, "EIO=4&transport=websocket%s", strstr(query, "&sid="));
}

/* ---- handshake ---- */

static void a_newcomer_who_may_not_connect_is_told_so(void **state)
{
    (void)state;
    unwelcome = 403;
    struct answer *answer = get(NEW);
    assert_int_equal(answer->status, 403);
    assert_string_equal(answer->body, "{\"code\":4,\"message\":\"Forbidden\"}");
    unwelcome = 429;
    assert_int_equal(get(NEW)->status, 429);
    assert_int_equal(eio_count(), 0);
}

static void who_is_put_out_hears_the_last_word_and_then_the_end(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    struct eio *conn = layer.last;
    eio_send(conn, false, STR("bye"));
    eio_expel(conn, true);
    assert_string_equal(waiting->body, "4bye");
    assert_string_equal(get(query)->body, "1");
}

static void a_handshake_says_what_holds_here(void **state)
{
    (void)state;
    struct answer *answer = get(NEW);
    char expected[256];
    assert_string_equal(answer->type, "text/plain; charset=UTF-8");
    snprintf(expected, sizeof expected,
             "0{\"sid\":\"%s\",\"upgrades\":[\"websocket\"],\"pingInterval\":300,\"pingTimeout\":200,"
             "\"maxPayload\":1000}",
             layer.last->sid);
    assert_str(((struct str){answer->body, answer->len}), str_of(expected));
    assert_int_equal(layer.opened, 1);
    assert_true(eio_id(layer.last) >> 63);
    assert_ptr_equal(eio_find(eio_id(layer.last)), layer.last);
}

static void a_handshake_that_breaks_a_rule_gets_the_protocols_error(void **state)
{
    (void)state;
    static const struct {
        const char *method, *query, *body;
    } rows[] = {
        {"GET", "EIO=4", "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", "EIO=4&transport=abc", "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", "EIO=4&transport=__proto__", "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", "EIO=4&transport=webtransport", "{\"code\":0,\"message\":\"Transport unknown\"}"},
        {"GET", "transport=polling&sid=abc", UNKNOWN},
        {"GET", NEW "&sid=__proto__", UNKNOWN},
        {"POST", NEW "&sid=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", UNKNOWN},
        {"POST", NEW, "{\"code\":2,\"message\":\"Bad handshake method\"}"},
        {"PUT", NEW, "{\"code\":2,\"message\":\"Bad handshake method\"}"},
        {"GET", "EIO=4&transport=websocket", BAD},
        {"GET", "transport=polling", "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
        {"GET", "EIO=3&transport=polling", "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
        {"GET", "EIO=abc&transport=polling", "{\"code\":5,\"message\":\"Unsupported protocol version\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer *answer = ask(rows[i].method, rows[i].query, STR(""));
        assert_int_equal(answer->status, 400);
        assert_string_equal(answer->type, "application/json");
        assert_str(((struct str){answer->body, answer->len}), str_of(rows[i].body));
    }
    assert_int_equal(layer.opened, 0);
}

static void a_websocket_handshake_is_checked_before_it_is_taken(void **state)
{
    (void)state;
    static const char *const bad[] = {"EIO=4", "transport=websocket", "EIO=3&transport=websocket", NEW,
                                      "EIO=4&transport=websocket&sid=abc"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct answer *answer = make_call("GET", bad[i], STR(""));
        assert_true(eio_upgrade(&answer->call));
        assert_int_equal(answer->status, 400);
    }
    assert_false(eio_upgrade(&make_call("GET", "EIO=4&transport=websocket", STR(""))->call));
}

static void the_path_may_lack_its_last_slash(void **state)
{
    (void)state;
    assert_true(eio_route.claims(STR("/test.io/")));
    assert_true(eio_protocol.claims(STR("/test.io")));
    assert_false(eio_route.claims(STR("/test.io/x")));
    assert_false(eio_route.claims(STR("/test.i")));
    assert_false(eio_route.claims(STR("")));
}

static void another_relays_connection_is_handed_over(void **state)
{
    (void)state;
    char sid[SID_MAX], query[128];
    sid_make(secret, 4711, (uint64_t)1 << 63 | 5, sid);
    snprintf(query, sizeof query, NEW "&sid=%s", sid);
    struct answer *answer = get(query);
    assert_true(answer->elsewhere);
    assert_int_equal(given_to, 4711);
    assert_answer(answer, 400, UNKNOWN); /* what is said if that relay is gone */
    given_to = 0;
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    assert_true(eio_upgrade(&make_call("GET", query, STR(""))->call));
    assert_int_equal(given_to, 4711);
}

static void no_more_than_max_connections_of_either_kind_are_taken(void **state)
{
    (void)state;
    char query[128];
    sessions.count = 98;
    open_polling(query);
    open_polling(query);
    assert_int_equal(get(NEW)->status, 503);
    struct answer *upgrade = make_call("GET", "EIO=4&transport=websocket", STR(""));
    assert_true(eio_upgrade(&upgrade->call));
    assert_int_equal(upgrade->status, 503);
    assert_int_equal(ask("POST", query, STR("4a"))->status, 200); /* those inside go on */
}

/* ---- messages over polling ---- */

static void a_payload_comes_back_as_one_payload(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *answer = ask("POST", query, BYTES("4test1\x1e" "bAQIDBA==\x1e" "4test3"));
    assert_answer(answer, 200, "ok");
    assert_string_equal(answer->type, "text/html");
    assert_answer(get(query), 200, "4test1\x1e" "bAQIDBA==\x1e" "4test3");
}

static void a_waiting_poll_gets_all_of_a_turn_at_once(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    assert_true(waiting->held);
    ask("POST", query, BYTES("4a\x1e" "4b"));
    eio_send2(layer.last, STR("c"), STR("d"));
    assert_false(waiting->answered);
    eio_flush();
    assert_answer(waiting, 200, "4a\x1e" "4b\x1e" "4cd");
    assert_true(get(query)->held);
}

static void what_is_no_packet_ends_the_connection(void **state)
{
    (void)state;
    char *separators = repeat("\x1e", 2000);
    const struct str bad[] = {STR("abc"),         STR(""),           STR("4a\x1e"),
                              STR("bAQ"),         STR("4\xed\xa0\x80"), STR("4\xc0\x80"),
                              str_of(separators), STR("4a\x1e" "bAQIDB\x1e" "4b")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char query[128];
        open_polling(query);
        assert_answer(ask("POST", query, bad[i]), 400, BAD);
        assert_answer(get(query), 400, UNKNOWN);
        pass(2 * WHEEL_TICK_MS);
        assert_string_equal(layer.reason, "parse error");
        assert_int_equal(layer.closed, (int)i + 1);
    }
    assert_string_equal(layer.log, "a|a|"); /* up to the broken one */
    free(separators);
}

static void a_broken_post_tells_the_waiting_poll(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    ask("POST", query, STR("abc"));
    assert_answer(waiting, 200, "1");
}

static void a_binary_body_is_refused(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *answer = make_call("POST", query, STR("4a"));
    answer->content_type = "application/octet-stream";
    eio_route.handle(&answer->call);
    assert_answer(answer, 400, BAD);
    assert_answer(get(query), 400, UNKNOWN);
}

static void a_poll_during_a_poll_ends_the_connection(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *first = get(query), *second = get(query);
    assert_answer(first, 200, "1");
    assert_answer(second, 400, BAD);
    assert_answer(get(query), 400, UNKNOWN);
    assert_int_equal(layer.closed, 0); /* not before a later turn */
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(layer.closed, 1);
    assert_string_equal(layer.reason, "transport error");
    assert_int_equal(eio_count(), 0);
}

static void a_client_that_leaves_its_poll_is_gone(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    leave(get(query));
    assert_answer(get(query), 400, UNKNOWN);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "transport close");
}

static void other_methods_do_nothing_to_a_connection(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    assert_answer(ask("PUT", query, STR("")), 400, BAD);
    assert_true(get(query)->held);
}

static void a_ping_from_the_client_is_the_wrong_way_round(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    assert_answer(ask("POST", query, STR("2")), 400, BAD);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "transport error");
}

static void packets_without_meaning_are_ignored(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    assert_answer(ask("POST", query, BYTES("0\x1e" "5\x1e" "6\x1e" "4a")), 200, "ok");
    assert_answer(get(query), 200, "4a");
}

static void one_that_fetches_nothing_is_closed_as_too_slow(void **state)
{
    (void)state;
    char query[128];
    int64_t before = metric_get(METRIC_CLOSED_SLOW);
    open_polling(query);
    char *text = repeat("x", 2000);
    eio_send(layer.last, false, str_of(text));
    eio_send(layer.last, false, str_of(text));
    assert_int_equal(metric_get(METRIC_CLOSED_SLOW), before);
    eio_send(layer.last, false, str_of(text));
    assert_int_equal(metric_get(METRIC_CLOSED_SLOW), before + 1);
    assert_answer(get(query), 400, UNKNOWN);
    free(text);
}

static void a_waiting_poll_makes_room_for_more(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    char *text = repeat("x", 3000);
    eio_send(layer.last, false, str_of(text));
    eio_send(layer.last, false, str_of(text));
    assert_int_equal(waiting->len, 3001);
    assert_int_equal(get(query)->len, 3001);
    free(text);
}

/* ---- heartbeat ---- */

static void a_client_that_pongs_stays(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    for (int i = 0; i < 5; i++) {
        struct answer *waiting = get(query);
        pass(INTERVAL_MS + WHEEL_TICK_MS);
        assert_answer(waiting, 200, "2");
        assert_answer(ask("POST", query, STR("3")), 200, "ok");
    }
    assert_int_equal(layer.closed, 0);
}

static void a_client_that_does_not_poll_is_gone_to_the_millisecond(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    pass(INTERVAL_MS + TIMEOUT_MS - 1);
    assert_answer(get(query), 200, "2");
    assert_answer(ask("POST", query, STR("3")), 200, "ok");
    pass(INTERVAL_MS + TIMEOUT_MS);
    assert_answer(get(query), 400, UNKNOWN);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "ping timeout");
}

static void a_client_that_polls_and_does_not_pong_is_closed(void **state)
{
    (void)state;
    char query[128];
    pass(10); /* off the wheel's ticks, so that the ping is late */
    open_polling(query);
    struct answer *waiting = get(query);
    pass(INTERVAL_MS);
    assert_false(waiting->answered);
    pass(WHEEL_TICK_MS - 10);
    assert_answer(waiting, 200, "2");
    waiting = get(query);
    pass(TIMEOUT_MS - 10);
    assert_false(waiting->answered); /* its time runs from when it got the ping */
    pass(WHEEL_TICK_MS);
    assert_answer(waiting, 200, "1");
}

/* ---- close ---- */

static void a_client_that_closes_gets_its_poll_back(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    assert_answer(ask("POST", query, BYTES("4a\x1e" "1\x1e" "4b")), 200, "ok");
    assert_answer(waiting, 200, "4a\x1e" "6");
    assert_answer(get(query), 400, UNKNOWN);
    assert_answer(ask("POST", query, STR("4c")), 400, UNKNOWN);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.log, "a|");
    assert_string_equal(layer.reason, "transport close");
    assert_int_equal(eio_count(), 0);
}

static void a_poll_that_was_overtaken_by_the_close_is_let_go_too(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    assert_answer(ask("POST", query, STR("1")), 200, "ok");
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(layer.closed, 1);
    assert_answer(ask("POST", query, STR("3")), 400, UNKNOWN);
    assert_answer(get(query), 200, "6");
    assert_answer(get(query), 400, UNKNOWN);
    open_polling(query);
    ask("POST", query, STR("1"));
    pass(EIO_FAREWELL_MS + WHEEL_TICK_MS);
    assert_answer(get(query), 400, UNKNOWN);
    assert_int_equal(eio_count(), 0);
}

static void close_it(struct eio *conn)
{
    eio_send(conn, false, STR("bye"));
    eio_close(conn, "forced close");
    eio_send(conn, false, STR("more"));
    assert_int_equal(layer.closed, 0);
}

static void what_was_sent_goes_out_before_a_close(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    struct answer *waiting = get(query);
    layer.on_message = close_it;
    assert_answer(ask("POST", query, BYTES("4a\x1e" "4b")), 200, "ok");
    assert_answer(waiting, 200, "4bye\x1e" "1");
    assert_string_equal(layer.log, "a|");
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "forced close");
    assert_answer(get(query), 400, UNKNOWN);
}

static void the_next_poll_gets_what_a_close_left(void **state)
{
    (void)state;
    char query[128];
    open_polling(query);
    layer.on_message = close_it;
    ask("POST", query, STR("4a"));
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(layer.closed, 1); /* heard long before the client polls */
    assert_answer(ask("POST", query, STR("3")), 200, "ok"); /* it does not know yet */
    assert_answer(get(query), 200, "4bye\x1e" "1");
    assert_answer(get(query), 400, UNKNOWN);
    assert_int_equal(eio_count(), 0);
}

static void draining_closes_by_quota_and_lets_nobody_in(void **state)
{
    (void)state;
    char query[3][128];
    struct answer *waiting[3];
    for (int i = 0; i < 3; i++) {
        open_polling(query[i]);
        waiting[i] = get(query[i]);
    }
    assert_int_equal(eio_drain(2), 3);
    assert_int_equal(waiting[0]->answered + waiting[1]->answered + waiting[2]->answered, 2);
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(eio_count(), 1);
    assert_int_equal(get(NEW)->status, 503);
    eio_drain(2);
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(eio_drain(2), 0);
}

/* The client counts what stands before a "1" as not received when it comes back. */
static void draining_says_nothing_behind_what_was_sent(void **state)
{
    (void)state;
    char busy[128], idle[128], waits[128];
    open_polling(busy);
    eio_send(layer.last, false, STR("last words"));
    open_polling(waits);
    struct answer *waiting = get(waits);
    eio_send(layer.last, false, STR("for now"));
    open_polling(idle);
    eio_drain(3);
    assert_answer(waiting, 200, "4for now");
    pass(2 * WHEEL_TICK_MS);
    assert_answer(get(busy), 200, "4last words");
    assert_answer(get(idle), 200, "1");
    assert_answer(get(busy), 400, UNKNOWN);
    assert_answer(get(waits), 400, UNKNOWN);
    assert_int_equal(eio_count(), 0);
}

/* ---- WebSocket ---- */

static void a_websocket_is_a_connection_by_itself(void **state)
{
    (void)state;
    struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
    const char *open = heard(socket);
    assert_memory_equal(open, "0{\"sid\":\"", 9);
    assert_non_null(strstr(open, "\"upgrades\":[],"));
    say(socket, "4hello");
    assert_string_equal(heard(socket), "4hello");
    eio_protocol.received_binary(&socket->session, STR("\1\2"));
    assert_string_equal(heard(socket), "b\1\2");
    eio_send2(layer.last, STR("one"), STR(" and two"));
    assert_string_equal(heard(socket), "4one and two");
    assert_int_equal(eio_protocol.max_message(&settings), 1000);
    hang_up(socket);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "transport close");
    assert_int_equal(eio_count(), 0);
}

static void a_websocket_is_pinged_and_closed_when_it_does_not_pong(void **state)
{
    (void)state;
    struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
    heard(socket);
    for (int i = 0; i < 3; i++) {
        pass(INTERVAL_MS + WHEEL_TICK_MS);
        assert_string_equal(heard(socket), "2");
        say(socket, "3");
    }
    pass(INTERVAL_MS + TIMEOUT_MS + 2 * WHEEL_TICK_MS);
    assert_int_equal(socket->code, 1000);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "ping timeout");
    hang_up(socket);
}

static void a_frame_that_is_no_packet_closes_the_websocket(void **state)
{
    (void)state;
    static const char *const bad[] = {"abc", "", "bAQ==", "2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
        say(socket, bad[i]);
        assert_int_equal(socket->code, 1002);
        hang_up(socket);
    }
    struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
    say(socket, "1");
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
}

static void a_websocket_is_closed_after_what_was_sent(void **state)
{
    (void)state;
    struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
    turn(socket);
    heard(socket);
    layer.on_message = close_it;
    eio_protocol.received(&socket->session, STR("4a"));
    assert_int_equal(socket->code, 0); /* not before it is out */
    turn(socket);
    assert_string_equal(heard(socket), "4bye");
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
    pass(2 * WHEEL_TICK_MS);
    assert_string_equal(layer.reason, "forced close");
    assert_int_equal(eio_count(), 0);
}

static void a_websocket_that_does_not_read_is_closed_all_the_same(void **state)
{
    (void)state;
    struct fake_socket *socket = connect_socket("EIO=4&transport=websocket");
    eio_close(layer.last, "forced close");
    assert_int_equal(socket->code, 0);
    pass(settings.close_timeout_ms + WHEEL_TICK_MS);
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
}

/* ---- upgrade ---- */

static void polling_becomes_a_websocket(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    struct answer *waiting = get(query);
    struct fake_socket *socket = connect_socket(upgrade);
    assert_false(waiting->answered);
    say(socket, "2probe");
    assert_string_equal(heard(socket), "3probe");
    assert_answer(waiting, 200, "6");
    waiting = get(query); /* until the change is made none waits for long */
    assert_true(waiting->held);
    pass(EIO_NOOP_MS + WHEEL_TICK_MS);
    assert_answer(waiting, 200, "6");
    ask("POST", query, BYTES("4one\x1e" "bAQI="));
    say(socket, "5");
    assert_string_equal(heard(socket), "4one"); /* what no poll fetched */
    assert_string_equal(heard(socket), "b\1\2");
    say(socket, "4two");
    assert_string_equal(heard(socket), "4two");
    assert_answer(get(query), 400, BAD);
    assert_answer(ask("POST", query, STR("4x")), 400, BAD);
    assert_int_equal(layer.opened, 1);
    assert_int_equal(layer.closed, 0);
    hang_up(socket);
}

static void a_poll_that_overtook_the_upgrade_is_refused(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    struct fake_socket *socket = connect_socket(upgrade);
    say(socket, "2probe");
    assert_string_equal(heard(socket), "3probe");
    struct answer *late = get(query);
    assert_true(late->held);
    say(socket, "5");
    assert_answer(late, 400, BAD);
    pass(EIO_NOOP_MS + WHEEL_TICK_MS);
    say(socket, "4hello");
    assert_string_equal(heard(socket), "4hello");
    hang_up(socket);
}

static void what_is_sent_during_an_upgrade_goes_to_the_poll_that_waits(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    struct fake_socket *socket = connect_socket(upgrade);
    say(socket, "2probe");
    heard(socket);
    struct answer *late = get(query);
    eio_send(layer.last, false, STR("hello"));
    eio_flush();
    assert_answer(late, 200, "4hello");
    pass(EIO_NOOP_MS + WHEEL_TICK_MS);
    hang_up(socket);
    assert_true(get(query)->held);
}

static void the_heartbeat_goes_on_over_the_websocket(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    struct fake_socket *socket = connect_socket(upgrade);
    say(socket, "2probe");
    say(socket, "5");
    heard(socket);
    pass(INTERVAL_MS + WHEEL_TICK_MS);
    assert_string_equal(heard(socket), "2");
    hang_up(socket);
}

static void a_second_websocket_is_closed_and_does_not_disturb_the_first(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    struct fake_socket *first = connect_socket(upgrade), *second = connect_socket(upgrade);
    assert_int_equal(second->code, 1008);
    hang_up(second);
    say(first, "2probe");
    say(first, "5");
    second = connect_socket(upgrade);
    assert_int_equal(second->code, 1008);
    say(second, "4x");
    hang_up(second);
    heard(first);
    say(first, "4hello");
    assert_string_equal(heard(first), "4hello");
    hang_up(first);
}

static void a_failed_upgrade_leaves_the_connection_on_polling(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    static const char *const words[] = {"4hello", "2", "abc", "2probe?"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct fake_socket *socket = connect_socket(upgrade);
        say(socket, words[i]);
        assert_int_equal(socket->code, 1002);
        hang_up(socket);
    }
    struct fake_socket *left = connect_socket(upgrade);
    say(left, "2probe");
    hang_up(left);
    assert_true(get(query)->held); /* and nobody waits for its end any more */
    assert_string_equal(layer.log, "");
    assert_int_equal(layer.closed, 0);
}

static void an_upgrade_that_is_not_finished_is_given_up(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    settings.io_ping_interval_ms = 60000;
    open_polling(query);
    to_websocket(query, upgrade);
    struct fake_socket *socket = connect_socket(upgrade);
    say(socket, "2probe");
    pass(EIO_UPGRADE_MS + WHEEL_TICK_MS);
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
    assert_true(get(query)->held);
}

static void a_connection_that_ends_takes_its_probe_along(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    struct fake_socket *socket = connect_socket(upgrade);
    ask("POST", query, STR("1"));
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
}

static void what_a_close_left_during_an_upgrade_goes_to_the_websocket(void **state)
{
    (void)state;
    char query[128], upgrade[160];
    open_polling(query);
    to_websocket(query, upgrade);
    struct fake_socket *socket = connect_socket(upgrade);
    say(socket, "2probe");
    heard(socket);
    eio_send(layer.last, false, STR("bye"));
    eio_close(layer.last, "forced close");
    say(socket, "5");
    assert_string_equal(heard(socket), "4bye");
    assert_string_equal(heard(socket), "");
    assert_int_equal(socket->code, 1000);
    hang_up(socket);
    pass(2 * WHEEL_TICK_MS);
    assert_int_equal(eio_count(), 0);
}

/* ---- JSONP ---- */

static void a_script_gets_a_payload_as_a_call(void **state)
{
    (void)state;
    char query[128], jsonp[160];
    struct answer *answer = get(NEW "&j=3");
    assert_memory_equal(answer->body, "___eio[3](\"0{\\\"sid\\\":\\\"", 23);
    assert_string_equal(answer->type, "text/javascript; charset=UTF-8");
    snprintf(query, sizeof query, NEW "&sid=%s", layer.last->sid);
    snprintf(jsonp, sizeof jsonp, "%s&j=7);alert(1", query);
    answer = get(jsonp);
    eio_send(layer.last, false, STR("</script>\"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"));
    eio_flush();
    assert_answer(answer, 200, "___eio[71](\"4</script>\\\"\\u2028\\u2029\xe2\x80\xaa\");");
}

static void a_form_brings_a_payload(void **state)
{
    (void)state;
    char query[160];
    get(NEW "&j=0");
    snprintf(query, sizeof query, NEW "&sid=%s&j=0", layer.last->sid);
    assert_answer(ask("POST", query, STR("x=1&d=4a+b%2Bc%0A%5Cn%5C%5Cn%zz%1e4d&d=4e")), 200, "ok");
    assert_string_equal(layer.log, "a b+c\n\n\\n%zz|d|");
    assert_answer(ask("POST", query, STR("x=1")), 400, BAD);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(a_newcomer_who_may_not_connect_is_told_so),
        STORY(who_is_put_out_hears_the_last_word_and_then_the_end),
        STORY(a_handshake_says_what_holds_here),
        STORY(a_handshake_that_breaks_a_rule_gets_the_protocols_error),
        STORY(a_websocket_handshake_is_checked_before_it_is_taken),
        STORY(the_path_may_lack_its_last_slash),
        STORY(another_relays_connection_is_handed_over),
        STORY(no_more_than_max_connections_of_either_kind_are_taken),
        STORY(a_payload_comes_back_as_one_payload),
        STORY(a_waiting_poll_gets_all_of_a_turn_at_once),
        STORY(what_is_no_packet_ends_the_connection),
        STORY(a_broken_post_tells_the_waiting_poll),
        STORY(a_binary_body_is_refused),
        STORY(a_poll_during_a_poll_ends_the_connection),
        STORY(a_client_that_leaves_its_poll_is_gone),
        STORY(other_methods_do_nothing_to_a_connection),
        STORY(a_ping_from_the_client_is_the_wrong_way_round),
        STORY(packets_without_meaning_are_ignored),
        STORY(one_that_fetches_nothing_is_closed_as_too_slow),
        STORY(a_waiting_poll_makes_room_for_more),
        STORY(a_client_that_pongs_stays),
        STORY(a_client_that_does_not_poll_is_gone_to_the_millisecond),
        STORY(a_client_that_polls_and_does_not_pong_is_closed),
        STORY(a_client_that_closes_gets_its_poll_back),
        STORY(a_poll_that_was_overtaken_by_the_close_is_let_go_too),
        STORY(what_was_sent_goes_out_before_a_close),
        STORY(the_next_poll_gets_what_a_close_left),
        STORY(draining_closes_by_quota_and_lets_nobody_in),
        STORY(draining_says_nothing_behind_what_was_sent),
        STORY(a_websocket_is_a_connection_by_itself),
        STORY(a_websocket_is_pinged_and_closed_when_it_does_not_pong),
        STORY(a_frame_that_is_no_packet_closes_the_websocket),
        STORY(a_websocket_is_closed_after_what_was_sent),
        STORY(a_websocket_that_does_not_read_is_closed_all_the_same),
        STORY(polling_becomes_a_websocket),
        STORY(a_poll_that_overtook_the_upgrade_is_refused),
        STORY(what_is_sent_during_an_upgrade_goes_to_the_poll_that_waits),
        STORY(the_heartbeat_goes_on_over_the_websocket),
        STORY(a_second_websocket_is_closed_and_does_not_disturb_the_first),
        STORY(a_failed_upgrade_leaves_the_connection_on_polling),
        STORY(an_upgrade_that_is_not_finished_is_given_up),
        STORY(a_connection_that_ends_takes_its_probe_along),
        STORY(what_a_close_left_during_an_upgrade_goes_to_the_websocket),
        STORY(a_script_gets_a_payload_as_a_call),
        STORY(a_form_brings_a_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
