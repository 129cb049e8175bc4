/* chatroom.h: the chatroom's WebSocket: JSON arrays of events out, `message` and `query-logs` in. */
#ifndef CG_RELAY_CHATROOM_H
#define CG_RELAY_CHATROOM_H

#include "relay/encoding.h"
#include "relay/session.h"

extern const struct protocol chatroom_protocol;
extern const struct encoding chatroom_encoding;

/* The user asked for the history in this room, on some relay: all their sockets here get it. */
void chatroom_send_history(uint64_t conversation, uint64_t user);

#endif
