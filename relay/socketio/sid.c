#include "relay/socketio/sid.h"

#include "common/base64.h"
#include "common/id.h"

#include <sodium.h>

enum { NUMBERS_BYTES = 24, MARK_BYTES = 9, RAW_BYTES = NUMBERS_BYTES + MARK_BYTES };

static void put(unsigned char *out, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)(number >> (56 - 8 * i));
}

static uint64_t get(const unsigned char *bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* The hash that says that numbers and home are ours. 72 bits of it: each guess costs a request to a relay. */
static void mark(const unsigned char secret[SID_SECRET_BYTES], const unsigned char numbers[NUMBERS_BYTES],
                 struct str home, unsigned char out[MARK_BYTES])
{
    unsigned char hash[crypto_generichash_BYTES], all[NUMBERS_BYTES + SID_HOME_MAX];
    memcpy(all, numbers, NUMBERS_BYTES);
    if (home.len)
        memcpy(all + NUMBERS_BYTES, home.ptr, home.len);
    int failed = crypto_generichash(hash, sizeof hash, all, NUMBERS_BYTES + home.len, secret, SID_SECRET_BYTES);
    CG_ASSERT(!failed);
    memcpy(out, hash, MARK_BYTES);
}

void sid_make(const unsigned char secret[SID_SECRET_BYTES], struct str home, uint64_t incarnation, uint64_t connection,
              char out[SID_MAX])
{
    unsigned char raw[RAW_BYTES];
    put(raw, incarnation);
    put(raw + 8, connection);
    put(raw + 16, id_random());
    CG_ASSERT(home.len <= SID_HOME_MAX);
    mark(secret, raw, home, raw + NUMBERS_BYTES);
    sodium_bin2base64(out, SID_MAX, raw, sizeof raw, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

bool sid_home_ok(struct str name)
{
    return name.len && name.len <= SID_HOME_MAX && base64url_is(name);
}

struct str sid_without_home(struct str text)
{
    size_t home = text.len > SID_LEN + 1 ? text.len - SID_LEN - 1 : 0;
    bool has_home = home && text.ptr[home] == '.' && sid_home_ok((struct str){text.ptr, home});
    return has_home ? (struct str){text.ptr + home + 1, SID_LEN} : text;
}

enum err sid_read(const unsigned char secret[SID_SECRET_BYTES], struct str text, uint64_t *incarnation,
                  uint64_t *connection)
{
    unsigned char raw[RAW_BYTES], expected[MARK_BYTES];
    size_t len;
    struct str sid = sid_without_home(text), home = {text.ptr, text.len > sid.len ? text.len - sid.len - 1 : 0};
    text = sid;
    if (text.len != SID_LEN || !base64url_is(text) || /* libsodium takes some bytes past ASCII for digits */
        sodium_base642bin(raw, sizeof raw, text.ptr, text.len, NULL, &len, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING))
        return ERR_INVALID;
    mark(secret, raw, home, expected);
    if (len != RAW_BYTES || sodium_memcmp(raw + NUMBERS_BYTES, expected, MARK_BYTES))
        return ERR_INVALID;
    *incarnation = get(raw);
    *connection = get(raw + 8);
    return ERR_OK;
}
