/* What is looked for: words, pairs, phrases, and where they stand. */
#include "tests/unit/check.h"

#include "common/search/search_query.h"

static void known_by(const char *text, const char *tokens)
{
    struct words words = {0};
    struct buf out;
    buf_init(&out, 1 << 20);
    words_read(&words, str_of(text));
    words_add_tokens(&words, &out);
    assert_str(buf_str(&out), str_of(tokens));
    buf_fini(&out);
    words_fini(&words);
}

static void texts_are_known_by_words_and_pairs(void **state)
{
    (void)state;
    known_by("", "");
    known_by(" ,.! \"", "");
    known_by("Hello, World!", " hello world");
    known_by("茶馆", " 茶 馆 茶馆");
    known_by("茶 馆", " 茶 馆");
    known_by("去Starbucks喝茶", " 去 starbucks 喝 茶 喝茶");
    known_by("ＷｉＦｉ ５", " wifi 5");                  /* width */
    known_by("Café cafe\xcc\x81 ÉTÉ", " cafe cafe ete"); /* accents, composed or not */
    known_by("don't stop_it", " don t stop it");
    known_by("ﬁne ½", " fine 12");
    known_by("カフェ が か", " カ フ カフ ェ フェ か\xe3\x82\x99 か");
    known_by("ｶﾌｪ", " カ フ カフ ェ フェ"); /* narrow Katakana */
    known_by("서울", " 서 울 서울");
    known_by("Привет ΜΆΪΟΣ", " привет μαιοσ");
    known_by("☕茶", " ☕ 茶");
    known_by("👍🏽👍", " 👍 👍");
    known_by("👨‍👩‍👧", " 👨 👩 👧");
    known_by("a\xcc\x81\xcc\x81\xcc\x81", " a");
    known_by("\xcc\x81", ""); /* a mark of nothing */
    known_by("\xe2\x80\x8bx", " x");
    known_by("soft\xc2\xadware", " software");
}

static void what_is_long_is_cut_and_broken_bytes_are_gaps(void **state)
{
    (void)state;
    struct words words = {0};
    char *text = repeat("好", WORDS_TEXT_MAX / 3 + 100);
    words_read(&words, str_of(text));
    assert_int_equal(words.count, WORDS_TEXT_MAX / 3);
    free(text);
    text = repeat("é", 100);
    words_read(&words, str_of(text));
    assert_int_equal(words.count, 1);
    assert_int_equal(words.at[0].key_len, WORD_KEY_MAX);
    assert_int_equal(words.at[0].end, 200);
    free(text);
    words_read(&words, BYTES("a\xff\xe8\x8c b\x00"
                             "c"));
    assert_int_equal(words.count, 3);
    words_fini(&words);
}

static enum err reads(const char *text, const char *tokens)
{
    struct search_query query;
    struct buf out;
    enum err err = search_query_read(&query, str_of(text));
    buf_init(&out, 1 << 16);
    if (!err)
        search_query_add_tokens(&query, &out);
    assert_str(buf_str(&out), str_of(tokens));
    buf_fini(&out);
    search_query_fini(&query);
    return err;
}

static void a_query_asks_for_all_its_phrases(void **state)
{
    (void)state;
    assert_int_equal(reads("", ""), ERR_INVALID);
    assert_int_equal(reads(" \"\" ... ", ""), ERR_INVALID);
    assert_int_equal(reads("Tea house", "\"tea\" AND \"house\""), ERR_OK);
    assert_int_equal(reads("茶", "\"茶\""), ERR_OK);
    assert_int_equal(reads("喝茶", "\"喝茶\""), ERR_OK);
    assert_int_equal(reads("去喝茶", "\"去喝\" AND \"喝茶\""), ERR_OK);
    assert_int_equal(reads("wifi密码", "\"wifi\" AND \"密码\""), ERR_OK);
    assert_int_equal(reads("茶\"馆\"", "\"茶\" AND \"馆\""), ERR_OK);
    assert_int_equal(
        reads("a\" b* OR NOT (c) x:y ^", "\"a\" AND \"b\" AND \"or\" AND \"not\" AND \"c\" AND \"x\" AND \"y\""),
        ERR_OK); /* the engine's own words are words */
    char *text = repeat("a ", SEARCH_PHRASES_MAX);
    assert_int_equal(reads(text,
                           "\"a\" AND \"a\" AND \"a\" AND \"a\" AND \"a\" AND \"a\" AND \"a\" AND \"a\" AND \"a\" AND "
                           "\"a\" AND \"a\" AND \"a\" AND \"a\" AND \"a\" AND \"a\" AND \"a\""),
                     ERR_OK);
    free(text);
    text = repeat("a ", SEARCH_PHRASES_MAX + 1);
    assert_int_equal(reads(text, ""), ERR_TOO_BIG);
    free(text);
    text = repeat("a", SEARCH_QUERY_MAX + 1);
    assert_int_equal(reads(text, ""), ERR_TOO_BIG);
    free(text);
}

