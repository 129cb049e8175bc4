/* hub_room.h: a room as the hub's own files see it. */
#ifndef CG_RELAY_CORE_HUB_ROOM_H
#define CG_RELAY_CORE_HUB_ROOM_H

#include "relay/core/hub.h"
#include "relay/core/frame_log.h"

#include <sys/queue.h>

enum room_state {
    ROOM_SUBSCRIBING, /* waits for the bus, so that nothing falls between reading and listening */
    ROOM_LOADING,     /* its latest messages are being read */
    ROOM_LIVE,
};

/* The wait for what is missing, and what came before its turn. */
struct gap {
    struct room *room;
    struct wheel_timer wait;
    struct message **messages; /* the stash, ascending by seq */
    uint32_t count, cap, bytes;
};

/* The events as the readers of one encoding see them; kept while there is one. */
struct room_log {
    struct frame_log frames;
    struct room *room;
    SLIST_ENTRY(room_log) link; /* in the room's logs */
    enum encoding_id encoding;
    unsigned subscribers; /* subscriptions */
};

struct room {
    uint64_t id; /* conversation */
    struct hub *hub;
    uint64_t seq;                /* the last number appended */
    uint64_t batch;              /* whose it is (struct message) */
    uint64_t known;              /* the highest number known to be stored; above seq: something is missing */
    uint64_t trimmed, forgets;   /* as the database said last (struct store_anchor): no log has what went by then */
    SLIST_HEAD(, room_log) logs; /* of the encodings that are read */
    struct subscription **subscriptions;
    uint32_t subscription_count, subscription_cap;
    struct gap *gap; /* NULL: nothing is waited for, nothing came too early */
    enum room_state state;
    bool backfilling;
    bool doubted;   /* it has one of hub->doubts */
    bool stale;     /* what is being read for it belongs to an earlier epoch: it is read again */
    bool listening; /* the listener was told that it is ready */
    bool dirty;
    const struct hub_listener *listener; /* NULL: none. One keeps the room for good */
    /* Without a listener: set while nobody sits in it and it is kept for who comes back. With one: while the next
     * attempt to load it is waited for. */
    struct wheel_timer later;
    LIST_ENTRY(room) flush;    /* in hub->dirty or hub->cooling, if `dirty` */
    int64_t cooldown_until_us; /* clock_mono_us: not written to before; 0: whenever there is something */
};

static inline const struct encoding *encoding_of(const struct room_log *log)
{
    return log->room->hub->encodings[log->encoding];
}

/* Not a conversation but a user's inbox: nothing is stored under it, notices only. */
static inline bool room_is_inbox(const struct room *room)
{
    return room->id >= WIRE_INBOX(0);
}

/* NULL: nobody reads that encoding. */
static inline struct room_log *room_log_of(const struct room *room, enum encoding_id encoding)
{
    struct room_log *log;
    SLIST_FOREACH(log, &room->logs, link)
        if (log->encoding == encoding)
            break;
    return log;
}

/* hub_order.c: the order of a room's messages. */

/* Reads the latest messages; the room is live afterwards (room_ready), or room_failed. */
void room_load(struct room *room);
/* Arms the wait for what is missing, if anything is and nobody is fetching it. */
void room_expect(struct room *room);
void room_order_fini(struct room *room);
/* A reconciliation of what is so now: what one that is under way has read may be older. */
void hub_reconcile_anew(struct hub *hub);
/* One, if a connection to the database was made since the last one: it may have been put back meanwhile. To be called
 * before anything from it is delivered. */
void hub_reconcile_reconnected(struct hub *hub);

/* hub_flush.c */

/* It has something for its readers: hub_flush gives it to them. */
void room_mark_dirty(struct room *room);
void room_forget_dirty(struct room *room);
/* Gives its readers' sockets what they take, now. */
void room_flush(struct room *room);
/* Up to where every reader of the log has had it. */
uint64_t room_log_had(const struct room_log *log);

/* hub.c */

/* A log's memory has changed. */
void hub_note_log_bytes(struct hub *hub, size_t before, size_t after);

/* Appends to every log of the room that is read. */
void room_append(struct room *room, const struct message *message);
/* Appends bytes as they are to one log of the room, if it is read here. */
void room_show(struct hub *hub, uint64_t conversation, enum encoding_id encoding, struct str payload);
/* Drops what every log holds; no subscription has anything to read. */
void room_clear_logs(struct room *room);
/* Something that was stored is gone: drops what every log holds. Who had not had all of it and has not the turn to be
 * given it from the database is closed with 1013, and comes back for the history. */
void room_drop_logs(struct room *room);
/* Everything up to that number is gone: from the logs, too. */
void room_trim_logs(struct room *room, uint64_t trimmed);
/* The room became live: its sessions take their subscriptions. */
void room_ready(struct room *room);
/* Nobody sits in it any more: it is kept room_linger_ms, or freed if nothing is being read for it. */
void room_unused(struct room *room);
/* It could not be read: its sessions are turned away; for a listener it is tried again. */
void room_failed(struct room *room, enum err err);

#endif
