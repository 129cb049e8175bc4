/* hub_room.h: the hub's internals: rooms, and the functions that its files share. Loop thread only. */
#ifndef CG_RELAY_CORE_HUB_ROOM_H
#define CG_RELAY_CORE_HUB_ROOM_H

#include "relay/core/hub.h"
#include "relay/core/frame_log.h"

#include <sys/queue.h>

enum room_state {
    ROOM_SUBSCRIBING, /* subscribing to the bus first, so that no message is missed between reading and listening */
    ROOM_LOADING,     /* its latest messages are being read */
    ROOM_LIVE,
};

/* A wait for missing messages, and the stash of those that came too early. */
struct gap {
    struct room *room;
    struct wheel_timer wait;
    struct message **messages; /* the stash, ascending by seq */
    uint32_t count, cap, bytes;
};

/* A room's events in one encoding; exists while at least one subscription reads it. */
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
    uint64_t batch;              /* the batch of that message (struct message) */
    uint64_t known;              /* the highest number known to be stored; above seq: something is missing */
    uint64_t trimmed, forgets;   /* as last read (struct store_anchor); no log has messages removed by then */
    SLIST_HEAD(, room_log) logs; /* one for each encoding in use */
    struct subscription **subscriptions;
    uint32_t subscription_count, subscription_cap;
    struct gap *gap; /* NULL: nothing is missing */
    enum room_state state;
    bool backfilling;
    bool doubted;   /* has an entry in hub->doubts */
    bool stale;     /* the read in flight belongs to an earlier epoch and must be repeated */
    bool listening; /* the listener was told that it is ready */
    bool dirty;
    const struct hub_listener *listener; /* NULL: none. One keeps the room for good */
    /* Without a listener: runs while the empty room is kept for clients that reconnect. With one: runs until the next
     * attempt to load the room. */
    struct wheel_timer later;
    LIST_ENTRY(room) flush;    /* in hub->dirty or hub->cooling, if `dirty` */
    int64_t cooldown_until_us; /* clock_mono_us: no write before this time; 0: no cooldown */
};

static inline const struct encoding *encoding_of(const struct room_log *log)
{
    return log->room->hub->encodings[log->encoding];
}

/* Whether the room is a user's inbox, which carries notices and stores nothing. */
static inline bool room_is_inbox(const struct room *room)
{
    return room->id >= WIRE_INBOX(0);
}

/* NULL if no subscription reads that encoding. */
static inline struct room_log *room_log_of(const struct room *room, enum encoding_id encoding)
{
    struct room_log *log;
    SLIST_FOREACH(log, &room->logs, link)
        if (log->encoding == encoding)
            break;
    return log;
}

/* hub_order.c: the order of a room's messages. */

/* Reads the latest messages; ends with room_ready or room_failed. */
void room_load(struct room *room);
/* Starts the wait for missing messages, unless none is missing or they are already being fetched. */
void room_expect(struct room *room);
void room_order_fini(struct room *room);
/* Reconciles with the present state of the database. One under way may have read an older state, so another follows
 * it. */
void hub_reconcile_anew(struct hub *hub);
/* Reconciles if a database connection was made since the last reconciliation, as the database may have been put back to
 * an older state. Must be called before anything read from it is delivered. */
void hub_reconcile_reconnected(struct hub *hub);

/* hub_flush.c */

/* The room has data for its subscribers; hub_flush will write it. */
void room_mark_dirty(struct room *room);
void room_forget_dirty(struct room *room);
/* Writes to the subscribers' sockets now, as far as they take it. */
void room_flush(struct room *room);
/* The offset that every subscription of the log has passed. */
uint64_t room_log_had(const struct room_log *log);

/* hub.c */

/* Records that a log's memory has changed, in bytes. */
void hub_note_log_bytes(struct hub *hub, size_t before, size_t after);

/* Appends the message to every log of the room. */
void room_append(struct room *room, const struct message *message);
/* Appends an encoded payload to one log of the room, if this relay has that log. */
void room_show(struct hub *hub, uint64_t conversation, enum encoding_id encoding, struct str payload);
/* Empties every log and moves every subscription to its end. */
void room_clear_logs(struct room *room);
/* Stored messages were removed: empties every log. A session that had not read all of it and cannot be caught up from
 * the database is closed with 1013; it reconnects and reads the history. */
void room_drop_logs(struct room *room);
/* Drops messages up to that number from the logs, as the database has trimmed them. */
void room_trim_logs(struct room *room, uint64_t trimmed);
/* The bus has confirmed the room's subscription, or is down and will not: what waited for that goes on. */
void room_listens(struct room *room);
/* The room became live: completes the pending subscriptions. */
void room_ready(struct room *room);
/* The room is empty: keeps it for room_linger_ms, or frees it if no read for it is in flight. */
void room_unused(struct room *room);
/* The room could not be read: ends all its subscriptions (not_joined for pending ones); retries for a listener. */
void room_failed(struct room *room, enum err err);

#endif
