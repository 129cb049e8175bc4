/* sio_packet.h: parses the packets of Socket.IO 5: each is one Engine.IO text message, followed by its binary
 * attachments. Bytes in, views out. Any thread. Source: the Socket.IO protocol, version 5 ("Packet encoding").
 *
 *   <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]
 *
 * JSON is validated (common/json.h: UTF-8, depth) and split into its outermost elements, whose text is passed on
 * unchanged, so an echo is byte for byte what the client sent. */
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
    unsigned attachments; /* number of attachments that follow; 0 unless BINARY_EVENT or BINARY_ACK */
    struct str nsp;       /* "/" by default; without its query */
    struct str query;     /* the namespace's query, undecoded, without its question mark; may be empty */
    int64_t ack_id;       /* -1: none */
    struct str payload;   /* the JSON, unchanged; may be empty */
    struct str name;      /* EVENT, BINARY_EVENT: the event's name, a JSON string with its quotes, or a number */
    struct str args[SIO_ARGS_MAX]; /* the elements after the name; of an acknowledgement, all */
    size_t arg_count;
    bool too_many; /* there are more than SIO_ARGS_MAX: valid, but not passed to an application */
};

/* Parses what a client may send: CONNECT (no payload or an object), DISCONNECT (no payload), EVENT and BINARY_EVENT (an
 * array whose first element is a number, or a string other than the reserved names connect, connect_error, disconnect,
 * disconnecting, newListener and removeListener), ACK and BINARY_ACK (an array, and an ack id). Binary packets have
 * 1..SIO_ATTACHMENTS_MAX attachments and exactly one placeholder {"_placeholder":true,"num":n} for each n below that;
 * other packets have neither. ERR_INVALID or ERR_TOO_BIG for everything else. The views point into `text`. */
enum err sio_packet_parse(struct str text, struct sio_packet *packet) CG_MUST_CHECK;

/* Appends "<type>[<attachments>-][<nsp>,][<ack id>]"; the caller appends the JSON. */
void sio_packet_add_head(struct buf *out, enum sio_type type, unsigned attachments, struct str nsp, int64_t ack_id);

/* Appends an event's name to `out`: a string as sio_json_string does, an integer as digits (JavaScript's emitters do
 * not distinguish 1 and "1"), any other number as it was written. */
bool sio_event_name(struct str json, struct buf *out);

/* Decodes a JSON string, given with its quotes, and appends it to `out`. False if it is no string. `json` must have
 * been validated. */
bool sio_json_string(struct str json, struct buf *out);

#endif
