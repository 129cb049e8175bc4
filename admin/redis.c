#include "admin/redis.h"

#include "common/mem.h"
#include "common/redis/presence_keys.h"
#include "common/redis/redis_sync.h"

#include <hiredis/hiredis.h>
#include <stdio.h>

enum { RELAYS_MAX = 1024 };

struct scan {
    redisContext *redis;
    struct endpoint at;
    const struct settings *settings;
    char *why;
    char *keys[RELAYS_MAX]; /* SCAN may name a key twice */
    size_t count;
};

static enum err cannot(const struct scan *scan, const char *reason)
{
    char at[ENDPOINT_TEXT_MAX];
    endpoint_text(&scan->at, at);
    snprintf(scan->why, 256, "cannot use Redis at %.110s: %.110s", at, reason);
    return ERR_DOWN;
}

/* NULL and a line in `why` for a broken connection or an error reply; else the caller's to free. */
static redisReply *expect(struct scan *scan, redisReply *reply, int type)
{
    if (reply && reply->type == type)
        return reply;
    cannot(scan, !reply ? scan->redis->errstr : reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer");
    freeReplyObject(reply);
    return NULL;
}

/* "<prefix>:lease:*" with the prefix's own wildcards made plain. */
static void lease_pattern(const char *prefix, char out[PRESENCE_KEY_MAX])
{
    char plain[PRESENCE_KEY_MAX / 2 + 2];
    size_t at = 0;
    for (; *prefix && at + 3 < sizeof plain; prefix++) {
        if (strchr("*?[]\\", *prefix))
            plain[at++] = '\\';
        plain[at++] = *prefix;
    }
    plain[at] = '\0';
    presence_lease_key(out, plain, STR("*"));
}

static void remember(struct scan *scan, const redisReply *key)
{
    if (key->type != REDIS_REPLY_STRING || scan->count == RELAYS_MAX)
        return;
    for (size_t i = 0; i < scan->count; i++)
        if (!strcmp(scan->keys[i], key->str))
            return;
    scan->keys[scan->count++] = mem_strndup(key->str, (size_t)key->len);
}

static enum err collect(struct scan *scan)
{
    char pattern[PRESENCE_KEY_MAX], cursor[24] = "0";
    lease_pattern(scan->settings->redis_prefix, pattern);
    do {
        redisReply *reply =
            expect(scan, redisCommand(scan->redis, "SCAN %s MATCH %s COUNT 1000", cursor, pattern), REDIS_REPLY_ARRAY);
        if (!reply)
            return ERR_DOWN;
        if (reply->elements != 2 || !reply->element[0]->str || reply->element[1]->type != REDIS_REPLY_ARRAY) {
            freeReplyObject(reply);
            return cannot(scan, "unexpected answer");
        }
        snprintf(cursor, sizeof cursor, "%s", reply->element[0]->str);
        for (size_t i = 0; i < reply->element[1]->elements; i++)
            remember(scan, reply->element[1]->element[i]);
        freeReplyObject(reply);
    } while (strcmp(cursor, "0") != 0);
    return ERR_OK;
}

static enum err report(struct scan *scan, const char *key, redis_relay_fn *found, void *arg)
{
    redisReply *reply = expect(scan, redisCommand(scan->redis, "PTTL %s", key), REDIS_REPLY_INTEGER);
    if (!reply)
        return ERR_DOWN;
    char none[PRESENCE_KEY_MAX];
    presence_lease_key(none, scan->settings->redis_prefix, STR(""));
    const char *name = key + strlen(none), *colon = strrchr(name, ':');
    struct redis_relay relay = {.lease_ms = reply->integer};
    freeReplyObject(reply);
    reply = redisCommand(scan->redis, "GET %s", key);
    bool ended = reply && reply->type == REDIS_REPLY_STRING && !strcmp(reply->str, "draining");
    freeReplyObject(reply);
    reply = redisCommand(scan->redis, "EXISTS %s:draining:%s", scan->settings->redis_prefix, key + strlen(none));
    bool draining = reply && reply->type == REDIS_REPLY_INTEGER && reply->integer;
    freeReplyObject(reply);
    relay.state = ended ? "ended" : draining ? "draining" : "up";
    if (relay.lease_ms < 0 || !colon)
        return ERR_OK; /* it ran out since, or is none of ours */
    relay.name = (struct str){name, (size_t)(colon - name)};
    relay.incarnation = str_of(colon + 1);
    found(arg, &relay);
    return ERR_OK;
}

/* The keys of all relays that have a lease on that server. */
static enum err collect_from(struct scan *scan, const struct redis_servers *servers, size_t index)
{
    char why[REDIS_WHY_MAX] = "";
    scan->at = (struct endpoint){0};
    scan->redis = redis_open(scan->settings, servers, index, &scan->at, why);
    if (scan->redis)
        return collect(scan);
    snprintf(scan->why, 256, "cannot use Redis at %.220s", why);
    return ERR_DOWN;
}

/* Every relay has a lease on each server, so one that answers is enough. */
enum err redis_relays(const struct settings *settings, redis_relay_fn *found, void *arg, char why[256])
{
    struct redis_servers servers;
    if (redis_servers_read(settings, &servers, why))
        return ERR_INVALID;
    struct scan *scan = mem_zalloc(sizeof *scan);
    scan->settings = settings;
    scan->why = why;
    enum err err = ERR_DOWN;
    for (size_t i = 0; err && i < servers.count; i++) {
        redisFree(scan->redis);
        err = collect_from(scan, &servers, i);
    }
    for (size_t i = 0; i < scan->count; i++) {
        if (!err)
            err = report(scan, scan->keys[i], found, arg);
        free(scan->keys[i]);
    }
    redisFree(scan->redis);
    free(scan);
    return err;
}

enum err redis_publish(const struct settings *settings, uint64_t conversation, struct str payload, int64_t *heard,
                       char why[256])
{
    struct redis_servers servers;
    struct endpoint at = {0};
    char reason[REDIS_WHY_MAX] = "";
    *heard = 0;
    if (redis_servers_read(settings, &servers, why))
        return ERR_INVALID;
    redisContext *redis = redis_open(settings, &servers, redis_server_of(servers.count, conversation), &at, reason);
    if (!redis) {
        snprintf(why, 256, "cannot use Redis at %.220s", reason);
        return ERR_DOWN;
    }
    redisReply *reply = redisCommand(redis, "PUBLISH %s:room:%llu %b", settings->redis_prefix,
                                     (unsigned long long)conversation, payload.ptr, payload.len);
    bool published = reply && reply->type == REDIS_REPLY_INTEGER;
    if (published)
        *heard = reply->integer;
    else
        snprintf(why, 256, "Redis did not take it: %.200s", reply ? reply->str ? reply->str : "" : redis->errstr);
    freeReplyObject(reply);
    redisFree(redis);
    return published ? ERR_OK : ERR_DOWN;
}
