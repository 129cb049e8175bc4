#include "common/container.h"
#include "relay/socketio/eio_conn.h"

#include "common/metrics.h"
#include "relay/core/wsframe.h"

/* The state of a session. */
struct socket {
    struct eio *conn; /* NULL: the session is on its own and about to close */
    struct session *session;
    bool base64;              /* its client takes no binary frames */
    struct wheel_timer timer; /* of one that wants to take over; */
    struct wheel_timer noop;  /* … while a poll waits for that */
};

static struct socket *socket_of(struct session *session)
{
    return session->state;
}

static void cancel_timers(struct socket *socket)
{
    wheel_cancel(&socket->timer);
    wheel_cancel(&socket->noop);
}

void eio_drop_session(struct session *session, unsigned code, const char *reason)
{
    struct socket *socket = socket_of(session);
    struct eio *conn = socket->conn;
    cancel_timers(socket);
    socket->conn = NULL;
    if (conn->probe == session) {
        conn->probe = NULL;
        conn->probed = false;
    } else {
        conn->session = NULL;
    }
    session_close(session, code, reason);
}

/* ---- the change from polling to a WebSocket (protocol: "Upgrade") ---- */

/* What was put into a payload for the next poll goes out as frames instead, but for the "1" of polling. */
static void replay(struct eio *conn, struct buf *queued)
{
    struct str rest = buf_str(queued);
    struct eio_packet packet;
    struct buf scratch;
    buf_init(&scratch, queued->max);
    while (queued->len &&
           !(conn->v3 ? eio3_payload_next(&rest, true, &scratch, &packet) : eio_payload_next(&rest, &scratch, &packet)))
        if (packet.binary || packet.type != EIO_CLOSE)
            eio_put_frame(conn, packet.type, packet.binary, packet.data);
    buf_fini(&scratch);
}

static void take_over(struct eio *conn, struct session *session)
{
    struct buf queued = conn->out;
    cancel_timers(socket_of(session));
    buf_init(&conn->out, queued.max);
    conn->probe = NULL;
    conn->session = session;
    conn->base64 = socket_of(session)->base64;
    if (conn->poll && conn->probed) {
        eio_refuse_poll(conn); /* on its own way it has overtaken the upgrade, which was said first */
    } else if (conn->poll) {   /* its client should have let it end before: it ends without a word */
        eio_queue(conn, EIO_NOOP, false, STR(""));
        eio_answer_poll(conn);
    }
    conn->websocket = true;
    session_admitted(session); /* the connection stands for it */
    if (conn->joined)
        eio_let_in(conn);
    limits_leave(eio_all.sessions->limits, &conn->client); /* the session counts now */
    eio_all.polling--;
    metric_inc(METRIC_EIO_UPGRADES);
    replay(conn, &queued);
    buf_fini(&queued);
    eio_note_out(conn);
    if (conn->post)
        eio_make_dirty(conn);
    if (conn->parting && !session->outbox.len) { /* closed meanwhile, and nothing left to say */
        eio_drop_session(session, 1000, "");
        conn->lingers = false;
        eio_gone(conn);
    }
}

/* The client changes over when no poll is left. */
static void end_poll(struct eio *conn)
{
    if (!conn->out.len)
        eio_queue(conn, EIO_NOOP, false, STR(""));
    eio_answer_poll(conn);
}

static void on_noop(struct wheel_timer *timer)
{
    struct socket *socket = container_of(timer, struct socket, noop);
    if (socket->conn->poll)
        end_poll(socket->conn);
}

/* A client that was told 3probe may poll once more before it says "5", and gets a noop soon. Or it has said "5" and
 * polls all the same, and the two come on different ways. */
void eio_poll_probed(struct eio *conn)
{
    wheel_set(eio_all.wheel, &socket_of(conn->probe)->noop, EIO_NOOP_MS);
}

/* The first words of a WebSocket that names a connection. Anything unexpected ends the attempt, not the connection. */
static void probe_in(struct eio *conn, struct session *session, const struct eio_packet *packet)
{
    if (packet && packet->type == EIO_PING && str_eq(packet->data, STR("probe"))) {
        session_send_text(session, STR("3probe")); /* at once: before a poll that this refuses is */
        conn->probed = true;
        if (conn->poll && conn->poll_crossed)
            eio_poll_probed(conn); /* it has overtaken the probe: as if it came behind it */
        else if (conn->poll)
            end_poll(conn);
    } else if (packet && packet->type == EIO_UPGRADE) {
        take_over(conn, session);
    } else {
        eio_drop_session(session, 1002, "");
    }
}

