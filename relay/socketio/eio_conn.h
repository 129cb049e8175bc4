/* eio_conn.h: an Engine.IO connection and the state of all of them, for the files of Engine.IO only. Loop thread only.
 *
 *   eio.c       a connection: beginning, heartbeat, end, sending, handling packets
 *   eio_poll.c  its HTTP requests, and opening one
 *   eio_ws.c    its WebSocket, and the upgrade from polling
 *
 * A connection is `over` once nothing more is received or sent. Its layer is `told` in a later turn of the loop. It
 * `lingers` while something is left for one more poll or for the socket. It is freed when told and not lingering. */
#ifndef CG_RELAY_SOCKETIO_EIO_CONN_H
#define CG_RELAY_SOCKETIO_EIO_CONN_H

#include "common/map.h"
#include "relay/core/pass.h"
#include "relay/socketio/eio.h"
#include "relay/socketio/eio_packet.h"
#include "relay/socketio/sid.h"

#include <sys/queue.h>

enum {
    EIO_FAREWELL_MS = 1000, /* a poll sent just before the client's "1" may arrive this much after it */
    EIO_UPGRADE_MS = 10000, /* the time a WebSocket has to complete an upgrade */
    EIO_NOOP_MS = 100,      /* … and a poll that comes after its probe is held so long */
    EIO_CALLBACK_MAX = 12,  /* digits of a JSONP callback's number, with NUL */
};

/* Why a connection ends, other than by eio_close; a row of `endings`. */
enum eio_ending {
    EIO_END_SAID,    /* the client said "1" */
    EIO_END_LEFT,    /* its socket or its open poll was lost */
    EIO_END_SILENT,  /* no pong in time */
    EIO_END_BROKEN,  /* it sent something that is no packet or no UTF-8 */
    EIO_END_WRONG,   /* it breaks a rule of the protocol */
    EIO_END_SLOW,    /* more than outbox_bytes wait for it */
    EIO_END_LIMIT,   /* it went on past a rate limit */
    EIO_END_CROWDED, /* put out of the lobby for a newer one */
    EIO_END_BANNED,  /* by an operator */
    EIO_END_KICKED,
};

struct eio {
    uint64_t id;
    char sid[SID_MAX]; /* a credential: never logged */
    const struct eio_layer *layer;
    struct limits_client client; /* counts for its address while polling; later its session does */
    struct lobby_guest guest;    /* until it was let in */
    bool joined;                 /* eio_admit was called */
    bool v3;                     /* it speaks Engine.IO 3 */
    /* polling */
    struct http_call *poll; /* the open GET */
    bool jsonp;             /* `poll` wants JSONP with this number */
    char callback[EIO_CALLBACK_MAX];
    struct buf out;         /* the payload for the next poll; of version 3 a binary one */
    struct debt debt;       /* that */
    struct http_call *post; /* a POST whose packets wait until the client polls for earlier answers */
    struct buf form;        /* its decoded body, if it was a form */
    struct str left;        /* the unread part of its body */
    bool left_binary;       /* … which is a binary payload */
    struct session *probe;  /* a WebSocket that may take over; */
    bool probed;            /* … it sent 2probe: polls are answered soon */
    bool poll_crossed;      /* `poll` arrived after the WebSocket */
    /* or its WebSocket */
    bool websocket;
    struct session *session; /* NULL: polling, or ended */
    bool base64; /* binary messages are sent as text, as the client asked (b64); of version 3 in polls, too */
    /* heartbeat: first until the ping is due, then until the pong is overdue */
    struct wheel_timer timer;
    bool pinged;
    int64_t due_ms;
    /* the end */
    struct pass *pass; /* NULL: it came without a token */
    bool by_token;     /* let in by a token that its layer does not check */
    bool over, told, lingers;
    bool limited;    /* over because of a rate limit */
    bool parting;    /* by this side: eio_close */
    bool said_close; /* by the client: its "1" */
    const char *reason;
    bool dirty;
    SLIST_ENTRY(eio) dirty_link, ending_link;
    _Alignas(max_align_t) char state[]; /* the layer's */
};

