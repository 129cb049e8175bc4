#include "relay/core/session.h"

#include "common/clock.h"
#include "common/container.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/core/wsframe.h"

#include <stddef.h>
#include <stdlib.h>

void sessions_init(struct sessions *sessions, const struct settings *settings, struct wheel *wheel)
{
    *sessions = (struct sessions){.settings = settings, .wheel = wheel};
    TAILQ_INIT(&sessions->guests);
}

void sessions_fini(struct sessions *sessions)
{
    CG_ASSERT(!sessions->count);
    free(sessions->slots);
    free(sessions->generations);
    free(sessions->free_slots);
}

static void grow(struct sessions *sessions)
{
    size_t old = sessions->cap, cap = old ? old * 2 : 64;
    sessions->slots = mem_realloc(sessions->slots, cap * sizeof sessions->slots[0]);
    sessions->generations = mem_realloc(sessions->generations, cap * sizeof(uint32_t));
    sessions->free_slots = mem_realloc(sessions->free_slots, cap * sizeof(uint32_t));
    sessions->cap = cap;
    for (size_t i = cap; i-- > old;) {
        sessions->slots[i] = NULL;
        sessions->generations[i] = 0;
        sessions->free_slots[sessions->free_count++] = (uint32_t)i;
    }
}

struct session *sessions_find(const struct sessions *sessions, uint64_t id)
{
    uint32_t slot = (uint32_t)id;
    if (slot >= sessions->cap || !sessions->slots[slot] || sessions->slots[slot]->id != id)
        return NULL;
    return sessions->slots[slot];
}

static struct session *session_of(struct wheel_timer *timer)
{
    return container_of(timer, struct session, timer);
}

int64_t session_ping_ms(const struct session *session)
{
    const struct settings *settings = session->owner->settings;
    return session->protocol->ping_interval_ms ? session->protocol->ping_interval_ms(settings)
                                               : settings->ping_interval_ms;
}

/* ---- what waits for it ---- */

static void note_debt(struct session *session)
{
    debt_set(&session->debt, session->outbox.memory + session->kept);
}

static void note_outbox(struct session *session, size_t before)
{
    struct sessions *sessions = session->owner;
    sessions->outbox_bytes = sessions->outbox_bytes - before + session->outbox.memory;
    metric_set(METRIC_OUTBOX_BYTES, (int64_t)sessions->outbox_bytes);
    note_debt(session);
}

static void drop_outbox(struct session *session)
{
    size_t before = session->outbox.memory;
    outbox_clear(&session->outbox);
    note_outbox(session, before);
}

static void close_slow(struct session *session)
{
    metric_inc(METRIC_CLOSED_SLOW);
    session_close(session, 1013, "Too slow: come back for the history");
}

/* More waits for all clients than may, and for this one most. What was only not written yet is written. */
static void on_too_much(struct debt *debt)
{
    struct session *session = container_of(debt, struct session, debt);
    if (session->closing)
        return;
    if (session->queued && !session->blocked)
        session_writable(session);
    if (!session->blocked)
        return;
    metric_inc(METRIC_WAITING_CLOSED);
    close_slow(session);
    if (session->kept) /* the socket frees it only when it ends */
        session->transport->kill(session->socket);
    session->kept = 0;
    drop_outbox(session);
}

void session_pause(struct session *session, enum session_pause why, bool paused)
{
    uint8_t before = session->paused;
    session->paused = (uint8_t)(paused ? before | why : before & ~why);
    if (!before != !session->paused)
        session->transport->pause(session->socket, session->paused);
}

static void pause_reading(struct session *session, bool paused)
{
    if (paused == !!(session->paused & SESSION_UNREAD))
        return;
    if (paused)
        metric_inc(METRIC_READING_PAUSED);
    else if (session->began_ms)
        session->began_ms = session->owner->wheel->now_ms; /* it could not finish its message */
    session_pause(session, SESSION_UNREAD, paused);
}

/* The caller notes the debt, once these bytes are no longer the outbox's: past the bound that may take the outbox away. */
static bool give(struct session *session, struct str bytes)
{
    session->gave_ms = session->owner->wheel->now_ms;
    metric_inc(METRIC_WRITES);
    metric_add(METRIC_WRITTEN_BYTES, (int64_t)bytes.len);
    enum send_result result = session->transport->send(session->socket, bytes);
    if (result == SEND_MORE)
        return true;
    session->blocked = true;
    if (result == SEND_DEAD) {
        session->closing = true;
        return false;
    }
    metric_inc(METRIC_SOCKETS_BLOCKED);
    if (session->transport->kept)
        session->kept = session->transport->kept(session->socket);
    return false;
}

