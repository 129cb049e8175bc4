/* A few threads lead at once, the others follow; nobody is left outside. */
#include "tests/unit/check.h"

#include "rest/http/gate.h"

#include <time.h>

enum { THREADS = 12, ROUNDS = 200 };

static struct gate gate;

static void pause_us(long us)
{
    nanosleep(&(struct timespec){0, us * 1000}, NULL);
}

static int reset(void **state)
{
    (void)state;
    gate_init(&gate);
    return 0;
}

static int end(void **state)
{
    (void)state;
    gate_fini(&gate);
    return 0;
}

static void a_leader_stays_until_it_leaves(void **state)
{
    (void)state;
    struct gate_pass pass = {.of = &gate};
    gate_leave(NULL);
    gate_leave(&pass);
    for (int i = 0; i < 3; i++) {
        gate_enter(&pass);
        gate_enter(&pass);
        assert_int_equal(gate.leaders, 1);
        gate_leave(&pass);
        gate_leave(&pass);
        assert_int_equal(gate.leaders, 0);
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
    struct gate_pass pass = {.of = &gate};
    for (int i = 0; i < ROUNDS; i++) {
        gate_enter(&pass);
        count(1);
        if (i % 8 == 0)
            pause_us(100);
        count(-1);
        gate_leave(&pass);
        if (i % 16 == 0)
            pause_us(200); /* what takes long is done outside */
    }
    return arg;
}

static void only_a_few_lead_and_everybody_does(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(held.rounds, THREADS * ROUNDS);
    assert_true(held.most <= GATE_LEADERS);
    assert_int_equal(gate.leaders + gate.followers, 0);
}

static void *enter_and_stay(void *arg)
{
    struct gate_pass pass = {.of = &gate};
    gate_enter(&pass);
    return arg;
}

/* Each of them leads or follows. */
static bool all_have_come(void)
{
    pthread_mutex_lock(&gate.lock);
    assert_true(gate.leaders <= GATE_LEADERS);
    bool all = gate.leaders == GATE_LEADERS && gate.followers == THREADS - GATE_LEADERS;
    pthread_mutex_unlock(&gate.lock);
    return all;
}

static void at_the_end_nobody_waits(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, enter_and_stay, NULL), 0);
    while (!all_have_come())
        pause_us(1000);
    gate_open(&gate);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(gate.leaders, THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_leader_stays_until_it_leaves, reset, end),
        cmocka_unit_test_setup_teardown(only_a_few_lead_and_everybody_does, reset, end),
        cmocka_unit_test_setup_teardown(at_the_end_nobody_waits, reset, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
