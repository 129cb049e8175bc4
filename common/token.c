#include "common/token.h"

#include "common/base64.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"

#include <errno.h>
#include <jwt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>

enum { PEM_MAX = 16384 };
static const int64_t LATEST_S = INT64_C(253402300799); /* 9999-12-31: keeps sums of times small */

#define USER_PREFIX "user_"

/* ---- keys ---- */

/* 0 if `pem` holds no RSA public key. */
static int rsa_bits(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    int bits = key && EVP_PKEY_base_id(key) == EVP_PKEY_RSA ? EVP_PKEY_bits(key) : 0;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return bits;
}

static enum err read_pem(const char *path, struct token_keys *keys, char why[256])
{
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(why, 256, "jwt_public_key: cannot read %.150s: %s", path, strerror(errno));
        return ERR_INVALID;
    }
    char *text = mem_zalloc(PEM_MAX + 1);
    keys->pem = (struct str){text, fread(text, 1, PEM_MAX, file)};
    bool whole = !ferror(file) && getc(file) == EOF;
    fclose(file);
    int bits = whole ? rsa_bits(keys->pem) : 0;
    if (bits >= TOKEN_RSA_BITS_MIN)
        return ERR_OK;
    if (bits)
        snprintf(why, 256, "jwt_public_key: the key in %.150s has %d bits, at least %d are needed", path, bits,
                 TOKEN_RSA_BITS_MIN);
    else
        snprintf(why, 256, "jwt_public_key: %.150s holds no RSA public key in PEM (\"BEGIN PUBLIC KEY\")", path);
    return ERR_INVALID;
}

enum err token_keys_load(const struct settings *settings, struct token_keys *keys, char why[256])
{
    *keys = (struct token_keys){
        .secret = str_of(settings->jwt_secret), .audience = settings->jwt_audience, .ttl_ms = settings->jwt_ttl_ms};
    if (keys->secret.len && keys->secret.len < TOKEN_SECRET_MIN) {
        snprintf(why, 256, "jwt_secret: has %zu bytes, at least %d are needed", keys->secret.len, TOKEN_SECRET_MIN);
        return ERR_INVALID;
    }
    enum err err = ERR_OK;
    if (settings->jwt_public_key && *settings->jwt_public_key)
        err = read_pem(settings->jwt_public_key, keys, why);
    if (err)
        token_keys_fini(keys);
    return err;
}

void token_keys_fini(struct token_keys *keys)
{
    free((char *)keys->pem.ptr);
    *keys = (struct token_keys){0};
}

/* ---- giving out ---- */

bool token_same(struct str one, struct str other)
{
    return one.len == other.len && (!one.len || !CRYPTO_memcmp(one.ptr, other.ptr, one.len));
}

enum err token_make(const struct token_keys *keys, const char *user_id, uint32_t generation, struct buf *out,
                    int64_t *expires_unix_s)
{
    jwt_t *jwt;
    if (!keys->secret.len)
        return ERR_NOT_FOUND;
    int64_t now_s = clock_wall_ms() / 1000, end_s = now_s + keys->ttl_ms / 1000;
    if (jwt_new(&jwt))
        return ERR_INTERNAL;
    bool fine = !jwt_add_grant(jwt, "sub", user_id) && !jwt_add_grant(jwt, "aud", keys->audience) &&
                !jwt_add_grant_int(jwt, "iat", now_s) && !jwt_add_grant_int(jwt, "exp", end_s) &&
                !jwt_add_grant_int(jwt, "cg_gen", (long)generation) &&
                !jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)keys->secret.ptr, (int)keys->secret.len);
    char *text = fine ? jwt_encode_str(jwt) : NULL;
    if (!text) {
        jwt_free(jwt);
        return ERR_INTERNAL;
    }
    buf_add_text(out, text);
    *expires_unix_s = end_s;
    free(text);
    jwt_free(jwt);
    return ERR_OK;
}

/* ---- believing ---- */

/* Three parts of base64url. libjwt skips over what it does not know, and would take a NUL for the end. */
static bool has_shape(struct str token)
{
    int dots = 0;
    for (const char *dot; token.len && (dot = memchr(token.ptr, '.', token.len)); dots++) {
        size_t len = (size_t)(dot - token.ptr);
        if (!base64url_is((struct str){token.ptr, len}))
            return false;
        token = (struct str){dot + 1, token.len - len - 1};
    }
    return dots == 2 && base64url_is(token);
}

