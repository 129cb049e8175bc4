/* JSON from outside: what json-c would take and must not reach it. */
#include "tests/unit/check.h"

#include "common/json.h"

static enum err parse(struct str text)
{
    struct json_object *object = (struct json_object *)1;
    enum err err = json_parse_object(text, &object);
    if (err)
        assert_null(object);
    else
        json_object_put(object);
    return err;
}

static void objects_are_taken(void **state)
{
    (void)state;
    static const struct str good[] = {
        BYTES("{}"),
        BYTES(" \t\r\n{ } \n"),
        BYTES("{\"a\":1,\"b\":[true,false,null],\"c\":{\"d\":\"e\"}}"),
        BYTES("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u8336\"}"),
        BYTES("{\"a\":\"\\ud83d\\ude00\"}"), /* a whole pair */
        BYTES("{\"a\":\"茶馆 😀 </script> ' OR 1=1--\"}"),
        BYTES("{\"a\":-1.5e+3}"),
        BYTES("{\"\":0}"),
        BYTES("\xef\xbb\xbf{}"), /* a byte order mark */
        BYTES("\xef\xbb\xbf \r\n{\"a\":\"\xef\xbb\xbf\"}"),
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(parse(good[i]), ERR_OK);
    assert_bytes(json_without_mark(BYTES("\xef\xbb\xbf{}")), "{}");
    assert_bytes(json_without_mark(BYTES("{}")), "{}");
    assert_bytes(json_without_mark(BYTES("\xef\xbb\xbf")), "");
    assert_bytes(json_without_mark(BYTES("\xef\xbb")), "\xef\xbb");
    assert_bytes(json_without_mark(BYTES("")), "");
}

static void everything_else_is_refused(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES(""),
        BYTES(" "),
        BYTES("null"),
        BYTES("1"),
        BYTES("\"a\""),
        BYTES("[]"),
        BYTES("[{}]"),
        BYTES("{"),
        BYTES("}"),
        BYTES("{]"),
        BYTES("{}{}"),
        BYTES("{}x"),
        BYTES("{} 1"),
        BYTES("{},"),
        BYTES("{\"a\":1,}"),
        BYTES("{,}"),
        BYTES("{\"a\"}"),
        BYTES("{\"a\":}"),
        BYTES("{\"a\" 1}"),
        BYTES("{a:1}"),
        BYTES("{'a':1}"),
        BYTES("{\"a\":'b'}"),
        BYTES("{\"a\":NaN}"),
        BYTES("{\"a\":Infinity}"),
        BYTES("{\"a\":-Infinity}"),
        BYTES("{\"a\":True}"),
        BYTES("{\"a\":nul}"),
        BYTES("{\"a\":0x10}"),
        BYTES("{\"a\":[1,]}"),
        BYTES("{\"a\":1 2}"),
        BYTES("{\"a\":\"b}"),
        BYTES("{\"a\":\"\\x41\"}"),
        BYTES("{\"a\":\"\\u12\"}"),
        BYTES("{\"a\":\"\\u12g4\"}"),
        BYTES("{\"a\":\"\\"),
        BYTES("{\"a\":\"\\\"}"),
        BYTES("{/* */}"),
        BYTES("{\"a\":1}//"),
        BYTES("{\"a\":1}#"),
        BYTES("\xef\xbb\xbf"), /* a byte order mark alone, twice, in half, elsewhere */
        BYTES("\xef\xbb\xbf\xef\xbb\xbf{}"),
        BYTES("\xef\xbb{}"),
        BYTES(" \xef\xbb\xbf{}"),
        BYTES("{\xef\xbb\xbf}"),
        BYTES("{}\xef\xbb\xbf"),
        BYTES("\xff\xfe{\0}\0"), /* UTF-16 */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(bad[i]) != ERR_INVALID)
            fail_msg("taken: %s", bad[i].ptr);
}

