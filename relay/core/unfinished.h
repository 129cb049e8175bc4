/* unfinished.h: messages and requests that clients have begun and not finished, and their bound for the process
 * (unfinished_bytes). Loop thread only.
 *
 * Whoever keeps pieces until they are whole has a struct unfinished and says how large they are whenever that changes:
 * what the memory is. Past the bound the address that keeps most loses the largest of its own, of about equal ones that
 * which has stood longest, until there is room again. So whoever fills it with what never ends puts out themselves. */
#ifndef CG_RELAY_CORE_UNFINISHED_H
#define CG_RELAY_CORE_UNFINISHED_H

#include <stddef.h>
#include <stdint.h>

struct unfinished_address;

/* A zeroed one, with `drop`, is none. */
struct unfinished {
    struct unfinished *older, *newer; /* of the same address and of about its size */
    struct unfinished_address *address;
    size_t bytes;
    /* It is too large: frees the bytes now and says so with unfinished_set, or leaves it if that cannot be. May free the
     * struct, too. */
    void (*drop)(struct unfinished *unfinished);
};

/* 0: no bound, as before this is called. */
void unfinished_limit(size_t bytes);
/* `address`: a key of rate.h, 0: not known. May drop others, and this one, before it returns. */
void unfinished_set(struct unfinished *unfinished, uint64_t address, size_t bytes);
size_t unfinished_total(void);

#endif
