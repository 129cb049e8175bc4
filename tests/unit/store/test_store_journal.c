/* Storing batches: numbers, repeats, edits and recalls. */
#include "fake_tables.h"

#include "common/log.h"

#include <unistd.h>

static void revise_post(enum message_kind kind, uint64_t conversation, uint64_t sender, const char *client_id,
                        const char *content)
{
    struct message *message = &post(conversation, sender, client_id)->message;
    message->kind = kind;
    message->content = str_of(content);
}

/* ---- all is well ---- */

static void numbers_are_taken_per_conversation_in_the_order_given(void **state)
{
    (void)state;
    static const uint64_t conversations[] = {3, 1, 3, 3, 2, 1, 3};
    static const uint64_t numbers[] = {1, 1, 2, 3, 1, 2, 4};
    for (size_t i = 0; i < 7; i++)
        post(conversations[i], 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    for (size_t i = 0; i < 7; i++) {
        check_post(i, ERR_OK, numbers[i]);
        assert_false(posts[i].repeated);
        assert_int_equal(posts[i].message.at_ms, now_ms);
    }
    assert_string_equal(trace, "blisc"); /* as many statements as for one */
    assert_string_equal(last_sql,
                        "SELECT id, seq, last_at, " STORE_EPOCH
                        ", feed_stream, feed_pos, kind FROM conversation WHERE id IN (1,2,3) ORDER BY id FOR UPDATE");
    check_consistent();
    post_count = 0;
    post(3, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 5);
    check_consistent();
}

static void whom_a_post_is_for_is_stored_beside_it(void **state)
{
    (void)state;
    struct message *first = &post(1, 0, "")->message;
    first->audience = STR("r4:reds");
    first->extra = STR("\"mood\":\"glad\"");
    post(1, 0, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_string_equal(committed_row(1, 1)->audience, "r4:reds");
    assert_string_equal(committed_row(1, 1)->extra, "\"mood\":\"glad\"");
    assert_string_equal(committed_row(1, 2)->audience, ""); /* NULL: everybody */
}

static void an_unknown_conversation_fails_its_posts_only(void **state)
{
    (void)state;
    post(99, 9, "");
    post(1, 9, "");
    post(CONVERSATIONS, 9, "");
    post(2, 9, "");
    post(99, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK); /* the database answered */
    check_post(0, ERR_NOT_FOUND, 0);
    check_post(1, ERR_OK, 1);
    check_post(2, ERR_NOT_FOUND, 0);
    check_post(3, ERR_OK, 1);
    check_post(4, ERR_NOT_FOUND, 0);
    assert_string_equal(trace, "blisc");
    check_consistent();
}

static void a_batch_without_any_conversation_stores_nothing(void **state)
{
    (void)state;
    static const enum err outcomes[] = {ERR_OK, ERR_UNKNOWN}; /* nothing of it can have been stored */
    for (size_t i = 0; i < 2; i++) {
        begin(NULL);
        post(99, 9, "a");
        post(98, 9, "a");
        add_fault((struct fault){.op = 'c', .times = 1, .err = outcomes[i]});
        assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
        check_post(0, ERR_NOT_FOUND, 0);
        check_post(1, ERR_NOT_FOUND, 0);
        assert_string_equal(trace, i ? "blC" : "blc");
        assert_int_equal(committed.row_count, 0);
    }
}

static void say_and_pass(const char *kinds, uint64_t conversation)
{
    for (const char *kind = kinds; *kind; kind++)
        post(conversation, 9, "")->message.kind = *kind == 'j'   ? MESSAGE_JOIN
                                                  : *kind == 'l' ? MESSAGE_LEAVE
                                                                 : MESSAGE_TEXT;
}

static void assert_run(size_t i, uint64_t conversation, uint64_t first, uint64_t last)
{
    assert_true(i < committed.run_count);
    assert_int_equal(committed.runs[i].conversation, conversation);
    assert_int_equal(committed.runs[i].first, first);
    assert_int_equal(committed.runs[i].last, last);
}

static void comings_and_goings_are_noted_as_runs(void **state)
{
    (void)state;
    say_and_pass("tjlt", 1);
    say_and_pass("j", 2);
    say_and_pass("jj", 1);
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_string_equal(trace, "bliasc"); /* one statement more, however many */
    assert_int_equal(committed.run_count, 3);
    assert_run(0, 1, 2, 3);
    assert_run(1, 2, 1, 1);
    assert_run(2, 1, 5, 6);
    post_count = 0;
    say_and_pass("ltj", 1);
    add_fault((struct fault){.op = 'a', .times = 1, .err = ERR_RETRY});
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_int_equal(committed.run_count, 4);
    assert_run(2, 1, 5, 7); /* it goes on */
    assert_run(3, 1, 9, 9);
    check_consistent();
}

static void nothing_is_stored_for_nobody(void **state)
{
    (void)state;
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_string_equal(trace, "");
}

/* ---- clocks that differ ---- */

static void set_clock(int64_t ms)
{
    now_ms = ms;
    clock_freeze(ms);
}

static void a_clock_that_is_behind_takes_no_time_below_the_last_ones(void **state)
{
    (void)state;
    int64_t ahead_ms = now_ms + 30000, behind_ms = now_ms;
    set_clock(ahead_ms); /* one relay */
    stored_before(1, 9, "");
    set_clock(behind_ms); /* another, and a conversation that only it knows */
    post(1, 8, "");
    post(2, 8, "");
    post(1, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_string_equal(trace, "blisc"); /* at no cost */
    assert_int_equal(posts[0].message.at_ms, ahead_ms);
    assert_int_equal(posts[1].message.at_ms, behind_ms);
    assert_int_equal(posts[2].message.at_ms, ahead_ms);
    assert_int_equal(committed.last_at[1], ahead_ms);
    assert_int_equal(committed.last_at[2], behind_ms);
    check_consistent();
    set_clock(ahead_ms + 1); /* its own time has passed that one */
    post_count = 0;
    post(1, 8, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_int_equal(posts[0].message.at_ms, ahead_ms + 1);
    check_consistent();
}

static void what_stores_nothing_moves_no_time(void **state)
{
    (void)state;
    struct store_post earlier = stored_before(1, 9, "id");
    post(1, 9, "id"); /* a repeat, and the clock has gone on */
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_true(posts[0].repeated && posts[0].message.at_ms == earlier.message.at_ms);
    assert_int_equal(committed.last_at[1], earlier.message.at_ms);
}

static void a_clock_far_ahead_is_told_of_once_a_minute(void **state)
{
    (void)state;
    char path[] = "/tmp/chaguan-test-log-XXXXXX", text[4096];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    log_close();
    assert_int_equal(log_open("test", path, LOG_WARN), ERR_OK);
    const int64_t last_ms = now_ms + 3600 * 1000;
    committed.last_at[1] = last_ms;
    for (int i = 0; i < 130; i++, set_clock(now_ms + 1000)) { /* at 0 s, 60 s and 120 s */
        post_count = 0;
        post(1, 9, "");
        assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
        assert_int_equal(posts[0].message.at_ms, last_ms); /* all the same */
    }
    set_clock(now_ms + 120 * 1000);
    committed.last_at[2] = now_ms + 5 * 60 * 1000; /* that much may be */
    post_count = 0;
    post(2, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    log_close();
    assert_int_equal(log_open("test", "/dev/null", LOG_ERROR), ERR_OK);
    ssize_t len = read(fd, text, sizeof text - 1);
    assert_true(len > 0);
    text[len] = '\0';
    close(fd);
    unlink(path);
    size_t told = 0;
    for (const char *at = text; (at = strstr(at, "event=store.clocks_differ ahead_ms=")) != NULL; at++)
        told++;
    assert_int_equal(told, 3);
    assert_non_null(strstr(text, "ahead_ms=3600000"));
}

/* ---- what came before ---- */

static void a_repeat_gets_the_first_ones_number_and_time(void **state)
{
    (void)state;
    struct store_post earlier = stored_before(1, 9, "id");
    post(1, 9, "new");
    post(1, 9, "id");
    post(1, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 2);
    check_post(1, ERR_OK, 1);
    check_post(2, ERR_OK, 3);
    assert_true(posts[1].repeated);
    assert_false(posts[0].repeated || posts[2].repeated);
    assert_int_equal(posts[1].message.at_ms, earlier.message.at_ms);
    assert_string_equal(trace, "blIrblfisc"); /* looked for only once the key has told, together */
    assert_int_equal(committed.row_count, 3);
    assert_int_equal(committed.seq[1], 3);
}

static void the_same_client_id_of_another_is_no_repeat(void **state)
{
    (void)state;
    stored_before(1, 9, "id");
    post(1, 8, "id");
    post(2, 9, "id");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_string_equal(trace, "blisc");
    for (size_t i = 0; i < 2; i++)
        assert_true(!posts[i].err && !posts[i].repeated);
    check_consistent();
}

static void what_nobody_said_is_looked_for_at_once(void **state)
{
    (void)state;
    stored_before(1, 0, "before"); /* the unique key does not know it */
    post(1, 0, "before");
    post(1, 0, "id");
    post(1, 0, "id");
    post(2, 0, "id");
    post(1, 0, "");
    post(1, 0, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_string_equal(trace, "blfiscblfsc");
    static const bool repeated[] = {true, false, true, false, false, false};
    for (size_t i = 0; i < post_count; i++)
        assert_true(!posts[i].err && posts[i].repeated == repeated[i]);
    assert_int_equal(posts[1].message.seq, posts[2].message.seq);
    check_consistent();
}

static void twins_within_a_batch_are_stored_once(void **state)
{
    (void)state;
    post(1, 9, "id");
    post(1, 9, "id");
    post(1, 9, "other");
    post(1, 8, "id");
    post(1, 9, "id");
    post(2, 9, "id");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 1);
    check_post(1, ERR_OK, 1);
    check_post(2, ERR_OK, 2);
    check_post(3, ERR_OK, 3);
    check_post(4, ERR_OK, 1);
    check_post(5, ERR_OK, 1);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(posts[i].repeated, i == 1 || i == 4);
    assert_int_equal(committed.row_count, 4);
    assert_int_equal(posts[4].message.at_ms, posts[0].message.at_ms);
    assert_ptr_equal(strchr(trace, 'I'), strrchr(trace, 'I')); /* the key had to tell only once */
}

static void twins_of_one_that_was_stored_before_are_all_repeats(void **state)
{
    (void)state;
    stored_before(1, 9, "id");
    for (int i = 0; i < 3; i++)
        post(1, 9, "id");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    for (size_t i = 0; i < 3; i++) {
        check_post(i, ERR_OK, 1);
        assert_true(posts[i].repeated);
    }
    assert_int_equal(committed.row_count, 1);
}

static void somebodys_many_repeats_cost_the_batch_one_look(void **state)
{
    (void)state;
    char ids[POSTS_MAX][8];
    for (size_t i = 0; i < POSTS_MAX / 2; i++) {
        snprintf(ids[i], sizeof ids[i], "c%zu", i);
        post(1 + i % 3, 8 + i % 2, ids[i]);
    }
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    trace_len = 0;
    memset(trace, 0, sizeof trace);
    for (size_t i = 0; i < POSTS_MAX / 2; i++) { /* each among something new */
        size_t at = post_count++;
        posts[at] = posts[i];
        snprintf(ids[at], sizeof ids[at], "d%zu", i);
        if (i % 2)
            posts[at].message.client_id = str_of(ids[at]);
        if (i % 2)
            posts[at].message.content = str_of(ids[at]);
    }
    assert_int_equal(store_journal(&store, posts + POSTS_MAX / 2, POSTS_MAX / 2, PATIENCE_MS), ERR_OK);
    assert_string_equal(trace, "blIrblfisc");
    for (size_t i = POSTS_MAX / 2; i < POSTS_MAX; i++) {
        assert_int_equal(posts[i].err, ERR_OK);
        assert_int_equal(posts[i].repeated, i % 2 == 0);
        assert_int_equal(posts[i].message.seq == posts[i - POSTS_MAX / 2].message.seq, i % 2 == 0);
    }
    check_consistent();
}

static void other_kinds_of_things_under_one_client_id_are_a_conflict(void **state)
{
    (void)state;
    stored_before(1, 9, "id");
    revise_post(MESSAGE_RECALL, 1, 9, "id", "{\"of\":1}");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_DUPLICATE, posts[0].message.seq);
    assert_int_equal(committed.row_count, 1);
    assert_false(committed_row(1, 1)->recalled);
}

static void another_thing_said_under_one_client_id_is_a_conflict(void **state)
{
    (void)state;
    stored_before(1, 9, "id");
    post(1, 9, "id")->message.content = STR("another");
    post(1, 9, "id")->message.kind = MESSAGE_EMOJI;
    post(1, 9, "id"); /* the same */
    post(1, 9, "twin");
    post(1, 9, "twin")->message.content = STR("another");
    post(1, 9, "id")->message.extra = STR("\"mood\":\"glad\"");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_DUPLICATE, 0);
    check_post(1, ERR_DUPLICATE, 0);
    check_post(2, ERR_OK, 1);
    check_post(3, ERR_OK, 2);
    check_post(4, ERR_DUPLICATE, 0);
    check_post(5, ERR_DUPLICATE, 0);
    assert_true(posts[2].repeated && !posts[3].repeated);
    assert_int_equal(committed.row_count, 2);
}

/* A retry that comes so late that its message has been changed meanwhile: what it said stands nowhere any more. */
static void a_late_retry_of_what_was_changed_since_is_a_repeat(void **state)
{
    (void)state;
    stored_before(1, 9, "id");
    revise_post(MESSAGE_EDIT, 1, 9, "one", "{\"of\":1,\"content\":\"one\"}");
    revise_post(MESSAGE_EDIT, 1, 9, "two", "{\"of\":1,\"content\":\"two\"}");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    post_count = 0;
    post(1, 9, "id");
    revise_post(MESSAGE_EDIT, 1, 9, "one", "{\"of\":1,\"content\":\"one\"}");
    revise_post(MESSAGE_EDIT, 1, 9, "two", "{\"of\":1,\"content\":\"two\"}");
    revise_post(MESSAGE_EDIT, 1, 9, "two", "{\"of\":1,\"content\":\"three\"}");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 1);
    check_post(1, ERR_OK, 2);
    check_post(2, ERR_OK, 3);
    check_post(3, ERR_DUPLICATE, 0);
    assert_int_equal(committed.row_count, 3);
}

/* ---- edits and recalls ---- */

static void an_edit_changes_its_message_under_a_number_of_its_own(void **state)
{
    (void)state;
    stored_before(1, 9, "");
    revise_post(MESSAGE_EDIT, 1, 9, "e", "{\"of\":1,\"content\":\"new\"}");
    post(2, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 2);
    check_post(1, ERR_OK, 1);
    assert_string_equal(trace, "blviwsc");
    assert_string_equal(committed_row(1, 1)->content, "new");
    assert_int_equal(committed_row(1, 1)->revised_by, 2);
    assert_string_equal(committed_row(1, 2)->content, "{\"of\":1,\"content\":\"new\"}");
}

static void many_edits_cost_the_batch_as_many_statements_as_two(void **state)
{
    (void)state;
    char contents[POSTS_MAX][48];
    for (int i = 0; i < 4; i++)
        post(1 + i % 2, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    post_count = trace_len = 0;
    memset(trace, 0, sizeof trace);
    for (unsigned i = 0; i < 40; i++) { /* of four messages, and every fifth is somebody else's */
        snprintf(contents[i], sizeof contents[i], "{\"of\":%u,\"content\":\"%u\"}", 1 + i / 2 % 2, i);
        revise_post(MESSAGE_EDIT, 1 + i % 2, i % 5 == 4 ? 8 : 9, "", contents[i]);
    }
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_string_equal(trace, "blviewsc");
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(posts[i].err, i % 5 == 4 ? ERR_DENIED : ERR_OK);
    for (unsigned i = 0; i < 40; i++) { /* what the last ones say stands; what those before said, nowhere */
        const struct row *row = i % 5 == 4 ? NULL : committed_row(1 + i % 2, posts[i].message.seq);
        if (row)
            assert_string_equal(row->content, i >= 35 ? contents[i] : i / 2 % 2 ? "{\"of\":2}" : "{\"of\":1}");
    }
    static const char *const last[] = {"36", "37", "38", "35"};
    for (unsigned i = 0; i < 4; i++)
        assert_string_equal(committed_row(1 + i % 2, 1 + i / 2)->content, last[i]);
}

static void what_was_recalled_stands_nowhere(void **state)
{
    (void)state;
    stored_before(1, 9, "");
    revise_post(MESSAGE_EDIT, 1, 9, "a", "{\"of\":1,\"content\":\"one\"}");
    revise_post(MESSAGE_EDIT, 1, 9, "b", "{\"of\":1,\"content\":\"two\"}");
    revise_post(MESSAGE_RECALL, 1, 9, "c", "{\"of\":1}");
    revise_post(MESSAGE_EDIT, 1, 9, "d", "{\"of\":1,\"content\":\"late\"}");
    revise_post(MESSAGE_RECALL, 1, 9, "c", "{\"of\":1}"); /* a retry in the very same batch */
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 2);
    check_post(1, ERR_OK, 3);
    check_post(2, ERR_OK, 4);
    check_post(3, ERR_NOT_FOUND, 0);
    check_post(4, ERR_OK, 4);
    assert_true(posts[4].repeated);
    assert_string_equal(committed_row(1, 1)->content, "");
    assert_true(committed_row(1, 1)->recalled);
    for (uint64_t seq = 2; seq <= 4; seq++)
        assert_string_equal(committed_row(1, seq)->content, "{\"of\":1}");
    assert_int_equal(committed.seq[1], 4);
}

static void a_retried_recall_is_a_repeat_and_another_one_finds_nothing(void **state)
{
    (void)state;
    stored_before(1, 9, "");
    revise_post(MESSAGE_RECALL, 1, 9, "r", "{\"of\":1}");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    post_count = 0;
    revise_post(MESSAGE_RECALL, 1, 9, "r", "{\"of\":1}");
    revise_post(MESSAGE_RECALL, 1, 9, "s", "{\"of\":1}");
    revise_post(MESSAGE_EDIT, 1, 9, "", "{\"of\":1,\"content\":\"x\"}");
    post(1, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 2);
    assert_true(posts[0].repeated);
    check_post(1, ERR_NOT_FOUND, 0);
    check_post(2, ERR_NOT_FOUND, 0);
    check_post(3, ERR_OK, 3);
}

static void only_the_author_changes_only_what_was_said(void **state)
{
    (void)state;
    stored_before(1, 9, "");
    post(1, 9, "")->message.kind = MESSAGE_FILE;
    post(1, 9, "")->message.kind = MESSAGE_JOIN;
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    post_count = 0;
    revise_post(MESSAGE_RECALL, 1, 8, "", "{\"of\":1}");
    revise_post(MESSAGE_EDIT, 1, 9, "", "{\"of\":2,\"content\":\"x\"}"); /* a file */
    revise_post(MESSAGE_RECALL, 1, 9, "", "{\"of\":3}");
    revise_post(MESSAGE_RECALL, 1, 9, "", "{\"of\":99}");
    revise_post(MESSAGE_RECALL, 2, 9, "", "{\"of\":1}");
    revise_post(MESSAGE_RECALL, 1, 9, "", "{\"of\":0}");
    revise_post(MESSAGE_RECALL, 1, 9, "", "nonsense");
    revise_post(MESSAGE_RECALL, 1, 0, "", "{\"of\":1}");
    revise_post(MESSAGE_RECALL, 1, 9, "", "{\"of\":2}");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    static const enum err verdicts[] = {ERR_DENIED,    ERR_DENIED,    ERR_DENIED, ERR_NOT_FOUND, ERR_NOT_FOUND,
                                        ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_DENIED, ERR_OK};
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(posts[i].err, verdicts[i]);
    assert_int_equal(committed.seq[1], 4);
    assert_int_equal(committed.seq[2], 0);
}

static void a_failing_revision_takes_nothing_with_it(void **state)
{
    (void)state;
    static const char ops[] = "vew";
    for (size_t i = 0; ops[i]; i++) {
        begin(NULL);
        stored_before(1, 9, "");
        revise_post(MESSAGE_EDIT, 1, 9, "e", "{\"of\":1,\"content\":\"new\"}");
        post(1, 9, "p");
        add_fault((struct fault){.op = ops[i], .times = 1, .err = ERR_RETRY});
        assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
        check_post(0, ERR_OK, 2);
        check_post(1, ERR_OK, 3);
        check_consistent();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_are_taken_per_conversation_in_the_order_given),
        TEST(whom_a_post_is_for_is_stored_beside_it),
        TEST(an_unknown_conversation_fails_its_posts_only),
        TEST(a_batch_without_any_conversation_stores_nothing),
        TEST(comings_and_goings_are_noted_as_runs),
        TEST(nothing_is_stored_for_nobody),
        TEST(a_clock_that_is_behind_takes_no_time_below_the_last_ones),
        TEST(what_stores_nothing_moves_no_time),
        TEST(a_clock_far_ahead_is_told_of_once_a_minute),
        TEST(a_repeat_gets_the_first_ones_number_and_time),
        TEST(the_same_client_id_of_another_is_no_repeat),
        TEST(what_nobody_said_is_looked_for_at_once),
        TEST(twins_within_a_batch_are_stored_once),
        TEST(twins_of_one_that_was_stored_before_are_all_repeats),
        TEST(somebodys_many_repeats_cost_the_batch_one_look),
        TEST(other_kinds_of_things_under_one_client_id_are_a_conflict),
        TEST(another_thing_said_under_one_client_id_is_a_conflict),
        TEST(a_late_retry_of_what_was_changed_since_is_a_repeat),
        TEST(an_edit_changes_its_message_under_a_number_of_its_own),
        TEST(many_edits_cost_the_batch_as_many_statements_as_two),
        TEST(what_was_recalled_stands_nowhere),
        TEST(a_retried_recall_is_a_repeat_and_another_one_finds_nothing),
        TEST(only_the_author_changes_only_what_was_said),
        TEST(a_failing_revision_takes_nothing_with_it),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    log_close();
    return failed;
}
