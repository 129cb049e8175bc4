#include "common/key_set.h"

#include "common/base64.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

struct key_set *key_set_new(void)
{
    struct key_set *set = mem_zalloc(sizeof *set);
    set->refs = 1;
    return set;
}

void key_set_free(struct key_set *set)
{
    for (size_t i = 0; set && i < set->count; i++) {
        free(set->keys[i].kid);
        free((char *)set->keys[i].secret.ptr);
        EVP_PKEY_free(set->keys[i].public);
    }
    free(set ? set->keys : NULL);
    free(set);
}

const struct key *key_set_find(const struct key_set *set, struct str kid)
{
    for (size_t i = 0; kid.len && i < set->count; i++)
        if (str_eq(kid, str_of(set->keys[i].kid)))
            return &set->keys[i];
    return NULL;
}

/* One of `secret` and `public`. */
static void add(struct key_set *set, struct str kid, enum key_alg alg, struct str secret, EVP_PKEY *public)
{
    set->keys = mem_realloc(set->keys, (set->count + 1) * sizeof set->keys[0]);
    struct key *key = &set->keys[set->count++];
    *key = (struct key){.kid = mem_strndup(kid.len ? kid.ptr : "", kid.len), .alg = alg, .public = public};
    if (public)
        EVP_PKEY_up_ref(public);
    else
        key->secret = (struct str){mem_strndup(secret.ptr, secret.len), secret.len};
}

size_t key_set_add_all(struct key_set *set, const struct key_set *from)
{
    size_t doubled = 0;
    for (size_t i = 0; i < from->count; i++) {
        const struct key *key = &from->keys[i];
        if (key_set_find(set, str_of(key->kid)))
            doubled++;
        else
            add(set, str_of(key->kid), key->alg, key->secret, key->public);
    }
    return doubled;
}

/* ---- public keys ---- */

/* NULL: it can be used. */
static const char *judge(EVP_PKEY *key, enum key_alg *alg)
{
    char curve[32] = "";
    int bits = EVP_PKEY_bits(key);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    bool sound = context && EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    switch (EVP_PKEY_base_id(key)) {
    case EVP_PKEY_RSA:
        *alg = KEY_RS256;
        if (bits < KEY_RSA_BITS_MIN || bits > KEY_RSA_BITS_MAX)
            return "an RSA key has 2048 to 8192 bits";
        break;
    case EVP_PKEY_EC:
        *alg = KEY_ES256;
        if (!EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) || strcmp(curve, "prime256v1") != 0)
            return "an elliptic curve other than P-256";
        break;
    default: return "neither an RSA key nor one of an elliptic curve";
    }
    return sound ? NULL : "the key is not sound";
}

static const char *add_public(struct key_set *set, struct str kid, EVP_PKEY *key)
{
    enum key_alg alg;
    const char *wrong = judge(key, &alg);
    if (!wrong)
        add(set, kid, alg, STR(""), key);
    return wrong;
}

static const char *add_pem(struct key_set *set, struct str kid, struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    const char *wrong = key ? add_public(set, kid, key) : "no public key in PEM (\"BEGIN PUBLIC KEY\")";
    EVP_PKEY_free(key);
    BIO_free(bio);
    return wrong;
}

static const char *add_secret(struct key_set *set, struct str kid, struct str secret)
{
    if (secret.len < KEY_SECRET_MIN)
        return "a secret has at least 32 bytes";
    add(set, kid, KEY_HS256, secret, NULL);
    return NULL;
}

/* ---- files ---- */

static enum err read_file(const char *path, size_t most, struct buf *out, char why[256])
{
    FILE *file = fopen(path, "re");
    char chunk[4096];
    size_t len;
    if (!file) {
        snprintf(why, 256, "cannot read %.150s: %s", path, strerror(errno));
        return ERR_INVALID;
    }
    buf_init(out, most);
    while (!out->failed && (len = fread(chunk, 1, sizeof chunk, file)))
        buf_add(out, chunk, len);
    bool fine = !ferror(file) && !out->failed;
    fclose(file);
    if (fine)
        return ERR_OK;
    buf_fini(out);
    snprintf(why, 256, "%.150s cannot be read, or has more than %zu bytes", path, most);
    return ERR_INVALID;
}

