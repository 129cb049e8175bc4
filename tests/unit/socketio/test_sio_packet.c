/* The packets of Socket.IO: what a client may send, and what ends its connection instead of the process. */
#include "tests/unit/check.h"

#include "common/json.h"
#include "relay/socketio/sio_packet.h"

#define P0 "{\"_placeholder\":true,\"num\":0}"
#define P1 "{\"_placeholder\":true,\"num\":1}"

static struct sio_packet packet;

static enum err parse(struct str text)
{
    char *copy = malloc(text.len ? text.len : 1); /* exactly as long, for the address sanitizer */
    assert_non_null(copy);
    memcpy(copy, text.ptr, text.len);
    enum err err = sio_packet_parse((struct str){copy, text.len}, &packet);
    free(copy);
    return err;
}

/* As parse, and the views stay readable. */
static void take(struct str text)
{
    if (sio_packet_parse(text, &packet))
        fail_msg("refused: %s", text.ptr);
}

static void all_are_refused(const struct str *bad, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (parse(bad[i]) != ERR_INVALID)
            fail_msg("taken, or too big: %s", bad[i].ptr);
}

#define REFUSED(...) \
    do { \
        static const struct str bad[] = {__VA_ARGS__}; \
        all_are_refused(bad, sizeof bad / sizeof bad[0]); \
    } while (0)

/* ---- each type ---- */

static void connect_has_an_object_or_nothing(void **state)
{
    (void)state;
    take(BYTES("0"));
    assert_int_equal(packet.type, SIO_CONNECT);
    assert_bytes(packet.nsp, "/");
    assert_bytes(packet.payload, "");
    assert_int_equal(packet.ack_id, -1);
    take(BYTES("0{\"token\":\"123\"}"));
    assert_bytes(packet.payload, "{\"token\":\"123\"}");
    REFUSED(BYTES("0[]"), BYTES("0[{}]"), BYTES("0\"a\""), BYTES("0null"), BYTES("0true"), BYTES("0{"), BYTES("0{}{}"),
            BYTES("0{} x"), BYTES("012{}"), BYTES("0 "), BYTES("0/admin,[]"), BYTES("0/admin,1"));
}

static void disconnect_has_nothing(void **state)
{
    (void)state;
    take(BYTES("1"));
    assert_int_equal(packet.type, SIO_DISCONNECT);
    take(BYTES("1/admin,"));
    assert_bytes(packet.nsp, "/admin");
    REFUSED(BYTES("1{}"), BYTES("1[]"), BYTES("1\"bye\""), BYTES("1null"), BYTES("112"), BYTES("1/admin,{\"a\":1}"));
}

static void an_event_is_cut_into_name_and_arguments(void **state)
{
    (void)state;
    take(BYTES("2[\"news\"]"));
    assert_int_equal(packet.type, SIO_EVENT);
    assert_int_equal(packet.attachments, 0);
    assert_bytes(packet.name, "\"news\"");
    assert_int_equal(packet.arg_count, 0);
    take(BYTES("2/custom,12 [ \"a\\u0062\" , 1 ,{\"b\":[1,2] , \"c\":\"]}\\\"\"},[],\"x\\\\\",null ,-1.50e3 ] "));
    assert_bytes(packet.nsp, "/custom");
    assert_int_equal(packet.ack_id, 12);
    assert_bytes(packet.name, "\"a\\u0062\"");
    assert_int_equal(packet.arg_count, 6);
    assert_bytes(packet.args[0], "1");
    assert_bytes(packet.args[1], "{\"b\":[1,2] , \"c\":\"]}\\\"\"}");
    assert_bytes(packet.args[2], "[]");
    assert_bytes(packet.args[3], "\"x\\\\\"");
    assert_bytes(packet.args[4], "null");
    assert_bytes(packet.args[5], "-1.50e3"); /* as it was written */
}

