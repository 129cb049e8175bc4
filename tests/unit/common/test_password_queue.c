/* Who waits for whom when many passwords are to be hashed. The hashing itself is replaced by a note of who was served,
 * made one at a time when the test says, so that nothing here depends on time. */
#include "tests/unit/check.h"

#include <sodium.h>

static int note_hash(char *out, const char *password, unsigned long long len, unsigned long long ops, size_t memory);
static int note_check(const char *hash, const char *password, unsigned long long len);
#define crypto_pwhash_str        note_hash
#define crypto_pwhash_str_verify note_check
#include "common/password.c"

enum { WAITING = 6, MOST = 64 };

/* ---- one piece of work at a time ---- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int allowed, begun; /* pieces of work that may be done, and that were begun */
    char order[MOST + 1];
    bool open; /* all may be done */
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Its password's first letter tells whose it is. */
static int note(const char *password)
{
    pthread_mutex_lock(&gate.lock);
    assert_true(gate.begun < MOST);
    gate.order[gate.begun++] = *password;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open && gate.begun > gate.allowed)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    return 0;
}

static int note_hash(char *out, const char *password, unsigned long long len, unsigned long long ops, size_t memory)
{
    (void)len, (void)ops, (void)memory;
    strcpy(out, "hash");
    return note(password);
}

static int note_check(const char *hash, const char *password, unsigned long long len)
{
    (void)hash, (void)len;
    return note(password);
}

static void open_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

/* ---- callers ---- */

static struct caller {
    pthread_t thread;
    uint64_t payer;
    char whose;
    bool sets;
    enum err err;
} callers[MOST];
static size_t caller_count;

static void *call(void *arg)
{
    struct caller *caller = arg;
    char hash[PASSWORD_HASH_MAX] = "", password[] = "_ password";
    *password = caller->whose;
    caller->err = caller->sets ? password_hash(caller->payer, str_of(password), hash)
                               : password_check(caller->payer, str_of(password), hash);
    return NULL;
}

/* Those that were queued or turned away: two figures of one moment. */
static int64_t dealt_with(void)
{
    pthread_mutex_lock(&pool.lock);
    int64_t count = metric_get(METRIC_PASSWORDS_WAITING) + metric_get(METRIC_PASSWORDS_REFUSED);
    pthread_mutex_unlock(&pool.lock);
    return count;
}

/* One more asks, and has been worked on, queued or turned away when this returns. */
static void ask_for(uint64_t payer, char whose, bool sets)
{
    int64_t before = dealt_with();
    pthread_mutex_lock(&gate.lock);
    int begun = gate.begun;
    pthread_mutex_unlock(&gate.lock);
    struct caller *caller = &callers[caller_count++];
    *caller = (struct caller){.payer = payer, .whose = whose, .sets = sets};
    assert_int_equal(pthread_create(&caller->thread, NULL, call, caller), 0);
    pthread_mutex_lock(&gate.lock);
    while (!begun && !gate.begun) /* the first one is taken at once, and holds the thread */
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    while (begun && dealt_with() == before)
        sched_yield();
}

static size_t refused(char whose)
{
    size_t count = 0;
    for (size_t i = 0; i < caller_count; i++)
        count += callers[i].whose == whose && callers[i].err == ERR_BUSY;
    return count;
}

static void finish_all(void)
{
    open_gate();
    for (size_t i = 0; i < caller_count; i++)
        pthread_join(callers[i].thread, NULL);
    assert_int_equal(metric_get(METRIC_PASSWORDS_WAITING), 0);
}

static int begin(void **state)
{
    (void)state;
    gate.allowed = gate.begun = 0;
    gate.open = false;
    memset(gate.order, 0, sizeof gate.order);
    memset(pool.accounts, 0, sizeof pool.accounts);
    pool.now = 0;
    caller_count = 0;
    assert_int_equal(password_start(1, WAITING), 0);
    pool.seed = 1; /* no two of the test's addresses share an account */
    return 0;
}

static int end(void **state)
{
    (void)state;
    password_stop();
    return 0;
}

/* ---- the tests ---- */

static void one_address_waits_behind_itself(void **state)
{
    (void)state;
    for (int i = 0; i < 1 + WAITING + 3; i++)
        ask_for(66, 'x', true);
    ask_for(10, 'a', false);
    ask_for(11, 'b', false);
    ask_for(12, 'c', false);
    finish_all();
    assert_string_equal(gate.order, "xabcxxx"); /* what was being worked on, then everybody else */
    assert_int_equal(refused('x'), 3 + 3);      /* what was too much, and one for each that came */
    assert_int_equal(refused('a') + refused('b') + refused('c'), 0);
}

static void setting_a_password_costs_as_much_as_four_logins(void **state)
{
    (void)state;
    ask_for(1, '-', true);
    ask_for(20, 'S', true);
    ask_for(20, 'S', true);
    ask_for(30, 'l', false);
    ask_for(30, 'l', false);
    ask_for(30, 'l', false);
    ask_for(30, 'l', false);
    finish_all();
    assert_string_equal(gate.order, "-SllllS");
}

/* Many people may share an address: who makes names there does not keep them from logging in. */
static void logins_do_not_wait_behind_names_that_are_made(void **state)
{
    (void)state;
    for (int i = 0; i < 1 + WAITING; i++)
        ask_for(66, 'x', true);
    ask_for(66, 'a', false);
    finish_all();
    assert_string_equal(gate.order, "xaxxxxx");
    assert_int_equal(refused('a'), 0);
}

static void a_crowd_is_told_to_come_again(void **state)
{
    (void)state;
    int64_t before = metric_get(METRIC_PASSWORDS_REFUSED);
    for (uint64_t i = 0; i < 1 + WAITING + 5; i++)
        ask_for(100 + i, 'c', true);
    finish_all();
    assert_int_equal(gate.begun, 1 + WAITING);
    assert_int_equal(refused('c'), 5);
    assert_int_equal(metric_get(METRIC_PASSWORDS_REFUSED) - before, 5);
}

/* What was turned away was not paid for: it is not punished later. */
static void who_was_turned_away_is_next_when_there_is_room(void **state)
{
    (void)state;
    for (int i = 0; i < 1 + WAITING + 20; i++)
        ask_for(66, 'x', true);
    finish_all();
    assert_int_equal(refused('x'), 20);
    uint64_t account = pool.accounts[account_of(66, WORK_HASH)];
    assert_int_equal(account, (1 + WAITING) * prices[WORK_HASH]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(one_address_waits_behind_itself),
        TEST(setting_a_password_costs_as_much_as_four_logins),
        TEST(logins_do_not_wait_behind_names_that_are_made),
        TEST(a_crowd_is_told_to_come_again),
        TEST(who_was_turned_away_is_next_when_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
