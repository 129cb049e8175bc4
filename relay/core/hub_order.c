/* hub_order.c: delivers each of a room's messages once and in order, although Redis may lose, repeat or reorder them.
 *
 *   seq == last + 1   append, then whatever in the stash follows
 *   seq <= last       known: drop; but if it is not that very message, ask the database whether what was delivered is
 *                     still there
 *   seq >  last + 1   stash; if the missing ones do not come within gap_wait_ms, read them from the
 *                     database, once per room whoever noticed
 *
 * `known` is the highest number known to be stored: from a stashed message, or from the reconciliation that
 * compares every room in use with its conversation's counter. While seq < known something is fetched
 * or waited for.
 *
 * Numbers alone do not show that the database was put back to an older state, because it then gives out the same
 * numbers again. So the transaction of the last message (room->batch) is remembered, and compared with the database by
 * each reconciliation, each backfill, and when a number arrives that is not new. */
#include "common/log.h"
#include "common/container.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/redis/bus.h"
#include "relay/core/hub_room.h"
#include "relay/db/db_pool.h"

#include <stdlib.h>

enum { STASH_COUNT = 4096, STASH_BYTES = 4 * 1024 * 1024, BACKFILL_LIMIT = 500, RECONCILE_ROOMS = 1000 };

/* ---- the stash ---- */

static void on_gap(struct wheel_timer *timer);

static struct gap *gap_need(struct room *room)
{
    if (room->gap)
        return room->gap;
    room->gap = mem_zalloc(sizeof *room->gap);
    room->gap->room = room;
    room->gap->wait.fired = on_gap;
    return room->gap;
}

/* Most rooms have no gap at most times. */
static void gap_settle(struct room *room)
{
    if (!room->gap || room->gap->count || wheel_is_set(&room->gap->wait))
        return;
    free(room->gap->messages);
    free(room->gap);
    room->gap = NULL;
}

static void stash_add(struct room *room, const struct message *message)
{
    struct gap *gap = gap_need(room);
    if (gap->count == STASH_COUNT || gap->bytes >= STASH_BYTES)
        return; /* it is stored: the backfill brings it */
    size_t at = gap->count;
    while (at && gap->messages[at - 1]->seq > message->seq)
        at--;
    if (at && gap->messages[at - 1]->seq == message->seq)
        return;
    if (gap->count == gap->cap) {
        gap->cap = gap->cap ? gap->cap * 2 : 8;
        gap->messages = mem_realloc(gap->messages, gap->cap * sizeof gap->messages[0]);
    }
    memmove(&gap->messages[at + 1], &gap->messages[at], (gap->count - at) * sizeof gap->messages[0]);
    gap->messages[at] = message_dup(message);
    gap->count++;
    gap->bytes += (uint32_t)message_size(message);
}

/* Removes the first `count`. */
static void stash_drop(struct gap *gap, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gap->bytes -= (uint32_t)message_size(gap->messages[i]);
        free(gap->messages[i]);
    }
    gap->count -= (uint32_t)count;
    memmove(gap->messages, gap->messages + count, gap->count * sizeof gap->messages[0]);
}

void room_order_fini(struct room *room)
{
    if (!room->gap)
        return;
    if (room->gap->count)
        stash_drop(room->gap, room->gap->count);
    wheel_cancel(&room->gap->wait);
    gap_settle(room);
}

/* ---- in order ---- */

static void take_in(struct room *room, const struct message *message)
{
    room->seq = message->seq;
    room->batch = message->batch;
    room_append(room, message);
    if (room->listening)
        room->listener->message(room->listener->arg, message);
    metric_inc(METRIC_DELIVERED);
}

static void drain_stash(struct room *room)
{
    size_t done = 0;
    struct gap *gap = room->gap;
    if (!gap)
        return;
    while (done < gap->count && gap->messages[done]->seq <= room->seq + 1) {
        if (gap->messages[done]->seq == room->seq + 1)
            take_in(room, gap->messages[done]);
        done++;
    }
    if (done)
        stash_drop(gap, done);
    if (room->known <= room->seq)
        wheel_cancel(&gap->wait);
    gap_settle(room);
}

static void reconcile_begin(struct hub *hub, bool all);

/* What was delivered is compared with the database. It is remembered as it is now: when the answer is there, the numbers
 * of a database that was put back may have grown past it. */
