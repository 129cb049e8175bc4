/* The journal's transaction when the connection breaks in the middle of a COMMIT: stored or not stored must
 * be found out, or said to be unknown, and nothing may be stored twice. Then all failures at random. */
#include "fake_tables.h"

#include "common/log.h"

static uint64_t lost_batch;

static void break_commit(bool applied, void (*then)(void))
{
    add_fault((struct fault){.op = 'c', .times = 1, .err = ERR_UNKNOWN, .applied = applied, .then = then});
}

/* ---- found out ---- */

static void one_that_was_carried_out_is_found_by_its_batch(void **state)
{
    (void)state;
    stored_before(1, 9, "before");
    post(2, 9, "a");
    post(1, 9, "b");
    post(2, 9, "");
    break_commit(true, NULL);
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 1);
    check_post(1, ERR_OK, 2);
    check_post(2, ERR_OK, 2);
    assert_string_equal(trace, "blisCblkqr"); /* under the lock: the server may be at it still */
    for (size_t i = 0; i < 3; i++)
        assert_false(posts[i].repeated);
    check_consistent();
}

static void one_that_was_lost_is_stored_again(void **state)
{
    (void)state;
    post(1, 9, "a");
    post(1, 9, "");
    break_commit(false, NULL);
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 1);
    check_post(1, ERR_OK, 2);
    assert_string_equal(trace, "blisCblisc"); /* the counter alone tells: no row to look for */
    assert_int_equal(committed.row_count, 2);
    check_consistent();
}

/* Between the broken COMMIT and the look-up another relay stores under the very number. */
static void another_relay_writes(void)
{
    committed.rows[committed.row_count++] = (struct row){.conversation = 1,
                                                         .seq = committed.seq[1] + 1,
                                                         .sender = 5,
                                                         .batch = 12345,
                                                         .at_ms = now_ms,
                                                         .client_id = "other",
                                                         .content = "of the other relay"};
    committed.last_at[1] = now_ms;
    committed.seq[1]++;
}

static void anothers_row_under_its_number_is_not_taken_for_its_own(void **state)
{
    (void)state;
    struct tables before;
    post(1, 9, "a");
    break_commit(false, NULL);
    before = committed;
    add_fault((struct fault){.op = 'b', .skip = 1, .times = 1, .then = another_relay_writes});
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, before.seq[1] + 2);
    assert_string_equal(trace, "blisCblqisc");
    check_consistent();
}

static void the_look_up_goes_on_until_the_database_answers(void **state)
{
    (void)state;
    static const struct {
        char op;
        int skip;
        enum err err;
    } rows[] = {{'b', 1, ERR_DOWN}, {'l', 1, ERR_DOWN}, {'l', 1, ERR_RETRY}, {'q', 0, ERR_DOWN}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int applied = 0; applied < 2; applied++) {
            begin(NULL);
            post(1, 9, "");
            post(2, 9, "");
            break_commit(applied, NULL);
            add_fault((struct fault){.op = rows[i].op, .skip = rows[i].skip, .times = 5, .err = rows[i].err});
            assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
            check_post(0, ERR_OK, 1);
            check_post(1, ERR_OK, 1);
            assert_int_equal(committed.row_count, 2);
            check_consistent();
        }
}

static void two_broken_commits_in_a_row(void **state)
{
    (void)state;
    for (int applied = 0; applied < 2; applied++) {
        begin(NULL);
        post(1, 9, "");
        break_commit(false, NULL);
        break_commit(applied, NULL);
        assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
        check_post(0, ERR_OK, 1);
        assert_int_equal(committed.row_count, 1);
    }
}

static void twins_put_off_are_answered_after_a_broken_commit(void **state)
{
    (void)state;
    for (int applied = 0; applied < 2; applied++) {
        begin(NULL);
        post(1, 9, "a");
        post(1, 9, "a");
        post(1, 9, "b");
        break_commit(applied, NULL);
        assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
        check_post(0, ERR_OK, 1);
        check_post(1, ERR_OK, 1);
        check_post(2, ERR_OK, 2);
        assert_true(posts[1].repeated);
        check_consistent();
    }
}

/* Nothing of it is stored by that COMMIT, so nothing is unknown. */
static void a_broken_commit_of_repeats_alone_is_no_matter(void **state)
{
    (void)state;
    stored_before(1, 9, "id");
    post(1, 9, "id");
    break_commit(false, NULL);
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 1);
    assert_true(posts[0].repeated);
    assert_string_equal(trace, "blIrblfsC");
}

