/* friends.h: the friend chat at /ws/:userId: one JSON object a frame, from one friend to the other. */
#ifndef CG_RELAY_PROTOCOLS_FRIENDS_H
#define CG_RELAY_PROTOCOLS_FRIENDS_H

#include "relay/core/encoding.h"
#include "relay/core/session.h"

extern const struct protocol friends_protocol;
/* A friendship's messages as its two sides read them: each sees what the other wrote. */
extern const struct encoding friends_low_encoding, friends_high_encoding;

/* The user has a new friend: their sockets here sit down with them too. */
void friends_reload(uint64_t user);
/* Notices were lost while Redis was down: everybody's friends are looked up again. */
void friends_reload_all(void);

#endif
