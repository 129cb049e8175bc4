/* Keys of an application's tokens: which are taken from JWK Sets and folders, and which are not. Each is really made, so
 * that what is passed over is passed over for what is wrong with it. */
#include "tests/unit/check.h"
#include "tests/unit/common/pem.h"

#include "common/base64.h"
#include "common/buf.h"
#include "common/key_set.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET "0123456789abcdef0123456789abcdef"

static EVP_PKEY *rsa, *weak_rsa, *ec, *p384;
static char rsa_pem[8192], weak_pem[8192], ec_pem[8192], p384_pem[8192], private_pem[8192];
static char n_text[1000], weak_n_text[1000], e_text[100], x_text[100], y_text[100], secret_text[100];

/* ---- making them ---- */

/* As base64url without padding. */
static void put_bytes(char *out, const void *bytes, size_t len)
{
    struct buf text;
    buf_init(&text, 2000);
    base64_add(&text, (struct str){bytes, len});
    size_t at = 0;
    for (; at < text.len && text.data[at] != '='; at++)
        out[at] = (char)(text.data[at] == '+' ? '-' : text.data[at] == '/' ? '_' : text.data[at]);
    out[at] = '\0';
    buf_fini(&text);
}

static void put_number(char *out, EVP_PKEY *key, const char *param, int width)
{
    unsigned char bytes[1100];
    BIGNUM *number = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, param, &number), 1);
    int len = width ? BN_bn2binpad(number, bytes, width) : BN_bn2bin(number, bytes);
    put_bytes(out, bytes, (size_t)len);
    BN_free(number);
}

