/* Text from outside: UTF-8, labels, content, times. */
#include "tests/unit/check.h"

#include "common/text.h"

static void utf8_takes_every_length(void **state)
{
    (void)state;
    assert_true(text_utf8_valid(BYTES("")));
    assert_true(text_utf8_valid(BYTES("plain ascii, longer than eight bytes")));
    assert_true(text_utf8_valid(BYTES("\xc2\x80")));         /* U+0080, the least of two bytes */
    assert_true(text_utf8_valid(BYTES("\xe0\xa0\x80")));     /* U+0800 */
    assert_true(text_utf8_valid(BYTES("\xed\x9f\xbf")));     /* U+D7FF, the last before surrogates */
    assert_true(text_utf8_valid(BYTES("\xee\x80\x80")));     /* U+E000, the first after */
    assert_true(text_utf8_valid(BYTES("\xf0\x90\x80\x80"))); /* U+10000 */
    assert_true(text_utf8_valid(BYTES("\xf4\x8f\xbf\xbf"))); /* U+10FFFF */
    assert_true(text_utf8_valid(BYTES("a\0b")));
    assert_true(text_utf8_valid(BYTES("茶馆 😀 plain")));
}

static void utf8_refuses_what_browsers_refuse(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES("\xed\xa0\x80"),             /* U+D800 */
        BYTES("\xed\xbf\xbf"),             /* U+DFFF */
        BYTES("\xed\xa0\xbd\xed\xb8\x80"), /* a pair of surrogates (CESU-8) */
        BYTES("\xc0\x80"),                 /* NUL in two bytes */
        BYTES("\xc1\xbf"),                 /* ASCII in two bytes */
        BYTES("\xe0\x9f\xbf"),             /* two bytes' worth in three */
        BYTES("\xf0\x8f\xbf\xbf"),         /* three bytes' worth in four */
        BYTES("\xf4\x90\x80\x80"),         /* past U+10FFFF */
        BYTES("\xf5\x80\x80\x80"),
        BYTES("\xf8\x88\x80\x80\x80"), /* five bytes */
        BYTES("\xff"),
        BYTES("\x80"), /* a continuation alone */
        BYTES("\xbf"),
        BYTES("\xc3"), /* cut short */
        BYTES("\xe4\xb8"),
        BYTES("\xf0\x9f\x98"),
        BYTES("\xc3("), /* broken in the middle */
        BYTES("\xe4\xb8("),
        BYTES("\xf0\x9f\x98("),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(text_utf8_valid(bad[i]));
        /* at every distance from an eight-byte boundary, with ASCII around it */
        for (size_t before = 0; before < 17; before++) {
            char text[64];
            memset(text, 'a', sizeof text);
            memcpy(text + before, bad[i].ptr, bad[i].len);
            assert_false(text_utf8_valid((struct str){text, sizeof text}));
            assert_false(text_utf8_valid((struct str){text, before + bad[i].len}));
        }
    }
}

/* All sequences of one and two bytes, against the definition. */
static void utf8_knows_every_short_sequence(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++) {
        char one[] = {(char)a};
        assert_int_equal(text_utf8_valid((struct str){one, 1}), a < 0x80);
        for (unsigned b = 0; b < 256; b++) {
            char two[] = {(char)a, (char)b};
            bool ascii = a < 0x80 && b < 0x80;
            bool pair = a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf;
            assert_int_equal(text_utf8_valid((struct str){two, 2}), ascii || pair);
        }
    }
}

static void length_counts_code_points(void **state)
{
    (void)state;
    assert_int_equal(text_length(BYTES("")), 0);
    assert_int_equal(text_length(BYTES("茶馆")), 2);
    assert_int_equal(text_length(BYTES("a😀b")), 3);
    assert_int_equal(text_length(BYTES("e\xcc\x81")), 2); /* not what is seen as one letter */
}

