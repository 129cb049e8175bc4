#include "common/id.h"

#include "common/err.h"
#include "common/hex.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

static void random_bytes(void *out, size_t len)
{
    ssize_t got;
    do /* never short up to 256 bytes: getrandom(2) */
        got = getrandom(out, len, 0);
    while (got < 0 && errno == EINTR);
    CG_NEED(got == (ssize_t)len, "random numbers"); /* it refuses the first time or never */
}

void id_make(const char *prefix, char out[ID_MAX])
{
    unsigned char bits[16];
    random_bytes(bits, sizeof bits);
    int at = snprintf(out, ID_PREFIX_MAX + 1, "%s", prefix);
    CG_ASSERT(at > 0 && at <= ID_PREFIX_MAX);
    hex_write(out + at, bits, sizeof bits);
    out[at + 2 * (int)sizeof bits] = '\0';
}

bool id_is(struct str text, const char *prefix)
{
    size_t skip = strlen(prefix);
    if (text.len != skip + 32 || memcmp(text.ptr, prefix, skip) != 0)
        return false;
    for (size_t i = skip; i < text.len; i++)
        if (hex_digit(text.ptr[i]) < 0 || (text.ptr[i] >= 'A' && text.ptr[i] <= 'F'))
            return false;
    return true;
}

uint64_t id_random(void)
{
    uint64_t value;
    do
        random_bytes(&value, sizeof value);
    while (!value);
    return value;
}
