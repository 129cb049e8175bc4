/* Rows of several streams in the order of their conversations: whatever was read of each. */
#include "tests/unit/check.h"

#include "common/id.h"
#include "worker/merge.h"

#include <string.h>

enum { STREAMS = 4, CONVERSATIONS = 5, ROWS = 400 };

/* What writers in turn have stored. */
static struct feed_row written[STREAMS][ROWS];
static uint64_t heads[STREAMS];

static void write_some(void)
{
    struct feed_place last[CONVERSATIONS] = {{0}};
    uint64_t seqs[CONVERSATIONS] = {0};
    memset(heads, 0, sizeof heads);
    for (unsigned transaction = 0; transaction < 60; transaction++) {
        uint64_t stream = 1 + id_random() % STREAMS;
        for (uint64_t some = 1 + id_random() % 5; some; some--) {
            uint64_t conversation = id_random() % CONVERSATIONS, pos = ++heads[stream - 1];
            struct feed_row row = {.at = {stream, pos}, .conversation = conversation, .seq = ++seqs[conversation]};
            if (last[conversation].stream && last[conversation].stream != stream)
                row.after = last[conversation];
            last[conversation] = row.at;
            written[stream - 1][pos - 1] = row;
        }
    }
}

static void every_conversation_comes_in_order_however_much_is_read_at_once(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        uint64_t passed[STREAMS] = {0}, seqs[CONVERSATIONS] = {0}, all = 0;
        static struct feed_row out[STREAMS * ROWS];
        write_some();
        for (size_t i = 0; i < STREAMS; i++)
            all += heads[i];
        for (size_t taken; all; all -= taken) {
            struct merge_stream streams[STREAMS];
            for (size_t i = 0; i < STREAMS; i++) {
                uint64_t left = heads[i] - passed[i], some = 1 + id_random() % 7;
                streams[i] = (struct merge_stream){.stream = {i + 1, heads[i], passed[i]},
                                                   .rows = &written[i][passed[i]],
                                                   .count = left < some ? left : some};
            }
            merge_rows(streams, STREAMS, out, &taken);
            assert_true(taken > 0); /* the oldest waits for nobody */
            for (size_t i = 0; i < taken; i++)
                assert_int_equal(out[i].seq, ++seqs[out[i].conversation]);
            for (size_t i = 0; i < STREAMS; i++)
                passed[i] = streams[i].stream.passed;
        }
    }
}

static void what_is_in_a_stream_that_has_gone_is_passed(void **state)
{
    (void)state;
    struct feed_row row = {.at = {7, 1}, .after = {3, 99}, .conversation = 1, .seq = 5}, out;
    struct merge_stream streams[] = {{.stream = {2, 5, 5}}, {.stream = {7, 1, 0}, .rows = &row, .count = 1}};
    size_t taken;
    merge_rows(streams, 2, &out, &taken);
    assert_int_equal(taken, 1);
    streams[1].next = streams[1].stream.passed = 0;
    row.after = (struct feed_place){2, 6};
    merge_rows(streams, 2, &out, &taken);
    assert_int_equal(taken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_conversation_comes_in_order_however_much_is_read_at_once),
        cmocka_unit_test(what_is_in_a_stream_that_has_gone_is_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
