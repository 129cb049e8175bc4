#include "relay/core/hub.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/redis/bus.h"
#include "relay/core/hub_room.h"
#include "relay/core/wsframe.h"

#include <stdlib.h>

static void on_reconcile(struct wheel_timer *timer);

/* sessions->pending */
static bool pending(const struct seat *seat, struct str *bytes)
{
    const struct room *room = seat->log->room;
    const struct roomlog *log = &seat->log->log;
    *bytes = STR("");
    if (room->state != ROOM_LIVE || encoding_of(seat->log)->pulled)
        return true;
    if (seat->cursor < log->start)
        return false;
    *bytes = roomlog_from(log, seat->cursor, (size_t)room->hub->settings->send_chunk_bytes);
    return true;
}

void hub_init(struct hub *hub)
{
    buf_init(&hub->scratch, (size_t)hub->settings->room_log_bytes / 2 - WSFRAME_HEADER_MAX);
    hub->reconcile.fired = on_reconcile;
    wheel_set(hub->wheel, &hub->reconcile, hub->settings->reconcile_down_ms);
    hub->sessions->pending = pending;
}

/* ---- rooms ---- */

static struct room *room_new(struct hub *hub, uint64_t conversation)
{
    struct room *room = mem_zalloc(sizeof *room);
    room->id = conversation;
    room->hub = hub;
    map_put(&hub->rooms, conversation, room);
    metric_set(METRIC_ROOMS, (int64_t)hub->rooms.count);
    return room;
}

void hub_note_log_bytes(struct hub *hub, size_t before, size_t after)
{
    hub->log_bytes = hub->log_bytes - before + after;
    metric_set(METRIC_ROOM_LOG_BYTES, (int64_t)hub->log_bytes);
}

static struct room_log *log_need(struct room *room, enum encoding_id encoding)
{
    struct room_log *log = room_log_of(room, encoding);
    if (log)
        return log;
    log = mem_zalloc(sizeof *log);
    log->room = room;
    log->encoding = encoding;
    roomlog_init(&log->log, (size_t)room->hub->settings->room_log_bytes);
    log->next = room->logs;
    room->logs = log;
    return log;
}

static void log_free(struct room_log *log)
{
    struct room_log **at = &log->room->logs;
    while (*at != log)
        at = &(*at)->next;
    *at = log->next;
    hub_note_log_bytes(log->room->hub, roomlog_memory(&log->log), 0);
    roomlog_fini(&log->log);
    free(log);
}

static void room_free(struct room *room)
{
    struct hub *hub = room->hub;
    CG_ASSERT(!room->seat_count && !room->logs);
    room_forget_dirty(room);
    room_order_fini(room);
    wheel_cancel(&room->later);
    free(room->seats);
    map_take(&hub->rooms, room->id);
    metric_set(METRIC_ROOMS, (int64_t)hub->rooms.count);
    bus_unsubscribe(hub->bus, room->id);
    free(room);
}

void hub_fini(struct hub *hub)
{
    wheel_cancel(&hub->reconcile);
    size_t at = 0;
    for (struct room *room; (at = 0, room = map_next(&hub->rooms, &at));)
        room_free(room); /* kept for a listener, for who comes back, or for a subscription never confirmed */
    map_fini(&hub->rooms);
    free(hub->doubts);
    hub->doubts = NULL;
    hub->doubt_count = hub->doubt_cap = 0;
    buf_fini(&hub->scratch);
}

/* ---- seats ---- */

static void take_place(struct seat *seat)
{
    seat->cursor = seat->log->log.end;
    seat->placed = true;
    seat->session->protocol->seated(seat->session, seat);
}

static void begin_listening(struct room *room)
{
    if (!room->listener || room->listening)
        return;
    room->listening = true;
    room->listener->ready(room->listener->arg, room->seq);
}

/* It listens first and reads then, so that nothing falls between. */
static void room_begin(struct room *room)
{
    bool subscribing = bus_subscribe(room->hub->bus, room->id);
    if (room_is_inbox(room))
        room->state = ROOM_LIVE; /* nothing is stored under it */
    else if (!subscribing)
        room_load(room); /* the reconciliation brings what the other relays store */
}

