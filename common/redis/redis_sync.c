#include "common/redis/redis_sync.h"

#include "common/mem.h"
#include "common/metrics.h"
#include "common/redis/redis_health.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { REASON_MAX = 160, ERROR_MAX = ENDPOINT_TEXT_MAX + 2 + REASON_MAX };

struct redis_shared {
    const struct settings *settings;
    struct redis_servers known;
    pthread_mutex_t lock;
    struct redis_health health;
};

struct connection {
    redisContext *redis; /* NULL: none */
    struct endpoint at;
    size_t queued; /* commands without an answer */
    bool used;     /* something was answered: it is known to be of use */
};

struct redis_sync {
    struct redis_shared *shared;
    struct connection servers[REDIS_SERVERS_MAX];
    struct endpoint tried;   /* what failed last, */
    char reason[REASON_MAX]; /* and why */
    char error[ERROR_MAX];
};

/* ---- what the process knows ---- */

struct redis_shared *redis_shared_new(const struct settings *settings)
{
    char why[256];
    struct redis_shared *shared = mem_zalloc(sizeof *shared);
    shared->settings = settings;
    enum err err = redis_servers_read(settings, &shared->known, why);
    CG_ASSERT(!err);
    pthread_mutex_init(&shared->lock, NULL);
    redis_health_init(&shared->health, &shared->known);
    return shared;
}

void redis_shared_quiet(struct redis_shared *shared)
{
    shared->health.quiet = true;
}

