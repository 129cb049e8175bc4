/* Jobs of one kind that wait at the same moment are worked on together, those of others by themselves, and each comes
 * back to the loop as ever. Whoever pays for many waits behind themselves. */
#include "tests/unit/check.h"

#include "common/metrics.h"
#include "relay/db/db_pool.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static struct {
    pthread_mutex_t lock;
    bool held;    /* whoever works waits, */
    size_t left;  /* … but for as many */
    size_t busy;  /* workers at work */
    size_t trips; /* questions that were asked */
    size_t most;  /* jobs in one of them */
    enum err err;
    uint64_t connection; /* of the only store */
    enum err pinned;     /* the answer to store_pin_now */
    int proofs;          /* that were asked for */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uv_loop_t loop;
static struct completion_queue completions;
static struct settings settings;
static struct db_pool *pool;
static char order[4000]; /* names of jobs, as they came back */
static size_t came;

struct store *store_new(const struct settings *unused)
{
    (void)unused;
    return NULL;
}

void store_free(struct store *store)
{
    (void)store;
}

void store_pin(struct store *store)
{
    (void)store;
}

enum err store_pin_now(struct store *store)
{
    (void)store;
    return fake.pinned;
}

void store_unpin(struct store *store)
{
    (void)store;
}

void store_refresh(struct store *store)
{
    (void)store;
}

uint64_t store_connection(const struct store *store)
{
    (void)store;
    return fake.connection;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){0, ms * 1000000}, NULL);
}

static size_t get(const size_t *number)
{
    pthread_mutex_lock(&fake.lock);
    size_t value = *number;
    pthread_mutex_unlock(&fake.lock);
    return value;
}

static void hold(bool held)
{
    pthread_mutex_lock(&fake.lock);
    fake.held = held;
    pthread_mutex_unlock(&fake.lock);
}

static enum err ask(size_t count)
{
    pthread_mutex_lock(&fake.lock);
    fake.trips++;
    fake.busy++;
    fake.most = count > fake.most ? count : fake.most;
    while (fake.held && !fake.left) {
        pthread_mutex_unlock(&fake.lock);
        pause_ms(1);
        pthread_mutex_lock(&fake.lock);
    }
    fake.left -= fake.left > 0;
    enum err err = fake.err;
    fake.busy--;
    pthread_mutex_unlock(&fake.lock);
    return err;
}

struct named {
    struct job job;
    char name;
    bool is_void; /* it ends without having been worked on */
    size_t bytes; /* of its answer */
};

static void alone(struct job *job, struct store *store)
{
    (void)store;
    job->err = ask(1);
    job->bytes = ((struct named *)job)->bytes;
}

static void together(struct job *const *jobs, size_t count, struct store *store)
{
    (void)store;
    enum err err = ask(count);
    for (size_t i = 0; i < count; i++)
        jobs[i]->err = err;
}

static void others_together(struct job *const *jobs, size_t count, struct store *store)
{
    together(jobs, count, store);
}

static void done(struct job *job)
{
    struct named *named = (struct named *)job;
    assert_int_equal(job->err, named->is_void ? ERR_DOWN : fake.err);
    assert_true(came < sizeof order - 1);
    order[came++] = named->name;
    free(named);
}

static struct named *named(char name)
{
    struct named *named = calloc(1, sizeof *named);
    assert_non_null(named);
    named->name = name;
    named->job.done = done;
    if (name >= 'A' && name <= 'Z')
        named->job.work_all = together;
    else if (name >= '0' && name <= '9')
        named->job.work_all = others_together;
    else
        named->job.work = alone;
    return named;
}

/* Small letters ask alone, capitals with capitals, digits with digits. */
static void add(const char *names)
{
    for (; *names; names++)
        db_pool_add(pool, &named(*names)->job);
    db_pool_flush(pool);
}

static void add_void(const char *names)
{
    for (; *names; names++) {
        struct named *job = named(*names);
        job->is_void = true;
        db_pool_add(pool, &job->job);
    }
    db_pool_flush(pool);
}

