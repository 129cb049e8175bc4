/* The reader of WebSocket frames: every frame however it is cut, and what each break of the protocol is answered with. */
#include "tests/unit/check.h"

#include "common/buf.h"
#include "relay/core/wsframe.h"
#include "relay/net/wsread.h"

#include <stdlib.h>

enum { MAX = 70000 };

static const unsigned char mask[4] = {0x9a, 0x00, 0xff, 0x31};

/* A masked frame. `announced`: what its head says that it holds. */
static void add_frame(struct buf *out, unsigned first_byte, uint64_t announced, struct str payload)
{
    size_t wide = announced < 126 ? 0 : announced < 65536 ? 2 : 8;
    buf_add_char(out, (char)first_byte);
    buf_add_char(out, (char)(0x80 | (wide == 0 ? announced : wide == 2 ? 126 : 127)));
    for (size_t i = 0; i < wide; i++)
        buf_add_char(out, (char)(announced >> (8 * (wide - 1 - i))));
    buf_add(out, mask, sizeof mask);
    for (size_t i = 0; i < payload.len; i++)
        buf_add_char(out, (char)(payload.ptr[i] ^ mask[i % 4]));
}

static void add(struct buf *out, unsigned first_byte, struct str payload)
{
    add_frame(out, first_byte, payload.len, payload);
}

/* What was read: "T(text) B(bytes) pi(ping) po(pong) c1000(reason) !1002". Pieces of a message are put together. */
static void read_in_pieces(struct buf *frames, size_t piece, struct buf *out)
{
    struct wsread read = {0};
    char *copy = malloc(frames->len + 1);
    bool broken = false;
    buf_clear(out);
    for (size_t at = 0; at < frames->len && !broken; at += piece) {
        size_t len = frames->len - at < piece ? frames->len - at : piece, done = 0, used;
        memcpy(copy, frames->data + at, len);
        while (done < len && !broken) {
            struct wsread_event event = wsread_take(&read, copy + done, len - done, MAX, &used);
            done += used;
            switch (event.kind) {
            case WSREAD_MORE: assert_int_equal(done, len); break;
            case WSREAD_DATA:
                if (event.first)
                    buf_addf(out, "%c(", event.binary ? 'B' : 'T');
                buf_add_str(out, event.bytes);
                if (event.last)
                    buf_add_text(out, ") ");
                break;
            case WSREAD_PING:
            case WSREAD_PONG:
                buf_addf(out, "%s(%.*s) ", event.kind == WSREAD_PING ? "pi" : "po", (int)event.bytes.len,
                         event.bytes.ptr);
                break;
            case WSREAD_CLOSE: buf_addf(out, "c%u(%.*s) ", event.code, (int)event.bytes.len, event.bytes.ptr); break;
            case WSREAD_BROKEN: buf_addf(out, "!%u", event.code); broken = true;
            }
        }
    }
    buf_add(out, "", 1);
    wsread_fini(&read);
    free(copy);
}

/* Every way to cut them gives the same. */
static void expect(struct buf *frames, const char *wanted)
{
    struct buf got;
    buf_init(&got, SIZE_MAX / 4);
    for (size_t piece = 1; piece <= frames->len; piece = piece < 40 ? piece + 1 : piece * 2 - 13) {
        read_in_pieces(frames, piece, &got);
        assert_string_equal(got.data, wanted);
    }
    read_in_pieces(frames, frames->len, &got);
    assert_string_equal(got.data, wanted);
    buf_fini(&got);
    buf_fini(frames);
}

enum { FIN = 0x80 };

static void test_frames_are_the_same_however_they_are_cut(void **state)
{
    (void)state;
    struct buf frames;
    buf_init(&frames, SIZE_MAX / 4);
    add(&frames, FIN | WSFRAME_TEXT, STR("hello"));
    add(&frames, FIN | WSFRAME_BINARY, STR(""));
    add(&frames, WSFRAME_TEXT, STR("one "));
    add(&frames, FIN | WSFRAME_PING, STR("?"));
    add(&frames, WSFRAME_CONTINUATION, STR(""));
    add(&frames, FIN | WSFRAME_PONG, STR(""));
    add(&frames, WSFRAME_CONTINUATION, STR("mes"));
    add(&frames, FIN | WSFRAME_CONTINUATION, STR("sage"));
    add(&frames, WSFRAME_BINARY, STR(""));
    add(&frames, FIN | WSFRAME_CONTINUATION, STR("x"));
    add(&frames, FIN | WSFRAME_TEXT, STR(""));
    add(&frames, FIN | WSFRAME_CLOSE,
        STR("\x03\xf4"
            "bye"));
    /* A ping inside a message comes out inside it. */
    expect(&frames, "T(hello) B() T(one pi(?) po() message) B(x) T() c1012(bye) ");
}

static void test_long_frames_are_unmasked_at_every_offset(void **state)
{
    (void)state;
    static char text[70000], wanted[70010];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i * 7 % 23);
    for (size_t len = 124; len <= sizeof text; len = len < 130 ? len + 1 : len * 3 - 11) {
        struct buf frames;
        buf_init(&frames, SIZE_MAX / 4);
        add(&frames, FIN | WSFRAME_TEXT, (struct str){text, len});
        snprintf(wanted, sizeof wanted, "T(%.*s) ", (int)len, text);
        expect(&frames, wanted);
    }
}

