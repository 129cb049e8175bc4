/* session.h: one client connection, whatever its protocol and transport.
 *
 * A session lives in a slot table and is named by its id (slot and generation), which is what other
 * threads and answers that come later carry: sessions_find gives NULL once it is gone. It is freed only
 * by its transport, when the socket has really ended; everybody else marks it with session_close. */
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

/* The socket's side. Nothing here calls back before it returns. */
struct transport {
    enum send_result (*send)(void *socket, struct str bytes);
    /* Asks for a closing handshake with this code (RFC 6455 section 7.4) once what was sent is out. */
    void (*close)(void *socket, unsigned code, const char *reason);
    /* Ends it at once. */
    void (*kill)(void *socket);
    /* Stops or goes on reading from it: what the client sends meanwhile waits in its own buffers. */
    void (*pause)(void *socket, bool paused);
    /* Bytes that `send` could not give to the kernel and keeps; NULL: what it keeps it counts itself. */
    size_t (*kept)(void *socket);
};

/* The request that opens a connection. Valid during `refuse` and `open` only. */
struct request {
    struct str path; /* without the query */
    /* A query argument or a header (name in lower case), copied into `out`; len 0 if it is absent or does not fit. A
     * header that stands there several times is one value, with commas (RFC 9110 section 5.3): neither the first nor
     * the last of them is believed. */
    struct str (*argument)(const struct request *request, const char *name, char *out, size_t size);
    struct str (*header)(const struct request *request, const char *name, char *out, size_t size);
    void *source; /* the transport's */
};

struct subscription;
struct store_post;

/* A protocol adapter: turns a client's bytes into calls of the hub, and events into bytes. */
struct protocol {
    const char *name;
    const char *subprotocol; /* that its handshakes must offer; NULL: none is ever chosen */
    size_t state_size;       /* bytes of session->state, zeroed */
    /* Where nobody comes in without a token (settings->doors) it sees to them itself, in its own words; else who shows
     * none does not come to it (protocol_is_shut). */
    bool sees_to_tokens;
    /* How long a client may be silent before it gets a ping; NULL: ping_interval_ms. */
    int64_t (*ping_interval_ms)(const struct settings *settings);
    bool (*claims)(struct str path);
    /* Whether it leaves a request with such a path to those that are asked after it. NULL: never. */
    bool (*passes)(const struct request *request);
    /* The HTTP status that the handshake is refused with, or 0. NULL: never. Must not block. */
    unsigned (*refuse)(const struct request *request);
    void (*open)(struct session *session, const struct request *request);
    /* Refuses a message that came too soon, in the protocol's own words, instead of `received`. NULL: what stands on
     * the adapter counts its messages itself. */
    void (*limited)(struct session *session, struct str message, int64_t retry_after_ms);
    /* A ban, a kick or a revocation from one conversation, in which the session may sit or which it may only know. NULL:
     * the whole session is closed if it sits there. */
    void (*expelled)(struct session *session, uint64_t conversation, const char *reason);
    /* A whole text message of valid UTF-8. */
    void (*received)(struct session *session, struct str text);
    /* A whole binary message. NULL: such frames close the connection (1003). */
    void (*received_binary)(struct session *session, struct str bytes);
    /* The longest message; NULL: max_message_bytes. */
    size_t (*max_message)(const struct settings *settings);
    /* Instead of a WebSocket ping, for what cannot answer: sent as it is to a session that was silent for
     * ping_interval_ms; that the socket takes it counts as life. NULL: pings. */
    const char *heartbeat;
    /* hub_join succeeded: the session reads the room from here on. */
    void (*joined)(struct session *session, struct subscription *sub);
    /* hub_join failed; the subscription is gone. */
    void (*not_joined)(struct session *session, uint64_t conversation, enum err err);
    /* presence_enter has taken effect: what it stored comes before what the session posts from now on.
     * NULL if the protocol never enters. */
    void (*entered)(struct session *session);
    /* For a pulled encoding: something was appended to the subscription's log since the last call. */
    void (*changed)(struct session *session, struct subscription *sub);
    /* Everything that waited in the outbox is out and the socket takes more. Also called when nothing had waited but
     * the socket was blocked. NULL: nobody asks. */
    void (*drained)(struct session *session);
    /* The journal's answer to the hub_post that was given this number. */
    void (*posted)(struct session *session, uint64_t number, const struct store_post *post);
    /* The socket has ended; the state is freed after this. */
    void (*closed)(struct session *session);
};

