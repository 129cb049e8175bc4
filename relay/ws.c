#include "relay/ws.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/text.h"
#include "relay/wsframe.h"

#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RX_BYTES = 512,              /* lws' buffer per connection: longer messages come in pieces */
    TX_BYTES = 8 * 1024 * 1024,  /* never cut what we give: session.c bounds it */
    HEADER_BYTES = 8192,         /* of a request, all together */
    PATH_BYTES = 256,
    NAME_BYTES = 64, /* of an argument or header */
    PAGE_BYTES = 256 * 1024,
    CLOSE_REASON_BYTES = 123, /* RFC 6455 section 5.5 */
};

struct ws {
    struct ws_config config;
    struct lws_context *context;
    struct lws_vhost *direct, *proxied;
    struct lws_protocols protocols[2];
    bool draining;
};

/* lws' user space of a connection. lws zeroes it between kept-alive requests and may reuse a wsi, so
 * nothing outside ever keeps a pointer to either: a session is named by its id. */
struct user {
    struct session *session; /* NULL: plain HTTP, or refused */
    struct buf inbox;        /* the pieces of a message that is not whole yet */
    bool said_close;         /* our close frame is out: the client's ends the connection */
};

static struct ws *ws_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

/* Ends the connection in a later turn of the loop. lws looks at its timeouts only after an event of its
 * own, which may be long in coming on a quiet relay: so we make one. */
static void end_soon(struct lws *wsi)
{
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    lws_cancel_service(lws_get_context(wsi));
}

/* ---- the transport that sessions see ---- */

/* Straight to the socket: no WRITEABLE turn for each message. lws keeps what the kernel did not take
 * and tells when it is out. */
static enum send_result ws_send(void *socket, struct str bytes)
{
    struct lws *wsi = socket;
    unsigned char *data = (unsigned char *)(uintptr_t)bytes.ptr; /* LWS_WRITE_RAW leaves it as it is */
    if (lws_write(wsi, data, bytes.len, LWS_WRITE_RAW) < 0) {
        end_soon(wsi);
        return SEND_DEAD;
    }
    if (!lws_partial_buffered(wsi))
        return SEND_MORE;
    lws_callback_on_writable(wsi);
    return SEND_CHOKED;
}

/* A close frame of our own making: lws sends one only if RECEIVE asks for it, and cuts the connection
 * without a word if WRITEABLE does. */
static void ws_close(void *socket, unsigned code, const char *reason)
{
    struct lws *wsi = socket;
    struct user *user = lws_wsi_user(wsi);
    char frame[4 + CLOSE_REASON_BYTES];
    size_t len = strlen(reason);
    CG_ASSERT(len <= CLOSE_REASON_BYTES);
    wsframe_header(frame, WSFRAME_CLOSE, 2 + len);
    frame[2] = (char)(code >> 8);
    frame[3] = (char)code;
    memcpy(frame + 4, reason, len);
    user->said_close = true;
    lws_rx_flow_control(wsi, 1); /* or the client's answer would never be read */
    ws_send(wsi, (struct str){frame, 4 + len});
}

static void ws_kill(void *socket)
{
    end_soon(socket);
}

static void ws_pause(void *socket, bool paused)
{
    lws_rx_flow_control(socket, !paused);
}

static const struct transport ws_transport = {
    .send = ws_send,
    .close = ws_close,
    .kill = ws_kill,
    .pause = ws_pause,
};

/* ---- requests ---- */

static struct str header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t size)
{
    int len = lws_hdr_copy(wsi, out, (int)size, token);
    return (struct str){out, len > 0 ? (size_t)len : 0};
}

/* struct request's argument and header: lws wants the name with the character that ends it. */

static struct str query_argument(const struct request *request, const char *name, char *out,
                                 size_t size)
{
    char key[NAME_BYTES];
    snprintf(key, sizeof key, "%s=", name);
    return str_of(lws_get_urlarg_by_name(request->source, key, out, (int)size));
}

