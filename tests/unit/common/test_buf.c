/* The growable buffer: bound, sticky failure, numbers, JSON strings. */
#include "tests/unit/check.h"

static void it_grows_up_to_its_bound_and_no_further(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    for (int i = 0; i < 1000; i++)
        buf_add_char(&buf, 'a');
    assert_false(buf.failed);
    assert_int_equal(buf.len, 1000);
    assert_true(buf.cap <= 1000);
    buf_add_char(&buf, 'b');
    assert_true(buf.failed);
    assert_int_equal(buf.len, 1000);
    buf_fini(&buf);
}

static void a_failure_sticks_until_cleared(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4);
    buf_add_text(&buf, "ab");
    buf_add_text(&buf, "cde");
    assert_true(buf.failed);
    buf_add_char(&buf, 'f'); /* would fit */
    assert_bytes(buf_str(&buf), "ab");
    buf_clear(&buf);
    assert_false(buf.failed);
    buf_add_text(&buf, "wxyz");
    assert_false(buf.failed);
    assert_bytes(buf_str(&buf), "wxyz");
    buf_fini(&buf);
    assert_null(buf.data);
    buf_add_text(&buf, "ab"); /* usable again, with the same bound */
    buf_add_text(&buf, "cde");
    assert_true(buf.failed);
    buf_fini(&buf);
}

static void huge_lengths_do_not_wrap(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    buf_add_text(&buf, "abc");
    assert_null(buf_reserve(&buf, SIZE_MAX));
    assert_true(buf.failed);
    buf_clear(&buf);
    buf_add_text(&buf, "abc");
    assert_null(buf_reserve(&buf, SIZE_MAX - 2));
    assert_true(buf.failed);
    buf_fini(&buf);
}

static void any_byte_may_be_added(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    buf_add_str(&buf, BYTES("a\0b"));
    buf_add(&buf, NULL, 0);
    buf_add_str(&buf, (struct str){NULL, 0});
    buf_add_char(&buf, '\0');
    assert_bytes(buf_str(&buf), "a\0b\0");
    buf_fini(&buf);
}

static void consuming_drops_the_front(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    buf_add_text(&buf, "abcdef");
    buf_consume(&buf, 2);
    assert_bytes(buf_str(&buf), "cdef");
    buf_consume(&buf, 0);
    assert_bytes(buf_str(&buf), "cdef");
    buf_consume(&buf, 4);
    assert_int_equal(buf.len, 0);
    buf_fini(&buf);
}

static void formats_may_be_longer_than_the_stack_buffer(void **state)
{
    (void)state;
    char *long_text = repeat("0123456789", 200);
    struct buf buf;
    buf_init(&buf, 4000);
    buf_addf(&buf, "<%s>", long_text);
    assert_int_equal(buf.len, 2002);
    assert_memory_equal(buf.data, "<0123456789", 11);
    assert_int_equal(buf.data[2001], '>');
    assert_false(buf.failed);
    buf_addf(&buf, "<%s>", long_text); /* past the bound */
    assert_true(buf.failed);
    assert_int_equal(buf.len, 2002);
    buf_clear(&buf);
    buf_addf(&buf, "%d-%s-%llu", -1, "x", 18446744073709551615ULL);
    assert_bytes(buf_str(&buf), "-1-x-18446744073709551615");
    free(long_text);
    buf_fini(&buf);
}

static void numbers_are_decimal(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    buf_add_u64(&buf, 0);
    buf_add_char(&buf, ' ');
    buf_add_u64(&buf, 10);
    buf_add_char(&buf, ' ');
    buf_add_u64(&buf, UINT64_MAX);
    assert_bytes(buf_str(&buf), "0 10 18446744073709551615");
    buf_fini(&buf);
}

static void json_strings_escape_what_must_be(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    buf_add_json(&buf, BYTES(""));
    buf_add_json(&buf, BYTES("plain"));
    buf_add_json(&buf, BYTES("\"\\/\n\r\t"));
    buf_add_json(&buf, BYTES("\b\f\x01\x1f\0"));
    buf_add_json(&buf, BYTES("茶😀\xe2\x80\xa8"));
    buf_add_json(&buf, BYTES("'%_;--"));
    assert_bytes(buf_str(&buf), "\"\"\"plain\"\"\\\"\\\\/\\n\\r\\t\""
                                "\"\\u0008\\u000c\\u0001\\u001f\\u0000\"\"茶😀\xe2\x80\xa8\"\"'%_;--\"");
    buf_fini(&buf);
}

/* The published values of 64-bit FNV-1a: relays of different versions give each other such numbers. */
/* Each byte in each place of a text that is read eight bytes at a time, alone and beside one that has to be escaped. */
static void json_strings_escape_wherever_it_stands(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 19; at++) {
            char text[20], expected[200];
            size_t len = 0;
            memset(text, at % 2 ? 'x' : '\xff', sizeof text);
            text[at] = (char)byte;
            text[(at + 9) % sizeof text] = '"';
            for (size_t i = 0; i < sizeof text; i++)
                if (text[i] == '"' || text[i] == '\\')
                    len += (size_t)sprintf(expected + len, "\\%c", text[i]);
                else if ((unsigned char)text[i] >= 0x20)
                    expected[len++] = text[i];
                else
                    len += (size_t)sprintf(expected + len,
                                           text[i] == '\n'   ? "\\n"
                                           : text[i] == '\r' ? "\\r"
                                           : text[i] == '\t' ? "\\t"
                                                             : "\\u%04x",
                                           (unsigned)text[i]);
            struct buf buf;
            buf_init(&buf, 400);
            buf_add_escaped(&buf, (struct str){text, sizeof text});
            assert_int_equal(buf.len, len);
            assert_memory_equal(buf.data, expected, len);
            buf_fini(&buf);
        }
    }
}

static void a_hash_is_the_same_everywhere(void **state)
{
    (void)state;
    assert_true(str_hash(STR(""), STR_HASH_SEED) == UINT64_C(0xcbf29ce484222325));
    assert_true(str_hash(STR("a"), STR_HASH_SEED) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(str_hash(STR("foobar"), STR_HASH_SEED) == UINT64_C(0x85944171f73967e8));
    assert_true(str_hash(STR("foobar"), 7) != str_hash(STR("foobar"), 8));
    assert_true(str_hash(STR(""), 0) == 1); /* a key of a map is not 0 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows_up_to_its_bound_and_no_further),
        cmocka_unit_test(a_failure_sticks_until_cleared),
        cmocka_unit_test(huge_lengths_do_not_wrap),
        cmocka_unit_test(any_byte_may_be_added),
        cmocka_unit_test(consuming_drops_the_front),
        cmocka_unit_test(formats_may_be_longer_than_the_stack_buffer),
        cmocka_unit_test(numbers_are_decimal),
        cmocka_unit_test(json_strings_escape_what_must_be),
        cmocka_unit_test(json_strings_escape_wherever_it_stands),
        cmocka_unit_test(a_hash_is_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
