/* Engine.IO packets and payloads: what comes in is taken apart as the protocol says, what goes out comes back the
 * same. */
#include "tests/unit/check.h"

#include "relay/socketio/eio_packet.h"

enum { SCRATCH_BYTES = 4096 };

static struct buf scratch;

static int begin(void **state)
{
    (void)state;
    buf_init(&scratch, SCRATCH_BYTES);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_fini(&scratch);
    return 0;
}

/* The next packet must be this one. */
static void next_is(struct str *payload, enum eio_type type, bool binary, struct str data)
{
    struct eio_packet packet;
    assert_int_equal(eio_payload_next(payload, &scratch, &packet), ERR_OK);
    assert_int_equal(packet.type, type);
    assert_int_equal(packet.binary, binary);
    assert_str(packet.data, data);
}

static void no_more(struct str *payload)
{
    struct eio_packet packet;
    assert_int_equal(eio_payload_next(payload, &scratch, &packet), ERR_NOT_FOUND);
}

static enum err first(struct str payload)
{
    struct eio_packet packet;
    return eio_payload_next(&payload, &scratch, &packet);
}

static void each_type_is_read(void **state)
{
    (void)state;
    struct eio_packet packet;
    for (int type = '0'; type <= '6'; type++) {
        char text[] = {(char)type, 'x'};
        assert_int_equal(eio_packet_parse((struct str){text, 2}, &scratch, &packet), ERR_OK);
        assert_int_equal(packet.type, type);
        assert_false(packet.binary);
        assert_bytes(packet.data, "x");
    }
    assert_int_equal(eio_packet_parse(STR("4"), &scratch, &packet), ERR_OK);
    assert_int_equal(packet.data.len, 0);
}

static void what_is_no_packet_is_refused(void **state)
{
    (void)state;
    struct eio_packet packet;
    static const char *const bad[] = {"", "7", "abc", "bAAA", "B", " 4", "\n4", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(eio_packet_parse(str_of(bad[i]), &scratch, &packet), ERR_INVALID);
}

static void a_payload_gives_its_packets_one_by_one(void **state)
{
    (void)state;
    struct str payload = BYTES("4hello\x1e"
                               "2\x1e"
                               "4world\x1e"
                               "bAQIDBA==\x1e"
                               "3probe");
    next_is(&payload, EIO_MESSAGE, false, STR("hello"));
    next_is(&payload, EIO_PING, false, STR(""));
    next_is(&payload, EIO_MESSAGE, false, STR("world"));
    next_is(&payload, EIO_MESSAGE, true, BYTES("\1\2\3\4"));
    next_is(&payload, EIO_PONG, false, STR("probe"));
    no_more(&payload);
    no_more(&payload);
}

static void an_empty_packet_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    assert_int_equal(first(STR("")), ERR_INVALID);
    assert_int_equal(first(STR("\x1e")), ERR_INVALID);
    struct eio_packet packet;
    struct str payload = STR("4a\x1e");
    next_is(&payload, EIO_MESSAGE, false, STR("a"));
    assert_int_equal(eio_payload_next(&payload, &scratch, &packet), ERR_INVALID);
}

static void base64_is_read_with_every_length_of_padding(void **state)
{
    (void)state;
    struct str payload = BYTES("b\x1e"
                               "bAA==\x1e"
                               "bAAE=\x1e"
                               "bAAEC\x1e"
                               "b+/+/");
    next_is(&payload, EIO_MESSAGE, true, STR(""));
    next_is(&payload, EIO_MESSAGE, true, BYTES("\0"));
    next_is(&payload, EIO_MESSAGE, true, BYTES("\0\1"));
    next_is(&payload, EIO_MESSAGE, true, BYTES("\0\1\2"));
    next_is(&payload, EIO_MESSAGE, true, BYTES("\xfb\xff\xbf"));
    no_more(&payload);
}

/* As Java's encoders write it: after 76 digits (or 64), at the end, with and without CR; wherever they stand. */
static void line_breaks_in_base64_do_not_count(void **state)
{
    (void)state;
    static const char *const good[] = {"bAQID\n",      "bAQID\r\n",   "b\nAQID",     "bA\nQ\nI\nD", "bA\r\nQ\rID\n\n",
                                       "bAQI=\nbAQ==", "bAQ=\r\n=\n", "bA\nQ\n=\n=", "b\n",         "b\r\n\r\n"};
    static const struct str bytes[] = {BYTES("\1\2\3"), BYTES("\1\2\3"), BYTES("\1\2\3"), BYTES("\1\2\3"),
                                       BYTES("\1\2\3"), BYTES(""),       BYTES("\1"),     BYTES("\1"),
                                       BYTES(""),       BYTES("")};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct str payload = str_of(good[i]);
        if (i == 5)
            assert_int_equal(first(payload), ERR_INVALID); /* a packet ends at a separator, not at a line's end */
        else
            next_is(&payload, EIO_MESSAGE, true, bytes[i]);
    }
    struct buf lines;
    char *want = repeat("\7", 300);
    for (size_t line = 64; line <= 76; line += 12) {
        struct buf one;
        buf_init(&one, 1024);
        buf_init(&lines, 1024);
        eio_packet_add_base64(&one, str_of(want));
        buf_add_char(&lines, 'b');
        for (size_t at = 1; at < one.len; at += line) {
            buf_add(&lines, one.data + at, one.len - at < line ? one.len - at : line);
            buf_add_text(&lines, line == 64 ? "\r\n" : "\n");
        }
        buf_add_text(&lines, "\x1e"
                             "4x");
        struct str payload = buf_str(&lines);
        next_is(&payload, EIO_MESSAGE, true, str_of(want));
        next_is(&payload, EIO_MESSAGE, false, STR("x"));
        no_more(&payload);
        buf_fini(&one);
        buf_fini(&lines);
    }
    free(want);
}

