/* What a process knows of its Redis servers: which are up, when a lost one is tried again, which sentinel is asked first.
 * The clock stands still. */
#include "tests/unit/check.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/redis/redis_health.h"

#include <unistd.h>

static struct redis_servers known;
static struct redis_health health;
static int64_t now_ms;
static const struct endpoint one = {"10.0.0.1", 6379}, two = {"10.0.0.2", 6379};

static void go(int64_t ms)
{
    clock_freeze(now_ms += ms);
}

static int begin(void **state)
{
    (void)state;
    now_ms = 1000000;
    go(0);
    known = (struct redis_servers){.count = 2, .servers = {{.address = one}, {.address = two}}};
    redis_health_init(&health, &known);
    return 0;
}

/* Three sentinels that name two masters. */
static void watch(void)
{
    known = (struct redis_servers){.count = 2, .sentinel_count = 3, .sentinels = {{"s0", 1}, {"s1", 1}, {"s2", 1}}};
    strcpy(known.servers[0].master, "east");
    strcpy(known.servers[1].master, "west");
    redis_health_init(&health, &known);
}

static int end(void **state)
{
    (void)state;
    clock_freeze(-1);
    return 0;
}

static const char *state_text(void)
{
    static char text[300];
    struct buf out;
    buf_init(&out, sizeof text);
    redis_health_add(&health, &out);
    snprintf(text, sizeof text, "%.*s", (int)out.len, out.data);
    buf_fini(&out);
    return text;
}

/* The longest that the back-off of this length may last. */
static void wait_out(int64_t delay_ms)
{
    go(delay_ms);
    assert_true(redis_health_may_try(&health, 0));
}

static void one_that_nobody_has_met_may_be_tried_by_all(void **state)
{
    (void)state;
    for (int thread = 0; thread < 3; thread++)
        assert_true(redis_health_may_try(&health, 0));
    assert_false(redis_health_is_up(&health, 0));
    assert_true(redis_health_came_up(&health, 0, &one));
    assert_true(redis_health_is_up(&health, 0));
    for (int thread = 0; thread < 3; thread++)
        assert_true(redis_health_may_try(&health, 0));
}

static void each_server_is_up_or_down_by_itself(void **state)
{
    (void)state;
    assert_int_equal(redis_health_count_up(&health), 0);
    assert_true(redis_health_came_up(&health, 0, &one));
    assert_int_equal(metric_get(METRIC_REDIS_SERVERS_UP), 1);
    assert_int_equal(metric_get(METRIC_REDIS_UP), 0);
    assert_true(redis_health_came_up(&health, 1, &two));
    assert_true(redis_health_all_up(&health));
    assert_int_equal(metric_get(METRIC_REDIS_SERVERS_UP), 2);
    assert_int_equal(metric_get(METRIC_REDIS_UP), 1);
    assert_true(redis_health_lost(&health, 0, &one, "closed"));
    assert_true(redis_health_may_try(&health, 1));
    assert_false(redis_health_may_try(&health, 0));
    assert_string_equal(state_text(),
                        "[{\"at\":\"10.0.0.1:6379\",\"up\":false},{\"at\":\"10.0.0.2:6379\",\"up\":true}]");
    assert_int_equal(metric_get(METRIC_REDIS_SERVERS_UP), 1);
    assert_int_equal(metric_get(METRIC_REDIS_UP), 0);
}

static void a_lost_one_is_left_alone_and_then_one_caller_tries(void **state)
{
    (void)state;
    assert_true(redis_health_came_up(&health, 0, &one));
    assert_true(redis_health_lost(&health, 0, &one, "closed"));
    assert_false(redis_health_may_try(&health, 0));
    go(24); /* a back-off lasts for half of its length at least */
    assert_false(redis_health_may_try(&health, 0));
    go(26);
    assert_true(redis_health_may_try(&health, 0));
    for (int other = 0; other < 3; other++)
        assert_false(redis_health_may_try(&health, 0));
    assert_true(redis_health_came_up(&health, 0, &one));
    assert_true(redis_health_may_try(&health, 0));
}

static void back_offs_double_with_each_attempt_and_not_with_who_waits(void **state)
{
    (void)state;
    static const int64_t delays[] = {50, 100, 200, 400, 800, 1600, 2000, 2000};
    assert_false(redis_health_lost(&health, 0, &one, "refused"));
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        assert_int_equal(health.servers[0].backoff.delay_ms, delays[i]);
        for (int stale = 0; stale < 5; stale++) /* connections that were lost with the first */
            assert_false(redis_health_lost(&health, 0, &one, "closed"));
        go(delays[i] / 2 - 1);
        assert_false(redis_health_may_try(&health, 0));
        wait_out(delays[i] - delays[i] / 2 + 1);
        assert_int_equal(health.servers[0].backoff.delay_ms, delays[i]);
        assert_false(redis_health_lost(&health, 0, &one, "refused"));
    }
    wait_out(2000);
    assert_true(redis_health_came_up(&health, 0, &one));
    assert_true(redis_health_lost(&health, 0, &one, "closed"));
    assert_int_equal(health.servers[0].backoff.delay_ms, 50);
}

static void an_attempt_that_hangs_keeps_nobody_out_for_longer_than_its_back_off(void **state)
{
    (void)state;
    assert_false(redis_health_lost(&health, 0, &one, "refused"));
    for (int attempt = 0; attempt < 5; attempt++) { /* none of them says how it went */
        wait_out(50);
        assert_false(redis_health_may_try(&health, 0));
    }
    assert_true(redis_health_came_up(&health, 0, &one)); /* the first of them, at last */
    assert_false(redis_health_came_up(&health, 0, &one));
}

