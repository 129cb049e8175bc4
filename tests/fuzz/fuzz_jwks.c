/* JWK Sets from an address: whatever stands there, what is taken is a sound public key of its one algorithm. */
#include "common/key_set.h"
#include "common/log.h"
#include "common/mem.h"

#include <openssl/evp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[256] = "";
    struct key_set *set = key_set_new();
    enum err err = key_set_read_jwks(set, (struct str){(const char *)data, size}, false, why);
    CG_ASSERT(err == ERR_OK || err == ERR_INVALID);
    CG_ASSERT((err == ERR_OK) == (set->count > 0) && set->count <= KEY_SET_MAX && (!err || *why));
    for (size_t i = 0; i < set->count; i++) {
        const struct key *key = &set->keys[i];
        CG_ASSERT(key->public && !key->secret.len && strlen(key->kid) <= KEY_ID_MAX);
        CG_ASSERT(EVP_PKEY_base_id(key->public) == (key->alg == KEY_RS256 ? EVP_PKEY_RSA : EVP_PKEY_EC));
        CG_ASSERT(key->alg == KEY_RS256 || key->alg == KEY_ES256);
    }
    key_set_free(set);
    return 0;
}
