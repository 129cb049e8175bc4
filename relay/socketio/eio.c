#include "common/container.h"
#include "relay/socketio/eio_conn.h"

#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/text.h"
#include "relay/core/protocol.h"
#include "relay/core/wsframe.h"

#include <stdio.h>
#include <stdlib.h>

struct eio_all eio_all;

static const struct {
    const char *reason; /* in Socket.IO's words */
    enum eio_type last; /* to a poll that waits */
    unsigned code;      /* to a WebSocket, RFC 6455 section 7.4 */
    int metric;         /* -1: none but that it is closed */
    const char *why;    /* to a WebSocket; NULL: nothing */
    bool keeps;         /* what waits for the next poll is still said */
} endings[] = {
    [EIO_END_SAID] = {"transport close", EIO_NOOP, 1000, -1, NULL, false},
    [EIO_END_LEFT] = {"transport close", EIO_CLOSE, 1000, -1, NULL, false},
    [EIO_END_SILENT] = {"ping timeout", EIO_CLOSE, 1000, METRIC_CLOSED_SILENT, NULL, false},
    [EIO_END_BROKEN] = {"parse error", EIO_CLOSE, 1002, METRIC_CLOSED_INVALID, NULL, false},
    [EIO_END_WRONG] = {"transport error", EIO_CLOSE, 1002, METRIC_CLOSED_INVALID, NULL, false},
    [EIO_END_SLOW] = {"transport error", EIO_CLOSE, 1013, METRIC_CLOSED_SLOW, NULL, false},
    [EIO_END_LIMIT] = {"transport error", EIO_CLOSE, 1008, -1, "Too many messages", false},
    [EIO_END_CROWDED] = {"transport error", EIO_CLOSE, 1013, -1, "Too many wait to come in", false},
    [EIO_END_BANNED] = {"forced close", EIO_CLOSE, 1008, METRIC_CLOSED_MODERATION, "banned", true},
    [EIO_END_KICKED] = {"forced close", EIO_CLOSE, 1008, METRIC_CLOSED_MODERATION, "kicked", true},
};

static void on_timer(struct wheel_timer *timer);
static void on_end(struct wheel_timer *timer);

void eio_init(const struct settings *settings, struct wheel *wheel, struct sessions *sessions, struct handoff *handoff,
              const struct eio_layer *const *layers, uint64_t incarnation, const unsigned char secret[32])
{
    eio_all = (struct eio_all){.settings = settings,
                               .wheel = wheel,
                               .sessions = sessions,
                               .handoff = handoff,
                               .layers = layers,
                               .incarnation = incarnation,
                               .end.fired = on_end};
    memcpy(eio_all.secret, secret, SID_SECRET_BYTES);
}

void eio_fini(void)
{
    if (!eio_all.settings)
        return;
    struct eio *conn;
    on_end(&eio_all.end);
    for (size_t at = 0; (conn = map_next(&eio_all.conns, &at)); at = 0) { /* those that wait for a last poll */
        CG_ASSERT(conn->told);
        conn->lingers = false;
        eio_gone(conn);
    }
    wheel_cancel(&eio_all.end);
    map_fini(&eio_all.conns);
    eio_all.layers = NULL;
}

const struct eio_layer *eio_layer_of(struct str path)
{
    for (const struct eio_layer *const *at = eio_all.layers; at && *at; at++) {
        struct str own = str_of((*at)->path);
        if (str_eq(path, own) || (path.len + 1 == own.len && !memcmp(path.ptr, own.ptr, path.len)))
            return *at;
    }
    return NULL;
}

void *eio_state(struct eio *conn)
{
    return conn->state;
}

uint64_t eio_id(const struct eio *conn)
{
    return conn->id;
}

struct eio *eio_find(uint64_t id)
{
    struct eio *conn = map_get(&eio_all.conns, id);
    return conn && !conn->over ? conn : NULL;
}

bool eio_is_v3(const struct eio *conn)
{
    return conn->v3;
}

/* What stands before its sids; empty: nothing. */
static struct str home(void)
{
    struct str name = str_of(eio_all.settings->name);
    return sid_home_ok(name) ? name : STR("");
}

struct str eio_sid(const struct eio *conn)
{
    static char text[SID_HOME_MAX + SID_MAX + 1];
    struct str name = home();
    snprintf(text, sizeof text, "%.*s%s%s", (int)name.len, name.ptr, name.len ? "." : "", conn->sid);
    return str_of(text);
}

