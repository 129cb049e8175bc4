/* Whose request is worked on next: no address has all threads, and its excess waits behind itself. */
#include "tests/unit/check.h"

#include "common/metrics.h"
#include "rest/share.h"

#include <sched.h>
#include <stdlib.h>

enum { THREADS = 16, WAITING_MAX = 100 };

static struct shares shares;
static struct claim claims[WAITING_MAX + 1];
static uint64_t from[WAITING_MAX + 1]; /* whose each is */
static size_t put_count;
static struct claim *surplus;

static int begin(void **state)
{
    (void)state;
    memset(claims, 0, sizeof claims);
    put_count = 0;
    shares_init(&shares, THREADS, 50, WAITING_MAX);
    return 0;
}

static int end(void **state)
{
    (void)state;
    shares_fini(&shares);
    return 0;
}

static void put(uint64_t address, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        from[put_count] = address;
        surplus = shares_put(&shares, &claims[put_count++], address);
    }
}

/* Whose was taken, 0: nobody's. */
static uint64_t take(struct claim **taken)
{
    struct claim *claim = shares_take(&shares);
    if (taken)
        *taken = claim;
    return claim ? from[claim - claims] : 0;
}

static size_t take_all(uint64_t address)
{
    size_t count = 0;
    for (uint64_t whose; (whose = take(NULL)); count++)
        assert_int_equal(whose, address);
    return count;
}

/* Everything comes to its end, so that nothing may be left: returns how many. */
static size_t finish(struct sharer **working, size_t count)
{
    size_t done = 0;
    while (count) {
        shares_done(&shares, working[--count]);
        done++;
        for (struct claim *claim; (claim = shares_take(&shares));)
            working[count++] = claim->sharer;
    }
    return done;
}

static void an_address_has_half_of_what_others_leave(void **state)
{
    (void)state;
    static const size_t parts[] = {8, 4, 2, 1, 1};
    struct sharer *working[THREADS];
    size_t count = 0;
    for (uint64_t address = 1; address <= 5; address++) {
        put(address, 12);
        for (size_t i = 0; i < parts[address - 1]; i++) {
            struct claim *claim;
            assert_int_equal(take(&claim), address);
            working[count++] = claim->sharer;
        }
        assert_int_equal(take(NULL), 0);
    }
    assert_int_equal(count, THREADS);
    assert_int_equal(metric_get(METRIC_REQUESTS_WAITING), 60 - THREADS);
    assert_int_equal(finish(working, count), 60);
    assert_int_equal(metric_get(METRIC_REQUESTS_WAITING), 0);
}

static void a_newcomer_goes_before_the_excess_of_others(void **state)
{
    (void)state;
    struct sharer *working[THREADS];
    struct claim *claim;
    put(7, 50);
    for (size_t i = 0; i < THREADS / 2; i++) {
        assert_int_equal(take(&claim), 7);
        working[i] = claim->sharer;
    }
    assert_int_equal(take(NULL), 0);
    put(8, 1);
    assert_int_equal(take(&claim), 8);
    assert_true(shares_done(&shares, claim->sharer));
    assert_int_equal(finish(working, THREADS / 2), 50);
}

static void those_that_wait_come_by_turns(void **state)
{
    (void)state;
    struct sharer *working[THREADS];
    size_t count = 0, seen[4] = {0};
    struct claim *claim;
    for (uint64_t address = 1; address <= 3; address++)
        put(address, 20);
    while (take(&claim)) {
        working[count++] = claim->sharer;
        seen[from[claim - claims]]++;
    }
    for (size_t address = 1; address <= 3; address++)
        assert_in_range(seen[address], 3, 6);
    assert_int_equal(finish(working, count), 60);
}

static void one_that_is_not_known_has_a_share_too(void **state)
{
    (void)state;
    struct claim *claim;
    put(0, 1);
    claim = shares_take(&shares);
    assert_ptr_equal(claim, &claims[0]);
    assert_false(shares_done(&shares, claim->sharer));
}

