#include "relay/core/sanctions.h"

#include "common/clock.h"
#include "common/container.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/rate.h"

#include <stdlib.h>

enum { REVOCATION_KEPT_MS = 600000 }; /* longer than any look-up takes */

struct sanctions_row {
    struct sanction sanction;
    uint64_t address;
    int64_t known_ms;                /* clock_mono_ms */
    struct map_link link;            /* on the same user, address or hash of a name */
    struct sanctions_row *next_over; /* while they are swept out */
};

static bool in_force(const struct sanction *sanction)
{
    return !sanction->lifted && (!sanction->until_ms || sanction->until_ms > clock_wall_ms());
}

/* Operators choose the names. */
static uint64_t name_key(struct str name)
{
    return str_hash(name, STR_HASH_SEED);
}

/* The map whose chain the row is in. */
static struct map *map_of(struct sanctions *sanctions, const struct sanctions_row *row, uint64_t *key)
{
    *key = row->sanction.user ? row->sanction.user : row->address ? row->address : name_key(str_of(row->sanction.name));
    return row->sanction.user ? &sanctions->by_user : row->address ? &sanctions->by_address : &sanctions->by_name;
}

static void add(struct sanctions *sanctions, const struct sanction *sanction)
{
    struct sanctions_row *row = mem_zalloc(sizeof *row);
    uint64_t key;
    row->sanction = *sanction;
    row->known_ms = clock_mono_ms();
    row->address = rate_address_key(str_of(sanction->address));
    struct map *map = map_of(sanctions, row, &key);
    map_chain_add(map, key, &row->link);
    map_put(&sanctions->by_id, sanction->id, row);
    metric_set(METRIC_SANCTIONS, (int64_t)sanctions->by_id.count);
}

static void drop(struct sanctions *sanctions, struct sanctions_row *row)
{
    uint64_t key;
    struct map *map = map_of(sanctions, row, &key);
    map_chain_remove(map, key, &row->link);
    map_take(&sanctions->by_id, row->sanction.id);
    metric_set(METRIC_SANCTIONS, (int64_t)sanctions->by_id.count);
    free(row);
}

void sanctions_fini(struct sanctions *sanctions)
{
    struct sanctions_row *row;
    for (size_t at = 0; (row = map_next(&sanctions->by_id, &at)); at = 0)
        drop(sanctions, row);
    map_fini(&sanctions->by_id);
    map_fini(&sanctions->by_user);
    map_fini(&sanctions->by_address);
    map_fini(&sanctions->by_name);
}

bool sanctions_put(struct sanctions *sanctions, const struct sanction *sanction)
{
    struct sanctions_row *row = map_get(&sanctions->by_id, sanction->id);
    if (row && in_force(sanction))
        return false; /* of a row only lifted_at ever changes */
    if (row)
        drop(sanctions, row);
    else if (in_force(sanction))
        add(sanctions, sanction);
    bool is_new = !row && in_force(sanction);
    sanctions->tokens_voided += is_new && sanction->kind == SANCTION_REVOCATION && !sanction->user;
    return is_new;
}

static bool is_over(const struct sanctions_row *row, int64_t read_ms)
{
    if (row->sanction.kind == SANCTION_REVOCATION)
        return row->sanction.changed_ms < read_ms && clock_mono_ms() - row->known_ms > REVOCATION_KEPT_MS;
    return !in_force(&row->sanction);
}

void sanctions_sweep(struct sanctions *sanctions, int64_t read_ms)
{
    struct sanctions_row *row, *over = NULL;
    for (size_t at = 0; (row = map_next(&sanctions->by_id, &at));)
        if (is_over(row, read_ms)) {
            row->next_over = over;
            over = row;
        }
    while ((row = over)) { /* the map changes: not while it is gone through, or all were gone through for each */
        over = row->next_over;
        drop(sanctions, row);
    }
}

/* The next row on the same; `link` is a map's, or a row's. */
static const struct sanctions_row *row_of(struct map_link *link)
{
    return link ? container_of(link, struct sanctions_row, link) : NULL;
}

static bool is_in(const struct sanctions_row *row, enum sanction_kind kind, uint64_t conversation)
{
    const struct sanction *sanction = &row->sanction;
    return sanction->kind == kind && in_force(sanction) &&
           (!sanction->conversation || sanction->conversation == conversation);
}

static bool any(const struct map *map, uint64_t key, enum sanction_kind kind, uint64_t conversation)
{
    const struct sanctions_row *row = row_of(map_get(map, key)); /* a key that is 0 has none */
    while (row && !is_in(row, kind, conversation))
        row = row_of(row->link.next);
    return row;
}

bool sanctions_on(const struct sanctions *sanctions, enum sanction_kind kind, uint64_t user, uint64_t address,
                  uint64_t conversation)
{
    return sanctions && sanctions->by_id.count &&
           (any(&sanctions->by_user, user, kind, conversation) ||
            any(&sanctions->by_address, address, kind, conversation));
}

bool sanctions_revoked(const struct sanctions *sanctions, uint64_t user, uint64_t conversation, uint32_t generation)
{
    const struct sanctions_row *row =
        sanctions && sanctions->by_id.count ? row_of(map_get(&sanctions->by_user, user)) : NULL;
    while (row && !(is_in(row, SANCTION_REVOCATION, conversation) && generation < row->sanction.generation))
        row = row_of(row->link.next);
    return row;
}

bool sanctions_on_name(const struct sanctions *sanctions, enum sanction_kind kind, struct str name,
                       uint64_t conversation)
{
    const struct sanctions_row *row =
        sanctions && sanctions->by_id.count && name.len ? row_of(map_get(&sanctions->by_name, name_key(name))) : NULL;
    for (; row; row = row_of(row->link.next))
        if (is_in(row, kind, conversation) && str_eq(str_of(row->sanction.name), name))
            return true;
    return false;
}