static void await(size_t count)
{
    for (int turn = 0; came < count && turn < 5000; turn++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        pause_ms(1);
    }
    assert_int_equal(came, count);
}

/* The only worker is at work on this job. */
static void occupy(void)
{
    hold(true);
    add("x");
    while (!get(&fake.busy))
        pause_ms(1);
}

static int begin_with(int64_t threads)
{
    fake.held = false;
    fake.left = 0;
    fake.trips = fake.most = came = 0;
    fake.connection = 0;
    fake.pinned = ERR_OK;
    fake.proofs = 0;
    fake.err = ERR_OK;
    memset(order, 0, sizeof order);
    settings = (struct settings){
        .db_pool_threads = threads, .db_pool_queue = 1000, .db_pool_queue_user = 1000, .db_pool_queue_address = 1000};
    uv_loop_init(&loop);
    completion_queue_init(&completions, &loop);
    pool = db_pool_new(&settings, &completions);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    return begin_with(1);
}

static int begin_two(void **state)
{
    (void)state;
    return begin_with(2);
}

static int end(void **state)
{
    (void)state;
    hold(false);
    db_pool_stop(pool);
    completion_queue_drain(&completions);
    db_pool_free(pool);
    completion_queue_fini(&completions);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

static void one_that_waits_alone_is_asked_at_once(void **state)
{
    (void)state;
    add("A");
    await(1);
    add("B");
    await(2);
    assert_int_equal(fake.trips, 2);
    assert_string_equal(order, "AB");
}

static void those_of_a_kind_are_asked_for_together(void **state)
{
    (void)state;
    int64_t jobs = metric_get(METRIC_DB_POOL_JOBS), turns = metric_get(METRIC_DB_POOL_BATCHES);
    occupy();
    add("AB");
    add("CD");
    hold(false);
    await(5);
    assert_int_equal(fake.trips, 2);
    assert_int_equal(metric_get(METRIC_DB_POOL_JOBS) - jobs, 5);
    assert_int_equal(metric_get(METRIC_DB_POOL_BATCHES) - turns, 2);
    assert_int_equal(fake.most, 4);
    assert_string_equal(order, "xABCD");
}

static void whoever_comes_joins_the_first_of_its_kind(void **state)
{
    (void)state;
    occupy();
    add("A1yB2zC");
    hold(false);
    await(8);
    assert_int_equal(fake.trips, 5); /* x, the capitals, the digits, y, z */
    assert_string_equal(order, "xABC12yz");
}

static void there_is_a_bound_to_how_many_go_together(void **state)
{
    (void)state;
    occupy();
    for (int i = 0; i < DB_POOL_TOGETHER; i++)
        add("AB");
    add("C");
    hold(false);
    await(2 + 2 * DB_POOL_TOGETHER);
    assert_int_equal(fake.trips, 4);
    assert_int_equal(fake.most, DB_POOL_TOGETHER);
}

static void a_failed_question_fails_all_of_them(void **state)
{
    (void)state;
    occupy();
    fake.err = ERR_DOWN;
    add("ABC");
    hold(false);
    await(4); /* `done` looks */
}

static void every_job_counts_for_the_bound(void **state)
{
    (void)state;
    occupy();
    settings.db_pool_queue = 3;
    add("AB");
    struct named *third = named('C'), *fourth = named('D');
    job_charge(&third->job, JOB_ASK, 1, 1);
    job_charge(&fourth->job, JOB_ASK, 2, 1);
    assert_int_equal(db_pool_try(pool, &third->job), ERR_OK);
    assert_int_equal(db_pool_try(pool, &fourth->job), ERR_BUSY);
    free(fourth);
    assert_int_equal(metric_get(METRIC_DB_POOL_QUEUED), 3);
    hold(false);
    await(4);
    assert_int_equal(metric_get(METRIC_DB_POOL_QUEUED), 0);
}

static void what_decides_who_may_be_here_goes_before_all_that_waits(void **state)
{
    (void)state;
    struct named *one = named('1'), *two = named('2');
    occupy();
    add("AyB");
    one->job.work_all = two->job.work_all = NULL;
    one->job.work = two->job.work = alone;
    db_pool_add_first(pool, &one->job);
    db_pool_add_first(pool, &two->job);
    db_pool_flush(pool);
    hold(false);
    await(6);
    assert_string_equal(order, "x12ABy");
    struct named *last = named('3');
    last->job.work_all = NULL;
    last->job.work = alone;
    db_pool_add_first(pool, &last->job);
    db_pool_flush(pool);
    await(7);
    add("C");
    await(8);
    assert_string_equal(order, "x12ABy3C");
}

static void what_waits_at_the_end_is_worked_on(void **state)
{
    (void)state;
    occupy();
    add("ABy1");
    hold(false);
    db_pool_stop(pool);
    completion_queue_drain(&completions);
    assert_string_equal(order, "xABy1");
    fake.err = ERR_DOWN;
    add("Z");
    completion_queue_drain(&completions);
    assert_string_equal(order, "xABy1Z");
}

/* ---- a new connection, a new epoch ---- */

static void ask_for_proof(void *arg)
{
    ++*(int *)arg;
}

static void add_proof(char name)
{
    struct named *proof = named(name);
    proof->job.work_all = NULL;
    proof->job.work = alone;
    db_pool_add_proof(pool, &proof->job);
    db_pool_flush(pool);
}

/* Until somebody asks for a proof. */
static void await_question(int count)
{
    for (int turn = 0; fake.proofs < count && turn < 5000; turn++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        pause_ms(1);
    }
    assert_int_equal(fake.proofs, count);
}

static void nothing_is_asked_through_a_new_connection_before_a_proof(void **state)
{
    (void)state;
    db_pool_set_prover(pool, ask_for_proof, &fake.proofs);
    fake.connection = 1;
    add("A");
    await_question(1);
    assert_int_equal(fake.trips, 0);
    add("yB"); /* nobody takes these now */
    add_proof('p');
    await(1);
    assert_string_equal(order, "p");
    assert_int_equal(fake.trips, 1);
    assert_int_equal(fake.proofs, 1);
    db_pool_proved(pool, 1);
    db_pool_flush(pool);
    await(4);
    assert_string_equal(order, "pyBA"); /* jobs may overtake each other */
    assert_int_equal(fake.proofs, 1);   /* it is known now */
}

static void a_proof_from_before_the_connection_says_nothing_of_it(void **state)
{
    (void)state;
    db_pool_set_prover(pool, ask_for_proof, &fake.proofs);
    fake.connection = 2;
    add("A");
    await_question(1);
    db_pool_proved(pool, 1);
    assert_int_equal(came, 0);
    assert_int_equal(fake.proofs, 2); /* so it is asked again */
    assert_int_equal(fake.trips, 0);
    db_pool_proved(pool, 2);
    db_pool_flush(pool);
    await(1);
    assert_string_equal(order, "A");
}

static void another_database_is_asked_nothing(void **state)
{
    (void)state;
    db_pool_set_prover(pool, ask_for_proof, &fake.proofs);
    fake.connection = 1;
    add_void("A");
    await_question(1);
    db_pool_refuted(pool);
    assert_string_equal(order, "A");
    add_void("B"); /* it may be the right one by now, or not */
    await_question(2);
    db_pool_refuted(pool);
    assert_string_equal(order, "AB");
    assert_int_equal(fake.trips, 0);
}

/* Numbers that were looked up in another epoch may be others' numbers in this one. */
static void what_was_asked_for_in_another_epoch_is_void(void **state)
{
    (void)state;
    db_pool_set_prover(pool, ask_for_proof, &fake.proofs);
    fake.connection = 1;
    db_pool_proved(pool, 1);
    occupy();
    add_void("AB1y");
    db_pool_begin_epoch(pool);
    add("C2z");
    hold(false);
    await(8);
    assert_int_equal(fake.trips, 4); /* x, C, 2, z */
    assert_int_equal(fake.most, 1);
    assert_string_equal(order, "xCAB21yz");
    assert_int_equal(fake.proofs, 0);
}

static void that_no_database_can_be_reached_is_told_at_once(void **state)
{
    (void)state;
    db_pool_set_prover(pool, ask_for_proof, &fake.proofs);
    fake.connection = 1;
    fake.pinned = ERR_DOWN;
    add_void("AB1y");
    await(4);
    assert_int_equal(fake.trips, 0);
    assert_int_equal(fake.proofs, 0);
}

static void what_was_never_proved_is_void_at_the_end(void **state)
{
    (void)state;
    db_pool_set_prover(pool, ask_for_proof, &fake.proofs);
    fake.connection = 1;
    add_void("A");
    await_question(1);
    add_void("By"); /* not even taken before the end */
    db_pool_stop(pool);
    completion_queue_drain(&completions);
    assert_int_equal(came, 3);
    assert_int_equal(fake.trips, 0);
}

/* ---- shares ---- */

/* `count` jobs of that name, for which `payer` pays `cost` each; how many of them were taken. */
static size_t ask_for(char name, size_t count, enum job_class class, uint64_t payer, size_t cost)
{
    size_t taken = 0;
    for (size_t i = 0; i < count; i++) {
        struct named *job = named(name);
        job_charge(&job->job, class, payer, cost);
        if (db_pool_try(pool, &job->job))
            free(job);
        else
            taken++;
    }
    db_pool_flush(pool);
    return taken;
}

/* How often the name is among the first `count` that came. */
static size_t among(char name, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count && i < came; i++)
        found += order[i] == name;
    return found;
}