static void an_event_has_a_name(void **state)
{
    (void)state;
    REFUSED(BYTES("2"), BYTES("2[]"), BYTES("2[ ]"), BYTES("2[{}]"), BYTES("2[{\"toString\":\"foo\"}]"),
            BYTES("2[[\"a\"]]"), BYTES("2[null]"), BYTES("2[true]"), BYTES("2{}"), BYTES("2\"a\""),
            BYTES("2{\"0\":\"a\"}"), BYTES("21"), BYTES("21[]"), BYTES("2/custom"), BYTES("2/custom,"));
}

static void check_name(struct str text, struct str want)
{
    struct buf name;
    buf_init(&name, 64);
    take(text);
    assert_true(sio_event_name(packet.name, &name));
    assert_str(buf_str(&name), want);
    buf_fini(&name);
}

/* The reference's emitters make a text of a number. */
static void a_name_may_be_a_number(void **state)
{
    (void)state;
    check_name(BYTES("2[1]"), BYTES("1"));
    check_name(BYTES("21[1,\"a\"]"), BYTES("1"));
    check_name(BYTES("2[1.0,\"a\"]"), BYTES("1"));
    check_name(BYTES("2[-0]"), BYTES("0"));
    check_name(BYTES("2[-7]"), BYTES("-7"));
    check_name(BYTES("2[2.5e-3]"), BYTES("2.5e-3"));
    check_name(BYTES("2[1e3]"), BYTES("1000"));
    check_name(BYTES("51-[404,{\"_placeholder\":true,\"num\":0}]"), BYTES("404"));
    check_name(BYTES("2[\"1\"]"), BYTES("1"));
}

static void names_of_the_library_s_own_events_are_refused(void **state)
{
    (void)state;
    REFUSED(BYTES("2[\"connect\"]"), BYTES("2[\"connect_error\"]"), BYTES("2[\"disconnect\"]"),
            BYTES("2[\"disconnecting\"]"), BYTES("2[\"newListener\"]"), BYTES("2[\"removeListener\"]"),
            BYTES("2[\"disconnect\",1]"), BYTES("2[\"\\u0063onnect\"]"), BYTES("2[\"c\\u006fnnect\"]"),
            BYTES("2[\"newListene\\u0072\"]"), BYTES("51-[\"connect\",{\"_placeholder\":true,\"num\":0}]"));
    take(BYTES("2[\"Connect\"]"));
    take(BYTES("2[\"connect \"]"));
    take(BYTES("2[\"\"]"));
    take(BYTES("2[\"message\"]"));
    take(BYTES("2[\"__proto__\"]"));
    take(BYTES("2[\"disconnecting but longer than any word of the library\"]"));
    take(BYTES("2[\"connect\\u0000\"]"));
}

static void an_ack_has_an_id_and_an_array(void **state)
{
    (void)state;
    take(BYTES("30[]"));
    assert_int_equal(packet.type, SIO_ACK);
    assert_int_equal(packet.ack_id, 0);
    assert_int_equal(packet.arg_count, 0);
    take(BYTES("3/admin,456[1,\"2\"]"));
    assert_int_equal(packet.ack_id, 456);
    assert_int_equal(packet.arg_count, 2);
    assert_bytes(packet.args[0], "1");
    assert_bytes(packet.name, "");
    REFUSED(BYTES("3"), BYTES("3[]"), BYTES("312"), BYTES("312{}"), BYTES("312\"a\""), BYTES("3/admin,[]"));
}

static void ack_ids_are_what_a_number_holds_exactly(void **state)
{
    (void)state;
    take(BYTES("29007199254740991[\"a\"]"));
    assert_int_equal(packet.ack_id, INT64_C(9007199254740991));
    take(BYTES("20[\"a\"]"));
    assert_int_equal(packet.ack_id, 0);
    assert_int_equal(parse(BYTES("29007199254740992[\"a\"]")), ERR_TOO_BIG);
    assert_int_equal(parse(BYTES("218446744073709551617[\"a\"]")), ERR_TOO_BIG);
    assert_int_equal(parse(BYTES("299999999999999999999999999999999999999[\"a\"]")), ERR_TOO_BIG);
    REFUSED(BYTES("2abc[\"a\"]"), BYTES("2007[\"a\"]"), BYTES("200[\"a\"]"), BYTES("2-1[\"a\"]"), BYTES("2+1[\"a\"]"),
            BYTES("21.5[\"a\"]"), BYTES("21e3[\"a\"]"), BYTES("20x10[\"a\"]"), BYTES("21,[\"a\"]"), BYTES("2,[\"a\"]"));
}