static void past_the_bound_the_latest_of_who_has_most_is_turned_away(void **state)
{
    (void)state;
    struct sharer *working[THREADS];
    int64_t before = metric_get(METRIC_REQUESTS_CROWDED_OUT);
    put(1, WAITING_MAX - 10);
    put(2, 10);
    assert_null(surplus);
    put(3, 1);
    assert_ptr_equal(surplus, &claims[WAITING_MAX - 11]); /* the first one's latest */
    assert_int_equal(metric_get(METRIC_REQUESTS_CROWDED_OUT), before + 1);
    size_t count = 0;
    for (struct claim *claim; (claim = shares_take(&shares));)
        working[count++] = claim->sharer;
    assert_int_equal(finish(working, count), WAITING_MAX);
}

static void of_a_hundred_percent_one_may_have_all(void **state)
{
    (void)state;
    struct sharer *working[THREADS];
    struct claim *claim;
    shares_fini(&shares);
    shares_init(&shares, THREADS, 100, WAITING_MAX);
    put(1, THREADS + 1);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(take(&claim), 1);
        working[i] = claim->sharer;
    }
    assert_int_equal(take_all(1), 0);
    assert_int_equal(finish(working, THREADS), THREADS + 1);
}

static void a_single_thread_is_for_everybody(void **state)
{
    (void)state;
    struct claim *claim;
    shares_fini(&shares);
    shares_init(&shares, 1, 50, WAITING_MAX);
    put(1, 2);
    put(2, 1);
    assert_int_equal(take(&claim), 1);
    assert_int_equal(take(NULL), 0);
    assert_true(shares_done(&shares, claim->sharer));
    assert_int_equal(take(&claim), 2);
    assert_true(shares_done(&shares, claim->sharer));
    assert_int_equal(take(&claim), 1);
    assert_false(shares_done(&shares, claim->sharer));
}

/* As server.c uses it, by many threads: all is done, and nobody ever has more than half. */
static struct {
    pthread_mutex_t lock;
    size_t working, most, done;
} crowd = {.lock = PTHREAD_MUTEX_INITIALIZER};

enum { WORKERS = THREADS, ROUNDS = 500 };

static void count(int by)
{
    pthread_mutex_lock(&crowd.lock);
    crowd.working += (size_t)by;
    crowd.most = crowd.working > crowd.most ? crowd.working : crowd.most;
    crowd.done += by < 0;
    pthread_mutex_unlock(&crowd.lock);
}

static void *work(void *arg)
{
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        struct claim *claim = calloc(1, sizeof *claim), *turned_away = shares_put(&shares, claim, 7);
        pthread_mutex_lock(&crowd.lock);
        crowd.done += turned_away != NULL;
        pthread_mutex_unlock(&crowd.lock);
        free(turned_away);
        for (bool others = true; others && (claim = shares_take(&shares));) {
            struct sharer *sharer = claim->sharer;
            free(claim);
            count(1);
            sched_yield();
            count(-1);
            others = shares_done(&shares, sharer);
        }
    }
    return NULL;
}

static void many_threads_leave_nothing_undone(void **state)
{
    (void)state;
    pthread_t threads[WORKERS];
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (size_t i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.done, WORKERS * ROUNDS);
    assert_in_range(crowd.most, 1, THREADS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_address_has_half_of_what_others_leave, begin, end),
        cmocka_unit_test_setup_teardown(a_newcomer_goes_before_the_excess_of_others, begin, end),
        cmocka_unit_test_setup_teardown(those_that_wait_come_by_turns, begin, end),
        cmocka_unit_test_setup_teardown(one_that_is_not_known_has_a_share_too, begin, end),
        cmocka_unit_test_setup_teardown(past_the_bound_the_latest_of_who_has_most_is_turned_away, begin, end),
        cmocka_unit_test_setup_teardown(of_a_hundred_percent_one_may_have_all, begin, end),
        cmocka_unit_test_setup_teardown(a_single_thread_is_for_everybody, begin, end),
        cmocka_unit_test_setup_teardown(many_threads_leave_nothing_undone, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