/* Most sessions have a seat or two, and a list is all that they need. One with hundreds of friends or rooms is looked up
 * in as often as they talk. */
static void index_seat(struct seat *seat)
{
    enum { LISTED = 8 };
    struct session *session = seat->session;
    size_t count = 0;
    if (!session->by_conversation) {
        for (const struct seat *one = session->seats; one && count <= LISTED; one = one->next)
            count++;
        if (count <= LISTED)
            return;
        session->by_conversation = mem_zalloc(sizeof *session->by_conversation);
        for (struct seat *one = session->seats; one; one = one->next)
            map_put(session->by_conversation, one->log->room->id, one);
        return;
    }
    map_put(session->by_conversation, seat->log->room->id, seat);
}

static void forget_seat(struct seat *seat)
{
    struct session *session = seat->session;
    *(seat->prev ? &seat->prev->next : &session->seats) = seat->next;
    if (seat->next)
        seat->next->prev = seat->prev;
    if (!session->by_conversation)
        return;
    map_take(session->by_conversation, seat->log->room->id);
    if (session->by_conversation->count)
        return;
    map_fini(session->by_conversation);
    free(session->by_conversation);
    session->by_conversation = NULL;
}

static struct seat *seat_new(struct room *room, struct session *session, enum encoding_id encoding)
{
    struct seat *seat = mem_zalloc(sizeof *seat);
    if (room->seat_count == room->seat_cap) {
        room->seat_cap = room->seat_cap ? room->seat_cap * 2 : 2;
        room->seats = mem_realloc(room->seats, room->seat_cap * sizeof room->seats[0]);
    }
    seat->session = session;
    seat->log = log_need(room, encoding);
    seat->index = room->seat_count;
    seat->next = session->seats;
    if (seat->next)
        seat->next->prev = seat;
    session->seats = seat;
    index_seat(seat);
    room->seats[room->seat_count++] = seat;
    seat->log->readers++;
    return seat;
}

static void seat_free(struct seat *seat)
{
    struct room *room = seat->log->room;
    forget_seat(seat);
    room->seats[seat->index] = room->seats[--room->seat_count];
    room->seats[seat->index]->index = seat->index;
    if (--seat->log->readers == 0)
        log_free(seat->log);
    free(seat);
}

void hub_join(struct hub *hub, struct session *session, uint64_t conversation, enum encoding_id encoding)
{
    CG_ASSERT(!hub_seat(session, conversation));
    struct room *room = map_get(&hub->rooms, conversation);
    bool fresh = !room;
    if (fresh)
        room = room_new(hub, conversation);
    struct seat *seat = seat_new(room, session, encoding);
    if (!room->listener)
        wheel_cancel(&room->later);
    if (fresh)
        room_begin(room);
    if (room->state == ROOM_LIVE)
        take_place(seat);
}

void hub_listen(struct hub *hub, uint64_t conversation, const struct hub_listener *listener)
{
    struct room *room = map_get(&hub->rooms, conversation);
    bool fresh = !room;
    if (fresh)
        room = room_new(hub, conversation);
    CG_ASSERT(!room->listener && !room_is_inbox(room));
    room->listener = listener;
    wheel_cancel(&room->later);
    if (fresh)
        room_begin(room);
    if (room->state == ROOM_LIVE)
        begin_listening(room);
}

struct seat *hub_seat(const struct session *session, uint64_t conversation)
{
    struct seat *seat = session->seats;
    if (session->by_conversation)
        return map_get(session->by_conversation, conversation);
    while (seat && seat->log->room->id != conversation)
        seat = seat->next;
    return seat;
}

uint64_t hub_conversation(const struct seat *seat)
{
    return seat->log->room->id;
}

uint64_t hub_seq(const struct seat *seat)
{
    return seat->log->room->seq;
}

void hub_expect(struct seat *seat, uint64_t seq)
{
    struct room *room = seat->log->room;
    if (room->known < seq)
        room->known = seq;
    if (room->state == ROOM_LIVE)
        room_expect(room);
}

void hub_stand_up(struct seat *seat)
{
    struct room *room = seat->log->room;
    seat_free(seat);
    if (!room->seat_count)
        room_unused(room);
}

void hub_leave(struct hub *hub, struct session *session)
{
    (void)hub;
    while (session->seats)
        hub_stand_up(session->seats);
}