static void broken_base64_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"bA",
                                      "bAQ",
                                      "bAQI",
                                      "bAQ=",
                                      "bA===",
                                      "b====",
                                      "b=",
                                      "b-_-_",
                                      "bAQ I",
                                      "bAQI\n",
                                      "bA\tQI",
                                      "bAR==",
                                      "bAAF=",
                                      "bAQ==AQ==",
                                      "bAQIDBA",
                                      "bA=BC",
                                      "b\xc3\xa4\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(first(str_of(bad[i])), ERR_INVALID);
    assert_int_equal(first(STR("bAQ\0ID")), ERR_INVALID);
    assert_int_equal(first(STR("bAQID\0")), ERR_INVALID);
}

static void binary_past_the_bound_is_refused(void **state)
{
    (void)state;
    char *text = repeat("AAAA", SCRATCH_BYTES / 3 + 1);
    struct buf payload;
    buf_init(&payload, 2 * SCRATCH_BYTES);
    buf_addf(&payload, "b%s", text);
    assert_int_equal(first(buf_str(&payload)), ERR_TOO_BIG);
    assert_int_equal(first(STR("bAQ==")), ERR_OK); /* and the next one finds room again */
    buf_fini(&payload);
    free(text);
}

static void what_is_added_comes_back(void **state)
{
    (void)state;
    struct buf payload;
    char bytes[256];
    buf_init(&payload, 65536);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    size_t cost = 0;
    for (size_t len = 0; len < 8; len++) {
        eio_payload_add(&payload, EIO_MESSAGE, true, (struct str){bytes + 250, len < 6 ? len : 6});
        cost += eio_payload_cost(true, len < 6 ? len : 6);
    }
    eio_payload_add(&payload, EIO_MESSAGE, true, (struct str){bytes, sizeof bytes});
    eio_payload_add(&payload, EIO_PING, false, STR(""));
    eio_payload_add(&payload, EIO_MESSAGE, false, STR("t\xc3\xa4 and more"));
    cost += eio_payload_cost(true, sizeof bytes) + eio_payload_cost(false, 0) + eio_payload_cost(false, 12);
    assert_false(payload.failed);
    assert_true(payload.len <= cost);
    struct str rest = buf_str(&payload);
    for (size_t len = 0; len < 8; len++)
        next_is(&rest, EIO_MESSAGE, true, (struct str){bytes + 250, len < 6 ? len : 6});
    next_is(&rest, EIO_MESSAGE, true, (struct str){bytes, sizeof bytes});
    next_is(&rest, EIO_PING, false, STR(""));
    next_is(&rest, EIO_MESSAGE, false, STR("t\xc3\xa4 and more"));
    no_more(&rest);
    buf_fini(&payload);
}

/* Or somebody's text would be a packet of its own to those who poll: "4a<0x1E>1" ends a connection. */
static void a_separator_in_a_text_makes_no_packet(void **state)
{
    (void)state;
    struct buf payload;
    buf_init(&payload, 64);
    eio_payload_add(&payload, EIO_MESSAGE, false,
                    STR("a\x1e"
                        "1\x1e"
                        "2\x1e"));
    assert_bytes(buf_str(&payload), "4a?1?2?");
    buf_fini(&payload);
}

static void a_payload_past_its_bound_fails(void **state)
{
    (void)state;
    struct buf payload;
    buf_init(&payload, 8);
    eio_payload_add(&payload, EIO_MESSAGE, true, BYTES("\1\2\3\4\5\6"));
    assert_true(payload.failed);
    buf_fini(&payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_type_is_read, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_packet_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(line_breaks_in_base64_do_not_count, begin, end),
        cmocka_unit_test_setup_teardown(a_payload_gives_its_packets_one_by_one, begin, end),
        cmocka_unit_test_setup_teardown(an_empty_packet_is_refused_wherever_it_stands, begin, end),
        cmocka_unit_test_setup_teardown(base64_is_read_with_every_length_of_padding, begin, end),
        cmocka_unit_test_setup_teardown(broken_base64_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(binary_past_the_bound_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(what_is_added_comes_back, begin, end),
        cmocka_unit_test(a_separator_in_a_text_makes_no_packet),
        cmocka_unit_test(a_payload_past_its_bound_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