struct eio_all {
    const struct settings *settings;
    struct wheel *wheel;
    struct sessions *sessions;
    struct handoff *handoff;
    const struct eio_layer *const *layers; /* NULL before eio_init */
    uint64_t incarnation;
    unsigned char secret[SID_SECRET_BYTES];
    struct map conns;         /* by id; each until it is freed */
    size_t polling;           /* how many of them have no WebSocket */
    SLIST_HEAD(, eio) dirty;  /* connections with data for an open poll */
    SLIST_HEAD(, eio) ending; /* over, but their layers were not told yet */
    struct wheel_timer end;   /* tells them */
    bool draining;
};

extern struct eio_all eio_all;

/* ---- eio.c ---- */

/* The layer with that path, with or without its last slash; NULL: none. */
const struct eio_layer *eio_layer_of(struct str path);
/* Queues a packet as a frame of its WebSocket. */
void eio_put_frame(struct eio *conn, enum eio_type type, bool binary, struct str data);
/* It was let in: takes it and its open poll out of the lobby. */
void eio_let_in(struct eio *conn);
/* Whether to refuse one more connection, because there are too many or, unless `alone`, because the relay is draining:
 * a client whose socket nginx handed over (http_call.alone) cannot be sent to another relay. */
bool eio_full(bool alone);
/* A new connection. Nothing is sent, and the layer is not called yet. */
struct eio *eio_new(const struct eio_layer *layer, struct session *session);
/* Sets the protocol version from its handshake. Call it before eio_begin. */
void eio_set_version(struct eio *conn, const struct request *request);
/* With doors = token and a layer that does not check tokens: the connection ends when its token expires. */
void eio_end_with_token(struct eio *conn, const struct request *request);
/* Queues a packet for the next poll. */
void eio_queue(struct eio *conn, enum eio_type type, bool binary, struct str data);
/* Sends the open packet and calls layer->opened. */
void eio_begin(struct eio *conn);
/* Handles a packet from the client. The connection may be over afterwards, but is not freed in this turn of the
 * loop. */
void eio_packet_in(struct eio *conn, const struct eio_packet *packet);
/* Ends the connection. An open poll gets the ending's last packet; with `farewell`, so does one that arrives within
 * EIO_FAREWELL_MS. */
void eio_end(struct eio *conn, enum eio_ending ending, bool farewell);
/* Nothing is left to be sent: frees it if its layer was told. */
void eio_gone(struct eio *conn);
/* Whether the pong is overdue, even if the timer has not fired yet. */
bool eio_overdue(const struct eio *conn);

/* ---- eio_poll.c ---- */

/* `out` has changed. */
void eio_note_out(struct eio *conn);
/* Continues a waiting POST, if the client has polled. */
void eio_go_on_post(struct eio *conn);
/* Answers a waiting POST, as the connection is over. */
void eio_end_post(struct eio *conn);
/* Marks it for eio_flush. */
void eio_make_dirty(struct eio *conn);
/* Answers the open poll with everything queued. */
void eio_answer_poll(struct eio *conn);
/* Answers the open poll with the protocol's error, as the connection is no longer on polling. */
void eio_refuse_poll(struct eio *conn);
/* The protocol's errors. */
enum eio_error {
    EIO_FINE = -1,
    EIO_UNKNOWN_TRANSPORT = 0,
    EIO_UNKNOWN_SID = 1,
    EIO_BAD_HANDSHAKE_METHOD = 2,
    EIO_BAD_REQUEST = 3,
    EIO_FORBIDDEN = 4,
    EIO_UNSUPPORTED_VERSION = 5,
};
/* Validates a request and finds its connection. *conn: NULL for a handshake. *elsewhere: the incarnation of the relay
 * that has the connection, 0: this one; if set, *conn is NULL. */
enum eio_error eio_check(const struct request *request, const char *method, bool upgrade, struct eio **conn,
                         uint64_t *elsewhere);

/* ---- eio_ws.c ---- */

/* Detaches a WebSocket from its connection and closes it. */
void eio_drop_session(struct session *session, unsigned code, const char *reason);
/* A poll is open while a WebSocket is about to take over: answers it after EIO_NOOP_MS if that has not happened. */
void eio_poll_probed(struct eio *conn);

#endif