static void numbers_are_those_of_the_grammar(void **state)
{
    (void)state;
    static const char *const bad[] = {"01",   "-",    "+1",    "--1", "1-2", "1.", ".5", "1e", "1e+",
                                      "1.e3", "1..2", "1e5e5", "-01", "1+1", "00", "e",  ".",  "1.2.3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"a\":%s}", bad[i]);
        if (parse(str_of(text)) != ERR_INVALID)
            fail_msg("taken: %s", text);
    }
    static const char *const good[] = {"0", "-0", "10", "1.5", "1e5", "1E-5", "0.0", "-1.25e+10"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"a\":%s}", good[i]);
        if (parse(str_of(text)))
            fail_msg("refused: %s", text);
    }
}

static void bad_bytes_are_refused_wherever_they_stand(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES("{\"a\":\"\xed\xa0\x80\"}"), /* a surrogate */
        BYTES("{\"a\":\"\xc0\x80\"}"),     /* overlong NUL */
        BYTES("{\"\xc0\x80\":1}"),
        BYTES("{\"a\":\"\xff\"}"),
        BYTES("{\"a\":\"x\0y\"}"), /* NUL */
        BYTES("{\"a\0b\":1}"),
        BYTES("{}\0"),
        BYTES("\0{}"),
        BYTES("{\"a\":\"\\u0000\"}"), /* an escaped NUL */
        BYTES("{\"a\\u0000b\":1}"),
        BYTES("{\"a\":\"\\ud800\"}"), /* half a pair */
        BYTES("{\"a\":\"\\udc00\"}"),
        BYTES("{\"a\":\"\\ud800x\"}"),
        BYTES("{\"a\":\"\\ud800\\n\"}"),
        BYTES("{\"a\":\"\\ud800\\u0041\"}"),
        BYTES("{\"a\":\"\\ud800\\ud800\"}"),
        BYTES("{\"a\":\"\\ud800\\udc0\"}"),
        BYTES("{\"a\":\"\\udc00\\ud800\"}"),
        BYTES("{\"a\":\"\n\"}"), /* controls must be escaped */
        BYTES("{\"a\":\"\x1f\"}"),
        BYTES("{\"a\":1}\x0b"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(bad[i]) != ERR_INVALID)
            fail_msg("taken: number %zu", i);
}

/* Every beginning of a good text is a bad one; the scanner must not read past its end either. */
static void no_beginning_is_enough(void **state)
{
    (void)state;
    struct str whole = BYTES("{\"a\":\"\\ud83d\\ude00茶\",\"b\":[true,null,-1.5e3],\"c\":{\"d\":\"\\\\\"}}");
    assert_int_equal(parse(whole), ERR_OK);
    for (size_t len = 0; len < whole.len; len++) {
        char *copy = malloc(len ? len : 1); /* exactly as long, for the address sanitizer */
        assert_non_null(copy);
        memcpy(copy, whole.ptr, len);
        assert_int_equal(parse((struct str){copy, len}), ERR_INVALID);
        free(copy);
    }
}

static enum err parse_nested(const char *open, const char *close, size_t depth)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add_text(&text, "{\"a\":");
    for (size_t i = 0; i < depth; i++)
        buf_add_text(&text, open);
    buf_add_char(&text, '1');
    for (size_t i = 0; i < depth; i++)
        buf_add_text(&text, close);
    buf_add_char(&text, '}');
    enum err err = parse(buf_str(&text));
    buf_fini(&text);
    return err;
}

static void depth_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(parse_nested("[", "]", JSON_MAX_DEPTH - 1), ERR_OK);
    assert_int_equal(parse_nested("[", "]", JSON_MAX_DEPTH), ERR_TOO_BIG);
    assert_int_equal(parse_nested("[", "]", 20000), ERR_TOO_BIG);
    assert_int_equal(parse_nested("{\"a\":", "}", JSON_MAX_DEPTH - 1), ERR_OK);
    assert_int_equal(parse_nested("{\"a\":", "}", 20000), ERR_TOO_BIG);
    assert_int_equal(parse_nested("[", "", 20000), ERR_TOO_BIG);
}

static enum err parse_keys(int count)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add_char(&text, '{');
    for (int i = 0; i < count; i++)
        buf_addf(&text, "%s\"k%d\":0", i ? "," : "", i);
    buf_add_char(&text, '}');
    enum err err = parse(buf_str(&text));
    buf_fini(&text);
    return err;
}

