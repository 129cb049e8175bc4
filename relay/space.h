/* space.h: the mini program's spaces at /:spaceName: a token opens it, frames pass through as they are. */
#ifndef CG_RELAY_SPACE_H
#define CG_RELAY_SPACE_H

#include "relay/encoding.h"
#include "relay/session.h"

extern const struct protocol space_protocol;
extern const struct encoding space_encoding;

#endif
