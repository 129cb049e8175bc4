/* eio_packet.h: encodes and decodes the packets of Engine.IO 4 and 3, and payloads of several packets for HTTP long
 * polling. Bytes in, bytes out. Any thread. Source: the Engine.IO protocol, version 4 ("Packet encoding"), and version
 * 3 ("Encoding"), and the behaviour of the reference's parser of version 3. */
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
    struct str data; /* after the type; of a binary message, decoded */
};

/* Parses a text packet: one of a payload, or of a WebSocket whose client has no binary frames. A binary packet ('b' and
 * base64 with padding; line breaks are ignored) is decoded into `scratch`, which is cleared first and which
 * `packet->data` then points into. ERR_INVALID: empty, of unknown type, or malformed base64. ERR_TOO_BIG: it does not
 * fit into `scratch`. */
enum err eio_packet_parse(struct str text, struct buf *scratch, struct eio_packet *packet) CG_MUST_CHECK;
/* Appends a binary packet in that text form. */
void eio_packet_add_base64(struct buf *out, struct str data);

/* Parses the next packet of a payload, and moves *payload past it and its separator (0x1E). After the last one
 * payload->ptr is NULL; an empty payload, or one that ends with a separator, has an empty packet there. ERR_NOT_FOUND:
 * no more; else as eio_packet_parse. */
enum err eio_payload_next(struct str *payload, struct buf *scratch, struct eio_packet *packet) CG_MUST_CHECK;

/* Appends a packet to a payload, with a separator before it unless the payload is empty. The protocol cannot escape a
 * separator inside text: it is replaced with '?'. */
void eio_payload_add(struct buf *payload, enum eio_type type, bool binary, struct str data);
/* An upper bound of the bytes that eio_payload_add adds. */
size_t eio_payload_cost(bool binary, size_t len);

/* ---- Engine.IO 3 ----
 *
 *   text payload     <length in UTF-16 units>:<packet> …      a binary packet is "b4" and base64
 *   binary payload   <0 text, 1 binary><length in bytes, a byte for each digit><255><packet> …
 *
 * A binary packet begins with its type, as the byte 4, in a WebSocket frame, too. */

/* Parses a WebSocket frame. Base64 is decoded into `scratch`, as above. */
enum err eio3_frame_parse(bool binary, struct str frame, struct buf *scratch, struct eio_packet *packet) CG_MUST_CHECK;
/* As eio_payload_next, for a text or a `binary` payload. Skips empty packets; an empty payload is ERR_INVALID. */
enum err eio3_payload_next(struct str *payload, bool binary, struct buf *scratch,
                           struct eio_packet *packet) CG_MUST_CHECK;
/* Appends a packet to a binary payload, the form in which packets wait for a poll. */
void eio3_payload_add(struct buf *payload, enum eio_type type, bool binary, struct str data);
size_t eio3_payload_cost(size_t len);
/* Whether a binary payload that eio3_payload_add made has binary packets. */
bool eio3_payload_has_binary(struct str payload);
/* Appends the packets of a binary payload as a text payload. */
void eio3_payload_text(struct str payload, struct buf *out);
/* An upper bound of its bytes. */
size_t eio3_payload_text_cost(size_t len);
/* A binary message as the text of a packet, "b4" and base64, appended. */
void eio3_add_base64(struct buf *out, struct str bytes);

#endif