/* ---- pinned to one connection: what the posts speak of was read through it ---- */

static void pin(void)
{
    begin(NULL);
    pinned = true;
}

static void nothing_is_stored_through_another_connection(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pin();
        int64_t began_ms = now_ms;
        post(1, 9, "a");
        add_fault((struct fault){.op = 'b', .times = 1, .err = ERR_DOWN});
        assert_int_equal(store_all(PATIENCE_MS), ERR_DOWN);
        check_post(0, ERR_DOWN, 0);
        assert_string_equal(trace, "B"); /* and it is not waited for */
        assert_int_equal(now_ms, began_ms);
        assert_int_equal(committed.row_count, 0);
    }
}

static void a_broken_commit_is_looked_up_and_the_connection_that_has_it_stays(void **state)
{
    (void)state;
    pin();
    post(1, 9, "a");
    post(1, 9, "a");
    post(1, 9, "b");
    break_commit(true, NULL);
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 1);
    check_post(1, ERR_OK, 1);
    check_post(2, ERR_OK, 2);
    assert_false(looks || cut_off);
    check_consistent();
}

static void one_that_is_not_found_is_not_stored_again(void **state)
{
    (void)state;
    pin();
    post(1, 9, "a");
    post(1, 9, "a");
    post(2, 9, "b");
    break_commit(false, NULL);
    add_fault((struct fault){.op = 'b', .skip = 2, .times = 3, .err = ERR_DOWN});
    assert_int_equal(store_all(PATIENCE_MS), ERR_UNKNOWN);
    check_post(0, ERR_UNKNOWN, 0);
    check_post(1, ERR_DOWN, 0); /* a repeat, which was put off */
    check_post(2, ERR_UNKNOWN, 0);
    assert_int_equal(committed.row_count, 0);
    assert_true(cut_off);
    assert_false(looks);
}

static void of_halves_none_is_stored_through_another_connection(void **state)
{
    (void)state;
    pin();
    post(1, 9, "a");
    post(2, 9, "b");
    add_fault((struct fault){.op = 'i', .times = 1, .err = ERR_INTERNAL});
    break_commit(false, NULL);
    assert_int_equal(store_all(PATIENCE_MS), ERR_UNKNOWN);
    check_post(0, ERR_UNKNOWN, 0);
    check_post(1, ERR_DOWN, 0);
    assert_int_equal(committed.row_count, 0);
}

/* ---- not found out ---- */

static void it_stays_unknown_if_the_database_does_not_come_back(void **state)
{
    (void)state;
    for (int applied = 0; applied < 2; applied++) {
        begin(NULL);
        int64_t began_ms = now_ms;
        post(1, 9, "");
        post(2, 9, "");
        post(99, 9, "");
        break_commit(applied, NULL);
        add_fault((struct fault){.op = 'b', .skip = 1, .times = 1000, .err = ERR_DOWN});
        assert_int_equal(store_all(PATIENCE_MS), ERR_UNKNOWN);
        check_post(0, ERR_UNKNOWN, 0);
        check_post(1, ERR_UNKNOWN, 0);
        check_post(2, ERR_NOT_FOUND, 0); /* this much is known */
        assert_in_range(now_ms - began_ms, PATIENCE_MS, PATIENCE_MS + 50);
        check_consistent();
    }
}

static void without_patience_it_is_looked_up_once(void **state)
{
    (void)state;
    post(1, 9, "");
    break_commit(true, NULL);
    assert_int_equal(store_all(0), ERR_OK);
    check_post(0, ERR_OK, 1);
    begin(NULL);
    post(1, 9, "");
    break_commit(true, NULL);
    add_fault((struct fault){.op = 'l', .skip = 1, .times = 1, .err = ERR_DOWN});
    assert_int_equal(store_all(0), ERR_UNKNOWN);
    check_post(0, ERR_UNKNOWN, 0);
    assert_string_equal(trace, "blisCbLr");
}

