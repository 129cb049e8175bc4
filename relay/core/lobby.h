/* lobby.h: who has come and was not let in yet. Loop thread only.
 *
 * A guest is a connection whose request is not whole, not answered, or was nothing that anybody was let in for; a
 * WebSocket before its look-up admitted it, or before its hello; an Engine.IO connection that joined no namespace or
 * fetched no answer. It is one from its first byte on, and stays one until it is let in or gone.
 *
 * There may be so many of one address (lobby_address_max) and so many together (lobby_max). Past either, the oldest
 * goes: of that address, or of the address that has most. So a newcomer always finds a place, whoever floods pushes out
 * their own, and what is let in has nothing to do with either. Nobody is put out before lobby_flush, at the end of a
 * turn of the loop: whoever enters may be in the middle of something. */
#ifndef CG_RELAY_CORE_LOBBY_H
#define CG_RELAY_CORE_LOBBY_H

#include "common/map.h"
#include "common/settings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct lobby_party;

/* Part of what it stands for. A zeroed one is not in the lobby. */
struct lobby_guest {
    TAILQ_ENTRY(lobby_guest) link; /* in its party */
    struct lobby_party *party;     /* NULL: not in the lobby */
    /* Ends it at once, whatever it is at. It has left the lobby by then, and may be freed. */
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
    struct lobby_rank *ranks; /* by count, to address_max + 1: past that all are in the last */
    size_t max, address_max;
    size_t count;
    size_t largest; /* no party has a higher rank */
    size_t owed;    /* places that were promised to newcomers: lobby_makes_room */
};

/* The bounds are those of the settings, but never more than half of max_connections. */
void lobby_init(struct lobby *lobby, const struct settings *settings);
/* Every guest must have left. */
void lobby_fini(struct lobby *lobby);

/* A guest comes, as the newest of its address (rate_address_key; 0: unknown, one like the others); or comes anew, if it is
 * one. `lobby` NULL: nothing. */
void lobby_enter(struct lobby *lobby, struct lobby_guest *guest, uint64_t address,
                 void (*put_out)(struct lobby_guest *guest));
/* It was let in, or is gone. Nothing if it is not in the lobby. */
void lobby_leave(struct lobby *lobby, struct lobby_guest *guest);
static inline bool lobby_is_in(const struct lobby_guest *guest)
{
    return guest->party;
}

/* Every place is taken: whether a guest can be put out for one newcomer more. */
static inline bool lobby_could_make_room(const struct lobby *lobby)
{
    return lobby && lobby->owed < lobby->count;
}
/* The same, and that is promised. */
bool lobby_makes_room(struct lobby *lobby);
/* Puts out who is too many. Called before the loop sleeps. */
void lobby_flush(struct lobby *lobby);

#endif
