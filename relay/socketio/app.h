/* app.h: an application on Socket.IO: what a server's code is in other implementations, in one file. It gets events of
 * sockets and calls the functions below; it knows no packets, relays, Redis or SQL. Loop thread only.
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
    const struct str *args; /* JSON texts, vetted; in a binary event with placeholders */
    size_t arg_count;
    const struct str *attachments; /* of the placeholders, by number */
    size_t attachment_count;
    int64_t ack_id; /* -1: no acknowledgement is asked for */
};

struct app {
    const char *name;              /* as in the setting io_app */
    const char *const *namespaces; /* that it serves; ends with NULL. NULL: those of the setting io_namespaces */
    bool demo;                     /* is there with the setting `demos`, whatever io_app is */
    bool recoverable;              /* its sockets get a pid, its stored events an offset */
    size_t state_size;             /* bytes of a socket's state, zeroed */
    size_t history;                /* how many latest MESSAGE_TEXT sio_history gives */
    /* `auth`: the JSON object of the handshake, "{}" if there was none. `recovered`: sid, rooms and name are as
     * they were, what was missed has been sent. */
    void (*connected)(struct sio_socket *socket, struct str auth, bool recovered);
    void (*event)(struct sio_socket *socket, const struct sio_event *event);
    /* Instead of `event`, for one that came too soon. NULL: those are acknowledged, if they ask for that, with
     * {"success":false,"error":"rate","retry_after_ms":N}. */
    void (*limited)(struct sio_socket *socket, const struct sio_event *event, int64_t retry_after_ms);
    void (*disconnected)(struct sio_socket *socket);
    /* The client acknowledged what sio_ask sent; `answer` has arguments and attachments. NULL: it never asks. */
    void (*acked)(struct sio_socket *socket, int64_t ask_id, const struct sio_event *answer);
    /* What a sio_post came to: stored with message->seq, or not (err). */
    void (*posted)(struct sio_socket *socket, enum err err, const struct message *message, int64_t ack_id);
    /* Appends a stored message as the JSON array of an event: ["name",argument…]. MESSAGE_EVENT is the same for all
     * applications (its content is that array) and never comes here. */
    void (*encode)(const struct message *message, struct buf *out);
};

void *sio_state(struct sio_socket *socket);
struct str sio_id(const struct sio_socket *socket);
struct str sio_nsp(const struct sio_socket *socket);
/* The claimed name; empty: none yet. */
struct str sio_name(const struct sio_socket *socket);

/* Sends to this socket alone, now, not stored. `array`: JSON array, name and arguments; attachments as its placeholders
 * say. */
void sio_emit(struct sio_socket *socket, struct str array, const struct str *attachments, size_t attachment_count);
/* The same with a wish for an acknowledgement: app->acked gets it with the number returned here. -1, and nothing sent,
 * if SIO_ASKS_MAX of this socket are still unanswered. */
enum { SIO_ASKS_MAX = 32 };
int64_t sio_ask(struct sio_socket *socket, struct str array, const struct str *attachments, size_t attachment_count);
/* Acknowledges: `array` is the JSON array of arguments. Nothing if ack_id is -1. */
void sio_ack(struct sio_socket *socket, int64_t ack_id, struct str array, const struct str *attachments,
             size_t attachment_count);
/* Appends what it is acknowledged with that an event failed: `error`, a word for programs, and when to try again, 0: that
 * is not said. */
void sio_add_failure(struct buf *array, const char *error, int64_t retry_after_ms);

/* Rooms. A socket may be in io_rooms_max; ERR_TOO_BIG past that. Joining twice is joining once. ERR_BUSY: its
 * address has asked too much of Redis that is not answered yet. */
enum err sio_join(struct sio_socket *socket, struct str room) CG_MUST_CHECK;
void sio_leave(struct sio_socket *socket, struct str room);
bool sio_in(const struct sio_socket *socket, struct str room);
size_t sio_rooms(const struct sio_socket *socket, struct str out[IO_ROOMS_PER_SOCKET]);

/* Stores a message and shows it, once, to its audience on every relay, the sender included unless excepted; then
 * app->posted. kind, sender_name, content and audience are taken from `message`. Nothing was taken: ERR_BUSY, the
 * journal is full or POSTINGS_MAX of its client are on their way; ERR_DENIED, its name or address is muted. */
enum err sio_post(struct sio_socket *socket, const struct message *message, int64_t ack_id) CG_MUST_CHECK;
/* Shows an event once to its audience on every relay, not stored, perhaps lost. */
void sio_show(struct str nsp, struct str audience, struct str array);

/* Asks for a name, unique in the namespace over all relays. `done` is called with the answer, perhaps before this
 * returns, if the socket is still there: ERR_OK (it has the name), ERR_DUPLICATE, ERR_DENIED (a banned one), ERR_BUSY. */
typedef void sio_named_fn(struct sio_socket *socket, struct str name, enum err err);
void sio_claim(struct sio_socket *socket, struct str name, sio_named_fn *done);
/* Who has that name: its sid, or ERR_NOT_FOUND, ERR_DOWN, ERR_BUSY. `text` is what the caller gave, kept meanwhile. */
typedef void sio_found_fn(struct sio_socket *socket, enum err err, struct str sid, struct str text, int64_t ack_id);
void sio_find(struct sio_socket *socket, struct str name, struct str text, int64_t ack_id, sio_found_fn *done);

/* The latest app->history text messages of those that were for everybody, whenever, and of those that were for this
 * socket; oldest first. */
void sio_history(struct sio_socket *socket, void (*fn)(void *arg, const struct message *message), void *arg);

/* Sets a timer of the application, such as one in a socket's state: then disconnected takes it back. */
void sio_after(struct wheel_timer *timer, int64_t delay_ms);

/* Disconnects it from its namespace. */
void sio_disconnect(struct sio_socket *socket);

#endif
