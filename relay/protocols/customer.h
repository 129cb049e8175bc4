/* customer.h: the protocol of customer sessions at /chat/v1/message: sends the whole list after every message. Loop
 * thread only. */
#ifndef CG_RELAY_PROTOCOLS_CUSTOMER_H
#define CG_RELAY_PROTOCOLS_CUSTOMER_H

#include "relay/core/encoding.h"
#include "relay/core/session.h"

extern const struct protocol customer_protocol;
extern const struct encoding customer_encoding;

#endif