static void values_are_counted(void **state)
{
    (void)state;
    assert_int_equal(parse_keys(JSON_MAX_VALUES), ERR_OK);
    assert_int_equal(parse_keys(5000), ERR_TOO_BIG);
    assert_int_equal(parse_nested("[1,", "]", 10), ERR_OK);
}

static void the_last_of_two_equal_keys_counts(void **state)
{
    (void)state;
    struct json_object *object;
    struct str text;
    assert_int_equal(json_parse_object(BYTES("{\"a\":\"x\",\"a\":\"y\"}"), &object), ERR_OK);
    assert_true(json_get_string(object, "a", &text));
    assert_bytes(text, "y"); /* as browsers' JSON.parse has it; nothing else parses the same text */
    json_object_put(object);
}

static void members_have_a_type(void **state)
{
    (void)state;
    struct json_object *object;
    struct str text;
    struct str json = BYTES("{\"s\":\"\\u8336\",\"e\":\"\",\"n\":12,\"t\":\"12\",\"d\":1.5,\"b\":true,"
                            "\"z\":null,\"o\":{},\"a\":[]}");
    assert_int_equal(json_parse_object(json, &object), ERR_OK);
    assert_true(json_get_string(object, "s", &text));
    assert_bytes(text, "茶");
    assert_true(json_get_string(object, "e", &text));
    assert_bytes(text, "");
    for (const char *key = "ndbzoa"; *key; key++) {
        char name[] = {*key, '\0'};
        assert_false(json_get_string(object, name, &text));
    }
    assert_false(json_get_string(object, "missing", &text));
    assert_true(json_has(object, "b"));
    assert_false(json_has(object, "z"));
    assert_false(json_has(object, "missing"));
    assert_false(json_has(object, "toString"));
    assert_false(json_has(object, "__proto__"));

    int64_t number = 0;
    assert_true(json_get_int(object, "n", 0, 12, &number));
    assert_int_equal(number, 12);
    assert_false(json_get_int(object, "n", 0, 11, &number));
    assert_false(json_get_int(object, "n", 13, 99, &number));
    for (const char *key = "stdbzoa"; *key; key++) {
        char name[] = {*key, '\0'};
        assert_false(json_get_int(object, name, INT64_MIN, INT64_MAX, &number));
    }
    json_object_put(object);
}

static bool in_range(const char *literal, int64_t min, int64_t max)
{
    char text[128];
    struct json_object *object;
    int64_t number;
    snprintf(text, sizeof text, "{\"a\":%s}", literal);
    assert_int_equal(json_parse_object(str_of(text), &object), ERR_OK);
    bool taken = json_get_int(object, "a", min, max, &number);
    json_object_put(object);
    return taken;
}

static void huge_numbers_do_not_wrap(void **state)
{
    (void)state;
    assert_true(in_range("2147483647", 0, INT32_MAX));
    assert_false(in_range("2147483648", 0, INT32_MAX));
    assert_false(in_range("18446744073709551616", 0, INT32_MAX)); /* 2^64 */
    assert_false(in_range("18446744073709551617", 0, INT32_MAX));
    assert_false(in_range("4294967296", 0, INT32_MAX)); /* 2^32 */
    assert_false(in_range("-1", 0, INT32_MAX));
    assert_false(in_range("-18446744073709551617", 0, INT32_MAX));
    assert_false(in_range("1e10", 0, INT32_MAX));
    assert_false(in_range("1e400", 0, INT64_MAX));
    assert_false(in_range("9223372036854775808.0", 0, INT64_MAX));
    assert_false(in_range("99999999999999999999999999999999999999999", 0, INT32_MAX));
}

