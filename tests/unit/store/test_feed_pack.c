/* Rows of the feed in records of its table: whatever rows, what is read is what was written. */
#include "tests/unit/check.h"

#include "common/id.h"
#include "common/store/feed_pack.h"

enum { ROWS = 1000 };

static struct feed_row written[ROWS], got[ROWS];
static size_t got_count;

static int begin(void **state)
{
    (void)state;
    got_count = 0;
    return 0;
}

static void take(void *arg, const struct feed_row *row)
{
    (void)arg;
    assert_true(got_count < ROWS);
    got[got_count++] = *row;
}

/* Returns how many records they are in. */
static size_t there_and_back(size_t count)
{
    struct buf earlier;
    size_t records = 0;
    begin(NULL);
    buf_init(&earlier, FEED_PACK_BYTES);
    for (size_t at = 0; at < count; records++) {
        size_t some = feed_pack(written + at, count - at, &earlier);
        assert_in_range(some, 1, FEED_PACK_ROWS);
        assert_false(earlier.failed);
        assert_int_equal(earlier.len == 0, some == 1);
        at += some;
        feed_unpack(&written[at - 1], some, buf_str(&earlier), take, NULL);
    }
    buf_fini(&earlier);
    assert_int_equal(got_count, count);
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(&got[i], &written[i], sizeof got[i]);
    return records;
}

static void write_rows(uint64_t most, bool elsewhere)
{
    for (size_t i = 0; i < ROWS; i++) {
        written[i] = (struct feed_row){.at = {7, UINT64_C(1) << 40 | i},
                                       .conversation = most - i % 3,
                                       .seq = most - i,
                                       .kind = (enum message_kind)(i % 2 ? MESSAGE_TEXT : MESSAGE_EDIT)};
        if (elsewhere)
            written[i].after = (struct feed_place){UINT32_MAX, most - i};
    }
}

static void rows_are_read_as_they_were_written(void **state)
{
    (void)state;
    write_rows(5000, false);
    for (size_t count = 1; count < 20; count++)
        assert_int_equal(there_and_back(count), 1);
    assert_int_equal(there_and_back(ROWS), (ROWS + FEED_PACK_ROWS - 1) / FEED_PACK_ROWS);
    write_rows(5000, true);
    assert_true(there_and_back(ROWS) > 1);
}

static void the_longest_rows_have_room(void **state)
{
    (void)state;
    write_rows(INT64_MAX, true);
    size_t records = there_and_back(ROWS);
    assert_true(records > 10 && records < 100);
}

static void what_is_not_of_ours_is_left_out(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "[",
                                        "[]",
                                        "x",
                                        "{}",
                                        "[[1,2,3],[1]]",
                                        "[[1,2,3],[1,2]]",
                                        "[[1,2,3],[1,2,3,4]]",
                                        "[[1,2,3],[1,2,\"3\"]]",
                                        "[[1,2,3],[1,2,3,4,5,6]]",
                                        "[[1,2,3]]",
                                        "[[1,2,3],[1,2,3],[1,2,3]]",
                                        "[[[1]],[2]]",
                                        "[1,2,3]",
                                        "[[1,2,3],[1,2,3]"};
    struct feed_row last = {.at = {3, 9}, .conversation = 1, .seq = 4, .kind = MESSAGE_TEXT};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        begin(NULL);
        feed_unpack(&last, 3, str_of(wrong[i]), take, NULL);
        assert_int_equal(got_count, 1);
        assert_int_equal(got[0].at.pos, 9);
    }
    begin(NULL);
    feed_unpack(&last, 3, STR("[[1,2,3],[1,3,1]]"), take, NULL);
    assert_int_equal(got_count, 3);
    assert_int_equal(got[0].at.pos, 7);
    assert_int_equal(got[1].seq, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(rows_are_read_as_they_were_written, begin),
        cmocka_unit_test_setup(the_longest_rows_have_room, begin),
        cmocka_unit_test_setup(what_is_not_of_ours_is_left_out, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
