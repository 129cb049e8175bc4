#include "rest/presence.h"

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/presence_keys.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>

enum { ENTRIES_MAX = 64 }; /* relays looked at for one user: far more than one has tabs */

struct presence {
    const struct settings *settings;
    redisContext *redis; /* NULL: not connected */
    char error[384];     /* where, and why */
};

/* What the process knows of Redis, for all of its threads. */
static struct {
    pthread_mutex_t lock;
    struct backoff backoff;
    bool known, up;
} health = {.lock = PTHREAD_MUTEX_INITIALIZER, .backoff = {.first_ms = 50, .most_ms = 2000}};

/* While Redis is down, one caller per back-off gets leave; the attempt is its own. */
static bool health_may_try(void)
{
    pthread_mutex_lock(&health.lock);
    bool down = health.backoff.delay_ms > 0, may = backoff_due(&health.backoff);
    if (down && may)
        backoff_fail(&health.backoff);
    pthread_mutex_unlock(&health.lock);
    return may;
}

static void health_set(const struct presence *presence, bool up)
{
    pthread_mutex_lock(&health.lock);
    bool changed = !health.known || health.up != up;
    health.known = true;
    health.up = up;
    if (up)
        backoff_reset(&health.backoff);
    else
        backoff_fail(&health.backoff);
    pthread_mutex_unlock(&health.lock);
    metric_set(METRIC_REDIS_UP, up);
    if (changed && up)
        log_info("redis.up", "msg=\"connected\"");
    else if (changed)
        log_warn("redis.down", "msg=\"%s\"", presence->error);
}

struct presence *presence_new(const struct settings *settings)
{
    struct presence *presence = mem_zalloc(sizeof *presence);
    presence->settings = settings;
    return presence;
}

static void disconnect(struct presence *presence)
{
    if (presence->redis)
        redisFree(presence->redis);
    presence->redis = NULL;
}

void presence_free(struct presence *presence)
{
    if (!presence)
        return;
    disconnect(presence);
    free(presence);
}

const char *presence_error(const struct presence *presence)
{
    return presence->error;
}

/* Redis cannot be used: `why` is kept, the connection is given up. */
static enum err fail(struct presence *presence, const char *why)
{
    const struct settings *settings = presence->settings;
    if (*settings->redis_socket)
        snprintf(presence->error, sizeof presence->error, "%s: %s", settings->redis_socket, why);
    else
        snprintf(presence->error, sizeof presence->error, "%s:%lld: %s", settings->redis_host,
                 (long long)settings->redis_port, why);
    disconnect(presence);
    health_set(presence, false);
    return ERR_DOWN;
}

static const char *why_none(const redisContext *redis)
{
    bool late = redis->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
    return late ? "no answer within redis_timeout_ms" : redis->errstr;
}

/* An error reply (loading, no permission, read-only …) is as good as no Redis. */
static enum err check(struct presence *presence, const redisReply *reply)
{
    if (!reply)
        return fail(presence, why_none(presence->redis));
    if (reply->type == REDIS_REPLY_ERROR)
        return fail(presence, reply->str);
    health_set(presence, true);
    return ERR_OK;
}

/* The same for a reply that nobody else looks at; frees it. */
static enum err check_and_free(struct presence *presence, redisReply *reply)
{
    enum err err = check(presence, reply);
    freeReplyObject(reply);
    return err;
}

static enum err log_in(struct presence *presence)
{
    const char *password = presence->settings->redis_password;
    if (!*password)
        return ERR_OK;
    return check_and_free(presence, redisCommand(presence->redis, "AUTH %s", password));
}

static enum err open_connection(struct presence *presence)
{
    const struct settings *settings = presence->settings;
    int64_t ms = settings->redis_timeout_ms;
    struct timeval limit = {ms / 1000, (ms % 1000) * 1000};
    presence->redis =
        *settings->redis_socket
            ? redisConnectUnixWithTimeout(settings->redis_socket, limit)
            : redisConnectWithTimeout(settings->redis_host, (int)settings->redis_port, limit);
    CG_ASSERT(presence->redis);
    if (presence->redis->err || redisSetTimeout(presence->redis, limit) != REDIS_OK)
        return fail(presence, presence->redis->errstr);
    metric_inc(METRIC_REDIS_CONNECTS);
    return log_in(presence);
}

/* Redis ended the connection since its last use: found out before a command is sent, no failure. */
static bool was_closed(const redisContext *redis)
{
    struct pollfd fd = {.fd = redis->fd, .events = POLLRDHUP};
    return poll(&fd, 1, 0) > 0;
}

static enum err need(struct presence *presence)
{
    if (!health_may_try())
        return ERR_DOWN;
    if (presence->redis && was_closed(presence->redis))
        disconnect(presence);
    return presence->redis ? ERR_OK : open_connection(presence);
}

enum err presence_ping(struct presence *presence)
{
    enum err err = need(presence);
    return err ? err : check_and_free(presence, redisCommand(presence->redis, "PING"));
}

enum err presence_admit(struct presence *presence, uint64_t conversation, uint64_t user)
{
    enum err err = need(presence);
    if (err)
        return err;
    char key[PRESENCE_KEY_MAX];
    presence_admit_key(key, presence->settings->redis_prefix, conversation, user);
    return check_and_free(presence, redisCommand(presence->redis, "SET %s 1 PX %lld", key,
                                                 (long long)presence->settings->admit_ms));
}

