#include "common/redis/redis_sync.h"

#include "common/mem.h"
#include "common/redis/redis_reply.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

static const char *reason_of(const redisContext *redis)
{
    bool late = redis->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
    return late ? "no answer in time" : redis->errstr;
}

static redisContext *fail(redisContext *redis, const struct endpoint *address, const char *reason,
                          char why[REDIS_WHY_MAX])
{
    char text[ENDPOINT_TEXT_MAX];
    endpoint_text(address, text);
    snprintf(why, REDIS_WHY_MAX, "%.250s: %.120s", text, reason);
    redisFree(redis);
    return NULL;
}

static redisContext *connect_to(const struct endpoint *address, int64_t ms, const char *password,
                                char why[REDIS_WHY_MAX])
{
    struct timeval limit = {ms / 1000, (ms % 1000) * 1000};
    redisContext *redis = address->port ? redisConnectWithTimeout(address->host, address->port, limit)
                                        : redisConnectUnixWithTimeout(address->host, limit);
    CG_ASSERT(redis);
    redis_reply_bound(redis);
    if (redis->err || redisSetTimeout(redis, limit) != REDIS_OK)
        return fail(redis, address, redis->errstr, why);
    if (!*password)
        return redis;
    redisReply *reply = redisCommand(redis, "AUTH %s", password);
    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        fail(redis, address, reply ? reply->str : reason_of(redis), why);
        redis = NULL;
    }
    freeReplyObject(reply);
    return redis;
}

bool redis_is_master(redisContext *redis, char why[REDIS_WHY_MAX])
{
    redisReply *reply = redisCommand(redis, "ROLE");
    bool master = reply && redis_reply_is_master(reply);
    if (!master)
        snprintf(why, REDIS_WHY_MAX, "%.120s", reply ? "is no master" : reason_of(redis));
    freeReplyObject(reply);
    return master;
}

static redisContext *connect_to_master(const struct settings *settings, const struct endpoint *address,
                                       char why[REDIS_WHY_MAX])
{
    char reason[REDIS_WHY_MAX];
    redisContext *redis = connect_to(address, settings->redis_timeout_ms, settings->redis_password, why);
    return !redis || redis_is_master(redis, reason) ? redis : fail(redis, address, reason, why);
}

static bool ask_sentinel(const struct settings *settings, const struct endpoint *sentinel, const char *name,
                         struct endpoint *master, char why[REDIS_WHY_MAX])
{
    int64_t ms = settings->redis_timeout_ms / REDIS_SENTINEL_SHARE;
    redisContext *redis = connect_to(sentinel, ms, settings->redis_sentinel_password, why);
    if (!redis)
        return false;
    redisReply *reply = redisCommand(redis, "SENTINEL get-master-addr-by-name %s", name);
    bool found = redis_reply_place(reply, master);
    if (found)
        redisFree(redis);
    else
        fail(redis, sentinel,
             !reply                     ? reason_of(redis)
             : redis_reply_error(reply) ? redis_reply_error(reply)
                                        : "knows no master of that name",
             why);
    freeReplyObject(reply);
    return found;
}

/* A sentinel may not have heard of a change yet, so each is asked until a master is found. */
static redisContext *open_by_sentinels(const struct settings *settings, const struct redis_servers *servers,
                                       const char *name, struct endpoint *at, char why[REDIS_WHY_MAX])
{
    struct endpoint tried = {0}, found;
    for (size_t i = 0; i < servers->sentinel_count; i++) {
        if (!ask_sentinel(settings, &servers->sentinels[i], name, &found, why) || endpoint_same(&found, &tried))
            continue;
        redisContext *redis = connect_to_master(settings, &found, why);
        if (redis) {
            *at = found;
            return redis;
        }
        tried = found;
    }
    return *at->host && !endpoint_same(at, &tried) ? connect_to_master(settings, at, why) : NULL;
}

redisContext *redis_open(const struct settings *settings, const struct redis_servers *servers, size_t server,
                         struct endpoint *at, char why[REDIS_WHY_MAX])
{
    const struct redis_server *wanted = &servers->servers[server];
    if (*wanted->master)
        return open_by_sentinels(settings, servers, wanted->master, at, why);
    *at = wanted->address;
    return connect_to_master(settings, at, why);
}