static int make_keys(void **state)
{
    (void)state;
    rsa = EVP_RSA_gen(2048);
    weak_rsa = EVP_RSA_gen(1024);
    ec = EVP_EC_gen("P-256");
    p384 = EVP_EC_gen("P-384");
    put_pem(rsa_pem, rsa, false);
    put_pem(weak_pem, weak_rsa, false);
    put_pem(ec_pem, ec, false);
    put_pem(p384_pem, p384, false);
    put_pem(private_pem, ec, true);
    put_number(n_text, rsa, OSSL_PKEY_PARAM_RSA_N, 0);
    put_number(weak_n_text, weak_rsa, OSSL_PKEY_PARAM_RSA_N, 0);
    put_number(e_text, rsa, OSSL_PKEY_PARAM_RSA_E, 0);
    put_number(x_text, ec, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    put_number(y_text, ec, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    put_bytes(secret_text, SECRET, 32);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(weak_rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(p384);
    return 0;
}

/* ---- JWK Sets ---- */

static char why[256];

/* How many keys of the set are taken; -1: it is refused. */
static int count_of(const char *text, bool secrets)
{
    struct key_set *set = key_set_new();
    enum err err = key_set_read_jwks(set, str_of(text), secrets, why);
    int count = err ? -1 : (int)set->count;
    assert_true(!err || err == ERR_INVALID);
    assert_int_equal(err != ERR_OK, set->count == 0);
    key_set_free(set);
    return count;
}

static int count_of_one(const char *members)
{
    char text[4100];
    snprintf(text, sizeof text, "{\"keys\":[{%s}]}", members);
    return count_of(text, true);
}

static void each_kind_is_pinned_to_its_algorithm(void **state)
{
    (void)state;
    char text[4000];
    snprintf(text, sizeof text,
             "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"%s\",\"e\":\"%s\",\"use\":\"sig\",\"alg\":\"RS256\"},"
             "{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\",\"key_ops\":[\"verify\"]},"
             "{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\"%s\"}],\"more\":1}",
             n_text, e_text, x_text, y_text, secret_text);
    struct key_set *set = key_set_new();
    assert_int_equal(key_set_read_jwks(set, str_of(text), true, why), ERR_OK);
    assert_int_equal(set->count, 3);
    assert_int_equal(key_set_find(set, STR("r"))->alg, KEY_RS256);
    assert_int_equal(key_set_find(set, STR("e"))->alg, KEY_ES256);
    assert_int_equal(key_set_find(set, STR("s"))->alg, KEY_HS256);
    assert_int_equal(EVP_PKEY_eq(key_set_find(set, STR("r"))->public, rsa), 1);
    assert_int_equal(EVP_PKEY_eq(key_set_find(set, STR("e"))->public, ec), 1);
    assert_true(str_eq(key_set_find(set, STR("s"))->secret, STR(SECRET)));
    assert_null(key_set_find(set, STR("")));
    assert_null(key_set_find(set, STR("R")));
    key_set_free(set);
    assert_int_equal(count_of(text, false), 2); /* a secret that anybody can fetch is none */
}

static void what_cannot_be_used_is_passed_over(void **state)
{
    (void)state;
    static const struct {
        const char *before, *text, *after;
    } rsa_rows[] = {
        {"\"kty\":\"RSA\",\"use\":\"enc\",\"e\":\"AQAB\",\"n\":\"", n_text, "\""},
        {"\"kty\":\"RSA\",\"use\":7,\"e\":\"AQAB\",\"n\":\"", n_text, "\""},
        {"\"kty\":\"RSA\",\"alg\":\"RS512\",\"e\":\"AQAB\",\"n\":\"", n_text, "\""},
        {"\"kty\":\"RSA\",\"alg\":\"HS256\",\"e\":\"AQAB\",\"n\":\"", n_text, "\""},
        {"\"kty\":\"RSA\",\"alg\":\"none\",\"e\":\"AQAB\",\"n\":\"", n_text, "\""},
        {"\"kty\":\"RSA\",\"key_ops\":[\"encrypt\"],\"e\":\"AQAB\",\"n\":\"", n_text, "\""},
        {"\"kty\":\"RSA\",\"key_ops\":\"verify\",\"e\":\"AQAB\",\"n\":\"", n_text, "\""},
        {"\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"", weak_n_text, "\""},
        {"\"kty\":\"RSA\",\"e\":\"AQAA\",\"n\":\"", n_text, "\""}, /* even */
        {"\"kty\":\"RSA\",\"e\":\"AQ\",\"n\":\"", n_text, "\""},   /* 1: every signature would be good */
        {"\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"", n_text, "=\""},
        {"\"kty\":\"RSA\",\"n\":\"", n_text, "\""},
        {"\"kty\":\"oct\",\"e\":\"AQAB\",\"n\":\"", n_text, "\""},
        {"\"kty\":\"rsa\",\"e\":\"AQAB\",\"n\":\"", n_text, "\""},
        {"\"kty\":\"RSA\",\"kid\":7,\"e\":\"AQAB\",\"n\":\"", n_text, "\""},
        {"\"kty\":\"oct\",\"k\":\"", "c2hvcnQ", "\""},
        {"\"kty\":\"oct\",\"alg\":\"RS256\",\"k\":\"", secret_text, "\""},
        {"\"kty\":\"oct\",\"k\":\"", secret_text, "!\""},
    };
    char members[4000];
    snprintf(members, sizeof members, "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"%s\"", n_text);
    assert_int_equal(count_of_one(members), 1); /* the one that the others differ from in one thing */
    for (size_t i = 0; i < sizeof rsa_rows / sizeof rsa_rows[0]; i++) {
        snprintf(members, sizeof members, "%s%s%s", rsa_rows[i].before, rsa_rows[i].text, rsa_rows[i].after);
        if (count_of_one(members) != -1)
            fail_msg("taken: %s", members);
    }
    char wrong_y[100];
    snprintf(wrong_y, sizeof wrong_y, "%s", y_text);
    wrong_y[5] = wrong_y[5] == 'A' ? 'B' : 'A';
    const struct {
        const char *curve, *x, *y;
    } points[] = {{"P-384", x_text, y_text}, {"p-256", x_text, y_text}, {"P-256", x_text, wrong_y}, /* off the curve */
                  {"P-256", y_text, x_text}, {"P-256", x_text, "AA"},   {"P-256", "", y_text},
                  {"P-256", n_text, y_text}};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        snprintf(members, sizeof members, "\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"", points[i].curve,
                 points[i].x, points[i].y);
        if (count_of_one(members) != -1)
            fail_msg("taken: %s", members);
    }
}

static void of_two_of_one_kid_the_first_is_taken(void **state)
{
    (void)state;
    char text[4000], long_kid[KEY_ID_MAX + 2];
    memset(long_kid, 'k', sizeof long_kid);
    long_kid[KEY_ID_MAX + 1] = '\0';
    snprintf(text, sizeof text,
             "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"%s\"},{\"kty\":\"EC\",\"kid\":\"a\",\"crv\":\"P-256\","
             "\"x\":\"%s\",\"y\":\"%s\"},{\"kty\":\"oct\",\"kid\":\"%s\",\"k\":\"%s\"},7,null,[],{}]}",
             secret_text, x_text, y_text, long_kid, secret_text);
    assert_int_equal(count_of(text, true), 1);
    struct key_set *set = key_set_new(), *more = key_set_new();
    assert_int_equal(key_set_read_jwks(set, str_of(text), true, why), ERR_OK);
    assert_int_equal(key_set_read_jwks(more, str_of(text), true, why), ERR_OK);
    assert_int_equal(key_set_add_all(set, more), 1);
    assert_int_equal(set->count, 1);
    key_set_free(set);
    key_set_free(more);
}

static void what_is_no_set_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "[]",
                                        "7",
                                        "{}",
                                        "{\"keys\":{}}",
                                        "{\"keys\":[]}",
                                        "{\"keys\":[{}]}",
                                        "{\"keys\":[{\"kty\":\"RSA\"}]} x",
                                        "<html>",
                                        "{\"keys\":null}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        why[0] = '\0';
        assert_int_equal(count_of(texts[i], true), -1);
        assert_true(*why);
    }
    struct buf many;
    buf_init(&many, 100000);
    buf_add_text(&many, "{\"keys\":[");
    for (int i = 0; i <= KEY_SET_MAX; i++)
        buf_addf(&many, "%s{\"kty\":\"oct\",\"kid\":\"%d\",\"k\":\"%s\"}", i ? "," : "", i, secret_text);
    buf_add(&many, "]}", 3);
    assert_int_equal(count_of(many.data, true), -1);
    buf_fini(&many);
}