static void doubt(struct room *room, struct store_anchor anchor)
{
    struct hub *hub = room->hub;
    if (room->doubted)
        return;
    room->doubted = true;
    if (hub->doubt_count == hub->doubt_cap) {
        hub->doubt_cap = hub->doubt_cap ? hub->doubt_cap * 2 : 16;
        hub->doubts = mem_realloc(hub->doubts, hub->doubt_cap * sizeof hub->doubts[0]);
    }
    hub->doubts[hub->doubt_count++] = anchor;
    if (!hub->reconciling)
        reconcile_begin(hub, false);
}

static struct store_anchor anchor_of(const struct room *room)
{
    return (struct store_anchor){.conversation = room->id, .seq = room->seq, .batch = room->batch};
}

static void deliver(struct room *room, const struct message *message)
{
    if (room->known < message->seq)
        room->known = message->seq;
    if (room->state != ROOM_LIVE) {
        stash_add(room, message);
        return;
    }
    if (message->seq <= room->seq) {
        metric_inc(METRIC_DUPLICATES);
        if (message->seq < room->seq || message->batch != room->batch)
            doubt(room, anchor_of(room));
    } else if (message->seq == room->seq + 1) {
        take_in(room, message);
        if (room->gap && room->gap->count)
            drain_stash(room);
    } else {
        stash_add(room, message);
        room_expect(room);
    }
}

/* What an erased user said may come late, from a relay that stored it in time: only the database knows what is left of
 * it. */
static void expect_erased(struct room *room, uint64_t seq)
{
    if (room->known < seq)
        room->known = seq;
    if (room->state == ROOM_LIVE)
        room_expect(room);
}

void hub_deliver(struct hub *hub, const struct message *message)
{
    struct room *room = map_get(&hub->rooms, message->conversation);
    if (!room)
        return;
    if (message->sender && hub->erased.count && map_get(&hub->erased, message->sender))
        expect_erased(room, message->seq);
    else
        deliver(room, message);
}

/* ---- what is gone ---- */

/* Everything that was read or heard before is void: it may be what is gone. */
static void drop_all(struct room *room)
{
    struct hub *hub = room->hub;
    hub->forgotten++;
    metric_inc(METRIC_ROOMS_FORGOTTEN);
    if (room->gap && room->gap->count)
        stash_drop(room->gap, room->gap->count);
    room_drop_logs(room);
    if (room->listening)
        room->listener->gone(room->listener->arg, room->trimmed, true);
    room_expect(room);
}

static void note_gone(struct room *room, const struct store_anchor *seen)
{
    if (seen->trimmed > room->trimmed) {
        room->trimmed = seen->trimmed;
        room_trim_logs(room, room->trimmed);
        if (room->listening)
            room->listener->gone(room->listener->arg, room->trimmed, false);
    }
    if (seen->forgets > room->forgets) {
        room->forgets = seen->forgets;
        drop_all(room);
    }
}

void hub_erased(struct hub *hub, uint64_t user)
{
    if (hub->erased.count >= HUB_ERASED_MAX) /* nothing of theirs can be on its way any more */
        map_fini(&hub->erased);
    map_put(&hub->erased, user, hub);
    hub_reconcile_anew(hub);
}

/* ---- reading from the database ---- */

/* A job that collects messages of one room. */
struct reading {
    struct job job;
    struct hub *hub;
    struct store_range range;
    struct store_anchor anchor; /* a backfill's: what it begins with must be this */
    struct store_anchor tail; /* what the conversation was before its messages were read: what is missing up to there is
                                 * gone for good */
    uint64_t forgotten;       /* hub->forgotten when it was asked for */
    struct message **messages;
    size_t count, cap;
};

static void collect(void *arg, const struct message *message)
{
    struct reading *reading = arg;
    if (reading->count == reading->cap) {
        reading->cap = reading->cap ? reading->cap * 2 : 16;
        reading->messages = mem_realloc(reading->messages, reading->cap * sizeof reading->messages[0]);
    }
    reading->messages[reading->count++] = message_dup(message);
}

static void read_messages(struct job *job, struct store *store)
{
    struct reading *reading = (struct reading *)job;
    job->err = store_compare(store, &reading->tail, 1);
    if (!job->err)
        job->err = store_read(store, &reading->range, collect, reading);
}

static struct reading *reading_new(struct room *room, void (*done)(struct job *))
{
    struct reading *reading = mem_zalloc(sizeof *reading);
    reading->job.work = read_messages;
    reading->job.done = done;
    reading->hub = room->hub;
    reading->forgotten = room->hub->forgotten;
    reading->tail = (struct store_anchor){.conversation = room->id};
    reading->range = (struct store_range){.conversation = room->id, .before = INT64_MAX};
    return reading;
}

