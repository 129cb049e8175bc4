/* native.h: the native protocol (docs/protocol.md): one connection, many conversations of whatever protocol, and
 * nothing of them lost. */
#ifndef CG_RELAY_NATIVE_NATIVE_H
#define CG_RELAY_NATIVE_NATIVE_H

#include "relay/core/encoding.h"
#include "relay/core/session.h"

extern const struct protocol native_protocol;
extern const struct encoding native_encoding, native_presence_encoding;

/* Somebody, here or elsewhere, has read so far: the user's connections here are told, but for `mover` (NULL: all). */
void native_read_moved(uint64_t user, const struct wire_mark *mark, const struct session *mover);

#endif