uint64_t eio_address(const struct eio *conn)
{
    return conn->client.address;
}

size_t eio_count(void)
{
    return eio_all.conns.count;
}

size_t eio_load(void)
{
    return eio_all.sessions->count + eio_all.polling;
}

bool eio_full(bool alone)
{
    return (eio_all.draining && !alone) ||
           (eio_load() >= (size_t)eio_all.settings->max_connections && !lobby_makes_room(eio_all.sessions->lobby));
}

/* ---- the lobby ---- */

static void put_out(struct lobby_guest *guest)
{
    struct eio *conn = container_of(guest, struct eio, guest);
    struct session *session = conn->session;
    eio_end(conn, EIO_END_CROWDED, false);
    if (session)
        session->transport->kill(session->socket); /* without the time to answer the close */
}

void eio_let_in(struct eio *conn)
{
    lobby_leave(eio_all.sessions->lobby, &conn->guest);
    if (conn->poll)
        http_vouch(conn->poll);
}

void eio_admit(struct eio *conn)
{
    conn->joined = true;
    if (conn->websocket || conn->poll)
        eio_let_in(conn);
}

/* ---- out ---- */

void eio_put_frame(struct eio *conn, enum eio_type type, bool binary, struct str data)
{
    static const char message_byte = 4;
    char sign = (char)type;
    if (binary && conn->base64) {
        struct buf text;
        buf_init(&text, eio_payload_cost(true, data.len) + 1);
        if (conn->v3)
            eio3_add_base64(&text, data);
        else
            eio_packet_add_base64(&text, data);
        session_queue(conn->session, WSFRAME_TEXT, buf_str(&text), STR(""));
        buf_fini(&text);
    } else if (binary) {
        session_queue(conn->session, WSFRAME_BINARY, (struct str){&message_byte, conn->v3}, data);
    } else {
        session_queue(conn->session, WSFRAME_TEXT, (struct str){&sign, 1}, data);
    }
}

void eio_make_dirty(struct eio *conn)
{
    if (conn->dirty)
        return;
    conn->dirty = true;
    SLIST_INSERT_HEAD(&eio_all.dirty, conn, dirty_link);
}

void eio_note_out(struct eio *conn)
{
    debt_set(&conn->debt, conn->out.cap + conn->left.len + conn->form.cap);
}

/* More waits for all clients than may, and for this one most. */
static void on_too_much(struct debt *debt)
{
    struct eio *conn = container_of(debt, struct eio, debt);
    metric_inc(METRIC_WAITING_CLOSED);
    buf_fini(&conn->out);
    eio_note_out(conn);
    eio_end(conn, EIO_END_SLOW, false);
}

void eio_queue(struct eio *conn, enum eio_type type, bool binary, struct str data)
{
    if (conn->v3)
        eio3_payload_add(&conn->out, type, binary, data);
    else
        eio_payload_add(&conn->out, type, binary, data);
}

/* As one payload for the poll: encoded here, so that an answer is one run of bytes. */
static void put_payload(struct eio *conn, enum eio_type type, bool binary, struct str data)
{
    size_t cost = conn->v3 ? eio3_payload_cost(data.len) : eio_payload_cost(binary, data.len);
    if (conn->poll && conn->out.len && cost > conn->out.max - conn->out.len)
        eio_answer_poll(conn);
    eio_queue(conn, type, binary, data);
    if (conn->out.failed)
        eio_end(conn, EIO_END_SLOW, false);
    else if (conn->poll)
        eio_make_dirty(conn);
    eio_note_out(conn);
}

static void put(struct eio *conn, enum eio_type type, bool binary, struct str data)
{
    if (conn->over)
        return;
    if (!conn->websocket)
        put_payload(conn, type, binary, data);
    else if (conn->session)
        eio_put_frame(conn, type, binary, data);
}

void eio_send(struct eio *conn, bool binary, struct str data)
{
    put(conn, EIO_MESSAGE, binary, data);
}

void eio_flush(void)
{
    for (struct eio *conn; (conn = SLIST_FIRST(&eio_all.dirty));) {
        SLIST_REMOVE_HEAD(&eio_all.dirty, dirty_link);
        conn->dirty = false;
        if (conn->poll && conn->out.len)
            eio_answer_poll(conn);
        eio_go_on_post(conn);
    }
}