static struct str custom_header(const struct request *request, const char *name, char *out,
                                size_t size)
{
    char key[NAME_BYTES];
    int len = snprintf(key, sizeof key, "%s:", name);
    int copied = lws_hdr_custom_copy(request->source, out, (int)size, key, len);
    return (struct str){out, copied > 0 ? (size_t)copied : 0};
}

static struct request request_of(struct lws *wsi, char path[PATH_BYTES])
{
    return (struct request){
        .path = header(wsi, WSI_TOKEN_GET_URI, path, PATH_BYTES),
        .argument = query_argument,
        .header = custom_header,
        .source = wsi,
    };
}

static const struct protocol *claimant(const struct ws *ws, struct str path)
{
    for (const struct protocol *const *at = ws->config.protocols; *at; at++)
        if ((*at)->claims(path))
            return *at;
    return NULL;
}

/* A body that nobody reads would be taken for the next request on this connection. */
static bool has_body(struct lws *wsi)
{
    return lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) ||
           lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING);
}

/* The status that a handshake is refused with, or 0. lws itself would take an h2c upgrade (a tunnel
 * past every rule of the proxy), a POST, version 8, and would end an unknown subprotocol without a
 * word. */
static unsigned refusal(struct lws *wsi, const char *upgrade)
{
    const struct ws *ws = ws_of(wsi);
    char text[PATH_BYTES];
    if (strcasecmp(upgrade, "websocket") != 0 || has_body(wsi))
        return HTTP_STATUS_BAD_REQUEST;
    if (!lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI))
        return HTTP_STATUS_METHOD_NOT_ALLOWED;
    if (!str_eq(header(wsi, WSI_TOKEN_VERSION, text, sizeof text), STR("13")))
        return HTTP_STATUS_BAD_REQUEST;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL))
        return HTTP_STATUS_BAD_REQUEST; /* no door has a subprotocol */
    if (ws->draining ||
        ws->config.sessions->count >= (size_t)ws->config.settings->max_connections)
        return HTTP_STATUS_SERVICE_UNAVAILABLE;
    struct request request = request_of(wsi, text);
    const struct protocol *protocol = request.path.len ? claimant(ws, request.path) : NULL;
    if (!protocol)
        return HTTP_STATUS_NOT_FOUND;
    return protocol->refuse ? protocol->refuse(&request) : 0;
}

static int on_upgrade(struct lws *wsi, const char *upgrade)
{
    unsigned status = refusal(wsi, upgrade);
    if (!status)
        return 0;
    metric_inc(METRIC_CONNECTIONS_REFUSED);
    lws_return_http_status(wsi, status, NULL);
    return -1; /* and no keep-alive: a body may follow, which lws reads as the next request */
}

static int send_page(struct lws *wsi, unsigned status, const char *type, const struct buf *body)
{
    unsigned char head[LWS_PRE + 512], *at = head + LWS_PRE, *end = head + sizeof head;
    if (lws_add_http_common_headers(wsi, status, type, body->len, &at, end) ||
        lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CACHE_CONTROL,
                                     (const unsigned char *)"no-store", 8, &at, end) ||
        lws_finalize_write_http_header(wsi, head + LWS_PRE, &at, end))
        return -1;
    unsigned char *bytes = mem_zalloc(LWS_PRE + body->len + 1);
    memcpy(bytes + LWS_PRE, body->data, body->len);
    int sent = lws_write(wsi, bytes + LWS_PRE, body->len, LWS_WRITE_HTTP_FINAL);
    free(bytes);
    return sent < 0 || lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int on_http(struct lws *wsi)
{
    const struct ws *ws = ws_of(wsi);
    char text[PATH_BYTES];
    struct str path = header(wsi, WSI_TOKEN_GET_URI, text, sizeof text);
    metric_inc(METRIC_HTTP_REQUESTS);
    if (!path.len || has_body(wsi)) { /* another method, or a path past all bounds */
        metric_inc(METRIC_HTTP_REFUSED);
        lws_return_http_status(wsi,
                               path.len ? HTTP_STATUS_BAD_REQUEST : HTTP_STATUS_METHOD_NOT_ALLOWED,
                               NULL);
        return -1;
    }
    struct buf body;
    const char *type = "text/plain; charset=utf-8";
    buf_init(&body, PAGE_BYTES);
    int status = ws->config.page(ws->config.arg, path, &type, &body);
    if (status >= 400 && status < 500)
        metric_inc(METRIC_HTTP_REFUSED);
    int result = send_page(wsi, (unsigned)status, type, &body);
    buf_fini(&body);
    return result;
}