/* The time is up, but it has to be looked up; and the transaction that finds nothing stores it. */
static void lost_and_late_is_stored_by_the_look_up(void **state)
{
    (void)state;
    post(1, 9, "");
    break_commit(false, NULL);
    assert_int_equal(store_all(0), ERR_OK);
    check_post(0, ERR_OK, 1);
    assert_string_equal(trace, "blisCblisc");
    begin(NULL);
    post(1, 9, "");
    break_commit(false, NULL);
    break_commit(true, NULL);
    assert_int_equal(store_all(0), ERR_UNKNOWN); /* not for ever */
    check_post(0, ERR_UNKNOWN, 0);
    assert_string_equal(trace, "blisCblisC");
}

/* On another node of a cluster nothing was to be seen of the lost transaction, but it was first all the same. */
static void the_lost_one_is_applied(void)
{
    committed.rows[committed.row_count] = working.rows[working.row_count - 1];
    committed.last_at[1] = working.rows[working.row_count - 1].at_ms;
    committed.rows[committed.row_count++].batch = lost_batch;
    committed.seq[1]++;
}

static void remember_the_batch(void)
{
    lost_batch = working.rows[working.row_count - 1].batch;
}

static void one_that_turns_up_after_the_look_is_not_stored_twice(void **state)
{
    (void)state;
    post(1, 9, "");
    break_commit(false, remember_the_batch);
    add_fault((struct fault){.op = 'c', .times = 1, .err = ERR_RETRY, .then = the_lost_one_is_applied});
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 1);
    assert_string_equal(trace, "blisCblisCrblqr");
    assert_int_equal(committed.row_count, 1);
    check_consistent();
}

static void sent_again_after_unknown_it_is_stored_once(void **state)
{
    (void)state;
    for (int applied = 0; applied < 2; applied++) {
        begin(NULL);
        post(1, 9, "id");
        break_commit(applied, NULL);
        add_fault((struct fault){.op = 'b', .skip = 1, .times = 1, .err = ERR_DOWN});
        assert_int_equal(store_all(0), ERR_UNKNOWN);
        assert_int_equal(store_all(0), ERR_OK);
        check_post(0, ERR_OK, 1);
        assert_int_equal(posts[0].repeated, applied);
        assert_int_equal(committed.row_count, 1);
    }
}

/* ---- a database that was put back ---- */

/* What is lost is what was stored since. */
static void put_back(const struct tables *earlier)
{
    committed = *earlier;
    connects++;
}

static void each_post_says_in_which_epoch(void **state)
{
    (void)state;
    stored_before(1, 9, "id");
    committed.epoch = EPOCH + 6;
    post(1, 9, "id"); /* a repeat */
    post(2, 9, "");
    post(77, 9, ""); /* there is no such conversation */
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_true(posts[0].repeated);
    assert_int_equal(posts[0].epoch, EPOCH + 6);
    assert_int_equal(posts[1].epoch, EPOCH + 6);
    assert_int_equal(posts[2].err, ERR_NOT_FOUND);

    post_count = 0;
    post(77, 9, "");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_int_equal(posts[0].epoch, 0); /* nothing tells */
}

static void one_that_was_found_stored_is_of_the_epoch_that_found_it(void **state)
{
    (void)state;
    post(1, 9, "");
    break_commit(true, NULL);
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 1);
    assert_int_equal(posts[0].epoch, EPOCH);
    check_consistent();
}

/* The numbers of its conversation and sender may be others' by now. */
static void what_was_said_in_another_epoch_is_not_stored(void **state)
{
    (void)state;
    post(1, 9, "a")->of_epoch = EPOCH - 1;
    post(1, 9, "b")->of_epoch = EPOCH;
    post(2, 9, "c")->of_epoch = EPOCH + 1;
    post(1, 9, "d"); /* of whatever epoch it is */
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_DOWN, 0);
    check_post(1, ERR_OK, 1);
    check_post(2, ERR_DOWN, 0);
    check_post(3, ERR_OK, 2);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(posts[i].epoch, EPOCH);
    assert_int_equal(committed.row_count, 2);
    check_consistent();
}

/* The connection is new, and what was stored through the one before is gone. */
static void nothing_is_stored_in_a_database_that_lost_what_was_stored(void **state)
{
    (void)state;
    stored_before(1, 9, "kept");
    struct tables earlier = committed;
    stored_before(1, 9, "lost");
    put_back(&earlier);
    post(1, 9, "a");
    post(2, 9, "b");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_string_equal(trace, "blkru");
    for (size_t i = 0; i < 2; i++) {
        check_post(i, ERR_DOWN, 0);
        assert_int_equal(posts[i].epoch, EPOCH + 1);
    }
    assert_int_equal(committed.epoch, EPOCH + 1);
    check_consistent();

    trace_len = post_count = 0;
    memset(trace, 0, sizeof trace);
    post(1, 9, "c"); /* looked up since */
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_OK, 2);
    assert_string_equal(trace, "blisc");
    check_consistent();
}