static void who_ends_its_connections_has_lost_nothing(void **state)
{
    (void)state;
    assert_true(redis_health_came_up(&health, 0, &one));
    redis_health_left(&health, 0);
    assert_false(redis_health_is_up(&health, 0));
    assert_int_equal(metric_get(METRIC_REDIS_SERVERS_UP), 0);
    assert_true(redis_health_may_try(&health, 0));
}

static void one_that_moves_is_counted_and_is_where_it_was_used_last(void **state)
{
    (void)state;
    int64_t moves = metric_get(METRIC_REDIS_MOVES);
    watch();
    assert_string_equal(redis_health_place(&health, 0)->host, "");
    assert_string_equal(state_text(), "[{\"at\":\"\",\"up\":false},{\"at\":\"\",\"up\":false}]");
    assert_true(redis_health_came_up(&health, 0, &one));
    assert_true(redis_health_lost(&health, 0, &one, "closed"));
    assert_string_equal(redis_health_place(&health, 0)->host, "10.0.0.1");
    assert_int_equal(metric_get(METRIC_REDIS_MOVES), moves);
    wait_out(50);
    assert_true(redis_health_came_up(&health, 0, &two));
    assert_int_equal(metric_get(METRIC_REDIS_MOVES), moves + 1);
    assert_false(redis_health_came_up(&health, 0, &one)); /* another connection found that it has moved while up */
    assert_int_equal(metric_get(METRIC_REDIS_MOVES), moves + 2);
    assert_string_equal(redis_health_place(&health, 0)->host, "10.0.0.1");
    assert_string_equal(redis_health_place(&health, 1)->host, "");
}

/* The sentinels in the order in which one search asks them; the `knew`th of them (-1: none) knows. */
static const char *ask(size_t server, int knew)
{
    static char order[32];
    const struct endpoint *sentinel;
    struct redis_search search = redis_health_search(&health, server);
    order[0] = '\0';
    for (; (sentinel = redis_search_sentinel(&search, &known)); redis_search_next(&search)) {
        strcat(order, sentinel->host);
        if (!knew--) {
            redis_health_found(&health, server, &search);
            break;
        }
    }
    return order;
}

static void each_sentinel_is_asked_once_beginning_with_the_one_that_knew(void **state)
{
    (void)state;
    watch();
    assert_string_equal(ask(0, -1), "s0s1s2");
    assert_string_equal(ask(0, 1), "s0s1");
    assert_string_equal(ask(0, -1), "s1s2s0");
    assert_string_equal(ask(1, 0), "s0"); /* each server for itself */
    assert_string_equal(ask(0, 0), "s1");
}

static void after_a_loss_another_sentinel_is_asked_first(void **state)
{
    (void)state;
    watch();
    assert_string_equal(ask(0, 2), "s0s1s2");
    assert_true(redis_health_came_up(&health, 0, &one));
    assert_true(redis_health_lost(&health, 0, &one, "silent"));
    assert_false(redis_health_lost(&health, 0, &one, "silent"));
    assert_string_equal(ask(0, -1), "s0s1s2");
    wait_out(50);
    assert_false(redis_health_lost(&health, 0, NULL, "sentinels"));
    assert_string_equal(ask(0, -1), "s1s2s0");
}

static void without_sentinels_there_is_none_to_ask(void **state)
{
    (void)state;
    assert_string_equal(ask(0, 0), "");
}

/* ---- what is logged ---- */

static char log_path[] = "/tmp/chaguan-health-XXXXXX";

static void each_change_is_logged_once(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "event=redis.down at=east why=\"sentinels\"",
        "event=redis.up at=10.0.0.1:6379 moved=0",
        "event=redis.down at=10.0.0.1:6379 why=\"closed\"",
        "event=redis.up at=10.0.0.2:6379 moved=1",
    };
    char line[400];
    close(mkstemp(log_path));
    log_close();
    assert_int_equal(log_open("test", log_path, LOG_INFO), 0);
    watch();
    for (int attempt = 0; attempt < 3; attempt++) {
        assert_false(redis_health_lost(&health, 0, NULL, "sentinels"));
        wait_out(2000);
    }
    for (int command = 0; command < 3; command++)
        (void)redis_health_came_up(&health, 0, &one);
    for (int connection = 0; connection < 3; connection++)
        (void)redis_health_lost(&health, 0, &one, "closed");
    wait_out(2000);
    (void)redis_health_came_up(&health, 0, &two);
    log_close();
    FILE *log = fopen(log_path, "r");
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!fgets(line, sizeof line, log) || !strstr(line, wanted[i]))
            fail_msg("%s instead of %s", line, wanted[i]);
    assert_null(fgets(line, sizeof line, log));
    fclose(log);
    unlink(log_path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_nobody_has_met_may_be_tried_by_all),
        TEST(each_server_is_up_or_down_by_itself),
        TEST(a_lost_one_is_left_alone_and_then_one_caller_tries),
        TEST(back_offs_double_with_each_attempt_and_not_with_who_waits),
        TEST(an_attempt_that_hangs_keeps_nobody_out_for_longer_than_its_back_off),
        TEST(who_ends_its_connections_has_lost_nothing),
        TEST(one_that_moves_is_counted_and_is_where_it_was_used_last),
        TEST(each_sentinel_is_asked_once_beginning_with_the_one_that_knew),
        TEST(after_a_loss_another_sentinel_is_asked_first),
        TEST(without_sentinels_there_is_none_to_ask),
        TEST(each_change_is_logged_once),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
