/* hub.h: rooms and their subscriptions, the middle of the relay: protocols call it, and it calls the journal, the
 * database pool and the bus. Knows no sockets, no SQL and no Redis commands. Loop thread only.
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

/* Notices from other relays that are not stored messages, for the layers above the hub. */
struct hub_notices {
    void (*presence)(void *arg, uint64_t conversation);                   /* presence in it has changed */
    void (*history)(void *arg, uint64_t conversation, uint64_t user);     /* this user asked for the history */
    void (*friends)(void *arg, uint64_t user);                            /* this user has a new friend */
    void (*read)(void *arg, uint64_t user, const struct wire_mark *mark); /* this user has read so far */
    /* WIRE_SANCTION, WIRE_DRAIN. */
    void (*control)(void *arg, const struct wire_header *header, struct str payload);
    /* A new epoch has begun, and all sessions were asked to reconnect. */
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
    _Atomic uint64_t epoch;                  /* also read by encoders in threads of the database pool */
    struct hub_notices notices;
    const struct sanctions *sanctions; /* who may not post; NULL: everybody may */

    struct map rooms;                  /* conversation → struct room */
    LIST_HEAD(, room) dirty;           /* rooms with something to flush */
    LIST_HEAD(, room) cooling;         /* rooms that were flushed a moment ago and wait for their cooldown */
    int64_t cooldown_until_us;         /* clock_mono_us: the cooldown of all small rooms; 0: none */
    int64_t waited_us;                 /* how long the loop has waited for events, in all; set before each hub_flush */
    int64_t looked_us, waited_then_us; /* clock_mono_us, and waited_us, when `busy` was found out */
    bool busy;                         /* the loop hardly waits */
    size_t log_bytes;                  /* memory held by all room logs */
    size_t trim_at;                    /* where trimming continues while the logs are over budget */
    struct wheel_timer reconcile;
    bool reconciling;            /* one is under way */
    bool reconcile_again;        /* its result would be outdated: run another one after it */
    struct store_anchor *doubts; /* what rooms had delivered when a message arrived that contradicts it */
    size_t doubt_count, doubt_cap;
    int64_t connects;   /* METRIC_DB_CONNECTS when the last reconciliation began */
    uint64_t forgotten; /* counts removals of stored messages from any room; pages read before a removal are void */
    struct map erased;  /* recently erased users, at most HUB_ERASED_MAX */
    struct buf scratch; /* for encoding one event */
};

void hub_init(struct hub *hub);
/* Every session must have ended. */
void hub_fini(struct hub *hub);

/* Subscribes the session to the conversation. protocol->joined or ->not_joined follows, perhaps before this returns;
 * once joined, the session gets what is delivered. A session may have many subscriptions, one for each conversation. */
void hub_join(struct hub *hub, struct session *session, uint64_t conversation, enum encoding_id encoding);
/* The session's subscription to that conversation, even if it is still pending; NULL if there is none. */
struct subscription *hub_subscription(const struct session *session, uint64_t conversation);
/* Ends all subscriptions of the session, pending ones included. */
void hub_leave(struct hub *hub, struct session *session);
/* Ends one subscription. Must not be called from within hub_each or `joined`. */
void hub_leave_one(struct subscription *sub);
/* The conversation that a subscription is in. */
uint64_t hub_conversation(const struct subscription *sub);

/* The hub that it belongs to. */
struct hub *hub_of(const struct subscription *sub);

/* The number of the last message that the subscription's room has delivered. */
uint64_t hub_seq(const struct subscription *sub);
/* The number up to which messages were trimmed, as far as this relay knows. A cursor below it is void. */
uint64_t hub_trimmed(const struct subscription *sub);
/* A client has shown that this number is stored. If the room has not delivered it, the hub waits for it and then
 * fetches it. */
void hub_expect(struct subscription *sub, uint64_t seq);

/* For a corked subscription: whether the log still holds everything after its cursor. If not, or with `anew`, the
 * cursor moves to the log's end, and everything after that is numbered above hub_seq. */
bool hub_catch_up(struct subscription *sub, bool anew);

/* A permanent subscriber that is not a session, such as a Socket.IO namespace. It gets every message of a conversation
 * once, in order. At most one in a conversation. */
struct hub_listener {
    /* The listener is live; `seq` is the last number before its first message. Called again when a new epoch begins,
     * which voids all earlier messages. */
    void (*ready)(void *arg, uint64_t seq);
    void (*message)(void *arg, const struct message *message);
    /* WIRE_IO from another relay. */
    void (*notice)(void *arg, struct str payload);
    /* Messages up to `trimmed` (0: none) are gone from the database; with `more`, some later ones may be, too. They
     * must not be shown again. */
    void (*gone)(void *arg, uint64_t trimmed, bool more);
    void *arg;
};
/* Borrows `listener`, which must outlive the hub. Retries until the conversation can be read. */
void hub_listen(struct hub *hub, uint64_t conversation, const struct hub_listener *listener);

