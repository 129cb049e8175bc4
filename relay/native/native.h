/* native.h: the native protocol (docs/protocol.md): one connection for many conversations of any kind, without losing
 * messages. Loop thread only; the encodings run in any thread. */
#ifndef CG_RELAY_NATIVE_NATIVE_H
#define CG_RELAY_NATIVE_NATIVE_H

#include "relay/core/encoding.h"
#include "relay/core/session.h"

extern const struct protocol native_protocol;
extern const struct encoding native_encoding, native_presence_encoding;

/* The user has moved a read marker, on this or another relay: tells their connections here, except `mover` (NULL:
 * all). */
void native_read_moved(uint64_t user, const struct wire_mark *mark, const struct session *mover);

#endif