/* ---- the beginning, and the heartbeat (protocol: "Handshake", "Heartbeat") ---- */

struct eio *eio_new(const struct eio_layer *layer, struct session *session)
{
    struct eio *conn = mem_zalloc(sizeof *conn + layer->state_size);
    do
        conn->id = id_random() | (uint64_t)1 << 63;
    while (map_get(&eio_all.conns, conn->id));
    sid_make(eio_all.secret, home(), eio_all.incarnation, conn->id, conn->sid);
    conn->layer = layer;
    conn->session = session;
    conn->websocket = session;
    conn->client.address = session ? session->client.address : 0;
    conn->timer.fired = on_timer;
    buf_init(&conn->out, (size_t)eio_all.settings->outbox_bytes);
    conn->debt.end = on_too_much;
    map_put(&eio_all.conns, conn->id, conn);
    eio_all.polling += !session;
    metric_inc(METRIC_EIO_OPENED);
    metric_set(METRIC_EIO_CONNECTIONS, (int64_t)eio_all.conns.count);
    return conn;
}

/* The next ping is so long after the last pong. In version 3 the client says it, and whatever it says tells that it is
 * there. */
static void await_ping(struct eio *conn)
{
    conn->pinged = conn->v3;
    if (conn->v3) {
        int64_t delay_ms = eio_all.settings->io_ping_interval_ms + eio_all.settings->io_ping_timeout_ms;
        conn->due_ms = clock_mono_ms() + delay_ms;
        wheel_set(eio_all.wheel, &conn->timer, delay_ms);
        return;
    }
    conn->due_ms = clock_mono_ms() + eio_all.settings->io_ping_interval_ms;
    wheel_set(eio_all.wheel, &conn->timer, eio_all.settings->io_ping_interval_ms);
}

/* The wheel is late by up to a tick. A client that takes the ping at once has its full time from now; one that has no
 * poll waiting has left already, for all we know, and its time runs from when the ping was due. */
static void ping(struct eio *conn)
{
    int64_t now = clock_mono_ms();
    bool here = conn->poll || conn->websocket;
    conn->pinged = true;
    conn->due_ms = (here ? now : conn->due_ms) + eio_all.settings->io_ping_timeout_ms;
    wheel_set(eio_all.wheel, &conn->timer, conn->due_ms > now ? conn->due_ms - now : 0);
    put(conn, EIO_PING, false, STR(""));
}

bool eio_overdue(const struct eio *conn)
{
    return !conn->over && conn->pinged && clock_mono_ms() >= conn->due_ms;
}

void eio_begin(struct eio *conn)
{
    const struct settings *settings = eio_all.settings;
    struct buf open;
    buf_init(&open, 512);
    json_begin_object(&open);
    json_add_string(&open, "sid", eio_sid(conn));
    json_add_array(&open, "upgrades");
    if (!conn->websocket)
        json_add_text(&open, NULL, "websocket");
    json_end_array(&open);
    json_add_int(&open, "pingInterval", settings->io_ping_interval_ms);
    json_add_int(&open, "pingTimeout", settings->io_ping_timeout_ms);
    json_add_int(&open, "maxPayload", settings->io_max_payload_bytes);
    json_end_object(&open);
    CG_ASSERT(!open.failed);
    lobby_enter(eio_all.sessions->lobby, &conn->guest, conn->client.address, put_out);
    await_ping(conn);
    put(conn, EIO_OPEN, false, buf_str(&open));
    buf_fini(&open);
    conn->layer->opened(conn);
}

/* ---- tokens that end ---- */

static void on_expiry(void *conn)
{
    eio_close(conn, "forced close");
}

void eio_expire(struct eio *conn, int64_t expires_s)
{
    bool is_earlier = !conn->pass || expires_s * 1000 < conn->pass->expires_ms;
    if (!conn->over && is_earlier)
        conn->pass = pass_until(conn->pass, eio_all.wheel, expires_s, on_expiry, conn);
}

void eio_end_with_token(struct eio *conn, const struct request *request)
{
    struct token token;
    if (conn->layer->sees_to_tokens || !settings_doors_closed(eio_all.settings) || protocol_read_token(request, &token))
        return;
    conn->by_token = true;
    eio_expire(conn, token.expires_s);
    token_fini(&token);
}

