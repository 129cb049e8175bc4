#include "common/token.h"

#include "common/base64.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/keyring.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <errno.h>
#include <jwt.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>

enum { PEM_MAX = 16384 };
static const int64_t LATEST_S = INT64_C(253402300799); /* 9999-12-31: keeps sums of times small */

#define USER_PREFIX "user_"

/* ---- keys ---- */

struct str token_secret(const struct token_keys *keys)
{
    const char *secret = __atomic_load_n(&keys->secret, __ATOMIC_ACQUIRE);
    return secret ? str_of(secret) : STR("");
}

static EVP_PKEY *public_of(const struct token_keys *keys)
{
    return __atomic_load_n(&keys->public, __ATOMIC_ACQUIRE);
}

/* NULL if `pem` holds no RSA public key. */
static EVP_PKEY *read_rsa(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (key && EVP_PKEY_base_id(key) == EVP_PKEY_RSA)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static enum err read_pem(const char *path, struct token_keys *keys, char why[256])
{
    FILE *file = fopen(path, "re");
    if (!file) {
        snprintf(why, 256, "jwt_public_key: cannot read %.150s: %s", path, strerror(errno));
        return ERR_INVALID;
    }
    char text[PEM_MAX];
    size_t len = fread(text, 1, PEM_MAX, file);
    bool whole = !ferror(file) && getc(file) == EOF;
    fclose(file);
    keys->public = whole ? read_rsa((struct str){text, len}) : NULL;
    int bits = keys->public ? EVP_PKEY_bits(keys->public) : 0;
    if (bits >= TOKEN_RSA_BITS_MIN)
        return ERR_OK;
    if (bits)
        snprintf(why, 256, "jwt_public_key: the key in %.150s has %d bits, at least %d are needed", path, bits,
                 TOKEN_RSA_BITS_MIN);
    else
        snprintf(why, 256, "jwt_public_key: %.150s holds no RSA public key in PEM (\"BEGIN PUBLIC KEY\")", path);
    return ERR_INVALID;
}

/* A token that both kinds' keys would take could be of either kind. */
static enum err keep_apart(const struct token_keys *keys, const struct key_set *set, char why[256])
{
    for (size_t i = 0; set && i < set->count; i++) {
        if (set->keys[i].alg == KEY_HS256 && token_same(set->keys[i].secret, token_secret(keys))) {
            snprintf(why, 256, "app_keys: a key is the same as jwt_secret");
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

/* Our own keys, and the rules that the application's have to keep. */
static enum err load_own(const struct settings *settings, struct token_keys *keys, char why[256])
{
    *keys = (struct token_keys){.settings = settings,
                                .secret = settings_secret(&settings->jwt_secret),
                                .audience = settings->jwt_audience,
                                .ttl_ms = settings->jwt_ttl_ms,
                                .app_audience = settings->app_audience,
                                .media_url = settings->media_url};
    size_t len = token_secret(keys).len;
    if (len && len < TOKEN_SECRET_MIN) {
        snprintf(why, 256, "jwt_secret: has %zu bytes, at least %d are needed", len, TOKEN_SECRET_MIN);
        return ERR_INVALID;
    }
    if (settings->jwt_public_key && *settings->jwt_public_key && read_pem(settings->jwt_public_key, keys, why))
        return ERR_INVALID;
    struct key_set *set = NULL;
    enum err err = keyring_read(settings, &set, why);
    if (!err)
        err = keep_apart(keys, set, why);
    key_set_free(set);
    return err;
}

enum err token_keys_check(const struct settings *settings, char why[256])
{
    struct token_keys keys;
    enum err err = load_own(settings, &keys, why);
    token_keys_fini(&keys);
    return err;
}

enum err token_keys_load(const struct settings *settings, struct token_keys *keys, char why[256])
{
    enum err err = load_own(settings, keys, why);
    if (!err) {
        keys->app = keyring_new(settings, why);
        err = !keys->app && *why ? ERR_INVALID : ERR_OK;
    }
    if (err)
        token_keys_fini(keys);
    return err;
}

/* A thread may be at work with it: kept to the end. There is one for each time that an operator changes the key. */
struct token_retired {
    struct token_retired *next;
    EVP_PKEY *key;
};

static void reload_public(struct token_keys *keys)
{
    struct token_keys fresh = {0};
    char why[256];
    if (!keys->public)
        return; /* there is no such setting */
    if (read_pem(keys->settings->jwt_public_key, &fresh, why)) {
        metric_inc(METRIC_TOKEN_KEYS_FAILED);
        log_error("keys.not_read", "msg=\"%s\" note=\"the key of before stays\"", why);
    } else if (EVP_PKEY_eq(fresh.public, keys->public) != 1) {
        struct token_retired *retired = mem_zalloc(sizeof *retired);
        *retired = (struct token_retired){keys->retired, keys->public};
        keys->retired = retired;
        __atomic_store_n(&keys->public, fresh.public, __ATOMIC_RELEASE);
        log_info("keys.renewed", "name=jwt_public_key");
        return;
    }
    EVP_PKEY_free(fresh.public);
}

void token_keys_reload(struct token_keys *keys)
{
    __atomic_store_n(&keys->secret, settings_secret(&keys->settings->jwt_secret), __ATOMIC_RELEASE);
    reload_public(keys);
    keyring_reload(keys->app);
}

void token_keys_fini(struct token_keys *keys)
{
    keyring_free(keys->app);
    EVP_PKEY_free(keys->public);
    for (struct token_retired *retired; (retired = keys->retired);) {
        keys->retired = retired->next;
        EVP_PKEY_free(retired->key);
        free(retired);
    }
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
    struct str secret = token_secret(keys);
    if (!secret.len)
        return ERR_NOT_FOUND;
    int64_t now_s = clock_wall_ms() / 1000, end_s = now_s + keys->ttl_ms / 1000;
    if (jwt_new(&jwt))
        return ERR_INTERNAL;
    bool fine = !jwt_add_grant(jwt, "sub", user_id) && !jwt_add_grant(jwt, "aud", keys->audience) &&
                !jwt_add_grant_int(jwt, "iat", now_s) && !jwt_add_grant_int(jwt, "exp", end_s) &&
                !jwt_add_grant_int(jwt, "cg_gen", (long)generation) &&
                !jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)secret.ptr, (int)secret.len);
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

/* ---- why not ---- */

static const struct {
    const char *code, *text;
} refusals[] = {
    [TOKEN_GOOD] = {"", ""},
    [TOKEN_MISSING] = {"token_missing", "a token is needed"},
    [TOKEN_MALFORMED] = {"token_malformed", "this is no token that can be read here"},
    [TOKEN_SIGNATURE] = {"token_signature", "the token is not signed by the key that it names"},
    [TOKEN_EXPIRED] = {"token_expired", "the token has ended, or not begun"},
    [TOKEN_AUDIENCE] = {"token_audience", "the token is for another audience"},
    [TOKEN_UNKNOWN_KEY] = {"token_unknown_key", "the token's key is not known"},
};

const char *token_refusal_code(enum token_refusal refusal)
{
    return refusals[refusal].code;
}

const char *token_refusal_text(enum token_refusal refusal)
{
    return refusals[refusal].text;
}

/* ---- the two parts that can be read ---- */

struct parts {
    struct str header, claims, signature;
};

/* Three parts of base64url. libjwt skips over what it does not know, and would take a NUL for the end. */
static bool cut(struct str token, struct parts *parts)
{
    struct str *all[] = {&parts->header, &parts->claims, &parts->signature};
    for (size_t i = 0; i < 3; i++) {
        const char *dot = i < 2 && token.len ? memchr(token.ptr, '.', token.len) : NULL;
        if (i < 2 && !dot)
            return false;
        *all[i] = (struct str){token.ptr, dot ? (size_t)(dot - token.ptr) : token.len};
        if (!base64url_is(*all[i]))
            return false;
        if (dot)
            token = (struct str){dot + 1, token.len - all[i]->len - 1};
    }
    return true;
}

/* NULL: it is no JSON object. json_object_put it. */
static struct json_object *read_part(struct str part)
{
    struct json_object *object = NULL;
    struct buf text;
    buf_init(&text, TOKEN_MAX);
    if (base64url_decode(part, &text) || json_parse_object(buf_str(&text), &object))
        object = NULL;
    buf_fini(&text);
    return object;
}

/* ---- signatures ---- */

static const char *const algs[] = {[KEY_HS256] = "HS256", [KEY_RS256] = "RS256", [KEY_ES256] = "ES256"};

static bool is_signed_by_secret(const char *text, struct str secret)
{
    jwt_t *jwt = NULL;
    if (!secret.len || jwt_decode(&jwt, text, (const unsigned char *)secret.ptr, (int)secret.len))
        return false;
    bool fine = jwt_get_alg(jwt) == JWT_ALG_HS256;
    jwt_free(jwt);
    return fine;
}

/* A signature of ES256 is two numbers of 32 bytes (RFC 7518 section 3.4). OpenSSL wants them in DER. */
static bool as_der(struct buf *signature)
{
    enum { NUMBER = 32, DER_MAX = 2 * NUMBER + 16 };
    const unsigned char *bytes = (const unsigned char *)signature->data;
    unsigned char der[DER_MAX], *at = der;
    if (signature->len != 2 * NUMBER)
        return false;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, NUMBER, NULL), *s = BN_bin2bn(bytes + NUMBER, NUMBER, NULL);
    CG_NEED(pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1, "a signature");
    int len = i2d_ECDSA_SIG(pair, NULL);
    bool fits = len > 0 && len <= DER_MAX && i2d_ECDSA_SIG(pair, &at) == len;
    ECDSA_SIG_free(pair);
    buf_clear(signature);
    buf_add(signature, der, fits ? (size_t)len : 0);
    return fits;
}

/* OpenSSL's own, and not libjwt's, which reads the key anew from its PEM for each token: 350 to 440 µs instead of 20 to 60,
 * on a thread that others wait for. */
static bool is_signed_by_pair(const struct parts *parts, enum key_alg alg, EVP_PKEY *public)
{
    struct buf signature;
    struct str said = {parts->header.ptr, parts->header.len + 1 + parts->claims.len};
    buf_init(&signature, TOKEN_MAX);
    bool fine = public && !base64url_decode(parts->signature, &signature) && signature.len &&
                (alg != KEY_ES256 || as_der(&signature));
    EVP_MD_CTX *context = fine ? EVP_MD_CTX_new() : NULL;
    fine = context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, public) == 1 &&
           EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.len,
                            (const unsigned char *)said.ptr, said.len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    buf_fini(&signature);
    return fine;
}

/* Whether it is signed by that key, with its algorithm and as that is called in the token. */
static bool is_signed(const struct parts *parts, const char *text, struct str called, const struct key *key)
{
    if (!str_eq(called, str_of(algs[key->alg])))
        return false;
    return key->alg == KEY_HS256 ? is_signed_by_secret(text, key->secret)
                                 : is_signed_by_pair(parts, key->alg, key->public);
}

static bool is_own(const struct token_keys *keys, const struct parts *parts, const char *text, struct str called)
{
    const struct key secret = {.alg = KEY_HS256, .secret = token_secret(keys)};
    const struct key pair = {.alg = KEY_RS256, .public = public_of(keys)};
    return is_signed(parts, text, called, &secret) || is_signed(parts, text, called, &pair);
}

/* Which kind of token it is: the key tells. */
static enum token_refusal find_kind(const struct token_keys *keys, const struct parts *parts, const char *text,
                                    struct json_object *header, bool *of_app)
{
    struct str called, kid = STR("");
    if (!json_get_string(header, "alg", &called))
        return TOKEN_MALFORMED;
    if (!json_get_string(header, "kid", &kid))
        kid = STR("");
    const struct key_set *set = keyring_take(keys->app);
    const struct key *key = set ? key_set_find(set, kid) : NULL;
    if (!key && set && !kid.len && set->count == 1)
        key = &set->keys[0];
    *of_app = key && is_signed(parts, text, called, key);
    bool known = key || (!set && (token_secret(keys).len || public_of(keys)));
    keyring_give_back(keys->app, set);
    if (*of_app || is_own(keys, parts, text, called))
        return TOKEN_GOOD;
    if (!known)
        keyring_miss(keys->app);
    return known ? TOKEN_SIGNATURE : TOKEN_UNKNOWN_KEY;
}

/* ---- claims, by our own rules: libjwt's getters do not tell a missing one from one of another type ---- */

static enum token_refusal check_time(struct json_object *claims, int64_t *expires_unix_s)
{
    int64_t now_s = clock_wall_ms() / 1000, exp, nbf;
    if (!json_get_int(claims, "exp", INT64_MIN, INT64_MAX, &exp))
        return TOKEN_MALFORMED;
    *expires_unix_s = exp < LATEST_S ? exp : LATEST_S;
    if (exp <= now_s)
        return TOKEN_EXPIRED;
    if (!json_object_object_get_ex(claims, "nbf", NULL))
        return TOKEN_GOOD;
    if (!json_get_int(claims, "nbf", 0, INT64_MAX, &nbf))
        return TOKEN_MALFORMED;
    return nbf <= now_s ? TOKEN_GOOD : TOKEN_EXPIRED;
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

/* The token's user: `sub`, or `id`, which many issuers use; if both are a user's, `sub`. */
static bool read_user(struct json_object *claims, struct str *user_id)
{
    static const char *const names[] = {"sub", "id"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (json_get_string(claims, names[i], user_id) && id_is(*user_id, USER_PREFIX))
            return true;
    return false;
}

/* A claim that may be left out; false: it is there, and no text. */
static bool read_text(struct json_object *claims, const char *name, bool *has, struct str *text)
{
    *has = json_has(claims, name);
    return !*has || json_get_string(claims, name, text);
}

/* What it says of the application's user. */
static bool read_app(struct json_object *claims, const char *media_url, struct app_claims *app)
{
    struct str role;
    *app = (struct app_claims){0};
    return json_get_string(claims, "sub", &app->id) && read_text(claims, "name", &app->has_name, &app->name) &&
           read_text(claims, "face", &app->has_face, &app->face) && read_text(claims, "role", &app->has_role, &role) &&
           (!app->has_role || app_role_of(role, false, &app->role)) && !app_claims_wrong(app, media_url);
}

static struct str keep(char **at, struct str text)
{
    struct str kept = {*at, text.len};
    if (text.len)
        memcpy(*at, text.ptr, text.len);
    (*at)[text.len] = '\0';
    *at += text.len + 1;
    return kept;
}

static struct app_claims *keep_app(const struct app_claims *app)
{
    struct app_claims *kept = mem_zalloc(sizeof *kept + app->id.len + app->name.len + app->face.len + 3);
    char *at = (char *)(kept + 1);
    *kept = *app;
    kept->id = keep(&at, app->id);
    kept->name = keep(&at, app->name);
    kept->face = keep(&at, app->face);
    return kept;
}

void token_fini(struct token *token)
{
    free(token->app);
    token->app = NULL;
}

static enum token_refusal check_claims(const struct token_keys *keys, struct json_object *claims, bool of_app,
                                       struct token *out)
{
    struct app_claims app;
    struct str sub;
    int64_t expires_s;
    if (!(of_app ? read_app(claims, keys->media_url, &app) : read_user(claims, &sub)))
        return TOKEN_MALFORMED;
    if (!is_for(claims, of_app ? keys->app_audience : keys->audience))
        return TOKEN_AUDIENCE;
    enum token_refusal refusal = check_time(claims, &expires_s);
    if (refusal)
        return refusal;
    *out = (struct token){.expires_s = expires_s, .generation = -1};
    if (!json_get_int(claims, "iat", 0, LATEST_S, &out->issued_s))
        out->issued_s = 0;
    if (of_app)
        out->app = keep_app(&app);
    else
        snprintf(out->user_id, ID_MAX, "%.*s", (int)sub.len, sub.ptr);
    if (!of_app && !json_get_int(claims, "cg_gen", 0, UINT32_MAX, &out->generation))
        out->generation = -1;
    return TOKEN_GOOD;
}

enum token_refusal token_check(const struct token_keys *keys, struct str token, struct token *out)
{
    char text[TOKEN_MAX + 1];
    struct parts parts;
    bool of_app;
    if (!token.len)
        return TOKEN_MISSING;
    if (token.len > TOKEN_MAX || !cut(token, &parts))
        return TOKEN_MALFORMED;
    memcpy(text, token.ptr, token.len);
    text[token.len] = '\0';
    struct json_object *header = read_part(parts.header);
    enum token_refusal refusal = header ? find_kind(keys, &parts, text, header, &of_app) : TOKEN_MALFORMED;
    json_object_put(header);
    if (refusal)
        return refusal;
    struct json_object *claims = read_part(parts.claims);
    refusal = claims ? check_claims(keys, claims, of_app, out) : TOKEN_MALFORMED;
    json_object_put(claims);
    return refusal;
}
