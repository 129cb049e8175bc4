/* Whom an event is for, as text. */
#include "tests/unit/check.h"

#include "common/audience.h"

static struct audience audience;

static void nobody_named_is_everybody(void **state)
{
    (void)state;
    assert_int_equal(audience_parse(BYTES(""), &audience), ERR_OK);
    assert_true(audience.everybody);
    assert_int_equal(audience.count, 0);
}

static void names_come_back_in_their_order(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, AUDIENCE_MAX);
    audience_add(&text, 'r', BYTES("Reds"));
    audience_add(&text, 's', BYTES("AAAAAAAAAAAAAAAAAAAA"));
    audience_add(&text, 'x', BYTES("茶:r1 s2"));
    assert_bytes(buf_str(&text), "r4:Redss20:AAAAAAAAAAAAAAAAAAAAx9:茶:r1 s2");
    assert_int_equal(audience_parse(buf_str(&text), &audience), ERR_OK);
    assert_false(audience.everybody);
    assert_int_equal(audience.count, 3);
    assert_int_equal(audience.names[0].kind, 'r');
    assert_bytes(audience.names[0].name, "Reds");
    assert_int_equal(audience.names[1].kind, 's');
    assert_bytes(audience.names[1].name, "AAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(audience.names[2].kind, 'x');
    assert_bytes(audience.names[2].name, "茶:r1 s2");
    buf_fini(&text);
}

static void all_but_some_is_everybody_else(void **state)
{
    (void)state;
    assert_int_equal(audience_parse(BYTES("x1:ax1:b"), &audience), ERR_OK);
    assert_true(audience.everybody);
    assert_int_equal(audience.count, 2);
    assert_int_equal(audience_parse(BYTES("x1:as1:b"), &audience), ERR_OK);
    assert_false(audience.everybody);
}

static void what_is_not_of_the_form_is_refused(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES("r"),
        BYTES("r:"),
        BYTES("r1"),
        BYTES("r1:"),
        BYTES("r0:"),
        BYTES("r01:a"),
        BYTES("r2:a"),
        BYTES("r-1:a"),
        BYTES("r+1:a"),
        BYTES("r 1:a"),
        BYTES("q1:a"),
        BYTES("R1:a"),
        BYTES("r1:ab"),
        BYTES("r1:a,r1:b"),
        BYTES("1:a"),
        BYTES("r1:a\0"),
        BYTES("r1:\0"),
        BYTES("r3:a\0b"),
        BYTES("r1:\xff"),
        BYTES("r3:\xed\xa0\x80"),
        BYTES("r1:\xe8"),
        BYTES("r2:\xc0\x80"),
        BYTES("r99999999999999999999999999:a"),
        BYTES("\0"),
        BYTES("r18446744073709551617:a"),
        BYTES("r1x:a"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (audience_parse(bad[i], &audience) != ERR_INVALID)
            fail_msg("taken: %s", bad[i].ptr);
}

static void no_beginning_of_a_name_is_enough(void **state)
{
    (void)state;
    struct str whole = BYTES("s10:abcdefghij");
    assert_int_equal(audience_parse(whole, &audience), ERR_OK);
    for (size_t len = 1; len < whole.len; len++) {
        char *copy = malloc(len); /* exactly as long, for the address sanitizer */
        assert_non_null(copy);
        memcpy(copy, whole.ptr, len);
        assert_int_equal(audience_parse((struct str){copy, len}, &audience), ERR_INVALID);
        free(copy);
    }
}

static void names_are_counted(void **state)
{
    (void)state;
    char *most = repeat("r1:a", AUDIENCE_NAMES), *more = repeat("r1:a", AUDIENCE_NAMES + 1);
    assert_int_equal(audience_parse(str_of(most), &audience), ERR_OK);
    assert_int_equal(audience.count, AUDIENCE_NAMES);
    assert_int_equal(audience_parse(str_of(more), &audience), ERR_TOO_BIG);
    free(most);
    free(more);
}

static void length_is_bounded(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct buf text;
        buf_init(&text, AUDIENCE_MAX + 1);
        char *name = repeat("a", AUDIENCE_MAX - strlen("r4090:") + (size_t)over);
        audience_add(&text, 'r', str_of(name));
        assert_false(text.failed);
        assert_int_equal(text.len, AUDIENCE_MAX + over);
        assert_int_equal(audience_parse(buf_str(&text), &audience), over ? ERR_TOO_BIG : ERR_OK);
        buf_fini(&text);
        free(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_named_is_everybody),
        cmocka_unit_test(names_come_back_in_their_order),
        cmocka_unit_test(all_but_some_is_everybody_else),
        cmocka_unit_test(what_is_not_of_the_form_is_refused),
        cmocka_unit_test(no_beginning_of_a_name_is_enough),
        cmocka_unit_test(names_are_counted),
        cmocka_unit_test(length_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