bool hub_catch_up(struct seat *seat, bool anew)
{
    const struct roomlog *log = &seat->log->log;
    bool whole = seat->cursor >= log->start && !anew;
    if (!whole)
        seat->cursor = log->end;
    return whole;
}

static void on_linger(struct wheel_timer *timer)
{
    struct room *room = (struct room *)(void *)((char *)timer - offsetof(struct room, later));
    if (room->backfilling)
        wheel_set(room->hub->wheel, &room->later, 0); /* the answer must find it */
    else
        room_free(room);
}

void room_unused(struct room *room)
{
    const struct settings *settings = room->hub->settings;
    if (room->state != ROOM_LIVE || room->listener || wheel_is_set(&room->later))
        return; /* one that is being loaded comes here again when the answer is there */
    room->later.fired = on_linger;
    if (settings->room_linger_ms && !room_is_inbox(room))
        wheel_set(room->hub->wheel, &room->later, settings->room_linger_ms);
    else if (!room->backfilling) /* likewise */
        room_free(room);
}

void room_clear_logs(struct room *room)
{
    for (struct room_log *log = room->logs; log; log = log->next) {
        size_t before = roomlog_memory(&log->log);
        roomlog_trim(&log->log, 0, log->log.end);
        hub_note_log_bytes(room->hub, before, roomlog_memory(&log->log));
    }
    for (size_t i = 0; i < room->seat_count; i++)
        room->seats[i]->cursor = room->seats[i]->log->log.end;
}

void room_ready(struct room *room)
{
    room->state = ROOM_LIVE;
    for (size_t i = 0; i < room->seat_count; i++)
        if (!room->seats[i]->placed) /* else it is on its way out: another epoch has begun */
            take_place(room->seats[i]);
    begin_listening(room);
    room_expect(room);
    if (!room->seat_count)
        room_unused(room);
}

static void on_retry(struct wheel_timer *timer)
{
    room_load((struct room *)(void *)((char *)timer - offsetof(struct room, later)));
}

void room_failed(struct room *room, enum err err)
{
    while (room->seat_count) { /* its state keeps the room while it empties */
        struct seat *seat = room->seats[room->seat_count - 1];
        struct session *session = seat->session;
        bool waited = !seat->placed;
        seat_free(seat);
        if (waited)
            session->protocol->not_seated(session, room->id, err);
    }
    room->later.fired = on_retry;
    if (room->listener)
        wheel_set(room->hub->wheel, &room->later, room->hub->settings->reconcile_down_ms);
    else
        room_free(room);
}

void hub_each(struct hub *hub, uint64_t conversation, hub_session_fn *fn, void *arg)
{
    struct room *room = map_get(&hub->rooms, conversation);
    if (!room || room->state != ROOM_LIVE)
        return;
    for (size_t i = 0; i < room->seat_count; i++)
        fn(arg, room->seats[i]->session);
}

/* ---- events into the logs, logs into the sockets ---- */

/* The log is about to drop its older half. One commit may bring more than a log holds, so those who read as
 * fast as they can are not to lose by it: what is not out yet goes out, and what their sockets do not take
 * now is set aside. */
static void save_readers(struct room_log *read)
{
    struct room *room = read->room;
    const struct roomlog *log = &read->log;
    room_flush(room);
    for (size_t i = 0; i < room->seat_count; i++) {
        struct seat *seat = room->seats[i];
        if (seat->log == read && seat->session->blocked && !encoding_of(read)->pulled && seat->cursor >= log->start &&
            log->end - seat->cursor > log->max / 4)
            session_spill(seat);
    }
}

/* What everybody has had makes room for what comes, but for the history, which others may want to see. */
static void make_room(struct room_log *read, size_t bytes)
{
    struct roomlog *log = &read->log;
    if (roomlog_would_grow(log, bytes) && log->count)
        roomlog_compact(log, room_log_had(read), !encoding_of(read)->history);
}

