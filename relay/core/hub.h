/* hub.h: rooms, and who reads them. The middle of the relay: adapters call it, it calls the journal,
 * the database pool and the bus. It knows no socket, no SQL, no Redis command. Loop thread only.
 *
 *   hub_post ─▶ journal ─(commit)─▶ hub_stored ─▶ hub_deliver ─▶ room logs ─(hub_flush)─▶
 *   sessions
 *                                       └──▶ bus ─▶ the other relays' hub_deliver */
#ifndef CG_RELAY_CORE_HUB_H
#define CG_RELAY_CORE_HUB_H

#include "common/map.h"
#include "common/message.h"
#include "common/settings.h"
#include "common/store/store.h"
#include "relay/core/encoding.h"
#include "relay/db/journal.h"
#include "relay/core/session.h"

#include <sys/queue.h>

struct bus;
struct db_pool;
struct sanctions;

/* What another relay told without a number, for those above the hub. */
struct hub_notices {
    void (*presence)(void *arg, uint64_t conversation);                   /* who is present has changed */
    void (*history)(void *arg, uint64_t conversation, uint64_t user);     /* this user asked for it */
    void (*friends)(void *arg, uint64_t user);                            /* this user has a new friend */
    void (*read)(void *arg, uint64_t user, const struct wire_mark *mark); /* this user has read so far */
    /* WIRE_SANCTION, WIRE_DRAIN. */
    void (*control)(void *arg, const struct wire_header *header, struct str payload);
    /* Another epoch has begun: all sessions were asked to come back. */
    void (*epoch)(void *arg);
    void *arg;
};

/* Embedded in the relay. The first part is set by its owner before hub_init. */
struct hub {
    const struct settings *settings;
    struct wheel *wheel;
    struct sessions *sessions;
    struct journal *journal;
    struct db_pool *db_pool;
    struct bus *bus;
    const struct encoding *const *encodings; /* ENCODING_COUNT of them, by their id */
    uint64_t incarnation;                    /* of this process */
    _Atomic uint64_t epoch;                  /* readers encode with it in their threads */
    struct hub_notices notices;
    const struct sanctions *sanctions; /* who may not post; NULL: everybody may */

    struct map rooms;          /* conversation → struct room */
    LIST_HEAD(, room) dirty;   /* rooms with something to flush */
    LIST_HEAD(, room) cooling; /* such that were flushed a moment ago */
    int64_t cooldown_until_us; /* clock_mono_us: all small rooms were flushed a moment ago; 0: they were not */
    size_t log_bytes;          /* memory held by all room logs */
    size_t trim_at;            /* where the sweep over budget goes on */
    struct wheel_timer reconcile;
    bool reconciling;            /* one is under way */
    bool reconcile_again;        /* and what it has asked is too old by now */
    struct store_anchor *doubts; /* what rooms had delivered when something came that speaks against it */
    size_t doubt_count, doubt_cap;
    int64_t connects;   /* METRIC_DB_CONNECTS when the last reconciliation began */
    uint64_t forgotten; /* how often something that was stored has gone from some room: what was read before is void */
    struct map erased;  /* users that were erased lately; the last HUB_ERASED_MAX or fewer */
    struct buf scratch; /* for encoding one event */
};

void hub_init(struct hub *hub);
/* Every session must have ended. */
void hub_fini(struct hub *hub);

/* Subscribes the session to the conversation; protocol->joined or ->not_joined follows, perhaps before this
 * returns. From then on it reads what is delivered. A session may have many subscriptions, one a conversation. */
void hub_join(struct hub *hub, struct session *session, uint64_t conversation, enum encoding_id encoding);
/* Its subscription in that conversation, also one that it waits for; NULL if it has none. */
struct subscription *hub_subscription(const struct session *session, uint64_t conversation);
/* Leaves all subscriptions, or gives up waiting for them. */
void hub_leave(struct hub *hub, struct session *session);
/* Leaves that one. Not from within hub_each or `joined`. */
void hub_leave_one(struct subscription *sub);
/* The conversation that a subscription is in. */
uint64_t hub_conversation(const struct subscription *sub);

/* The hub that it belongs to. */
struct hub *hub_of(const struct subscription *sub);

/* The number of the last message that the subscription's room has delivered. */
uint64_t hub_seq(const struct subscription *sub);
/* Everything up to this number is gone, as far as is known here: a cursor below it is void. */
uint64_t hub_trimmed(const struct subscription *sub);
/* Somebody has seen that this number is stored: if the room has not delivered it, it is waited for and then fetched. */
void hub_expect(struct subscription *sub, uint64_t seq);

/* For a subscription that was corked: whether the log still has everything past its cursor. If not, or if `anew`, the
 * cursor goes to the log's end: what comes from there is numbered after hub_seq. */
bool hub_catch_up(struct subscription *sub, bool anew);

/* Somebody who is no session and hears every message of a conversation, in order, once each: a Socket.IO namespace. One
 * in a conversation; for good. */
