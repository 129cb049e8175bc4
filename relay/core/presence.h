/* presence.h: who is in which room, across relays, tabs and crashes.
 *
 * A user is present in a room while any relay has an entry for them. A relay's entry lasts while the user has a socket
 * there, plus grace_ms. Redis holds the entries (common/redis/presence_keys.h); its scripts decide which relay added
 * the first entry or removed the last one, and that relay stores the join or leave. The entries of a relay whose lease
 * has expired are removed by another relay, room by room.
 *
 * While Redis is down, each relay decides from its own entries, and it registers all of them again when Redis is back.
 * Knows neither sockets nor encodings. Loop thread only. */
#ifndef CG_RELAY_CORE_PRESENCE_H
#define CG_RELAY_CORE_PRESENCE_H

#include "relay/core/encoding.h"
#include "relay/core/hub.h"

struct bus;
struct presence;

/* Borrows all arguments. */
struct presence *presence_new(const struct settings *settings, struct wheel *wheel, struct hub *hub, struct bus *bus,
                              uint64_t incarnation);
void presence_free(struct presence *presence);

/* Adds one socket of this user to the room. The session gets the member list, and everyone in the room does if it
 * changed. A first join or last leave, also one of a relay that died, goes to the encoding's `presence`; then
 * protocol->entered is called, perhaps before this returns. `session_id` 0: no session, so no list and no `entered`.
 * Copies the texts. */
void presence_enter(struct presence *presence, uint64_t conversation, enum encoding_id encoding,
                    const struct member *member, uint64_t session_id);
/* Removes one socket. A user without a socket here for grace_ms has left this relay. */
void presence_leave(struct presence *presence, uint64_t conversation, uint64_t user);

/* A connection of an application's user begins or ends. The user is online while any relay has one, plus grace_ms,
 * regardless of conversations. */
void presence_online(struct presence *presence, uint64_t user);
void presence_offline(struct presence *presence, uint64_t user);

/* Calls `fn` once with the members present, perhaps before this returns. Without Redis these are the members that this
 * relay knows of. */
typedef void presence_members_fn(void *arg, const struct member *members, size_t count);
void presence_ask(struct presence *presence, uint64_t conversation, presence_members_fn *fn, void *arg);

/* Asks whether up to PRESENCE_ASKED of the application's users are online on any live relay. Calls `fn` once, perhaps
 * before this returns. `known` stays false for users whose Redis server is down. `asked` must live until `fn` is
 * called. */
enum { PRESENCE_ASKED = 100 };
struct presence_asked {
    uint64_t user;
    bool known, online; /* set */
};
typedef void presence_online_fn(void *arg);
void presence_ask_online(struct presence *presence, struct presence_asked *asked, size_t count, presence_online_fn *fn,
                         void *arg);

/* Another relay has changed the presence in this room. */
void presence_changed(struct presence *presence, uint64_t conversation);
/* The connection to a Redis server came up or was lost. */
void presence_bus_state(struct presence *presence, size_t server, bool up);

/* Ends presence on a relay that is shutting down and has no socket left. If another relay is alive, this one leaves its
 * entries in Redis with a lease of grace_ms, so that users who reconnect there never leave; the last relay stores the
 * leaves itself. Calls `done` once, perhaps before this returns. */
void presence_finish(struct presence *presence, void (*done)(void *arg), void *arg);

#endif