/* The name without that ending; false: it has another. */
static bool has_ending(struct str name, struct str ending, struct str *kid)
{
    if (name.len <= ending.len || memcmp(name.ptr + name.len - ending.len, ending.ptr, ending.len) != 0)
        return false;
    *kid = (struct str){name.ptr, name.len - ending.len};
    return true;
}

static enum err add_file(struct key_set *set, const char *dir, const char *name, char why[256])
{
    struct str kid;
    bool pem = has_ending(str_of(name), STR(".pem"), &kid);
    char path[4096];
    struct buf text;
    const char *wrong;
    if (*name == '.' || (!pem && !has_ending(str_of(name), STR(".secret"), &kid)))
        return ERR_OK;
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path ||
        read_file(path, KEY_FILE_MAX, &text, why))
        return ERR_INVALID;
    if (kid.len > KEY_ID_MAX)
        wrong = "its name is too long";
    else if (key_set_find(set, kid))
        wrong = "there is another key of that name";
    else if (set->count == KEY_SET_MAX)
        wrong = "there are more than 64";
    else if (pem)
        wrong = add_pem(set, kid, buf_str(&text));
    else {
        while (text.len && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
            text.len--;
        wrong = add_secret(set, kid, buf_str(&text));
    }
    if (wrong)
        snprintf(why, 256, "%.150s: %s", path, wrong);
    buf_fini(&text);
    return wrong ? ERR_INVALID : ERR_OK;
}

enum err key_set_read_dir(struct key_set *set, const char *dir, char why[256])
{
    DIR *open = opendir(dir);
    enum err err = ERR_OK;
    if (!open) {
        snprintf(why, 256, "cannot read the folder %.150s: %s", dir, strerror(errno));
        return ERR_INVALID;
    }
    for (struct dirent *entry; !err && (entry = readdir(open));)
        err = add_file(set, dir, entry->d_name, why);
    closedir(open);
    return err;
}

/* ---- JWK Sets ---- */

/* Appends the bytes of a member in base64url. */
static bool read_bytes(struct json_object *jwk, const char *name, struct buf *out)
{
    struct str text;
    return json_get_string(jwk, name, &text) && text.len && !base64url_decode(text, out);
}