static void reading_free(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++)
        free(reading->messages[i]);
    free(reading->messages);
    free(reading);
}

/* Numbers up to this one that have not come are gone for good. */
static void pass_gone(struct room *room, uint64_t seq)
{
    if (room->seq >= seq)
        return;
    room->seq = seq;
    room->batch = 0;
    if (room->known < seq)
        room->known = seq;
}

/* Whether what was read is void because another epoch began meanwhile; then it is being read again. */
static bool load_again(struct room *room)
{
    bool stale = room->stale;
    room->stale = false;
    if (stale)
        room_load(room);
    return stale;
}

static void on_loaded(struct job *job)
{
    struct reading *reading = (struct reading *)job;
    struct room *room = map_get(&reading->hub->rooms, reading->range.conversation);
    CG_ASSERT(room && room->state == ROOM_LOADING);
    room->stale |= reading->forgotten != reading->hub->forgotten;
    if (load_again(room)) {
        reading_free(reading);
        return;
    }
    if (job->err) {
        log_warn("room.load_failed", "room=%llu err=%s", (unsigned long long)room->id, err_name(job->err));
        room_failed(room, job->err);
    } else {
        for (size_t i = 0; i < reading->count; i++) {
            room->seq = reading->messages[i]->seq;
            room->batch = reading->messages[i]->batch;
            if (reading->range.limit > 1)
                room_append(room, reading->messages[i]);
        }
        room->trimmed = reading->tail.trimmed;
        room->forgets = reading->tail.forgets;
        pass_gone(room, reading->tail.tail);
        if (room->known < room->seq)
            room->known = room->seq;
        drain_stash(room);
        room_ready(room);
    }
    reading_free(reading);
}

void room_load(struct room *room)
{
    room->state = ROOM_LOADING;
    struct reading *reading = reading_new(room, on_loaded);
    bool history = false;
    const struct room_log *log;
    SLIST_FOREACH(log, &room->logs, link)
        history |= encoding_of(log)->history;
    /* the last message tells the last number; more are for those who want to see them */
    reading->range.limit = history ? (unsigned)room->hub->settings->history_limit : 1;
    reading->range.latest = true;
    db_pool_add(room->hub->db_pool, &reading->job);
}

/* ---- gaps ---- */

static void backfill(struct room *room);

/* Whether another message stands in the place of the last one that was delivered. */
static bool is_other(const struct reading *reading)
{
    return reading->anchor.seq && reading->count && reading->messages[0]->seq == reading->anchor.seq &&
           reading->messages[0]->batch != reading->anchor.batch;
}

static void on_backfilled(struct job *job)
{
    struct reading *reading = (struct reading *)job;
    struct hub *hub = reading->hub;
    struct room *room = map_get(&hub->rooms, reading->range.conversation);
    CG_ASSERT(room && room->backfilling);
    room->backfilling = false;
    if (load_again(room)) {
        reading_free(reading);
        return;
    }
    if (is_other(reading)) {
        doubt(room, reading->anchor); /* and nothing of it is shown */
        reading_free(reading);
        return;
    }
    if (reading->forgotten != hub->forgotten) {
        backfill(room); /* some of it may be gone since */
        reading_free(reading);
        return;
    }
    bool is_all = reading->count < reading->range.limit;
    uint64_t end = reading->range.before - 1 < reading->tail.tail ? reading->range.before - 1 : reading->tail.tail;
    size_t had = reading->count && reading->messages[0]->seq == reading->anchor.seq;
    for (size_t i = had; i < reading->count && !job->err; i++) {
        if (reading->messages[i]->seq <= room->seq)
            continue;                                   /* it has come meanwhile */
        pass_gone(room, reading->messages[i]->seq - 1); /* they were stored before it, and are not there */
        metric_inc(METRIC_BACKFILLED);
        deliver(room, reading->messages[i]);
    }
    if (!job->err && is_all && room->seq < end) {
        pass_gone(room, end);
        drain_stash(room);
    }
    if (!room->subscription_count && !room->listener && !wheel_is_set(&room->later)) {
        room_unused(room);
    } else if (room->seq < room->known) {
        if (!job->err && reading->count > had)
            backfill(room); /* more than one portion was missing */
        else
            log_warn("room.backfill_failed", "room=%llu err=%s", (unsigned long long)room->id,
                     err_name(job->err)); /* the next reconciliation tries again */
    }
    reading_free(reading);
}

