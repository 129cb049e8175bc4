/* What relays tell each other about a namespace. */
#include "tests/unit/check.h"

#include "common/audience.h"
#include "common/io_notice.h"

static void a_notice_comes_back_as_it_went(void **state)
{
    (void)state;
    for (int kind = IO_NOTICE_EMIT; kind <= IO_NOTICE_KIND_MAX; kind++) {
        struct io_notice notice = {(enum io_notice_kind)kind, BYTES("r4:Reds"), BYTES("[\"news\",\"茶\"]")}, read;
        struct buf bytes;
        buf_init(&bytes, 1024);
        io_notice_add(&bytes, &notice);
        assert_false(bytes.failed);
        assert_int_equal(io_notice_get(buf_str(&bytes), &read), ERR_OK);
        assert_int_equal(read.kind, kind);
        assert_str(read.audience, notice.audience);
        assert_str(read.body, notice.body);
        buf_fini(&bytes);
    }
}

static void its_bytes_are_these(void **state)
{
    (void)state;
    struct io_notice notice = {IO_NOTICE_LEAVE, BYTES("s1:a"), BYTES("Reds")};
    struct buf bytes;
    buf_init(&bytes, 1024);
    io_notice_add(&bytes, &notice);
    assert_bytes(buf_str(&bytes), "\3\4\0s1:a\4\0\0\0Reds");
    buf_fini(&bytes);
}

static void empty_texts_are_texts(void **state)
{
    (void)state;
    struct io_notice read;
    assert_int_equal(io_notice_get(BYTES("\4\0\0\0\0\0\0"), &read), ERR_OK);
    assert_int_equal(read.kind, IO_NOTICE_DISCONNECT);
    assert_bytes(read.audience, "");
    assert_bytes(read.body, "");
}

static void no_beginning_and_nothing_more_is_taken(void **state)
{
    (void)state;
    struct str whole = BYTES("\1\4\0s1:a\4\0\0\0Reds!");
    struct io_notice read;
    assert_int_equal(io_notice_get((struct str){whole.ptr, whole.len - 1}, &read), ERR_OK);
    for (size_t len = 0; len <= whole.len; len++) {
        if (len == whole.len - 1)
            continue;
        char *copy = malloc(len ? len : 1); /* exactly as long, for the address sanitizer */
        assert_non_null(copy);
        memcpy(copy, whole.ptr, len);
        assert_int_equal(io_notice_get((struct str){copy, len}, &read), ERR_INVALID);
        free(copy);
    }
}

static void what_no_relay_says_is_refused(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES("\0\0\0\0\0\0\0"),             /* no kind */
        BYTES("\6\0\0\0\0\0\0"),             /* nor this */
        BYTES("\377\0\0\0\0\0\0"),           /* nor this */
        BYTES("\1\0\0\377\377\377\377"),     /* a body longer than there is */
        BYTES("\1\377\377\0\0\0\0"),         /* so the audience */
        BYTES("\1\1\0\377\0\0\0\0"),         /* no UTF-8 */
        BYTES("\1\0\0\3\0\0\0\xed\xa0\x80"), /* a surrogate in the body */
    };
    struct io_notice read;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (io_notice_get(bad[i], &read) != ERR_INVALID)
            fail_msg("taken: number %zu", i);
}

static void an_audience_is_no_longer_than_it_can_be(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct buf bytes;
        struct io_notice read;
        size_t len = AUDIENCE_MAX + (size_t)over;
        char *audience = repeat("a", len);
        buf_init(&bytes, 2 * AUDIENCE_MAX);
        buf_add_char(&bytes, IO_NOTICE_JOIN);
        buf_add_char(&bytes, (char)(len & 0xff));
        buf_add_char(&bytes, (char)(len >> 8));
        buf_add_text(&bytes, audience);
        buf_add(&bytes, "\0\0\0\0", 4);
        assert_int_equal(io_notice_get(buf_str(&bytes), &read), over ? ERR_INVALID : ERR_OK);
        buf_fini(&bytes);
        free(audience);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_notice_comes_back_as_it_went), cmocka_unit_test(its_bytes_are_these),
        cmocka_unit_test(empty_texts_are_texts),          cmocka_unit_test(no_beginning_and_nothing_more_is_taken),
        cmocka_unit_test(what_no_relay_says_is_refused),  cmocka_unit_test(an_audience_is_no_longer_than_it_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
