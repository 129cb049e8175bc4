/* Whose turn is next at what only a few may do at once, and who is turned away when too many wait. */
#include "tests/unit/check.h"

#include "rest/services/turns.h"

#include <sched.h>

enum { MOST = 1, WAITING = 3, FOR_EVER_MS = 60000 };

static struct turns turns;

struct caller {
    pthread_t thread;
    struct turn turn;
    uint64_t payer;
    int place; /* in which it came to its turn; -1: turned away */
};

static int places;

static void *call(void *arg)
{
    struct caller *caller = arg;
    bool came = turns_begin(&turns, &caller->turn, caller->payer, MOST, WAITING, FOR_EVER_MS);
    caller->place = came ? __atomic_add_fetch(&places, 1, __ATOMIC_SEQ_CST) : -1;
    if (came)
        turns_end(&turns, &caller->turn);
    return NULL;
}

static size_t waiting(void)
{
    pthread_mutex_lock(&turns.lock);
    size_t count = turns.waiting_count;
    pthread_mutex_unlock(&turns.lock);
    return count;
}

static void begin(struct caller *caller, uint64_t payer)
{
    caller->payer = payer;
    assert_int_equal(pthread_create(&caller->thread, NULL, call, caller), 0);
}

static void begin_and_wait(struct caller *caller, uint64_t payer)
{
    size_t before = waiting();
    begin(caller, payer);
    while (waiting() == before)
        sched_yield();
}

static int reset(void **state)
{
    (void)state;
    turns = (struct turns)TURNS_INIT;
    places = 0;
    return 0;
}

static void the_next_is_of_whoever_has_least_under_way(void **state)
{
    (void)state;
    struct turn first;
    struct caller same, other;
    assert_true(turns_begin(&turns, &first, 1, MOST, WAITING, FOR_EVER_MS));
    begin_and_wait(&same, 1);
    begin_and_wait(&other, 2);
    struct turn more; /* two places now, one of them payer 1's: the other is payer 2's, although the last to come */
    pthread_mutex_lock(&turns.lock);
    assert_int_equal(turns.under_way_count, 1);
    pthread_mutex_unlock(&turns.lock);
    assert_false(turns_begin(&turns, &more, 3, 2, 1, FOR_EVER_MS));
    pthread_join(other.thread, NULL);
    assert_int_equal(other.place, 1);
    turns_end(&turns, &first);
    pthread_join(same.thread, NULL);
    assert_int_equal(same.place, 2);
}

static void the_latest_of_whoever_has_most_waiting_is_turned_away(void **state)
{
    (void)state;
    struct turn first;
    struct caller greedy[WAITING], newcomer, late;
    assert_true(turns_begin(&turns, &first, 9, MOST, WAITING, FOR_EVER_MS));
    for (size_t i = 0; i < WAITING; i++)
        begin_and_wait(&greedy[i], 1);
    begin(&newcomer, 2);
    pthread_join(greedy[WAITING - 1].thread, NULL); /* its latest */
    assert_int_equal(greedy[WAITING - 1].place, -1);
    begin(&late, 1); /* it has most, and is the latest */
    pthread_join(late.thread, NULL);
    assert_int_equal(late.place, -1);
    turns_end(&turns, &first);
    pthread_join(greedy[0].thread, NULL);
    pthread_join(greedy[1].thread, NULL);
    pthread_join(newcomer.thread, NULL);
    assert_true(greedy[0].place > 0 && greedy[1].place > 0 && newcomer.place > 0);
}

static void who_waits_too_long_goes_without(void **state)
{
    (void)state;
    struct turn first, second;
    assert_true(turns_begin(&turns, &first, 1, MOST, WAITING, FOR_EVER_MS));
    assert_false(turns_begin(&turns, &second, 2, MOST, WAITING, 1));
    assert_false(turns_begin(&turns, &second, 2, MOST, 0, FOR_EVER_MS)); /* nobody may wait */
    turns_end(&turns, &first);
    assert_true(turns_begin(&turns, &second, 2, MOST, 0, FOR_EVER_MS));
    turns_end(&turns, &second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_next_is_of_whoever_has_least_under_way, reset),
        cmocka_unit_test_setup(the_latest_of_whoever_has_most_waiting_is_turned_away, reset),
        cmocka_unit_test_setup(who_waits_too_long_goes_without, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