static bool is_positive(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;
}

/* Whether any of the relays in `entries` holds a lease. */
static enum err any_lease(struct presence *presence, const redisReply *entries, bool *alive)
{
    static const char command[] = "EXISTS";
    char keys[ENTRIES_MAX][PRESENCE_KEY_MAX];
    const char *args[ENTRIES_MAX + 1] = {command};
    size_t lengths[ENTRIES_MAX + 1] = {sizeof command - 1};
    int count = 1;
    for (size_t i = 0; i < entries->elements && count <= ENTRIES_MAX; i++) {
        const redisReply *entry = entries->element[i];
        if (entry->type != REDIS_REPLY_STRING || (size_t)entry->len >= PRESENCE_ENTRY_MAX)
            continue;
        char *key = keys[count - 1];
        presence_lease_key(key, presence->settings->redis_prefix,
                           (struct str){entry->str, (size_t)entry->len});
        args[count] = key;
        lengths[count++] = strlen(key);
    }
    if (count == 1)
        return ERR_OK;
    redisReply *reply = redisCommandArgv(presence->redis, count, args, lengths);
    *alive = is_positive(reply);
    return check_and_free(presence, reply);
}

static redisReply *next_reply(struct presence *presence)
{
    void *reply = NULL;
    return redisGetReply(presence->redis, &reply) == REDIS_OK ? reply : NULL;
}

enum err presence_online(struct presence *presence, uint64_t conversation, uint64_t user,
                         bool *online)
{
    *online = false;
    enum err err = need(presence);
    if (err)
        return err;
    const char *prefix = presence->settings->redis_prefix;
    char admit[PRESENCE_KEY_MAX], who[PRESENCE_KEY_MAX];
    presence_admit_key(admit, prefix, conversation, user);
    presence_who_key(who, prefix, conversation, user);
    redisAppendCommand(presence->redis, "EXISTS %s", admit); /* both in one round trip */
    redisAppendCommand(presence->redis, "SMEMBERS %s", who);
    redisReply *admitted = next_reply(presence), *entries = next_reply(presence);
    err = check(presence, admitted);
    if (!err)
        err = check(presence, entries);
    if (!err)
        *online = is_positive(admitted);
    if (!err && !*online && entries->type == REDIS_REPLY_ARRAY)
        err = any_lease(presence, entries, online);
    freeReplyObject(admitted);
    freeReplyObject(entries);
    return err;
}

/* Whole, so that no counter is ever left without its end. */
static const char count_script[] =
    "local n = redis.call('INCRBY', KEYS[1], ARGV[1])\n"
    "if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end\n"
    "return {n, redis.call('PTTL', KEYS[1])}";

enum err presence_count(struct presence *presence, struct str name, int64_t by, int64_t life_ms,
                        int64_t *value, int64_t *left_ms)
{
    *value = *left_ms = 0;
    enum err err = need(presence);
    if (err)
        return err;
    redisReply *reply = redisCommand(presence->redis, "EVAL %s 1 %s:count:%b %lld %lld",
                                     count_script, presence->settings->redis_prefix, name.ptr,
                                     name.len, (long long)by, (long long)life_ms);
    err = check(presence, reply);
    if (!err && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        *value = reply->element[0]->integer;
        *left_ms = reply->element[1]->integer;
    }
    freeReplyObject(reply);
    return err;
}

static void give_text(const redisReply *reply, size_t index, presence_text_fn *fn, void *arg)
{
    char number[24];
    if (reply->type == REDIS_REPLY_INTEGER) {
        snprintf(number, sizeof number, "%lld", reply->integer);
        fn(arg, index, str_of(number));
    } else {
        bool is_text = reply->type == REDIS_REPLY_STRING;
        fn(arg, index, is_text ? (struct str){reply->str, (size_t)reply->len} : STR(""));
    }
}

enum err presence_eval(struct presence *presence, const char *script, const struct str *args,
                       size_t count, presence_text_fn *fn, void *arg)
{
    enum { BEFORE = 4 };
    const char *texts[BEFORE + PRESENCE_ARGS] = {"EVAL", script, "0", presence->settings->redis_prefix};
    size_t lengths[BEFORE + PRESENCE_ARGS];
    CG_ASSERT(count <= PRESENCE_ARGS);
    enum err err = need(presence);
    if (err)
        return err;
    for (size_t i = 0; i < BEFORE; i++)
        lengths[i] = strlen(texts[i]);
    for (size_t i = 0; i < count; i++) {
        texts[BEFORE + i] = args[i].ptr;
        lengths[BEFORE + i] = args[i].len;
    }
    redisReply *reply = redisCommandArgv(presence->redis, (int)(BEFORE + count), texts, lengths);
    err = check(presence, reply);
    if (!err && reply->type == REDIS_REPLY_ARRAY)
        for (size_t i = 0; i < reply->elements; i++)
            give_text(reply->element[i], i, fn, arg);
    else if (!err)
        give_text(reply, 0, fn, arg);
    freeReplyObject(reply);
    return err;
}

enum err presence_publish(struct presence *presence, uint64_t conversation, struct str payload)
{
    enum err err = need(presence);
    if (err)
        return err;
    return check_and_free(presence,
                          redisCommand(presence->redis, "PUBLISH %s:room:%llu %b",
                                       presence->settings->redis_prefix,
                                       (unsigned long long)conversation, payload.ptr, payload.len));
}
