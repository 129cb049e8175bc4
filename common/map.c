#include "common/map.h"

#include "common/err.h"
#include "common/mem.h"

#include <stdlib.h>

enum { LEAST_CAP = 8 };

/* The finalizer of splitmix64: consecutive database ids spread over the table. */
static uint64_t mix(uint64_t key)
{
    key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9u;
    key = (key ^ (key >> 27)) * 0x94d049bb133111ebu;
    return key ^ (key >> 31);
}

void map_fini(struct map *map)
{
    free(map->slots);
    *map = (struct map){0};
}

/* The slot that holds `key`, or the free one where it would go. */
static struct map_slot *seek(const struct map *map, uint64_t key)
{
    size_t at = mix(key) & (map->cap - 1);
    while (map->slots[at].key && map->slots[at].key != key)
        at = (at + 1) & (map->cap - 1);
    return &map->slots[at];
}

void *map_get(const struct map *map, uint64_t key)
{
    return map->cap && key ? seek(map, key)->value : NULL;
}

static void resize(struct map *map, size_t cap)
{
    struct map old = *map;
    map->slots = mem_zalloc(cap * sizeof *map->slots);
    map->cap = cap;
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].key)
            *seek(map, old.slots[i].key) = old.slots[i];
    free(old.slots);
}

void map_put(struct map *map, uint64_t key, void *value)
{
    CG_ASSERT(key && value);
    if (!map->cap)
        resize(map, LEAST_CAP);
    else if (map->count + 1 > map->cap / 4 * 3)
        resize(map, map->cap * 2);
    struct map_slot *slot = seek(map, key);
    map->count += !slot->key;
    *slot = (struct map_slot){key, value};
}

void *map_take(struct map *map, uint64_t key)
{
    if (!map->cap || !key)
        return NULL;
    struct map_slot *slot = seek(map, key);
    void *value = slot->value;
    if (!slot->key)
        return NULL;
    *slot = (struct map_slot){0};
    map->count--;
    /* Close the hole: what stands after it, up to a free slot, may belong into it. */
    size_t at = (size_t)(slot - map->slots);
    for (;;) {
        at = (at + 1) & (map->cap - 1);
        struct map_slot moved = map->slots[at];
        if (!moved.key)
            break;
        map->slots[at] = (struct map_slot){0};
        *seek(map, moved.key) = moved;
    }
    if (map->cap > LEAST_CAP && map->count < map->cap / 8)
        resize(map, map->cap / 2);
    return value;
}

void map_chain_add(struct map *map, uint64_t key, struct map_link *link)
{
    link->next = map_get(map, key);
    map_put(map, key, link);
}

void map_chain_remove(struct map *map, uint64_t key, const struct map_link *link)
{
    struct map_link *first = map_get(map, key), **at = &first;
    while (*at && *at != link)
        at = &(*at)->next;
    CG_ASSERT(*at);
    *at = link->next;
    if (first)
        map_put(map, key, first);
    else
        map_take(map, key);
}

void *map_next(const struct map *map, size_t *at)
{
    while (*at < map->cap) {
        struct map_slot *slot = &map->slots[(*at)++];
        if (slot->key)
            return slot->value;
    }
    return NULL;
}