void redis_shared_free(struct redis_shared *shared)
{
    if (!shared)
        return;
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

static struct redis_health *lock(const struct redis_sync *sync)
{
    pthread_mutex_lock(&sync->shared->lock);
    return &sync->shared->health;
}

static void unlock(const struct redis_sync *sync)
{
    pthread_mutex_unlock(&sync->shared->lock);
}

static struct endpoint place_of(const struct redis_sync *sync, size_t server)
{
    struct endpoint at = *redis_health_place(lock(sync), server);
    unlock(sync);
    return at;
}

void redis_sync_add_state(const struct redis_sync *sync, struct buf *out)
{
    redis_health_add(lock(sync), out);
    unlock(sync);
}

const struct settings *redis_sync_settings(const struct redis_sync *sync)
{
    return sync->shared->settings;
}

size_t redis_sync_servers(const struct redis_sync *sync)
{
    return sync->shared->known.count;
}

size_t redis_sync_server_of(const struct redis_sync *sync, uint64_t conversation)
{
    return redis_server_of(sync->shared->known.count, conversation);
}

/* ---- what failed ---- */

static void note(struct redis_sync *sync, const struct endpoint *tried, const char *reason)
{
    char at[ENDPOINT_TEXT_MAX];
    sync->tried = *tried;
    snprintf(sync->reason, sizeof sync->reason, "%s", reason);
    endpoint_text(tried, at);
    snprintf(sync->error, sizeof sync->error, "%s: %s", at, sync->reason);
}

static const char *reason_of(const redisContext *redis)
{
    bool late = redis->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
    return late ? "no answer in time" : redis->errstr;
}

const char *redis_sync_error(const struct redis_sync *sync)
{
    return sync->error;
}

bool redis_sync_was_refused(const struct redis_sync *sync)
{
    /* the last two are what a server without a password says to one, before and since version 6 */
    static const char *const refusals[] = {"WRONGPASS",
                                           "NOAUTH",
                                           "NOPERM",
                                           "ERR invalid password",
                                           "ERR Client sent AUTH",
                                           "ERR AUTH <password> called without any password"};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (!strncmp(sync->reason, refusals[i], strlen(refusals[i])))
            return true;
    return false;
}

/* ---- connecting ---- */

/* NULL, what failed is noted, and the connection is gone; or the answer, which may be an error. */
static redisReply *shake(struct redis_sync *sync, redisContext *redis, const struct endpoint *at, redisReply *reply)
{
    if (reply)
        return reply;
    note(sync, at, reason_of(redis));
    redisFree(redis);
    return NULL;
}

static redisContext *refuse(struct redis_sync *sync, redisContext *redis, const struct endpoint *at, redisReply *reply,
                            const char *reason)
{
    note(sync, at, reason);
    freeReplyObject(reply);
    redisFree(redis);
    return NULL;
}

/* Connects and logs in. */
static redisContext *connect_to(struct redis_sync *sync, const struct endpoint *at, int64_t ms, const char *password)
{
    struct timeval limit = {ms / 1000, (ms % 1000) * 1000};
    redisContext *redis =
        at->port ? redisConnectWithTimeout(at->host, at->port, limit) : redisConnectUnixWithTimeout(at->host, limit);
    CG_ASSERT(redis);
    redis_reply_bound(redis);
    if (redis->err || redisSetTimeout(redis, limit) != REDIS_OK)
        return refuse(sync, redis, at, NULL, redis->errstr);
    if (!*password)
        return redis;
    redisReply *reply = shake(sync, redis, at, redisCommand(redis, "AUTH %s", password));
    if (!reply)
        return NULL;
    if (redis_reply_error(reply))
        return refuse(sync, redis, at, reply, redis_reply_error(reply));
    freeReplyObject(reply);
    return redis;
}

static redisContext *connect_to_master(struct redis_sync *sync, const struct endpoint *at)
{
    const struct settings *settings = sync->shared->settings;
    redisContext *redis = connect_to(sync, at, settings->redis_timeout_ms, settings_secret(&settings->redis_password));
    redisReply *role = redis ? shake(sync, redis, at, redisCommand(redis, "ROLE")) : NULL;
    if (!role)
        return NULL;
    if (!redis_reply_is_master(role))
        return refuse(sync, redis, at, role, redis_reply_error(role) ? redis_reply_error(role) : "is no master");
    freeReplyObject(role);
    return redis;
}

static bool ask_sentinel(struct redis_sync *sync, const struct endpoint *sentinel, const char *name,
                         struct endpoint *master)
{
    const struct settings *settings = sync->shared->settings;
    int64_t ms = settings->redis_timeout_ms / REDIS_SENTINEL_SHARE;
    redisContext *redis = connect_to(sync, sentinel, ms, settings_secret(&settings->redis_sentinel_password));
    redisReply *reply = NULL;
    if (redis)
        reply = shake(sync, redis, sentinel, redisCommand(redis, "SENTINEL get-master-addr-by-name %s", name));
    if (!reply)
        return false;
    bool found = redis_reply_place(reply, master);
    if (!found)
        note(sync, sentinel, redis_reply_error(reply) ? redis_reply_error(reply) : "knows no master of that name");
    freeReplyObject(reply);
    redisFree(redis);
    return found;
}

/* A sentinel may not have heard of a change yet, so each is asked until a master is found. */
static redisContext *open_by_sentinels(struct redis_sync *sync, size_t server, struct endpoint *at)
{
    const struct redis_servers *known = &sync->shared->known;
    struct endpoint tried = {0};
    struct redis_search search = redis_health_search(lock(sync), server);
    unlock(sync);
    for (const struct endpoint *sentinel; (sentinel = redis_search_sentinel(&search, known));
         redis_search_next(&search)) {
        if (!ask_sentinel(sync, sentinel, known->servers[server].master, at) || endpoint_same(at, &tried))
            continue;
        redisContext *redis = connect_to_master(sync, at);
        if (redis) {
            redis_health_found(lock(sync), server, &search);
            unlock(sync);
            return redis;
        }
        tried = *at;
    }
    *at = place_of(sync, server); /* they may all be gone */
    return *at->host && !endpoint_same(at, &tried) ? connect_to_master(sync, at) : NULL;
}

static void disconnect(struct connection *connection)
{
    redisFree(connection->redis);
    *connection = (struct connection){0};
}

/* The server cannot be used, for the reason that is noted: the connection is given up. */
static void lose(struct redis_sync *sync, size_t server)
{
    disconnect(&sync->servers[server]);
    redis_health_lost(lock(sync), server, &sync->tried, sync->reason);
    unlock(sync);
}

/* One that Redis has ended since its last use, that says something nobody asked for, or that leads to where the server was
 * before it moved. Found out before a command is sent, it is no failure. */
static bool is_stale(const struct redis_sync *sync, size_t server)
{
    const struct connection *connection = &sync->servers[server];
    if (redis_reply_unasked(connection->redis))
        return true;
    struct endpoint at = place_of(sync, server);
    return *at.host && !endpoint_same(&at, &connection->at);
}

static bool need(struct redis_sync *sync, size_t server)
{
    struct connection *connection = &sync->servers[server];
    const struct redis_server *known = &sync->shared->known.servers[server];
    bool may = redis_health_may_try(lock(sync), server);
    unlock(sync);
    if (!may) {
        struct endpoint at = place_of(sync, server);
        note(sync, &at, "was lost, and is not tried again yet");
        return false;
    }
    if (connection->redis && is_stale(sync, server))
        disconnect(connection);
    if (connection->redis)
        return true;
    connection->at = known->address;
    if (*known->master)
        connection->redis = open_by_sentinels(sync, server, &connection->at);
    else
        connection->redis = connect_to_master(sync, &connection->at);
    if (connection->redis)
        metric_inc(METRIC_REDIS_CONNECTS);
    else
        lose(sync, server);
    return connection->redis;
}

/* ---- asking ---- */

static enum err queue(struct redis_sync *sync, size_t server, const char *format, va_list args)
{
    struct connection *connection = &sync->servers[server];
    if (!connection->queued && !need(sync, server))
        return ERR_DOWN;
    redisvAppendCommand(connection->redis, format, args);
    connection->queued++;
    return ERR_OK;
}

enum err redis_sync_queue(struct redis_sync *sync, size_t server, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    enum err err = queue(sync, server, format, args);
    va_end(args);
    return err;
}

/* Any answer, an error too. NULL: the server was lost. */
static redisReply *next_reply(struct redis_sync *sync, size_t server)
{
    struct connection *connection = &sync->servers[server];
    void *reply = NULL;
    if (!connection->queued)
        return NULL; /* lost with an earlier one */
    connection->queued--;
    if (redisGetReply(connection->redis, &reply) != REDIS_OK || !reply) {
        note(sync, &connection->at, reason_of(connection->redis));
        lose(sync, server);
        return NULL;
    }
    return reply;
}

static redisReply *give_up(struct redis_sync *sync, size_t server, redisReply *reply, const char *reason)
{
    note(sync, &sync->servers[server].at, reason);
    freeReplyObject(reply);
    lose(sync, server);
    return NULL;
}

/* An older connection than the one that found the server's new place does not bring it back to the old one. */
static void came_up(struct redis_sync *sync, size_t server)
{
    struct connection *connection = &sync->servers[server];
    struct redis_health *health = lock(sync);
    if (!connection->used || !redis_health_is_up(health, server))
        redis_health_came_up(health, server, &connection->at);
    unlock(sync);
    connection->used = true;
}

redisReply *redis_sync_answer(struct redis_sync *sync, size_t server)
{
    redisReply *reply = next_reply(sync, server);
    if (redis_reply_error(reply))
        return give_up(sync, server, reply, redis_reply_error(reply));
    if (reply)
        came_up(sync, server);
    return reply;
}

redisReply *redis_sync_ask(struct redis_sync *sync, size_t server, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    enum err err = queue(sync, server, format, args);
    va_end(args);
    return err ? NULL : redis_sync_answer(sync, server);
}

redisReply *redis_sync_ask_list(struct redis_sync *sync, size_t server, const struct str *args, size_t count)
{
    struct connection *connection = &sync->servers[server];
    if (!connection->queued && !need(sync, server))
        return NULL;
    const char **texts = mem_zalloc(count * sizeof *texts);
    size_t *lengths = mem_zalloc(count * sizeof *lengths);
    for (size_t i = 0; i < count; i++) {
        texts[i] = args[i].ptr;
        lengths[i] = args[i].len;
    }
    redisAppendCommandArgv(connection->redis, (int)count, texts, lengths);
    connection->queued++;
    free(texts);
    free(lengths);
    return redis_sync_answer(sync, server);
}

enum err redis_sync_ping(struct redis_sync *sync, size_t server)
{
    enum err err = redis_sync_queue(sync, server, "ROLE");
    redisReply *reply = err ? NULL : next_reply(sync, server);
    if (!reply)
        return ERR_DOWN;
    if (!redis_reply_is_master(reply)) {
        give_up(sync, server, reply, "is no master");
        return ERR_DOWN;
    }
    freeReplyObject(reply);
    came_up(sync, server);
    return ERR_OK;
}

/* ---- beginning and end ---- */

struct redis_sync *redis_sync_new(struct redis_shared *shared)
{
    struct redis_sync *sync = mem_zalloc(sizeof *sync);
    sync->shared = shared;
    return sync;
}

void redis_sync_free(struct redis_sync *sync)
{
    if (!sync)
        return;
    for (size_t i = 0; i < sync->shared->known.count; i++)
        disconnect(&sync->servers[i]);
    free(sync);
}
