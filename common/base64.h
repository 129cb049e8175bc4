/* base64.h: RFC 4648. libsodium does it; what it lets through and we do not is refused here. */
#ifndef CG_COMMON_BASE64_H
#define CG_COMMON_BASE64_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

/* Whether the text is of the 64 digits alone, of base64 or of base64url. */
bool base64_is(struct str text);
bool base64url_is(struct str text);

/* How long the base64 of so many bytes is, with its padding. */
static inline size_t base64_len(size_t len)
{
    return (len + 2) / 3 * 4;
}

/* Appends the bytes as base64 with padding. */
void base64_add(struct buf *out, struct str bytes);

/* Appends the bytes that it stands for. With padding, and nothing in it that does not count but line breaks, which Java's
 * encoders put after 76 digits and at the end (RFC 2045 section 6.8). Bits that no byte gets must be 0: so each text has
 * one form, but for its line breaks. ERR_INVALID else; ERR_TOO_BIG: `out` does not take it. */
enum err base64_decode(struct str text, struct buf *out) CG_MUST_CHECK;
/* The same of base64url, without padding and without line breaks, as JSON Web Keys and Tokens have it. */
enum err base64url_decode(struct str text, struct buf *out) CG_MUST_CHECK;

#endif
