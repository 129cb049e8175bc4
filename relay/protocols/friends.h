/* friends.h: the friend chat's protocol at /ws/:userId: each frame is one JSON object from one friend to the other.
 * Loop thread only. */
#ifndef CG_RELAY_PROTOCOLS_FRIENDS_H
#define CG_RELAY_PROTOCOLS_FRIENDS_H

#include "relay/core/encoding.h"
#include "relay/core/session.h"

extern const struct protocol friends_protocol;
/* A friendship's messages for each of its two sides, which gets only what the other side wrote. */
extern const struct encoding friends_low_encoding, friends_high_encoding;

/* The user has a new friend: subscribes their sockets here to that friendship, too. */
void friends_reload(uint64_t user);
/* Looks up every user's friends again, because notices were lost while Redis was down. */
void friends_reload_all(void);

#endif
