/* chatroom.h: the chatroom's WebSocket: JSON arrays of events out, `message` and `query-logs` in. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_H
#define CG_RELAY_PROTOCOLS_CHATROOM_H

#include "relay/core/encoding.h"
#include "relay/core/session.h"

extern const struct protocol chatroom_protocol;
extern const struct encoding chatroom_encoding;

/* The data of a message event: {"log_user_name":…,"log_content":…,"log_time":…,"seq":…,"ts":…}; also an element of a
 * `logs` event. No line break is in it. Any thread. */
void chatroom_add_line(const struct message *message, struct buf *out);
/* The data of a members event: [{"user_name":…,"head_num":…}…], cut where `out` ends. */
void chatroom_add_members(const struct member *members, size_t count, struct buf *out);
/* Coming and going are lines of the room's history. */
void chatroom_store_presence(enum message_kind kind, uint64_t conversation, const struct member *member);

/* The user asked for the history in this room, on some relay: all their sockets here get it. */
void chatroom_send_history(uint64_t conversation, uint64_t user);

#endif