/* ---- a WebSocket's life ---- */

/* Who it is: nginx says it on its own socket, where nobody else can speak. */
static void log_peer(struct lws *wsi, const struct session *session)
{
    char peer[64] = "";
    if (lws_get_vhost(wsi) == ws_of(wsi)->proxied)
        header(wsi, WSI_TOKEN_X_FORWARDED_FOR, peer, sizeof peer);
    else
        lws_get_peer_simple(wsi, peer, sizeof peer);
    log_debug("conn.open", "conn=%llu peer=\"%s\" protocol=%s", (unsigned long long)session->id, peer,
              session->protocol->name);
}

static int on_established(struct lws *wsi, struct user *user)
{
    struct ws *ws = ws_of(wsi);
    char path[PATH_BYTES];
    struct request request = request_of(wsi, path);
    const struct protocol *protocol = claimant(ws, request.path);
    CG_ASSERT(protocol); /* or the upgrade would have been refused */
    user->session = session_new(ws->config.sessions, protocol, &ws_transport, wsi);
    if (!user->session) {
        metric_inc(METRIC_CONNECTIONS_REFUSED);
        lws_close_reason(wsi, (enum lws_close_status)1013, NULL, 0);
        return -1;
    }
    buf_init(&user->inbox, (size_t)ws->config.settings->max_message_bytes);
    log_peer(wsi, user->session);
    protocol->open(user->session, &request);
    return 0;
}

static void reject(struct session *session, unsigned code, const char *reason)
{
    metric_inc(METRIC_CLOSED_INVALID);
    log_info("conn.invalid", "conn=%llu code=%u reason=\"%s\"", (unsigned long long)session->id, code,
             reason);
    session_close(session, code, reason);
}

static void on_message(struct session *session, struct str text)
{
    if (text_utf8_valid(text))
        session->protocol->received(session, text);
    else
        reject(session, LWS_CLOSE_STATUS_INVALID_PAYLOAD, "Text must be UTF-8");
}

static void on_piece(struct lws *wsi, struct user *user, struct str piece)
{
    struct session *session = user->session;
    bool first = lws_is_first_fragment(wsi), last = lws_is_final_fragment(wsi);
    if (session->closing)
        return;
    session_heard(session);
    if (lws_frame_is_binary(wsi)) {
        reject(session, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "Text frames only");
    } else if (piece.len > user->inbox.max - user->inbox.len) {
        reject(session, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "Message too large");
    } else if (first && last) {
        on_message(session, piece);
    } else {
        buf_add_str(&user->inbox, piece);
        session_unfinished(session, !last);
        if (!last)
            return;
        on_message(session, buf_str(&user->inbox));
        buf_fini(&user->inbox); /* an idle connection keeps no buffer */
    }
}

static void on_closed(struct user *user)
{
    session_ended(user->session);
    buf_fini(&user->inbox);
    user->session = NULL;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *data, void *in, size_t len)
{
    struct user *user = data;
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: return on_upgrade(wsi, in);
    case LWS_CALLBACK_HTTP: return on_http(wsi);
    case LWS_CALLBACK_ESTABLISHED: return on_established(wsi, user);
    case LWS_CALLBACK_RECEIVE:
        if (user->session)
            on_piece(wsi, user, (struct str){in, len});
        return 0;
    case LWS_CALLBACK_RECEIVE_PONG:
        if (user->session)
            session_heard(user->session);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        if (user->session)
            session_writable(user->session);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: return user->said_close; /* an answer gets no answer */
    case LWS_CALLBACK_CLOSED:
        if (user->session)
            on_closed(user);
        return 0;
    default: return 0;
    }
}

/* ---- listening ---- */

static void on_lws_log(int level, const char *line)
{
    (void)level;
    log_warn("lws", "msg=\"%.*s\"", (int)strcspn(line, "\n"), line);
}

