/* id.h: identifiers that serve as credentials: 128 random bits from the kernel, which neither collide nor can be
 * guessed. Never log them or show them to another user. Any thread. */
#ifndef CG_COMMON_ID_H
#define CG_COMMON_ID_H

#include "common/str.h"

#include <stdint.h>

enum { ID_PREFIX_MAX = 8, ID_MAX = ID_PREFIX_MAX + 32 + 1 }; /* bytes; ID_MAX with the NUL */

/* `prefix` (at most ID_PREFIX_MAX bytes) and 32 lower-case hexadecimal digits, NUL-terminated. */
void id_make(const char *prefix, char out[ID_MAX]);

/* Whether `text` has exactly the form of id_make(prefix). Check it before any look-up, so that padding or collation
 * cannot make another text match. */
bool id_is(struct str text, const char *prefix);

/* A random number, never 0. */
uint64_t id_random(void);

#endif
