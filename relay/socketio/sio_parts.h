/* sio_parts.h: Socket.IO as its own files see it; see sio.h for which file does what. */
#ifndef CG_RELAY_SOCKETIO_SIO_PARTS_H
#define CG_RELAY_SOCKETIO_SIO_PARTS_H

#include "common/json.h"
#include "common/map.h"
#include "relay/socketio/app.h"
#include "relay/core/hub.h"
#include "relay/core/postings.h"
#include "relay/core/sanctions.h"
#include "relay/socketio/sio.h"
#include "relay/socketio/sio_registry.h"
#include "relay/core/unfinished.h"

#include <stddef.h>
#include <sys/queue.h>

enum {
    SIO_NAMESPACES_MAX = 32, /* of the deployment, and so of one client */
    SIO_RECENT_MAX = 512,    /* messages that a namespace keeps for clients that come back */
    SIO_RECENT_BYTES = 1 << 20,
    SIO_HISTORY_MAX = 100,
    SIO_MISSED_MAX = 1000, /* messages that a client may have missed and still be recovered */
    SIO_PASTS_MAX = 16,    /* rooms that a socket has left and whose messages still stand in its history */
    SIO_OFFSET_MAX = 48,   /* "EPOCH-SEQ" with a NUL */
};

struct sio_namespace;

/* A room that a socket was in: what was said there after `from`, up to `to`, it has heard. */
struct sio_past {
    struct sio_past *next;
    uint64_t from, to;
    size_t len;
    char name[];
};

/* Sockets of this relay in a room. */
struct sio_room {
    struct map_link link; /* of the same hash */
    struct str name;      /* owned */
    struct sio_socket **sockets;
    size_t count, cap;
};

/* A run of messages, oldest first, bounded by number and bytes. */
struct sio_recent {
    struct message **messages;
    size_t count, max, bytes, max_bytes;
};

struct sio_namespace {
    struct str name;
    const struct app *app;
    uint64_t conversation;
    uint64_t seq;            /* the last number that was shown here */
    uint64_t trimmed;        /* everything up to this one is gone */
    bool live;               /* listening, history read */
    struct map sockets;      /* hash of sid → socket, those that are live */
    struct map rooms;        /* hash of name → room */
    uint64_t reading_number; /* how often what was read of it became void */
    struct sio_recent recent;
    struct sio_recent history;       /* MESSAGE_TEXT for everybody */
    struct sio_recent said_in_rooms; /* MESSAGE_TEXT for some, and so in the history of those who heard it */
    struct hub_listener listener;
    struct wheel_timer retry; /* of reading the history */
    uint64_t mark;            /* of the last delivery: who has been counted in or out of it */
    size_t offset_len; /* bytes at the end of the event that is being shown that say its number, with the bracket */
};

enum sio_state {
    SIO_RECOVERING, /* CONNECT came with a pid; nothing was answered yet */
    SIO_LIVE,
    SIO_GONE, /* freed before the loop sleeps */
};

/* One client in one namespace. */
struct sio_socket {
    uint64_t serial; /* names it to answers that come later */
    enum sio_state state;
    struct sio_client *client;
    struct sio_namespace *nsp;
    SLIST_ENTRY(sio_socket) link; /* in the client's sockets, or the graveyard */
    char *sid;                    /* own_sid, or owned: then it is a longer one, of an older client */
    char own_sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1]; /* pid "": not recoverable */
    char *name;                                        /* NULL: none */
    struct sio_room **rooms;                           /* NULL: in none */
    uint64_t *since;        /* of each of them: what was said up to this number was not for it */
    struct sio_past *pasts; /* rooms that it left, the latest first; at most SIO_PASTS_MAX */
    uint64_t begin_seq;     /* nothing up to this number was ever for it */
    uint64_t from_seq;      /* messages up to this were given at the recovery */
    uint64_t mark;
    uint64_t user;       /* of the application, by a token; 0: it came without one */
    uint32_t generation; /* of that user's rights, when they were looked up */
    int64_t *asks;       /* unanswered, of SIO_ASKS_MAX; NULL: none */
    int64_t last_ask;
    uint8_t room_count, room_cap, ask_count;
    struct sio_recovery *recovery;
    _Alignas(max_align_t) char state_of_app[];
};
_Static_assert(IO_ROOMS_PER_SOCKET <= UINT8_MAX && SIO_ASKS_MAX <= UINT8_MAX, "they are counted in a byte");

SLIST_HEAD(sio_sockets, sio_socket);

/* A binary packet whose attachments are still coming. */
struct sio_partial {
    struct unfinished unfinished; /* first */
    struct sio_client *client;
    struct buf text;
    struct buf bytes[SIO_ATTACHMENTS_MAX];
    unsigned wanted, got;
    size_t total;
};

/* What an Engine.IO connection is to Socket.IO: its layer's state. */
struct sio_client {
    struct eio *conn;
    struct sio_sockets sockets;
    size_t socket_count;
    struct sio_partial *partial;
    struct postings postings;         /* of all its sockets, by their serials; re: the ack_id */
    struct wheel_timer connect_timer; /* until it is in a namespace */
};