/* `marked`: the text with [ ] around what is marked, or NULL: it does not match. In ASCII and characters of two units. */
static void finds(const char *asked, const char *text, const char *marked)
{
    struct search_query query;
    struct search_mark marks[SEARCH_MARKS_MAX];
    struct words words = {0};
    size_t count;
    assert_int_equal(search_query_read(&query, str_of(asked)), ERR_OK);
    bool matches = search_query_matches(&query, str_of(text), &words, marks, &count);
    if (matches != (marked != NULL))
        fail_msg("%s in %s", asked, text);
    struct buf out;
    buf_init(&out, 1 << 16);
    size_t units = 0, next = 0;
    for (const char *at = text; matches; at++) {
        bool begins = ((unsigned char)*at & 0xc0) != 0x80;
        if (begins && next < count && units == marks[next].begin)
            buf_add_char(&out, '[');
        if (begins && next < count && units == marks[next].end) {
            buf_add_char(&out, ']');
            next++;
            if (next < count && units == marks[next].begin)
                buf_add_char(&out, '[');
        }
        if (!*at)
            break;
        buf_add_char(&out, *at);
        if (begins)
            units += (unsigned char)*at >= 0xf0 ? 2 : 1;
    }
    if (matches)
        assert_str(buf_str(&out), str_of(marked));
    buf_fini(&out);
    words_fini(&words);
    search_query_fini(&query);
}

static void phrases_stand_in_a_text_and_are_marked(void **state)
{
    (void)state;
    finds("tea", "Tea, TEA and teas", "[Tea], [TEA] and teas");
    finds("tea house", "a house of tea", "a [house] of [tea]");
    finds("\"tea house\"", "a house of tea", NULL);
    finds("\"tea house\"", "the tea-house", "the [tea-house]");
    finds("tea-house", "the tea house", "the [tea house]");
    finds("茶馆", "老舍的茶馆，好茶馆", "老舍的[茶馆]，好[茶馆]");
    finds("茶馆", "茶 馆", NULL);
    finds("茶馆里", "茶馆 馆里", NULL); /* the pairs are there, the phrase is not */
    finds("茶", "喝茶茶茶", "喝[茶茶茶]");
    finds("好茶 好", "好茶好", "[好茶好]");
    finds("wifi密码", "店里的WiFi 密码", "店里的[WiFi 密码]");
    finds("cafe", "un café", "un [café]");
    finds("茶", "😀茶", "😀[茶]");
    finds("😀", "x😀y😀", "x[😀]y[😀]");
    finds("👍", "👍🏽!", "[👍🏽]!");
    finds("x", "y", NULL);
    char *many = repeat("a b ", 50), *some = repeat("[a] b ", SEARCH_MARKS_MAX), text[1024];
    char *rest = repeat("a b ", 50 - SEARCH_MARKS_MAX);
    snprintf(text, sizeof text, "%s%s", some, rest);
    finds("a", many, text);
    free(many);
    free(some);
    free(rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_known_by_words_and_pairs),
        cmocka_unit_test(what_is_long_is_cut_and_broken_bytes_are_gaps),
        cmocka_unit_test(a_query_asks_for_all_its_phrases),
        cmocka_unit_test(phrases_stand_in_a_text_and_are_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