/* What cannot answer is alive as long as its socket takes something; a blocked one has more to take than this. */
static void beat(struct session *session)
{
    session->heard_ms = session->owner->wheel->now_ms;
    if (!session->blocked) {
        give(session, str_of(session->protocol->heartbeat));
        note_debt(session);
    }
}

/* Silent for one interval: ping. For two, or with a message unfinished for two: gone. Closing for too
 * long: cut. Who is entering is not silent: nothing is read from it, and its handshake may not be answered yet. */
static void on_timer(struct wheel_timer *timer)
{
    static const char ping[] = {(char)(0x80 | WSFRAME_PING), 0};
    struct session *session = session_of(timer);
    struct wheel *wheel = session->owner->wheel;
    int64_t interval = session_ping_ms(session);
    if (session->paused & SESSION_ENTERING)
        session_heard(session);
    int64_t silent = wheel->now_ms - session->heard_ms;
    bool stuck = session->began_ms && !session->paused && wheel->now_ms - session->began_ms >= 2 * interval;
    if (session->closing || stuck || (session->pinged && silent >= 2 * interval)) {
        if (!session->closing)
            metric_inc(METRIC_CLOSED_SILENT);
        session->closing = true;
        session->transport->kill(session->socket);
        return;
    }
    if (silent >= interval && session->protocol->heartbeat) {
        beat(session);
        silent = 0;
    } else if (silent >= interval && !session->pinged) {
        session->pinged = true; /* a blocked socket gets none: its client must read first, or is cut */
        if (!session->blocked &&
            session->transport->send(session->socket, (struct str){ping, sizeof ping}) == SEND_BLOCKED)
            session->blocked = true;
    }
    int64_t due = session->pinged ? 2 * interval : interval;
    wheel_set(wheel, timer, due - silent);
}

bool sessions_have_room(const struct sessions *sessions)
{
    return sessions->count < (size_t)sessions->settings->max_connections || !TAILQ_EMPTY(&sessions->guests);
}

static void put_out(struct lobby_guest *guest);

/* Only a session gives its place to a session: other guests of the lobby have none of these places. */
static bool make_room(struct sessions *sessions)
{
    struct session *oldest = TAILQ_FIRST(&sessions->guests);
    if (!oldest)
        return false;
    session_admitted(oldest); /* out of the lobby */
    metric_inc(METRIC_LOBBY_PUT_OUT);
    put_out(&oldest->guest);
    return true;
}

struct session *session_new(struct sessions *sessions, const struct protocol *protocol,
                            const struct transport *transport, void *socket)
{
    if (sessions->count >= (size_t)sessions->settings->max_connections && !make_room(sessions))
        return NULL;
    if (!sessions->free_count)
        grow(sessions);
    uint32_t slot = sessions->free_slots[--sessions->free_count];
    struct session *session = mem_zalloc(sizeof *session + protocol->state_size);
    uint64_t generation = ++sessions->generations[slot] & INT32_MAX; /* the top bit stays free: see eio_id */
    session->id = generation << 32 | slot;
    session->owner = sessions;
    session->protocol = protocol;
    session->transport = transport;
    session->socket = socket;
    session->state = session + 1;
    session->heard_ms = sessions->wheel->now_ms;
    session->timer.fired = on_timer;
    outbox_init(&session->outbox, (size_t)sessions->settings->outbox_bytes);
    session->debt.end = on_too_much;
    wheel_set(sessions->wheel, &session->timer, session_ping_ms(session));
    sessions->slots[slot] = session;
    sessions->count++;
    metric_inc(METRIC_CONNECTIONS_OPENED);
    metric_set(METRIC_CONNECTIONS, (int64_t)sessions->count);
    return session;
}

static void unqueue(struct session *session)
{
    if (session->queued)
        SLIST_REMOVE(&session->owner->queued, session, session, queue);
    session->queued = false;
}

static void unlist_guest(struct session *session)
{
    if (!session->guests.tqe_prev)
        return; /* it is none */
    TAILQ_REMOVE(&session->owner->guests, session, guests);
    session->guests.tqe_prev = NULL;
}

/* Its place in the lobby is needed: sends a close frame and cuts the connection without waiting for the answer. */
static void put_out(struct lobby_guest *guest)
{
    struct session *session = container_of(guest, struct session, guest);
    unlist_guest(session);
    log_debug("conn.put_out", "conn=%llu protocol=%s", (unsigned long long)session->id, session->protocol->name);
    session_close(session, 1013, "Too many wait to come in");
    session->transport->kill(session->socket);
}

void session_from(struct session *session, struct str peer)
{
    limits_connect(session->owner->limits, &session->client, peer);
    struct sessions *sessions = session->owner;
    if (!sessions->lobby)
        return;
    lobby_enter(sessions->lobby, &session->guest, session->client.address, put_out);
    TAILQ_INSERT_TAIL(&sessions->guests, session, guests);
}

