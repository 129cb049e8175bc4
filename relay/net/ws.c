#include "relay/net/ws.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/text.h"
#include "relay/core/unfinished.h"
#include "relay/core/wsframe.h"
#include "relay/net/wsread.h"

#include <errno.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    READ_BYTES = 16384,       /* that are read at once, for all connections */
    MESSAGE_BYTES = 1024,     /* that a message in pieces begins with */
    PONGS_BYTES = 4096,       /* answered pings of one read go out together */
    CLOSE_REASON_BYTES = 123, /* RFC 6455 section 5.5 */
};

struct ws {
    struct ws_config config;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];
    size_t open;
    char pongs[PONGS_BYTES];
    size_t pongs_len;
};

/* An incomplete text or binary message, or bytes received while reading was paused. */
struct input {
    struct unfinished unfinished; /* first */
    struct user *user;
    struct buf bytes;
    size_t checked; /* of a text: how many are known to be UTF-8 */
};

/* lws' user space of a connection, and the socket that its session knows. */
struct user {
    struct lws *wsi;
    struct ws *ws;
    struct session *session; /* NULL: none was to be had */
    int fd;
    struct wsread read;
    /* NULL, as nearly always: an idle connection keeps no buffer. */
    struct input *message;  /* that is not whole yet */
    struct buf *out;        /* what the kernel did not take */
    struct input *deferred; /* bytes received while it was paused */
    struct buf *pong;       /* for the latest ping that came while the kernel took nothing */
    struct buf *welcome;    /* the handshake's answer, until the session has entered or has something to say */
    bool paused;
    bool said_close; /* our close frame is out, or in `out`: the client's ends the connection */
    bool deaf;       /* what it sends means nothing any more */
    bool said_all;   /* deaf, everything was sent, and our half was closed */
};

/* Ends the connection in a later turn of the loop. lws looks at its timeouts only after an event of its
 * own, which may be long in coming on a quiet relay: so we make one. */
