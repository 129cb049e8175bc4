/* session.h: one client connection, of any protocol and transport. Loop thread only.
 *
 * A session lives in a slot table. Jobs and asynchronous answers carry its id (slot and generation) instead of a
 * pointer; sessions_find returns NULL once it has ended. Only its transport frees it, when the socket has ended; all
 * other code marks it with session_close. */
#ifndef CG_RELAY_CORE_SESSION_H
#define CG_RELAY_CORE_SESSION_H

#include "common/buf.h"
#include "common/id.h"
#include "common/map.h"
#include "common/settings.h"
#include "relay/core/debts.h"
#include "relay/core/encoding.h"
#include "relay/core/limits.h"
#include "relay/core/lobby.h"
#include "relay/core/outbox.h"
#include "relay/core/pass.h"
#include "relay/core/wheel.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct session;
struct room_log;

enum send_result {
    SEND_MORE,    /* all taken, the socket can take more */
    SEND_BLOCKED, /* all taken or kept by the transport; wait for session_writable */
    SEND_DEAD,    /* the socket is broken; its end will be reported */
};

/* The operations of a socket. None calls back before it returns. */
struct transport {
    enum send_result (*send)(void *socket, struct str bytes);
    /* Asks for a closing handshake with this code (RFC 6455 section 7.4) once what was sent is out. */
    void (*close)(void *socket, unsigned code, const char *reason);
    /* Cuts the connection at once. */
    void (*kill)(void *socket);
    /* Stops or resumes reading. What the client sends meanwhile waits in the kernel's buffers and its own. */
    void (*pause)(void *socket, bool paused);
    /* Bytes that `send` accepted but could not write yet; NULL: the transport accounts for them itself. */
    size_t (*kept)(void *socket);
};

/* The request that opens a connection. Valid during `refuse` and `open` only. */
struct request {
    struct str path; /* without the query */
    /* A query argument or a header (name in lower case), copied into `out`; len 0 if it is absent or does not fit. A
     * repeated header becomes one value with commas (RFC 9110 section 5.3), so that neither the first nor the last one
     * wins. */
    struct str (*argument)(const struct request *request, const char *name, char *out, size_t size);
    struct str (*header)(const struct request *request, const char *name, char *out, size_t size);
    void *source; /* for the transport's use */
};

struct subscription;
struct store_post;

/* A protocol adapter: turns a client's bytes into calls of the hub, and events into bytes. */
struct protocol {
    const char *name;
    const char *subprotocol; /* that handshakes must offer; NULL: none */
    size_t state_size;       /* bytes of session->state, zeroed */
    /* With doors = token it checks tokens itself and refuses in its own form; otherwise requests without a token do not
     * reach it (protocol_is_shut). */
    bool sees_to_tokens;
    /* How long a client may be silent before it gets a ping; NULL: ping_interval_ms. */
    int64_t (*ping_interval_ms)(const struct settings *settings);
    bool (*claims)(struct str path);
    /* Whether it leaves this request to the protocols after it, although it claims the path. NULL: never. */
    bool (*passes)(const struct request *request);
    /* The HTTP status that the handshake is refused with, or 0. NULL: never. Must not block. */
    unsigned (*refuse)(const struct request *request);
    void (*open)(struct session *session, const struct request *request);
    /* Called instead of `received` when a message exceeds a rate limit: refuses it in the protocol's own form. NULL:
     * the protocol limits its messages itself. */
    void (*limited)(struct session *session, struct str message, int64_t retry_after_ms);
    /* The user was banned, kicked or lost a right in one conversation, which the session may be subscribed to or only
     * know. NULL: the session is closed if it is subscribed. */
    void (*expelled)(struct session *session, uint64_t conversation, const char *reason);
    /* A whole text message of valid UTF-8. */
    void (*received)(struct session *session, struct str text);
    /* A whole binary message. NULL: such frames close the connection (1003). */
    void (*received_binary)(struct session *session, struct str bytes);
    /* The longest message; NULL: max_message_bytes. */
    size_t (*max_message)(const struct settings *settings);
    /* For clients that cannot answer a WebSocket ping: raw bytes sent after ping_interval_ms of silence; that the
     * socket takes them counts as a sign of life. NULL: pings. */
    const char *heartbeat;
    /* hub_join succeeded: the session gets the room's events from here on. */
    void (*joined)(struct session *session, struct subscription *sub);
    /* hub_join failed; the subscription is gone. */
    void (*not_joined)(struct session *session, uint64_t conversation, enum err err);
    /* presence_enter has taken effect: a join that it stored precedes whatever the session posts from now on. NULL if
     * the protocol has no presence. */
    void (*entered)(struct session *session);
    /* For a pulled encoding: something was appended to the subscription's log since the last call. */
    void (*changed)(struct session *session, struct subscription *sub);
    /* The outbox is empty and the socket takes more. Also called when a blocked socket recovers and nothing had waited.
     * May be NULL. */
    void (*drained)(struct session *session);
    /* The journal's answer to the hub_post with this number. */
    void (*posted)(struct session *session, uint64_t number, const struct store_post *post);
    /* The socket has ended; the state is freed after this. */
    void (*closed)(struct session *session);
};