static void types_that_no_client_sends_are_refused(void **state)
{
    (void)state;
    REFUSED(BYTES(""), BYTES("4"), BYTES("4{\"message\":\"a\"}"), BYTES("4\"a\""), BYTES("7"), BYTES("8"), BYTES("9"),
            BYTES("9[\"a\"]"), BYTES("a"), BYTES("["), BYTES(" 2[\"a\"]"), BYTES("-1"), BYTES("\0"), BYTES("\xb2"));
}

/* ---- namespaces ---- */

static void a_namespace_ends_at_the_comma_or_the_end(void **state)
{
    (void)state;
    take(BYTES("0/custom"));
    assert_bytes(packet.nsp, "/custom");
    assert_bytes(packet.payload, "");
    take(BYTES("0/custom,"));
    assert_bytes(packet.nsp, "/custom");
    take(BYTES("0/custom,{\"a\":1}"));
    assert_bytes(packet.nsp, "/custom");
    assert_bytes(packet.payload, "{\"a\":1}");
    take(BYTES("0/,{}"));
    assert_bytes(packet.nsp, "/");
    take(BYTES("0/custom{\"a\":1}")); /* as the official parser has it: a strange name */
    assert_bytes(packet.nsp, "/custom{\"a\":1}");
    take(BYTES("2/茶馆,[\"a\"]"));
    assert_bytes(packet.nsp, "/茶馆");
    take(BYTES("2/a/b-c,1[\"a\"]"));
    assert_bytes(packet.nsp, "/a/b-c");
    assert_int_equal(packet.ack_id, 1);
    REFUSED(BYTES("0/a b,"), BYTES("0/a\0b,"), BYTES("0/a\n,"), BYTES("0/a\x7f,"), BYTES("0/\xff,"),
            BYTES("0/\xed\xa0\x80,"), BYTES("0custom,"), BYTES("2custom,[\"a\"]"), BYTES("0/a,b,"), BYTES("0/a,/b,"));
}

static void a_namespace_s_query_is_cut_off(void **state)
{
    (void)state;
    take(BYTES("0/admin?x=1,"));
    assert_bytes(packet.nsp, "/admin");
    take(BYTES("0/admin?x=1&y=?z,{\"a\":1}"));
    assert_bytes(packet.nsp, "/admin");
    assert_bytes(packet.payload, "{\"a\":1}");
    take(BYTES("0/?token=a"));
    assert_bytes(packet.nsp, "/");
}

static void a_namespace_is_bounded(void **state)
{
    (void)state;
    char *name = repeat("a", SIO_NAMESPACE_MAX + 100);
    char text[SIO_NAMESPACE_MAX + 100];
    snprintf(text, sizeof text, "0/%.*s,{}", SIO_NAMESPACE_MAX - 1, name);
    assert_int_equal(parse(str_of(text)), ERR_OK);
    snprintf(text, sizeof text, "0/%.*s,{}", SIO_NAMESPACE_MAX, name);
    assert_int_equal(parse(str_of(text)), ERR_TOO_BIG);
    snprintf(text, sizeof text, "0/%.*s", SIO_NAMESPACE_MAX, name);
    assert_int_equal(parse(str_of(text)), ERR_TOO_BIG);
    free(name);
}

/* ---- JSON ---- */

