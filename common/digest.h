/* digest.h: SHA-256 in hexadecimal, to store in place of a secret, or to compare requests. Any thread. */
#ifndef CG_COMMON_DIGEST_H
#define CG_COMMON_DIGEST_H

#include "common/str.h"

enum { DIGEST_MAX = 64 + 1 }; /* lower-case hexadecimal digits and a NUL */

/* The digest of all parts joined. */
void digest_make(const struct str *parts, size_t count, char out[DIGEST_MAX]);

#endif
