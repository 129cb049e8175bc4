#include "relay/core/lobby.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <stdlib.h>

void lobby_init(struct lobby *lobby, const struct settings *settings)
{
    size_t half = (size_t)(settings->max_connections + 1) / 2;
    *lobby = (struct lobby){.max = (size_t)settings->lobby_max, .address_max = (size_t)settings->lobby_address_max};
    if (lobby->max > half)
        lobby->max = half;
    if (lobby->address_max > lobby->max)
        lobby->address_max = lobby->max;
    lobby->ranks = mem_zalloc((lobby->address_max + 2) * sizeof *lobby->ranks);
}

void lobby_fini(struct lobby *lobby)
{
    CG_ASSERT(!lobby->count && !lobby->parties.count);
    map_fini(&lobby->parties);
    free(lobby->ranks);
    lobby->ranks = NULL;
}

/* ---- parties, ranked by their count: one more or one less moves a party by one rank ---- */

static size_t rank_of(const struct lobby *lobby, const struct lobby_party *party)
{
    return party->count <= lobby->address_max ? party->count : lobby->address_max + 1;
}

static void rank(struct lobby *lobby, struct lobby_party *party)
{
    size_t at = rank_of(lobby, party);
    LIST_INSERT_HEAD(&lobby->ranks[at], party, link);
    if (at > lobby->largest)
        lobby->largest = at;
}

static struct lobby_party *largest(struct lobby *lobby)
{
    while (lobby->largest && LIST_EMPTY(&lobby->ranks[lobby->largest]))
        lobby->largest--;
    return LIST_FIRST(&lobby->ranks[lobby->largest]);
}

/* ---- coming and going ---- */

static struct lobby_party *party_of(struct lobby *lobby, uint64_t address)
{
    struct lobby_party *party = map_get(&lobby->parties, address);
    if (!party) {
        party = mem_zalloc(sizeof *party);
        party->address = address;
        TAILQ_INIT(&party->guests);
        map_put(&lobby->parties, address, party);
        rank(lobby, party);
    }
    return party;
}

void lobby_enter(struct lobby *lobby, struct lobby_guest *guest, uint64_t address,
                 void (*put_out)(struct lobby_guest *guest))
{
    if (!lobby)
        return;
    lobby_leave(lobby, guest);
    struct lobby_party *party = party_of(lobby, address ? address : UINT64_MAX); /* 0 is no key of a map */
    *guest = (struct lobby_guest){.party = party, .put_out = put_out};
    TAILQ_INSERT_TAIL(&party->guests, guest, link);
    LIST_REMOVE(party, link);
    party->count++;
    rank(lobby, party);
    metric_set(METRIC_LOBBY_GUESTS, (int64_t)++lobby->count);
}

void lobby_leave(struct lobby *lobby, struct lobby_guest *guest)
{
    struct lobby_party *party = guest->party;
    if (!party)
        return;
    TAILQ_REMOVE(&party->guests, guest, link);
    guest->party = NULL;
    LIST_REMOVE(party, link);
    if (--party->count) {
        rank(lobby, party);
    } else {
        map_take(&lobby->parties, party->address);
        free(party);
    }
    metric_set(METRIC_LOBBY_GUESTS, (int64_t)--lobby->count);
}

/* ---- too many ---- */

static void put_out(struct lobby *lobby, struct lobby_guest *guest)
{
    void (*fn)(struct lobby_guest *guest) = guest->put_out;
    lobby_leave(lobby, guest);
    metric_inc(METRIC_LOBBY_PUT_OUT);
    fn(guest);
}

bool lobby_makes_room(struct lobby *lobby)
{
    bool can = lobby_could_make_room(lobby);
    if (can)
        lobby->owed++;
    return can;
}

void lobby_flush(struct lobby *lobby)
{
    for (; lobby->count && (lobby->owed || lobby->count > lobby->max); lobby->owed -= lobby->owed > 0)
        put_out(lobby, TAILQ_FIRST(&largest(lobby)->guests));
    lobby->owed = 0;
    const struct lobby_rank *too_many = &lobby->ranks[lobby->address_max + 1];
    while (!LIST_EMPTY(too_many))
        put_out(lobby, TAILQ_FIRST(&LIST_FIRST(too_many)->guests));
}