/* ---- the end: over at once, the layer told in a later turn, freed when nothing is left ---- */

void eio_gone(struct eio *conn)
{
    if (!conn->told || conn->lingers)
        return;
    CG_ASSERT(conn->over && !conn->poll && !conn->session && !conn->probe && !conn->post);
    wheel_cancel(&conn->timer);
    limits_leave(eio_all.sessions->limits, &conn->client);
    if (conn->dirty)
        SLIST_REMOVE(&eio_all.dirty, conn, eio, dirty_link);
    buf_fini(&conn->out);
    debt_set(&conn->debt, 0);
    map_take(&eio_all.conns, conn->id);
    eio_all.polling -= !conn->websocket;
    metric_set(METRIC_EIO_CONNECTIONS, (int64_t)eio_all.conns.count);
    free(conn);
}

static void on_end(struct wheel_timer *timer)
{
    (void)timer;
    for (struct eio *conn; (conn = SLIST_FIRST(&eio_all.ending));) {
        SLIST_REMOVE_HEAD(&eio_all.ending, ending_link);
        eio_end_post(conn);
        conn->layer->closed(conn, conn->reason);
        conn->told = true;
        eio_gone(conn);
    }
}

static void become_over(struct eio *conn, const char *reason)
{
    conn->over = true;
    lobby_leave(eio_all.sessions->lobby, &conn->guest);
    conn->reason = reason;
    wheel_cancel(&conn->timer);
    pass_free(conn->pass);
    conn->pass = NULL;
    SLIST_INSERT_HEAD(&eio_all.ending, conn, ending_link);
    if (!wheel_is_set(&eio_all.end))
        wheel_set(eio_all.wheel, &eio_all.end, 0);
    metric_inc(METRIC_EIO_CLOSED);
    log_debug("eio.closed", "eio=%llx reason=\"%s\"", (unsigned long long)conn->id, reason);
}

static void linger(struct eio *conn, int64_t ms)
{
    conn->lingers = true;
    wheel_set(eio_all.wheel, &conn->timer, ms);
}

void eio_end(struct eio *conn, enum eio_ending ending, bool farewell)
{
    if (conn->over)
        return;
    become_over(conn, endings[ending].reason);
    conn->said_close = ending == EIO_END_SAID;
    conn->limited = ending == EIO_END_LIMIT;
    if (endings[ending].metric >= 0)
        metric_inc((enum metric)endings[ending].metric);
    if (conn->probe)
        eio_drop_session(conn->probe, 1000, "");
    if (conn->session)
        eio_drop_session(conn->session, endings[ending].code, endings[ending].why ? endings[ending].why : "");
    bool keeps = conn->poll || (farewell && endings[ending].keeps);
    if (conn->out.failed || !keeps)
        buf_fini(&conn->out);
    if (conn->poll || farewell)
        eio_queue(conn, endings[ending].last, false, STR(""));
    if (conn->poll)
        eio_answer_poll(conn);
    else if (farewell)
        linger(conn, EIO_FAREWELL_MS);
    eio_note_out(conn);
}

/* Polling: "1" after all that waits, to the poll that waits or the next one. A WebSocket gets no packet: it is closed
 * itself, as soon as its outbox is out. */
void eio_close(struct eio *conn, const char *reason)
{
    if (conn->over)
        return;
    become_over(conn, reason);
    if (conn->websocket) {
        if (conn->session && !conn->session->outbox.len)
            eio_drop_session(conn->session, 1000, "");
        else if (conn->session)
            linger(conn, eio_all.settings->close_timeout_ms);
        return;
    }
    /* Who is to come back elsewhere gets "1" only where nothing stands before it. The official client handles what does
     * later than the "1", does not count it as received when it comes back, and so would be shown it twice. Its next
     * poll is answered with an error, and that ends the connection for it, too. */
    if (!eio_all.draining || !conn->out.len)
        eio_queue(conn, EIO_CLOSE, false, STR(""));
    if (conn->out.failed) {
        buf_fini(&conn->out);
        eio_queue(conn, EIO_CLOSE, false, STR(""));
    }
    conn->parting = true;
    if (conn->poll) {
        if (conn->probe)
            eio_drop_session(conn->probe, 1000, "");
        eio_answer_poll(conn);
    } else { /* a client between two polls is back at once; one that is not may be gone */
        linger(conn, eio_all.draining ? EIO_FAREWELL_MS : eio_all.settings->close_timeout_ms);
    }
}

