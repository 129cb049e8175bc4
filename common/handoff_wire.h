/* handoff_wire.h: the messages in which sockets are given to a relay. Plain C without anything else of ours: nginx'
 * module includes it too.
 *
 * A message of a Unix SOCK_SEQPACKET socket is this header, then `len` bytes that were read from the socket already,
 * and with them, as SCM_RIGHTS, the socket. A relay that gives more bytes than fit sends none of them, but a file with
 * them as a second descriptor. Both sides are on one machine, so numbers are in its byte order.
 *
 *   <listen_socket>.handoff   relays give to each other here
 *   <listen_socket>.front     nginx gives what clients begin. There only while the relay takes new ones */
#ifndef CG_COMMON_HANDOFF_WIRE_H
#define CG_COMMON_HANDOFF_WIRE_H

#include <stdint.h>

#define HANDOFF_WIRE_MAGIC  0x63674832u
#define HANDOFF_WIRE_RELAYS ".handoff"
#define HANDOFF_WIRE_FRONT  ".front"

enum {
    HANDOFF_WIRE_BYTES = 32768, /* a message's, at most, with its header */
    HANDOFF_WIRE_PROXIED = 1,   /* its X-Forwarded-For is nginx' word */
    HANDOFF_WIRE_ALONE = 2,     /* a client's own socket, which nginx gave for this one request */
};

struct handoff_wire {
    uint32_t magic;
    uint32_t flags; /* on .front: none; what comes there is PROXIED and ALONE */
    uint64_t len;
};

#endif
