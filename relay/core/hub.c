#include "relay/core/hub.h"

#include "common/clock.h"
#include "common/container.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/db/db_pool.h"
#include "relay/redis/bus.h"
#include "relay/core/hub_room.h"
#include "relay/core/wsframe.h"

#include <stdlib.h>

static void on_reconcile(struct wheel_timer *timer);

/* sessions->pending */
static bool pending(const struct subscription *sub, struct str *bytes)
{
    const struct room *room = sub->log->room;
    const struct frame_log *log = &sub->log->frames;
    *bytes = STR("");
    if (room->state != ROOM_LIVE || encoding_of(sub->log)->pulled)
        return true;
    if (sub->cursor < log->start)
        return false;
    *bytes = frame_log_from(log, sub->cursor, (size_t)room->hub->settings->send_chunk_bytes);
    return true;
}

/* Is it still the database that is known? */
static void prove(void *arg)
{
    hub_reconcile_anew(arg);
}

void hub_init(struct hub *hub)
{
    db_pool_set_prover(hub->db_pool, prove, hub);
    buf_init(&hub->scratch, (size_t)hub->settings->room_log_bytes / 2 - WSFRAME_HEADER_MAX);
    hub->reconcile.fired = on_reconcile;
    wheel_set(hub->wheel, &hub->reconcile, hub->settings->reconcile_down_ms);
    hub->sessions->pending = pending;
    hub->looked_us = clock_mono_us();
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
    frame_log_init(&log->frames, (size_t)room->hub->settings->room_log_bytes);
    SLIST_INSERT_HEAD(&room->logs, log, link);
    return log;
}

static void log_free(struct room_log *log)
{
    SLIST_REMOVE(&log->room->logs, log, room_log, link);
    hub_note_log_bytes(log->room->hub, frame_log_memory(&log->frames), 0);
    frame_log_fini(&log->frames);
    free(log);
}

static void room_free(struct room *room)
{
    struct hub *hub = room->hub;
    CG_ASSERT(!room->subscription_count && SLIST_EMPTY(&room->logs));
    room_forget_dirty(room);
    room_order_fini(room);
    wheel_cancel(&room->later);
    free(room->subscriptions);
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
    map_fini(&hub->erased);
    free(hub->doubts);
    hub->doubts = NULL;
    hub->doubt_count = hub->doubt_cap = 0;
    buf_fini(&hub->scratch);
}

/* ---- subscriptions ---- */

static void begin_subscription(struct subscription *sub)
{
    sub->cursor = sub->log->frames.end;
    sub->announced = true;
    sub->session->protocol->joined(sub->session, sub);
}

static void begin_listening(struct room *room)
{
    if (!room->listener || room->listening)
        return;
    room->listening = true;
    room->listener->ready(room->listener->arg, room->seq);
    if (room->trimmed)
        room->listener->gone(room->listener->arg, room->trimmed, false);
}

/* It listens first and reads then, so that nothing falls between. An inbox stores nothing: it is live as soon as it
 * listens, and its protocols read then what its notices are about. */
static void room_begin(struct room *room)
{
    if (bus_subscribe(room->hub->bus, room->id))
        return; /* room_listens follows */
    if (room_is_inbox(room))
        room->state = ROOM_LIVE; /* what it misses is read when the bus is back */
    else
        room_load(room); /* the reconciliation brings what the other relays store */
}

void room_listens(struct room *room)
{
    if (room->state != ROOM_SUBSCRIBING)
        return;
    if (room_is_inbox(room))
        room_ready(room);
    else
        room_load(room);
}

/* Most sessions have a subscription or two, and a list is all that they need. One with hundreds of friends or rooms is
 * looked up in as often as they talk. */
static void index_subscription(struct subscription *sub)
{
    enum { LISTED = 8 };
    struct session *session = sub->session;
    size_t count = 0;
    if (!session->by_conversation) {
        for (const struct subscription *one = LIST_FIRST(&session->subscriptions); one && count <= LISTED;
             one = LIST_NEXT(one, link))
            count++;
        if (count <= LISTED)
            return;
        session->by_conversation = mem_zalloc(sizeof *session->by_conversation);
        struct subscription *one;
        LIST_FOREACH(one, &session->subscriptions, link)
            map_put(session->by_conversation, one->log->room->id, one);
        return;
    }
    map_put(session->by_conversation, sub->log->room->id, sub);
}

static void forget_subscription(struct subscription *sub)
{
    struct session *session = sub->session;
    LIST_REMOVE(sub, link);
    if (!session->by_conversation)
        return;
    map_take(session->by_conversation, sub->log->room->id);
    if (session->by_conversation->count)
        return;
    map_fini(session->by_conversation);
    free(session->by_conversation);
    session->by_conversation = NULL;
}