void session_admitted(struct session *session)
{
    lobby_leave(session->owner->lobby, &session->guest);
    unlist_guest(session);
}

bool session_may_speak(struct session *session, struct str message)
{
    int64_t retry_after_ms;
    if (!session->protocol->limited)
        return true;
    switch (limits_message(session->owner->limits, &session->client, message.len, &retry_after_ms)) {
    case LIMITS_FINE: return true;
    case LIMITS_REFUSED: session->protocol->limited(session, message, retry_after_ms); return false;
    case LIMITS_CLOSED: session_close(session, 1008, "Too many messages"); return false;
    }
    return false;
}

/* ---- tokens that end ---- */

enum { CLOSE_EXPIRED = 4401 };

static void on_expiry(void *session)
{
    session_close(session, CLOSE_EXPIRED, "The token has expired");
}

void session_expire(struct session *session, int64_t expires_s)
{
    session->pass = pass_until(session->pass, session->owner->wheel, expires_s, on_expiry, session);
}

static void tell_online(const struct session *session, bool comes)
{
    if (session->owner->online)
        session->owner->online(session->client.user, comes);
}

void session_online(struct session *session)
{
    CG_ASSERT(session->client.user && !session->online);
    session->online = true;
    tell_online(session, true);
}

void session_ended(struct session *session)
{
    struct sessions *sessions = session->owner;
    uint32_t slot = (uint32_t)session->id;
    session->closing = true;
    session->protocol->closed(session);
    CG_ASSERT(LIST_EMPTY(&session->subscriptions));
    if (session->online)
        tell_online(session, false);
    limits_leave(sessions->limits, &session->client);
    session_admitted(session);
    wheel_cancel(&session->timer);
    pass_free(session->pass);
    unqueue(session);
    session->kept = 0;
    drop_outbox(session);
    sessions->slots[slot] = NULL;
    sessions->free_slots[sessions->free_count++] = slot;
    sessions->count--;
    metric_set(METRIC_CONNECTIONS, (int64_t)sessions->count);
    free(session);
}

void session_heard(struct session *session)
{
    session->heard_ms = session->owner->wheel->now_ms;
    session->pinged = false;
}

void session_flush(struct subscription *sub)
{
    struct session *session = sub->session;
    while (!session->blocked && !sub->corked && !session->closing) {
        struct str bytes;
        if (!session->owner->pending(sub, &bytes)) {
            close_slow(session);
            return;
        }
        if (!bytes.len)
            return;
        if (session->outbox.len) { /* what was queued came before, and takes the logs along */
            session_writable(session);
            return;
        }
        sub->cursor += bytes.len;
        give(session, bytes);
        note_debt(session);
    }
}

/* NULL if all spills together would exceed their bound. */
static struct outbox_spill *spill_new(struct sessions *sessions, struct str head, struct str body, size_t readers)
{
    bool fits = sessions->spilled_bytes + head.len + body.len <= (size_t)sessions->settings->room_logs_bytes;
    return fits ? outbox_spill_new(head, body, readers, &sessions->spilled_bytes) : NULL;
}

struct outbox_spill *sessions_spill(struct sessions *sessions, struct str bytes, size_t readers)
{
    struct outbox_spill *spill = spill_new(sessions, STR(""), bytes, readers);
    if (spill)
        metric_add(METRIC_SPILLED_BYTES, (int64_t)bytes.len);
    return spill;
}

bool session_can_spill(const struct session *session, size_t len)
{
    return session->blocked && !session->closing && len <= session->outbox.max - session->outbox.len;
}

void session_spill(struct subscription *sub, struct outbox_spill *spill, size_t at)
{
    struct session *session = sub->session;
    size_t before = session->outbox.memory;
    sub->cursor += spill->len - at;
    outbox_add_spill(&session->outbox, spill, at);
    note_outbox(session, before);
}

static void flush_all(struct session *session)
{
    if (session->blocked || session->closing)
        return;
    struct subscription *sub;
    LIST_FOREACH(sub, &session->subscriptions, link)
        session_flush(sub);
}

void session_unfinished(struct session *session, bool unfinished)
{
    if (!unfinished)
        session->began_ms = 0;
    else if (!session->began_ms)
        session->began_ms = session->owner->wheel->now_ms;
}

