/* token.h: JSON Web Tokens (RFC 7519): giving them out and believing them. The only module that knows
 * libjwt.
 *
 * There are two kinds, and the key tells which a token is. Tokens of Chaguan's own are signed with `jwt_secret` (it gives
 * them out itself) or with the private half of `jwt_public_key`, and their `sub` is one of Chaguan's own ids. Tokens of
 * the application are signed with one of its keys (keyring.h), and their `sub` is its own id of a user.
 *
 * The algorithm belongs to the key, never to the token: `jwt_secret` is used for nothing but HS256, `jwt_public_key` for
 * nothing but RS256, and each key of the application for the algorithm of its kind. A token's `kid` chooses among the
 * application's keys and nothing else: no file and no address is ever made of it. `jku`, `x5u`, `jwk` and `crit` are never
 * looked at. */
#ifndef CG_COMMON_TOKEN_H
#define CG_COMMON_TOKEN_H

#include "common/app_claims.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/id.h"
#include "common/settings.h"

enum {
    TOKEN_MAX = 4096,      /* bytes of a token's text; a longer one is not looked at */
    TOKEN_SECRET_MIN = 32, /* bytes: an HS256 key is as long as its hash (RFC 7518 section 3.2) */
    TOKEN_RSA_BITS_MIN = 2048,
};

struct keyring;

/* Read once at the start, never changed after, but for the keys in the ring: any thread may use it. */
struct token_keys {
    struct str secret;          /* HS256; empty: none are given out or taken. Borrowed from the settings. */
    struct evp_pkey_st *public; /* RS256; NULL: none are taken. Owned. */
    const char *audience;       /* borrowed from the settings, like all that follow */
    int64_t ttl_ms;
    struct keyring *app; /* the application's; NULL: it has none. Owned. */
    const char *app_audience, *media_url;
};

/* Reads the keys, and starts what keeps the application's up to date (keyring_new). `settings` must outlive them.
 * ERR_INVALID with one line that names the setting in `why`: the secret is too short, a file cannot be read, holds no
 * key, or one too weak. No setting given is no failure: then token_check refuses everything. */
enum err token_keys_load(const struct settings *settings, struct token_keys *keys, char why[256]) CG_MUST_CHECK;
void token_keys_fini(struct token_keys *keys);
/* On SIGHUP: the application's keys are read and fetched anew, without waiting for it. */
void token_keys_reload(struct token_keys *keys);

/* Appends a token for the user with that public id, of the present generation of their rights (common/rights.h), and
 * tells when it ends. ERR_NOT_FOUND: there is no secret, so none are given out. */
enum err token_make(const struct token_keys *keys, const char *user_id, uint32_t generation, struct buf *out,
                    int64_t *expires_unix_s) CG_MUST_CHECK;

/* What a token says. */
struct token {
    char user_id[ID_MAX];   /* Chaguan's own; empty: `app` says whom */
    struct app_claims *app; /* one piece of memory with its texts; NULL: it is none of the application's */
    int64_t expires_s;      /* Unix time, at most the year 9999 */
    int64_t issued_s;       /* likewise; 0: it does not say */
    int64_t generation;     /* `cg_gen`, which ours have; -1: it does not say */
};

/* Frees what token_check has made; a zeroed one is nothing. */
void token_fini(struct token *token);

/* Why a token is not believed. */
enum token_refusal {
    TOKEN_GOOD = 0,
    TOKEN_MISSING,     /* there is none */
    TOKEN_MALFORMED,   /* none at all, longer than TOKEN_MAX, without `exp`, or with a claim that breaks its rule */
    TOKEN_SIGNATURE,   /* not signed by the key that it names, or not with that key's algorithm */
    TOKEN_EXPIRED,     /* it has ended, or not begun (`nbf`); no leeway */
    TOKEN_AUDIENCE,    /* for somebody else: `aud` is neither ours nor a list with ours */
    TOKEN_UNKNOWN_KEY, /* no key has its `kid`; or it has none, and the application not exactly one key */
};
/* "token_expired"; and a sentence for people. Literals that need no escape. "" for TOKEN_GOOD. */
const char *token_refusal_code(enum token_refusal refusal);
const char *token_refusal_text(enum token_refusal refusal);

/* Whether two secrets are the same, in a time that tells nothing but how long they are. */
bool token_same(struct str one, struct str other);

/* Whom a token from outside speaks for, and until when. *out is set, and to be freed by token_fini, only if it is good;
 * whether that user exists, in which protocol, and whether the token was made void since (rights_accept) is the caller's
 * question.
 *
 * Never blocks, keeps no state, may run in any thread. Costs about 9 µs for HS256, 30 for RS256 with
 * 2048 bits and 70 for ES256, less for what is refused early. */
enum token_refusal token_check(const struct token_keys *keys, struct str token, struct token *out) CG_MUST_CHECK;

#endif
