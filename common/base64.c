#include "common/base64.h"

#include <sodium.h>

static bool is_of(struct str text, const char *others)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && (!c || !strchr(others, c)))
            return false;
    }
    return true;
}

bool base64_is(struct str text)
{
    return is_of(text, "+/");
}

bool base64url_is(struct str text)
{
    return is_of(text, "-_");
}

/* libsodium puts a NUL behind what it writes, for which there may be no room: so the last digits go by way of `end`. */
void base64_add(struct buf *out, struct str bytes)
{
    size_t len = base64_len(bytes.len), whole = bytes.len ? (bytes.len - 1) / 3 * 3 : 0;
    char end[5], *at = buf_reserve(out, len);
    if (!at || !len)
        return;
    const unsigned char *from = (const unsigned char *)bytes.ptr;
    sodium_bin2base64(at, len, from, whole, sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(end, sizeof end, from + whole, bytes.len - whole, sodium_base64_VARIANT_ORIGINAL);
    memcpy(at + len - 4, end, 4);
    out->len += len;
}

/* libsodium takes some bytes past ASCII for digits, and passes over NULs with the line breaks. */
static enum err decode(struct str text, size_t most, const char *others, const char *ignored, int variant,
                       struct buf *out)
{
    size_t len = 0;
    unsigned char none, *at = most ? (unsigned char *)buf_reserve(out, most) : &none;
    if (!at)
        return ERR_TOO_BIG;
    if (!is_of(text, others) || sodium_base642bin(at, most, text.ptr, text.len, ignored, &len, NULL, variant))
        return ERR_INVALID;
    out->len += len;
    return ERR_OK;
}

enum err base64_decode(struct str text, struct buf *out)
{
    return decode(text, text.len / 4 * 3, "+/=\r\n", "\r\n", sodium_base64_VARIANT_ORIGINAL, out);
}

enum err base64url_decode(struct str text, struct buf *out)
{
    size_t rest = text.len % 4;
    return decode(text, text.len / 4 * 3 + (rest ? rest - 1 : 0), "-_", NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING,
                  out);
}