static void broken_json_is_refused(void **state)
{
    (void)state;
    REFUSED(BYTES("2["), BYTES("2[\"a\""), BYTES("2[\"a]"), BYTES("2[\"a\",]"), BYTES("2[,\"a\"]"), BYTES("2[\"a\"]]"),
            BYTES("2[\"a\"}"), BYTES("2[\"a\" 1]"), BYTES("2[\"a\",{\"b\"}]"), BYTES("2[\"a\",{\"b\":}]"),
            BYTES("2[\"a\",{\"b\":1,}]"), BYTES("2[\"a\",{b:1}]"), BYTES("2[\"a\",{1:1}]"), BYTES("2[\"a\",'b']"),
            BYTES("2[\"a\",NaN]"), BYTES("2[\"a\",01]"), BYTES("2[\"a\":1]"), BYTES("2[\"a\",[1}]"),
            BYTES("2[\"a\",\"\\x41\"]"), BYTES("2[\"a\",\"\\u12\"]"), BYTES("2[\"a\",\"\n\"]"), BYTES("2[\"a\"]x"),
            BYTES("2[\"a\"],[\"b\"]"), BYTES("2[\"\xff\"]"), BYTES("2[\"a\",\"\xc0\x80\"]"),
            BYTES("2[\"a\",\"\xed\xa0\x80\"]"), BYTES("2[\"a\0\"]"), BYTES("2[\"a\"]\0"), BYTES("2[\"a\"]\x0b"));
}

static enum err parse_nested(const char *open, const char *close, size_t depth)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add_text(&text, "2[\"a\",");
    for (size_t i = 0; i < depth; i++)
        buf_add_text(&text, open);
    buf_add_char(&text, '1');
    for (size_t i = 0; i < depth; i++)
        buf_add_text(&text, close);
    buf_add_char(&text, ']');
    enum err err = parse(buf_str(&text));
    buf_fini(&text);
    return err;
}

static void depth_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(parse_nested("[", "]", JSON_VET_MAX_DEPTH - 1), ERR_OK);
    assert_int_equal(parse_nested("{\"b\":", "}", JSON_VET_MAX_DEPTH - 1), ERR_OK);
    assert_int_equal(parse_nested("[{\"b\":", "}]", JSON_VET_MAX_DEPTH / 2 - 1), ERR_OK);
    assert_int_equal(parse_nested("[", "]", JSON_VET_MAX_DEPTH), ERR_TOO_BIG);
    assert_int_equal(parse_nested("[", "]", 20000), ERR_TOO_BIG);
    assert_int_equal(parse_nested("{\"b\":", "}", 20000), ERR_TOO_BIG);
    assert_int_equal(parse_nested("[", "", 20000), ERR_TOO_BIG);
}

static enum err parse_many(const char *before, const char *unit, size_t count, const char *after)
{
    struct buf text;
    buf_init(&text, 4 << 20);
    buf_add_text(&text, before);
    for (size_t i = 0; i < count; i++)
        buf_addf(&text, "%s%s", i ? "," : "", unit);
    buf_add_text(&text, after);
    enum err err = parse(buf_str(&text));
    buf_fini(&text);
    return err;
}

/* Past their bound a packet is proper, and says so: nobody's connection ends for that. */
static void arguments_are_counted(void **state)
{
    (void)state;
    assert_int_equal(parse_many("2[\"a\",[", "0", 65000, "]]"), ERR_OK);
    assert_int_equal(parse_many("2[\"a\",[", "0", 200000, "]]"), ERR_OK);
    assert_int_equal(parse_many("2[\"a\",", "0", SIO_ARGS_MAX, "]"), ERR_OK);
    assert_int_equal(packet.arg_count, SIO_ARGS_MAX);
    assert_false(packet.too_many);
    for (size_t more = 1; more < 100000; more *= 10) {
        assert_int_equal(parse_many("21[\"a\",", "0", SIO_ARGS_MAX + more, "]"), ERR_OK);
        assert_true(packet.too_many);
        assert_int_equal(packet.ack_id, 1);
    }
    assert_int_equal(parse_many("2[\"connect\",", "0", SIO_ARGS_MAX + 1, "]"), ERR_INVALID);
    assert_int_equal(parse_many("2[", "{}", SIO_ARGS_MAX + 2, "]"), ERR_INVALID);
    assert_int_equal(parse_many("51-[\"a\"," P0 ",", "0", SIO_ARGS_MAX, "]"), ERR_OK);
    assert_true(packet.too_many && packet.attachments == 1);
    assert_int_equal(parse_many("51-[\"a\",", "0", SIO_ARGS_MAX + 1, "]"), ERR_INVALID);
    assert_int_equal(parse_many("31[", "[]", SIO_ARGS_MAX, "]"), ERR_OK);
    assert_int_equal(packet.arg_count, SIO_ARGS_MAX);
    assert_false(packet.too_many);
    assert_int_equal(parse_many("31[", "[]", SIO_ARGS_MAX + 1, "]"), ERR_OK);
    assert_true(packet.too_many);
}

