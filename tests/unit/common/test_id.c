/* Identifiers: their shape, and that nothing else has it. */
#include "tests/unit/check.h"

#include "common/id.h"

static void ids_have_their_shape_and_differ(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static char ids[COUNT][ID_MAX];
    for (int i = 0; i < COUNT; i++) {
        id_make("room_", ids[i]);
        assert_int_equal(strlen(ids[i]), 37);
        assert_true(id_is(str_of(ids[i]), "room_"));
        assert_false(id_is(str_of(ids[i]), "user_"));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
}

static void nothing_else_has_it(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES(""),
        BYTES("room_"),
        BYTES("room_0123456789abcdef0123456789abcde"),   /* one less */
        BYTES("room_0123456789abcdef0123456789abcdef0"), /* one more */
        BYTES("room_0123456789abcdef0123456789abcdef "), /* padded */
        BYTES("room_0123456789abcdef0123456789abcde "),
        BYTES("room_0123456789ABCDEF0123456789abcdef"), /* another case */
        BYTES("ROOM_0123456789abcdef0123456789abcdef"),
        BYTES("room-0123456789abcdef0123456789abcdef"),
        BYTES("room_0123456789abcdef0123456789abcdeg"),
        BYTES("room_0123456789abcdef0123456789abcde\0"),
        BYTES("room_\0"
              "123456789abcdef0123456789abcdef"),
        BYTES("room_%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%"),
    };
    assert_true(id_is(BYTES("room_0123456789abcdef0123456789abcdef"), "room_"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(id_is(bad[i], "room_"));
}

static void random_numbers_are_not_zero(void **state)
{
    (void)state;
    uint64_t all = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = id_random();
        assert_true(value != 0);
        all |= value;
    }
    assert_true(all == UINT64_MAX); /* every bit is used */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_have_their_shape_and_differ),
        cmocka_unit_test(nothing_else_has_it),
        cmocka_unit_test(random_numbers_are_not_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
