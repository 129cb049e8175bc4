#include "relay/ws.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/text.h"
#include "relay/wsframe.h"

#include <errno.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    RX_BYTES = 256,              /* lws' buffer per connection: what is longer comes in pieces, except control frames */
    INBOX_BYTES = 1024,          /* that a message in pieces begins with */
    TX_BYTES = 8 * 1024 * 1024,  /* never cut what we give: session.c bounds it */
    HEADER_BYTES = 8192,         /* of a request, all together */
    CLOSE_REASON_BYTES = 123, /* RFC 6455 section 5.5 */
};

struct ws {
    struct ws_config config;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[3];
    const struct ws_handshake *handshake; /* of the connection that is being taken over */
    size_t open;
    bool stopped;
};

/* Of a message, as lws gave it. */
struct piece {
    struct piece *next;
    size_t len;
    bool first, last, binary;
    char bytes[];
};

/* lws' user space of a connection. lws zeroes it between kept-alive requests and may reuse a wsi, so
 * nothing outside ever keeps a pointer to either: a session is named by its id. */
struct user {
    struct session *session; /* NULL: refused */
    struct buf *inbox;       /* the pieces of a message that is not whole yet; NULL: none, as nearly always */
    struct piece *held;      /* what came while it was paused */
    bool paused;
    bool said_close;         /* our close frame is out: the client's ends the connection */
    bool heard_close;        /* the client's came first */
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

/* What the kernel did not take: lws keeps it, and tells when it is out. */
static enum send_result leave_to_lws(struct lws *wsi, struct str rest)
{
    unsigned char *data = (unsigned char *)(uintptr_t)rest.ptr; /* LWS_WRITE_RAW leaves it as it is */
    if (lws_write(wsi, data, rest.len, LWS_WRITE_RAW) < 0) {
        end_soon(wsi);
        return SEND_DEAD;
    }
    if (!lws_partial_buffered(wsi))
        return SEND_MORE;
    lws_callback_on_writable(wsi);
    return SEND_CHOKED;
}

/* Whole frames, straight to the socket, unless lws still has some: neither a WRITEABLE turn nor lws' own way for each. */
static enum send_result ws_send(void *socket, struct str bytes)
{
    struct lws *wsi = socket;
    ssize_t taken = 0;
    if (!lws_partial_buffered(wsi))
        taken = send(lws_get_socket_fd(wsi), bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken == (ssize_t)bytes.len)
        return SEND_MORE;
    size_t out = taken > 0 ? (size_t)taken : 0; /* an error comes up again, to lws */
    return leave_to_lws(wsi, (struct str){bytes.ptr + out, bytes.len - out});
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
    if (user->held)
        lws_rx_flow_control(wsi, 1); /* or the client's answer would never be read */
    ws_send(wsi, (struct str){frame, 4 + len});
}

static void ws_kill(void *socket)
{
    end_soon(socket);
}

/* Most clients say nothing before they are told that they may, so lws hears of it only if one does: on_piece. */
static void ws_pause(void *socket, bool paused)
{
    struct user *user = lws_wsi_user(socket);
    user->paused = paused;
    if (user->held && !paused)
        lws_callback_on_writable(socket); /* where what was held is taken: not in here */
}

static const struct transport ws_transport = {
    .send = ws_send,
    .close = ws_close,
    .kill = ws_kill,
    .pause = ws_pause,
};

/* ---- a WebSocket's life ---- */

static int on_established(struct lws *wsi, struct user *user)
{
    struct ws *ws = ws_of(wsi);
    const struct ws_handshake *handshake = ws->handshake;
    if (!handshake) /* it was not ours to shake hands with */
        return -1;
    const struct protocol *protocol = handshake->protocol;
    user->session = session_new(ws->config.sessions, protocol, &ws_transport, wsi);
    if (!user->session) {
        metric_inc(METRIC_CONNECTIONS_REFUSED);
        lws_close_reason(wsi, (enum lws_close_status)1013, NULL, 0);
        return -1;
    }
    ws->open++;
    session_from(user->session, str_of(handshake->peer));
    log_debug("conn.open", "conn=%llu peer=\"%s\" protocol=%s", (unsigned long long)user->session->id,
              handshake->peer, protocol->name);
    protocol->open(user->session, handshake->request);
    return 0;
}

static void note_invalid(const struct session *session, unsigned code, const char *reason)
{
    metric_inc(METRIC_CLOSED_INVALID);
    log_info("conn.invalid", "conn=%llu code=%u reason=\"%s\"", (unsigned long long)session->id, code, reason);
}

static void reject(struct session *session, unsigned code, const char *reason)
{
    note_invalid(session, code, reason);
    session_close(session, code, reason);
}

static void on_message(struct session *session, bool binary, struct str message)
{
    if (!binary && !text_utf8_valid(message))
        reject(session, LWS_CLOSE_STATUS_INVALID_PAYLOAD, "Text must be UTF-8");
    else if (session_may_speak(session, message))
        (binary ? session->protocol->received_binary : session->protocol->received)(session, message);
}

static size_t longest_message(const struct session *session)
{
    const struct settings *settings = session->owner->settings;
    return session->protocol->max_message ? session->protocol->max_message(settings)
                                          : (size_t)settings->max_message_bytes;
}

static void drop_inbox(struct user *user)
{
    if (user->inbox)
        buf_fini(user->inbox);
    free(user->inbox);
    user->inbox = NULL;
}

static void add_to_inbox(struct user *user, size_t max, struct str piece)
{
    if (!user->inbox) {
        user->inbox = mem_zalloc(sizeof *user->inbox);
        buf_init(user->inbox, max);
        if (max >= INBOX_BYTES)
            buf_reserve(user->inbox, INBOX_BYTES);
    }
    buf_add_str(user->inbox, piece);
}

static void take_piece(struct user *user, bool first, bool last, bool binary, struct str piece)
{
    struct session *session = user->session;
    if (session->closing)
        return;
    size_t max = longest_message(session);
    if (binary && !session->protocol->received_binary) {
        reject(session, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "Text frames only");
    } else if (piece.len > max - (user->inbox ? user->inbox->len : 0)) {
        reject(session, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "Message too large");
    } else if (first && last) {
        on_message(session, binary, piece);
    } else {
        add_to_inbox(user, max, piece);
        session_unfinished(session, !last);
        if (!last)
            return;
        on_message(session, binary, buf_str(user->inbox));
        drop_inbox(user); /* an idle connection keeps no buffer */
    }
}

/* lws stops reading after this one. */
static void hold_piece(struct lws *wsi, struct user *user, bool first, bool last, bool binary, struct str bytes)
{
    struct piece *piece = mem_zalloc(sizeof *piece + bytes.len), **end = &user->held;
    *piece = (struct piece){.len = bytes.len, .first = first, .last = last, .binary = binary};
    memcpy(piece->bytes, bytes.ptr, bytes.len);
    while (*end)
        end = &(*end)->next;
    *end = piece;
    lws_rx_flow_control(wsi, 0);
}

static void on_piece(struct lws *wsi, struct user *user, struct str piece)
{
    bool first = lws_is_first_fragment(wsi), last = lws_is_final_fragment(wsi), binary = lws_frame_is_binary(wsi);
    if (user->session->closing)
        return;
    session_heard(user->session);
    if (user->paused || user->held)
        hold_piece(wsi, user, first, last, binary, piece);
    else
        take_piece(user, first, last, binary, piece);
}

static void take_held(struct lws *wsi, struct user *user)
{
    while (user->held && !user->paused) {
        struct piece *piece = user->held;
        user->held = piece->next;
        take_piece(user, piece->first, piece->last, piece->binary, (struct str){piece->bytes, piece->len});
        free(piece);
    }
    if (!user->held)
        lws_rx_flow_control(wsi, 1);
}

static void drop_held(struct user *user)
{
    for (struct piece *piece; (piece = user->held); free(piece))
        user->held = piece->next;
}

/* A code that may not be sent is here as what lws answers to it; half a code, and a reason that is no text, it does not
 * mind. Returns what ends the connection at once. */
static int on_peer_close(struct user *user, const unsigned char *payload, size_t len)
{
    struct session *session = user->session;
    user->heard_close = true;
    if (!session || session->closing)
        return user->said_close; /* an answer gets no answer */
    if (len == 1)
        reject(session, LWS_CLOSE_STATUS_PROTOCOL_ERR, "Protocol error");
    else if (len >= 2 && !text_utf8_valid((struct str){(const char *)payload + 2, len - 2}))
        reject(session, LWS_CLOSE_STATUS_INVALID_PAYLOAD, "Text must be UTF-8");
    else if (len >= 2 && (payload[0] << 8 | payload[1]) == LWS_CLOSE_STATUS_PROTOCOL_ERR)
        note_invalid(session, LWS_CLOSE_STATUS_PROTOCOL_ERR, "Protocol error");
    return user->said_close;
}

/* lws ends a connection by itself when frames break the protocol, and tells nobody why: it left its close frame's code,
 * or it hung up on a client that is still there. */
static void look_why(const struct ws *ws, struct lws *wsi, const struct user *user)
{
    char byte;
    if (ws->stopped || user->said_close || user->heard_close || user->session->closing)
        return;
    const unsigned char *payload = lws_get_close_length(wsi) >= 2 ? lws_get_close_payload(wsi) : NULL;
    ssize_t got = recv(lws_get_socket_fd(wsi), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (payload)
        note_invalid(user->session, (unsigned)(payload[0] << 8 | payload[1]), "Protocol error");
    else if (got > 0 || (got < 0 && errno == EAGAIN))
        note_invalid(user->session, 0, "Protocol error");
}

static void on_closed(struct ws *ws, struct lws *wsi, struct user *user)
{
    look_why(ws, wsi, user);
    ws->open--;
    session_ended(user->session);
    drop_inbox(user);
    drop_held(user);
    user->session = NULL;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *data, void *in, size_t len)
{
    struct user *user = data;
    switch (reason) {
    case LWS_CALLBACK_HTTP: return -1; /* only handshakes come here, and they were judged before */
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
        if (user->held && !user->paused)
            take_held(wsi, user);
        if (user->session)
            session_writable(user->session);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: return on_peer_close(user, in, len);
    case LWS_CALLBACK_CLOSED:
        if (user->session)
            on_closed(ws_of(wsi), wsi, user);
        return 0;
    default: return 0;
    }
}

/* ---- taking connections over ---- */

static void on_lws_log(int level, const char *line)
{
    (void)level;
    if (strstr(line, "adopt_socket_readbuf")) /* says so each time, as if it were an error */
        return;
    log_warn("lws", "msg=\"%.*s\"", (int)strcspn(line, "\n"), line);
}

struct ws *ws_new(const struct ws_config *config)
{
    static struct ws only; /* never freed: see ws_stop */
    /* All zero: lws' own heartbeat is off. Otherwise every handshake and every pong would put a timer into its sorted
     * list, walking over those of all other connections; session.c has a wheel for that. */
    static const lws_retry_bo_t no_validity_check;
    struct ws *ws = &only;
    void *loops[] = {config->loop};
    unsigned handshake_s = (unsigned)((config->settings->handshake_timeout_ms + 999) / 1000);
    ws->protocols[0] = (struct lws_protocols){
        .name = "no subprotocol", /* for handshakes that offer none; none can offer this */
        .callback = on_event,
        .per_session_data_size = sizeof(struct user),
        .rx_buffer_size = RX_BYTES,
        .tx_packet_size = TX_BYTES,
    };
    ws->protocols[1] = ws->protocols[0];
    ws->protocols[1].name = SUBPROTOCOL_NATIVE;
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBUV,
        .foreign_loops = loops,
        .user = ws,
        .gid = -1, /* stay who we are */
        .uid = -1,
        .max_http_header_data = HEADER_BYTES,
        .vhost_name = "adopted",
        .protocols = ws->protocols,
        .retry_and_idle_policy = &no_validity_check,
        .timeout_secs = handshake_s,
        .timeout_secs_ah_idle = handshake_s,
    };
    ws->config = *config;
    lws_set_log_level(LLL_ERR, on_lws_log);
    ws->context = lws_create_context(&info);
    CG_ASSERT(ws->context);
    ws->vhost = lws_create_vhost(ws->context, &info);
    CG_ASSERT(ws->vhost);
    return ws;
}

/* lws reads the handshake again, from the bytes, answers it and calls back before this returns. What came right behind
 * the handshake it reads in its next turn. */
void ws_adopt(struct ws *ws, int fd, struct str bytes, const struct ws_handshake *handshake)
{
    ws->handshake = handshake;
    lws_adopt_socket_vhost_readbuf(ws->vhost, fd, bytes.ptr, bytes.len); /* closes it if it fails */
    ws->handshake = NULL;
}

size_t ws_count(const struct ws *ws)
{
    return ws->open;
}

void ws_stop(struct ws *ws)
{
    ws->stopped = true;
    lws_context_destroy(ws->context); /* the first call closes; the second would free: see ws.h */
}