static void no_beginning_is_enough(void **state)
{
    (void)state;
    struct str whole =
        BYTES("52-/admin,7[\"a\",{\"_placeholder\":true,\"num\":1},[{\"num\":0,\"_placeholder\":true}]]");
    assert_int_equal(parse(whole), ERR_OK);
    for (size_t len = 0; len < whole.len; len++)
        assert_int_equal(parse((struct str){whole.ptr, len}), ERR_INVALID);
}

/* ---- attachments ---- */

static void binary_packets_say_how_many_attachments_follow(void **state)
{
    (void)state;
    take(BYTES("51-[\"a\"," P0 "]"));
    assert_int_equal(packet.type, SIO_BINARY_EVENT);
    assert_int_equal(packet.attachments, 1);
    assert_bytes(packet.args[0], P0);
    take(BYTES("62-/admin,5[" P1 ",{\"deep\":[[" P0 "]]}]"));
    assert_int_equal(packet.type, SIO_BINARY_ACK);
    assert_int_equal(packet.attachments, 2);
    assert_int_equal(packet.ack_id, 5);
    assert_bytes(packet.nsp, "/admin");
    REFUSED(BYTES("5"), BYTES("50-"), BYTES("5["), BYTES("5-[\"a\"]"), BYTES("50-[\"a\"]"), BYTES("5[\"a\"," P0 "]"),
            BYTES("501-[\"a\"," P0 "]"), BYTES("51[\"a\"," P0 "]"), BYTES("5-1-[\"a\"," P0 "]"), BYTES("51"),
            BYTES("5+1-[\"a\"," P0 "]"), BYTES("51.0-[\"a\"," P0 "]"), BYTES("5 1-[\"a\"," P0 "]"), BYTES("51-"),
            BYTES("51-[]"), BYTES("61-[" P0 "]"), BYTES("61-5"), BYTES("5/admin,1-[\"a\"," P0 "]"));
    assert_int_equal(parse(BYTES("59999999-")), ERR_TOO_BIG);
    assert_int_equal(parse(BYTES("599999999999999999999999999-[\"a\"]")), ERR_TOO_BIG);
}

static enum err parse_attachments(unsigned count)
{
    struct buf text;
    buf_init(&text, 4096);
    buf_addf(&text, "5%u-[\"a\"", count);
    for (unsigned i = 0; i < count; i++)
        buf_addf(&text, ",{\"_placeholder\":true,\"num\":%u}", i);
    buf_add_char(&text, ']');
    enum err err = parse(buf_str(&text));
    buf_fini(&text);
    return err;
}

static void attachments_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(parse_attachments(SIO_ATTACHMENTS_MAX), ERR_OK);
    assert_int_equal(parse_attachments(SIO_ATTACHMENTS_MAX + 1), ERR_TOO_BIG);
}