static void labels_may_hold_almost_anything(void **state)
{
    (void)state;
    static const struct str good[] = {
        BYTES("a"),
        BYTES("茶馆"),
        BYTES("😀"),
        BYTES("' OR 1=1--"),
        BYTES("%_\\\"'"),
        BYTES("</script>"),
        BYTES(" a "),
        BYTES("BOB "),
        BYTES("null"),
        BYTES("\xc2\xa0x"),
        BYTES("\xe2\x80\x8bx"),
        BYTES("{\"a\"}"),
        BYTES("a\xe3\x80\x80"),
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(text_check_label(good[i], 64), ERR_OK);
}

static void labels_refuse_what_cannot_be_seen_or_misleads(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES(""),
        BYTES(" "),
        BYTES("   "),
        BYTES("\xe3\x80\x80"), /* ideographic space alone */
        BYTES("\xc2\xa0"),     /* no-break space alone */
        BYTES("\xe2\x80\x8b"), /* zero width space alone */
        BYTES("\xe2\x81\xa0"), /* word joiner alone */
        BYTES("a\0b"),
        BYTES("a\nb"),
        BYTES("a\tb"),
        BYTES("a\x1b[31m"),
        BYTES("a\x7f"),
        BYTES("a\xc2\x85"),     /* C1: next line */
        BYTES("a\xe2\x80\xa8"), /* line separator */
        BYTES("a\xe2\x80\xa9"), /* paragraph separator */
        BYTES("a\xe2\x80\xae"
              "b"), /* right-to-left override */
        BYTES("a\xe2\x81\xa6"
              "b"),             /* isolate */
        BYTES("a\xe2\x80\x8f"), /* right-to-left mark */
        BYTES("a\xd8\x9c"),     /* Arabic letter mark */
        BYTES("\xef\xbb\xbf"
              "a"), /* byte order mark */
        BYTES("\xed\xa0\x80"),
        BYTES("\xc0\x80"),
        BYTES("a\xff"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(text_check_label(bad[i], 64), ERR_INVALID);
}

static void labels_are_measured_in_characters(void **state)
{
    (void)state;
    static const char *const units[] = {"a", "é", "茶", "😀"};
    for (size_t i = 0; i < 4; i++) {
        char *fits = repeat(units[i], 64), *longer = repeat(units[i], 65);
        assert_int_equal(text_check_label(str_of(fits), 64), ERR_OK);
        assert_int_equal(text_check_label(str_of(longer), 64), ERR_TOO_BIG);
        free(fits);
        free(longer);
    }
}

static void content_keeps_lines_and_refuses_controls(void **state)
{
    (void)state;
    assert_int_equal(text_check_content(BYTES("a\tb\r\nc")), ERR_OK);
    assert_int_equal(text_check_content(BYTES("\xe2\x80\xa8")), ERR_OK); /* U+2028 is shown literally */
    assert_int_equal(text_check_content(BYTES("<img onerror>")), ERR_OK);
    assert_int_equal(text_check_content(BYTES("")), ERR_INVALID);
    assert_int_equal(text_check_content(BYTES("a\0b")), ERR_INVALID);
    assert_int_equal(text_check_content(BYTES("\x1b")), ERR_INVALID);
    assert_int_equal(text_check_content(BYTES("\xed\xa0\x80")), ERR_INVALID);
}

static void content_loses_its_bidirectional_controls(void **state)
{
    (void)state;
    static const struct {
        struct str in, out;
    } rows[] = {
        {BYTES("plain"), BYTES("plain")},
        {BYTES("\xe2\x80\xae"), BYTES("\xef\xbf\xbd")},
        {BYTES("a\xe2\x80\xaa"
               "b\xe2\x81\xa9"
               "c"),
         BYTES("a\xef\xbf\xbd"
               "b\xef\xbf\xbd"
               "c")},
        {BYTES("\xe2\x80\xae\xe2\x80\xae"), BYTES("\xef\xbf\xbd\xef\xbf\xbd")},
        {BYTES("\xe2\x80\xa9\xe2\x80\xaf"), BYTES("\xe2\x80\xa9\xe2\x80\xaf")}, /* the neighbours */
        {BYTES("\xe2\x81\xa5\xe2\x81\xaa"), BYTES("\xe2\x81\xa5\xe2\x81\xaa")},
        {BYTES("\xe2\x82\xac"), BYTES("\xe2\x82\xac")}, /* a euro sign, the same first byte */
        {BYTES(""), BYTES("")},
    };
    struct buf out;
    buf_init(&out, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_clear(&out);
        text_add_content(&out, rows[i].in);
        assert_str(buf_str(&out), rows[i].out);
    }
    buf_fini(&out);
}

static void times_must_exist(void **state)
{
    (void)state;
    static const char *const good[] = {
        "2024-02-29 23:59:59",
        "2000-02-29 00:00:00",
        "1999-12-31 12:00:00",
        "2024/02/29 23:59:59",
        "2024-02-29 23:59:59.123",
        "2024-2-9 3:04:05",
        "2024-02-29 23:59",
        "2024-02-29T23:59:59",
        "2024-02-29T23:59:59.123Z",
        "2024-02-29T23:59:59+08:00",
        "2024-02-29T23:59:59-0330",
        "2024/2/29 23:59:59", /* toLocaleString in zh-CN */
        "2024/2/29 下午11:59:59",
        "2024/2/29 上午9:05:00",
        "2024年2月29日 23:59:59",
        "2024年2月29日 GMT+8 下午11:59:59",
        "2/29/2024, 11:59:59 PM", /* in en-US */
        "2/29/2024, 11:59:59\u202fPM",
        "12/1/2024, 1:00:00 AM",
    };
    static const char *const bad[] = {
        "",
        "2023-02-29 00:00:00", /* no leap year */
        "1900-02-29 00:00:00",
        "2024-13-01 00:00:00",
        "2024-00-01 00:00:00",
        "2024-01-32 00:00:00",
        "2024-01-00 00:00:00",
        "2024-04-31 00:00:00",
        "2024-01-01 24:00:00",
        "2024-01-01 00:60:00",
        "2024-01-01 00:00:60",
        "2024-01-01",
        "12:00:00",
        "now",
        "1709251199007",
        "2024-01/01 00:00:00",
        "2024-01-01T",
        "2024-01-01T 00:00:00",
        "2024-01-01,00:00:00",
        "2024-01-0100:00:00",
        "2024-01-01 00:00:00.",
        "2024-01-01 00:00:00.1234567890",
        "2024-01-01 00:00:00+",
        "2024-01-01 00:00:00+8",
        "2024-01-01 00:00:00+15:00",
        "2024-01-01 00:00:00 XM",
        "2024-01-01 00:00:00 ",
        "2024-01-01 00:00:00 <b>",
        "2024-01-01 00:00:00\n",
        "2024-01-01 00:00:00\u202e",
        "2024-01-01                                                      00:00:00", /* 65 characters or more */
        "29/2/2024, 11:59:59 PM",
        "2/30/2024, 11:59:59 PM",
        "2/29/24, 11:59:59 PM",
        "2024-01-01 00:00:0",
        "2024-01-01 00:00:000",
        "2024-1-01 000:00:00",
        "20240-1-1 00:00:00",
        " 024-01-01 00:00:00",
        "-024-01-01 00:00:00",
        "0000-01-01 00:00:00",
        "2024-01-01 00:00:0x",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!text_is_sent_at(str_of(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (text_is_sent_at(str_of(bad[i])))
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_takes_every_length),
        cmocka_unit_test(utf8_refuses_what_browsers_refuse),
        cmocka_unit_test(utf8_knows_every_short_sequence),
        cmocka_unit_test(length_counts_code_points),
        cmocka_unit_test(labels_may_hold_almost_anything),
        cmocka_unit_test(labels_refuse_what_cannot_be_seen_or_misleads),
        cmocka_unit_test(labels_are_measured_in_characters),
        cmocka_unit_test(content_keeps_lines_and_refuses_controls),
        cmocka_unit_test(content_loses_its_bidirectional_controls),
        cmocka_unit_test(times_must_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
