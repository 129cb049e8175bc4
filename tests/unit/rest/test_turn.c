/* A few threads wait for requests at once, the others for their turn; nobody is left without one. */
#include "tests/unit/check.h"

#include "rest/http/turn.h"

#include <time.h>

enum { THREADS = 12, ROUNDS = 200 };

static struct turns turns;

static void pause_us(long us)
{
    nanosleep(&(struct timespec){0, us * 1000}, NULL);
}

static int reset(void **state)
{
    (void)state;
    turns_init(&turns);
    return 0;
}

static int end(void **state)
{
    (void)state;
    turns_fini(&turns);
    return 0;
}

static void a_turn_is_kept_until_it_is_left(void **state)
{
    (void)state;
    struct turn turn = {.of = &turns};
    turn_leave(NULL);
    turn_leave(&turn);
    for (int i = 0; i < 3; i++) {
        turn_take(&turn);
        turn_take(&turn);
        assert_int_equal(turns.taken, 1);
        turn_leave(&turn);
        turn_leave(&turn);
        assert_int_equal(turns.taken, 0);
    }
}

static struct {
    pthread_mutex_t lock;
    int now, most, rounds;
} held = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void count(int change)
{
    pthread_mutex_lock(&held.lock);
    held.now += change;
    held.most = held.now > held.most ? held.now : held.most;
    held.rounds += change > 0;
    pthread_mutex_unlock(&held.lock);
}

static void *work(void *arg)
{
    struct turn turn = {.of = &turns};
    for (int i = 0; i < ROUNDS; i++) {
        turn_take(&turn);
        count(1);
        if (i % 8 == 0)
            pause_us(100);
        count(-1);
        turn_leave(&turn);
        if (i % 16 == 0)
            pause_us(200); /* what takes long is done without a turn */
    }
    return arg;
}

static void only_a_few_have_one_and_everybody_gets_one(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(held.rounds, THREADS * ROUNDS);
    assert_true(held.most <= TURNS);
    assert_int_equal(turns.taken + turns.wanted, 0);
}

static void *take_and_keep(void *arg)
{
    struct turn turn = {.of = &turns};
    turn_take(&turn);
    return arg;
}

/* Each of them has a turn or waits for one. */
static bool all_have_come(void)
{
    pthread_mutex_lock(&turns.lock);
    assert_true(turns.taken <= TURNS);
    bool all = turns.taken == TURNS && turns.wanted == THREADS - TURNS;
    pthread_mutex_unlock(&turns.lock);
    return all;
}

static void at_the_end_nobody_waits(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_keep, NULL), 0);
    while (!all_have_come())
        pause_us(1000);
    turns_end(&turns);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(turns.taken, THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_turn_is_kept_until_it_is_left, reset, end),
        cmocka_unit_test_setup_teardown(only_a_few_have_one_and_everybody_gets_one, reset, end),
        cmocka_unit_test_setup_teardown(at_the_end_nobody_waits, reset, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