struct hub_listener {
    /* Live from here on: `seq` is the last number before. Called once, and again when a new epoch has begun: what was
     * heard before is void. */
    void (*ready)(void *arg, uint64_t seq);
    void (*message)(void *arg, const struct message *message);
    /* WIRE_IO from another relay. */
    void (*notice)(void *arg, struct str payload);
    /* Everything up to `trimmed` (0: nothing) is gone from the database, and with `more` some of what follows it may be:
     * nothing of that is to be shown again. */
    void (*gone)(void *arg, uint64_t trimmed, bool more);
    void *arg;
};
/* `listener` must outlive the hub's use. A conversation that cannot be read is tried again until it can. */
void hub_listen(struct hub *hub, uint64_t conversation, const struct hub_listener *listener);

/* Hands a message to the journal, copied. Its answer brings the id back: once, in any order. Nothing was taken, and no
 * answer follows: ERR_BUSY, the journal is full; ERR_DENIED, its sender is muted here (counted). */
enum err hub_post(struct hub *hub, struct post_id id, const struct message *message) CG_MUST_CHECK;
#define POST_OF_NOBODY ((struct post_id){0, 0, NULL})
/* A post of this session, whose protocol->posted gets the answer with that number. */
static inline struct post_id post_of(const struct session *session, uint64_t number)
{
    return (struct post_id){session->id, number, NULL};
}

/* The journal's answers to some posts: acknowledges, delivers here, publishes. */
void hub_stored(struct hub *hub, struct store_post *posts, const struct post_id *ids, size_t count);

/* What a job of the database pool has stored is delivered and published, as what the journal has. NULL: nothing was. */
void hub_tell(struct hub *hub, const struct message *message, uint64_t epoch);

/* A stored message became known, from wherever, in whatever order: appended once, in order. */
void hub_deliver(struct hub *hub, const struct message *message);

/* What another relay published. Malformed payloads are counted. */
void hub_received(struct hub *hub, struct str payload);

/* Compares all rooms with the database now; what is missing is fetched. If it does not know of what was delivered, it
 * was put back to an older state, and another epoch begins. If another one has begun, all that is known of rooms is void:
 * all sessions are asked to come back, and the rooms are read again. */
void hub_reconcile(struct hub *hub);

/* A user was erased, or is being: nothing more of theirs is stored through this relay, what comes of theirs is shown as the
 * database has it, and rooms in which they spoke forget. Call it again when that is done. */
enum { HUB_ERASED_MAX = 65536 };
void hub_erased(struct hub *hub, uint64_t user);

/* The bus came up or went down, or has subscribed to a conversation. */
void hub_bus_state(struct hub *hub, bool up);
void hub_subscribed(struct hub *hub, uint64_t conversation);

/* Sends the member list to every session of the room. */
void hub_broadcast_members(struct hub *hub, uint64_t conversation, const struct member *members, size_t count);

/* The same to one session, if it is still there and subscribed. */
void hub_send_members(struct hub *hub, uint64_t session_id, uint64_t conversation, const struct member *members,
                      size_t count);

/* Shows bytes as they are to all readers of one encoding in the room, on every relay. */
void hub_show(struct hub *hub, uint64_t conversation, enum encoding_id encoding, struct str payload);

/* Tells the other relays something without a number. */
void hub_notify(struct hub *hub, enum wire_kind kind, uint64_t conversation, uint64_t user);

/* What a user may do was taken away, and that is committed: this relay and the others look at once. */
void hub_revoked(struct hub *hub);

/* Tells them how far a user has read. */
void hub_notify_read(struct hub *hub, uint64_t user, const struct wire_mark *mark);

/* The same with a payload, for WIRE_IO. Others only. */
void hub_notify_io(struct hub *hub, uint64_t conversation, struct str payload);

/* Calls `fn` for each session subscribed to the conversation. It may send and close, not join or leave. */
typedef void hub_session_fn(void *arg, struct session *session);
void hub_each(struct hub *hub, uint64_t conversation, hub_session_fn *fn, void *arg);

/* Of a history's lines, comings and goings are at most so many: they are not to push out what was said. */
static inline size_t history_presence_max(const struct settings *settings)
{
    return (size_t)settings->history_limit / 4;
}

/* The last `history_limit` payloads of stored events from the room's log, as above; false if the log does not
 * reach back that far. */
bool hub_recent(struct hub *hub, uint64_t conversation, enum encoding_id encoding,
                void (*fn)(void *arg, struct str payload), void *arg);

/* For a pulled encoding: the payloads that the log holds past the subscription's cursor, oldest first, which moves to
 * its end; false, calling nothing, if the cursor fell off. `seq` is 0 for what is not stored. `fn` must not send or
 * join. */
typedef void hub_payload_fn(void *arg, uint64_t seq, struct str payload);
bool hub_read(struct subscription *sub, hub_payload_fn *fn, void *arg);

/* Gives the sockets what was appended in this turn of the loop. Called before the loop sleeps. Large rooms cool down
 * after it; returns after how many milliseconds it wants to be called again for them, -1: not at all. */
int64_t hub_flush(struct hub *hub);

#endif