static void append(struct room_log *read, uint64_t seq, bool passing)
{
    struct room *room = read->room;
    struct hub *hub = room->hub;
    struct roomlog *log = &read->log;
    const struct encoding *encoding = encoding_of(read);
    if (hub->scratch.failed) {
        log_error("hub.event_too_large", "room=%llu", (unsigned long long)room->id);
        return;
    }
    if (!hub->scratch.len)
        return;
    char header[WSFRAME_HEADER_MAX];
    struct str head = {header, 0};
    if (!encoding->bare)
        head.len = wsframe_header(header, WSFRAME_TEXT, hub->scratch.len);
    bool each = !encoding->pulled || encoding->give; /* its readers want every payload */
    if (each && roomlog_would_evict(log, head.len + hub->scratch.len))
        save_readers(read);
    make_room(read, head.len + hub->scratch.len);
    size_t before = roomlog_memory(log);
    roomlog_append(log, seq, passing, head, buf_str(&hub->scratch));
    hub_note_log_bytes(hub, before, roomlog_memory(log));
    room_mark_dirty(room);
}

void room_append(struct room *room, const struct message *message)
{
    for (struct room_log *log = room->logs; log; log = log->next) {
        buf_clear(&room->hub->scratch);
        encoding_of(log)->message(message, &room->hub->scratch);
        append(log, message->seq, message_is_presence(message->kind));
    }
}

void hub_broadcast_members(struct hub *hub, uint64_t conversation, const struct member *members, size_t count)
{
    struct room *room = map_get(&hub->rooms, conversation);
    if (!room || room->state != ROOM_LIVE)
        return;
    for (struct room_log *log = room->logs; log; log = log->next) {
        if (!encoding_of(log)->members)
            continue;
        buf_clear(&hub->scratch);
        encoding_of(log)->members(conversation, members, count, &hub->scratch);
        append(log, 0, false);
    }
}

void hub_send_members(struct hub *hub, uint64_t session_id, uint64_t conversation, const struct member *members,
                      size_t count)
{
    struct session *session = sessions_find(hub->sessions, session_id);
    struct seat *seat = session ? hub_seat(session, conversation) : NULL;
    const struct encoding *encoding = seat ? encoding_of(seat->log) : NULL;
    if (!seat || !encoding->members)
        return;
    buf_clear(&hub->scratch);
    encoding->members(conversation, members, count, &hub->scratch);
    if (hub->scratch.failed || !hub->scratch.len)
        return;
    if (encoding->give)
        encoding->give(session, buf_str(&hub->scratch));
    else if (encoding->bare)
        session_send_raw(session, buf_str(&hub->scratch));
    else
        session_send_text(session, buf_str(&hub->scratch));
}

void room_show(struct hub *hub, uint64_t conversation, enum encoding_id encoding, struct str payload)
{
    struct room *room = map_get(&hub->rooms, conversation);
    struct room_log *log = room && room->state == ROOM_LIVE ? room_log_of(room, encoding) : NULL;
    if (!log)
        return;
    buf_clear(&hub->scratch);
    buf_add_str(&hub->scratch, payload);
    append(log, 0, false);
}

bool hub_take(struct seat *seat, hub_payload_fn *fn, void *arg)
{
    const struct roomlog *log = &seat->log->log;
    if (seat->cursor < log->start)
        return false;
    uint64_t cursor = seat->cursor;
    seat->cursor = log->end;
    roomlog_each(log, cursor, fn, arg);
    return true;
}

bool hub_recent(struct hub *hub, uint64_t conversation, enum encoding_id encoding,
                void (*fn)(void *arg, struct str payload), void *arg)
{
    struct room *room = map_get(&hub->rooms, conversation);
    const struct room_log *log = room && room->state == ROOM_LIVE ? room_log_of(room, encoding) : NULL;
    struct roomlog_wanted wanted = {(size_t)hub->settings->history_limit, history_presence_max(hub->settings),
                                    (size_t)hub->settings->history_bytes};
    return log && roomlog_tail(&log->log, room->seq, &wanted, fn, arg);
}

/* ---- the reconciliation, from time to time ---- */

static void on_reconcile(struct wheel_timer *timer)
{
    struct hub *hub = (struct hub *)(void *)((char *)timer - offsetof(struct hub, reconcile));
    hub_reconcile(hub);
    wheel_set(hub->wheel, &hub->reconcile,
              bus_is_up(hub->bus) ? hub->settings->reconcile_ms : hub->settings->reconcile_down_ms);
}
