/* eio_parts.h: what the files of Engine.IO share with each other and with nobody else.
 *
 *   eio.c       a connection: its beginning, heartbeat and end, what it sends, what its packets mean
 *   eio_poll.c  its HTTP requests, and who may open one
 *   eio_ws.c    its WebSocket, and the change from polling to it
 *
 * A connection is *over* once nothing is received or sent any more. Its layer is *told* in a later turn of the loop. It
 * *lingers* while something is left for one more poll or for the socket. Freed when told and not lingering. */
#ifndef CG_RELAY_SOCKETIO_EIO_PARTS_H
#define CG_RELAY_SOCKETIO_EIO_PARTS_H

#include "common/map.h"
#include "relay/core/pass.h"
#include "relay/socketio/eio.h"
#include "relay/socketio/eio_packet.h"
#include "relay/socketio/sid.h"

#include <sys/queue.h>

enum {
    EIO_FAREWELL_MS = 1000, /* a poll that the client sent just before its "1" may come this much after it */
    EIO_UPGRADE_MS = 10000, /* a WebSocket that wants to take over has this long */
    EIO_NOOP_MS = 100,      /* … and a poll that comes after its probe is held so long */
    EIO_CALLBACK_MAX = 12,  /* digits of a JSONP callback's number, with NUL */
};

/* How a connection ends, other than by eio_close; a row of `endings`. */
enum eio_ending {
    EIO_END_SAID,    /* the client said "1" */
    EIO_END_LEFT,    /* its socket or its waiting poll is gone */
    EIO_END_SILENT,  /* no pong in time */
    EIO_END_BROKEN,  /* what it sent is no packet, no UTF-8 */
    EIO_END_WRONG,   /* it breaks a rule of the protocol */
    EIO_END_SLOW,    /* more waits for it than outbox_bytes */
    EIO_END_LIMIT,   /* it sent on past its rate */
    EIO_END_CROWDED, /* it was not let in yet, and its place is wanted */
    EIO_END_BANNED,  /* an operator's word */
    EIO_END_KICKED,
};

struct eio {
    uint64_t id;
    char sid[SID_MAX]; /* a credential: never logged */
    const struct eio_layer *layer;
    struct limits_client client; /* counted for its address while it is polling; else its session is */
    struct lobby_guest guest;    /* until it was let in */
    bool joined;                 /* eio_admit was called */
    bool v3;                     /* it speaks Engine.IO 3 */
    /* polling */
    struct http_call *poll; /* the GET that waits for something to be sent */
    bool jsonp;             /* `poll` wants a call of a function with this number */
    char callback[EIO_CALLBACK_MAX];
    struct buf out;         /* a payload that waits for a poll; of version 3 a binary one */
    struct debt debt;       /* that */
    struct http_call *post; /* the POST whose packets wait until the client polls for the answers to those before */
    struct buf form;        /* its body, decoded, if it was a form's */
    struct str left;        /* of its body */
    bool left_binary;       /* … which is a binary payload */
    struct session *probe;  /* a WebSocket that may take over; */
    bool probed;            /* … it said 2probe: polls are answered soon */
    bool poll_crossed;      /* `poll` came when the WebSocket was there already */
    /* or its WebSocket */
    bool websocket;
    struct session *session; /* NULL: polling, or ended */
    bool base64; /* what is binary goes as text: the client asked so (b64); of version 3, in its polls, too */
    /* heartbeat: first until the ping is due, then until the pong is overdue */
    struct wheel_timer timer;
    bool pinged;
    int64_t due_ms;
    /* the end */
    struct pass *pass; /* NULL: it came without a token */
    bool by_token;     /* it came with one that its layer does not see to */
    bool over, told, lingers;
    bool limited;    /* over because of a rate */
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
    size_t polling;           /* of them those without a WebSocket */
    SLIST_HEAD(, eio) dirty;  /* something was sent while a poll waits */
    SLIST_HEAD(, eio) ending; /* over, and their layers do not know yet */
    struct wheel_timer end;   /* tells them */
    bool draining;
};

extern struct eio_all eio_all;

/* ---- eio.c ---- */

/* NULL: no layer has that path, with or without its last slash. */
const struct eio_layer *eio_layer_of(struct str path);
/* As a frame of its WebSocket. */
void eio_put_frame(struct eio *conn, enum eio_type type, bool binary, struct str data);
/* It was let in: what waits in its name is not to be put out any more. */
void eio_let_in(struct eio *conn);
/* Whether one more connection is too many, or comes too late: that is said only to those who can go to another relay
 * (http_call.alone: they cannot). */
bool eio_full(bool alone);
/* A new connection; nothing is sent and the layer knows nothing yet. */
struct eio *eio_new(const struct eio_layer *layer, struct session *session);
/* What its handshake says of the version that it speaks; before eio_begin. */
void eio_set_version(struct eio *conn, const struct request *request);
/* Of a layer that does not see to tokens, which needed one to come in: it ends with it. */
void eio_end_with_token(struct eio *conn, const struct request *request);
/* Puts a packet with those that wait for the next poll. */
void eio_queue(struct eio *conn, enum eio_type type, bool binary, struct str data);
/* Its first words: the open packet, and whatever the layer has to say. */
void eio_begin(struct eio *conn);
/* What a packet that came from the client means. It may be over afterwards; it is not freed before a later turn. */
void eio_packet_in(struct eio *conn, const struct eio_packet *packet);
/* Over. A poll that waits gets the ending's last word; with `farewell` one that comes soon gets it too. */
void eio_end(struct eio *conn, enum eio_ending ending, bool farewell);
/* Nothing is left to be said to its client: frees it if its layer was told. */
void eio_gone(struct eio *conn);
/* Whether the pong is overdue, which its timer will only notice at its next tick. */
bool eio_overdue(const struct eio *conn);

/* ---- eio_poll.c ---- */

/* `out` has changed. */
void eio_note_out(struct eio *conn);
/* Goes on with the POST that waited, if the client has polled. */
void eio_go_on_post(struct eio *conn);
/* Its connection is over: it is answered. */
void eio_end_post(struct eio *conn);
/* Looked at before the loop sleeps. */
void eio_make_dirty(struct eio *conn);
/* Answers the waiting poll with all that waits for it. */
void eio_answer_poll(struct eio *conn);
/* Answers it with the protocol's error: its connection is no longer on polling. */
void eio_refuse_poll(struct eio *conn);
/* The connection that a request names, and what a handshake without one must be like; else the protocol's error. */
enum eio_error {
    EIO_FINE = -1,
    EIO_UNKNOWN_TRANSPORT = 0,
    EIO_UNKNOWN_SID = 1,
    EIO_BAD_HANDSHAKE_METHOD = 2,
    EIO_BAD_REQUEST = 3,
    EIO_FORBIDDEN = 4,
    EIO_UNSUPPORTED_VERSION = 5,
};
/* *conn: NULL for a new one. *elsewhere: not 0 if another relay has it, then *conn is NULL. */
enum eio_error eio_check(const struct request *request, const char *method, bool upgrade, struct eio **conn,
                         uint64_t *elsewhere);

/* ---- eio_ws.c ---- */

/* The WebSocket is no more the connection's; it is asked to close. */
void eio_drop_session(struct session *session, unsigned code, const char *reason);
/* A poll waits though a WebSocket is about to take over: it is answered if that does not happen at once. */
void eio_poll_probed(struct eio *conn);

#endif
