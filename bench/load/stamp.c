#include "bench/load/stamp.h"

#include <string.h>

static char *put_hex(char *out, uint64_t number, unsigned digits)
{
    for (unsigned i = digits; i--; number >>= 4)
        out[i] = "0123456789abcdef"[number & 15];
    return out + digits;
}

void stamp_write(char *out, size_t len, const struct stamp *stamp)
{
    char *end = out + len;
    *out++ = 't';
    *out++ = '=';
    out = put_hex(out, stamp->run, 8);
    out = put_hex(out, stamp->room, 8);
    out = put_hex(out, stamp->number, 8);
    out = put_hex(out, stamp->due_ns, 16);
    *out++ = ';';
    memset(out, '0', (size_t)(end - out));
}

/* Eight digits at once: each byte becomes its value, then neighbours are joined, by two, by four, by eight. Sets
 * bits of `bad` if they are no digits. */
static uint64_t take_hex(const char *text, uint64_t *bad)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x;
    memcpy(&x, text, sizeof x);
    uint64_t low = x & 0x0f * ones, letter = x >> 6 & ones; /* '0' to '9' are 0x30 to 0x39, 'a' to 'f' 0x61 to 0x66 */
    *bad |= x ^ ((low | 0x30 * ones) ^ 0x50 * letter);
    *bad |= (low + 6 * ones + 3 * letter) & 0x10 * ones;
    x = __builtin_bswap64(low + 9 * letter);
    x = (x | x >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (x | x >> 16) & UINT32_MAX;
}

bool stamp_read(const char *text, struct stamp *stamp)
{
    uint64_t bad = 0;
    if (text[0] != 't' || text[1] != '=' || text[STAMP_LEN - 1] != ';')
        return false;
    stamp->run = (uint32_t)take_hex(text + 2, &bad);
    stamp->room = (uint32_t)take_hex(text + 10, &bad);
    stamp->number = (uint32_t)take_hex(text + 18, &bad);
    stamp->due_ns = take_hex(text + 26, &bad) << 32;
    stamp->due_ns |= take_hex(text + 34, &bad);
    return !bad;
}