/* A session's subscription to a room: a cursor into the log of one encoding. Owned by the hub. */
struct subscription {
    struct session *session;
    struct room_log *log;          /* of the room, room_log.room */
    LIST_ENTRY(subscription) link; /* in the session's subscriptions */
    uint64_t cursor;               /* the first byte of the log that the socket has not had */
    uint32_t index;                /* in the room's subscriptions */
    bool announced;                /* protocol->joined was called */
    bool corked;                   /* its log waits until older messages were fetched and sent (session_cork) */
};

struct session {
    uint64_t id;
    struct sessions *owner;
    const struct transport *transport;
    void *socket;
    const struct protocol *protocol;
    void *state;                             /* the protocol's own */
    LIST_HEAD(, subscription) subscriptions; /* established and pending ones */
    struct map *by_conversation;             /* the same, by conversation; NULL while there are few */
    struct limits_client client;             /* its user and address, as far as known */
    struct lobby_guest guest;                /* from session_from to session_admitted */
    TAILQ_ENTRY(session) guests;             /* in sessions->guests while it is one */
    struct outbox outbox;                    /* what waits for the socket, mostly answers */
    struct debt debt;                        /* the outbox and what the socket keeps */
    size_t kept;                             /* bytes that the socket keeps */
    struct pass *pass;                       /* its token's expiry; NULL: none */
    struct wheel_timer timer;
    int64_t heard_ms; /* wheel time at which the client last sent anything */
    int64_t gave_ms;  /* wheel time at which data was last sent to it; 0: never */
    int64_t began_ms; /* when its incomplete message began; 0: there is none */
    SLIST_ENTRY(session) queue;
    bool queued;    /* in sessions->queued */
    bool pinged;    /* a ping was sent since it was last heard */
    bool blocked;   /* the socket takes nothing until session_writable */
    uint8_t paused; /* reasons why reading is stopped: bits of enum session_pause */
    uint8_t pages;  /* catch-up pages in flight (catchup.h) */
    bool closing;
    bool online; /* session_online was called */
};

/* Why reading from a client is stopped. */
enum session_pause {
    SESSION_ENTERING = 1,  /* it is still joining and may not speak; nor does it count as silent */
    SESSION_ANSWERING = 2, /* it made a large request that is being answered */
    SESSION_UNREAD = 4,    /* it does not read its answers: session_send_text */
};

/* The table of all sessions of this relay. */
struct sessions {
    const struct settings *settings;
    struct wheel *wheel;
    struct limits *limits;        /* NULL: no limits */
    struct lobby *lobby;          /* NULL: all are let in */
    TAILQ_HEAD(, session) guests; /* those in the lobby, oldest first: put out in that order for newcomers */
    struct session **slots;
    uint32_t *generations;
    uint32_t *free_slots;
    size_t cap, count, free_count;
    size_t outbox_bytes;          /* memory of all outboxes, each with its shares of spills */
    size_t spilled_bytes;         /* memory of all spills */
    SLIST_HEAD(, session) queued; /* those with frames from session_queue */
    /* Gives the whole frames after a subscription's cursor; false if the log no longer holds the cursor's position. Set
     * by the hub. */
    bool (*pending)(const struct subscription *sub, struct str *bytes);
    /* An application's user has one connection more or fewer. May be NULL. */
    void (*online)(uint64_t user, bool comes);
};

void sessions_init(struct sessions *sessions, const struct settings *settings, struct wheel *wheel);
void sessions_fini(struct sessions *sessions);

/* Makes a session on an open socket; NULL if max_connections are open and none is in the lobby. The caller must then
 * call protocol->open. */
struct session *session_new(struct sessions *sessions, const struct protocol *protocol,
                            const struct transport *transport, void *socket);
/* Its token expires at this Unix time, when the session is closed with 4401. A later call, for a new token, moves the
 * time. */
void session_expire(struct session *session, int64_t expires_s);
/* For the transport, when the socket has ended: calls protocol->closed and frees the session. */
void session_ended(struct session *session);

struct session *sessions_find(const struct sessions *sessions, uint64_t id);

/* Whether session_new would succeed. */
bool sessions_have_room(const struct sessions *sessions);
/* For the transport: the client's address. Call it once, right after session_new. The session is now in the lobby and
 * may be put out for newer ones. */
