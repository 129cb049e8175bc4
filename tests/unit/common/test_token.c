/* Tokens: what is believed, and each way of forging one, with tokens that are really signed. */
#include "tests/unit/check.h"
#include "tests/unit/common/pem.h"

#include "common/base64.h"
#include "common/clock.h"
#include "common/rights.h"
#include "common/token.h"

#include <jwt.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <unistd.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define USER   "user_0123456789abcdef0123456789abcdef"

enum { NOW_S = 1700000000 };

static struct settings settings = {
    .jwt_secret = SECRET, .jwt_public_key = "", .jwt_audience = "chaguan", .jwt_ttl_ms = 60000};
static struct token_keys both, secret_only, public_only, none;
static char private_pem[8192], public_pem[8192], other_private_pem[8192];
static char public_path[] = "/tmp/cg_test_token.XXXXXX";

/* ---- keys ---- */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int make_keys(void **state)
{
    (void)state;
    char why[256];
    EVP_PKEY *key = EVP_RSA_gen(2048), *other = EVP_RSA_gen(2048);
    put_pem(private_pem, key, true);
    put_pem(public_pem, key, false);
    put_pem(other_private_pem, other, true);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    close(mkstemp(public_path));
    write_file(public_path, public_pem);
    assert_int_equal(token_keys_load(&settings, &secret_only, why), 0);
    settings.jwt_public_key = public_path;
    assert_int_equal(token_keys_load(&settings, &both, why), 0);
    settings.jwt_secret = "";
    assert_int_equal(token_keys_load(&settings, &public_only, why), 0);
    settings.jwt_public_key = "";
    assert_int_equal(token_keys_load(&settings, &none, why), 0);
    settings.jwt_secret = SECRET;
    clock_freeze(NOW_S * INT64_C(1000) + 500);
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    unlink(public_path);
    token_keys_fini(&both);
    token_keys_fini(&secret_only);
    token_keys_fini(&public_only);
    token_keys_fini(&none);
    return 0;
}

/* ---- tokens ---- */

#define GOOD "{\"sub\":\"" USER "\",\"aud\":\"chaguan\",\"exp\":1700000060}"

/* A token with these claims and more headers (NULL: none), signed; free() it. */
static char *sign_with_headers(jwt_alg_t alg, const char *key, const char *claims, const char *headers)
{
    jwt_t *jwt;
    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, claims), 0);
    if (headers)
        assert_int_equal(jwt_add_headers_json(jwt, headers), 0);
    assert_int_equal(jwt_set_alg(jwt, alg, (const unsigned char *)key, key ? (int)strlen(key) : 0), 0);
    char *text = jwt_encode_str(jwt);
    assert_non_null(text);
    jwt_free(jwt);
    return text;
}

static char *sign(jwt_alg_t alg, const char *key, const char *claims)
{
    return sign_with_headers(alg, key, claims, NULL);
}

static enum err check_text(const struct token_keys *keys, struct str text)
{
    struct token token = {.user_id = "untouched", .expires_s = -7, .issued_s = -7, .generation = -7};
    enum err err = token_check(keys, text, &token) ? ERR_DENIED : ERR_OK;
    if (err) {
        assert_int_equal(err, ERR_DENIED);
        assert_string_equal(token.user_id, "untouched");
        assert_true(token.expires_s == -7 && token.issued_s == -7 && token.generation == -7);
    } else {
        assert_string_equal(token.user_id, USER);
        assert_true(token.expires_s > NOW_S);
    }
    return err;
}

static enum err check_and_free(const struct token_keys *keys, char *text)
{
    enum err err = check_text(keys, str_of(text));
    free(text);
    return err;
}

static enum err check_claims(const char *claims)
{
    return check_and_free(&both, sign(JWT_ALG_HS256, SECRET, claims));
}

static void what_is_given_out_is_believed(void **state)
{
    (void)state;
    struct buf text;
    struct token token;
    int64_t made_s;
    buf_init(&text, TOKEN_MAX);
    assert_int_equal(token_make(&both, USER, 7, &text, &made_s), 0);
    assert_int_equal(made_s, NOW_S + 60);
    assert_int_equal(token_check(&both, buf_str(&text), &token), 0);
    assert_string_equal(token.user_id, USER);
    assert_int_equal(token.expires_s, made_s);
    assert_int_equal(token.issued_s, NOW_S);
    assert_int_equal(token.generation, 7);
    assert_int_equal(token_check(&secret_only, buf_str(&text), &token), 0);
    assert_int_equal(check_text(&public_only, buf_str(&text)), ERR_DENIED);
    assert_int_equal(check_text(&none, buf_str(&text)), ERR_DENIED);
    buf_clear(&text);
    assert_int_equal(token_make(&public_only, USER, 0, &text, &made_s), ERR_NOT_FOUND);
    assert_int_equal(text.len, 0);
    buf_fini(&text);
}