static struct subscription *subscription_new(struct room *room, struct session *session, enum encoding_id encoding)
{
    struct subscription *sub = mem_zalloc(sizeof *sub);
    if (room->subscription_count == room->subscription_cap) {
        room->subscription_cap = room->subscription_cap ? room->subscription_cap * 2 : 2;
        room->subscriptions = mem_realloc(room->subscriptions, room->subscription_cap * sizeof room->subscriptions[0]);
    }
    sub->session = session;
    sub->log = log_need(room, encoding);
    sub->index = room->subscription_count;
    LIST_INSERT_HEAD(&session->subscriptions, sub, link);
    index_subscription(sub);
    room->subscriptions[room->subscription_count++] = sub;
    sub->log->subscribers++;
    return sub;
}

static void subscription_free(struct subscription *sub)
{
    struct room *room = sub->log->room;
    forget_subscription(sub);
    room->subscriptions[sub->index] = room->subscriptions[--room->subscription_count];
    room->subscriptions[sub->index]->index = sub->index;
    if (--sub->log->subscribers == 0)
        log_free(sub->log);
    free(sub);
}

void hub_join(struct hub *hub, struct session *session, uint64_t conversation, enum encoding_id encoding)
{
    CG_ASSERT(!hub_subscription(session, conversation));
    struct room *room = map_get(&hub->rooms, conversation);
    bool fresh = !room;
    if (fresh)
        room = room_new(hub, conversation);
    struct subscription *sub = subscription_new(room, session, encoding);
    if (!room->listener)
        wheel_cancel(&room->later);
    if (fresh)
        room_begin(room);
    if (room->state == ROOM_LIVE)
        begin_subscription(sub);
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

struct subscription *hub_subscription(const struct session *session, uint64_t conversation)
{
    struct subscription *sub;
    if (session->by_conversation)
        return map_get(session->by_conversation, conversation);
    LIST_FOREACH(sub, &session->subscriptions, link)
        if (sub->log->room->id == conversation)
            break;
    return sub;
}

uint64_t hub_conversation(const struct subscription *sub)
{
    return sub->log->room->id;
}

struct hub *hub_of(const struct subscription *sub)
{
    return sub->log->room->hub;
}

uint64_t hub_seq(const struct subscription *sub)
{
    return sub->log->room->seq;
}

uint64_t hub_trimmed(const struct subscription *sub)
{
    return sub->log->room->trimmed;
}

void hub_expect(struct subscription *sub, uint64_t seq)
{
    struct room *room = sub->log->room;
    if (room->known < seq)
        room->known = seq;
    if (room->state == ROOM_LIVE)
        room_expect(room);
}

void hub_leave_one(struct subscription *sub)
{
    struct room *room = sub->log->room;
    subscription_free(sub);
    if (!room->subscription_count)
        room_unused(room);
}

void hub_leave(struct hub *hub, struct session *session)
{
    (void)hub;
    for (struct subscription *next, *sub = LIST_FIRST(&session->subscriptions); sub; sub = next) {
        next = LIST_NEXT(sub, link);
        hub_leave_one(sub);
    }
}

bool hub_catch_up(struct subscription *sub, bool anew)
{
    const struct frame_log *log = &sub->log->frames;
    bool whole = sub->cursor >= log->start && !anew;
    if (!whole)
        sub->cursor = log->end;
    return whole;
}

static void on_linger(struct wheel_timer *timer)
{
    struct room *room = container_of(timer, struct room, later);
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
    struct room_log *log;
    SLIST_FOREACH(log, &room->logs, link) {
        size_t before = frame_log_memory(&log->frames);
        frame_log_trim(&log->frames, 0, log->frames.end);
        hub_note_log_bytes(room->hub, before, frame_log_memory(&log->frames));
    }
    for (size_t i = 0; i < room->subscription_count; i++)
        room->subscriptions[i]->cursor = room->subscriptions[i]->log->frames.end;
}

void room_drop_logs(struct room *room)
{
    struct room_log *log;
    room_flush(room);
    SLIST_FOREACH(log, &room->logs, link) {
        size_t before = frame_log_memory(&log->frames);
        frame_log_trim(&log->frames, 0, log->frames.end);
        hub_note_log_bytes(room->hub, before, frame_log_memory(&log->frames));
    }
    for (size_t i = 0; i < room->subscription_count; i++) {
        struct subscription *sub = room->subscriptions[i];
        struct session *session = sub->session;
        bool has_all = sub->cursor == sub->log->frames.end && !session->outbox.len;
        if (session->closing || has_all || (sub->corked && !session->outbox.len))
            continue; /* one that catches up goes on from the database */
        session_close(session, 1013, "Come back for the history");
    }
}

void room_trim_logs(struct room *room, uint64_t trimmed)
{
    struct room_log *log;
    SLIST_FOREACH(log, &room->logs, link) {
        size_t before = frame_log_memory(&log->frames);
        frame_log_forget(&log->frames, trimmed);
        hub_note_log_bytes(room->hub, before, frame_log_memory(&log->frames));
    }
}

void room_ready(struct room *room)
{
    room->state = ROOM_LIVE;
    for (size_t i = 0; i < room->subscription_count; i++)
        if (!room->subscriptions[i]->announced) /* else it is on its way out: another epoch has begun */
            begin_subscription(room->subscriptions[i]);
    begin_listening(room);
    room_expect(room);
    if (!room->subscription_count)
        room_unused(room);
}

static void on_retry(struct wheel_timer *timer)
{
    room_load(container_of(timer, struct room, later));
}

void room_failed(struct room *room, enum err err)
{
    while (room->subscription_count) { /* its state keeps the room while it empties */
        struct subscription *sub = room->subscriptions[room->subscription_count - 1];
        struct session *session = sub->session;
        bool waited = !sub->announced;
        subscription_free(sub);
        if (waited)
            session->protocol->not_joined(session, room->id, err);
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
    for (size_t i = 0; i < room->subscription_count; i++)
        fn(arg, room->subscriptions[i]->session);
}

/* ---- events into the logs, logs into the sockets ---- */

/* What the log drops and this reader still wants: it reads as fast as it can, and is behind. */
static bool is_behind(const struct room_log *read, const struct subscription *sub)
{
    const struct frame_log *log = &read->frames;
    return sub->log == read && !sub->corked && sub->cursor >= log->start && log->end - sub->cursor > log->max / 4 &&
           session_can_spill(sub->session, log->end - sub->cursor);
}

/* The log is about to drop its older half. One commit may bring more than a log holds, so those who read as
 * fast as they can are not to lose by it: what is not out yet goes out, and what their sockets do not take
 * now is set aside. */
static void save_readers(struct room_log *read)
{
    struct room *room = read->room;
    const struct frame_log *log = &read->frames;
    uint64_t from = log->end;
    size_t readers = 0;
    room_flush(room);
    for (size_t i = 0; !encoding_of(read)->pulled && i < room->subscription_count; i++) {
        const struct subscription *sub = room->subscriptions[i];
        if (!is_behind(read, sub))
            continue;
        readers++;
        if (sub->cursor < from)
            from = sub->cursor;
    }
    struct outbox_spill *spill =
        readers ? sessions_spill(room->hub->sessions, frame_log_from(log, from, SIZE_MAX), readers) : NULL;
    if (!spill)
        return;
    for (size_t i = 0; i < room->subscription_count; i++) {
        struct subscription *sub = room->subscriptions[i];
        if (is_behind(read, sub)) /* noting a debt may have ended others */
            session_spill(sub, spill, (size_t)(sub->cursor - from));
    }
    outbox_spill_release(spill);
}

/* What everybody has had makes room for what comes, but for the history, which others may want to see. */
static void make_room(struct room_log *read, size_t bytes)
{
    struct frame_log *log = &read->frames;
    if (frame_log_would_grow(log, bytes) && log->count)
        frame_log_compact(log, room_log_had(read), !encoding_of(read)->history);
}

static void append(struct room_log *read, uint64_t seq, bool passing)
{
    struct room *room = read->room;
    struct hub *hub = room->hub;
    struct frame_log *log = &read->frames;
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
    if (each && frame_log_would_evict(log, head.len + hub->scratch.len))
        save_readers(read);
    make_room(read, head.len + hub->scratch.len);
    size_t before = frame_log_memory(log);
    frame_log_append(log, seq, passing, head, buf_str(&hub->scratch));
    hub_note_log_bytes(hub, before, frame_log_memory(log));
    room_mark_dirty(room);
}

void room_append(struct room *room, const struct message *message)
{
    struct room_log *log;
    SLIST_FOREACH(log, &room->logs, link) {
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
    struct room_log *log;
    SLIST_FOREACH(log, &room->logs, link) {
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
    struct subscription *sub = session ? hub_subscription(session, conversation) : NULL;
    const struct encoding *encoding = sub ? encoding_of(sub->log) : NULL;
    if (!sub || !encoding->members)
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

bool hub_read(struct subscription *sub, hub_payload_fn *fn, void *arg)
{
    const struct frame_log *log = &sub->log->frames;
    if (sub->cursor < log->start)
        return false;
    uint64_t cursor = sub->cursor;
    sub->cursor = log->end;
    frame_log_each(log, cursor, fn, arg);
    return true;
}

bool hub_recent(struct hub *hub, uint64_t conversation, enum encoding_id encoding,
                void (*fn)(void *arg, struct str payload), void *arg)
{
    struct room *room = map_get(&hub->rooms, conversation);
    const struct room_log *log = room && room->state == ROOM_LIVE ? room_log_of(room, encoding) : NULL;
    struct frame_log_wanted wanted = {(size_t)hub->settings->history_limit, history_presence_max(hub->settings),
                                      (size_t)hub->settings->history_bytes};
    return log && frame_log_tail(&log->frames, room->seq, &wanted, fn, arg);
}

/* ---- the reconciliation, from time to time ---- */

static void on_reconcile(struct wheel_timer *timer)
{
    struct hub *hub = container_of(timer, struct hub, reconcile);
    hub_reconcile(hub);
    wheel_set(hub->wheel, &hub->reconcile,
              bus_is_up(hub->bus) ? hub->settings->reconcile_ms : hub->settings->reconcile_down_ms);
}
