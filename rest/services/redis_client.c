#include "rest/services/redis_client.h"

#include "common/backoff.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/redis/presence_keys.h"
#include "common/redis/redis_reply.h"
#include "common/redis/redis_sync.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <pthread.h>

enum {
    ENTRIES_MAX = 64, /* relays looked at for one user: far more than one has tabs */
    FIRST = 0,        /* the server of what concerns no conversation */
};

/* A thread's connection to one of the servers. */
struct server {
    redisContext *redis; /* NULL: not connected */
    struct endpoint at;
};

struct redis_client {
    const struct settings *settings;
    struct redis_servers known;
    struct server servers[REDIS_SERVERS_MAX];
    char error[REDIS_WHY_MAX]; /* where, and why */
};

/* What the process knows of each server, for all of its threads. */
static struct {
    pthread_mutex_t lock;
    struct health {
        struct backoff backoff;
        bool known, up;
        struct endpoint at; /* where it was used last */
    } servers[REDIS_SERVERS_MAX];
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* While a server is down, one caller per back-off gets leave; the attempt is its own. */
static bool health_may_try(size_t server)
{
    struct backoff *backoff = &process.servers[server].backoff;
    pthread_mutex_lock(&process.lock);
    backoff->first_ms = 50;
    backoff->most_ms = 2000;
    bool down = backoff->delay_ms > 0, may = backoff_due(backoff);
    if (down && may)
        backoff_fail(backoff);
    pthread_mutex_unlock(&process.lock);
    return may;
}

/* Changes what is known; true if that is news. */
static bool health_change(struct health *health, const struct endpoint *at, bool up)
{
    bool changed = !health->known || health->up != up;
    bool moved = up && *health->at.host && !endpoint_same(&health->at, at);
    health->known = true;
    health->up = up;
    if (up)
        health->at = *at;
    if (up)
        backoff_reset(&health->backoff);
    else
        backoff_fail(&health->backoff);
    if (moved)
        metric_inc(METRIC_REDIS_MOVES);
    return changed || moved;
}

/* Where some thread has used it last, if any has. */
static void health_place(size_t server, struct endpoint *at)
{
    pthread_mutex_lock(&process.lock);
    if (*process.servers[server].at.host)
        *at = process.servers[server].at;
    pthread_mutex_unlock(&process.lock);
}

static void health_set(const struct redis_client *client, size_t server, bool up)
{
    char at[ENDPOINT_TEXT_MAX];
    size_t count = 0;
    pthread_mutex_lock(&process.lock);
    bool changed = health_change(&process.servers[server], &client->servers[server].at, up);
    for (size_t i = 0; i < client->known.count; i++)
        count += process.servers[i].up;
    metric_set(METRIC_REDIS_SERVERS_UP, (int64_t)count);
    metric_set(METRIC_REDIS_UP, count == client->known.count);
    pthread_mutex_unlock(&process.lock);
    endpoint_text(&client->servers[server].at, at);
    if (changed && up)
        log_info("redis.up", "at=%s", at);
    else if (changed)
        log_warn("redis.down", "msg=\"%s\"", client->error);
}

struct redis_client *redis_client_new(const struct settings *settings)
{
    char why[256];
    struct redis_client *client = mem_zalloc(sizeof *client);
    client->settings = settings;
    enum err err = redis_servers_read(settings, &client->known, why);
    CG_ASSERT(!err);
    return client;
}

static void disconnect(struct server *server)
{
    if (server->redis)
        redisFree(server->redis);
    server->redis = NULL;
}

void redis_client_free(struct redis_client *client)
{
    if (!client)
        return;
    for (size_t i = 0; i < client->known.count; i++)
        disconnect(&client->servers[i]);
    free(client);
}

const char *redis_client_error(const struct redis_client *client)
{
    return client->error;
}

/* The server cannot be used: the connection is given up. */
static enum err give_up(struct redis_client *client, size_t server)
{
    disconnect(&client->servers[server]);
    health_set(client, server, false);
    return ERR_DOWN;
}

static enum err fail(struct redis_client *client, size_t server, const char *why)
{
    char at[ENDPOINT_TEXT_MAX];
    endpoint_text(&client->servers[server].at, at);
    snprintf(client->error, sizeof client->error, "%s: %.100s", at, why);
    return give_up(client, server);
}

static const char *why_none(const redisContext *redis)
{
    bool late = redis->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
    return late ? "no answer within redis_timeout_ms" : redis->errstr;
}

/* An error reply (loading, no permission, read-only …) is as good as no Redis: a connection that is made anew
 * leads to whoever is master then. */
static enum err check(struct redis_client *client, size_t server, const redisReply *reply)
{
    if (!reply)
        return fail(client, server, why_none(client->servers[server].redis));
    if (reply->type == REDIS_REPLY_ERROR)
        return fail(client, server, reply->str);
    health_set(client, server, true);
    return ERR_OK;
}

/* The same for a reply that nobody else looks at; frees it. */
static enum err check_and_free(struct redis_client *client, size_t server, redisReply *reply)
{
    enum err err = check(client, server, reply);
    freeReplyObject(reply);
    return err;
}

/* The server's connection; NULL if it is down. That Redis has ended it since its last use, or said something that
 * nobody asked for, is found out before a command is sent, and no failure. */
static redisContext *need(struct redis_client *client, size_t index)
{
    struct server *server = &client->servers[index];
    if (!health_may_try(index))
        return NULL;
    if (server->redis && redis_reply_unasked(server->redis))
        disconnect(server);
    if (server->redis)
        return server->redis;
    health_place(index, &server->at);
    server->redis = redis_open(client->settings, &client->known, index, &server->at, client->error);
    if (server->redis)
        metric_inc(METRIC_REDIS_CONNECTS);
    else
        (void)!give_up(client, index);
    return server->redis;
}

static size_t server_of(const struct redis_client *client, uint64_t conversation)
{
    return redis_server_of(client->known.count, conversation);
}

enum err redis_client_ping(struct redis_client *client, size_t *up)
{
    *up = 0;
    for (size_t i = 0; i < client->known.count; i++) {
        char why[REDIS_WHY_MAX];
        redisContext *redis = need(client, i);
        if (!redis)
            continue;
        if (!redis_is_master(redis, why)) {
            (void)!fail(client, i, why);
            continue;
        }
        health_set(client, i, true);
        ++*up;
    }
    return *up == client->known.count ? ERR_OK : ERR_DOWN;
}

void redis_client_add_state(const struct redis_client *client, struct buf *out)
{
    json_add_array(out, NULL);
    pthread_mutex_lock(&process.lock);
    for (size_t i = 0; i < client->known.count; i++) {
        const struct redis_server *server = &client->known.servers[i];
        char at[ENDPOINT_TEXT_MAX];
        endpoint_text(*server->master ? &process.servers[i].at : &server->address, at);
        json_add_object(out, NULL);
        json_add_text(out, "at", at);
        json_add_bool(out, "up", process.servers[i].up);
        json_end_object(out);
    }
    pthread_mutex_unlock(&process.lock);
    json_end_array(out);
}

static redisReply *next_reply(redisContext *redis)
{
    void *reply = NULL;
    return redisGetReply(redis, &reply) == REDIS_OK ? reply : NULL;
}

static size_t admit_at(struct redis_client *client, size_t server, const struct redis_admission *admissions,
                       size_t count)
{
    redisContext *redis = NULL;
    size_t asked = 0;
    for (size_t i = 0; i < count; i++) {
        if (server_of(client, admissions[i].conversation) != server)
            continue;
        if (!asked && !(redis = need(client, server)))
            return 0;
        char key[PRESENCE_KEY_MAX];
        presence_admit_key(key, client->settings->redis_prefix, admissions[i].conversation, admissions[i].user);
        redisAppendCommand(redis, "SET %s 1 PX %lld", key, (long long)client->settings->admit_ms);
        asked++;
    }
    for (size_t i = 0; i < asked; i++)
        if (check_and_free(client, server, next_reply(redis)))
            return i;
    return asked;
}

size_t redis_client_admit(struct redis_client *client, const struct redis_admission *admissions, size_t count)
{
    size_t admitted = 0;
    for (size_t server = 0; server < client->known.count; server++)
        admitted += admit_at(client, server, admissions, count);
    return admitted;
}

static bool is_positive(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;
}

/* Whether any of the relays in `entries` holds a lease. */
static enum err any_lease(struct redis_client *client, size_t server, const redisReply *entries, bool *alive)
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
        presence_lease_key(key, client->settings->redis_prefix, (struct str){entry->str, (size_t)entry->len});
        args[count] = key;
        lengths[count++] = strlen(key);
    }
    if (count == 1)
        return ERR_OK;
    redisReply *reply = redisCommandArgv(client->servers[server].redis, count, args, lengths);
    *alive = is_positive(reply);
    return check_and_free(client, server, reply);
}

