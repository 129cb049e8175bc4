/* customer.h: the customer sessions at /chat/v1/message: the whole list after every message. */
#ifndef CG_RELAY_PROTOCOLS_CUSTOMER_H
#define CG_RELAY_PROTOCOLS_CUSTOMER_H

#include "relay/core/encoding.h"
#include "relay/core/session.h"

extern const struct protocol customer_protocol;
extern const struct encoding customer_encoding;

#endif