static size_t index_of(char name)
{
    const char *at = strchr(order, name);
    assert_non_null(at);
    return (size_t)(at - order);
}

static void whoever_asks_for_much_waits_behind_themselves(void **state)
{
    (void)state;
    occupy();
    assert_int_equal(ask_for('a', 500, JOB_ASK, 1, 1), 500);
    assert_int_equal(ask_for('b', 20, JOB_ASK, 2, 1), 20);
    assert_int_equal(ask_for('c', 1, JOB_ASK, 3, 1), 1);
    hold(false);
    await(522);
    assert_in_range(index_of('c'), 1, 4);
    assert_in_range(among('b', 42), 19, 20); /* every other, for as long as it has some */
}

static void shares_are_shares_of_the_work(void **state)
{
    (void)state;
    occupy();
    ask_for('a', 100, JOB_ASK, 1, 10);
    ask_for('b', 100, JOB_ASK, 2, 2);
    ask_for('c', 100, JOB_ASK, 3, 5);
    hold(false);
    await(301);
    /* 17 rounds of 10: the three had as much of the workers each */
    size_t first = 2 * (10 + 50 + 20);
    assert_in_range(among('a', first), 19, 21);
    assert_in_range(among('b', first), 97, 100);
    assert_in_range(among('c', first), 39, 42);
}

