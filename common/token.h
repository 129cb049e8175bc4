/* token.h: issues and verifies JSON Web Tokens (RFC 7519). The only module that uses libjwt.
 *
 * There are two kinds, distinguished by the key. Chaguan's own tokens are signed with `jwt_secret` (by Chaguan itself)
 * or with the private half of `jwt_public_key`, and their `sub` is one of Chaguan's ids. Tokens of the application are
 * signed with one of its keys (keyring.h), and their `sub` is the application's id of a user.
 *
 * The key determines the algorithm, never the token: `jwt_secret` is used only for HS256, `jwt_public_key` only for
 * RS256, and each of the application's keys for the algorithm of its kind. A token's `kid` only selects one of the
 * application's keys, and is never used as a file name or an address. `jku`, `x5u`, `jwk` and `crit` are ignored. */
#ifndef CG_COMMON_TOKEN_H
#define CG_COMMON_TOKEN_H

#include "common/app_claims.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/settings.h"

enum {
    TOKEN_MAX = 4096,      /* bytes of a token; longer ones are refused */
    TOKEN_SECRET_MIN = 32, /* bytes: an HS256 key is as long as its hash (RFC 7518 section 3.2) */
    TOKEN_RSA_BITS_MIN = 2048,
};

struct keyring;

/* Loaded at the start. Any thread may use it; token_keys_reload may replace keys meanwhile. */
struct token_keys {
    const struct settings *settings; /* borrowed, as the texts */
    const char *secret;              /* HS256: see token_secret */
    struct evp_pkey_st *public;      /* RS256; NULL: none are accepted. Owned. */
    struct token_retired *retired;   /* public keys that were replaced */
    const char *audience;            /* borrowed from the settings, as the texts below */
    int64_t ttl_ms;
    struct keyring *app; /* the application's; NULL: it has none. Owned. */
    const char *app_audience, *media_url;
};

/* Loads the keys and starts the keyring (keyring_new). `settings` must outlive them. ERR_INVALID with one line in
 * `why` that names the setting: the secret is too short, or a file cannot be read or has no key or a weak one. Without
 * any such setting it succeeds, and token_check refuses everything. */
enum err token_keys_load(const struct settings *settings, struct token_keys *keys, char why[256]) CG_MUST_CHECK;
/* The same, but keeps nothing, starts nothing and does not ask the URL. */
enum err token_keys_check(const struct settings *settings, char why[256]) CG_MUST_CHECK;
void token_keys_fini(struct token_keys *keys);
/* The key of our own tokens as it is now; empty: none are issued or accepted. Any thread. */
struct str token_secret(const struct token_keys *keys);
/* On SIGHUP, after program_renew: takes the settings' jwt_secret, reads jwt_public_key again, and has the application's
 * keys read again, without waiting. A key that cannot be used is logged, and the former stays. One thread at a time. */
void token_keys_reload(struct token_keys *keys);

/* Appends a token for the user with that public id, with the generation of their rights (common/rights.h), and sets
 * the time it expires. ERR_NOT_FOUND: there is no secret, so none are issued. */
enum err token_make(const struct token_keys *keys, const char *user_id, uint32_t generation, struct buf *out,
                    int64_t *expires_unix_s) CG_MUST_CHECK;

/* A verified token. */
struct token {
    char user_id[ID_MAX];   /* Chaguan's own id; empty: the user is in `app` */
    struct app_claims *app; /* one allocation with its texts; NULL: it is not an application's token */
    int64_t expires_s;      /* Unix time, at most the year 9999 */
    int64_t issued_s;       /* likewise; 0: not given */
    int64_t generation;     /* `cg_gen` in our own tokens; -1: not given */
};

/* Frees what token_check has set. A zeroed token is valid here. */
void token_fini(struct token *token);

/* Why a token is refused. */
enum token_refusal {
    TOKEN_GOOD = 0,
    TOKEN_MISSING,     /* there is none */
    TOKEN_MALFORMED,   /* no JWT, longer than TOKEN_MAX, without `exp`, or with an invalid claim */
    TOKEN_SIGNATURE,   /* not signed by the key that it names, or not with that key's algorithm */
    TOKEN_EXPIRED,     /* expired, or not valid yet (`nbf`); no leeway */
    TOKEN_AUDIENCE,    /* `aud` is neither our audience nor a list with it */
    TOKEN_UNKNOWN_KEY, /* no key has its `kid`; or it has none, and there is not exactly one key */
};
/* "token_expired"; and a sentence for people. Literals that need no escape. "" for TOKEN_GOOD. */
const char *token_refusal_code(enum token_refusal refusal);
const char *token_refusal_text(enum token_refusal refusal);

/* Compares two secrets in a time that depends only on their lengths. */
bool token_same(struct str one, struct str other);

/* Verifies a token from outside. Only if it is valid, *out is set and must be freed with token_fini. The caller must
 * check whether the user exists, and whether the token was revoked (rights_accept).
 *
 * Never blocks, keeps no state, may run in any thread. Takes about 9 µs for HS256, 30 for RS256 with 2048 bits and 70
 * for ES256, less if refused early. */
enum token_refusal token_check(const struct token_keys *keys, struct str token, struct token *out) CG_MUST_CHECK;

#endif