static void backfill(struct room *room)
{
    struct reading *reading = reading_new(room, on_backfilled);
    reading->anchor = anchor_of(room);
    reading->range.after = room->seq ? room->seq - 1 : 0;
    reading->range.limit = BACKFILL_LIMIT + 1;
    reading->range.authors = true;
    if (room->gap && room->gap->count)
        reading->range.before = room->gap->messages[0]->seq;
    room->backfilling = true;
    db_pool_add(room->hub->db_pool, &reading->job);
}

static void on_gap(struct wheel_timer *timer)
{
    struct room *room = container_of(timer, struct gap, wait)->room;
    if (room->seq < room->known && !room->backfilling)
        backfill(room);
    gap_settle(room);
}

void room_expect(struct room *room)
{
    if (room->seq >= room->known || room->backfilling || (room->gap && wheel_is_set(&room->gap->wait)))
        return;
    metric_inc(METRIC_GAPS);
    wheel_set(room->hub->wheel, &gap_need(room)->wait, room->hub->settings->gap_wait_ms);
}

/* ---- another epoch ---- */

static void forget(struct room *room)
{
    if (room_is_inbox(room) || room->state == ROOM_SUBSCRIBING)
        return; /* of these no number is known yet */
    bool being_read = room->backfilling || (room->state == ROOM_LOADING && !wheel_is_set(&room->later));
    room_order_fini(room);
    room_clear_logs(room);
    if (!room->listener)
        wheel_cancel(&room->later);
    room->seq = room->known = room->batch = room->trimmed = room->forgets = 0;
    room->listening = room->doubted = false;
    room->state = ROOM_LOADING;
    room->stale = being_read;
    if (!being_read && !wheel_is_set(&room->later))
        room_load(room);
}

static void begin_epoch(struct hub *hub, uint64_t epoch)
{
    log_warn("hub.epoch", "from=%llu to=%llu rooms=%zu", (unsigned long long)hub->epoch, (unsigned long long)epoch,
             hub->rooms.count);
    metric_inc(METRIC_EPOCHS);
    db_pool_begin_epoch(hub->db_pool);
    hub->epoch = epoch;
    hub->doubt_count = 0;
    /* Also those that sit nowhere: their users may be others' by now. */
    for (size_t i = 0; i < hub->sessions->cap; i++)
        if (hub->sessions->slots[i])
            session_close(hub->sessions->slots[i], 1012, "The history was put back: come back");
    size_t at = 0;
    for (struct room *room; (room = map_next(&hub->rooms, &at));)
        forget(room);
    hub->notices.epoch(hub->notices.arg);
}

/* ---- the reconciliation ---- */

struct reconcile {
    struct job job;
    struct hub *hub;
    uint64_t known; /* the epoch, as the hub has it */
    struct store_anchor *anchors;
    size_t count;
    size_t doubts; /* so many of hub->doubts are among them */
    size_t lost;
    uint64_t epoch;      /* 0: could not be read */
    uint64_t connection; /* it says something of what was read through connections up to this one */
};

static enum err compare(struct reconcile *reconcile, struct store *store)
{
    enum err err = ERR_OK;
    for (size_t at = 0; !err && at < reconcile->count; at += RECONCILE_ROOMS) {
        size_t count = reconcile->count - at;
        err = store_compare(store, reconcile->anchors + at, count < RECONCILE_ROOMS ? count : RECONCILE_ROOMS);
        for (size_t i = at; !err && i < at + RECONCILE_ROOMS && i < reconcile->count; i++)
            reconcile->lost += reconcile->anchors[i].lost;
    }
    return err;
}

/* What was delivered was stored. If the database does not know of it, or is of an earlier epoch, it has been put back to
 * an older state, or a replica that had not received everything has taken the place of its primary. Every relay that
 * finds out says so; the first one begins the epoch. */
static void read_tails(struct job *job, struct store *store)
{
    struct reconcile *reconcile = (struct reconcile *)job;
    reconcile->connection = store_latest_connection();
    job->err = store_epoch(store, &reconcile->epoch); /* an idle relay's database is watched too */
    if (!job->err && reconcile->connection < store_connection(store))
        reconcile->connection = store_connection(store); /* made for it: all before it are older than what it read */
    if (!job->err && reconcile->epoch == reconcile->known)
        job->err = compare(reconcile, store);
    if (!job->err && (reconcile->lost || reconcile->epoch < reconcile->known))
        job->err = store_raise_epoch_from(store, reconcile->epoch, reconcile->known, &reconcile->epoch);
}