static void somebody_elses_tokens_are_believed_by_their_public_key(void **state)
{
    (void)state;
    assert_int_equal(check_and_free(&both, sign(JWT_ALG_RS256, private_pem, GOOD)), 0);
    assert_int_equal(check_and_free(&public_only, sign(JWT_ALG_RS256, private_pem, GOOD)), 0);
    assert_int_equal(check_and_free(&secret_only, sign(JWT_ALG_RS256, private_pem, GOOD)), ERR_DENIED);
    assert_int_equal(check_and_free(&both, sign(JWT_ALG_RS256, other_private_pem, GOOD)), ERR_DENIED);
}

static void no_signature_is_no_token(void **state)
{
    (void)state;
    assert_int_equal(check_and_free(&both, sign(JWT_ALG_NONE, NULL, GOOD)), ERR_DENIED);
    assert_int_equal(check_and_free(&none, sign(JWT_ALG_NONE, NULL, GOOD)), ERR_DENIED);
    /* a good one without its signature, or with "none" for its header */
    char *good = sign(JWT_ALG_HS256, SECRET, GOOD), *cut = strdup(good);
    strrchr(cut, '.')[1] = '\0';
    assert_int_equal(check_and_free(&both, cut), ERR_DENIED);
    static const char *const headers[] = {
        "eyJhbGciOiJub25lIn0",     /* {"alg":"none"} */
        "eyJhbGciOiJOb25lIn0",     /* {"alg":"None"} */
        "eyJhbGciOiIifQ",          /* {"alg":""} */
        "e30",                     /* {} */
        "eyJhbGciOm51bGx9",        /* {"alg":null} */
        "eyJhbGciOlsiSFMyNTYiXX0", /* {"alg":["HS256"]} */
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        char text[2048];
        snprintf(text, sizeof text, "%s%s", headers[i], strchr(good, '.'));
        assert_int_equal(check_text(&both, str_of(text)), ERR_DENIED);
        strrchr(text, '.')[1] = '\0';
        assert_int_equal(check_text(&both, str_of(text)), ERR_DENIED);
    }
    free(good);
}

static void the_public_key_is_no_secret(void **state)
{
    (void)state;
    assert_int_equal(check_and_free(&both, sign(JWT_ALG_HS256, public_pem, GOOD)), ERR_DENIED);
    assert_int_equal(check_and_free(&public_only, sign(JWT_ALG_HS256, public_pem, GOOD)), ERR_DENIED);
    assert_int_equal(check_and_free(&public_only, sign(JWT_ALG_HS384, public_pem, GOOD)), ERR_DENIED);
}

static void other_algorithms_are_refused_even_with_the_right_key(void **state)
{
    (void)state;
    assert_int_equal(check_and_free(&both, sign(JWT_ALG_HS384, SECRET, GOOD)), ERR_DENIED);
    assert_int_equal(check_and_free(&both, sign(JWT_ALG_HS512, SECRET, GOOD)), ERR_DENIED);
    assert_int_equal(check_and_free(&both, sign(JWT_ALG_RS384, private_pem, GOOD)), ERR_DENIED);
    assert_int_equal(check_and_free(&both, sign(JWT_ALG_RS512, private_pem, GOOD)), ERR_DENIED);
    assert_int_equal(check_and_free(&both, sign(JWT_ALG_HS256, "0123456789abcdef0123456789abcdeg", GOOD)), ERR_DENIED);
}

static void a_key_named_by_the_token_is_never_looked_up(void **state)
{
    (void)state;
    static const char *const headers[] = {"{\"kid\":\"../../../../dev/null\"}", "{\"kid\":\"/proc/self/environ\"}",
                                          "{\"jku\":\"http://127.0.0.1/keys\"}", "{\"kid\":\"' UNION SELECT 'x\"}"};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        assert_int_equal(check_and_free(&both, sign_with_headers(JWT_ALG_HS256, SECRET, GOOD, headers[i])), 0);
        /* signed with what such a file might hold */
        assert_int_equal(check_and_free(&both, sign_with_headers(JWT_ALG_HS256, "x", GOOD, headers[i])), ERR_DENIED);
    }
}

