/* chatroom.h: the chatroom's WebSocket protocol: sends JSON arrays of events, receives `message` and `query-logs`. Loop
 * thread only, except where stated. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_H
#define CG_RELAY_PROTOCOLS_CHATROOM_H

#include "relay/core/encoding.h"
#include "relay/core/session.h"

extern const struct protocol chatroom_protocol;
extern const struct encoding chatroom_encoding;

/* The data of a message event: {"log_user_name":…,"log_content":…,"log_time":…,"seq":…,"ts":…}; also an element of a
 * `logs` event. Contains no line break. Any thread. */
void chatroom_add_line(const struct message *message, struct buf *out);
/* The data of a members event: [{"user_name":…,"head_num":…}…], cut where `out` ends. */
void chatroom_add_members(const struct member *members, size_t count, struct buf *out);
/* Implements encoding->presence: stores joins and leaves as lines of the room's history. */
void chatroom_store_presence(enum message_kind kind, uint64_t conversation, const struct member *member);

/* Sends the room's history to all of the user's sockets on this relay, because they asked for it on any relay. */
void chatroom_send_history(uint64_t conversation, uint64_t user);

#endif
