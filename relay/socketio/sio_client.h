/* sio_client.h: the state of Socket.IO: namespaces, their rooms and sockets, and the clients, for the files of Socket.IO only
 * (sio.h says which file does what). Loop thread only. */
#ifndef CG_RELAY_SOCKETIO_SIO_CLIENT_H
#define CG_RELAY_SOCKETIO_SIO_CLIENT_H

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
    SIO_RECENT_MAX = 512,    /* messages that a namespace keeps for recoveries */
    SIO_RECENT_BYTES = 1 << 20,
    SIO_HISTORY_MAX = 100,
    SIO_MISSED_MAX = 1000, /* messages that a client may have missed and still be recovered */
    SIO_PASTS_MAX = 16,    /* rooms that a socket has left, whose messages belong to its history */
    SIO_OFFSET_MAX = 48,   /* "EPOCH-SEQ" with a NUL */
};

struct sio_namespace;

/* A room that a socket has left; it was a member for the messages after `from`, up to `to`. */
struct sio_past {
    struct sio_past *next;
    uint64_t from, to;
    size_t len;
    char name[];
};

/* Sockets of this relay in a room. */
struct sio_room {
    struct map_link link; /* next one with the same hash */
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
    uint64_t seq;            /* the last number delivered here */
    uint64_t trimmed;        /* everything up to this number was removed */
    bool live;               /* listening, and the history was read */
    struct map sockets;      /* hash of sid → live socket */
    struct map rooms;        /* hash of name → room */
    uint64_t reading_number; /* incremented when a read in flight becomes void */
    struct sio_recent recent;
    struct sio_recent history;       /* MESSAGE_TEXT for everybody */
    struct sio_recent said_in_rooms; /* MESSAGE_TEXT for some, in the histories of those who got it */
    struct hub_listener listener;
    struct wheel_timer retry; /* retries reading the history */
    uint64_t mark;            /* of the last delivery; sockets marked with it were handled */
    size_t offset_len;        /* length of the offset and the bracket at the end of the event being delivered */
};

enum sio_state {
    SIO_RECOVERING, /* CONNECT had a pid, and is not answered yet */
    SIO_LIVE,
    SIO_GONE, /* freed before the loop sleeps */
};

/* One client in one namespace. */
struct sio_socket {
    uint64_t serial; /* identifies it in asynchronous answers */
    enum sio_state state;
    struct sio_client *client;
    struct sio_namespace *nsp;
    SLIST_ENTRY(sio_socket) link;                      /* in the client's sockets, or the graveyard */
    char *sid;                                         /* own_sid, or an allocated one if an older client's is longer */
    char own_sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1]; /* pid "": not recoverable */
    char *name;                                        /* NULL: none */
    struct sio_room **rooms;                           /* NULL: in none */
    uint64_t *since;                                   /* for each room: it gets messages after this number */
    struct sio_past *pasts;                            /* rooms that it has left, latest first; at most SIO_PASTS_MAX */
    uint64_t begin_seq;                                /* it gets messages after this number */
    uint64_t from_seq;                                 /* messages up to this number were sent at the recovery */
    uint64_t mark;
    uint64_t user;       /* the application's user, by its token; 0: no token */
    uint32_t generation; /* of that user's rights, as looked up */
    int64_t *asks;       /* unanswered sio_ask ids, at most SIO_ASKS_MAX; NULL: none */
    int64_t last_ask;
    uint8_t room_count, room_cap, ask_count;
    struct sio_recovery *recovery;
    _Alignas(max_align_t) char state_of_app[];
};
_Static_assert(IO_ROOMS_PER_SOCKET <= UINT8_MAX && SIO_ASKS_MAX <= UINT8_MAX, "they are counted in a byte");

SLIST_HEAD(sio_sockets, sio_socket);

/* A binary packet whose attachments are incomplete. */
struct sio_partial {
    struct unfinished unfinished; /* first */
    struct sio_client *client;
    struct buf text;
    struct buf bytes[SIO_ATTACHMENTS_MAX];
    unsigned wanted, got;
    size_t total;
};

/* A client: the layer's state of an Engine.IO connection. */
struct sio_client {
    struct eio *conn;
    struct sio_sockets sockets;
    size_t socket_count;
    struct sio_partial *partial;
    struct postings postings;         /* of all its sockets; owner: the socket's serial, re: the ack_id */
    struct wheel_timer connect_timer; /* until it is in a namespace */
};

static inline struct sio_client *sio_client_of(struct eio *conn)
{
    return eio_state(conn);
}

/* The state that all files share. */
struct sio {
    const struct settings *settings;
    struct wheel *wheel;
    struct hub *hub;
    struct bus *bus;
    struct db_pool *db_pool;
    struct sio_namespace namespaces[SIO_NAMESPACES_MAX];
    size_t namespace_count;
    char *namespace_list; /* holds the names from io_namespaces */
    struct map by_serial; /* serial → socket */
    uint64_t last_serial;
    size_t user_count; /* number of sockets that have a user */
    struct sio_sockets graveyard;
    struct buf scratch; /* for encoding one packet */
    uint64_t hash_seed;
};
extern struct sio sio;

