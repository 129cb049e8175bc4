/* A page of a history: which messages become rows, and what is cut where, on a database that counts. */
#include "tests/unit/check.h"

#include "common/store/page.h"

/* ---- the database: messages 1 to db.last, but those that are gone ---- */

enum { MESSAGES_MAX = 20000 };

static struct {
    uint64_t last, missing;
    enum message_kind kinds[MESSAGES_MAX]; /* 0: MESSAGE_TEXT */
    size_t size;                           /* of each content */
    uint64_t longer;                       /* this one's is ten times as large */
    enum err err, later;                   /* `later`: of all reads but the first */
    size_t reads;
    struct store_range range; /* the last one */
} db;

static bool is_wanted(const struct store_range *range, uint64_t seq)
{
    return seq > range->after && seq < range->before && seq <= db.last && seq != db.missing &&
           (!range->said || !db.kinds[seq] || message_is_said(db.kinds[seq]));
}

static void give(uint64_t seq, store_message_fn *fn, void *arg)
{
    static char text[20000];
    memset(text, 'x', sizeof text);
    struct message message = {.seq = seq,
                              .kind = db.kinds[seq] ? db.kinds[seq] : MESSAGE_TEXT,
                              .content = {text, seq == db.longer ? 10 * db.size : db.size}};
    fn(arg, &message);
}

enum err store_read(struct store *store, const struct store_range *range, store_message_fn *fn, void *arg)
{
    (void)store;
    db.range = *range;
    enum err err = db.reads++ ? db.later : db.err;
    uint64_t from = 1, left = range->limit;
    for (uint64_t seq = db.last; range->latest && seq && left; seq--)
        if (is_wanted(range, seq)) {
            from = seq;
            left--;
        }
    left = range->limit;
    for (uint64_t seq = from; !err && seq <= db.last && left; seq++)
        if (is_wanted(range, seq)) {
            give(seq, fn, arg);
            left--;
        }
    return err;
}

/* ---- rows: "7," and the content ---- */

static void encode(void *arg, const struct message *message, struct buf *out)
{
    (void)arg;
    buf_add_u64(out, message->seq);
    buf_add_char(out, message_is_presence(message->kind) ? '!' : ',');
    buf_add_str(out, message->content);
}

static void encode_even(void *arg, const struct message *message, struct buf *out)
{
    if (message->seq % 2 == 0)
        encode(arg, message, out);
}

static struct page page;

static struct store_range after(uint64_t seq, unsigned limit)
{
    return (struct store_range){.conversation = 1, .after = seq, .before = INT64_MAX, .limit = limit};
}

static struct store_range latest(unsigned limit)
{
    return (struct store_range){.conversation = 1, .before = INT64_MAX, .limit = limit, .latest = true};
}

static void want(struct store_range range, size_t bytes_max, size_t row_max)
{
    page_fini(&page);
    page_init(&page, &range, bytes_max, row_max);
    page.encode = encode;
}

/* The rows are exactly these bytes, one behind the other, and can be had one by one. */
#define assert_rows(literal) \
    do { \
        struct buf rows_; \
        buf_init(&rows_, 1 << 20); \
        for (size_t i_ = 0; i_ < page.count; i_++) \
            buf_add_str(&rows_, page_row(&page, i_)); \
        assert_bytes(buf_str(&rows_), literal); \
        assert_bytes(buf_str(&page.rows), literal); \
        buf_fini(&rows_); \
    } while (0)

static int reset(void **state)
{
    (void)state;
    memset(&db, 0, sizeof db);
    return 0;
}

static int free_page(void **state)
{
    (void)state;
    page_fini(&page);
    return 0;
}

/* ---- the cursor ---- */

static void what_follows_a_cursor_comes_page_by_page(void **state)
{
    (void)state;
    db.last = 5;
    want(after(0, 2), 1000, 100);
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("1,2,");
    assert_int_equal(page.last, 2);
    want(after(page.last, 2), 1000, 100);
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("3,4,");
    want(after(page.last, 2), 1000, 100);
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("5,");
    want(after(page.last, 2), 1000, 100); /* at the end there is nothing, and the cursor stays */
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("");
    assert_int_equal(page.last, 5);
    assert_int_equal(page.read, 0);
    want(after(900, 2), 1000, 100); /* nor past it */
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_int_equal(page.last, 900);
    assert_false(page.more);
}

