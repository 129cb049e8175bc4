/* eio_fakes.h: Engine.IO connections under a frozen clock. HTTP calls, the WebSocket's session and the way to other
 * relays are fakes; the layer above echoes, and notes what it hears. */
#ifndef CG_TESTS_EIO_FAKES_H
#define CG_TESTS_EIO_FAKES_H

#include "common/container.h"
#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/metrics.h"
#include "relay/socketio/eio_conn.h"
#include "relay/core/protocol.h"
#include "relay/net/handoff.h"
#include "relay/core/wsframe.h"

enum { START_MS = 1000000, INTERVAL_MS = 300, TIMEOUT_MS = 200, CALLS_MAX = 4096, FRAMES_MAX = 512, HERE = 77 };
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

unsigned protocol_peer_refusal(struct str peer, int64_t *retry_after_ms)
{
    (void)peer;
    *retry_after_ms = 1500;
    return unwelcome;
}

static struct answer *answer_of(struct http_call *call)
{
    return container_of(call, struct answer, call);
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

static bool shut; /* doors = token, for a layer that does not check tokens */

enum token_refusal protocol_read_token(const struct request *request, struct token *out)
{
    (void)request;
    *out = (struct token){0};
    return TOKEN_MISSING; /* no token is needed */
}

bool protocol_is_shut(const struct settings *of, const char *name, bool sees, const struct request *request,
                      enum token_refusal *refusal)
{
    (void)of;
    (void)name;
    (void)request;
    *refusal = TOKEN_MISSING;
    return shut && !sees;
}

void http_refuse_token(struct http_call *call, enum token_refusal refusal)
{
    (void)refusal;
    http_reply(call, 401, "application/json", "", STR("{}"));
}

void session_admitted(struct session *session)
{
    lobby_leave(session->owner ? session->owner->lobby : NULL, &session->guest);
}

void http_vouch(struct http_call *call)
{
    (void)call;
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

static bool others_have_fewer; /* newcomers are another relay's */

bool handoff_newcomer(struct handoff *handoff, struct http_call *call)
{
    (void)handoff;
    answer_of(call)->elsewhere |= others_have_fewer;
    return others_have_fewer;
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

static inline void leave(struct answer *answer)
{
    assert_true(answer->held && !answer->answered);
    answer->answered = true;
    answer->call.gone(answer->call.arg, &answer->call);
}

static inline void check_answer(const struct answer *answer, unsigned status, struct str body, const char *file,
                                int line)
{
    _assert_true(answer->answered, "answered", file, line);
    _assert_int_equal(answer->status, status, file, line);
    check_bytes((struct str){answer->body, answer->len}, body, file, line);
}

#define assert_answer(answer, status, body) check_answer(answer, status, BYTES(body), __FILE__, __LINE__)
#define UNKNOWN                             "{\"code\":1,\"message\":\"Session ID unknown\"}"
#define BAD                                 "{\"code\":3,\"message\":\"Bad request\"}"

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

void session_send_text(struct session *session, struct str payload)
{
    session_queue(session, WSFRAME_TEXT, payload, STR(""));
}

void session_close(struct session *session, unsigned code, const char *reason)
{
    struct fake_socket *socket = (struct fake_socket *)(void *)session;
    (void)reason;
    if (!session->closing)
        socket->code = code;
    session->closing = true;
}

static inline struct fake_socket *connect_socket(const char *query)
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
static inline void turn(struct fake_socket *socket)
{
    eio_flush();
    if (socket && socket->session.outbox.len) {
        socket->session.outbox.len = 0;
        if (!socket->session.closing)
            eio_protocol.drained(&socket->session);
    }
}

static inline void say(struct fake_socket *socket, const char *text)
{
    if (!socket->session.closing)
        eio_protocol.received(&socket->session, str_of(text));
    turn(socket);
}

static inline void hang_up(struct fake_socket *socket)
{
    socket->session.closing = true;
    eio_protocol.closed(&socket->session);
    free(socket);
}

static inline const char *heard(struct fake_socket *socket)
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

static const struct eio_layer test_layer = {.path = "/test.io/",
                                            .state_size = sizeof(struct layer_state),
                                            .opened = opened,
                                            .received = received,
                                            .closed = closed};
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
    shut = false;
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

/* The same of version 3. */
#define NEW3 "EIO=3&transport=polling"
static inline void open_polling3(char query[128])
{
    struct answer *answer = get(NEW3);
    assert_int_equal(answer->status, 200);
    const char *sid = strstr(answer->body, "\"sid\":\"");
    assert_non_null(sid);
    snprintf(query, 128, NEW3 "&sid=%.*s", SID_LEN, sid + 7);
}

static inline void to_websocket(const char query[128], char out[160])
{
    snprintf(out, 160, "%.5s&transport=websocket%s", query, strstr(query, "&sid="));
}

/* ---- close ---- */

static inline void close_it(struct eio *conn)
{
    eio_send(conn, false, STR("bye"));
    eio_close(conn, "forced close");
    eio_send(conn, false, STR("more"));
    assert_int_equal(layer.closed, 0);
}

#endif