/* Also under the very number of the lost one. */
static void anothers_message_in_the_place_of_the_last_tells_it_too(void **state)
{
    (void)state;
    struct tables earlier = committed;
    stored_before(1, 9, "lost");
    put_back(&earlier);
    another_relay_writes();
    post(1, 9, "a");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_DOWN, 0);
    assert_int_equal(committed.epoch, EPOCH + 1);
    assert_int_equal(committed.row_count, 1);
}

static void a_new_connection_to_what_it_was_is_looked_at_once(void **state)
{
    (void)state;
    stored_before(1, 9, "kept");
    connects++;
    post(1, 9, "a");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    assert_string_equal(trace, "blkisc");
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK); /* the same once more */
    assert_true(posts[0].repeated);
    assert_null(strchr(trace + 6, 'k'));
    assert_int_equal(committed.epoch, EPOCH);
}

static void of_an_epoch_that_another_began_it_need_not_be_asked(void **state)
{
    (void)state;
    struct tables earlier = committed;
    stored_before(1, 9, "lost");
    put_back(&earlier);
    committed.epoch = EPOCH + 9;
    post(1, 9, "a")->of_epoch = EPOCH;
    post(1, 9, "b")->of_epoch = EPOCH + 9;
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_DOWN, 0);
    check_post(1, ERR_OK, 1);
    assert_string_equal(trace, "blisc");
    assert_int_equal(committed.epoch, EPOCH + 9);
    check_consistent();
}

static void if_no_epoch_can_be_begun_nothing_is_stored(void **state)
{
    (void)state;
    struct tables earlier = committed;
    stored_before(1, 9, "lost");
    put_back(&earlier);
    post(1, 9, "a");
    add_fault((struct fault){.op = 'u', .times = 1, .err = ERR_DOWN});
    assert_int_equal(store_all(0), ERR_DOWN);
    check_post(0, ERR_DOWN, 0);
    assert_int_equal(committed.row_count, 0);
    assert_int_equal(store_all(0), ERR_OK); /* the next one tries again */
    check_post(0, ERR_DOWN, 0);
    assert_int_equal(committed.epoch, EPOCH + 1);
    assert_int_equal(committed.row_count, 0);
}

/* The commit that broke is gone with the rest: it is known not to be stored. */
static void a_broken_commit_that_was_put_back_is_not_stored(void **state)
{
    (void)state;
    static struct tables earlier;
    earlier = committed;
    stored_before(1, 9, "lost");
    post(1, 9, "a");
    break_commit(true, NULL);
    add_fault((struct fault){.op = 'b', .skip = 1, .times = 1, .err = ERR_DOWN});
    assert_int_equal(store_all(0), ERR_UNKNOWN);
    put_back(&earlier);
    assert_int_equal(store_all(PATIENCE_MS), ERR_OK);
    check_post(0, ERR_DOWN, 0);
    assert_int_equal(committed.row_count, 0);
}

/* ---- at random ---- */

static uint64_t random_state = 3;

static unsigned random_below(unsigned bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % bound);
}

static void random_faults(void)
{
    static const enum err errs[] = {ERR_RETRY, ERR_DOWN, ERR_DOWN, ERR_INTERNAL};
    fault_count = 0;
    for (unsigned i = random_below(7); i > 0; i--) {
        struct fault fault = {.op = "blfiscccq"[random_below(9)],
                              .skip = (int)random_below(4),
                              .times = random_below(4) ? 1 : 1 + (int)random_below(40)};
        fault.err = fault.op == 'c' && random_below(4) ? ERR_UNKNOWN : errs[random_below(4)];
        if (fault.op == 'c' && fault.err == ERR_DOWN)
            fault.err = ERR_UNKNOWN; /* db_commit never says "down" */
        fault.applied = fault.err == ERR_UNKNOWN && random_below(2);
        add_fault(fault);
    }
}