static void note_put_back(const struct reconcile *reconcile)
{
    bool said = metric_get(METRIC_ROOMS_AHEAD) > 0;
    if (reconcile->lost && reconcile->epoch == reconcile->known && !said)
        log_error("hub.database_put_back", "rooms=%zu msg=\"stored messages were lost: chaguan epoch raise\"",
                  reconcile->lost);
    else if (reconcile->lost && reconcile->epoch != reconcile->known)
        log_error("hub.database_put_back", "rooms=%zu from=%llu to=%llu msg=\"stored messages were lost\"",
                  reconcile->lost, (unsigned long long)reconcile->known, (unsigned long long)reconcile->epoch);
    if (!reconcile->job.err || reconcile->lost)
        metric_set(METRIC_ROOMS_AHEAD, reconcile->epoch == reconcile->known ? (int64_t)reconcile->lost : 0);
}

/* The doubts that it has answered. */
static void settle_doubts(struct hub *hub, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct room *room = map_get(&hub->rooms, hub->doubts[i].conversation);
        if (room)
            room->doubted = false;
    }
    hub->doubt_count -= count;
    if (hub->doubt_count) /* else there may be no array */
        memmove(hub->doubts, hub->doubts + count, hub->doubt_count * sizeof hub->doubts[0]);
}

static void on_reconciled(struct job *job)
{
    struct reconcile *reconcile = (struct reconcile *)job;
    struct hub *hub = reconcile->hub;
    hub->reconciling = false;
    metric_inc(METRIC_RECONCILIATIONS);
    note_put_back(reconcile);
    if (reconcile->epoch && reconcile->epoch != hub->epoch) {
        begin_epoch(hub, reconcile->epoch);
        db_pool_refuted(hub->db_pool);
    } else if (job->err) {
        db_pool_refuted(hub->db_pool);
    } else {
        settle_doubts(hub, reconcile->doubts);
        for (size_t i = 0; i < reconcile->count; i++) {
            struct room *room = map_get(&hub->rooms, reconcile->anchors[i].conversation);
            if (!room || room->state != ROOM_LIVE)
                continue;
            if (reconcile->anchors[i].tail > room->known) {
                metric_inc(METRIC_RECONCILE_FOUND);
                room->known = reconcile->anchors[i].tail;
            }
            note_gone(room, &reconcile->anchors[i]);
            room_expect(room); /* also what an earlier backfill could not get */
        }
        db_pool_proved(hub->db_pool, reconcile->connection);
    }
    if (job->err) /* what happens to a database while it is away is to be seen at once */
        wheel_set(hub->wheel, &hub->reconcile, hub->settings->reconcile_down_ms);
    else if (!hub->reconciling && (hub->reconcile_again || hub->doubt_count))
        reconcile_begin(hub, hub->reconcile_again);
    free(reconcile->anchors);
    free(reconcile);
}

/* `all`: all rooms; else only those in doubt. */
static void reconcile_begin(struct hub *hub, bool all)
{
    struct reconcile *reconcile = mem_zalloc(sizeof *reconcile);
    size_t at = 0;
    reconcile->job.work = read_tails;
    reconcile->job.done = on_reconciled;
    reconcile->hub = hub;
    reconcile->known = hub->epoch;
    reconcile->doubts = hub->doubt_count;
    reconcile->anchors = mem_zalloc((hub->doubt_count + (all ? hub->rooms.count : 0)) * sizeof reconcile->anchors[0]);
    if (reconcile->doubts)
        memcpy(reconcile->anchors, hub->doubts, reconcile->doubts * sizeof reconcile->anchors[0]);
    reconcile->count = reconcile->doubts;
    for (struct room *room; all && (room = map_next(&hub->rooms, &at));)
        if (!room_is_inbox(room) && !room->doubted)
            reconcile->anchors[reconcile->count++] = anchor_of(room);
    if (all)
        hub->reconcile_again = false;
    hub->connects = metric_get(METRIC_DB_CONNECTS);
    hub->reconciling = true;
    db_pool_add_proof(hub->db_pool, &reconcile->job);
}

void hub_reconcile(struct hub *hub)
{
    if (!hub->reconciling)
        reconcile_begin(hub, true);
}

void hub_reconcile_anew(struct hub *hub)
{
    if (hub->reconciling)
        hub->reconcile_again = true;
    else
        reconcile_begin(hub, true);
}

void hub_reconcile_reconnected(struct hub *hub)
{
    if (hub->connects != metric_get(METRIC_DB_CONNECTS))
        hub_reconcile_anew(hub);
}