enum err redis_client_online(struct redis_client *client, uint64_t conversation, uint64_t user, bool *online)
{
    *online = false;
    size_t server = server_of(client, conversation);
    redisContext *redis = need(client, server);
    if (!redis)
        return ERR_DOWN;
    const char *prefix = client->settings->redis_prefix;
    char admit[PRESENCE_KEY_MAX], who[PRESENCE_KEY_MAX];
    presence_admit_key(admit, prefix, conversation, user);
    presence_who_key(who, prefix, conversation, user);
    redisAppendCommand(redis, "EXISTS %s", admit); /* both in one round trip */
    redisAppendCommand(redis, "SMEMBERS %s", who);
    redisReply *admitted = next_reply(redis), *entries = next_reply(redis);
    enum err err = check(client, server, admitted);
    if (!err)
        err = check(client, server, entries);
    if (!err)
        *online = is_positive(admitted);
    if (!err && !*online && entries->type == REDIS_REPLY_ARRAY)
        err = any_lease(client, server, entries, online);
    freeReplyObject(admitted);
    freeReplyObject(entries);
    return err;
}

/* Whole, so that no counter is ever left without its end. */
static const char count_script[] =
    "local n = redis.call('INCRBY', KEYS[1], ARGV[1])\n"
    "if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end\n"
    "return {n, redis.call('PTTL', KEYS[1])}";