/* As libraries write it that have one type of numbers: Gson, Lua, Godot, MessagePack bridges. */
static void an_integer_is_one_however_it_is_spelled(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"0.0", 0},
        {"-0.0", 0},
        {"0e99999999999999999999", 0},
        {"0E-5", 0},
        {"1", 1},
        {"1.0", 1},
        {"1e0", 1},
        {"1E+0", 1},
        {"1.000000000000000000000000000000000000000000000", 1},
        {"10e-1", 1},
        {"1200.00e-2", 12},
        {"1.2e1", 12},
        {"0.000012e6", 12},
        {"-12.0", -12},
        {"1e18", INT64_C(1000000000000000000)},
        {"13800000001.0", INT64_C(13800000001)},
        {"1.3800000001E10", INT64_C(13800000001)},
        {"9007199254740993.0", INT64_C(9007199254740993)}, /* a double would make it …992 */
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775807.0", INT64_MAX},
        {"-9223372036854775807", -INT64_MAX},
        {"922337203685477580700000e-5", INT64_MAX},
    };
    static const char *const bad[] = {"0.5",
                                      "1.5",
                                      "1e-1",
                                      "12e-2",
                                      "1.0000000000000000000000000000001",
                                      "1e19",
                                      "1e400",
                                      "-1e99999999999",
                                      "1e9999999999999999999999",
                                      "1e-9999999999999999999999",
                                      "9223372036854775808",
                                      "18446744073709551616.0",
                                      "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct json_object *object;
        int64_t number = -7, member = -7;
        char text[256];
        if (!json_whole(str_of(good[i].text), &number) || number != good[i].value)
            fail_msg("%s is %lld", good[i].text, (long long)number);
        snprintf(text, sizeof text, "{\"a\":{\"b\":[%s]},\"c\":%s}", good[i].text, good[i].text);
        assert_int_equal(json_parse_object(str_of(text), &object), ERR_OK);
        assert_true(json_get_int(object, "c", -INT64_MAX, INT64_MAX, &member));
        assert_int_equal(member, number);
        struct json_object *inner = json_object_object_get(json_object_object_get(object, "a"), "b");
        struct json_object *element = json_object_array_get_idx(inner, 0);
        assert_true(json_object_is_type(element, json_type_int));
        snprintf(text, sizeof text, "%lld", (long long)number); /* and nothing of its spelling is left */
        assert_string_equal(json_object_get_string(element), text);
        json_object_put(object);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t number;
        if (json_whole(str_of(bad[i]), &number))
            fail_msg("%s is an integer", bad[i]);
        assert_false(in_range(bad[i], -INT64_MAX, INT64_MAX - 1));
    }
    static const char *const none[] = {"",   "-",  "+1",  "1.",  ".5",  "1e",   "1e+",   "e5", " 1",
                                       "1 ", "1x", "0x1", "--1", "1-1", "1..0", "1e5.0", "1,0"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        int64_t number;
        if (json_whole(str_of(none[i]), &number))
            fail_msg("'%s' is a number", none[i]);
    }
    int64_t number;
    assert_true(json_whole(str_of("007"), &number)); /* in a query */
    assert_int_equal(number, 7);
    assert_false(json_whole(BYTES("1\0"), &number));
}