static void a_token_has_its_time(void **state)
{
    (void)state;
#define CLAIMS(rest) "{\"sub\":\"" USER "\",\"aud\":\"chaguan\"" rest "}"
    assert_int_equal(check_claims(CLAIMS(",\"exp\":1700000001")), 0);
    assert_int_equal(check_claims(CLAIMS(",\"exp\":9999999999999999")), 0); /* told as the year 9999 */
    assert_int_equal(check_claims(CLAIMS(",\"exp\":1700000001,\"nbf\":1700000000,\"iat\":1")), 0);
    static const char *const bad[] = {
        CLAIMS(""),                    /* no end */
        CLAIMS(",\"exp\":1700000000"), /* ended this second */
        CLAIMS(",\"exp\":1"),
        CLAIMS(",\"exp\":0"),
        CLAIMS(",\"exp\":-1"),
        CLAIMS(",\"exp\":null"),
        CLAIMS(",\"exp\":true"),
        CLAIMS(",\"exp\":\"1800000000\""),
        CLAIMS(",\"exp\":1800000000.5"),
        CLAIMS(",\"exp\":1e300"),
        CLAIMS(",\"exp\":[1800000000]"),
        CLAIMS(",\"exp\":1800000000,\"nbf\":1700000001"), /* not yet */
        CLAIMS(",\"exp\":1800000000,\"nbf\":\"1\""),
        CLAIMS(",\"exp\":1800000000,\"nbf\":-1"),
        CLAIMS(",\"exp\":1800000000,\"nbf\":null"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!check_claims(bad[i]))
            fail_msg("taken: %s", bad[i]);
}

static void a_token_is_for_us(void **state)
{
    (void)state;
#define FOR(aud) "{\"sub\":\"" USER "\",\"exp\":1800000000" aud "}"
    assert_int_equal(check_claims(FOR(",\"aud\":[\"chaguan\"]")), 0);
    assert_int_equal(check_claims(FOR(",\"aud\":[\"other\",7,\"chaguan\"]")), 0);
    static const char *const bad[] = {
        FOR(""),
        FOR(",\"aud\":\"\""),
        FOR(",\"aud\":\"other\""),
        FOR(",\"aud\":\"Chaguan\""),
        FOR(",\"aud\":\"chaguan2\""),
        FOR(",\"aud\":null"),
        FOR(",\"aud\":1"),
        FOR(",\"aud\":[]"),
        FOR(",\"aud\":[\"other\"]"),
        FOR(",\"aud\":[[\"chaguan\"]]"),
        FOR(",\"aud\":{\"chaguan\":true}"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!check_claims(bad[i]))
            fail_msg("taken: %s", bad[i]);
}

static void a_token_speaks_for_a_user(void **state)
{
    (void)state;
#define OF(sub) "{\"aud\":\"chaguan\",\"exp\":1800000000" sub "}"
    static const char *const good[] = {
        OF(",\"sub\":\"" USER "\""),
        OF(",\"id\":\"" USER "\""),
        OF(",\"id\":\"" USER "\",\"sub\":\"mini-program\""),
        OF(",\"id\":\"user_00000000000000000000000000000000\",\"sub\":\"" USER "\""),
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (check_claims(good[i]))
            fail_msg("refused: %s", good[i]);
    static const char *const bad[] = {
        OF(""),
        OF(",\"sub\":\"\""),
        OF(",\"sub\":null"),
        OF(",\"sub\":7"),
        OF(",\"sub\":\"admin\""),
        OF(",\"sub\":\"room_0123456789abcdef0123456789abcdef\""),
        OF(",\"sub\":\"user_0123456789abcdef0123456789abcdeF\""),
        OF(",\"sub\":\"" USER " \""),
        OF(",\"sub\":\"" USER USER "\""),
        OF(",\"sub\":[\"" USER "\"]"),
        OF(",\"id\":\"admin\""),
        OF(",\"id\":7"),
        OF(",\"ID\":\"" USER "\""),
        OF(",\"user\":{\"id\":\"" USER "\"}"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (!check_claims(bad[i]))
            fail_msg("taken: %s", bad[i]);
}

static void any_changed_byte_breaks_it(void **state)
{
    (void)state;
    char *good = sign(JWT_ALG_HS256, SECRET, GOOD);
    size_t len = strlen(good);
    for (size_t i = 0; i + 1 < len; i++) { /* the last digit has bits that mean nothing */
        char was = good[i];
        good[i] = was == 'A' ? 'B' : 'A';
        if (!check_text(&both, str_of(good)))
            fail_msg("taken with byte %zu changed", i);
        good[i] = was;
    }
    for (size_t cut = 0; cut < len; cut++)
        if (!check_text(&both, (struct str){good, cut}) && cut + 1 < len)
            fail_msg("taken when cut to %zu", cut);
    assert_int_equal(check_text(&both, str_of(good)), 0);
    free(good);
}

static void garbage_is_no_token(void **state)
{
    (void)state;
    static const struct str bad[] = {
        {NULL, 0},
        BYTES(""),
        BYTES("."),
        BYTES(".."),
        BYTES("..."),
        BYTES("a.b.c"),
        BYTES("null"),
        BYTES("Bearer x"),
        BYTES("e30.e30."),
        BYTES("e30.e30.e30"),
        BYTES("\0\0\0"),
        BYTES("eyJhbGciOiJIUzI1NiJ9.."),
        BYTES("eyJhbGciOiJIUzI1NiJ9.e30."),
        BYTES("eyJhbGciOiJSUzI1NiJ9.e30.AAAA"),
        BYTES("\xff\xfe.\xff.\xff"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(check_text(&both, bad[i]), ERR_DENIED);
    char *good = sign(JWT_ALG_HS256, SECRET, GOOD), text[2048];
    static const char *const around[] = {"%s\n", " %s", "%s=", "%s.", ".%s", "%s%%00", "\"%s\"", "%s,%1$s"};
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
        snprintf(text, sizeof text, around[i], good);
        assert_int_equal(check_text(&both, str_of(text)), ERR_DENIED);
    }
    memcpy(text, good, strlen(good) + 1); /* a NUL, and more behind it */
    assert_int_equal(check_text(&both, (struct str){text, strlen(good) + 1}), ERR_DENIED);
    free(good);
}

static void a_token_has_4096_bytes_at_most(void **state)
{
    (void)state;
    struct buf claims;
    buf_init(&claims, 8192);
    for (size_t pad = 2600; pad < 3100; pad++) {
        buf_clear(&claims);
        buf_add_text(&claims, "{\"sub\":\"" USER "\",\"aud\":\"chaguan\",\"exp\":1800000000,\"x\":\"");
        for (size_t i = 0; i < pad; i++)
            buf_add_char(&claims, 'x');
        buf_add(&claims, "\"}", 3);
        char *text = sign(JWT_ALG_HS256, SECRET, claims.data);
        bool fits = strlen(text) <= TOKEN_MAX;
        assert_int_equal(check_and_free(&both, text), fits ? 0 : ERR_DENIED);
    }
    buf_fini(&claims);
}

static void deep_claims_do_no_harm(void **state)
{
    (void)state;
    char *open = repeat("[", 1000), *close = repeat("]", 1000), claims[4096];
    snprintf(claims, sizeof claims, "{\"sub\":\"" USER "\",\"aud\":%s%s,\"exp\":1800000000}", open, close);
    assert_int_equal(check_claims(claims), ERR_DENIED);
    free(open);
    free(close);
}

/* ---- tokens of the application ---- */

static enum token_refusal check_app(const struct token_keys *keys, const char *text)
{
    struct token token;
    enum token_refusal refusal = token_check(keys, str_of(text), &token);
    if (!refusal) {
        assert_non_null(token.app);
        assert_true(str_eq(token.app->id, STR("4711")));
        token_fini(&token);
    }
    return refusal;
}

/* The token with another signature: these bytes. */
static char *with_signature(const char *text, const unsigned char *bytes, size_t len)
{
    struct buf out;
    const char *dot = strrchr(text, '.');
    buf_init(&out, TOKEN_MAX);
    base64_add(&out, (struct str){(const char *)bytes, len});
    char *changed = calloc(1, (size_t)(dot - text) + out.len + 2);
    memcpy(changed, text, (size_t)(dot - text) + 1);
    for (size_t i = 0, at = (size_t)(dot - text) + 1; i < out.len && out.data[i] != '='; i++)
        changed[at++] = (char)(out.data[i] == '+' ? '-' : out.data[i] == '/' ? '_' : out.data[i]);
    buf_fini(&out);
    return changed;
}

static void expect_bad_signature(const struct token_keys *keys, char *text)
{
    assert_int_equal(check_app(keys, text), TOKEN_SIGNATURE);
    free(text);
}

static void tokens_of_the_application_are_signed_by_the_key_that_they_name(void **state)
{
    (void)state;
    static const char claims[] = "{\"sub\":\"4711\",\"aud\":\"chaguan\",\"exp\":1800000000}";
    static const char kid_e[] = "{\"kid\":\"e\"}", kid_r[] = "{\"kid\":\"r\"}";
    char dir[] = "/tmp/cg_test_token.XXXXXX", path[100], ec_public[8192], ec_private[8192], why[256];
    EVP_PKEY *ec = EVP_EC_gen("P-256");
    struct settings of_app = {.jwt_secret = "",
                              .jwt_public_key = "",
                              .jwt_audience = "chaguan",
                              .app_keys = dir,
                              .app_audience = "chaguan",
                              .app_jwks_file = "",
                              .app_jwks_url = "",
                              .media_url = "/media/"};
    struct token_keys keys;
    put_pem(ec_public, ec, false);
    put_pem(ec_private, ec, true);
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/e.pem", dir);
    write_file(path, ec_public);
    snprintf(path, sizeof path, "%s/r.pem", dir);
    write_file(path, public_pem);
    assert_int_equal(token_keys_load(&of_app, &keys, why), 0);

    char *good = sign_with_headers(JWT_ALG_ES256, ec_private, claims, kid_e);
    char *good_rsa = sign_with_headers(JWT_ALG_RS256, private_pem, claims, kid_r);
    assert_int_equal(check_app(&keys, good), TOKEN_GOOD);
    assert_int_equal(check_app(&keys, good_rsa), TOKEN_GOOD);

    struct buf bytes;
    buf_init(&bytes, 1000);
    assert_int_equal(base64url_decode(str_of(strrchr(good, '.') + 1), &bytes), 0);
    assert_int_equal(bytes.len, 64);
    unsigned char signature[100] = {0};
    expect_bad_signature(&keys, with_signature(good, signature, 64)); /* both numbers 0 */
    for (size_t i = 0; i < 64; i++) {
        memcpy(signature, bytes.data, 64);
        signature[i] ^= 1;
        expect_bad_signature(&keys, with_signature(good, signature, 64));
    }
    memcpy(signature, bytes.data, 64);
    expect_bad_signature(&keys, with_signature(good, signature, 63));
    expect_bad_signature(&keys, with_signature(good, signature, 65));
    unsigned char der[100];
    size_t der_len = sizeof der;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, ec), 1);
    assert_int_equal(
        EVP_DigestSign(context, der, &der_len, (const unsigned char *)good, (size_t)(strrchr(good, '.') - good)), 1);
    EVP_MD_CTX_free(context);
    expect_bad_signature(&keys, with_signature(good, der, der_len)); /* a good one, in another form */

    expect_bad_signature(&keys, sign_with_headers(JWT_ALG_ES256, ec_private, claims, kid_r)); /* the other's */
    expect_bad_signature(&keys, sign_with_headers(JWT_ALG_RS256, private_pem, claims, kid_e));
    expect_bad_signature(&keys, sign_with_headers(JWT_ALG_RS512, private_pem, claims, kid_r));
    expect_bad_signature(&keys, sign_with_headers(JWT_ALG_HS256, ec_public, claims, kid_e));
    expect_bad_signature(&keys, sign_with_headers(JWT_ALG_HS256, public_pem, claims, kid_r));
    expect_bad_signature(&keys, sign_with_headers(JWT_ALG_RS256, other_private_pem, claims, kid_r));
    char *unnamed = sign(JWT_ALG_ES256, ec_private, claims);
    assert_int_equal(check_app(&keys, unnamed), TOKEN_UNKNOWN_KEY);
    free(unnamed);

    buf_fini(&bytes);
    free(good);
    free(good_rsa);
    token_keys_fini(&keys);
    EVP_PKEY_free(ec);
    unlink(path);
    snprintf(path, sizeof path, "%s/e.pem", dir);
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

/* ---- starting with bad keys ---- */

static void expect_no_start(const char *secret, const char *path, const char *said)
{
    struct settings bad = settings;
    struct token_keys keys;
    char why[256] = "", secret_copy[256], path_copy[256];
    snprintf(secret_copy, sizeof secret_copy, "%s", secret);
    snprintf(path_copy, sizeof path_copy, "%s", path);
    bad.jwt_secret = secret_copy;
    bad.jwt_public_key = path_copy;
    assert_int_equal(token_keys_load(&bad, &keys, why), ERR_INVALID);
    if (!strstr(why, said) || strchr(why, '\n') || strlen(why) >= 255)
        fail_msg("said: %s", why);
}

static void bad_keys_are_told_at_the_start(void **state)
{
    (void)state;
    char path[] = "/tmp/cg_test_token.XXXXXX", *large = repeat("x", 20000), pem[8192];
    close(mkstemp(path));
    expect_no_start("short", "", "jwt_secret: has 5 bytes, at least 32");
    expect_no_start("0123456789abcdef0123456789abcde", "", "jwt_secret: has 31 bytes");
    expect_no_start(SECRET, "/nowhere/key.pem", "jwt_public_key: cannot read /nowhere/key.pem: No such");
    const char *texts[] = {"", "no key", large, private_pem};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_file(path, texts[i]);
        expect_no_start("", path, "holds no RSA public key");
    }
    EVP_PKEY *weak = EVP_RSA_gen(1024), *elliptic = EVP_EC_gen("P-256");
    put_pem(pem, weak, false);
    write_file(path, pem);
    expect_no_start("", path, "has 1024 bits");
    put_pem(pem, elliptic, false);
    write_file(path, pem);
    expect_no_start("", path, "holds no RSA public key");
    EVP_PKEY_free(weak);
    EVP_PKEY_free(elliptic);
    unlink(path);
    free(large);
}

static void secrets_are_compared_whole(void **state)
{
    (void)state;
    assert_true(token_same(STR("0123456789"), STR("0123456789")));
    assert_true(token_same(STR(""), STR("")));
    assert_false(token_same(STR("0123456789"), STR("012345678")));
    assert_false(token_same(STR("0123456789"), STR("0123456788")));
    assert_false(token_same(STR("0123456789"), STR("1123456789")));
    assert_false(token_same(STR(""), STR("0")));
    assert_true(token_same(BYTES("a\0b"), BYTES("a\0b")));
    assert_false(token_same(BYTES("a\0b"), BYTES("a\0c")));
}

static void what_was_given_out_before_tokens_were_made_void_is_void(void **state)
{
    (void)state;
    const struct rights never = {.generation = 3}, since = {.generation = 5, .tokens = 4, .tokens_s = NOW_S};
    const struct {
        struct token token;
        bool good;
    } rows[] = {
        {{.generation = 3}, false},
        {{.generation = 4}, true},
        {{.generation = 5}, true},
        {{.generation = 3, .issued_s = NOW_S + 9}, false},
        {{.generation = -1}, false},
        {{.generation = -1, .issued_s = NOW_S}, false},
        {{.generation = -1, .issued_s = NOW_S + 1}, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(rights_accept(&since, &rows[i].token), rows[i].good);
        assert_true(rights_accept(&never, &rows[i].token));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_compared_whole),
        cmocka_unit_test(what_is_given_out_is_believed),
        cmocka_unit_test(somebody_elses_tokens_are_believed_by_their_public_key),
        cmocka_unit_test(no_signature_is_no_token),
        cmocka_unit_test(the_public_key_is_no_secret),
        cmocka_unit_test(other_algorithms_are_refused_even_with_the_right_key),
        cmocka_unit_test(a_key_named_by_the_token_is_never_looked_up),
        cmocka_unit_test(a_token_has_its_time),
        cmocka_unit_test(what_was_given_out_before_tokens_were_made_void_is_void),
        cmocka_unit_test(a_token_is_for_us),
        cmocka_unit_test(a_token_speaks_for_a_user),
        cmocka_unit_test(any_changed_byte_breaks_it),
        cmocka_unit_test(garbage_is_no_token),
        cmocka_unit_test(a_token_has_4096_bytes_at_most),
        cmocka_unit_test(deep_claims_do_no_harm),
        cmocka_unit_test(tokens_of_the_application_are_signed_by_the_key_that_they_name),
        cmocka_unit_test(bad_keys_are_told_at_the_start),
    };
    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