static void test_what_breaks_the_protocol_is_told_at_once(void **state)
{
    (void)state;
    enum { NONE = -1 };
    static const struct {
        const char *wanted;
        int first, second; /* NONE: there is only one */
        uint64_t announced;
    } cases[] = {
        {"!1002", FIN | 0x40 | WSFRAME_TEXT, NONE, 1},
        {"!1002", FIN | 0x20 | WSFRAME_TEXT, NONE, 1},
        {"!1002", FIN | 0x10 | WSFRAME_PING, NONE, 1},
        {"!1002", FIN | 3, NONE, 1},
        {"!1002", FIN | 7, NONE, 1},
        {"!1002", FIN | 11, NONE, 0},
        {"!1002", FIN | 15, NONE, 0},
        {"!1002", WSFRAME_PING, NONE, 1},
        {"!1002", WSFRAME_CLOSE, NONE, 2},
        {"!1002", FIN | WSFRAME_PING, NONE, 126},
        {"!1002", FIN | WSFRAME_PONG, NONE, 65536},
        {"!1002", FIN | WSFRAME_CLOSE, NONE, 126},
        {"!1002", FIN | WSFRAME_CONTINUATION, NONE, 1},
        {"!1002", WSFRAME_CONTINUATION, NONE, 1},
        {"T(!1002", WSFRAME_TEXT, FIN | WSFRAME_TEXT, 1},
        {"T(!1002", WSFRAME_TEXT, WSFRAME_BINARY, 1},
        {"!1002", FIN | WSFRAME_TEXT, NONE, UINT64_C(1) << 63},
        {"!1002", FIN | WSFRAME_TEXT, NONE, UINT64_MAX},
        {"!1009", FIN | WSFRAME_TEXT, NONE, MAX + 1},
        {"!1009", WSFRAME_BINARY, NONE, UINT64_MAX >> 1},
        {"T(!1009", WSFRAME_TEXT, WSFRAME_CONTINUATION, MAX + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf frames;
        buf_init(&frames, SIZE_MAX / 4);
        if (cases[i].second != NONE)
            add(&frames, (unsigned)cases[i].first, STR(""));
        /* Only its head ever comes. */
        add_frame(&frames, (unsigned)(cases[i].second == NONE ? cases[i].first : cases[i].second), cases[i].announced,
                  STR(""));
        expect(&frames, cases[i].wanted);
    }
    struct buf frames;
    buf_init(&frames, SIZE_MAX / 4);
    buf_add(&frames, "\x81\x05hello", 7); /* no mask */
    expect(&frames, "!1002");
}

static void test_fragments_are_counted_together_and_pings_between_them_are_not(void **state)
{
    (void)state;
    static char text[MAX];
    struct buf frames;
    memset(text, 'x', sizeof text);
    buf_init(&frames, SIZE_MAX / 4);
    add(&frames, WSFRAME_TEXT, (struct str){text, MAX - 1});
    add(&frames, FIN | WSFRAME_PING, (struct str){text, 125});
    add(&frames, WSFRAME_CONTINUATION, STR("y"));
    add_frame(&frames, FIN | WSFRAME_CONTINUATION, 1, STR(""));
    struct buf got;
    buf_init(&got, SIZE_MAX / 4);
    read_in_pieces(&frames, frames.len, &got);
    assert_non_null(strstr(got.data, ") y!1009"));
    /* A message of the whole length and the next one. */
    buf_clear(&frames);
    add(&frames, FIN | WSFRAME_TEXT, (struct str){text, MAX});
    add(&frames, FIN | WSFRAME_TEXT, (struct str){text, MAX});
    read_in_pieces(&frames, 4096, &got);
    assert_int_equal(got.len, 2 * (MAX + 4) + 1);
    buf_fini(&got);
    buf_fini(&frames);
}

static void test_close_frames_are_judged_by_code_and_reason(void **state)
{
    (void)state;
    struct {
        const char *wanted;
        struct str payload;
    } cases[] = {
        {"c0() ", STR("")},
        {"!1002", STR("\x03")},
        {"c1000() ", STR("\x03\xe8")},
        {"!1007", STR("\x03\xe8\xff\xfe")},
        {"!1007", STR("\x03\xe8\xe2\x82")},
        {"c1013(\xe2\x82\xac) ", STR("\x03\xf5\xe2\x82\xac")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf frames;
        buf_init(&frames, SIZE_MAX / 4);
        add(&frames, FIN | WSFRAME_CLOSE, cases[i].payload);
        expect(&frames, cases[i].wanted);
    }
    for (unsigned code = 0; code < 65536; code++) {
        bool fine = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
        assert_int_equal(wsread_is_close_code(code), fine);
    }
}

/* Noise never makes it read outside of what it was given, or give out more than was there. */
static void test_noise_ends_in_a_break_or_waits(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        struct wsread read = {0};
        size_t len = 1 + round % 200, at = 0, used;
        char *bytes = malloc(len); /* of this length, for the sanitizers */
        for (size_t i = 0; i < len; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
            bytes[i] = (char)(seed >> 33);
            if (i % 7 < 2 && round % 3)
                bytes[i] = (char)(i % 7 ? 0x80 | (seed >> 60) : FIN | (seed >> 62)); /* a likelier head */
        }
        while (at < len) {
            struct wsread_event event = wsread_take(&read, bytes + at, len - at, 100, &used);
            at += used;
            assert_in_range(at, 0, len);
            if (event.kind == WSREAD_BROKEN)
                break;
            assert_in_range(event.bytes.len, 0, 125);
        }
        wsread_fini(&read);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_are_the_same_however_they_are_cut),
        cmocka_unit_test(test_long_frames_are_unmasked_at_every_offset),
        cmocka_unit_test(test_what_breaks_the_protocol_is_told_at_once),
        cmocka_unit_test(test_fragments_are_counted_together_and_pings_between_them_are_not),
        cmocka_unit_test(test_close_frames_are_judged_by_code_and_reason),
        cmocka_unit_test(test_noise_ends_in_a_break_or_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
