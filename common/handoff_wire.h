/* handoff_wire.h: the messages that pass sockets to a relay. Includes nothing else of ours, because the nginx module
 * uses it, too.
 *
 * A message on a Unix SOCK_SEQPACKET socket is this header, then `len` bytes that were already read from the passed
 * socket, which goes along as SCM_RIGHTS. If the bytes do not fit, a relay sends them in a file, as a second
 * descriptor, instead. Both sides are on one machine, so numbers are in its byte order.
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
    HANDOFF_WIRE_BYTES = 32768, /* the largest message, with its header */
    HANDOFF_WIRE_PROXIED = 1,   /* its X-Forwarded-For was set by nginx */
    HANDOFF_WIRE_ALONE = 2,     /* the client's own socket, passed by nginx for this one request */
};

struct handoff_wire {
    uint32_t magic;
    uint32_t flags; /* 0 on .front, where all are PROXIED and ALONE */
    uint64_t len;
};

#endif
