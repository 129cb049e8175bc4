/* Threads that enter chatrooms at once: they go in groups, each gets its own answer, and one whom the database refuses
 * for good harms no other. */
#include "tests/unit/check.h"

#include "common/metrics.h"
#include "rest/services/join_batch.h"
#include "rest/services/redis_client.h"

#include <pthread.h>
#include <time.h>

enum { THREADS = STORE_JOIN_MAX + 20 };

static struct {
    pthread_mutex_t lock;
    size_t groups, largest, admitted;
    const char *poison; /* this room is refused for good */
    bool held;          /* the next group waits */
    enum err err;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool get_held(void)
{
    pthread_mutex_lock(&fake.lock);
    bool held = fake.held;
    pthread_mutex_unlock(&fake.lock);
    return held;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){0, ms * 1000000}, NULL);
}

enum err store_join(struct store *store, struct store_join *joins, size_t count, int64_t rooms_max)
{
    (void)store;
    assert_int_equal(rooms_max, 5);
    assert_true(count && count <= STORE_JOIN_MAX);
    while (get_held())
        pause_ms(1);
    pthread_mutex_lock(&fake.lock);
    fake.groups++;
    fake.largest = count > fake.largest ? count : fake.largest;
    enum err err = fake.err;
    pthread_mutex_unlock(&fake.lock);
    for (size_t i = 0; i < count; i++) {
        if (fake.poison && str_eq(joins[i].room, str_of(fake.poison)))
            err = ERR_INTERNAL;
        joins[i].err = str_eq(joins[i].nick, STR("banned")) ? ERR_DENIED : ERR_OK;
        snprintf(joins[i].room_id, ID_MAX, "id of %.*s", (int)joins[i].room.len, joins[i].room.ptr);
    }
    return err;
}

size_t redis_client_admit(struct redis_sync *redis, const struct redis_admission *admissions, size_t count)
{
    (void)redis;
    (void)admissions;
    fake.admitted += count;
    return count ? count - 1 : 0; /* one is always lost */
}

void begin_slow(const struct backends *unused)
{
    (void)unused;
}

static const struct settings settings = {.user_rooms_max = 5};
static const struct backends backends = {.settings = &settings};

struct guest {
    pthread_t thread;
    char room[16];
    const char *nick;
    enum err err;
    struct store_join join;
};

static void *enter(void *arg)
{
    struct guest *guest = arg;
    guest->join = (struct store_join){.room = str_of(guest->room), .nick = str_of(guest->nick)};
    guest->err = join_batch_go(&backends, &guest->join);
    return NULL;
}

static struct guest guests[THREADS];

/* All at once, with the first group held until the others wait. */
static void enter_all(void)
{
    fake.held = true;
    for (size_t i = 0; i < THREADS; i++) {
        snprintf(guests[i].room, sizeof guests[i].room, "room%zu", i);
        guests[i].nick = i % 10 ? "nick" : "banned";
        assert_int_equal(pthread_create(&guests[i].thread, NULL, enter, &guests[i]), 0);
    }
    pause_ms(200);
    pthread_mutex_lock(&fake.lock);
    fake.held = false;
    pthread_mutex_unlock(&fake.lock);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(guests[i].thread, NULL);
}

static int reset(void **state)
{
    (void)state;
    fake.groups = fake.largest = fake.admitted = 0;
    fake.poison = NULL;
    fake.err = ERR_OK;
    return 0;
}

static void those_who_come_at_once_go_in_groups(void **state)
{
    (void)state;
    int64_t entered = metric_get(METRIC_JOINS), skipped = metric_get(METRIC_PRESENCE_SKIPPED);
    enter_all();
    assert_true(fake.groups < THREADS / 2 && fake.largest > THREADS / 4); /* 3 and 64 where nothing else runs */
    for (size_t i = 0; i < THREADS; i++) {
        char id[ID_MAX];
        snprintf(id, sizeof id, "id of room%zu", i);
        assert_int_equal(guests[i].err, ERR_OK);
        assert_int_equal(guests[i].join.err, i % 10 ? ERR_OK : ERR_DENIED);
        assert_string_equal(guests[i].join.room_id, id);
    }
    assert_int_equal(fake.admitted, THREADS - (THREADS + 9) / 10); /* not the banned */
    assert_int_equal(metric_get(METRIC_JOINS) - entered, THREADS);
    assert_true(metric_get(METRIC_PRESENCE_SKIPPED) - skipped <= (int64_t)fake.groups);
}

static void a_group_fails_as_one(void **state)
{
    (void)state;
    fake.err = ERR_DOWN;
    enter_all();
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(guests[i].err, ERR_DOWN);
    assert_int_equal(fake.admitted, 0);
}

static void whom_the_database_refuses_harms_no_other(void **state)
{
    (void)state;
    fake.poison = "room40";
    enter_all();
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(guests[i].err, i == 40 ? ERR_INTERNAL : ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(those_who_come_at_once_go_in_groups, reset),
        cmocka_unit_test_setup(a_group_fails_as_one, reset),
        cmocka_unit_test_setup(whom_the_database_refuses_harms_no_other, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
