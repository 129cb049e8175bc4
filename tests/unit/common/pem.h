/* pem.h: keys as files have them. */
#ifndef CG_TESTS_UNIT_COMMON_PEM_H
#define CG_TESTS_UNIT_COMMON_PEM_H

#include "tests/unit/check.h"

#include <openssl/pem.h>

enum { PEM_ROOM = 8192 };

static inline void put_pem(char out[PEM_ROOM], EVP_PKEY *key, bool private)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(private ? PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                        : PEM_write_bio_PUBKEY(bio, key));
    int len = BIO_read(bio, out, PEM_ROOM - 1);
    assert_true(len > 0);
    out[len] = '\0';
    BIO_free(bio);
}

#endif