static void there_is_one_placeholder_for_each_attachment(void **state)
{
    (void)state;
    REFUSED(
        BYTES("51-[\"a\"]"), BYTES("51-[\"a\"," P1 "]"), BYTES("51-[\"a\"," P0 "," P0 "]"), BYTES("52-[\"a\"," P0 "]"),
        BYTES("52-[\"a\"," P0 "," P0 "]"), BYTES("51-[\"a\"," P0 "," P1 "]"),
        BYTES("51-[\"a\",{\"_placeholder\":true}]"), BYTES("51-[\"a\",{\"_placeholder\":true,\"num\":\"0\"}]"),
        BYTES("51-[\"a\",{\"_placeholder\":true,\"num\":-1}]"), BYTES("51-[\"a\",{\"_placeholder\":true,\"num\":0.5}]"),
        BYTES("51-[\"a\",{\"_placeholder\":true,\"num\":[0]}]"),
        BYTES("51-[\"a\",{\"_placeholder\":true,\"num\":null}]"),
        BYTES("51-[\"a\",{\"_placeholder\":true,\"num\":18446744073709551616}]"),
        BYTES("51-[\"a\",{\"_placeholder\":true,\"num\":{\"num\":0}}]"),
        BYTES("51-[\"a\",{\"_placeholder\":1,\"num\":0}]"), BYTES("51-[\"a\",{\"_placeholder\":\"true\",\"num\":0}]"),
        BYTES("51-[\"a\",{\"_placeholder\":false,\"num\":0}]"), BYTES("51-[\"a\",\"_placeholder\",true,\"num\",0]"),
        BYTES("51-[\"a\",{\"_placeholder\":true,\"num\":0,\"num\":1}]"),
        BYTES("51-[\"a\",{\"_placeholder\":true,\"num\":0,\"_placeholder\":false}]"),
        BYTES("51-[\"a\",{\"_placeholder\":[true],\"num\":0}]"),
        BYTES("52-[\"a\",{\"_placeholder\":true,\"num\":0,\"in\":" P1 "}]"), /* one inside another */
        BYTES("52-[\"a\",{\"in\":[" P1 "],\"_placeholder\":true,\"num\":0}]"));
    take(BYTES("51-[\"a\",{\"num\":0,\"_placeholder\":true,\"more\":[{}]}]"));
    take(BYTES("51-[\"a\",{\"num\":7,\"_placeholder\":true,\"num\":0}]"));
    take(BYTES("51-[\"a\",{\"\\u005fplaceholder\":true,\"n\\u0075m\":0}]"));
    take(BYTES("51-[\"a\"," P0 ",{\"_placeholder\":false,\"num\":9},\"_placeholder\"]"));
    take(BYTES("52-[\"a\",{\"_placeholder\":true,\"num\":0.0},{\"_placeholder\":true,\"num\":1e0}]"));
    take(BYTES("51-[\"a\",{\"num\":3,\"_placeholder\":{\"b\":" P0 "}}]"));
}

static void what_looks_like_a_placeholder_in_a_text_event_is_data(void **state)
{
    (void)state;
    take(BYTES("2[\"a\"," P0 "," P0 ",{\"_placeholder\":true,\"num\":\"x\"}]"));
    assert_int_equal(packet.attachments, 0);
    assert_int_equal(packet.arg_count, 3);
}

/* ---- writing ---- */

static void check_head(enum sio_type type, unsigned attachments, struct str nsp, int64_t ack_id, struct str want)
{
    struct buf out;
    buf_init(&out, 256);
    sio_packet_add_head(&out, type, attachments, nsp, ack_id);
    assert_str(buf_str(&out), want);
    buf_fini(&out);
}

static void heads_are_those_of_the_protocol(void **state)
{
    (void)state;
    check_head(SIO_CONNECT, 0, BYTES("/"), -1, BYTES("0"));
    check_head(SIO_CONNECT, 0, BYTES("/admin"), -1, BYTES("0/admin,"));
    check_head(SIO_CONNECT_ERROR, 0, BYTES("/random"), -1, BYTES("4/random,"));
    check_head(SIO_EVENT, 0, BYTES("/"), -1, BYTES("2"));
    check_head(SIO_EVENT, 0, BYTES("/admin"), 0, BYTES("2/admin,0"));
    check_head(SIO_ACK, 0, BYTES("/"), INT64_C(9007199254740991), BYTES("39007199254740991"));
    check_head(SIO_BINARY_EVENT, 2, BYTES("/"), -1, BYTES("52-"));
    check_head(SIO_BINARY_ACK, 10, BYTES("/admin"), 456, BYTES("610-/admin,456"));
}

/* ---- strings ---- */

