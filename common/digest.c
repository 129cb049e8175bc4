#include "common/digest.h"

#include "common/hex.h"

#include <sodium.h>

_Static_assert(DIGEST_MAX == 2 * crypto_hash_sha256_BYTES + 1, "a digest fits");

void digest_make(const struct str *parts, size_t count, char out[DIGEST_MAX])
{
    crypto_hash_sha256_state state;
    unsigned char bytes[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < count; i++)
        if (parts[i].len)
            crypto_hash_sha256_update(&state, (const unsigned char *)parts[i].ptr, parts[i].len);
    crypto_hash_sha256_final(&state, bytes);
    hex_write(out, bytes, sizeof bytes);
    out[DIGEST_MAX - 1] = '\0';
}
