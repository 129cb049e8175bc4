#include "rest/services/limiter.h"

#include "common/clock.h"
#include "rest/services/redis_client.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>

/* ---- while Redis is down ---- */

/* Few slots, each for whatever falls into it: two that share one are counted together, which only errs on the
 * careful side, and nobody can make it grow. */
enum { SLOTS = 4096 };

static struct {
    pthread_mutex_t lock;
    uint64_t seed; /* so that nobody can choose who shares a slot */
    struct {
        int64_t value, end_ms;
    } slots[SLOTS];
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t slot_of(struct str key)
{
    uint64_t hash = str_hash(key, table.seed);
    return (hash ^ hash >> 29) % SLOTS;
}

static void count_here(struct str key, int64_t by, int64_t life_ms, int64_t *value, int64_t *left_ms)
{
    int64_t now = clock_mono_ms();
    pthread_mutex_lock(&table.lock);
    if (!table.seed)
        table.seed = id_random();
    size_t slot = slot_of(key);
    if (table.slots[slot].end_ms <= now) {
        table.slots[slot].value = 0;
        table.slots[slot].end_ms = now + life_ms;
    }
    *value = table.slots[slot].value += by;
    *left_ms = table.slots[slot].end_ms - now;
    pthread_mutex_unlock(&table.lock);
}

static void count_key(const struct backends *backends, struct str key, int64_t by, int64_t life_ms, int64_t *value,
                      int64_t *left_ms)
{
    if (redis_client_count(backends->redis, key, by, life_ms, value, left_ms))
        count_here(key, by, life_ms, value, left_ms);
}

static void count(struct limiter_attempt *attempt, size_t i, int64_t by, int64_t *value, int64_t *left_ms)
{
    struct str key = {attempt->keys[i].text, attempt->keys[i].len};
    count_key(attempt->backends, key, by, LIMITER_WINDOW_MS, value, left_ms);
}

/* ---- an attempt ---- */

static void name_key(struct limiter_attempt *attempt, enum store_realm realm, struct str name)
{
    char *text = attempt->keys[0].text;
    size_t len = (size_t)snprintf(text, LIMITER_KEY_MAX, "login:name:%d:", realm);
    size_t fits = name.len < LIMITER_KEY_MAX - len ? name.len : LIMITER_KEY_MAX - len;
    memcpy(text + len, name.ptr, fits);
    attempt->keys[0].len = len + fits;
}

/* `out` has LIMITER_KEY_MAX bytes. Returns the key's length. */
static size_t write_address_key(char *out, const char *what, struct str remote)
{
    char address[64];
    unsigned char bytes[16];
    snprintf(address, sizeof address, "%.*s", (int)(remote.len < 63 ? remote.len : 63), remote.len ? remote.ptr : "");
    if (inet_pton(AF_INET6, address, bytes) == 1) {
        memset(bytes + 8, 0, 8);
        inet_ntop(AF_INET6, bytes, address, sizeof address);
    }
    return (size_t)snprintf(out, LIMITER_KEY_MAX, "%s:address:%s", what, address);
}

static void address_key(struct limiter_attempt *attempt, struct str remote)
{
    attempt->keys[1].len = write_address_key(attempt->keys[1].text, "login", remote);
}

/* ---- daily limits ---- */

static enum err take(struct limiter_day *day, const struct backends *backends, int64_t most, int64_t *retry_after_s)
{
    int64_t value, left_ms;
    day->backends = backends;
    count_key(backends, (struct str){day->text, day->len}, 1, LIMITER_DAY_MS, &value, &left_ms);
    day->counted = true;
    if (value <= most)
        return ERR_OK;
    *retry_after_s = left_ms / 1000 + 1;
    limiter_day_forget(day);
    return ERR_BUSY;
}

enum err limiter_day_address(struct limiter_day *day, const struct backends *backends, const char *what,
                             struct str remote, int64_t most, int64_t *retry_after_s)
{
    day->len = write_address_key(day->text, what, remote);
    return take(day, backends, most, retry_after_s);
}

enum err limiter_day_user(struct limiter_day *day, const struct backends *backends, const char *what, uint64_t user,
                          int64_t most, int64_t *retry_after_s)
{
    day->len = (size_t)snprintf(day->text, sizeof day->text, "%s:user:%llu", what, (unsigned long long)user);
    return take(day, backends, most, retry_after_s);
}

void limiter_day_forget(struct limiter_day *day)
{
    int64_t value, left_ms;
    if (day->counted)
        count_key(day->backends, (struct str){day->text, day->len}, -1, LIMITER_DAY_MS, &value, &left_ms);
    day->counted = false;
}

/* ---- wrong passwords ---- */

enum err limiter_begin(struct limiter_attempt *attempt, const struct backends *backends, enum store_realm realm,
                       struct str name, struct str remote, int64_t *retry_after_s)
{
    int64_t most = backends->settings->login_attempts;
    attempt->backends = backends;
    name_key(attempt, realm, name);
    address_key(attempt, remote);
    attempt->keys[0].counted = attempt->keys[1].counted = false;
    for (size_t i = 0; i < 2; i++) {
        int64_t value, left_ms;
        count(attempt, i, 1, &value, &left_ms);
        attempt->keys[i].counted = true;
        if (value <= most)
            continue;
        *retry_after_s = left_ms / 1000 + 1;
        limiter_forget(attempt); /* what was not looked at does not count */
        return ERR_BUSY;
    }
    return ERR_OK;
}

void limiter_forget(struct limiter_attempt *attempt)
{
    for (size_t i = 0; i < 2; i++) {
        int64_t value, left_ms;
        if (attempt->keys[i].counted)
            count(attempt, i, -1, &value, &left_ms);
        attempt->keys[i].counted = false;
    }
}