/* That a session listens to a room: a cursor into the log of one encoding. Made and freed by the hub. */
struct subscription {
    struct session *session;
    struct room_log *log;          /* and by it the room */
    LIST_ENTRY(subscription) link; /* in the session's subscriptions */
    uint64_t cursor;               /* the first byte of the log that was not yet given to the socket */
    uint32_t index;                /* in the room's subscriptions */
    bool announced;                /* the protocol was told that it sits here */
    bool corked;                   /* its log waits: what came before is still being fetched (session_cork) */
};

struct session {
    uint64_t id;
    struct sessions *owner;
    const struct transport *transport;
    void *socket;
    const struct protocol *protocol;
    void *state;                             /* the protocol's own */
    LIST_HEAD(, subscription) subscriptions; /* those it has and those it waits for */
    struct map *by_conversation;             /* the same, by their conversation; NULL: there are few */
    struct limits_client client;             /* whose it is, as far as it is known */
    struct lobby_guest guest;                /* from session_from to session_admitted */
    TAILQ_ENTRY(session) guests;             /* in sessions->guests while it is one */
    struct outbox outbox;                    /* what waits for the socket, answers above all */
    struct debt debt;                        /* that, and what the socket keeps */
    size_t kept;                             /* bytes of it that the socket keeps */
    struct pass *pass;                       /* it ends with a token; NULL: with none */
    struct wheel_timer timer;
    int64_t heard_ms; /* wheel time at which the client last sent anything */
    int64_t gave_ms;  /* wheel time of the last data; 0: none yet */
    int64_t began_ms; /* when the message began that is not whole yet; 0: none */
    SLIST_ENTRY(session) queue;
    bool queued;    /* in sessions->queued */
    bool pinged;    /* since it was last heard */
    bool blocked;   /* the socket takes nothing until session_writable */
    uint8_t paused; /* nothing is read from it: enum session_pause */
    uint8_t pages;  /* of what it missed, on their way to it (catchup.h) */
    bool closing;
    bool online; /* its user was told to be (session_online) */
};

/* Why nothing is read from a client. */
enum session_pause {
    SESSION_ENTERING = 1,  /* it is not yet where it may speak */
    SESSION_ANSWERING = 2, /* it asked for much, and is being answered */
    SESSION_UNREAD = 4,    /* it does not read its answers: session_send_text */
};

/* The table of all sessions of this relay. */
struct sessions {
    const struct settings *settings;
    struct wheel *wheel;
    struct limits *limits;        /* NULL: no limits */
    struct lobby *lobby;          /* NULL: all are let in */
    TAILQ_HEAD(, session) guests; /* those in the lobby: when all places are taken, the first goes, the oldest */
    struct session **slots;
    uint32_t *generations;
    uint32_t *free_slots;
    size_t cap, count, free_count;
    size_t outbox_bytes;          /* memory of all outboxes; of what they share, each one's share */
    size_t spilled_bytes;         /* memory of what they share */
    SLIST_HEAD(, session) queued; /* those with something from session_queue */
    /* What a subscription has for its socket past its cursor, in whole frames; false if the cursor fell off its log.
     * Set by who makes subscriptions: the hub. */
    bool (*pending)(const struct subscription *sub, struct str *bytes);
    /* One of the application's users has one connection more, or less. NULL: nobody asks. */
    void (*online)(uint64_t user, bool comes);
};

void sessions_init(struct sessions *sessions, const struct settings *settings, struct wheel *wheel);
void sessions_fini(struct sessions *sessions);

/* A new session on an open socket; NULL if max_connections are open and all were let in. The caller then calls
 * protocol->open. */
struct session *session_new(struct sessions *sessions, const struct protocol *protocol,
                            const struct transport *transport, void *socket);
/* It came with a token that ends then (Unix time): closed with 4401 at that moment. Again: with another token, which ends
 * then. */
void session_expire(struct session *session, int64_t expires_s);
/* For the transport, when the socket has ended: tells the protocol, frees. */
void session_ended(struct session *session);

struct session *sessions_find(const struct sessions *sessions, uint64_t id);

