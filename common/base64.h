/* base64.h: base64 and base64url (RFC 4648), by libsodium with stricter checks. Any thread. */
#ifndef CG_COMMON_BASE64_H
#define CG_COMMON_BASE64_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

/* Whether the text consists only of the 64 digits of base64 or base64url. */
bool base64_is(struct str text);
bool base64url_is(struct str text);

/* The length of `len` bytes as base64 with padding. */
static inline size_t base64_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

/* Appends the bytes as base64 with padding. */
void base64_add(struct buf *out, struct str bytes);

/* Decodes and appends to `out`. Padding is required, and unused bits must be 0, so that each value has one form. Line
 * breaks are ignored, because Java's encoders add them after 76 digits and at the end (RFC 2045 section 6.8).
 * ERR_INVALID otherwise; ERR_TOO_BIG: it does not fit into `out`. */
enum err base64_decode(struct str text, struct buf *out) CG_MUST_CHECK;
/* The same for base64url without padding or line breaks, as in JSON Web Keys and Tokens. */
enum err base64url_decode(struct str text, struct buf *out) CG_MUST_CHECK;

#endif
