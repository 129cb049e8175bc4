/* app.h: an application on Socket.IO: the interface of an application on Socket.IO, the counterpart of a server's own
 * code in other implementations. An application gets its sockets' events and calls the functions below; it knows no
 * packets, relays, Redis or SQL. Loop thread only.
 *
 * To add one: a file with a struct app, a row in `apps` in main.c. */
#ifndef CG_RELAY_SOCKETIO_APP_H
#define CG_RELAY_SOCKETIO_APP_H

#include "common/audience.h"
#include "common/redis/io_keys.h"
#include "common/message.h"
#include "relay/socketio/sio_packet.h"
#include "relay/core/wheel.h"

struct sio_socket; /* one client in one namespace; valid until app->disconnected returns */

struct sio_event {
    struct str name;        /* the event's name, decoded */
    const struct str *args; /* JSON texts, validated; a binary event has placeholders in them */
    size_t arg_count;
    const struct str *attachments; /* by the placeholders' numbers */
    size_t attachment_count;
    int64_t ack_id; /* -1: no acknowledgement is asked for */
};

struct app {
    const char *name; /* as in the setting io_app */
    /* Namespaces that it serves, ending with NULL; or NULL: those of the setting io_namespaces. */
    const char *const *namespaces;
    bool demo;         /* enabled by the setting `demos`, regardless of io_app */
    bool recoverable;  /* its sockets get a pid, its stored events an offset */
    size_t state_size; /* bytes of a socket's state, zeroed */
    size_t history;    /* how many of the latest MESSAGE_TEXT sio_history gives */
    /* `auth`: the JSON object of the handshake, "{}" if there was none. `recovered`: the socket has its former sid,
     * rooms and name, and missed events were sent. */
    void (*connected)(struct sio_socket *socket, struct str auth, bool recovered);
    void (*event)(struct sio_socket *socket, const struct sio_event *event);
    /* Called instead of `event` when an event exceeds a rate. NULL: it is acknowledged, if it asks for that, with
     * {"success":false,"error":"rate","retry_after_ms":N}. */
    void (*limited)(struct sio_socket *socket, const struct sio_event *event, int64_t retry_after_ms);
    void (*disconnected)(struct sio_socket *socket);
    /* The client acknowledged what sio_ask sent; `answer` has arguments and attachments. NULL: the application never
     * calls sio_ask. */
    void (*acked)(struct sio_socket *socket, int64_t ask_id, const struct sio_event *answer);
    /* The result of a sio_post: stored as message->seq, or `err`. */
    void (*posted)(struct sio_socket *socket, enum err err, const struct message *message, int64_t ack_id);
    /* Appends a stored message as the JSON array of an event: ["name",argument…]. MESSAGE_EVENT is the same for all
     * applications (its content is that array) and never comes here. */
    void (*encode)(const struct message *message, struct buf *out);
};

void *sio_state(struct sio_socket *socket);
struct str sio_id(const struct sio_socket *socket);
struct str sio_nsp(const struct sio_socket *socket);
/* The name that it has claimed; empty: none. */
struct str sio_name(const struct sio_socket *socket);

/* Sends an event to this socket alone, unstored. `array`: a JSON array of the name and the arguments; its placeholders
 * refer to the attachments. */
void sio_emit(struct sio_socket *socket, struct str array, const struct str *attachments, size_t attachment_count);
/* The same, asking for an acknowledgement: app->acked gets it with the number returned. -1: nothing was sent, because
 * SIO_ASKS_MAX of this socket are unanswered. */
enum { SIO_ASKS_MAX = 32 };
int64_t sio_ask(struct sio_socket *socket, struct str array, const struct str *attachments, size_t attachment_count);
/* Acknowledges: `array` is the JSON array of arguments. Does nothing if ack_id is -1. */
void sio_ack(struct sio_socket *socket, int64_t ack_id, struct str array, const struct str *attachments,
             size_t attachment_count);
/* Appends the acknowledgement of a failed event: `error`, a word for programs, and a time to retry (0: none). */
void sio_add_failure(struct buf *array, const char *error, int64_t retry_after_ms);

/* Rooms. A socket may be in io_rooms_max; ERR_TOO_BIG past that. Joining twice has no effect. ERR_BUSY: the client's
 * address has too many unanswered Redis commands. */
enum err sio_join(struct sio_socket *socket, struct str room) CG_MUST_CHECK;
void sio_leave(struct sio_socket *socket, struct str room);
bool sio_in(const struct sio_socket *socket, struct str room);
size_t sio_rooms(const struct sio_socket *socket, struct str out[IO_ROOMS_PER_SOCKET]);

/* Stores a message and delivers it once to its audience on every relay, including the sender unless the audience
 * excludes it; then calls app->posted. Uses `message`'s kind, sender_name, content and audience. On an error nothing
 * was taken: ERR_BUSY, the journal is full or the client has POSTINGS_MAX unanswered posts; ERR_DENIED, its name or
 * address is muted. */
enum err sio_post(struct sio_socket *socket, const struct message *message, int64_t ack_id) CG_MUST_CHECK;
/* Delivers an unstored event once to its audience on every relay. It may be lost. */
void sio_show(struct str nsp, struct str audience, struct str array);

/* Claims a name that is unique in the namespace on all relays. Calls `done`, perhaps before this returns, unless the
 * socket has ended: ERR_OK, ERR_DUPLICATE, ERR_DENIED (the name is banned), ERR_BUSY. */
typedef void sio_named_fn(struct sio_socket *socket, struct str name, enum err err);
void sio_claim(struct sio_socket *socket, struct str name, sio_named_fn *done);
/* Looks up the sid of the socket with that name, or ERR_NOT_FOUND, ERR_DOWN, ERR_BUSY. `text` is copied and passed to
 * `done`. */
typedef void sio_found_fn(struct sio_socket *socket, enum err err, struct str sid, struct str text, int64_t ack_id);
void sio_find(struct sio_socket *socket, struct str name, struct str text, int64_t ack_id, sio_found_fn *done);

/* Calls `fn` with the latest app->history text messages that were for everybody or for this socket, oldest first. */
void sio_history(struct sio_socket *socket, void (*fn)(void *arg, const struct message *message), void *arg);

/* Sets a timer of the application. If it is part of a socket's state, `disconnected` must cancel it. */
void sio_after(struct wheel_timer *timer, int64_t delay_ms);

/* Disconnects it from its namespace. */
void sio_disconnect(struct sio_socket *socket);

#endif