/* Whether session_new would give one. */
bool sessions_have_room(const struct sessions *sessions);
/* For the transport: the address that it comes from. Once, right after session_new. From now on it waits to be let in,
 * and may be put out for newer ones. */
void session_from(struct session *session, struct str peer);
/* It was let in, or something else stands for it in the lobby. */
void session_admitted(struct session *session);
/* Its user, of the application's, is online as long as it lasts. Once. */
void session_online(struct session *session);
/* Who pays for what it asks for: db_pool.h. */
static inline uint64_t session_payer(const struct session *session)
{
    return limits_payer(&session->client);
}

/* For the transport: a whole message came. False: it was past a limit and refused, or the session closed for it; it is
 * not to be passed on. */
bool session_may_speak(struct session *session, struct str message);

/* How long its client may be silent before it gets a ping. */
int64_t session_ping_ms(const struct session *session);

/* For the transport: bytes of any kind came. */
void session_heard(struct session *session);
/* For the transport: a message has come in part, or is whole. One that is not finished within two ping
 * intervals ends the connection, however lively it is otherwise. */
void session_unfinished(struct session *session, bool unfinished);
/* For the transport: the socket can take more. */
void session_writable(struct session *session);

/* Stops reading from its client, or goes on if nothing else is in the way. What it sends meanwhile waits in its own
 * buffers, and it does not count as silent as long as it reads. */
void session_pause(struct session *session, enum session_pause why, bool paused);
/* Whether everything that it was sent is out. If not, an answer that can be asked for again and again is owed, and made
 * when it is (`drained`). */
static inline bool session_has_all(const struct session *session)
{
    return !session->blocked && !session->outbox.len;
}

/* An answer that tells all there is, such as the latest messages, and can be asked for again and again: one is made, or on
 * its way, at most, and one more is owed, however often it was asked for meanwhile. */
struct session_answer {
    bool asked; /* it is on its way: whoever sends it, or fails, resets this */
    bool owed;  /* to be made when that is out, and all else that its client was sent: `drained` */
};
/* Whether it is to be made now, and then it is on its way; else it is owed. */
static inline bool session_may_answer(const struct session *session, struct session_answer *answer)
{
    bool now = !answer->asked && session_has_all(session);
    answer->owed = !now;
    answer->asked |= now;
    return now;
}

/* Sends one text frame to this client alone, after what the room log holds for it. Kept in the outbox
 * while the socket is blocked; past outbox_bytes the session is closed as too slow. One that has more waiting than
 * SESSION_UNREAD_BYTES gets no further answers because its requests are not read until half of that is out. */
enum { SESSION_UNREAD_BYTES = 256 * 1024 };
void session_send_text(struct session *session, struct str payload);

/* Sends bytes as they are, otherwise the same. */
void session_send_raw(struct session *session, struct str bytes);

/* Like session_send_text for a frame of either kind (enum wsframe_opcode), in one or two pieces, but leaves the writing
 * to sessions_flush: whatever one turn of the loop queues is one write. */
void session_queue(struct session *session, int opcode, struct str head, struct str tail);
/* Writes what was queued. Called before the loop sleeps. */
void sessions_flush(struct sessions *sessions);

/* Corked, what the subscription's log has waits, so that older things can be sent first; uncorked, it is given. Nobody
 * minds if it falls off meanwhile: who uncorks it asks hub_catch_up first. */
void session_cork(struct subscription *sub, bool corked);

/* Gives the socket what the subscription's log holds past the cursor, if it takes any. */
void session_flush(struct subscription *sub);

/* A log is about to drop bytes that blocked sockets have not had. They are copied once for all its readers, if all such
 * copies together (room_logs_bytes) have room for them; else NULL, and the subscriptions fall off. The caller releases
 * it when its readers have it. */
struct outbox_spill *sessions_spill(struct sessions *sessions, struct str bytes, size_t readers);
/* Whether the session is one that can have so many bytes set aside. */
bool session_can_spill(const struct session *session, size_t len);
/* The subscription has what the spill holds from `at` on, which is where its cursor stands. session_can_spill. */
void session_spill(struct subscription *sub, struct outbox_spill *spill, size_t at);

/* Marks it closed: nothing more is received or sent, the socket is asked to close and cut after
 * close_timeout_ms. */
void session_close(struct session *session, unsigned code, const char *reason);

#endif