static void common_info(struct ws *ws, struct lws_context_creation_info *info)
{
    unsigned handshake_s = (unsigned)((ws->config.settings->handshake_timeout_ms + 999) / 1000);
    ws->protocols[0] = (struct lws_protocols){
        .name = "chaguan",
        .callback = on_event,
        .per_session_data_size = sizeof(struct user),
        .rx_buffer_size = RX_BYTES,
        .tx_packet_size = TX_BYTES,
    };
    *info = (struct lws_context_creation_info){
        .protocols = ws->protocols,
        .timeout_secs = handshake_s,
        .timeout_secs_ah_idle = handshake_s, /* the one that slow headers meet */
        .keepalive_timeout = 5,
    };
}

static struct lws_vhost *listen_tcp(struct ws *ws, int port)
{
    struct lws_context_creation_info info;
    common_info(ws, &info);
    info.vhost_name = "direct";
    info.iface = ws->config.settings->listen_host;
    info.port = port;
    info.options = LWS_SERVER_OPTION_DISABLE_IPV6 | /* with IPv6, lws ignores the interface */
                   LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND;
    return lws_create_vhost(ws->context, &info);
}

static struct lws_vhost *listen_unix(struct ws *ws)
{
    struct lws_context_creation_info info;
    const char *path = ws->config.settings->listen_socket;
    common_info(ws, &info);
    info.vhost_name = "proxied";
    info.iface = path;
    info.port = 0; /* any other, and lws takes the path for an interface */
    info.options = LWS_SERVER_OPTION_UNIX_SOCK | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND;
    unlink(path); /* of a process that was killed */
    mode_t mask = umask(0117); /* nginx's group may connect; nobody else */
    struct lws_vhost *vhost = lws_create_vhost(ws->context, &info);
    umask(mask);
    return vhost;
}

/* The port of last time, if listen_port leaves the choice to us: clients that know it find us again. */
static int remembered_port(const struct settings *settings)
{
    int port = 0;
    FILE *file = *settings->port_file ? fopen(settings->port_file, "r") : NULL;
    if (file) {
        if (fscanf(file, "%5d", &port) != 1 || port < 1 || port > 65535)
            port = 0;
        fclose(file);
    }
    return port;
}

static bool listen_all(struct ws *ws, char why[256])
{
    const struct settings *settings = ws->config.settings;
    int remembered = settings->listen_port ? 0 : remembered_port(settings);
    if (remembered)
        ws->direct = listen_tcp(ws, remembered);
    if (!ws->direct)
        ws->direct = listen_tcp(ws, (int)settings->listen_port);
    if (!ws->direct) {
        snprintf(why, 256, "cannot listen on %.64s port %lld", settings->listen_host,
                 (long long)settings->listen_port);
        return false;
    }
    if (*settings->listen_socket && !(ws->proxied = listen_unix(ws))) {
        snprintf(why, 256, "cannot listen on %.107s", settings->listen_socket);
        return false;
    }
    return true;
}

struct ws *ws_new(const struct ws_config *config, char why[256])
{
    static struct ws only; /* never freed: see ws_stop */
    struct ws *ws = &only;
    void *loops[] = {config->loop};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBUV,
        .foreign_loops = loops,
        .user = ws,
        .gid = -1, /* stay who we are */
        .uid = -1,
        .max_http_header_data = HEADER_BYTES,
    };
    ws->config = *config;
    lws_set_log_level(LLL_ERR, on_lws_log);
    ws->context = lws_create_context(&info);
    CG_ASSERT(ws->context);
    if (listen_all(ws, why))
        return ws;
    ws_stop(ws);
    return NULL;
}

int ws_port(const struct ws *ws)
{
    return lws_get_vhost_listen_port(ws->direct);
}

void ws_drain(struct ws *ws)
{
    ws->draining = true;
    if (*ws->config.settings->listen_socket)
        unlink(ws->config.settings->listen_socket);
}

void ws_stop(struct ws *ws)
{
    lws_context_destroy(ws->context); /* the first call closes; the second would free: see ws.h */
}
