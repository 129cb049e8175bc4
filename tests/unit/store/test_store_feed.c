/* The feed that the journal's transaction writes: a row for each message, positions without holes, and the order of each
 * conversation, whatever fails. */
#include "fake_tables.h"

#include "common/id.h"
#include "common/log.h"

enum { WRITERS = 3 };

static int begin_fed(void **state)
{
    begin(state);
    store.feed.on = true;
    return 0;
}
#define FED(name) cmocka_unit_test_setup(name, begin_fed)

static const struct feed_row *fed_row(uint64_t conversation, uint64_t seq)
{
    const struct feed_row *found = NULL;
    for (size_t i = 0; i < committed.feed_count; i++)
        if (committed.feed[i].conversation == conversation && committed.feed[i].seq == seq) {
            assert_null(found);
            found = &committed.feed[i];
        }
    return found;
}

/* Whoever reads each stream in order, and waits for what a row names, sees each conversation in order. */
static void check_feed(void)
{
    uint64_t pos[FEED_STREAMS] = {0}, rows = 0;
    for (size_t i = 0; i < committed.feed_count; i++) {
        const struct feed_row *row = &committed.feed[i]; /* in the order of commits */
        assert_int_equal(row->at.pos, ++pos[row->at.stream]);
        const struct feed_row *before = fed_row(row->conversation, row->seq - 1);
        bool elsewhere = before && before->at.stream != row->at.stream;
        assert_int_equal(row->after.stream, elsewhere ? before->at.stream : 0);
        assert_int_equal(row->after.pos, elsewhere ? before->at.pos : 0);
        if (before && !elsewhere)
            assert_true(before->at.pos < row->at.pos);
    }
    for (uint64_t stream = 1; stream <= committed.stream_count; stream++)
        assert_int_equal(pos[stream], committed.streams[stream].pos);
    for (uint64_t conversation = 1; conversation < CONVERSATIONS; conversation++)
        for (uint64_t seq = 1; seq <= committed.seq[conversation]; seq++, rows++)
            assert_non_null(fed_row(conversation, seq));
    assert_int_equal(rows, committed.feed_count);
}

static void every_message_gets_a_row_in_one_more_statement_or_two(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 6; i++)
        post(1 + i % 3, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_string_equal(trace, "blinosc");
    trace_len = 0;
    memset(trace, 0, sizeof trace);
    post_count = 0;
    post(2, 9, "");
    post(2, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_string_equal(trace, "bliposc");
    assert_int_equal(committed.stream_count, 1);
    assert_int_equal(committed.streams[1].pos, 8);
    check_consistent();
    check_feed();
}

static void edits_and_repeats_have_a_row_of_their_own_and_none(void **state)
{
    (void)state;
    stored_before(1, 9, "a");
    struct message *edit = &post(1, 9, "e")->message;
    edit->kind = MESSAGE_EDIT;
    edit->content = STR("{\"of\":1,\"content\":\"new\"}");
    post(1, 9, "a");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_true(posts[1].repeated);
    assert_int_equal(fed_row(1, 2)->kind, MESSAGE_EDIT);
    check_feed();
}

static void without_the_setting_nothing_is_written(void **state)
{
    (void)state;
    store.feed.on = false;
    post(1, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_int_equal(committed.feed_count + committed.stream_count, 0);
}

static void a_stream_that_is_gone_or_anothers_is_left(void **state)
{
    (void)state;
    stored_before(1, 9, "a");
    committed.streams[1].owner++; /* the database was put back, and gave its id out again */
    post(1, 9, "b");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_int_equal(committed.stream_count, 2);
    assert_int_equal(fed_row(1, 2)->at.stream, 2);
    assert_int_equal(fed_row(1, 2)->after.stream, 1);
    check_consistent();
    check_feed();
}

static void a_stream_begun_in_vain_is_none(void **state)
{
    (void)state;
    static const struct fault some[] = {
        {'c', 0, 1, ERR_RETRY, false, NULL},   {'s', 0, 1, ERR_RETRY, false, NULL},
        {'c', 0, 1, ERR_UNKNOWN, false, NULL}, {'c', 0, 1, ERR_UNKNOWN, true, NULL},
        {'o', 0, 1, ERR_DOWN, false, NULL},    {'n', 0, 1, ERR_RETRY, false, NULL},
    };
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        begin_fed(NULL);
        add_fault(some[i]);
        post(1, 9, "");
        assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
        check_post(0, ERR_OK, 1);
        check_feed();
        post_count = 0;
        post(1, 9, "");
        assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
        check_post(0, ERR_OK, 2);
        check_feed();
    }
}

/* Several writers, posts that are refused for good, transactions that are lost, refused and carried out unseen. */
static void whatever_fails_positions_have_no_holes(void **state)
{
    (void)state;
    static const char ops[] = "blinopscfq";
    static const enum err errs[] = {ERR_RETRY, ERR_DOWN, ERR_UNKNOWN, ERR_DUPLICATE, ERR_INTERNAL};
    for (unsigned round = 0; round < 200; round++) {
        typeof(store.feed) writers[WRITERS];
        begin_fed(NULL);
        for (size_t i = 0; i < WRITERS; i++)
            writers[i] = store.feed;
        for (unsigned turn = 0; turn < 10; turn++) {
            typeof(store.feed) *writer = &writers[id_random() % WRITERS];
            store.feed = *writer;
            fault_count = post_count = 0;
            for (uint64_t faulty = id_random() % 4; faulty; faulty--) {
                char op = ops[id_random() % (sizeof ops - 1)];
                enum err err = op == 'c' ? errs[id_random() % 3] : errs[id_random() % 5];
                if (op != 'c' && err == ERR_UNKNOWN)
                    err = ERR_DOWN;
                if (op == 'i' && err == ERR_DUPLICATE)
                    err = ERR_INTERNAL;
                if (op == 'c' && err == ERR_DOWN)
                    err = ERR_UNKNOWN;
                add_fault((struct fault){op, (int)(id_random() % 3), 1, err,
                                         op == 'c' && err == ERR_UNKNOWN && id_random() % 2, NULL});
            }
            for (uint64_t some = 1 + id_random() % 5; some; some--)
                if (id_random() % 8)
                    post(1 + id_random() % 3, 9, "");
                else
                    make_poison(post(1 + id_random() % 3, 9, ""));
            (void)!store_all(PATIENCE_MS);
            *writer = store.feed;
            memset(trace, 0, trace_len);
            trace_len = 0;
            open_transaction = false; /* a connection that broke takes it along */
            check_feed();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FED(every_message_gets_a_row_in_one_more_statement_or_two),
        FED(edits_and_repeats_have_a_row_of_their_own_and_none),
        FED(without_the_setting_nothing_is_written),
        FED(a_stream_that_is_gone_or_anothers_is_left),
        FED(a_stream_begun_in_vain_is_none),
        FED(whatever_fails_positions_have_no_holes),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    log_close();
    return failed;
}
