/* str.h: a borrowed run of bytes. Not NUL-terminated, not owned; may hold any byte. */
#ifndef CG_COMMON_STR_H
#define CG_COMMON_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})

static inline struct str str_of(const char *text)
{
    return (struct str){text ? text : "", text ? strlen(text) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* FNV-1a, never 0: a key for a map, or a slot. Equal hashes must be told apart by comparing the bytes. `seed`:
 * STR_HASH_SEED, or a random number if clients choose the text and could profit from collisions. */
#define STR_HASH_SEED UINT64_C(0xcbf29ce484222325)
static inline uint64_t str_hash(struct str text, uint64_t seed)
{
    for (size_t i = 0; i < text.len; i++)
        seed = (seed ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    return seed ? seed : 1;
}

/* Moves the first `len` bytes from *from to *taken. False, without effect, if there are fewer. */
static inline bool str_take(struct str *from, size_t len, struct str *taken)
{
    if (from->len < len)
        return false;
    *taken = (struct str){from->ptr, len};
    from->ptr += len;
    from->len -= len;
    return true;
}

/* The same, copied into `out`. */
static inline bool str_copy_off(struct str *from, size_t len, void *out)
{
    struct str taken;
    if (!str_take(from, len, &taken))
        return false;
    memcpy(out, taken.ptr, len);
    return true;
}

#endif
