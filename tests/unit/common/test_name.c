/* What people and rooms may be called. */
#include "tests/unit/check.h"

#include "common/name.h"
#include "common/text.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

static struct str put(char *out, const char *before, UChar32 point, const char *behind)
{
    int32_t len = (int32_t)strlen(before);
    memcpy(out, before, (size_t)len);
    if (point >= 0xd800 && point <= 0xdfff) {
        out[len++] = (char)0xed;
        out[len++] = (char)(0x80 | (point >> 6 & 0x3f));
        out[len++] = (char)(0x80 | (point & 0x3f));
    } else {
        U8_APPEND_UNSAFE(out, len, point);
    }
    strcpy(out + len, behind);
    return (struct str){out, (size_t)len + strlen(behind)};
}

/* By Unicode's own properties: what has no look of its own. */
static bool cannot_be_seen(UChar32 point)
{
    uint32_t hidden = U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CN_MASK | U_GC_CO_MASK | U_GC_CS_MASK | U_GC_ZS_MASK |
                      U_GC_ZL_MASK | U_GC_ZP_MASK;
    return (U_MASK(u_charType(point)) & hidden || u_hasBinaryProperty(point, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)) &&
           point != ' ';
}

static void nothing_that_cannot_be_seen_is_in_a_new_name(void **state)
{
    (void)state;
    static const char *const around[][2] = {{"", ""},     {"system", ""}, {"", "system"}, {"sys", "tem"},
                                            {"茶", "馆"}, {"茶", ""},     {"a ", " b"},   {"é", "é"},
                                            {"☕", ""},   {"😀", "😀"},   {"ж", "ж"},     {"1", "2"}};
    char text[64];
    unsigned seen = 0;
    for (UChar32 point = 0; point <= 0x10ffff; point++) {
        if (!cannot_be_seen(point))
            continue;
        seen++;
        for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
            /* the one thing that such a code point is for: a text symbol becomes an emoji */
            if (point == 0xfe0f && !strcmp(around[i][0], "☕"))
                continue;
            if (name_judge(put(text, around[i][0], point, around[i][1]), 64) == NAME_OK)
                fail_msg("U+%04X in %s?%s", (unsigned)point, around[i][0], around[i][1]);
        }
    }
    assert_true(seen > 800000); /* most are not assigned, or private */
}

/* Whatever is taken alone is a letter, a number, punctuation or a symbol. */
static void only_what_has_a_look_is_a_name(void **state)
{
    (void)state;
    uint32_t visible = U_GC_L_MASK | U_GC_N_MASK | U_GC_P_MASK | U_GC_S_MASK;
    char text[8];
    unsigned taken = 0;
    for (UChar32 point = 1; point <= 0x10ffff; point++) {
        bool ok = name_judge(put(text, "", point, ""), 64) == NAME_OK;
        taken += ok;
        if (ok && !(U_MASK(u_charType(point)) & visible))
            fail_msg("U+%04X", (unsigned)point);
    }
    assert_true(taken > 130000);
}

static void names_may_be_of_any_writing(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a",
        "茶馆",
        "😀",
        "' OR 1=1--",
        "%_\\\"'",
        "</script>",
        "null",
        "{\"a\"}",
        "茶馆 №1",
        "🍵👩‍👩‍👧🇨🇳",
        "𠮷野家",
        "٣٤ عربى",
        "e\xcc\x81 vs é",
        "\xef\xb7\xba",
        "丨Alex丨",
        "ღAliceღ",
        "ζ小妖",
        "Вася Pupkin",
        "Вася_Alex",
        "Анна-Мария",
        "O'Neil",
        "Nguyễn Văn Đức",
        "한글",
        "ひらがなカタカナ",
        "Ελλάδα",
        "❤️",
        "1️⃣",
        "👍🏽",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "👩🏽‍🚀",
        "•̀ㅂ•́",
        "๑乛◡乛๑",
        "ヽ(✿ﾟ▽ﾟ)ノ",
        "♪星☆空♪",
        "𝓑𝓸𝓫",
        "ｂｏｂ",
        "علی‌رضا", /* Persian: U+200C keeps letters apart */
        "ශ්‍රී", /* Sinhala: U+200D joins them */
        "क्‍ष",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (name_judge(str_of(good[i]), 64) != NAME_OK)
            fail_msg("%s", good[i]);
}

static void what_misleads_is_given_to_nobody(void **state)
{
    (void)state;
    static const char *const old[] = {
        " a",
        "a ",
        "a  b",
        "a\xe3\x80\x80",
        "\xe3\x80\x80x",
        "\xc2\xa0x",
        "a\xe2\x80\x8b", /* zero width space */
        "\xe2\xa0\x80",  /* Braille blank */
        "a\xe2\xa0\x80",
        "a\xef\xbf\xbc", /* object replacement */
        "\xcc\x81x",     /* a mark upon nothing */
        "a \xcc\x81",
        "e\xcc\x81\xcc\x81",                         /* looks like one */
        "e\xcc\x81\xcc\x82\xcc\x83\xcc\x84\xcc\x85", /* covers the neighbours */
        "a\xe2\x80\x8d",                             /* joiners that join nothing */
        "a\xe2\x80\x8d"
        "b",
        "a\xe2\x80\x8c"
        "b",
        "علی‌",
        "👍\xe2\x80\x8d👍", /* no emoji that there is: looks like two */
        "😀\xef\xb8\x8f",   /* is one already */
        "a\xef\xb8\x8f",
        "👍\xef\xb8\x8e",
        "葛\xf3\xa0\x84\x80", /* a variant of the ideograph */
        "🏴\xf3\xa0\x81\xa7",
        "b\xd0\xbe"
        "b", /* a Cyrillic o among Latin letters */
        "p\xd0\xb0ypal x",
        "x \xd0\xb0"
        "bc",
        "ＢОB",
        "\xf4\x8f\xbf\xbd", /* private use */
    };
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
        if (name_judge(str_of(old[i]), 64) != NAME_OLD)
            fail_msg("row %zu: %s", i, old[i]);
        assert_int_equal(text_check_label(str_of(old[i]), 64), ERR_OK); /* who has it keeps it */
    }
}

