/* sio_packet.h: the packets of Socket.IO 5, one Engine.IO text message each, with the binary attachments that follow.
 * Plain C: bytes in, views out. Source: the Socket.IO protocol, version 5 ("Packet encoding").
 *
 *   <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]
 *
 * JSON is vetted (common/json.h: UTF-8, depth) and cut into its outermost elements, whose text is
 * passed on as it came: what an application echoes is byte for byte what the client wrote. */
#ifndef CG_RELAY_SOCKETIO_SIO_PACKET_H
#define CG_RELAY_SOCKETIO_SIO_PACKET_H

#include "common/buf.h"
#include "common/err.h"

enum sio_type {
    SIO_CONNECT = 0,
    SIO_DISCONNECT = 1,
    SIO_EVENT = 2,
    SIO_ACK = 3,
    SIO_CONNECT_ERROR = 4,
    SIO_BINARY_EVENT = 5,
    SIO_BINARY_ACK = 6,
};

enum { SIO_ATTACHMENTS_MAX = 10, SIO_ARGS_MAX = 64, SIO_NAMESPACE_MAX = 128 };

struct sio_packet {
    enum sio_type type;
    unsigned attachments; /* that follow; 0 unless BINARY_EVENT or BINARY_ACK */
    struct str nsp;       /* "/" if there is none; without its query */
    struct str query;     /* that, as it came, without its question mark; empty if there is none */
    int64_t ack_id;       /* -1: none */
    struct str payload;   /* the JSON as it came; empty if there is none */
    struct str name;      /* EVENT, BINARY_EVENT: the event's name, a JSON string with its quotes, or a number */
    struct str args[SIO_ARGS_MAX]; /* the elements after the name; for acks all of them */
    size_t arg_count;
    bool too_many; /* there are more: a proper packet, but nothing to be given to an application */
};

/* What a client may send: CONNECT (no payload or an object), DISCONNECT (none), EVENT and BINARY_EVENT (an array whose
 * first element is a string or a number, and no reserved name: connect, connect_error, disconnect, disconnecting, newListener,
 * removeListener), ACK and BINARY_ACK (an array, and an ack id). Binary ones have 1..SIO_ATTACHMENTS_MAX attachments
 * and exactly one placeholder {"_placeholder":true,"num":n} for each n below that; the others none. ERR_INVALID or
 * ERR_TOO_BIG for everything else. The views point into `text`. */
enum err sio_packet_parse(struct str text, struct sio_packet *packet) CG_MUST_CHECK;

/* Appends "<type>[<attachments>-][<nsp>,][<ack id>]"; the JSON is the caller's to append. */
void sio_packet_add_head(struct buf *out, enum sio_type type, unsigned attachments, struct str nsp, int64_t ack_id);

/* The text of an event's name, appended to `out`: of a string as sio_json_string, of an integer its digits (to JavaScript's
 * emitters 1 and "1" are one name), of another number as it was written. */
bool sio_event_name(struct str json, struct buf *out);

/* The text of a JSON string (with its quotes) decoded into `out` (appended); false if it is no string. `json` was
 * vetted. */
bool sio_json_string(struct str json, struct buf *out);

#endif