static void on_late(struct wheel_timer *timer)
{
    struct socket *socket = container_of(timer, struct socket, timer);
    eio_drop_session(socket->session, 1000, "");
}

/* ---- the session's protocol ---- */

static bool claims(struct str path)
{
    return eio_layer_of(path);
}

/* Whoever may not come in was refused, or handed to another relay, before the WebSocket was (eio_upgrade).
 * "A client MUST NOT open more than one WebSocket connection per session": the second one is closed. */
static void open_session(struct session *session, const struct request *request)
{
    struct socket *socket = socket_of(session);
    struct eio *conn;
    uint64_t elsewhere;
    char text[16];
    socket->session = session;
    socket->base64 = request->argument(request, "b64", text, sizeof text).len;
    socket->timer.fired = on_late;
    socket->noop.fired = on_noop;
    if (eio_check(request, "GET", true, &conn, &elsewhere) != EIO_FINE || elsewhere ||
        (conn && (conn->websocket || conn->probe || conn->over))) {
        session_close(session, 1008, "");
    } else if (conn) {
        socket->conn = conn;
        conn->probe = session;
        wheel_set(eio_all.wheel, &socket->timer, EIO_UPGRADE_MS);
    } else {
        socket->conn = eio_new(eio_layer_of(request->path), session);
        session_admitted(session); /* the connection stands for it */
        eio_set_version(socket->conn, request);
        eio_end_with_token(socket->conn, request);
        eio_begin(socket->conn);
    }
}

static void received(struct session *session, struct str text)
{
    struct eio *conn = socket_of(session)->conn;
    struct eio_packet packet;
    struct buf scratch;
    if (!conn)
        return;
    buf_init(&scratch, text.len);
    enum err err =
        conn->v3 ? eio3_frame_parse(false, text, &scratch, &packet) : eio_packet_parse(text, &scratch, &packet);
    if (conn->probe == session)
        probe_in(conn, session, err ? NULL : &packet);
    else if (err)
        eio_end(conn, EIO_END_BROKEN, false);
    else
        eio_packet_in(conn, &packet);
    buf_fini(&scratch);
}

static void received_binary(struct session *session, struct str bytes)
{
    struct eio *conn = socket_of(session)->conn;
    struct eio_packet packet = {EIO_MESSAGE, true, bytes};
    if (!conn)
        return;
    if (conn->probe == session)
        probe_in(conn, session, NULL);
    else if (conn->v3 && eio3_frame_parse(true, bytes, NULL, &packet))
        eio_end(conn, EIO_END_BROKEN, false);
    else
        eio_packet_in(conn, &packet);
}

/* With its type, as a body of polling. */
static size_t max_message(const struct settings *settings)
{
    return (size_t)settings->io_max_payload_bytes;
}

/* What eio_close waited for. */
static void drained(struct session *session)
{
    struct eio *conn = socket_of(session)->conn;
    if (conn && conn->post)
        eio_make_dirty(conn);
    if (!conn || !conn->over || conn->session != session)
        return;
    eio_drop_session(session, 1000, "");
    conn->lingers = false;
    eio_gone(conn);
}

static void closed(struct session *session)
{
    struct socket *socket = socket_of(session);
    struct eio *conn = socket->conn;
    cancel_timers(socket);
    if (!conn)
        return;
    socket->conn = NULL;
    if (conn->probe == session) {
        conn->probe = NULL;
        conn->probed = false;
        return;
    }
    conn->session = NULL;
    conn->lingers = false;
    eio_end(conn, EIO_END_LEFT, false);
    eio_gone(conn);
}

const struct protocol eio_protocol = {
    .name = "engine.io",
    .sees_to_tokens = true, /* by its layer */
    .state_size = sizeof(struct socket),
    .claims = claims,
    .open = open_session,
    .received = received,
    .received_binary = received_binary,
    .max_message = max_message,
    .drained = drained,
    .closed = closed,
};