/* Gives a copy of the message to the journal. The answer carries the id; each post is answered once, in any order. On
 * an error nothing was taken and no answer follows: ERR_BUSY, the journal is full; ERR_DENIED, the sender is muted in
 * this conversation (counted). */
enum err hub_post(struct hub *hub, struct post_id id, const struct message *message) CG_MUST_CHECK;
#define POST_OF_NOBODY ((struct post_id){0, 0, NULL})
/* The id of a session's post. The answer goes to protocol->posted with that number. */
static inline struct post_id post_of(const struct session *session, uint64_t number)
{
    return (struct post_id){session->id, number, NULL};
}

/* Takes the journal's answers: acknowledges each post, delivers it on this relay and publishes it. */
void hub_stored(struct hub *hub, struct store_post *posts, const struct post_id *ids, size_t count);

/* Delivers and publishes a message that a job of the database pool has stored. NULL: does nothing. */
void hub_tell(struct hub *hub, const struct message *message, uint64_t epoch);

/* Takes a stored message from any source, in any order. Each one is appended once, in order of its number. */
void hub_deliver(struct hub *hub, const struct message *message);

/* Takes a payload that another relay published. Malformed ones are counted and dropped. */
void hub_received(struct hub *hub, struct str payload);

/* Compares all rooms with the database now and fetches what is missing. If the database lacks a message that was
 * delivered, it was put back to an older state, and a new epoch begins. In a new epoch everything known about rooms is
 * void: all sessions are asked to reconnect, and the rooms are read again. */
void hub_reconcile(struct hub *hub);

/* A user is being erased. From now on this relay stores none of their messages, shows theirs as the database has them,
 * and drops the logs of rooms in which they spoke. Must be called again when the erasure is complete. */
enum { HUB_ERASED_MAX = 65536 };
void hub_erased(struct hub *hub, uint64_t user);

/* The bus came up or went down, or has subscribed to a conversation. */
void hub_bus_state(struct hub *hub, bool up);
void hub_subscribed(struct hub *hub, uint64_t conversation);

/* Sends the member list to every session of the room. */
void hub_broadcast_members(struct hub *hub, uint64_t conversation, const struct member *members, size_t count);

/* Sends the member list to one session, if it still exists and is subscribed. */
void hub_send_members(struct hub *hub, uint64_t session_id, uint64_t conversation, const struct member *members,
                      size_t count);

/* Sends an encoded payload, unstored, to all clients of one encoding in the room, on every relay. */
void hub_show(struct hub *hub, uint64_t conversation, enum encoding_id encoding, struct str payload);

/* Sends the other relays a notice that is not a stored message. */
void hub_notify(struct hub *hub, enum wire_kind kind, uint64_t conversation, uint64_t user);

/* A right was revoked, and the change is committed: this relay and the others read it from the database at once. */
void hub_revoked(struct hub *hub);

/* Tells the other relays how far a user has read. */
void hub_notify_read(struct hub *hub, uint64_t user, const struct wire_mark *mark);

/* Sends the other relays a WIRE_IO notice with a payload. */
void hub_notify_io(struct hub *hub, uint64_t conversation, struct str payload);

/* Calls `fn` for each session subscribed to the conversation. `fn` may send and close, but not join or leave. */
typedef void hub_session_fn(void *arg, struct session *session);
void hub_each(struct hub *hub, uint64_t conversation, hub_session_fn *fn, void *arg);

/* How many joins and leaves a history shows at most, so that they do not push out the messages. */
static inline size_t history_presence_max(const struct settings *settings)
{
    return (size_t)settings->history_limit / 4;
}

/* Calls `fn` with the last `history_limit` payloads of stored events in the room's log, with at most
 * history_presence_max joins and leaves. False if the log does not reach back that far. */
bool hub_recent(struct hub *hub, uint64_t conversation, enum encoding_id encoding,
                void (*fn)(void *arg, struct str payload), void *arg);

/* For a pulled encoding: calls `fn` with the payloads after the subscription's cursor, oldest first, and moves the
 * cursor to the log's end. False, without calling `fn`, if the log no longer holds the cursor's position. `seq` is 0
 * for unstored events. `fn` must not send or join. */
typedef void hub_payload_fn(void *arg, uint64_t seq, struct str payload);
bool hub_read(struct subscription *sub, hub_payload_fn *fn, void *arg);

/* Writes to the sockets what was appended in this turn of the loop. Must be called before the loop sleeps. Large rooms
 * then have a cooldown; returns in how many milliseconds to call again for them, or -1. */
int64_t hub_flush(struct hub *hub);

#endif