/* One after the other, each when the last has come back: what they cost is remembered. */
static void nobody_is_forgiven_for_asking_one_at_a_time(void **state)
{
    (void)state;
    occupy();
    ask_for('a', 1, JOB_ASK, 1, 15);
    ask_for('b', 30, JOB_ASK, 2, 1);
    pthread_mutex_lock(&fake.lock);
    fake.left = 3; /* x, and two more */
    pthread_mutex_unlock(&fake.lock);
    await(3);
    assert_int_equal(among('a', 3), 1);
    ask_for('c', 1, JOB_ASK, 1, 1);
    hold(false);
    await(33);
    assert_in_range(index_of('c'), 14, 20);
}

static void each_payer_has_a_bound_and_all_together_one(void **state)
{
    (void)state;
    int64_t refused = metric_get(METRIC_DB_POOL_REFUSED);
    settings.db_pool_queue_user = 5;
    settings.db_pool_queue_address = 7;
    occupy();
    assert_int_equal(ask_for('a', 20, JOB_ASK, 1, 1), 5);
    assert_int_equal(ask_for('b', 20, JOB_ASK, 2, 1), 5);
    assert_int_equal(ask_for('C', 20, JOB_ARRIVAL, 1, 1), 7);
    assert_int_equal(metric_get(METRIC_DB_POOL_REFUSED) - refused, 43);
    hold(false);
    await(18);
}