static void the_latest_end_with_the_last(void **state)
{
    (void)state;
    db.last = 5;
    want(latest(3), 1000, 100);
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("3,4,5,");
    assert_int_equal(page.first, 3);
    want(latest(9), 1000, 100);
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("1,2,3,4,5,");
    db.last = 0;
    want(latest(9), 1000, 100);
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("");
    assert_int_equal(page.first, 0);
}

static void one_more_than_is_wanted_tells_that_there_are_more(void **state)
{
    (void)state;
    db.last = 5;
    want(after(0, 4), 1000, 100);
    page.rows_max = 3;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("1,2,3,");
    assert_true(page.more);
    assert_int_equal(page.last, 3);
    want(latest(4), 1000, 100);
    page.rows_max = 3;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("3,4,5,");
    assert_true(page.more);
    want(after(2, 4), 1000, 100);
    page.rows_max = 3;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("3,4,5,");
    assert_false(page.more);
}

/* ---- filters ---- */

static void what_nobody_is_shown_moves_the_cursor_all_the_same(void **state)
{
    (void)state;
    db.last = 4;
    db.kinds[1] = db.kinds[2] = MESSAGE_EDIT;
    db.kinds[3] = db.kinds[4] = MESSAGE_RECALL;
    want(after(0, 3), 1000, 100);
    page.wants = page_wants_no_revisions;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("");
    assert_int_equal(page.read, 3);
    assert_int_equal(page.last, 3);
    db.kinds[3] = MESSAGE_JOIN;
    want(latest(4), 1000, 100);
    page.wants = page_wants_said;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("");
    want(latest(4), 1000, 100);
    page.encode = encode_even; /* what has no row is none */
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("2,4,");
}

/* ---- bytes ---- */

static void forward_what_does_not_fit_is_on_the_next_page(void **state)
{
    (void)state;
    db.last = 6;
    db.size = 100;
    want(after(0, 9), 250, 1000);
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_int_equal(page.count, 2);
    assert_int_equal(page.last, 2);
    assert_true(page.more);
    db.longer = 3; /* longer than a page: alone on one, if the buffer can hold it at all */
    want(after(2, 9), 250, 1002 - 250 - 1);
    assert_int_equal(page_read(&page, NULL), ERR_INTERNAL);
    want(after(1, 9), 250, 1002 - 250); /* not beside another one */
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.last, 2);
    want(after(page.last, 9), 250, 1002 - 250);
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_int_equal(page.last, 3);
}

static void of_the_latest_the_oldest_give_way(void **state)
{
    (void)state;
    db.last = 60;
    db.size = 100;
    want(latest(60), 250, 1000);
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_int_equal(page.count, 2);
    assert_int_equal(memcmp(page_row(&page, 0).ptr, "59,", 3), 0);
    assert_true(page.more);
    assert_true(page.rows.cap < 60 * 100); /* it was never all there */
    db.longer = 60;
    want(latest(60), 250, 1000);
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_int_equal(page.count, 1);
    assert_int_equal(memcmp(page_row(&page, 0).ptr, "60,", 3), 0);
    want(latest(60), 250, 1003 - 500); /* into the buffer only when the others have left it */
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_int_equal(page.count, 1);
    db.longer = 30;
    want(latest(60), 250, 1003 - 500);
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_int_equal(page.count, 2);
}

/* ---- comings and goings ---- */

/* Odd ones of the last `count` are comings. */
static void come_and_go(uint64_t count)
{
    for (uint64_t seq = db.last - count + 1; seq <= db.last; seq++)
        db.kinds[seq] = seq % 2 ? MESSAGE_JOIN : MESSAGE_TEXT;
}

static void what_was_said_before_stands_in_for_comings_and_goings(void **state)
{
    (void)state;
    db.last = 20;
    come_and_go(8); /* 13 15 17 19 */
    db.kinds[11] = MESSAGE_EDIT;
    db.kinds[10] = MESSAGE_LEAVE;
    want(latest(8), 1000, 100);
    page.wants = page_wants_no_revisions;
    page.passing_max = 1;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("8,9,12,14,16,18,19!20,");
    assert_int_equal(page.count, 8);
    assert_false(page.more);
    assert_int_equal(db.range.before, 13);
    assert_int_equal(db.range.limit, 3);
    want(latest(8), 1000, 100);
    page.passing_max = 0;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("7,8,9,12,14,16,18,20,");
    want(latest(8), 1000, 100); /* they are rows like all others */
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("13!14,15!16,17!18,19!20,");
}