static inline struct sio_client *sio_client_of(struct eio *conn)
{
    return eio_state(conn);
}

/* What all of it shares. */
struct sio {
    const struct settings *settings;
    struct wheel *wheel;
    struct hub *hub;
    struct bus *bus;
    struct db_pool *db_pool;
    struct sio_namespace namespaces[SIO_NAMESPACES_MAX];
    size_t namespace_count;
    char *namespace_list; /* io_namespaces, cut up */
    struct map by_serial; /* serial → socket */
    uint64_t last_serial;
    size_t user_count; /* sockets that have a user */
    struct sio_sockets graveyard;
    struct buf scratch; /* for encoding one packet */
    uint64_t hash_seed;
};
extern struct sio sio;

/* ---- sio_namespace.c ---- */

/* Begins to listen. `name` must last. */
void sio_namespace_init(struct sio_namespace *nsp, struct str name, const struct app *app, uint64_t conversation);
void sio_namespace_fini(struct sio_namespace *nsp);
/* What it knows is of an earlier epoch. It is ready again when its listener hears so. */
void sio_namespace_forget(struct sio_namespace *nsp);
struct sio_namespace *sio_namespace_find(struct str name);
/* The socket of that sid on this relay; NULL if there is none. */
struct sio_socket *sio_namespace_socket(const struct sio_namespace *nsp, struct str sid);
/* The socket of that name on this relay; looks at all of them. */
struct sio_socket *sio_namespace_named(const struct sio_namespace *nsp, struct str name);
/* A live socket is in the namespace, or is not any more. */
void sio_namespace_add(struct sio_socket *socket);
void sio_namespace_remove(struct sio_socket *socket);
/* Here only; the registry is the caller's. It hears what comes after `since`. False: past io_rooms_max. */
bool sio_room_enter(struct sio_socket *socket, struct str name, uint64_t since);
void sio_room_exit(struct sio_socket *socket, struct str name);
/* Whether what is said now is for the socket. */
bool sio_namespace_is_for(const struct sio_socket *socket, struct str audience);
/* Whether a message that was said before was for it: it was there, and in the room. */
bool sio_namespace_was_for(const struct sio_socket *socket, const struct message *message);
void sio_pasts_free(struct sio_socket *socket);
/* Appends the message as an event packet of its namespace, with its offset. */
void sio_namespace_encode(struct sio_namespace *nsp, const struct message *message, struct buf *out);
/* Shows an event to its audience on this relay. */
void sio_namespace_show(struct sio_namespace *nsp, struct str audience, struct str array);
void sio_offset(uint64_t seq, char out[SIO_OFFSET_MAX]);
/* The array at the end of `out`, which is not failed, gets that element more. */
void sio_add_offset(const char *offset, struct buf *out);

/* ---- sio_socket.c ---- */

struct sio_socket *sio_socket_new(struct sio_client *client, struct sio_namespace *nsp);
struct sio_socket *sio_socket_find(uint64_t serial);
/* A new one: gives it a sid, and makes it live. */
void sio_socket_begin(struct sio_socket *socket, struct str auth);
/* Makes it live: it has a sid; answers CONNECT, sends `missed`, tells Redis unless it `recovered` and the
 * application. */
void sio_socket_go_live(struct sio_socket *socket, bool recovered, struct message *const *missed, size_t missed_count,
                        struct str auth);
enum sio_end {
    SIO_END_FINAL, /* either side said so: nothing of it is kept */
    SIO_END_CUT,   /* the connection was lost: it can be recovered */
    SIO_END_TAKEN, /* another relay, or another connection here, has it now */
};
void sio_socket_end(struct sio_socket *socket, enum sio_end how);
/* The socket is that user's, until it ends. */
void sio_socket_give_user(struct sio_socket *socket, uint64_t user, uint32_t generation);
void sio_socket_free(struct sio_socket *socket);
/* The number that a pid of ours begins with: where its socket began. */
uint64_t sio_socket_began(const char *pid);
struct sio_record sio_socket_record(const struct sio_socket *socket, struct str rooms[IO_ROOMS_PER_SOCKET]);
void sio_socket_name(struct sio_socket *socket, struct str name);
/* sio_join for who is not to be refused: an operator. */
enum err sio_socket_join(struct sio_socket *socket, struct str room) CG_MUST_CHECK;

/* ---- sio.c ---- */

/* Answers CONNECT; `message` is a literal that needs no escape. */
void sio_refuse_connect(struct sio_client *client, struct str nsp, const char *message);

/* ---- sio_token.c ---- */

/* The same for a CONNECT whose `auth` has a `token`. Nothing is recovered: who it is, the token says, and not what was
 * there before. */
void sio_token_connect(struct sio_client *client, struct sio_namespace *nsp, struct str auth);

/* ---- sio_recovery.c ---- */

/* CONNECT with a pid and an offset: the socket becomes live, as what it was or as a new one. `auth`: copied. */
void sio_recovery_begin(struct sio_socket *socket, struct str pid, uint64_t offset, struct str auth);
/* "EPOCH-SEQ" of the present epoch. */
bool sio_recovery_offset(struct str text, uint64_t *seq);
void sio_recovery_free(struct sio_recovery *recovery);

#endif