static EVP_PKEY *make_key(const char *kind, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    if (params && context && EVP_PKEY_fromdata_init(context) == 1 &&
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_of(struct json_object *jwk)
{
    struct buf n, e;
    EVP_PKEY *key = NULL;
    buf_init(&n, KEY_RSA_BITS_MAX / 8 + 8);
    buf_init(&e, 64);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *modulus = NULL, *exponent = NULL;
    if (read_bytes(jwk, "n", &n) && read_bytes(jwk, "e", &e)) {
        modulus = BN_bin2bn((unsigned char *)n.data, (int)n.len, NULL);
        exponent = BN_bin2bn((unsigned char *)e.data, (int)e.len, NULL);
        if (builder && modulus && exponent && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) &&
            OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent))
            key = make_key("RSA", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(modulus);
    BN_free(exponent);
    buf_fini(&n);
    buf_fini(&e);
    return key;
}

static EVP_PKEY *ec_of(struct json_object *jwk)
{
    enum { COORDINATE = 32 };
    struct buf point;
    struct str curve;
    EVP_PKEY *key = NULL;
    if (!json_get_string(jwk, "crv", &curve) || !str_eq(curve, STR("P-256")))
        return NULL;
    buf_init(&point, 1 + 2 * COORDINATE + 8);
    buf_add_char(&point, 4); /* uncompressed */
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (builder && read_bytes(jwk, "x", &point) && point.len == 1 + COORDINATE && read_bytes(jwk, "y", &point) &&
        point.len == 1 + 2 * COORDINATE &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point.data, point.len))
        key = make_key("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    buf_fini(&point);
    return key;
}

/* Whether it may be used for signatures, with that algorithm: `use`, `key_ops` and `alg`, where it says them. */
static bool is_for(struct json_object *jwk, const char *alg)
{
    struct str text;
    struct json_object *ops;
    if (json_has(jwk, "use") && !(json_get_string(jwk, "use", &text) && str_eq(text, STR("sig"))))
        return false;
    if (json_has(jwk, "alg") && !(json_get_string(jwk, "alg", &text) && str_eq(text, str_of(alg))))
        return false;
    if (!json_object_object_get_ex(jwk, "key_ops", &ops) || !ops)
        return true;
    size_t count = json_object_is_type(ops, json_type_array) ? json_object_array_length(ops) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *op = json_object_array_get_idx(ops, i);
        if (json_object_is_type(op, json_type_string) && !strcmp(json_object_get_string(op), "verify"))
            return true;
    }
    return false;
}

static bool add_jwk(struct key_set *set, struct json_object *jwk, bool secrets)
{
    struct str kind, kid = STR("");
    const char *wrong = "it cannot be used";
    EVP_PKEY *key = NULL;
    if (!json_object_is_type(jwk, json_type_object) || !json_get_string(jwk, "kty", &kind) ||
        (json_has(jwk, "kid") && (!json_get_string(jwk, "kid", &kid) || kid.len > KEY_ID_MAX)) ||
        key_set_find(set, kid))
        return false;
    if (str_eq(kind, STR("RSA")) && is_for(jwk, "RS256"))
        key = rsa_of(jwk);
    else if (str_eq(kind, STR("EC")) && is_for(jwk, "ES256"))
        key = ec_of(jwk);
    if (key) {
        wrong = add_public(set, kid, key);
    } else if (secrets && str_eq(kind, STR("oct")) && is_for(jwk, "HS256")) {
        struct buf secret;
        buf_init(&secret, KEY_FILE_MAX);
        if (read_bytes(jwk, "k", &secret))
            wrong = add_secret(set, kid, buf_str(&secret));
        buf_fini(&secret);
    }
    EVP_PKEY_free(key);
    return !wrong;
}

enum err key_set_read_jwks(struct key_set *set, struct str text, bool secrets, char why[256])
{
    struct json_object *object, *list = NULL;
    size_t count, taken = 0;
    if (json_parse_object(json_without_mark(text), &object)) {
        snprintf(why, 256, "it is no JSON object");
        return ERR_INVALID;
    }
    json_object_object_get_ex(object, "keys", &list);
    count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    if (!json_object_is_type(list, json_type_array))
        snprintf(why, 256, "it is no JWK Set: it has no list `keys`");
    else if (count > KEY_SET_MAX)
        snprintf(why, 256, "it has %zu keys, at most %d are taken", count, KEY_SET_MAX);
    else {
        for (size_t i = 0; i < count; i++)
            taken += add_jwk(set, json_object_array_get_idx(list, i), secrets);
        if (!taken)
            snprintf(why, 256, "of its %zu keys none can be used", count);
        else if (taken < count)
            log_warn("keys.passed_over", "count=%zu of=%zu", count - taken, count);
    }
    json_object_put(object);
    return taken ? ERR_OK : ERR_INVALID;
}

enum err key_set_read_jwks_file(struct key_set *set, const char *path, char why[256])
{
    struct buf text;
    char wrong[256];
    if (read_file(path, KEY_JWKS_MAX, &text, why))
        return ERR_INVALID;
    enum err err = key_set_read_jwks(set, buf_str(&text), true, wrong);
    if (err)
        snprintf(why, 256, "%.120s: %.100s", path, wrong);
    buf_fini(&text);
    return err;
}