static void nothing_is_read_before_a_history_that_is_whole_or_full(void **state)
{
    (void)state;
    db.last = 8;
    come_and_go(8);
    want(latest(8), 1000, 100); /* all there is */
    page.passing_max = 0;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("2,4,6,8,");
    assert_int_equal(db.reads, 1);
    db.last = 20;
    db.size = 100;
    memset(db.kinds, 0, sizeof db.kinds);
    come_and_go(8);
    want(latest(8), 350, 500); /* no more has room */
    page.passing_max = 0;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_int_equal(page.count, 3);
    assert_int_equal(db.reads, 2);
    want(latest(8), 420, 500); /* not one more */
    page.passing_max = 0;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_int_equal(page.count, 4);
    assert_int_equal(memcmp(page_row(&page, 0).ptr, "14,", 3), 0);
    want(latest(8), 520, 500); /* one */
    page.passing_max = 0;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_int_equal(page.count, 5);
    assert_int_equal(memcmp(page_row(&page, 0).ptr, "12,", 3), 0);
}

static void a_crowd_costs_two_reads(void **state)
{
    (void)state;
    db.last = 15000;
    for (uint64_t seq = 4; seq <= db.last; seq++)
        db.kinds[seq] = MESSAGE_LEAVE;
    want(latest(8), 1000, 100);
    page.passing_max = 2;
    assert_int_equal(page_read(&page, NULL), ERR_OK);
    assert_rows("1,2,3,14999!15000!"); /* however far back */
    assert_int_equal(db.reads, 2);
    assert_true(db.range.said);
    assert_int_equal(db.range.before, 14993);
    assert_int_equal(db.range.after, 0);
}

/* ---- failures ---- */

static void without_the_database_there_is_no_page(void **state)
{
    (void)state;
    db.last = 20;
    come_and_go(8);
    db.later = ERR_DOWN; /* between the two reads */
    want(latest(8), 1000, 100);
    page.passing_max = 0;
    assert_int_equal(page_read(&page, NULL), ERR_DOWN);
    db.reads = 0;
    db.err = ERR_DOWN;
    want(after(0, 8), 1000, 100);
    assert_int_equal(page_read(&page, NULL), ERR_DOWN);
}

/* ---- rows from elsewhere ---- */

static void rows_need_not_be_messages(void **state)
{
    (void)state;
    want(after(0, 9), 6, 10);
    for (int i = 0; i < 9; i++) {
        struct buf *out = page_begin_row(&page);
        if (!out)
            break;
        buf_add_text(out, "one");
        page_end_row(&page, false);
    }
    assert_int_equal(page_end(&page), ERR_OK);
    assert_rows("oneone");
    assert_true(page.more);
    struct buf out;
    buf_init(&out, 100);
    buf_add_char(&out, '[');
    page_add_rows(&page, &out);
    assert_bytes(buf_str(&out), "[one,one");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_follows_a_cursor_comes_page_by_page, reset, free_page),
        cmocka_unit_test_setup_teardown(the_latest_end_with_the_last, reset, free_page),
        cmocka_unit_test_setup_teardown(one_more_than_is_wanted_tells_that_there_are_more, reset, free_page),
        cmocka_unit_test_setup_teardown(what_nobody_is_shown_moves_the_cursor_all_the_same, reset, free_page),
        cmocka_unit_test_setup_teardown(forward_what_does_not_fit_is_on_the_next_page, reset, free_page),
        cmocka_unit_test_setup_teardown(of_the_latest_the_oldest_give_way, reset, free_page),
        cmocka_unit_test_setup_teardown(what_was_said_before_stands_in_for_comings_and_goings, reset, free_page),
        cmocka_unit_test_setup_teardown(nothing_is_read_before_a_history_that_is_whole_or_full, reset, free_page),
        cmocka_unit_test_setup_teardown(a_crowd_costs_two_reads, reset, free_page),
        cmocka_unit_test_setup_teardown(without_the_database_there_is_no_page, reset, free_page),
        cmocka_unit_test_setup_teardown(rows_need_not_be_messages, reset, free_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
