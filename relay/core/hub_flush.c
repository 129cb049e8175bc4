/* hub_flush.c: writes the rooms' logs to the sockets, once in each turn of the loop, with a cooldown for large
 * rooms. */
#include "common/clock.h"
#include "common/metrics.h"
#include "relay/core/hub_room.h"

enum {
    SHORT_FLUSH_US = 200, /* a room that takes no longer needs no cooldown of its own */
    SHORT_TURN_US = 500,  /* nor do all that did not, if they took no longer together */
    COOLDOWN_MIN_US = 2000,
    COOLDOWN_MAX_US = 50000,
    LOOK_US = 20000,     /* how often it is looked at how busy the loop is */
    BUSY_WAITS_ONE = 16, /* a busy loop waits for less than this part of its time */
    CACHE_LINE = 64,     /* bytes */
};

/* ---- rooms with something to give ---- */

void room_mark_dirty(struct room *room)
{
    if (room->dirty)
        return;
    room->dirty = true;
    LIST_INSERT_HEAD(&room->hub->dirty, room, flush);
}

void room_forget_dirty(struct room *room)
{
    if (room->dirty)
        LIST_REMOVE(room, flush);
    room->dirty = false;
}

/* ---- into the sockets ---- */

static void flush_subscription(struct subscription *sub)
{
    struct session *session = sub->session;
    const struct frame_log *log = &sub->log->frames;
    bool pulled = encoding_of(sub->log)->pulled;
    if (sub->corked)
        return;
    if (pulled) {
        if (sub->cursor != log->end && !session->closing) {
            session->protocol->changed(session, sub);
            sub->cursor = log->end;
        }
    } else if (!session->blocked) {
        session_flush(sub);
    } else if (sub->cursor < log->start && !session->closing) {
        metric_inc(METRIC_CLOSED_SLOW);
        session_close(session, 1013, "Too slow: come back for the history");
    }
}

/* The readers are spread over the heap, and out of the caches since the room's last message: what the next ones need
 * is on its way while the kernel is busy with this one. */
static void fetch_ahead(const struct room *room, size_t at)
{
    size_t left = room->subscription_count - at;
    if (left > 3)
        __builtin_prefetch(room->subscriptions[at + 3]);
    if (left > 2) {
        const char *session = (const char *)room->subscriptions[at + 2]->session;
        for (size_t byte = 0; byte < sizeof(struct session); byte += CACHE_LINE)
            __builtin_prefetch(session + byte);
    }
}

void room_flush(struct room *room)
{
    for (size_t i = 0; i < room->subscription_count; i++) {
        fetch_ahead(room, i);
        flush_subscription(room->subscriptions[i]);
    }
}

static int64_t cooldown_of(int64_t took_us)
{
    return took_us < COOLDOWN_MIN_US ? COOLDOWN_MIN_US : took_us > COOLDOWN_MAX_US ? COOLDOWN_MAX_US : took_us;
}

/* A large room that was just written to cools down as long as that took: what comes meanwhile goes out with it, in one
 * write for each reader instead of one for each message. Rooms that are quiet never wait. Returns how long it took if
 * the room is too small for that. */
static int64_t flush_and_cool(struct room *room)
{
    int64_t began_us = clock_mono_us();
    room_flush(room);
    int64_t ended_us = clock_mono_us(), took_us = ended_us - began_us;
    if (took_us <= SHORT_FLUSH_US)
        return took_us;
    room->cooldown_until_us = ended_us + cooldown_of(took_us);
    return 0;
}

static void end_cooldowns(struct hub *hub)
{
    int64_t now_us = LIST_EMPTY(&hub->cooling) ? 0 : clock_mono_us();
    for (struct room *room = LIST_FIRST(&hub->cooling), *next; room; room = next) {
        next = LIST_NEXT(room, flush);
        if (room->cooldown_until_us > now_us)
            continue;
        LIST_REMOVE(room, flush);
        LIST_INSERT_HEAD(&hub->dirty, room, flush);
    }
}

/* How long until there is somebody to write to; -1: nobody waits. */
static int64_t cooldown_ms(const struct hub *hub)
{
    int64_t until_us = INT64_MAX;
    const struct room *room;
    LIST_FOREACH(room, &hub->cooling, flush)
        if (room->cooldown_until_us < until_us)
            until_us = room->cooldown_until_us;
    if (!LIST_EMPTY(&hub->dirty) || until_us < hub->cooldown_until_us)
        until_us = hub->cooldown_until_us;
    if (until_us == INT64_MAX)
        return -1;
    int64_t wait_us = until_us - clock_mono_us();
    return wait_us > 0 ? (wait_us + 999) / 1000 : 0;
}

static bool is_cooling(struct room *room)
{
    if (!room->cooldown_until_us)
        return false;
    if (clock_mono_us() < room->cooldown_until_us)
        return true;
    room->cooldown_until_us = 0;
    return false;
}

uint64_t room_log_had(const struct room_log *log)
{
    const struct room *room = log->room;
    uint64_t least = log->frames.end;
    for (size_t i = 0; i < room->subscription_count; i++)
        if (room->subscriptions[i]->log == log && room->subscriptions[i]->cursor < least)
            least = room->subscriptions[i]->cursor;
    return least;
}

/* Over the budget of all logs: one room a turn gives back what all its readers have had. */
static void trim_one(struct hub *hub)
{
    struct room *room = map_next(&hub->rooms, &hub->trim_at);
    if (!room) {
        hub->trim_at = 0;
        return;
    }
    struct room_log *log;
    SLIST_FOREACH(log, &room->logs, link) {
        size_t before = frame_log_memory(&log->frames);
        frame_log_trim(&log->frames, 0, room_log_had(log));
        hub_note_log_bytes(hub, before, frame_log_memory(&log->frames));
    }
}

/* Whether the loop has hardly waited for anything lately. */
static void look_at_loop(struct hub *hub)
{
    int64_t now_us = clock_mono_us(), since_us = now_us - hub->looked_us;
    if (since_us < LOOK_US)
        return;
    hub->busy = (hub->waited_us - hub->waited_then_us) * BUSY_WAITS_ONE < since_us;
    hub->looked_us = now_us;
    hub->waited_then_us = hub->waited_us;
}

/* Many small rooms at once cool down together, if the loop has no time left. While it has, to hold them back would save
 * time that nobody needs: each message would only be late, and the more there are the later. */
int64_t hub_flush(struct hub *hub)
{
    int64_t small_us = 0;
    look_at_loop(hub);
    if (hub->cooldown_until_us && hub->cooldown_until_us > clock_mono_us())
        return cooldown_ms(hub);
    hub->cooldown_until_us = 0;
    end_cooldowns(hub);
    for (struct room *room; (room = LIST_FIRST(&hub->dirty));) {
        LIST_REMOVE(room, flush);
        if (is_cooling(room)) {
            LIST_INSERT_HEAD(&hub->cooling, room, flush);
            continue;
        }
        room->dirty = false;
        small_us += flush_and_cool(room);
    }
    if (hub->busy && small_us > SHORT_TURN_US)
        hub->cooldown_until_us = clock_mono_us() + cooldown_of(small_us);
    if (hub->log_bytes > (size_t)hub->settings->room_logs_bytes)
        trim_one(hub);
    return cooldown_ms(hub);
}
