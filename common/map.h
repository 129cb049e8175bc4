/* map.h: a hash table from a non-zero 64-bit number to a pointer. Open addressing, at most 3/4 full, resized
 * automatically. The caller owns what the pointers point to. Not thread-safe. */
#ifndef CG_COMMON_MAP_H
#define CG_COMMON_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint64_t key; /* 0: free */
    void *value;
};

struct map {
    struct map_slot *slots; /* NULL while empty */
    size_t cap;             /* 0 or a power of two */
    size_t count;
};

/* A zeroed struct map is an empty one. */
void map_fini(struct map *map);

/* NULL if there is none. */
void *map_get(const struct map *map, uint64_t key);
/* Sets or replaces the value; `key` must not be 0 and `value` not NULL. */
void map_put(struct map *map, uint64_t key, void *value);
/* Removes the entry and returns its value; NULL if there was none. */
void *map_take(struct map *map, uint64_t key);

/* For keys that are hashes: the values of one key are a chain, whose links are part of them (container_of). map_get gives
 * the first struct map_link of it, or NULL. */
struct map_link {
    struct map_link *next;
};

/* `link` becomes the first of its chain. */
void map_chain_add(struct map *map, uint64_t key, struct map_link *link);
/* `link` is in that chain. */
void map_chain_remove(struct map *map, uint64_t key, const struct map_link *link);

/* Visits every entry: for (size_t at = 0; (value = map_next(&map, &at));). The map must not change
 * in between. */
void *map_next(const struct map *map, size_t *at);

#endif
