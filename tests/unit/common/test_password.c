/* Passwords: hashed so that nobody reads them, and checked. Who waits for whom: test_password_queue.c. */
#include "tests/unit/check.h"

#include "common/password.h"

static void the_right_one_is_taken_and_no_other(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_MAX], again[PASSWORD_HASH_MAX];
    assert_int_equal(password_hash(7, STR("correct horse"), hash), 0);
    assert_int_equal(strncmp(hash, "$argon2id$", 10), 0);
    assert_null(strstr(hash, "correct"));
    assert_int_equal(password_check(7, STR("correct horse"), hash), 0);
    static const struct str others[] = {
        BYTES("correct horsf"), BYTES("correct hors"), BYTES("correct horse "), BYTES("Correct horse"), BYTES(""),
        BYTES("correct\0horse")};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(password_check(7, others[i], hash), ERR_DENIED);
    assert_int_equal(password_hash(7, STR("correct horse"), again), 0);
    assert_string_not_equal(hash, again); /* salted */
}

static void every_byte_of_it_counts(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH_MAX];
    assert_int_equal(password_hash(7, BYTES("with\0nul"), hash), 0);
    assert_int_equal(password_check(7, BYTES("with\0nul"), hash), 0);
    assert_int_equal(password_check(7, BYTES("with\0nuk"), hash), ERR_DENIED);
    char *most = repeat("x", PASSWORD_MAX);
    assert_int_equal(password_hash(7, str_of(most), hash), 0);
    most[PASSWORD_MAX - 1] = 'y';
    assert_int_equal(password_check(7, str_of(most), hash), ERR_DENIED);
    free(most);
}

static void what_is_no_hash_matches_nothing(void **state)
{
    (void)state;
    char *longer = repeat("$argon2id$", 50);
    const char *const bad[] = {"", "secret", "$argon2id$", "$argon2id$v=19$m=65536,t=2,p=1$$", "$1$salt$hash", longer};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(password_check(7, STR("secret"), bad[i]), ERR_DENIED);
    free(longer);
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    char *most = repeat("x", PASSWORD_MAX), *more = repeat("x", PASSWORD_MAX + 1);
    assert_false(password_ok(STR("")));
    assert_false(password_ok(STR("12345")));
    assert_true(password_ok(STR("123456")));
    assert_true(password_ok(str_of(most)));
    assert_false(password_ok(str_of(more)));
    free(most);
    free(more);
}

static int start(void **state)
{
    (void)state;
    return password_start(1, 4);
}

static int stop(void **state)
{
    (void)state;
    password_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_one_is_taken_and_no_other),
        cmocka_unit_test(every_byte_of_it_counts),
        cmocka_unit_test(what_is_no_hash_matches_nothing),
        cmocka_unit_test(lengths_are_bounded),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
