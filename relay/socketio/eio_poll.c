#include "common/hex.h"
#include "relay/socketio/eio_conn.h"

#include "common/json.h"
#include "common/metrics.h"
#include "relay/core/protocol.h"
#include "relay/net/handoff.h"

#include <stdio.h>
#include <strings.h>

static const char *const error_messages[] = {
    "Transport unknown", "Session ID unknown", "Bad handshake method",
    "Bad request",       "Forbidden",          "Unsupported protocol version",
};

static void refuse(struct http_call *call, enum eio_error error)
{
    struct buf body;
    buf_init(&body, 256);
    json_begin_object(&body);
    json_add_int(&body, "code", error);
    json_add_text(&body, "message", error_messages[error]);
    json_end_object(&body);
    metric_inc(METRIC_EIO_REFUSED);
    http_reply(call, error == EIO_FORBIDDEN ? 403 : 400, "application/json", "", buf_str(&body));
    buf_fini(&body);
}

static void refuse_unknown(struct http_call *call)
{
    refuse(call, EIO_UNKNOWN_SID);
}

/* ---- whose request it is ---- */

/* One whose pong is overdue is over as of now, whenever its timer's next tick is. */
static struct eio *find(struct str sid, uint64_t id)
{
    struct eio *conn = map_get(&eio_all.conns, id);
    if (!conn || !str_eq(sid_without_home(sid), str_of(conn->sid)))
        return NULL;
    if (eio_overdue(conn))
        eio_end(conn, EIO_END_SILENT, false);
    return conn->over && !conn->lingers ? NULL : conn;
}

/* The version that a request is of; 0: none of ours. For the reference it is 3 wherever it is not 4, if 3 is allowed; but
 * clients of version 3 say so, and who says nothing is none of either. */
static int version_of(const struct request *request)
{
    char text[HTTP_URL_BYTES];
    struct str version = request->argument(request, "EIO", text, sizeof text);
    if (str_eq(version, STR("4")))
        return 4;
    return eio_all.settings->io_eio3 && str_eq(version, STR("3")) ? 3 : 0;
}

void eio_set_version(struct eio *conn, const struct request *request)
{
    char text[16];
    conn->v3 = version_of(request) == 3;
    conn->base64 = request->argument(request, "b64", text, sizeof text).len;
}

/* "HTTP long-polling", "WebSocket", "Handshake"; in which order faults count is the reference server's: transport, sid,
 * method, version. */
enum eio_error eio_check(const struct request *request, const char *method, bool upgrade, struct eio **conn,
                         uint64_t *elsewhere)
{
    char text[HTTP_URL_BYTES]; /* no argument is longer: what is too long must not look absent */
    *conn = NULL;
    *elsewhere = 0;
    struct str value = request->argument(request, "transport", text, sizeof text);
    bool websocket = str_eq(value, STR("websocket"));
    if (!websocket && !str_eq(value, STR("polling")))
        return EIO_UNKNOWN_TRANSPORT;
    struct str sid = request->argument(request, "sid", text, sizeof text);
    if (sid.len) {
        uint64_t incarnation, id;
        if (sid_read(eio_all.secret, sid, &incarnation, &id))
            return EIO_UNKNOWN_SID;
        if (incarnation != eio_all.incarnation) {
            *elsewhere = incarnation;
            return EIO_FINE;
        }
        *conn = find(sid, id);
        if (!*conn || (*conn)->layer != eio_layer_of(request->path))
            return EIO_UNKNOWN_SID;
        if (!upgrade && (websocket || (*conn)->websocket))
            return EIO_BAD_REQUEST;
    } else if (strcmp(method, "GET") != 0) {
        return EIO_BAD_HANDSHAKE_METHOD;
    }
    if (upgrade != websocket)
        return EIO_BAD_REQUEST;
    int version = version_of(request);
    return version && (!*conn || (version == 3) == (*conn)->v3) ? EIO_FINE : EIO_UNSUPPORTED_VERSION;
}

/* A new connection to a layer that does not see to tokens; then it is answered. */
static bool is_shut(struct http_call *call)
{
    const struct eio_layer *layer = eio_layer_of(call->request.path);
    enum token_refusal refusal;
    if (!protocol_is_shut(eio_all.settings, layer->path, layer->sees_to_tokens, &call->request, &refusal))
        return false;
    metric_inc(METRIC_EIO_REFUSED);
    http_refuse_token(call, refusal);
    return true;
}