static void check_string(struct str json, struct str want)
{
    struct buf out;
    buf_init(&out, 1024);
    buf_add_char(&out, '>');
    assert_int_equal(json_vet(json, 1, 1), ERR_OK);
    assert_true(sio_json_string(json, &out));
    assert_str(((struct str){out.data + 1, out.len - 1}), want);
    buf_fini(&out);
}

static void strings_are_decoded(void **state)
{
    (void)state;
    check_string(BYTES("\"\""), BYTES(""));
    check_string(BYTES("\"茶馆 😀\""), BYTES("茶馆 😀"));
    check_string(BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t|\""), BYTES("\"\\/\b\f\n\r\t|"));
    check_string(BYTES("\"a\\u0041\\u00e9\\u8336\\uD83D\\ude00z\""), BYTES("aAé茶😀z"));
    check_string(BYTES("\"\\u007f\\u0080\\u07ff\\u0800\\uffff\""),
                 BYTES("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"));
    check_string(BYTES("\"\\udbff\\udfff\\ud800\\udc00\""), BYTES("\xf4\x8f\xbf\xbf\xf0\x90\x80\x80"));
}

static void half_a_pair_and_nul_are_replaced(void **state)
{
    (void)state;
    check_string(BYTES("\"a\\u0000b\""), BYTES("a\xef\xbf\xbd"
                                               "b"));
    check_string(BYTES("\"\\ud83d\""), BYTES("\xef\xbf\xbd"));
    check_string(BYTES("\"\\ud83dx\""), BYTES("\xef\xbf\xbdx"));
    check_string(BYTES("\"\\ude00\\ud83d\""), BYTES("\xef\xbf\xbd\xef\xbf\xbd"));
    check_string(BYTES("\"\\ud83d\\ud83d\\ude00\""), BYTES("\xef\xbf\xbd😀"));
    check_string(BYTES("\"\\ud83d\\n\""), BYTES("\xef\xbf\xbd\n"));
    check_string(BYTES("\"\\ud83d\\\\ude00\""), BYTES("\xef\xbf\xbd\\ude00"));
}

static void other_values_are_no_strings(void **state)
{
    (void)state;
    static const struct str others[] = {BYTES("1"),  BYTES("null"),    BYTES("true"),
                                        BYTES("{}"), BYTES("[\"a\"]"), BYTES("")};
    struct buf out;
    buf_init(&out, 16);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(sio_json_string(others[i], &out));
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void a_decoded_string_has_the_buffer_s_bound(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 3);
    assert_true(sio_json_string(BYTES("\"ab\\u0063d\""), &out));
    assert_true(out.failed);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_has_an_object_or_nothing),
        cmocka_unit_test(disconnect_has_nothing),
        cmocka_unit_test(an_event_is_cut_into_name_and_arguments),
        cmocka_unit_test(an_event_has_a_name),
        cmocka_unit_test(a_name_may_be_a_number),
        cmocka_unit_test(names_of_the_library_s_own_events_are_refused),
        cmocka_unit_test(an_ack_has_an_id_and_an_array),
        cmocka_unit_test(ack_ids_are_what_a_number_holds_exactly),
        cmocka_unit_test(types_that_no_client_sends_are_refused),
        cmocka_unit_test(a_namespace_ends_at_the_comma_or_the_end),
        cmocka_unit_test(a_namespace_s_query_is_cut_off),
        cmocka_unit_test(a_namespace_is_bounded),
        cmocka_unit_test(broken_json_is_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(arguments_are_counted),
        cmocka_unit_test(no_beginning_is_enough),
        cmocka_unit_test(binary_packets_say_how_many_attachments_follow),
        cmocka_unit_test(attachments_are_bounded),
        cmocka_unit_test(there_is_one_placeholder_for_each_attachment),
        cmocka_unit_test(what_looks_like_a_placeholder_in_a_text_event_is_data),
        cmocka_unit_test(heads_are_those_of_the_protocol),
        cmocka_unit_test(strings_are_decoded),
        cmocka_unit_test(half_a_pair_and_nul_are_replaced),
        cmocka_unit_test(other_values_are_no_strings),
        cmocka_unit_test(a_decoded_string_has_the_buffer_s_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