static void any_value_is_a_json_text(void **state)
{
    (void)state;
    static const struct str good[] = {
        BYTES("null"),       BYTES(" true "),
        BYTES("-0.5e-7"),    BYTES("\"\""),
        BYTES("[]"),         BYTES("{}"),
        BYTES("[[],{}]"),    BYTES("[1 , 2]"),
        BYTES("{\"a\":{}}"), BYTES("\"\\u0000\\ud800\\udc00\\udc00\""),
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (json_vet(good[i], 4, 16))
            fail_msg("refused: %s", good[i].ptr);
    static const struct str bad[] = {
        BYTES(""),          BYTES(" "),           BYTES("1 2"),         BYTES("1,2"),        BYTES("[1 2]"),
        BYTES("[1,]"),      BYTES("[,1]"),        BYTES("[}"),          BYTES("{]"),         BYTES("{\"a\"]"),
        BYTES("[\"a\":1]"), BYTES("{\"a\":1:2}"), BYTES("{1:2}"),       BYTES("{\"a\"}"),    BYTES("{\"a\":}"),
        BYTES("{\"a\",1}"), BYTES(":"),           BYTES(","),           BYTES("[]]"),        BYTES("]"),
        BYTES("[[]"),       BYTES("\"a\"b"),      BYTES("truefalse"),   BYTES("nullnull"),   BYTES("1\0"),
        BYTES("\"\xff\""),  BYTES("\"\\u00\""),   BYTES("\"\\ug000\""), BYTES("{\"a\":1,}"), BYTES("{,}"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (json_vet(bad[i], 4, 16) != ERR_INVALID)
            fail_msg("taken: %s", bad[i].ptr);
}

static void vetting_has_the_caller_s_bounds(void **state)
{
    (void)state;
    assert_int_equal(json_vet(BYTES("[[1]]"), 2, 1), ERR_OK);
    assert_int_equal(json_vet(BYTES("[[[1]]]"), 2, 1), ERR_TOO_BIG);
    assert_int_equal(json_vet(BYTES("1"), 0, 1), ERR_OK);
    assert_int_equal(json_vet(BYTES("[]"), 0, 1), ERR_TOO_BIG);
    assert_int_equal(json_vet(BYTES("[1,2,3]"), 1, 3), ERR_OK);
    assert_int_equal(json_vet(BYTES("[1,2,3,4]"), 1, 3), ERR_TOO_BIG);
    char *open = repeat("[", JSON_VET_MAX_DEPTH), *close = repeat("]", JSON_VET_MAX_DEPTH);
    char both[2 * JSON_VET_MAX_DEPTH + 1];
    snprintf(both, sizeof both, "%s%s", open, close);
    assert_int_equal(json_vet(str_of(both), JSON_VET_MAX_DEPTH, 1), ERR_OK);
    assert_int_equal(json_vet(str_of(open), JSON_VET_MAX_DEPTH, 1), ERR_INVALID);
    free(open);
    free(close);
}

static void a_vetted_text_is_read_by_tokens(void **state)
{
    (void)state;
    struct str rest = BYTES(" {\"a\" : [1, -2.5e3,true],\"b\\\"\":\"c\",\"d\":{} } ");
    static const struct str want[] = {
        BYTES("{"),         BYTES("\"a\""), BYTES("["),     BYTES("1"), BYTES("-2.5e3"), BYTES("true"), BYTES("]"),
        BYTES("\"b\\\"\""), BYTES("\"c\""), BYTES("\"d\""), BYTES("{"), BYTES("}"),      BYTES("}")};
    static const bool is_key[13] = {[1] = true, [7] = true, [9] = true};
    struct json_token token;
    assert_int_equal(json_vet(rest, 3, 9), ERR_OK);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_true(json_token_next(&rest, &token));
        assert_str(token.text, want[i]);
        assert_int_equal(token.is_key, is_key[i]);
    }
    assert_false(json_token_next(&rest, &token));
}

static void an_array_is_cut_into_its_elements(void **state)
{
    (void)state;
    struct str elements[3];
    size_t count;
    assert_int_equal(json_array_cut(BYTES(" [ 1 ,[2,[3]] , {\"a\" : [4]} ] "), elements, 3, &count), ERR_OK);
    assert_int_equal(count, 3);
    assert_bytes(elements[0], "1");
    assert_bytes(elements[1], "[2,[3]]");
    assert_bytes(elements[2], "{\"a\" : [4]}");
    assert_int_equal(json_array_cut(BYTES("[]"), elements, 0, &count), ERR_OK);
    assert_int_equal(count, 0);
    assert_int_equal(json_array_cut(BYTES("[1,2,3,4]"), elements, 3, &count), ERR_TOO_BIG);
    assert_int_equal(json_array_cut(BYTES("{\"a\":1}"), elements, 3, &count), ERR_INVALID);
    assert_int_equal(json_array_cut(BYTES("\"[1]\""), elements, 3, &count), ERR_INVALID);
}

static void other_members_are_told_as_they_stand_there(void **state)
{
    (void)state;
    static const char *const names[] = {"from", "a\"b", NULL};
    static const struct {
        const char *object, *others;
    } rows[] = {
        {"{}", ""},
        {"{\"from\":1}", ""},
        {" { \"from\" : {\"x\":1} , \"y\" : [1.50, {\"from\":\"}\"}] ,\"z\":\"a\\\"b\"} ",
         "\"y\" : [1.50, {\"from\":\"}\"}],\"z\":\"a\\\"b\""},
        {"{\"\\u0066rom\":1,\"fro\":2,\"From\":3,\"a\\\"b\":4,\"a\\u0022c\":[]}",
         "\"fro\":2,\"From\":3,\"a\\u0022c\":[]"},
        {"{\"y\":1,\"y\":2,\"\":null}", "\"y\":1,\"y\":2,\"\":null"},
    };
    struct buf out;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_object *object;
        assert_int_equal(json_parse_object(str_of(rows[i].object), &object), ERR_OK);
        json_object_put(object);
        buf_init(&out, 1000);
        json_add_others(&out, str_of(rows[i].object), names);
        assert_str(buf_str(&out), str_of(rows[i].others));
        buf_fini(&out);
    }
    buf_init(&out, 4); /* a bound that is passed is seen */
    json_add_others(&out, STR("{\"longer\":1}"), names);
    assert_true(out.failed);
    buf_fini(&out);
}

static void the_writer_puts_the_commas(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    buf_add_text(&out, "data: "); /* what stands before a text is none of its business */
    json_begin_object(&out);
    json_add_object(&out, "none");
    json_end_object(&out);
    json_add_array(&out, "mixed");
    json_add_int(&out, NULL, INT64_MIN);
    json_add_u64(&out, NULL, UINT64_MAX);
    json_add_array(&out, NULL);
    json_end_array(&out);
    json_add_object(&out, NULL);
    json_add_bool(&out, "yes", true);
    json_add_null(&out, "nothing");
    json_end_object(&out);
    json_add_string(&out, NULL, STR("a \"[{:"));
    json_add_raw(&out, NULL, STR("1,2"));
    json_add_raw(&out, NULL, STR(""));
    json_add_bool(&out, NULL, false);
    json_end_array(&out);
    json_add_key(&out, "later");
    json_add_text(&out, NULL, "[");
    json_add_joined(&out, "two", STR("\"a"), STR("b\n"));
    json_add_joined(&out, "empty", STR(""), STR(""));
    json_add_int(&out, "last", -1);
    json_end_object(&out);
    assert_bytes(buf_str(&out), "data: {\"none\":{},\"mixed\":[-9223372036854775808,18446744073709551615,[],"
                                "{\"yes\":true,\"nothing\":null},\"a \\\"[{:\",1,2,false],"
                                "\"later\":\"[\",\"two\":\"\\\"ab\\n\",\"empty\":\"\",\"last\":-1}");
    buf_fini(&out);
}

static void the_writers_failure_sticks(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 10);
    json_begin_object(&out);
    json_add_text(&out, "too", "long");
    json_add_int(&out, "n", 1);
    json_end_object(&out);
    assert_true(out.failed);
    buf_fini(&out);
    buf_init(&out, sizeof "[1,{\"a\":2}]" - 1); /* what just fits */
    json_begin_array(&out);
    json_add_int(&out, NULL, 1);
    json_add_object(&out, NULL);
    json_add_int(&out, "a", 2);
    json_end_object(&out);
    json_end_array(&out);
    assert_bytes(buf_str(&out), "[1,{\"a\":2}]");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_taken),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(numbers_are_those_of_the_grammar),
        cmocka_unit_test(bad_bytes_are_refused_wherever_they_stand),
        cmocka_unit_test(no_beginning_is_enough),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(values_are_counted),
        cmocka_unit_test(the_last_of_two_equal_keys_counts),
        cmocka_unit_test(members_have_a_type),
        cmocka_unit_test(huge_numbers_do_not_wrap),
        cmocka_unit_test(an_integer_is_one_however_it_is_spelled),
        cmocka_unit_test(any_value_is_a_json_text),
        cmocka_unit_test(vetting_has_the_caller_s_bounds),
        cmocka_unit_test(a_vetted_text_is_read_by_tokens),
        cmocka_unit_test(an_array_is_cut_into_its_elements),
        cmocka_unit_test(other_members_are_told_as_they_stand_there),
        cmocka_unit_test(the_writer_puts_the_commas),
        cmocka_unit_test(the_writers_failure_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