bool eio_upgrade(struct http_call *call)
{
    struct eio *conn;
    uint64_t elsewhere;
    enum eio_error error = eio_check(&call->request, call->method, true, &conn, &elsewhere);
    if (error != EIO_FINE) {
        refuse(call, error);
    } else if (elsewhere) {
        handoff_give(eio_all.handoff, elsewhere, call, refuse_unknown);
    } else if (!conn && (is_shut(call) || handoff_newcomer(eio_all.handoff, call))) {
        return true;
    } else if (!conn && eio_full(call->alone)) {
        metric_inc(METRIC_CONNECTIONS_REFUSED);
        http_reply_text(call, 503, "Try again later");
    } else {
        return false;
    }
    return true;
}

/* ---- JSONP: a payload as the argument of a function call, a body as a form's field ---- */

static void keep_callback(struct eio *conn, const struct http_call *call)
{
    char text[HTTP_URL_BYTES];
    struct str number = call->request.argument(&call->request, "j", text, sizeof text);
    size_t len = 0;
    conn->jsonp = number.len;
    for (size_t i = 0; i < number.len && len < EIO_CALLBACK_MAX - 1; i++)
        if (number.ptr[i] >= '0' && number.ptr[i] <= '9')
            conn->callback[len++] = number.ptr[i];
    conn->callback[len] = '\0';
}

/* JSON is JavaScript but for two characters, U+2028 and U+2029, which older engines take for line ends. */
static void add_script_string(struct buf *out, struct str text)
{
    struct buf json;
    buf_init(&json, text.len * 6 + 2);
    buf_add_json(&json, text);
    CG_ASSERT(!json.failed);
    for (size_t i = 0; i < json.len; i++)
        if (json.len - i >= 3 && !memcmp(json.data + i, "\xe2\x80", 2) && (json.data[i + 2] & ~1) == (char)0xa8) {
            buf_add_text(out, json.data[i + 2] == (char)0xa8 ? "\\u2028" : "\\u2029");
            i += 2;
        } else {
            buf_add_char(out, json.data[i]);
        }
    buf_fini(&json);
}

static void answer_script(struct http_call *call, const char *callback, struct str payload)
{
    struct buf out;
    buf_init(&out, payload.len * 6 + 64);
    buf_addf(&out, "___eio[%s](", *callback ? callback : "0");
    add_script_string(&out, payload);
    buf_add_text(&out, ");");
    CG_ASSERT(!out.failed);
    http_reply(call, 200, "text/javascript; charset=UTF-8", "", buf_str(&out));
    buf_fini(&out);
}