/* However many take all they can, there is a place for one who comes. */
static void who_is_many_does_not_shut_others_out(void **state)
{
    (void)state;
    settings.db_pool_queue = 64;
    occupy();
    size_t before = 64;
    for (uint64_t payer = 1; payer <= 5; payer++) {
        size_t taken = ask_for('a', 100, JOB_ASK, payer, 1);
        assert_in_range(taken, 1, before / 2);
        before = taken + 1;
    }
    assert_int_equal(ask_for('b', 1, JOB_ASK, 100, 1), 1);
    assert_int_equal(ask_for('C', 1, JOB_ARRIVAL, 100, 1), 1);
    hold(false);
    await(came + metric_get(METRIC_DB_POOL_QUEUED) + 1);
}

static void who_comes_in_waits_for_nobody_who_asks(void **state)
{
    (void)state;
    occupy();
    for (uint64_t payer = 1; payer <= 60; payer++) {
        ask_for('u', 5, JOB_ASK, payer, 201); /* costly ones */
        ask_for('h', 5, JOB_ASK, payer, 5);
    }
    add("rr"); /* the relay's own */
    ask_for('A', 1, JOB_ARRIVAL, 1, 1);
    hold(false);
    await(604);
    assert_in_range(index_of('A'), 1, 4);
    assert_in_range(index_of('r'), 1, 4);
}

static void those_who_go_together_are_of_each_payer_in_turn(void **state)
{
    (void)state;
    occupy();
    ask_for('A', 200, JOB_ARRIVAL, 1, 1);
    ask_for('B', 1, JOB_ARRIVAL, 2, 1);
    ask_for('C', 3, JOB_ARRIVAL, 3, 1);
    hold(false);
    await(205);
    assert_int_equal(among('B', 1 + DB_POOL_TOGETHER), 1);
    assert_int_equal(among('C', 1 + DB_POOL_TOGETHER), 3);
    assert_int_equal(fake.most, DB_POOL_TOGETHER);
    assert_int_equal(fake.trips, 1 + 7); /* 204 by 32 */
}

static void together_they_cost_no_more_than_one_may(void **state)
{
    (void)state;
    occupy();
    for (uint64_t payer = 1; payer <= 10; payer++)
        ask_for('A', 1, JOB_ARRIVAL, payer, DB_POOL_TOGETHER_COST / 4);
    hold(false);
    await(11);
    assert_int_equal(fake.most, 4);
}

static void await_busy(size_t count)
{
    for (int turn = 0; get(&fake.busy) < count && turn < 5000; turn++)
        pause_ms(1);
    assert_int_equal(get(&fake.busy), count);
}

static void of_two_workers_one_stays_free_of_costly_questions(void **state)
{
    (void)state;
    hold(true);
    for (uint64_t payer = 1; payer <= 10; payer++)
        ask_for('u', 1, JOB_ASK, payer, DB_POOL_COSTLY);
    await_busy(1);
    pause_ms(20);
    assert_int_equal(get(&fake.busy), 1);
    ask_for('A', 1, JOB_ARRIVAL, 11, 1); /* … and is at work for whoever comes */
    await_busy(2);
    hold(false);
    await(11);
}

static void of_two_workers_one_stays_free_of_each_payer(void **state)
{
    (void)state;
    hold(true);
    ask_for('a', 10, JOB_ASK, 1, 1);
    await_busy(1);
    pause_ms(20);
    assert_int_equal(get(&fake.busy), 1);
    ask_for('b', 1, JOB_ASK, 2, 1);
    await_busy(2);
    hold(false);
    await(11);
}