enum err redis_client_count(struct redis_client *client, struct str name, int64_t by, int64_t life_ms, int64_t *value,
                            int64_t *left_ms)
{
    *value = *left_ms = 0;
    redisContext *redis = need(client, FIRST);
    if (!redis)
        return ERR_DOWN;
    redisReply *reply =
        redisCommand(redis, "EVAL %s 1 %s:count:%b %lld %lld", count_script, client->settings->redis_prefix, name.ptr,
                     name.len, (long long)by, (long long)life_ms);
    enum err err = check(client, FIRST, reply);
    if (!err && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
        *value = reply->element[0]->integer;
        *left_ms = reply->element[1]->integer;
    }
    freeReplyObject(reply);
    return err;
}

static void give_text(const redisReply *reply, size_t index, redis_client_text_fn *fn, void *arg)
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

enum err redis_client_eval(struct redis_client *client, const char *script, const struct str *args, size_t count,
                           redis_client_text_fn *fn, void *arg)
{
    enum { BEFORE = 4 };
    const char *texts[BEFORE + REDIS_CLIENT_ARGS] = {"EVAL", script, "0", client->settings->redis_prefix};
    size_t lengths[BEFORE + REDIS_CLIENT_ARGS];
    CG_ASSERT(count <= REDIS_CLIENT_ARGS);
    redisContext *redis = need(client, FIRST);
    if (!redis)
        return ERR_DOWN;
    for (size_t i = 0; i < BEFORE; i++)
        lengths[i] = strlen(texts[i]);
    for (size_t i = 0; i < count; i++) {
        texts[BEFORE + i] = args[i].ptr;
        lengths[BEFORE + i] = args[i].len;
    }
    redisReply *reply = redisCommandArgv(redis, (int)(BEFORE + count), texts, lengths);
    enum err err = check(client, FIRST, reply);
    if (!err && reply->type == REDIS_REPLY_ARRAY)
        for (size_t i = 0; i < reply->elements; i++)
            give_text(reply->element[i], i, fn, arg);
    else if (!err)
        give_text(reply, 0, fn, arg);
    freeReplyObject(reply);
    return err;
}

enum err redis_client_publish(struct redis_client *client, uint64_t conversation, struct str payload)
{
    size_t server = server_of(client, conversation);
    redisContext *redis = need(client, server);
    if (!redis)
        return ERR_DOWN;
    return check_and_free(client, server,
                          redisCommand(redis, "PUBLISH %s:room:%llu %b", client->settings->redis_prefix,
                                       (unsigned long long)conversation, payload.ptr, payload.len));
}