static void random_posts(void)
{
    static const char *const client_ids[] = {"", "", "", "a", "b", "c", "d", "e"};
    post_count = 0;
    for (unsigned i = 1 + random_below(12); i > 0; i--) {
        struct store_post *added = post(random_below(20) ? 1 + random_below(3) : 99,
                                        random_below(10) ? 8 + random_below(2) : 0, client_ids[random_below(8)]);
        if (!random_below(25))
            make_poison(added);
    }
}

/* Posts without a client_id cannot be put off: within a conversation they keep their order. */
static void check_order(void)
{
    uint64_t last[CONVERSATIONS] = {0};
    for (size_t i = 0; i < post_count; i++) {
        const struct message *message = &posts[i].message;
        if (posts[i].err || message->client_id.len)
            continue;
        assert_true(message->seq > last[message->conversation]);
        last[message->conversation] = message->seq;
    }
}

static void whatever_fails_each_is_told_the_truth(void **state)
{
    (void)state;
    static const int64_t patiences[] = {0, 60, PATIENCE_MS};
    unsigned outcomes[ERR_INTERNAL + 1] = {0};
    for (int run = 0; run < 4000; run++) {
        begin(NULL);
        struct tables earlier = committed;
        for (int batch = 0; batch < 5; batch++) { /* the later ones meet what the earlier ones left */
            uint64_t epoch = committed.epoch;
            bool lost = batch == 4 && store.last.anchor.seq;
            if (batch == 4)
                put_back(&earlier);
            random_faults();
            random_posts();
            trace_len = 0;
            enum err err = store_all(patiences[random_below(3)]);
            bool answered = true;
            for (size_t i = 0; i < post_count; i++) {
                outcomes[posts[i].err]++;
                answered &= posts[i].err != ERR_DOWN && posts[i].err != ERR_UNKNOWN;
            }
            assert_true(answered || err || lost);
            assert_true(!lost || !committed.row_count);
            assert_true(epoch == committed.epoch || lost);
            for (size_t i = 0; i < post_count; i++)
                assert_true(posts[i].err || posts[i].epoch == EPOCH);
            check_consistent();
            check_order();
        }
    }
    static const enum err all[] = {ERR_OK, ERR_NOT_FOUND, ERR_DOWN, ERR_UNKNOWN, ERR_INTERNAL};
    unsigned total = outcomes[ERR_DUPLICATE]; /* what was poisoned under the id of another */
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_true(outcomes[all[i]] > 100); /* or the test does not test what it says */
        total += outcomes[all[i]];
    }
    for (int err = 0; err <= ERR_INTERNAL; err++)
        total -= outcomes[err];
    assert_int_equal(total, 0); /* and nothing else was ever said */
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_was_carried_out_is_found_by_its_batch),
        TEST(one_that_was_lost_is_stored_again),
        TEST(anothers_row_under_its_number_is_not_taken_for_its_own),
        TEST(the_look_up_goes_on_until_the_database_answers),
        TEST(two_broken_commits_in_a_row),
        TEST(twins_put_off_are_answered_after_a_broken_commit),
        TEST(a_broken_commit_of_repeats_alone_is_no_matter),
        TEST(nothing_is_stored_through_another_connection),
        TEST(a_broken_commit_is_looked_up_and_the_connection_that_has_it_stays),
        TEST(one_that_is_not_found_is_not_stored_again),
        TEST(of_halves_none_is_stored_through_another_connection),
        TEST(it_stays_unknown_if_the_database_does_not_come_back),
        TEST(without_patience_it_is_looked_up_once),
        TEST(lost_and_late_is_stored_by_the_look_up),
        TEST(one_that_turns_up_after_the_look_is_not_stored_twice),
        TEST(sent_again_after_unknown_it_is_stored_once),
        TEST(each_post_says_in_which_epoch),
        TEST(one_that_was_found_stored_is_of_the_epoch_that_found_it),
        TEST(what_was_said_in_another_epoch_is_not_stored),
        TEST(nothing_is_stored_in_a_database_that_lost_what_was_stored),
        TEST(anothers_message_in_the_place_of_the_last_tells_it_too),
        TEST(a_new_connection_to_what_it_was_is_looked_at_once),
        TEST(of_an_epoch_that_another_began_it_need_not_be_asked),
        TEST(if_no_epoch_can_be_begun_nothing_is_stored),
        TEST(a_broken_commit_that_was_put_back_is_not_stored),
        TEST(whatever_fails_each_is_told_the_truth),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