static void end_soon(struct user *user)
{
    lws_set_timeout(user->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    lws_cancel_service(lws_get_context(user->wsi));
}

static void drop(struct buf **buf)
{
    if (*buf)
        buf_fini(*buf);
    free(*buf);
    *buf = NULL;
}

static void keep(struct buf **buf, struct str bytes)
{
    if (!*buf) {
        *buf = mem_zalloc(sizeof **buf);
        buf_init(*buf, SIZE_MAX / 4); /* each has a bound of its own: see who calls */
    }
    buf_add_str(*buf, bytes);
}

/* ---- the transport that sessions see ---- */

/* Whole frames, straight to the socket. What the kernel does not take is kept here and not with lws, which would look
 * at nothing else until that is out, in a loop that never sleeps while the client goes on talking. Never more than one
 * call's bytes, a close frame and a read's pongs: who got SEND_BLOCKED waits. */
static enum send_result give(struct user *user, struct str bytes)
{
    ssize_t taken = user->out ? 0 : send(user->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken == (ssize_t)bytes.len)
        return SEND_MORE;
    if (taken < 0 && errno != EAGAIN && errno != EINTR) {
        end_soon(user);
        return SEND_DEAD;
    }
    size_t out = taken > 0 ? (size_t)taken : 0;
    keep(&user->out, (struct str){bytes.ptr + out, bytes.len - out});
    lws_callback_on_writable(user->wsi);
    return SEND_BLOCKED;
}

/* Answers the handshake. A client that is connected may count on what its protocol promises: that it hears what is said
 * from now on. So the answer waits until the session has entered. */
static void greet(struct user *user)
{
    struct buf *welcome = user->welcome;
    user->welcome = NULL;
    if (welcome)
        give(user, buf_str(welcome));
    drop(&welcome);
}

static enum send_result ws_send(void *socket, struct str bytes)
{
    greet(socket);
    return give(socket, bytes);
}

/* False: the socket is broken. */
static bool flush(struct user *user)
{
    ssize_t taken = send(user->fd, user->out->data, user->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken < 0)
        return errno == EAGAIN || errno == EINTR;
    buf_consume(user->out, (size_t)taken);
    if (!user->out->len)
        drop(&user->out);
    return true;
}

/* code 0: none. */
static void ws_close(void *socket, unsigned code, const char *reason)
{
    struct user *user = socket;
    char frame[4 + CLOSE_REASON_BYTES];
    size_t len = code ? 2 + strlen(reason) : 0;
    CG_ASSERT(len <= 2 + CLOSE_REASON_BYTES);
    wsframe_header(frame, WSFRAME_CLOSE, len);
    if (code) {
        frame[2] = (char)(code >> 8);
        frame[3] = (char)code;
        memcpy(frame + 4, reason, len - 2);
    }
    user->said_close = true;
    if (user->deferred)
        lws_callback_on_writable(user->wsi); /* or the client's answer would never be read */
    ws_send(user, (struct str){frame, 2 + len});
}

static void ws_kill(void *socket)
{
    end_soon(socket);
}

/* Most clients send nothing while they wait to be let in, so lws is only told to stop reading if one does send
 * (on_bytes). */
static void ws_pause(void *socket, bool paused)
{
    struct user *user = socket;
    user->paused = paused;
    if (!paused)
        greet(user);
    if (user->deferred && !paused)
        lws_callback_on_writable(user->wsi); /* where what was deferred is read: not in here */
}

static size_t ws_kept(void *socket)
{
    const struct user *user = socket;
    return user->out ? user->out->cap : 0;
}

static const struct transport ws_transport = {
    .send = ws_send,
    .close = ws_close,
    .kill = ws_kill,
    .pause = ws_pause,
    .kept = ws_kept,
};

/* ---- messages ---- */

/* RFC 6455 section 7.1.7: nothing that it says from here on counts, so that nobody waits for its close frame either. */
static void reject(struct user *user, unsigned code, const char *reason)
{
    struct session *session = user->session;
    user->deaf = true;
    metric_inc(METRIC_CLOSED_INVALID);
    log_info("conn.invalid", "conn=%llu code=%u reason=\"%s\"", (unsigned long long)session->id, code, reason);
    session_close(session, code, reason);
}

static void not_utf8(struct user *user)
{
    reject(user, LWS_CLOSE_STATUS_INVALID_PAYLOAD, "Text must be UTF-8");
}

static void on_message(struct user *user, bool binary, bool is_utf8, struct str message)
{
    struct session *session = user->session;
    if (!binary && !is_utf8)
        not_utf8(user);
    else if (session_may_speak(session, message))
        (binary ? session->protocol->received_binary : session->protocol->received)(session, message);
}

/* ---- what is kept until more comes ---- */

static void drop_input(struct input **input)
{
    if (*input) {
        unfinished_set(&(*input)->unfinished, 0, 0);
        buf_fini(&(*input)->bytes);
    }
    free(*input);
    *input = NULL;
}

/* Too much is kept for all clients, and of its address most. */
static void on_crowded(struct unfinished *unfinished)
{
    struct input *input = (struct input *)(void *)unfinished;
    struct user *user = input->user;
    session_close(user->session, 1013, "Busy: say it again later");
    if (input == user->deferred)
        user->deaf = true; /* what follows begins somewhere */
    drop_input(input == user->deferred ? &user->deferred : &user->message);
}

static struct input *new_input(struct user *user, size_t max)
{
    struct input *input = mem_zalloc(sizeof *input);
    input->unfinished.drop = on_crowded;
    input->user = user;
    buf_init(&input->bytes, max);
    return input;
}

/* The last thing that is done with it: it may be dropped for it. */
static void note_input(struct input *input)
{
    unfinished_set(&input->unfinished, input->user->session->client.address, input->bytes.cap);
}

static size_t longest_message(const struct session *session)
{
    const struct settings *settings = session->owner->settings;
    return session->protocol->max_message ? session->protocol->max_message(settings)
                                          : (size_t)settings->max_message_bytes;
}

/* False: it is a text that cannot become one. */
static bool add_to_message(struct user *user, bool binary, struct str piece)
{
    size_t max = longest_message(user->session);
    bool broken = false;
    if (!user->message) {
        user->message = new_input(user, max);
        if (max >= MESSAGE_BYTES)
            buf_reserve(&user->message->bytes, MESSAGE_BYTES);
    }
    struct input *input = user->message;
    buf_add_str(&input->bytes, piece);
    if (!binary) {
        struct str rest = {input->bytes.data + input->checked, input->bytes.len - input->checked};
        input->checked += text_utf8_prefix(rest, &broken);
    }
    return !broken;
}

static void on_piece(struct user *user, const struct wsread_event *piece)
{
    struct session *session = user->session;
    if (piece->binary && !session->protocol->received_binary) {
        reject(user, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "Text frames only");
    } else if (piece->first && piece->last) {
        on_message(user, piece->binary, piece->binary || text_utf8_valid(piece->bytes), piece->bytes);
    } else if (!add_to_message(user, piece->binary, piece->bytes)) {
        not_utf8(user);
    } else {
        session_unfinished(session, !piece->last);
        if (!piece->last) {
            note_input(user->message);
            return;
        }
        struct input *whole = user->message; /* what it leads to may end in a close */
        user->message = NULL;
        unfinished_set(&whole->unfinished, 0, 0);
        on_message(user, piece->binary, whole->checked == whole->bytes.len, buf_str(&whole->bytes));
        drop_input(&whole);
    }
    if (session->closing)
        drop_input(&user->message);
}

/* ---- frames ---- */

static void send_pongs(struct user *user)
{
    struct ws *ws = user->ws;
    if (ws->pongs_len && !user->said_close)
        ws_send(user, (struct str){ws->pongs, ws->pongs_len});
    ws->pongs_len = 0;
}

/* While the kernel takes nothing, only the latest is answered (section 5.5.3). */
static void on_ping(struct user *user, struct str payload)
{
    struct ws *ws = user->ws;
    char head[WSFRAME_HEADER_MAX];
    size_t len = wsframe_header(head, WSFRAME_PONG, payload.len);
    if (ws->pongs_len + len + payload.len > sizeof ws->pongs)
        send_pongs(user);
    if (user->out) {
        drop(&user->pong);
        keep(&user->pong, (struct str){head, len});
        buf_add_str(user->pong, payload);
        return;
    }
    memcpy(ws->pongs + ws->pongs_len, head, len);
    memcpy(ws->pongs + ws->pongs_len + len, payload.ptr, payload.len);
    ws->pongs_len += len + payload.len;
}

/* The client's close frame is answered with its code; nothing follows either of them. */
static void on_close(struct user *user, unsigned code)
{
    user->deaf = true;
    send_pongs(user);
    if (!user->said_close)
        session_close(user->session, code, "");
}

static void on_frame(struct user *user, const struct wsread_event *event)
{
    struct session *session = user->session;
    switch (event->kind) {
    case WSREAD_DATA:
        if (!session->closing)
            on_piece(user, event);
        break;
    case WSREAD_PING:
        if (!session->closing)
            on_ping(user, event->bytes);
        break;
    case WSREAD_CLOSE: on_close(user, event->code); break;
    case WSREAD_BROKEN:
        send_pongs(user);
        user->deaf = true;
        if (!session->closing)
            reject(user, event->code, event->why);
        break;
    case WSREAD_PONG:
    case WSREAD_MORE: break;
    }
}

/* How many bytes were read: all, unless it is paused. */
static size_t read_frames(struct user *user, char *bytes, size_t len)
{
    size_t at = 0, used;
    while (at < len && !user->deaf && (!user->paused || user->session->closing)) {
        struct wsread_event event =
            wsread_take(&user->read, bytes + at, len - at, longest_message(user->session), &used);
        at += used;
        on_frame(user, &event);
    }
    send_pongs(user);
    return user->deaf ? len : at;
}

/* After the last frame of either side, our half of the connection is closed and the client's end is awaited, as long
 * as a session's close frame may wait for an answer: it may be talking still, and the reset that closing a socket with
 * unread bytes makes would take our close frame with it (RFC 6455 section 7.1.1). */
static void settle(struct user *user)
{
    if (user->out || !user->deaf || user->said_all)
        return;
    shutdown(user->fd, SHUT_WR);
    user->said_all = true;
}

/* ---- lws' events ---- */

static void on_bytes(struct user *user, char *bytes, size_t len)
{
    session_heard(user->session);
    size_t at = user->deferred ? 0 : read_frames(user, bytes, len);
    if (at < len) { /* lws stops reading after this */
        if (!user->deferred)
            user->deferred = new_input(user, SIZE_MAX / 4);
        buf_add(&user->deferred->bytes, bytes + at, len - at);
        lws_rx_flow_control(user->wsi, 0);
        note_input(user->deferred);
    }
    settle(user);
}

static void read_deferred(struct user *user)
{
    struct input *deferred = user->deferred;
    user->deferred = NULL;
    unfinished_set(&deferred->unfinished, 0, 0);
    size_t at = read_frames(user, deferred->bytes.data, deferred->bytes.len);
    if (at < deferred->bytes.len) {
        buf_consume(&deferred->bytes, at);
        user->deferred = deferred;
        note_input(deferred);
        return;
    }
    drop_input(&deferred);
    lws_rx_flow_control(user->wsi, 1);
}

/* False: the socket is broken. */
static bool on_writable(struct user *user)
{
    if (user->out && !flush(user))
        return false;
    if (user->out) {
        lws_callback_on_writable(user->wsi);
        return true;
    }
    if (user->pong && !user->said_close)
        ws_send(user, buf_str(user->pong));
    drop(&user->pong);
    if (user->deferred && (!user->paused || user->session->closing))
        read_deferred(user);
    session_writable(user->session);
    settle(user);
    return true;
}

static void on_closed(struct user *user)
{
    struct session *session = user->session;
    drop_input(&user->message);
    drop_input(&user->deferred);
    user->session = NULL;
    if (session) {
        user->ws->open--;
        session_ended(session);
    }
    wsread_fini(&user->read);
    drop(&user->out);
    drop(&user->pong);
    drop(&user->welcome);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *data, void *in, size_t len)
{
    struct user *user = data;
    (void)wsi;
    switch (reason) {
    case LWS_CALLBACK_RAW_RX:
        if (user->session)
            on_bytes(user, in, len);
        return 0;
    case LWS_CALLBACK_RAW_WRITEABLE: return user->session && !on_writable(user) ? -1 : 0;
    case LWS_CALLBACK_RAW_CLOSE:
        if (user && user->ws)
            on_closed(user);
        return 0;
    default: return 0;
    }
}

/* ---- taking connections over ---- */

static void on_lws_log(int level, const char *line)
{
    (void)level;
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
    ws->protocols[0] = (struct lws_protocols){
        .name = "chaguan",
        .callback = on_event,
        .per_session_data_size = sizeof(struct user),
    };
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBUV,
        .foreign_loops = loops,
        .user = ws,
        .gid = -1, /* stay who we are */
        .uid = -1,
        .pt_serv_buf_size = READ_BYTES,
        .vhost_name = "adopted",
        .protocols = ws->protocols,
        .retry_and_idle_policy = &no_validity_check,
    };
    ws->config = *config;
    lws_set_log_level(LLL_ERR, on_lws_log);
    ws->context = lws_create_context(&info);
    CG_NEED(ws->context, "libwebsockets what it begins with");
    ws->vhost = lws_create_vhost(ws->context, &info);
    CG_NEED(ws->vhost, "libwebsockets what it begins with");
    return ws;
}