/* What the token says of itself chooses among our keys; each is then used with its own algorithm only. */
static struct str key_for(const struct token_keys *keys, const char *text, jwt_alg_t *alg)
{
    jwt_t *unverified = NULL;
    struct str key = STR("");
    *alg = JWT_ALG_NONE;
    if (jwt_decode(&unverified, text, NULL, 0))
        return key;
    struct str name = str_of(jwt_get_header(unverified, "alg")); /* jwt_get_alg says none without a key */
    if (str_eq(name, STR("HS256"))) {
        *alg = JWT_ALG_HS256;
        key = keys->secret;
    } else if (str_eq(name, STR("RS256"))) {
        *alg = JWT_ALG_RS256;
        key = keys->pem;
    }
    jwt_free(unverified);
    return key;
}

/* ---- claims, by our own rules: libjwt's getters do not tell a missing one from one of another type ---- */

static bool is_in_time(struct json_object *claims, int64_t *expires_unix_s)
{
    int64_t now_s = clock_wall_ms() / 1000, exp, nbf;
    if (!json_get_int(claims, "exp", 0, INT64_MAX, &exp) || exp <= now_s)
        return false;
    *expires_unix_s = exp < LATEST_S ? exp : LATEST_S;
    return !json_object_object_get_ex(claims, "nbf", NULL) || json_get_int(claims, "nbf", 0, now_s, &nbf);
}

/* `aud` is a text or an array that may hold ours (RFC 7519 section 4.1.3). */
static bool is_for(struct json_object *claims, const char *audience)
{
    struct json_object *aud = json_object_object_get(claims, "aud");
    if (json_object_is_type(aud, json_type_string))
        return !strcmp(json_object_get_string(aud), audience);
    size_t count = json_object_is_type(aud, json_type_array) ? json_object_array_length(aud) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(aud, i);
        if (json_object_is_type(item, json_type_string) && !strcmp(json_object_get_string(item), audience))
            return true;
    }
    return false;
}

/* Whom it speaks for: `sub`, or `id`, which many issuers write; if both are a user's, it is `sub`. */
static bool read_user(struct json_object *claims, struct str *user_id)
{
    static const char *const names[] = {"sub", "id"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (json_get_string(claims, names[i], user_id) && id_is(*user_id, USER_PREFIX))
            return true;
    return false;
}

static enum err check_claims(const struct token_keys *keys, jwt_t *jwt, struct token *out)
{
    char *text = jwt_get_grants_json(jwt, NULL); /* all of them */
    struct json_object *claims = NULL;
    struct str sub;
    int64_t expires_s;
    bool fine = text && !json_parse_object(str_of(text), &claims) && read_user(claims, &sub) &&
                is_for(claims, keys->audience) && is_in_time(claims, &expires_s);
    if (fine) {
        *out = (struct token){.expires_s = expires_s, .generation = -1};
        snprintf(out->user_id, ID_MAX, "%.*s", (int)sub.len, sub.ptr);
        if (!json_get_int(claims, "iat", 0, LATEST_S, &out->issued_s))
            out->issued_s = 0;
        if (!json_get_int(claims, "cg_gen", 0, UINT32_MAX, &out->generation))
            out->generation = -1;
    }
    json_object_put(claims);
    free(text);
    return fine ? ERR_OK : ERR_DENIED;
}

enum err token_check(const struct token_keys *keys, struct str token, struct token *out)
{
    char text[TOKEN_MAX + 1];
    jwt_alg_t alg;
    jwt_t *jwt = NULL;
    if (!token.len || token.len > TOKEN_MAX || !has_shape(token))
        return ERR_DENIED;
    memcpy(text, token.ptr, token.len);
    text[token.len] = '\0';
    struct str key = key_for(keys, text, &alg);
    if (!key.len || jwt_decode(&jwt, text, (const unsigned char *)key.ptr, (int)key.len))
        return ERR_DENIED;
    enum err err = ERR_DENIED;
    if (jwt_get_alg(jwt) == alg)
        err = check_claims(keys, jwt, out);
    jwt_free(jwt);
    return err;
}