static void what_never_was_a_name_is_none(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES(""),      BYTES(" "),     BYTES("   "),           BYTES("\xe2\x80\x8b"), BYTES("a\0b"),
        BYTES("a\nb"),  BYTES("a\x7f"), BYTES("a\xe2\x80\xae"), BYTES("\xed\xa0\x80"), BYTES("\xc0\x80"),
        BYTES("a\xff"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(name_judge(bad[i], 64), NAME_BAD);
    char *fits = repeat("茶", 64), *longer = repeat("茶", 65);
    assert_int_equal(name_judge(str_of(fits), 64), NAME_OK);
    assert_int_equal(name_judge(str_of(longer), 64), NAME_BAD);
    free(fits);
    free(longer);
}

static void what_looks_like_the_server_is_reserved(void **state)
{
    (void)state;
    static const char *const like[] = {
        "system",
        "System",
        "SYSTEM",
        "systern",
        "sy stem",
        "sуstem",
        "ѕуѕтем",
        "ЅУЅТЕМ",
        "ＳＹＳＴＥＭ",
        "ｓystem",
        "sÿstem",
        "ṣystem",
        "s\xcc\xa3y\xcc\x81stem",
        "ⓢⓨⓢⓣⓔⓜ",
        "𝓼𝔂𝓼𝓽𝓮𝓶",
        "ᏚᎩᏚᎢᎬᎷ",
        "ꜱʏꜱᴛᴇᴍ",
        "🆂🆈🆂🆃🅴🅼",
        "🇸🇾🇸🇹🇪🇲",
        "ſystem",
        "系统",
        "系統",
        "系 统",
    };
    static const char *const unlike[] = {
        "",           "s",     "systems", "sistem", "my system", "system.", "ecosystem",    "系",
        "系统管理员", "alice", "茶馆",    "𠮷野家", "ъуъ",       "😀",      "\xef\xb7\xba",
    };
    for (size_t i = 0; i < sizeof like / sizeof like[0]; i++)
        if (!name_looks_reserved(str_of(like[i])) || name_judge_speaker(str_of(like[i]), 64) == NAME_OK)
            fail_msg("%s", like[i]);
    for (size_t i = 0; i < sizeof unlike / sizeof unlike[0]; i++)
        if (name_looks_reserved(str_of(unlike[i])))
            fail_msg("%s", unlike[i]);
}

/* Each single look-alike that Unicode knows, in each place of the word. */
static void each_letter_that_looks_the_same_is_known(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        const char *other;
    } swaps[] = {{0, "ѕ"}, {0, "ꜱ"}, {0, "𝗌"}, {1, "у"}, {1, "γ"},  {1, "ʏ"}, {2, "ѕ"},
                 {3, "𝘵"}, {4, "е"}, {4, "ҽ"}, {4, "ℯ"}, {5, "rn"}, {5, "ⅿ"}, {5, "м"}};
    for (size_t i = 0; i < sizeof swaps / sizeof swaps[0]; i++) {
        char text[32];
        snprintf(text, sizeof text, "%.*s%s%s", (int)swaps[i].at, "system", swaps[i].other, "system" + swaps[i].at + 1);
        if (!name_looks_reserved(str_of(text)))
            fail_msg("%s", text);
    }
}

static void an_emoji_is_one(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "👍", "❤️", "❤", "👩‍🍳", "👍🏽", "🇨🇳", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👨‍👩‍👧‍👦"};
    static const char *const bad[] = {"",
                                      "x",
                                      "1",
                                      "#",
                                      "茶",
                                      "👍👍",
                                      "👍 ",
                                      "\u200d",
                                      "\ufe0f",
                                      "👍x",
                                      "©x",
                                      "<b>",
                                      "👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍👍"};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        if (!name_is_emoji(str_of(fine[i])))
            fail_msg("%s is one", fine[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (name_is_emoji(str_of(bad[i])))
            fail_msg("%s is none", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_emoji_is_one),
        cmocka_unit_test(nothing_that_cannot_be_seen_is_in_a_new_name),
        cmocka_unit_test(only_what_has_a_look_is_a_name),
        cmocka_unit_test(names_may_be_of_any_writing),
        cmocka_unit_test(what_misleads_is_given_to_nobody),
        cmocka_unit_test(what_never_was_a_name_is_none),
        cmocka_unit_test(what_looks_like_the_server_is_reserved),
        cmocka_unit_test(each_letter_that_looks_the_same_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
