/* eio_packet.h: the packets of Engine.IO 4, and 3, and how several share a payload of HTTP long polling. Plain C: bytes
 * in, bytes out. Source: the Engine.IO protocol, version 4 ("Packet encoding"), and version 3 ("Encoding"), with what
 * the reference's parser of version 3 takes and makes. */
#ifndef CG_RELAY_SOCKETIO_EIO_PACKET_H
#define CG_RELAY_SOCKETIO_EIO_PACKET_H

#include "common/buf.h"
#include "common/err.h"

enum eio_type {
    EIO_OPEN = '0',
    EIO_CLOSE = '1',
    EIO_PING = '2',
    EIO_PONG = '3',
    EIO_MESSAGE = '4',
    EIO_UPGRADE = '5',
    EIO_NOOP = '6',
};

struct eio_packet {
    enum eio_type type;
    bool binary;     /* EIO_MESSAGE only */
    struct str data; /* after the type; for binary the bytes themselves */
};

/* One packet of text: a payload's, or a WebSocket's of a client that has no binary frames. Binary packets ('b' and base64,
 * padding required, line breaks do not count) are decoded into `scratch` (cleared first), which `packet->data` then points
 * into. ERR_INVALID: empty, no type, or base64 that is cut short or has other characters. ERR_TOO_BIG: `scratch` does not
 * hold it. */
enum err eio_packet_parse(struct str text, struct buf *scratch, struct eio_packet *packet) CG_MUST_CHECK;
/* Appends a binary packet as such a text. */
void eio_packet_add_base64(struct buf *out, struct str data);

/* The next packet of a payload: moves *payload past it and its separator (0x1E); after the last one payload->ptr is
 * NULL, so that what an empty text or a separator at the end stands for is an empty packet.
 * ERR_NOT_FOUND: no more; else as eio_packet_parse. */
enum err eio_payload_next(struct str *payload, struct buf *scratch, struct eio_packet *packet) CG_MUST_CHECK;

/* Appends a packet to a payload, with a separator before it unless the payload is empty. The protocol has no escape for
 * a separator inside of text: a '?' stands in its place. */
void eio_payload_add(struct buf *payload, enum eio_type type, bool binary, struct str data);
/* At most what eio_payload_add adds, in bytes. */
size_t eio_payload_cost(bool binary, size_t len);

/* ---- Engine.IO 3 ----
 *
 *   text payload     <length in UTF-16 units>:<packet> …      a binary packet is "b4" and base64
 *   binary payload   <0 text, 1 binary><length in bytes, a byte for each digit><255><packet> …
 *
 * A binary packet begins with its type as a byte, 4, also as a frame of a WebSocket. */

/* A frame of a WebSocket. Base64 is decoded into `scratch`, as above. */
enum err eio3_frame_parse(bool binary, struct str frame, struct buf *scratch, struct eio_packet *packet) CG_MUST_CHECK;
/* As eio_payload_next; `binary`: the payload is one. Packets of no length are passed over; a payload of no length is
 * ERR_INVALID. */
enum err eio3_payload_next(struct str *payload, bool binary, struct buf *scratch,
                           struct eio_packet *packet) CG_MUST_CHECK;
/* Appends a packet to a binary payload, the form in which packets wait for their poll. */
void eio3_payload_add(struct buf *payload, enum eio_type type, bool binary, struct str data);
size_t eio3_payload_cost(size_t len);
/* Whether a binary payload that eio3_payload_add made has binary packets. */
bool eio3_payload_has_binary(struct str payload);
/* The same packets as a text payload, appended. */
void eio3_payload_text(struct str payload, struct buf *out);
/* At most what that is, in bytes. */
size_t eio3_payload_text_cost(size_t len);
/* A binary message as the text of a packet, "b4" and base64, appended. */
void eio3_add_base64(struct buf *out, struct str bytes);

#endif