/* ---- sio_namespace.c ---- */

/* Starts listening. Borrows `name`. */
void sio_namespace_init(struct sio_namespace *nsp, struct str name, const struct app *app, uint64_t conversation);
void sio_namespace_fini(struct sio_namespace *nsp);
/* Drops what belongs to an earlier epoch. The namespace is live again when its listener is ready. */
void sio_namespace_forget(struct sio_namespace *nsp);
struct sio_namespace *sio_namespace_find(struct str name);
/* The socket of that sid on this relay; NULL if there is none. */
struct sio_socket *sio_namespace_socket(const struct sio_namespace *nsp, struct str sid);
/* The socket of that name on this relay; a linear search. */
struct sio_socket *sio_namespace_named(const struct sio_namespace *nsp, struct str name);
/* Adds a live socket to the namespace, or removes it. */
void sio_namespace_add(struct sio_socket *socket);
void sio_namespace_remove(struct sio_socket *socket);
/* Adds the socket to a room on this relay; the caller updates the registry. It gets messages after `since`. False: it
 * is in io_rooms_max rooms already. */
bool sio_room_enter(struct sio_socket *socket, struct str name, uint64_t since);
void sio_room_exit(struct sio_socket *socket, struct str name);
/* Whether the socket belongs to the audience now. */
bool sio_namespace_is_for(const struct sio_socket *socket, struct str audience);
/* Whether an earlier message was for the socket: it was connected then, and in the room. */
bool sio_namespace_was_for(const struct sio_socket *socket, const struct message *message);
void sio_pasts_free(struct sio_socket *socket);
/* Appends the message as an event packet of its namespace, with its offset. */
void sio_namespace_encode(struct sio_namespace *nsp, const struct message *message, struct buf *out);
/* Sends an event to its audience on this relay. */
void sio_namespace_show(struct sio_namespace *nsp, struct str audience, struct str array);
void sio_offset(uint64_t seq, char out[SIO_OFFSET_MAX]);
/* Appends the offset to the JSON array at the end of `out`, which must not have failed. */
void sio_add_offset(const char *offset, struct buf *out);

/* ---- sio_socket.c ---- */

struct sio_socket *sio_socket_new(struct sio_client *client, struct sio_namespace *nsp);
struct sio_socket *sio_socket_find(uint64_t serial);
/* Gives a new socket a sid and makes it live. */
void sio_socket_begin(struct sio_socket *socket, struct str auth);
/* Makes a socket with a sid live: answers CONNECT, sends `missed`, registers it in Redis unless it was `recovered`, and
 * calls app->connected. */
void sio_socket_go_live(struct sio_socket *socket, bool recovered, struct message *const *missed, size_t missed_count,
                        struct str auth);
enum sio_end {
    SIO_END_FINAL, /* either side disconnected: nothing is kept */
    SIO_END_CUT,   /* the connection was lost: the socket can be recovered */
    SIO_END_TAKEN, /* another connection, here or on another relay, has recovered it */
};
void sio_socket_end(struct sio_socket *socket, enum sio_end how);
/* Assigns the socket to a user until it ends. */
void sio_socket_give_user(struct sio_socket *socket, uint64_t user, uint32_t generation);
void sio_socket_free(struct sio_socket *socket);
/* The number at the start of our pid: the last message before its socket began. */
uint64_t sio_socket_began(const char *pid);
struct sio_record sio_socket_record(const struct sio_socket *socket, struct str rooms[IO_ROOMS_PER_SOCKET]);
void sio_socket_name(struct sio_socket *socket, struct str name);
/* sio_join for operators, which is not refused for the address's Redis commands. */
enum err sio_socket_join(struct sio_socket *socket, struct str room) CG_MUST_CHECK;

/* ---- sio.c ---- */

/* Refuses a CONNECT; `message` must be a literal that needs no escaping. */
void sio_refuse_connect(struct sio_client *client, struct str nsp, const char *message);

/* ---- sio_token.c ---- */

/* Handles a CONNECT whose `auth` has a `token`. Nothing is recovered, because the token decides who the client is. */
void sio_token_connect(struct sio_client *client, struct sio_namespace *nsp, struct str auth);

/* ---- sio_recovery.c ---- */

/* Handles a CONNECT with a pid and an offset: the socket becomes live, recovered or as a new one. Copies `auth`. */
void sio_recovery_begin(struct sio_socket *socket, struct str pid, uint64_t offset, struct str auth);
/* Reads "EPOCH-SEQ". False unless it is of the present epoch. */
bool sio_recovery_offset(struct str text, uint64_t *seq);
void sio_recovery_free(struct sio_recovery *recovery);

#endif
