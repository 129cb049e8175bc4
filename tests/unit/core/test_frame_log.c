/* The log that all readers of a room share: what is kept, what a cursor gets, what the history is. And
 * the header that makes a payload a frame. */
#include "tests/unit/check.h"

#include "relay/core/frame_log.h"
#include "relay/core/wsframe.h"

#include <stdbool.h>

static struct frame_log flog;

static int end(void **state)
{
    (void)state;
    frame_log_fini(&flog);
    return 0;
}

static void append(uint64_t seq, const char *header, const char *payload)
{
    frame_log_append(&flog, seq, false, str_of(header), str_of(payload));
}

static void append_passing(uint64_t seq, const char *payload)
{
    frame_log_append(&flog, seq, true, STR("<"), str_of(payload));
}

static struct str all_of(void)
{
    return frame_log_from(&flog, flog.start, SIZE_MAX);
}

/* ---- frames ---- */

static void a_header_is_as_long_as_the_length_needs(void **state)
{
    (void)state;
    static const struct {
        enum wsframe_opcode opcode;
        size_t len;
        struct str header;
    } rows[] = {
        {WSFRAME_TEXT, 0, BYTES("\x81\x00")},
        {WSFRAME_TEXT, 1, BYTES("\x81\x01")},
        {WSFRAME_TEXT, 125, BYTES("\x81\x7d")},
        {WSFRAME_TEXT, 126, BYTES("\x81\x7e\x00\x7e")},
        {WSFRAME_TEXT, 127, BYTES("\x81\x7e\x00\x7f")},
        {WSFRAME_TEXT, 65535, BYTES("\x81\x7e\xff\xff")},
        {WSFRAME_TEXT, 65536, BYTES("\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00")},
        {WSFRAME_TEXT, 0x123456789a, BYTES("\x81\x7f\x00\x00\x00\x12\x34\x56\x78\x9a")},
        {WSFRAME_CLOSE, 2, BYTES("\x88\x02")},
        {WSFRAME_PING, 0, BYTES("\x89\x00")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char header[WSFRAME_HEADER_MAX];
        size_t len = wsframe_header(header, rows[i].opcode, rows[i].len);
        assert_str(((struct str){header, len}), rows[i].header);
    }
}

/* ---- cursors ---- */

static void an_empty_log_gives_nothing_and_holds_nothing(void **state)
{
    (void)state;
    frame_log_init(&flog, 1000);
    assert_int_equal(frame_log_from(&flog, 0, 100).len, 0);
    assert_int_equal(frame_log_memory(&flog), 0);
    assert_int_equal(frame_log_trim(&flog, 0, UINT64_MAX), 0);
}

static void a_cursor_gets_all_to_the_end_in_one_piece(void **state)
{
    (void)state;
    frame_log_init(&flog, 1000);
    append(1, "<", "one");
    uint64_t cursor = flog.end;
    append(0, "<<", "typing");
    append(2, "<", "two");
    assert_bytes(all_of(), "<one<<typing<two");
    assert_bytes(frame_log_from(&flog, cursor, SIZE_MAX), "<<typing<two");
    assert_bytes(frame_log_from(&flog, flog.end, SIZE_MAX), "");
    assert_bytes(frame_log_from(&flog, flog.end, 1), "");
    append(3, "<", "");
    assert_bytes(frame_log_from(&flog, cursor, SIZE_MAX), "<<typing<two<");
}

static void a_bound_falls_on_the_end_of_a_frame(void **state)
{
    (void)state;
    frame_log_init(&flog, 1000);
    append(1, "<", "aaa");  /* 0 to 4 */
    append(2, "<", "bb");   /* 4 to 7 */
    append(0, "<", "");     /* 7 to 8 */
    append(3, "<", "cccc"); /* 8 to 13 */
    static const struct {
        uint64_t cursor;
        size_t most, len;
    } rows[] = {
        {0, 13, 13}, {0, 12, 8}, {0, 8, 8}, {0, 7, 7}, {0, 6, 4},  {0, 4, 4},  {0, 3, 4}, /* one frame at least */
        {0, 1, 4},   {0, 0, 4},  {4, 9, 9}, {4, 8, 4}, {4, 3, 3},  {4, 2, 3},  {4, 0, 3},   {7, 5, 1},
        {7, 0, 1},   {8, 5, 5},  {8, 4, 5}, {8, 1, 5}, {13, 0, 0}, {13, 9, 0}, {0, 14, 13}, {8, SIZE_MAX, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(frame_log_from(&flog, rows[i].cursor, rows[i].most).len, rows[i].len);
}

/* ---- what is kept ---- */

static void half_of_a_full_log_goes_at_once(void **state)
{
    (void)state;
    frame_log_init(&flog, 100);
    for (uint64_t seq = 1; seq <= 10; seq++)
        append(seq, "<", "012345678");
    assert_int_equal(flog.start, 0); /* full to the last byte, and nothing lost yet */
    assert_int_equal(flog.end, 100);
    append(11, "<", "x");
    assert_int_equal(flog.start, 50);
    assert_int_equal(flog.end, 102);
    assert_int_equal(flog.count, 6);
    assert_int_equal(flog.entries[0].seq, 6);
    assert_bytes(all_of(), "<012345678<012345678<012345678<012345678<012345678<x");
    assert_bytes(frame_log_from(&flog, 90, SIZE_MAX), "<012345678<x"); /* no cursor moved */
}

static void the_largest_frame_leaves_no_other_out_that_fits(void **state)
{
    (void)state;
    frame_log_init(&flog, 100);
    append(1, "<", "0123456789012345678901234567890123456789012345678"); /* 50 */
    append(2, "<", "0123456789012345678901234567890123456789012345678");
    assert_int_equal(flog.start, 0);
    append(3, "<", "0123456789012345678901234567890123456789012345678");
    assert_int_equal(flog.start, 50);
    assert_int_equal(flog.end, 150);
    append(4, "<", "");
    assert_int_equal(flog.start, 100); /* full: frame 2 goes */
    assert_int_equal(flog.count, 2);
}

static void trimming_drops_whole_frames_down_to_what_is_to_be_kept(void **state)
{
    (void)state;
    static const struct {
        size_t keep;
        uint64_t limit;
        size_t dropped;
    } rows[] = {
        {SIZE_MAX, UINT64_MAX, 0},
        {40, UINT64_MAX, 0},
        {39, UINT64_MAX, 10},
        {30, UINT64_MAX, 10},
        {29, UINT64_MAX, 20},
        {1, UINT64_MAX, 40},
        {0, UINT64_MAX, 40},
        {0, 0, 0},
        {0, 9, 0},
        {0, 10, 10},
        {0, 19, 10},
        {0, 39, 30},
        {0, 40, 40},
        {25, 10, 10},
        {25, 40, 20},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        frame_log_init(&flog, 1000);
        for (uint64_t seq = 1; seq <= 4; seq++)
            append(seq, "<", "012345678");
        assert_int_equal(frame_log_trim(&flog, rows[i].keep, rows[i].limit), rows[i].dropped);
        assert_int_equal(flog.start, rows[i].dropped);
        assert_int_equal(flog.end, 40);
        assert_int_equal(flog.count, (40 - rows[i].dropped) / 10);
        assert_int_equal(frame_log_memory(&flog) == 0, rows[i].dropped == 40);
        append(5, "<", "after");
        assert_int_equal(all_of().len, 46 - rows[i].dropped);
        frame_log_fini(&flog);
    }
}

static void memory_stays_below_the_bound(void **state)
{
    (void)state;
    frame_log_init(&flog, 777); /* no power of two, and not one of frames either */
    char *text = repeat("x", 300);
    for (uint64_t seq = 1; seq <= 200; seq++) {
        text[seq] = '\0';
        append(seq, "<", text);
        text[seq] = 'x';
        assert_true(flog.cap <= 777);
        assert_true(flog.end - flog.start <= 777);
    }
    free(text);
}

static void what_was_only_told_makes_room_instead_of_growing(void **state)
{
    (void)state;
    frame_log_init(&flog, 100000);
    assert_true(frame_log_would_grow(&flog, 1));
    append(1, "<", "one");
    append(0, "<", "a list of members");
    append(2, "<<", "two");
    append(0, "<", "");
    assert_true(frame_log_would_grow(&flog, 1)); /* of four entries there is none left */
    char *text = repeat("x", flog.cap / 4);
    append(0, "<", text);
    free(text);
    uint64_t end_before = flog.end;
    size_t memory = frame_log_memory(&flog);
    frame_log_compact(&flog, flog.end, false);
    assert_bytes(all_of(), "<one<<two");
    assert_int_equal(flog.end, end_before); /* where every cursor is */
    assert_int_equal(flog.start, end_before - 9);
    assert_int_equal(frame_log_memory(&flog), memory);
    append(3, "<", "three");
    assert_bytes(frame_log_from(&flog, end_before, SIZE_MAX), "<three");
    assert_bytes(frame_log_from(&flog, flog.entries[1].offset, SIZE_MAX), "<<two<three");
    frame_log_compact(&flog, flog.end, true);
    assert_int_equal(flog.count, 3); /* not worth it */
    while (flog.end - flog.start < flog.cap / 2)
        append(4, "<", "012345678");
    frame_log_compact(&flog, flog.end, true);
    assert_int_equal(flog.count, 0);
    assert_int_equal(flog.start, flog.end);
    append(5, "<", "five");
    assert_bytes(all_of(), "<five");
}

static void a_cursor_keeps_what_comes_after_it(void **state)
{
    (void)state;
    frame_log_init(&flog, 100000);
    char *text = repeat("x", 200);
    append(1, "<", "one");
    append(0, "<", text);
    append(2, "<", "two");
    uint64_t cursor = flog.end;
    append(0, "<", "told");
    append(3, "<", "three");
    frame_log_compact(&flog, cursor, false);
    assert_bytes(all_of(), "<one<two<told<three");
    assert_bytes(frame_log_from(&flog, cursor, SIZE_MAX), "<told<three");
    assert_bytes(frame_log_from(&flog, cursor, 6), "<told");
    assert_int_equal(flog.entries[2].offset, cursor);
    append(4, "<", text);
    frame_log_compact(&flog, flog.end, true);
    assert_int_equal(flog.count, 0);
    free(text);
}

/* ---- the history ---- */

static struct buf told; /* the payloads, each with a ';' */
static int told_count;

static void tell(void *arg, struct str payload)
{
    assert_ptr_equal(arg, &told);
    buf_add_str(&told, payload);
    buf_add_char(&told, ';');
    told_count++;
}

static bool tail(uint64_t last_seq, size_t count, size_t max_bytes)
{
    buf_fini(&told);
    buf_init(&told, 1000000);
    told_count = 0;
    return frame_log_tail(&flog, last_seq, &(struct frame_log_wanted){count, 2, max_bytes}, tell, &told);
}

static int end_tail(void **state)
{
    buf_fini(&told);
    return end(state);
}

static void the_history_is_the_last_stored_events_without_their_headers(void **state)
{
    (void)state;
    frame_log_init(&flog, 1000);
    append(0, "<", "typing");
    append(7, "<<", "seven");
    append(0, "<", "typing");
    append(0, "<", "members");
    append(8, "<<<<", "eight");
    append(9, "<", "nine");
    append(0, "<", "typing");
    assert_true(tail(9, 2, SIZE_MAX));
    assert_bytes(buf_str(&told), "eight;nine;");
    assert_true(tail(9, 3, SIZE_MAX));
    assert_bytes(buf_str(&told), "seven;eight;nine;");
    assert_true(tail(9, 1, SIZE_MAX));
    assert_bytes(buf_str(&told), "nine;");
    assert_true(tail(9, 0, SIZE_MAX));
    assert_int_equal(told_count, 0);
}

static void of_what_passes_the_history_has_the_last_few(void **state)
{
    (void)state;
    frame_log_init(&flog, 1000);
    append(1, "<", "one");
    append_passing(2, "a");
    append_passing(3, "b");
    append(4, "<", "four");
    append_passing(5, "c");
    append(6, "<", "six");
    append_passing(7, "d");
    assert_true(tail(7, 100, SIZE_MAX)); /* all back to the first */
    assert_bytes(buf_str(&told), "one;four;c;six;d;");
    assert_true(tail(7, 4, SIZE_MAX)); /* what is left out makes room for what was said before it */
    assert_bytes(buf_str(&told), "four;c;six;d;");
    assert_true(tail(7, 5, SIZE_MAX));
    assert_bytes(buf_str(&told), "one;four;c;six;d;");
    assert_true(tail(7, 100, 5));
    assert_bytes(buf_str(&told), "c;six;d;");
    frame_log_trim(&flog, 16, flog.end); /* the first is gone: nobody knows how many went with it */
    assert_true(tail(7, 4, SIZE_MAX));
    assert_false(tail(7, 5, SIZE_MAX));
    assert_int_equal(told_count, 0);
}

static void a_log_that_does_not_reach_back_says_so_and_tells_nothing(void **state)
{
    (void)state;
    frame_log_init(&flog, 1000);
    append(7, "<", "seven");
    append(8, "<", "eight");
    assert_false(tail(8, 3, SIZE_MAX));
    assert_int_equal(told_count, 0);
    assert_false(tail(8, SIZE_MAX, SIZE_MAX));
    assert_false(tail(9, 1, SIZE_MAX)); /* the last one is not there */
    assert_false(tail(7, 1, SIZE_MAX)); /* nor is this the room's state */
    assert_int_equal(told_count, 0);
    append(10, "<", "ten"); /* these readers were not shown number 9 */
    assert_true(tail(10, 1, SIZE_MAX));
    assert_false(tail(10, 2, SIZE_MAX));
    frame_log_trim(&flog, 0, UINT64_MAX);
    assert_false(tail(10, 1, SIZE_MAX));
    assert_int_equal(told_count, 0);
}

static void all_back_to_the_first_is_all_there_is(void **state)
{
    (void)state;
    frame_log_init(&flog, 1000);
    assert_true(tail(0, 50, SIZE_MAX)); /* a room in which nothing was ever said */
    assert_int_equal(told_count, 0);
    append(0, "<", "typing");
    assert_true(tail(0, 50, SIZE_MAX));
    append(1, "<", "one");
    append(2, "<", "two");
    assert_true(tail(2, 50, SIZE_MAX));
    assert_bytes(buf_str(&told), "one;two;");
    assert_true(tail(2, SIZE_MAX, SIZE_MAX));
    assert_int_equal(told_count, 2);
    assert_false(tail(1, 50, SIZE_MAX)); /* the log is past what the caller believes */
}

static void too_long_a_history_loses_its_oldest(void **state)
{
    (void)state;
    frame_log_init(&flog, 1000);
    append(1, "<", "aaaa");
    append(2, "<", "bbb");
    append(0, "<", "an event that does not count");
    append(3, "<", "cc");
    static const struct {
        size_t max_bytes;
        const char *told;
    } rows[] = {
        {9, "aaaa;bbb;cc;"}, {8, "bbb;cc;"}, {5, "bbb;cc;"}, {4, "cc;"},
        {2, "cc;"},          {1, "cc;"}, /* the newest always comes: nothing at all would look like an empty room */
        {0, "cc;"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(tail(3, 3, rows[i].max_bytes));
        assert_str(buf_str(&told), str_of(rows[i].told));
    }
    /* What lies past the bound need not be there; but that it does must be seen. */
    frame_log_trim(&flog, 0, 5);
    assert_true(tail(3, 3, 4));
    assert_bytes(buf_str(&told), "cc;");
    assert_false(tail(3, 3, 5));
}

/* ---- a model ---- */

static uint64_t random_state = 11;

static size_t random_below(size_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % bound;
}

enum { MODEL_FRAMES = 4000, MODEL_MAX = 500 };

static struct {
    char bytes[MODEL_FRAMES * MODEL_MAX / 2];
    size_t start, end;
    size_t ends[MODEL_FRAMES]; /* of each frame ever */
    size_t count;
} model;

/* What frame_log_from promises, looked for frame by frame. */
static size_t model_from(size_t cursor, size_t most)
{
    size_t len = 0;
    for (size_t i = 0; i < model.count; i++)
        if (model.ends[i] > cursor && (!len || model.ends[i] - cursor <= most))
            len = model.ends[i] - cursor;
    return len;
}

/* A frame's beginning at or after the start of what is kept. */
static size_t random_cursor(void)
{
    size_t frame = random_below(model.count + 1);
    size_t cursor = frame ? model.ends[frame - 1] : 0;
    return cursor < model.start ? model.start : cursor;
}

static void check_append(size_t header, size_t payload)
{
    size_t bytes = header + payload, held = model.end - model.start;
    char *at = model.bytes + model.end;
    for (size_t i = 0; i < bytes; i++)
        at[i] = (char)random_below(256);
    frame_log_append(&flog, model.count + 1, false, (struct str){at, header}, (struct str){at + header, payload});
    if (held + bytes > MODEL_MAX)
        for (size_t i = 0; i < model.count && model.end - model.start > MODEL_MAX / 2; i++)
            if (model.ends[i] > model.start)
                model.start = model.ends[i];
    model.end += bytes;
    model.ends[model.count++] = model.end;
}

static void every_cursor_reads_what_was_appended(void **state)
{
    (void)state;
    frame_log_init(&flog, MODEL_MAX);
    while (model.count < MODEL_FRAMES) {
        size_t header = random_below(10) + 1;
        size_t largest = random_below(10) ? 60 : MODEL_MAX / 2 - header;
        check_append(header, random_below(largest + 1));
        if (!random_below(100)) {
            size_t limit = random_cursor();
            assert_int_equal(frame_log_trim(&flog, 0, limit), limit - model.start);
            model.start = limit;
        }
        assert_int_equal(flog.start, model.start);
        assert_int_equal(flog.end, model.end);
        for (int i = 0; i < 5; i++) {
            size_t cursor = random_cursor(), most = random_below(2) ? random_below(80) : 400;
            assert_str(frame_log_from(&flog, cursor, most),
                       ((struct str){model.bytes + cursor, model_from(cursor, most)}));
        }
        size_t asked = random_below(8) + 1;
        bool there = tail(model.count, asked, SIZE_MAX);
        assert_int_equal(there, flog.count >= asked || flog.count == model.count);
        assert_int_equal(told_count, !there ? 0 : asked < model.count ? asked : model.count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_as_long_as_the_length_needs),
        cmocka_unit_test_teardown(an_empty_log_gives_nothing_and_holds_nothing, end),
        cmocka_unit_test_teardown(a_cursor_gets_all_to_the_end_in_one_piece, end),
        cmocka_unit_test_teardown(a_bound_falls_on_the_end_of_a_frame, end),
        cmocka_unit_test_teardown(half_of_a_full_log_goes_at_once, end),
        cmocka_unit_test_teardown(the_largest_frame_leaves_no_other_out_that_fits, end),
        cmocka_unit_test_teardown(trimming_drops_whole_frames_down_to_what_is_to_be_kept, end),
        cmocka_unit_test_teardown(memory_stays_below_the_bound, end),
        cmocka_unit_test_teardown(what_was_only_told_makes_room_instead_of_growing, end),
        cmocka_unit_test_teardown(a_cursor_keeps_what_comes_after_it, end),
        cmocka_unit_test_teardown(the_history_is_the_last_stored_events_without_their_headers, end_tail),
        cmocka_unit_test_teardown(a_log_that_does_not_reach_back_says_so_and_tells_nothing, end_tail),
        cmocka_unit_test_teardown(of_what_passes_the_history_has_the_last_few, end_tail),
        cmocka_unit_test_teardown(all_back_to_the_first_is_all_there_is, end_tail),
        cmocka_unit_test_teardown(too_long_a_history_loses_its_oldest, end_tail),
        cmocka_unit_test_teardown(every_cursor_reads_what_was_appended, end_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
