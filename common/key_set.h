/* key_set.h: the keys that verify an application's tokens: read from files and JWK Sets (RFC 7517), found by `kid`,
 * each restricted to the one algorithm of its kind. Knows no tokens. A set that is complete may be read by any thread.
 *
 * A public key is of RSA with TOKEN_RSA_BITS_MIN to KEY_RSA_BITS_MAX bits (RS256) or of the curve P-256 (ES256); a secret
 * has at least TOKEN_SECRET_MIN bytes (HS256). */
#ifndef CG_COMMON_KEY_SET_H
#define CG_COMMON_KEY_SET_H

#include "common/err.h"
#include "common/str.h"

enum {
    KEY_SET_MAX = 64,        /* keys in one folder or JWK Set */
    KEY_ID_MAX = 128,        /* bytes of a kid */
    KEY_FILE_MAX = 16384,    /* bytes of one key's file */
    KEY_JWKS_MAX = 262144,   /* bytes of a JWK Set */
    KEY_RSA_BITS_MIN = 2048, /* fewer are too weak (RFC 7518 section 3.3) */
    KEY_RSA_BITS_MAX = 8192, /* more take long to check */
    KEY_SECRET_MIN = 32,     /* bytes: as long as the hash (RFC 7518 section 3.2) */
};

enum key_alg { KEY_HS256 = 1, KEY_RS256, KEY_ES256 };

struct key {
    char *kid; /* empty: it has none */
    enum key_alg alg;
    struct str secret;          /* of KEY_HS256: its bytes */
    struct evp_pkey_st *public; /* of the others; parsed once, because that takes ten times as long as verifying */
};

struct key_set {
    struct key *keys;
    size_t count;
    unsigned refs; /* for the owner's use (common/keyring.c) */
};

struct key_set *key_set_new(void);
void key_set_free(struct key_set *set); /* NULL: nothing */

/* Adds the keys of `dir`: KID.pem is a public key, KID.secret the bytes of a secret, without a line end after them.
 * Skips other names, and those that begin with a dot. ERR_INVALID with one line in `why` for the first invalid file;
 * the set must not be used then. */
enum err key_set_read_dir(struct key_set *set, const char *dir, char why[256]) CG_MUST_CHECK;

/* Adds the usable keys of a JWK Set. Skips keys for encryption, of other kinds, curves or algorithms, too weak ones,
 * and known kids. `secrets`: accepts kind "oct", too, whose keys are only secret in a file. ERR_INVALID with one line
 * in `why`: it is no JWK Set, has more than KEY_SET_MAX keys, or none that is usable. */
enum err key_set_read_jwks(struct key_set *set, struct str text, bool secrets, char why[256]) CG_MUST_CHECK;
enum err key_set_read_jwks_file(struct key_set *set, const char *path, char why[256]) CG_MUST_CHECK;

/* Adds copies of another set's keys, except those whose kid is known; returns how many were skipped. */
size_t key_set_add_all(struct key_set *set, const struct key_set *from);

/* The key with that kid, which must not be empty; NULL: there is none. */
const struct key *key_set_find(const struct key_set *set, struct str kid);

#endif