/* RFC 6455 section 4.2.2. */
static void shake_hands(struct user *user, const struct ws_handshake *handshake)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char key[64], accept[32], answer[256];
    unsigned char hash[20];
    const struct protocol *protocol = handshake->protocol;
    struct str given =
        handshake->request->header(handshake->request, "sec-websocket-key", key, sizeof key - sizeof guid + 1);
    memcpy(key + given.len, guid, sizeof guid);
    lws_SHA1((const unsigned char *)key, given.len + sizeof guid - 1, hash);
    lws_b64_encode_string((const char *)hash, sizeof hash, accept, sizeof accept);
    int len = snprintf(answer, sizeof answer,
                       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
                       accept, protocol->subprotocol ? "Sec-WebSocket-Protocol: " : "",
                       protocol->subprotocol ? protocol->subprotocol : "", protocol->subprotocol ? "\r\n" : "");
    CG_ASSERT(len > 0 && (size_t)len < sizeof answer);
    keep(&user->welcome, (struct str){answer, (size_t)len});
}

static void open_session(struct user *user, const struct ws_handshake *handshake)
{
    struct ws *ws = user->ws;
    const struct protocol *protocol = handshake->protocol;
    shake_hands(user, handshake);
    user->session = session_new(ws->config.sessions, protocol, &ws_transport, user);
    if (!user->session) {
        metric_inc(METRIC_CONNECTIONS_REFUSED);
        ws_close(user, 1013, "Full");
        end_soon(user);
        return;
    }
    ws->open++;
    session_from(user->session, str_of(handshake->peer));
    log_debug("conn.open", "conn=%llu peer=\"%s\" protocol=%s", (unsigned long long)user->session->id, handshake->peer,
              protocol->name);
    protocol->open(user->session, handshake->request);
    if (!user->paused)
        greet(user);
}

void ws_adopt(struct ws *ws, int fd, struct str bytes, const struct ws_handshake *handshake)
{
    lws_sock_file_fd_type socket = {.sockfd = fd};
    /* Neither HTTP nor WebSocket to lws: it has the socket, its events and its end. It closes it if it fails. */
    struct lws *wsi = lws_adopt_descriptor_vhost(ws->vhost, LWS_ADOPT_SOCKET, socket, ws->protocols[0].name, NULL);
    struct user *user = wsi ? lws_wsi_user(wsi) : NULL;
    if (!user)
        return;
    user->wsi = wsi;
    user->ws = ws;
    user->fd = fd;
    open_session(user, handshake);
    if (!bytes.len || !user->session)
        return;
    struct buf *early = NULL; /* bytes received directly after the handshake */
    keep(&early, bytes);
    on_bytes(user, early->data, early->len);
    drop(&early);
}

size_t ws_count(const struct ws *ws)
{
    return ws->open;
}

void ws_stop(struct ws *ws)
{
    lws_context_destroy(ws->context); /* the first call closes; the second would free: see ws.h */
}