void session_from(struct session *session, struct str peer);
/* The session was let in, or another guest represents it: it leaves the lobby. */
void session_admitted(struct session *session);
/* Its user, one of the application's, counts as online while the session lasts. Call it once. */
void session_online(struct session *session);
/* The payer of its jobs (db_pool.h). */
static inline uint64_t session_payer(const struct session *session)
{
    return limits_payer(&session->client);
}

/* For the transport: a whole message arrived. False: it exceeded a limit and was refused, or the session was closed; do
 * not pass it on. */
bool session_may_speak(struct session *session, struct str message);

/* How long the client may be silent before it is pinged. */
int64_t session_ping_ms(const struct session *session);

/* For the transport: the client sent bytes of any kind. */
void session_heard(struct session *session);
/* For the transport: part of a message has arrived, or the message is complete. A message that is not complete within
 * two ping intervals ends the connection, even if the client sends other frames. */
void session_unfinished(struct session *session, bool unfinished);
/* For the transport: the socket can take more. */
void session_writable(struct session *session);

/* Stops reading from the client for this reason, or resumes if no other reason is left. What the client sends meanwhile
 * waits in its buffers; it does not count as silent as long as it takes data. */
void session_pause(struct session *session, enum session_pause why, bool paused);
/* Whether everything queued for the client was written. If not, repeatable answers should wait until it is
 * (protocol->drained). */
static inline bool session_has_all(const struct session *session)
{
    return !session->blocked && !session->outbox.len;
}

/* A repeatable answer that always gives the full state, such as the latest messages. At most one is in flight and one
 * more owed, however often the client asks. */
struct session_answer {
    bool asked; /* in flight; reset it when the answer was sent or failed */
    bool owed;  /* make another one when everything before it was written (protocol->drained) */
};
/* Whether to make the answer now, which marks it in flight; otherwise it becomes owed. */
static inline bool session_may_answer(const struct session *session, struct session_answer *answer)
{
    bool now = !answer->asked && session_has_all(session);
    answer->owed = !now;
    answer->asked |= now;
    return now;
}

/* Sends one text frame to this client, after what the room logs hold for it. It waits in the outbox while the socket is
 * blocked; past outbox_bytes the session is closed as too slow. While more than SESSION_UNREAD_BYTES wait, the client's
 * requests are not read until half of that was written. */
enum { SESSION_UNREAD_BYTES = 256 * 1024 };
void session_send_text(struct session *session, struct str payload);

/* One text frame for `readers` clients whose outboxes share its memory. NULL for a single one, or if all that is shared
 * would exceed room_logs_bytes: each then gets its own with session_send_text. The caller must release it
 * (outbox_spill_release) after the last session_send_shared, which otherwise does what session_send_text does. */
struct outbox_spill *sessions_share_text(struct sessions *sessions, struct str payload, size_t readers);
void session_send_shared(struct session *session, struct outbox_spill *frame);

/* session_send_text for raw bytes. */
void session_send_raw(struct session *session, struct str bytes);

/* Like session_send_text, for a text or binary frame (enum wsframe_opcode) in one or two pieces, but sessions_flush
 * does the writing: all that one turn of the loop queues is one write. */
void session_queue(struct session *session, int opcode, struct str head, struct str tail);
/* Writes what session_queue has queued. Must be called before the loop sleeps. */
void sessions_flush(struct sessions *sessions);

/* While corked, the subscription's log waits so that older messages can be sent first; uncorking sends it. The log may
 * drop bytes meanwhile, so call hub_catch_up before uncorking. */
void session_cork(struct subscription *sub, bool corked);

/* Writes what the subscription's log holds after the cursor, as far as the socket takes it. */
void session_flush(struct subscription *sub);

/* Copies bytes that a log is about to drop, once for all blocked readers that have not had them. NULL if all such
 * copies would exceed room_logs_bytes; the subscriptions then lose their place. The caller must release the spill after
 * session_spill. */
struct outbox_spill *sessions_spill(struct sessions *sessions, struct str bytes, size_t readers);
/* Whether the session's outbox can take a spill of `len` bytes. */
bool session_can_spill(const struct session *session, size_t len);
/* Adds the spill, from `at` on, to the outbox; `at` is where the subscription's cursor stands. Only if
 * session_can_spill. */
void session_spill(struct subscription *sub, struct outbox_spill *spill, size_t at);

/* Marks the session closed: nothing more is received or sent; the socket starts a closing handshake and is cut after
 * close_timeout_ms. Borrows `reason` for the call. */
void session_close(struct session *session, unsigned code, const char *reason);

#endif
