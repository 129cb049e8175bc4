/* digest.h: SHA-256 of a text, for what is kept in the place of a secret, or to tell two requests apart. */
#ifndef CG_COMMON_DIGEST_H
#define CG_COMMON_DIGEST_H

#include "common/str.h"

enum { DIGEST_MAX = 64 + 1 }; /* lower-case hexadecimal digits and a NUL */

/* Of all parts, as if they were one text. */
void digest_make(const struct str *parts, size_t count, char out[DIGEST_MAX]);

#endif
