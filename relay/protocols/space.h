/* space.h: the protocol of the mini program's spaces at /:spaceName: a token opens the connection, frames are passed on
 * unchanged. Loop thread only. */
#ifndef CG_RELAY_PROTOCOLS_SPACE_H
#define CG_RELAY_PROTOCOLS_SPACE_H

#include "relay/core/encoding.h"
#include "relay/core/session.h"

extern const struct protocol space_protocol;
extern const struct encoding space_encoding;

#endif
