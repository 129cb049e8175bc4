/* unfinished.h: counts the bytes of incomplete messages and requests, and bounds them for the process
 * (unfinished_bytes). Loop thread only.
 *
 * Code that collects the pieces of a message has a struct unfinished, and reports the memory they take whenever that
 * changes. Past the bound, the address that uses most loses its largest message (the oldest among those of about equal
 * size), until there is room again. A flood of incomplete messages therefore removes its own. */
#ifndef CG_RELAY_CORE_UNFINISHED_H
#define CG_RELAY_CORE_UNFINISHED_H

#include <stddef.h>
#include <stdint.h>

struct unfinished_address;

/* Zeroed but for `drop`: 0 bytes. */
struct unfinished {
    struct unfinished *older, *newer; /* of the same address and of about its size */
    struct unfinished_address *address;
    size_t bytes;
    /* Must free the bytes now and report that with unfinished_set, or do nothing if that is not possible. May free the
     * struct, too. */
    void (*drop)(struct unfinished *unfinished);
};

/* Sets the bound. 0, the default: no bound. */
void unfinished_limit(size_t bytes);
/* Reports the bytes. `address`: rate_address_key, or 0 if unknown. May call `drop` of any, this one included, before it
 * returns. */
void unfinished_set(struct unfinished *unfinished, uint64_t address, size_t bytes);
size_t unfinished_total(void);

#endif
