/* token.h: JSON Web Tokens (RFC 7519): giving them out and believing them. The only module that knows
 * libjwt.
 *
 * The algorithm belongs to the key, never to the token: with `jwt_secret` nothing but HS256 is taken,
 * with `jwt_public_key` nothing but RS256. A token's `kid`, `jku`, `x5u` and `crit` are never looked at: no
 * key is ever looked up. */
#ifndef CG_COMMON_TOKEN_H
#define CG_COMMON_TOKEN_H

#include "common/buf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/settings.h"

enum {
    TOKEN_MAX = 4096,      /* bytes of a token's text; a longer one is not looked at */
    TOKEN_SECRET_MIN = 32, /* bytes: an HS256 key is as long as its hash (RFC 7518 section 3.2) */
    TOKEN_RSA_BITS_MIN = 2048,
};

/* Read once at the start, never changed after: any thread may use it. */
struct token_keys {
    struct str secret;    /* HS256; empty: none are given out or taken. Borrowed from the settings. */
    struct str pem;       /* RS256; empty: none are taken. NUL-terminated. Owned. */
    const char *audience; /* borrowed from the settings */
    int64_t ttl_ms;
};

/* Reads the keys. `settings` must outlive them. ERR_INVALID with one line that names the setting in `why`:
 * the secret is too short, the file cannot be read, holds no RSA public key, or one too short. Neither
 * setting given is no failure: then token_check refuses everything. */
enum err token_keys_load(const struct settings *settings, struct token_keys *keys, char why[256]) CG_MUST_CHECK;
void token_keys_fini(struct token_keys *keys);

/* Appends a token for the user with that public id, of the present generation of their rights (common/rights.h), and
 * tells when it ends. ERR_NOT_FOUND: there is no secret, so none are given out. */
enum err token_make(const struct token_keys *keys, const char *user_id, uint32_t generation, struct buf *out,
                    int64_t *expires_unix_s) CG_MUST_CHECK;

/* What a token says. */
struct token {
    char user_id[ID_MAX];
    int64_t expires_s;  /* Unix time, at most the year 9999 */
    int64_t issued_s;   /* likewise; 0: it does not say */
    int64_t generation; /* `cg_gen`, which ours have; -1: it does not say */
};

/* Whether two secrets are the same, in a time that tells nothing but how long they are. */
bool token_same(struct str one, struct str other);

/* Whom a token from outside speaks for, and until when. ERR_DENIED for every token
 * that is not signed by one of the keys with that key's algorithm, has ended or not begun (no leeway), is for
 * another audience (`aud`, a text or an array that holds ours), lacks `exp`, `aud` or a `sub` (or, without one, an `id`) in the shape of
 * a user's id, is longer than TOKEN_MAX or no token at all. *out is set only on success;
 * whether that user exists, in which protocol, and whether the token was made void since (rights_accept) is the caller's
 * question.
 *
 * Never blocks, keeps no state, may run in any thread. Costs about 9 µs for HS256 and 300 µs for RS256 with
 * 2048 bits (libjwt reads the PEM anew each time), less for what is refused early. */
enum err token_check(const struct token_keys *keys, struct str token, struct token *out) CG_MUST_CHECK;

#endif
