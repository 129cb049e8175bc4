/* What comes back to the loop, and in which order. */
#include "tests/unit/check.h"

#include "common/buf.h"
#include "relay/db/completion_queue.h"

#include <time.h>

struct result {
    struct completion completion;
    char name;
    bool is_slow;         /* its arrival takes longer than a turn */
    struct result *store; /* stored while it arrives */
};

static uv_loop_t loop;
static struct completion_queue queue;
static struct buf order;

static void on_arrived(struct completion *completion)
{
    struct result *result = (struct result *)completion;
    buf_add_char(&order, result->name);
    if (result->is_slow)
        nanosleep(&(struct timespec){.tv_nsec = (COMPLETION_TURN_MS + 2) * 1000000L}, NULL);
    if (result->store)
        completion_queue_add_stored(&queue, &result->store->completion);
}

#define RESULT(...) ((struct result){.completion.arrived = on_arrived, __VA_ARGS__})

static int begin(void **state)
{
    (void)state;
    buf_init(&order, 1000);
    uv_loop_init(&loop);
    completion_queue_init(&queue, &loop);
    return 0;
}

static int end(void **state)
{
    (void)state;
    completion_queue_fini(&queue);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    buf_fini(&order);
    return 0;
}

static void one_turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void await(size_t count)
{
    while (order.len < count)
        uv_run(&loop, UV_RUN_ONCE);
}

static void what_was_stored_comes_before_what_was_read(void **state)
{
    (void)state;
    struct result read = RESULT(.name = 'r'), stored = RESULT(.name = 's');
    completion_queue_add_read(&queue, &read.completion);
    completion_queue_add_stored(&queue, &stored.completion);
    await(2);
    assert_str(buf_str(&order), STR("sr"));
}

static void a_long_turn_ends_and_what_was_stored_meanwhile_is_next(void **state)
{
    (void)state;
    struct result stored = RESULT(.name = 's');
    struct result first = RESULT(.name = '1', .is_slow = true, .store = &stored), second = RESULT(.name = '2');
    struct completions reads = STAILQ_HEAD_INITIALIZER(reads);
    STAILQ_INSERT_TAIL(&reads, &first.completion, link);
    STAILQ_INSERT_TAIL(&reads, &second.completion, link);
    completion_queue_add_all_read(&queue, &reads);
    assert_true(STAILQ_EMPTY(&reads));
    await(1);
    assert_str(buf_str(&order), STR("1")); /* the rest is not of the same turn */
    await(3);
    assert_str(buf_str(&order), STR("1s2"));
}

/* However long each takes, no turn is without one. */
static void something_that_was_read_arrives_in_each_turn(void **state)
{
    (void)state;
    struct result more[3], reads[3];
    for (int i = 0; i < 3; i++) {
        more[i] = RESULT(.name = 's');
        reads[i] = RESULT(.name = (char)('1' + i), .is_slow = true, .store = &more[i]);
        completion_queue_add_read(&queue, &reads[i].completion);
    }
    await(6);
    assert_str(buf_str(&order), STR("1s2s3s"));
}

static void at_the_end_all_of_it_arrives(void **state)
{
    (void)state;
    struct result first = RESULT(.name = '1', .is_slow = true), second = RESULT(.name = '2'),
                  stored = RESULT(.name = 's');
    completion_queue_add_read(&queue, &first.completion);
    completion_queue_add_read(&queue, &second.completion);
    completion_queue_add_stored(&queue, &stored.completion);
    completion_queue_drain(&queue);
    assert_str(buf_str(&order), STR("s12"));
    one_turn(); /* the wake-up finds nothing */
    assert_str(buf_str(&order), STR("s12"));
}

/* ---- from other threads ---- */

enum { EACH = 2000 };

struct sender {
    uv_thread_t thread;
    bool stores;
    struct numbered {
        struct completion completion;
        int number, *last;
    } results[EACH];
    int last;
};

static int come;

static void on_numbered(struct completion *completion)
{
    struct numbered *result = (struct numbered *)completion;
    assert_int_equal(result->number, *result->last + 1);
    *result->last = result->number;
    come++;
}

static void send_all(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < EACH; i++) {
        sender->results[i] = (struct numbered){{.arrived = on_numbered}, i + 1, &sender->last};
        if (sender->stores)
            completion_queue_add_stored(&queue, &sender->results[i].completion);
        else
            completion_queue_add_read(&queue, &sender->results[i].completion);
    }
}

static void of_each_thread_everything_comes_once_and_in_its_order(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    struct sender *senders = calloc(THREADS, sizeof *senders);
    come = 0;
    for (int i = 0; i < THREADS; i++) {
        senders[i].stores = i % 2;
        uv_thread_create(&senders[i].thread, send_all, &senders[i]);
    }
    while (come < THREADS * EACH)
        uv_run(&loop, UV_RUN_ONCE);
    for (int i = 0; i < THREADS; i++) {
        uv_thread_join(&senders[i].thread);
        assert_int_equal(senders[i].last, EACH);
    }
    free(senders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(what_was_stored_comes_before_what_was_read),
        TEST(a_long_turn_ends_and_what_was_stored_meanwhile_is_next),
        TEST(something_that_was_read_arrives_in_each_turn),
        TEST(at_the_end_all_of_it_arrives),
        TEST(of_each_thread_everything_comes_once_and_in_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
