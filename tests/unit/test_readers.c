/* Jobs of one kind that wait at the same moment are worked on together, those of others by themselves, and each comes
 * back to the loop as ever. */
#include "check.h"

#include "common/metrics.h"
#include "relay/readers.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static struct {
    pthread_mutex_t lock;
    bool held;    /* whoever works waits */
    size_t busy;  /* readers at work */
    size_t trips; /* questions that were asked */
    size_t most;  /* jobs in one of them */
    enum err err;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uv_loop_t loop;
static struct offload offload;
static struct settings settings;
static struct readers *readers;
static char order[400]; /* names of jobs, as they came back */
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

void store_refresh(struct store *store)
{
    (void)store;
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
    while (fake.held) {
        pthread_mutex_unlock(&fake.lock);
        pause_ms(1);
        pthread_mutex_lock(&fake.lock);
    }
    enum err err = fake.err;
    fake.busy--;
    pthread_mutex_unlock(&fake.lock);
    return err;
}

struct named {
    struct job job;
    char name;
};

static void alone(struct job *job, struct store *store)
{
    (void)store;
    job->err = ask(1);
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
    assert_int_equal(job->err, fake.err);
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
        readers_add(readers, &named(*names)->job);
    readers_flush(readers);
}

static void await(size_t count)
{
    for (int turn = 0; came < count && turn < 5000; turn++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        pause_ms(1);
    }
    assert_int_equal(came, count);
}

/* The only reader is at work on this job. */
static void occupy(void)
{
    hold(true);
    add("x");
    while (!get(&fake.busy))
        pause_ms(1);
}

static int begin(void **state)
{
    (void)state;
    fake.held = false;
    fake.trips = fake.most = came = 0;
    fake.err = ERR_OK;
    memset(order, 0, sizeof order);
    settings = (struct settings){.readers = 1, .reader_queue = 1000};
    uv_loop_init(&loop);
    offload_init(&offload, &loop);
    readers = readers_new(&settings, &offload);
    return 0;
}

static int end(void **state)
{
    (void)state;
    hold(false);
    readers_stop(readers);
    offload_drain(&offload);
    readers_free(readers);
    offload_fini(&offload);
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
    int64_t jobs = metric_get(METRIC_READER_JOBS), turns = metric_get(METRIC_READER_TURNS);
    occupy();
    add("AB");
    add("CD");
    hold(false);
    await(5);
    assert_int_equal(fake.trips, 2);
    assert_int_equal(metric_get(METRIC_READER_JOBS) - jobs, 5);
    assert_int_equal(metric_get(METRIC_READER_TURNS) - turns, 2);
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
    for (int i = 0; i < READERS_TOGETHER; i++)
        add("AB");
    add("C");
    hold(false);
    await(2 + 2 * READERS_TOGETHER);
    assert_int_equal(fake.trips, 4);
    assert_int_equal(fake.most, READERS_TOGETHER);
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
    settings.reader_queue = 3;
    add("AB");
    struct named *third = named('C'), *fourth = named('D');
    assert_int_equal(readers_try(readers, &third->job), ERR_OK);
    assert_int_equal(readers_try(readers, &fourth->job), ERR_BUSY);
    free(fourth);
    assert_int_equal(metric_get(METRIC_READER_QUEUED), 3);
    hold(false);
    await(4);
    assert_int_equal(metric_get(METRIC_READER_QUEUED), 0);
}

static void what_decides_who_may_be_here_goes_before_all_that_waits(void **state)
{
    (void)state;
    struct named *one = named('1'), *two = named('2');
    occupy();
    add("AyB");
    one->job.work_all = two->job.work_all = NULL;
    one->job.work = two->job.work = alone;
    readers_add_first(readers, &one->job);
    readers_add_first(readers, &two->job);
    readers_flush(readers);
    hold(false);
    await(6);
    assert_string_equal(order, "x21ABy");
    struct named *last = named('3');
    last->job.work_all = NULL;
    last->job.work = alone;
    readers_add_first(readers, &last->job);
    readers_flush(readers);
    await(7);
    add("C");
    await(8);
    assert_string_equal(order, "x21ABy3C");
}

static void what_waits_at_the_end_is_worked_on(void **state)
{
    (void)state;
    occupy();
    add("ABy1");
    hold(false);
    readers_stop(readers);
    offload_drain(&offload);
    assert_string_equal(order, "xABy1");
    fake.err = ERR_DOWN;
    add("Z");
    offload_drain(&offload);
    assert_string_equal(order, "xABy1Z");
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