static void on_timer(struct wheel_timer *timer)
{
    struct eio *conn = container_of(timer, struct eio, timer);
    if (conn->over) {
        conn->lingers = false;
        if (conn->probe)
            eio_drop_session(conn->probe, 1000, "");
        if (conn->session)
            eio_drop_session(conn->session, 1000, "");
        eio_gone(conn);
    } else if (conn->pinged && conn->session && conn->session->paused) {
        /* its pong is not read, as it does not read either: who reads nothing at all is ended by session.c */
        wheel_set(eio_all.wheel, &conn->timer, eio_all.settings->io_ping_timeout_ms);
    } else if (conn->pinged) {
        eio_end(conn, EIO_END_SILENT, false);
    } else {
        ping(conn);
    }
}

size_t eio_drain(size_t quota)
{
    struct eio *conn;
    eio_all.draining = true;
    for (size_t at = 0; quota && (conn = map_next(&eio_all.conns, &at));) {
        if (conn->websocket || conn->over)
            continue;
        eio_close(conn, "forced close");
        quota--;
    }
    return eio_count();
}

void eio_send_away(void)
{
    struct eio *conn;
    for (size_t at = 0; (conn = map_next(&eio_all.conns, &at));)
        if (!conn->websocket && !conn->over)
            eio_close(conn, "forced close"); /* it is freed in a later turn */
}

/* What the layer said last goes in an answer of its own: the client would see the end of the connection first. */
void eio_expel(struct eio *conn, bool ban)
{
    if (conn->poll && conn->out.len)
        eio_answer_poll(conn);
    eio_end(conn, ban ? EIO_END_BANNED : EIO_END_KICKED, !conn->websocket);
}

void eio_expel_address(uint64_t address, bool ban)
{
    struct eio *conn;
    for (size_t at = 0; (conn = map_next(&eio_all.conns, &at));)
        if (conn->client.address == address)
            eio_expel(conn, ban); /* it is freed in a later turn */
}

void eio_expel_tokens(void)
{
    struct eio *conn;
    for (size_t at = 0; (conn = map_next(&eio_all.conns, &at));)
        if (conn->by_token)
            eio_expel(conn, false); /* it is freed in a later turn */
}

/* ---- in ---- */

/* Past a rate: the layer says so, or the connection ends. */
static bool is_refused(struct eio *conn, const struct eio_packet *packet)
{
    int64_t retry_after_ms;
    switch (limits_message(eio_all.sessions->limits, &conn->client, packet->data.len, &retry_after_ms)) {
    case LIMITS_FINE: return false;
    case LIMITS_REFUSED:
        return conn->layer->limited && conn->layer->limited(conn, packet->binary, packet->data, retry_after_ms);
    case LIMITS_CLOSED: eio_end(conn, EIO_END_LIMIT, false); return true;
    }
    return false;
}

static void message_in(struct eio *conn, const struct eio_packet *packet)
{
    if (!packet->binary && !text_utf8_valid(packet->data)) {
        eio_end(conn, EIO_END_BROKEN, false);
        return;
    }
    metric_inc(METRIC_FRAMES_IN);
    if (!is_refused(conn, packet))
        conn->layer->received(conn, packet->binary, packet->data);
}

/* Types that only the server sends, or that mean something to a WebSocket that is not the connection's yet, mean
 * nothing here. A ping is the server's in version 4 and the client's in version 3 ("From v3 to v4"): who has it the
 * other way round speaks another version than it said. */
void eio_packet_in(struct eio *conn, const struct eio_packet *packet)
{
    if (conn->over)
        return;
    if (packet->type == (conn->v3 ? EIO_PONG : EIO_PING)) {
        eio_end(conn, EIO_END_WRONG, false);
        return;
    }
    if (conn->v3 || packet->type == EIO_PONG)
        await_ping(conn);
    switch (packet->type) {
    case EIO_MESSAGE: message_in(conn, packet); break;
    case EIO_PING: put(conn, EIO_PONG, false, STR("")); break;
    case EIO_PONG: break;
    case EIO_CLOSE: eio_end(conn, EIO_END_SAID, !conn->websocket); break;
    case EIO_OPEN:
    case EIO_UPGRADE:
    case EIO_NOOP: break;
    }
}