void session_writable(struct session *session)
{
    size_t most = (size_t)session->owner->settings->send_chunk_bytes, before = session->outbox.memory;
    bool waited =
        session->blocked || session->outbox.len; /* the last piece of the outbox may have been what blocked it */
    session->blocked = false;
    session->kept = 0;
    if (session->paused)
        session_heard(session); /* it reads: what it says is not heard now */
    while (session->outbox.len && !session->blocked && !session->closing) {
        struct str bytes = outbox_next(&session->outbox, most);
        give(session, bytes);
        outbox_take(&session->outbox, bytes.len);
    }
    note_outbox(session, before);
    if (session->outbox.len <= SESSION_UNREAD_BYTES / 2)
        pause_reading(session, false);
    flush_all(session);
    if (waited && !session->outbox.len && !session->blocked && !session->closing && session->protocol->drained)
        session->protocol->drained(session);
}

/* What the room logs hold comes before what is appended to the outbox now. False: the session is closing. */
static bool flush_logs(struct session *session)
{
    if (!session->closing)
        flush_all(session);
    return !session->closing;
}

/* Appends to the outbox; past its bound the session is closed. */
static bool set_aside(struct session *session, struct str header, struct str head, struct str tail)
{
    if (!flush_logs(session))
        return false;
    size_t before = session->outbox.memory;
    bool fits = outbox_add(&session->outbox, header, head, tail);
    note_outbox(session, before);
    if (!fits)
        close_slow(session);
    return !session->closing;
}

/* The answer goes out. If too much of such waits, no more is asked for. */
static void give_answer(struct session *session)
{
    if (!session->blocked)
        session_writable(session);
    if (session->blocked && !session->closing && session->outbox.len + session->kept > SESSION_UNREAD_BYTES)
        pause_reading(session, true);
}

void session_send_raw(struct session *session, struct str bytes)
{
    if (set_aside(session, STR(""), bytes, STR("")))
        give_answer(session);
}

void session_send_text(struct session *session, struct str payload)
{
    char bytes[WSFRAME_HEADER_MAX];
    struct str header = {bytes, wsframe_header(bytes, WSFRAME_TEXT, payload.len)};
    if (set_aside(session, header, payload, STR("")))
        give_answer(session);
}

struct outbox_spill *sessions_share_text(struct sessions *sessions, struct str payload, size_t readers)
{
    char bytes[WSFRAME_HEADER_MAX];
    struct str header = {bytes, wsframe_header(bytes, WSFRAME_TEXT, payload.len)};
    return readers < 2 ? NULL : spill_new(sessions, header, payload, readers);
}

void session_send_shared(struct session *session, struct outbox_spill *frame)
{
    if (!flush_logs(session))
        return;
    if (frame->len > session->outbox.max - session->outbox.len) {
        close_slow(session);
        return;
    }
    size_t before = session->outbox.memory;
    outbox_add_spill(&session->outbox, frame, 0);
    note_outbox(session, before);
    if (!session->closing)
        give_answer(session);
}

void session_queue(struct session *session, int opcode, struct str head, struct str tail)
{
    char bytes[WSFRAME_HEADER_MAX];
    struct str header = {bytes, wsframe_header(bytes, (enum wsframe_opcode)opcode, head.len + tail.len)};
    if (!set_aside(session, header, head, tail))
        return;
    if (session->outbox.len + session->kept > SESSION_UNREAD_BYTES)
        pause_reading(session, true); /* until it is known how much of it the socket takes */
    if (session->blocked || session->queued)
        return;
    session->queued = true;
    SLIST_INSERT_HEAD(&session->owner->queued, session, queue);
}

void sessions_flush(struct sessions *sessions)
{
    for (struct session *session; (session = SLIST_FIRST(&sessions->queued));) {
        SLIST_REMOVE_HEAD(&sessions->queued, queue);
        session->queued = false;
        if (!session->blocked && !session->closing)
            give_answer(session);
    }
}

void session_cork(struct subscription *sub, bool corked)
{
    sub->corked = corked;
    if (!corked)
        session_flush(sub);
}

/* What its rooms have for it and have not written yet, because they cool down: once it is closing, nothing more is
 * sent. */
static void give_the_rest(struct session *session)
{
    if (session->queued && !session->blocked)
        session_writable(session);
    for (struct subscription *sub = LIST_FIRST(&session->subscriptions); sub && !session->closing;
         sub = LIST_NEXT(sub, link)) {
        struct str bytes;
        if (!session->blocked && session->owner->pending(sub, &bytes)) /* one that fell off is why it is being closed */
            session_flush(sub);
    }
}

void session_close(struct session *session, unsigned code, const char *reason)
{
    if (session->closing)
        return;
    give_the_rest(session);
    if (session->closing) /* that showed that it is dead, or too slow */
        return;
    session->closing = true;
    if (session->outbox.len) { /* a frame may be half sent: a close frame inside it would be content */
        session->transport->kill(session->socket);
        drop_outbox(session);
    } else {
        session->transport->close(session->socket, code, reason);
    }
    wheel_set(session->owner->wheel, &session->timer, session->owner->settings->close_timeout_ms);
}