/* The loop is behind: more is not made than it can soon send. */
static void answers_that_nobody_takes_are_not_added_to(void **state)
{
    (void)state;
    struct named *large[3];
    for (int i = 0; i < 3; i++) {
        large[i] = named('a');
        large[i]->bytes = 10 * 1024 * 1024;
        db_pool_add(pool, &large[i]->job);
    }
    db_pool_flush(pool);
    for (int turn = 0; metric_get(METRIC_DB_POOL_BUILT_BYTES) < 20 * 1024 * 1024 && turn < 5000; turn++)
        pause_ms(1);
    pause_ms(20);
    assert_int_equal(get(&fake.trips), 2);
    await(3);
    assert_int_equal(metric_get(METRIC_DB_POOL_BUILT_BYTES), 0);
}

/* Everybody who ever asked is not remembered. */
static void payers_are_forgotten(void **state)
{
    (void)state;
    struct mallinfo2 before = {0};
    for (uint64_t payer = 1; payer <= 20000; payer++) {
        if (payer == 2000)
            before = mallinfo2();
        ask_for('a', 1, JOB_ASK, payer, 1 + payer % 7);
        await(1);
        came = 0;
    }
    assert_true(mallinfo2().uordblks < before.uordblks + 64 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_waits_alone_is_asked_at_once, begin, end),
        cmocka_unit_test_setup_teardown(those_of_a_kind_are_asked_for_together, begin, end),
        cmocka_unit_test_setup_teardown(whoever_comes_joins_the_first_of_its_kind, begin, end),
        cmocka_unit_test_setup_teardown(there_is_a_bound_to_how_many_go_together, begin, end),
        cmocka_unit_test_setup_teardown(a_failed_question_fails_all_of_them, begin, end),
        cmocka_unit_test_setup_teardown(every_job_counts_for_the_bound, begin, end),
        cmocka_unit_test_setup_teardown(what_decides_who_may_be_here_goes_before_all_that_waits, begin, end),
        cmocka_unit_test_setup_teardown(what_waits_at_the_end_is_worked_on, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_asked_through_a_new_connection_before_a_proof, begin, end),
        cmocka_unit_test_setup_teardown(a_proof_from_before_the_connection_says_nothing_of_it, begin, end),
        cmocka_unit_test_setup_teardown(another_database_is_asked_nothing, begin, end),
        cmocka_unit_test_setup_teardown(what_was_asked_for_in_another_epoch_is_void, begin, end),
        cmocka_unit_test_setup_teardown(that_no_database_can_be_reached_is_told_at_once, begin, end),
        cmocka_unit_test_setup_teardown(what_was_never_proved_is_void_at_the_end, begin, end),
        cmocka_unit_test_setup_teardown(whoever_asks_for_much_waits_behind_themselves, begin, end),
        cmocka_unit_test_setup_teardown(shares_are_shares_of_the_work, begin, end),
        cmocka_unit_test_setup_teardown(nobody_is_forgiven_for_asking_one_at_a_time, begin, end),
        cmocka_unit_test_setup_teardown(each_payer_has_a_bound_and_all_together_one, begin, end),
        cmocka_unit_test_setup_teardown(who_is_many_does_not_shut_others_out, begin, end),
        cmocka_unit_test_setup_teardown(who_comes_in_waits_for_nobody_who_asks, begin, end),
        cmocka_unit_test_setup_teardown(those_who_go_together_are_of_each_payer_in_turn, begin, end),
        cmocka_unit_test_setup_teardown(together_they_cost_no_more_than_one_may, begin, end),
        cmocka_unit_test_setup_teardown(of_two_workers_one_stays_free_of_costly_questions, begin_two, end),
        cmocka_unit_test_setup_teardown(of_two_workers_one_stays_free_of_each_payer, begin_two, end),
        cmocka_unit_test_setup_teardown(answers_that_nobody_takes_are_not_added_to, begin, end),
        cmocka_unit_test_setup_teardown(payers_are_forgotten, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
