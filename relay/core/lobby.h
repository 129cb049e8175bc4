/* lobby.h: bounds the connections that were not let in yet. Loop thread only.
 *
 * A guest is an HTTP connection whose request is incomplete, unanswered, or did not admit it; a WebSocket before its
 * look-up or its hello admitted it; an Engine.IO connection that has joined no namespace or fetched no answer. A
 * connection is a guest from its first byte until it is let in or ends.
 *
 * Guests are bounded for each address (lobby_address_max) and in total (lobby_max). Past the first, the oldest guest of
 * that address is put out; past the second, the oldest of the address that has most. A newcomer therefore always gets a
 * place, a flood pushes out its own connections, and admitted connections are not affected. Guests are put out in
 * lobby_flush, at the end of a turn of the loop, because the code that entered one may still be using it. */
#ifndef CG_RELAY_CORE_LOBBY_H
#define CG_RELAY_CORE_LOBBY_H

#include "common/map.h"
#include "common/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct lobby_party;

/* Embedded in the connection that it represents. Zeroed: not in the lobby. */
struct lobby_guest {
    TAILQ_ENTRY(lobby_guest) link; /* in its party */
    struct lobby_party *party;     /* NULL: not in the lobby */
    /* Ends the connection at once. The guest has left the lobby by then, and may be freed. */
    void (*put_out)(struct lobby_guest *guest);
};

/* The guests of one address. */
struct lobby_party {
    uint64_t address;
    TAILQ_HEAD(, lobby_guest) guests; /* the oldest first */
    size_t count;
    LIST_ENTRY(lobby_party) link; /* in its rank */
};

LIST_HEAD(lobby_rank, lobby_party);

struct lobby {
    struct map parties;       /* by address */
    struct lobby_rank *ranks; /* parties by their count; all above address_max are in the last */
    size_t max, address_max;
    size_t count;
    size_t largest; /* no party has a higher rank */
    size_t owed;    /* places promised to newcomers by lobby_makes_room */
};

/* Takes the bounds from the settings, but at most half of max_connections. */
void lobby_init(struct lobby *lobby, const struct settings *settings);
/* Every guest must have left. */
void lobby_fini(struct lobby *lobby);

/* Adds a guest as the newest of its address (rate_address_key; all unknown ones share 0). A guest that is in the lobby
 * becomes the newest. Does nothing if `lobby` is NULL. */
void lobby_enter(struct lobby *lobby, struct lobby_guest *guest, uint64_t address,
                 void (*put_out)(struct lobby_guest *guest));
/* The guest was let in or ended. Does nothing if it is not in the lobby. */
void lobby_leave(struct lobby *lobby, struct lobby_guest *guest);
static inline bool lobby_is_in(const struct lobby_guest *guest)
{
    return guest->party;
}

/* When all connections are taken: whether a guest can be put out for one more newcomer. */
static inline bool lobby_could_make_room(const struct lobby *lobby)
{
    return lobby && lobby->owed < lobby->count;
}
/* The same, and reserves that guest's place for the newcomer. */
bool lobby_makes_room(struct lobby *lobby);
/* Puts out the guests past the bounds. Must be called before the loop sleeps. */
void lobby_flush(struct lobby *lobby);

#endif