/* The field "d" of a form, decoded: application/x-www-form-urlencoded. */
static void read_form(struct str form, struct buf *out)
{
    struct str d = {0};
    for (size_t at = 0; at < form.len && !d.ptr;) {
        const char *field = form.ptr + at, *end = memchr(field, '&', form.len - at);
        size_t len = end ? (size_t)(end - field) : form.len - at;
        if (len >= 2 && !memcmp(field, "d=", 2))
            d = (struct str){field + 2, len - 2};
        at += len + 1;
    }
    for (size_t i = 0; i < d.len; i++) {
        int high = d.ptr[i] == '%' && d.len - i > 2 ? hex_digit(d.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(d.ptr[i + 2]) : -1;
        if (low >= 0) {
            buf_add_char(out, (char)(high << 4 | low));
            i += 2;
        } else if (d.ptr[i] == '+') {
            buf_add_char(out, ' ');
        } else {
            buf_add_char(out, d.ptr[i]);
        }
    }
}

/* Forms change line ends, so the client sends a line feed as \n and what was \n before as \\n. In place. */
static void unescape_lines(struct buf *text)
{
    size_t len = 0;
    if (!text->data)
        return;
    for (size_t i = 0; i < text->len; i++) {
        struct str rest = {text->data + i, text->len - i};
        if (rest.len >= 3 && !memcmp(rest.ptr, "\\\\n", 3)) {
            text->data[len++] = '\\';
            text->data[len++] = 'n';
            i += 2;
        } else if (rest.len >= 2 && !memcmp(rest.ptr, "\\n", 2)) {
            text->data[len++] = '\n';
            i++;
        } else {
            text->data[len++] = text->data[i];
        }
    }
    text->len = len;
}

/* ---- GET: a poll ("Receiving data") ---- */

static void answer(struct eio *conn, struct http_call *call)
{
    struct str payload = buf_str(&conn->out);
    bool binary = conn->v3 && !conn->base64 && !conn->jsonp && eio3_payload_has_binary(payload);
    struct buf text;
    buf_init(&text, eio3_payload_text_cost(payload.len));
    if (conn->v3 && !binary) {
        eio3_payload_text(payload, &text);
        CG_ASSERT(!text.failed);
        payload = buf_str(&text);
    }
    if (conn->jsonp)
        answer_script(call, conn->callback, payload);
    else
        http_reply(call, 200, binary ? "application/octet-stream" : "text/plain; charset=UTF-8", "", payload);
    buf_fini(&text);
    buf_fini(&conn->out); /* an idle connection keeps no buffer */
    eio_note_out(conn);
    if (conn->post)
        eio_make_dirty(conn);
}

void eio_answer_poll(struct eio *conn)
{
    struct http_call *call = conn->poll;
    conn->poll = NULL;
    answer(conn, call);
}

void eio_refuse_poll(struct eio *conn)
{
    struct http_call *call = conn->poll;
    conn->poll = NULL;
    refuse(call, EIO_BAD_REQUEST);
}

static void on_poll_gone(void *arg, struct http_call *call)
{
    struct eio *conn = arg;
    CG_ASSERT(conn->poll == call);
    conn->poll = NULL;
    eio_end(conn, EIO_END_LEFT, false);
}

/* The last one: what was left to be said. */
static void last_poll(struct eio *conn, struct http_call *call)
{
    if (conn->probe)
        eio_drop_session(conn->probe, 1000, "");
    keep_callback(conn, call);
    answer(conn, call);
    conn->lingers = false;
    eio_gone(conn);
}

static void poll(struct eio *conn, struct http_call *call)
{
    metric_inc(METRIC_EIO_POLLS);
    if (conn->poll) { /* "a client MUST NOT have more than one active GET request" */
        eio_end(conn, EIO_END_WRONG, false);
        refuse(call, EIO_BAD_REQUEST);
        return;
    }
    if (conn->over) {
        last_poll(conn, call);
        return;
    }
    keep_callback(conn, call);
    if (conn->joined)
        eio_let_in(conn);
    if (conn->out.len) {
        answer(conn, call);
        return;
    }
    conn->poll = call;
    conn->poll_crossed = conn->probe;
    http_hold(call, on_poll_gone, conn);
    if (conn->joined)
        http_vouch(call);
    if (conn->probed)
        eio_poll_probed(conn);
}

/* ---- POST ("Sending data") ---- */

static bool is_binary(const struct http_call *call)
{
    static const char binary[] = "application/octet-stream";
    char text[64];
    struct str type = call->request.header(&call->request, "content-type", text, sizeof text);
    return type.len >= sizeof binary - 1 && !strncasecmp(type.ptr, binary, sizeof binary - 1);
}

static void answer_post(const struct eio *conn, struct http_call *call, bool fine)
{
    if (fine)
        http_reply(call, 200, "text/html", "", STR("ok"));
    else if (conn->limited)
        http_reply(call, 429, "application/json", "Retry-After: 1\r\n",
                   STR("{\"code\":3,\"message\":\"Too many messages\"}"));
    else
        refuse(call, conn->said_close ? EIO_UNKNOWN_SID : EIO_BAD_REQUEST);
}

static void on_post_gone(void *arg, struct http_call *call)
{
    struct eio *conn = arg;
    CG_ASSERT(conn->post == call);
    conn->post = NULL;
    conn->left = STR(""); /* the body went with the call */
    eio_note_out(conn);
    eio_end(conn, EIO_END_LEFT, false);
}

/* Whether the client has to read before it is answered further. */
static bool has_enough(const struct eio *conn)
{
    return conn->session ? conn->session->paused : conn->out.len > SESSION_UNREAD_BYTES;
}

/* Packet by packet, up to the one that ends the connection, or until so much waits for a poll that the client has to
 * take that first: the call is held then. */
static void packets_in(struct eio *conn, struct http_call *call, struct str payload, bool binary)
{
    struct buf scratch;
    struct eio_packet packet;
    enum err err = ERR_OK;
    buf_init(&scratch, payload.len);
    while (!conn->over && !has_enough(conn)) {
        err = conn->v3 ? eio3_payload_next(&payload, binary, &scratch, &packet)
                       : eio_payload_next(&payload, &scratch, &packet);
        if (err)
            break;
        eio_packet_in(conn, &packet);
    }
    buf_fini(&scratch);
    if (!conn->over && !err) {
        metric_inc(METRIC_READING_PAUSED);
        conn->post = call;
        conn->left = payload;
        conn->left_binary = binary;
        http_hold(call, on_post_gone, conn);
        eio_note_out(conn);
        return;
    }
    if (!conn->over && err != ERR_NOT_FOUND)
        eio_end(conn, EIO_END_BROKEN, false);
    conn->left = STR("");
    buf_fini(&conn->form);
    eio_note_out(conn);
    answer_post(conn, call, !conn->over || conn->parting || conn->said_close);
}

/* An empty body is an empty packet. */
static struct str body_of(struct str body)
{
    return body.ptr ? body : STR("");
}

static void form_in(struct eio *conn, struct http_call *call)
{
    buf_init(&conn->form, call->body.len);
    read_form(call->body, &conn->form);
    unescape_lines(&conn->form);
    packets_in(conn, call, body_of(buf_str(&conn->form)), false);
}

void eio_go_on_post(struct eio *conn)
{
    struct http_call *call = conn->post;
    if (!call || conn->over || has_enough(conn))
        return;
    conn->post = NULL;
    packets_in(conn, call, conn->left, conn->left_binary);
}

void eio_end_post(struct eio *conn)
{
    struct http_call *call = conn->post;
    buf_fini(&conn->form);
    conn->left = STR("");
    eio_note_out(conn);
    if (!call)
        return;
    conn->post = NULL;
    answer_post(conn, call, conn->parting || conn->said_close);
}

/* A client that does not know yet that it was closed by this side has its posts taken, and dropped. */
static void post(struct eio *conn, struct http_call *call)
{
    char text[HTTP_URL_BYTES];
    metric_inc(METRIC_EIO_POSTS);
    if (conn->over) {
        answer_post(conn, call, conn->parting);
    } else if (conn->post || (is_binary(call) && !conn->v3)) { /* the last one is not taken yet; binary is base64 */
        eio_end(conn, EIO_END_WRONG, false);
        answer_post(conn, call, false);
    } else if (call->request.argument(&call->request, "j", text, sizeof text).len) {
        form_in(conn, call);
    } else {
        packets_in(conn, call, body_of(call->body), is_binary(call));
    }
}

/* ---- the route ---- */

static void shake_hands(struct http_call *call)
{
    int64_t retry_after_ms;
    char header[48];
    http_vouch(call); /* it is not to be put out for itself */
    unsigned status = protocol_peer_refusal(str_of(call->peer), &retry_after_ms);
    if (status == 403) {
        refuse(call, EIO_FORBIDDEN);
        return;
    }
    if (status) {
        snprintf(header, sizeof header, "Retry-After: %lld\r\n", (long long)rate_seconds(retry_after_ms));
        metric_inc(METRIC_EIO_REFUSED);
        http_reply(call, status, "application/json", header, STR("{\"code\":4,\"message\":\"Too many connections\"}"));
        return;
    }
    if (eio_full(call->alone)) {
        metric_inc(METRIC_CONNECTIONS_REFUSED);
        http_reply_text(call, 503, "Try again later");
        return;
    }
    struct eio *conn = eio_new(eio_layer_of(call->request.path), NULL);
    limits_connect(eio_all.sessions->limits, &conn->client, str_of(call->peer));
    eio_set_version(conn, &call->request);
    eio_end_with_token(conn, &call->request);
    eio_begin(conn);
    keep_callback(conn, call);
    answer(conn, call);
    conn->lingers = false; /* if the layer would not have it, that has been said */
}

static void handle(struct http_call *call)
{
    struct eio *conn;
    uint64_t elsewhere;
    enum eio_error error = eio_check(&call->request, call->method, false, &conn, &elsewhere);
    if (error != EIO_FINE)
        refuse(call, error);
    else if (elsewhere)
        handoff_give(eio_all.handoff, elsewhere, call, refuse_unknown);
    else if (!conn && (is_shut(call) || handoff_newcomer(eio_all.handoff, call)))
        return;
    else if (!conn)
        shake_hands(call);
    else if (!strcmp(call->method, "GET"))
        poll(conn, call);
    else if (!strcmp(call->method, "POST"))
        post(conn, call);
    else
        refuse(call, EIO_BAD_REQUEST);
}

static bool claims(struct str path)
{
    return eio_layer_of(path);
}

static size_t max_body(const struct settings *settings)
{
    return (size_t)settings->io_max_payload_bytes;
}

const struct http_route eio_route = {
    .name = "engine.io",
    .sees_to_tokens = true, /* by its layer */
    .claims = claims,
    .max_body = max_body,
    .handle = handle,
    .foreign = "{\"code\":4,\"message\":\"Forbidden\"}",
};
