/* presence.h: who is in which room, true across relays, tabs and crashes.
 *
 * A user is present in a room while any relay has an entry for them; a relay's entry lasts while the
 * user has a socket there, and a grace longer. Redis holds the entries (common/redis/presence_keys.h), its
 * scripts decide who was the first to come and the last to go, and that relay stores the line. A relay
 * whose lease ran out is reaped by whichever other relay comes first, room by room.
 *
 * While Redis is down each relay decides by what it knows itself, and says all again when it is back.
 * It knows neither sockets nor encodings. Loop thread only. */
#ifndef CG_RELAY_CORE_PRESENCE_H
#define CG_RELAY_CORE_PRESENCE_H

#include "relay/core/encoding.h"
#include "relay/core/hub.h"

struct bus;
struct presence;

/* All is borrowed. */
struct presence *presence_new(const struct settings *settings, struct wheel *wheel, struct hub *hub, struct bus *bus,
                              uint64_t incarnation);
void presence_free(struct presence *presence);

/* One more socket of this user is in the room, subscribed as `session_id`; it gets the member list, and
 * everybody does if it changed. The encoding's `presence` tells or stores first comings and last goings,
 * its own and those of relays that were lost; then protocol->entered is called, perhaps before this returns.
 * `session_id` 0: somebody without a session, who gets no list and is not told. Texts are copied. */
void presence_enter(struct presence *presence, uint64_t conversation, enum encoding_id encoding,
                    const struct member *member, uint64_t session_id);
/* One less. After grace_ms without any, the user has left this relay. */
void presence_leave(struct presence *presence, uint64_t conversation, uint64_t user);

/* A connection of one of the application's users begins, or ends: they are online while any relay has one, and a grace
 * longer. Whatever conversations they are in. */
void presence_online(struct presence *presence, uint64_t user);
void presence_offline(struct presence *presence, uint64_t user);

/* Calls `fn` once with who is present, perhaps before this returns; without Redis, with whom this relay knows of. */
typedef void presence_members_fn(void *arg, const struct member *members, size_t count);
void presence_ask(struct presence *presence, uint64_t conversation, presence_members_fn *fn, void *arg);

/* Whether users of the application are online: by any relay that lives. `fn` is called once, perhaps before this returns; of
 * whom a Redis that would know is down, nothing is known. `asked` lives until then. */
enum { PRESENCE_ASKED = 100 };
struct presence_asked {
    uint64_t user;
    bool known, online; /* set */
};
typedef void presence_online_fn(void *arg);
void presence_ask_online(struct presence *presence, struct presence_asked *asked, size_t count, presence_online_fn *fn,
                         void *arg);

/* Another relay changed who is present in the room. */
void presence_changed(struct presence *presence, uint64_t conversation);
/* A Redis server came back or was lost. */
void presence_bus_state(struct presence *presence, size_t server, bool up);

/* The relay is ending and has no socket left. If another relay lives, our entries are left to it, with
 * a lease as long as the grace, so that users who come back there have never left; the last one stores
 * the leaves itself. Calls `done` once, perhaps before it returns. */
void presence_finish(struct presence *presence, void (*done)(void *arg), void *arg);

#endif