/* ---- folders ---- */

static char dir[] = "/tmp/cg_test_keys.XXXXXX";

static void put_file(const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void remove_file(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(unlink(path), 0);
}

static int count_in_dir(void)
{
    struct key_set *set = key_set_new();
    enum err err = key_set_read_dir(set, dir, why);
    int count = err ? -1 : (int)set->count;
    key_set_free(set);
    return count;
}

static void a_folder_is_read_by_the_names_of_its_files(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(count_in_dir(), 0);
    put_file("r.pem", rsa_pem);
    put_file("e.pem", ec_pem);
    put_file("s.secret", SECRET "\r\n");
    put_file(".hidden.pem", "no key");
    put_file("readme.txt", "no key");
    put_file(".pem", "no key");
    struct key_set *set = key_set_new();
    assert_int_equal(key_set_read_dir(set, dir, why), ERR_OK);
    assert_int_equal(set->count, 3);
    assert_int_equal(key_set_find(set, STR("r"))->alg, KEY_RS256);
    assert_int_equal(key_set_find(set, STR("e"))->alg, KEY_ES256);
    assert_true(str_eq(key_set_find(set, STR("s"))->secret, STR(SECRET)));
    key_set_free(set);

    const struct {
        const char *name, *text;
    } wrong[] = {{"w.pem", weak_pem},       {"w.pem", p384_pem}, {"w.pem", private_pem}, {"w.pem", ""},
                 {"w.secret", "too short"}, {"w.secret", ""},    {"r.secret", SECRET}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        put_file(wrong[i].name, wrong[i].text);
        why[0] = '\0';
        assert_int_equal(count_in_dir(), -1); /* an operator is told, and does not find out by refusals */
        assert_non_null(strstr(why, i == 6 ? "r." : wrong[i].name));
        remove_file(wrong[i].name);
    }
    char *large = malloc(KEY_FILE_MAX + 2);
    memset(large, 'x', KEY_FILE_MAX + 1);
    large[KEY_FILE_MAX + 1] = '\0';
    put_file("l.secret", large);
    assert_int_equal(count_in_dir(), -1);
    free(large);
    static const char *const names[] = {"l.secret", "r.pem", "e.pem", "s.secret", ".hidden.pem", "readme.txt", ".pem"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        remove_file(names[i]);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(count_in_dir(), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_pinned_to_its_algorithm),
        cmocka_unit_test(what_cannot_be_used_is_passed_over),
        cmocka_unit_test(of_two_of_one_kid_the_first_is_taken),
        cmocka_unit_test(what_is_no_set_is_refused),
        cmocka_unit_test(a_folder_is_read_by_the_names_of_its_files),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
