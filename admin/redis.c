#include "admin/redis.h"

#include "common/mem.h"
#include "common/redis/presence_keys.h"
#include "common/redis/redis_sync.h"

enum { RELAYS_MAX = 1024 };

struct scan {
    struct redis_sync *redis;
    size_t server;
    const char *prefix;
    char *keys[RELAYS_MAX]; /* SCAN may name a key twice */
    size_t count;
};

static enum err cannot(const struct redis_sync *redis, char why[256])
{
    snprintf(why, 256, "cannot use Redis at %.220s", redis_sync_error(redis));
    return ERR_DOWN;
}

static enum err unexpected(char why[256])
{
    snprintf(why, 256, "cannot use Redis: unexpected answer");
    return ERR_DOWN;
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

static void remember(struct scan *scan, struct str key)
{
    if (!key.len || scan->count == RELAYS_MAX)
        return;
    for (size_t i = 0; i < scan->count; i++)
        if (str_eq(str_of(scan->keys[i]), key))
            return;
    scan->keys[scan->count++] = mem_strndup(key.ptr, key.len);
}

/* The keys of all relays that have a lease on that server. */
static enum err collect(struct scan *scan, char why[256])
{
    char pattern[PRESENCE_KEY_MAX], cursor[24] = "0";
    lease_pattern(scan->prefix, pattern);
    do {
        struct redisReply *reply =
            redis_sync_ask(scan->redis, scan->server, "SCAN %s MATCH %s COUNT 1000", cursor, pattern);
        if (!reply)
            return cannot(scan->redis, why);
        const struct redisReply *keys = redis_reply_at(reply, 1);
        bool good = redis_reply_count(reply) == 2 && redis_reply_is_text(redis_reply_at(reply, 0)) &&
                    redis_reply_is_array(keys);
        snprintf(cursor, sizeof cursor, "%s", redis_reply_text(redis_reply_at(reply, 0)).ptr);
        for (size_t i = 0; good && i < redis_reply_count(keys); i++)
            remember(scan, redis_reply_text(redis_reply_at(keys, i)));
        redis_reply_free(reply);
        if (!good)
            return unexpected(why);
    } while (strcmp(cursor, "0") != 0);
    return ERR_OK;
}

static enum err report(struct scan *scan, const char *key, redis_relay_fn *found, void *arg, char why[256])
{
    char none[PRESENCE_KEY_MAX];
    presence_lease_key(none, scan->prefix, STR(""));
    const char *name = key + strlen(none), *colon = strrchr(name, ':');
    if (redis_sync_queue(scan->redis, scan->server, "PTTL %s", key) ||
        redis_sync_queue(scan->redis, scan->server, "GET %s", key) ||
        redis_sync_queue(scan->redis, scan->server, "EXISTS %s:draining:%s", scan->prefix, name))
        return cannot(scan->redis, why);
    struct redisReply *left = redis_sync_answer(scan->redis, scan->server);
    struct redisReply *value = redis_sync_answer(scan->redis, scan->server);
    struct redisReply *draining = redis_sync_answer(scan->redis, scan->server);
    struct redis_relay relay = {
        .lease_ms = redis_reply_number(left),
        .state = str_eq(redis_reply_text(value), STR("draining")) ? "ended"
                 : redis_reply_number(draining)                   ? "draining"
                                                                  : "up",
    };
    enum err err = !draining ? cannot(scan->redis, why) : redis_reply_is_number(left) ? ERR_OK : unexpected(why);
    redis_reply_free(left);
    redis_reply_free(value);
    redis_reply_free(draining);
    if (err || relay.lease_ms < 0 || !colon)
        return err; /* or it ran out since, or is none of ours */
    relay.name = (struct str){name, (size_t)(colon - name)};
    relay.incarnation = str_of(colon + 1);
    found(arg, &relay);
    return ERR_OK;
}

/* Every relay has a lease on each server, so one that answers is enough. */
enum err redis_relays(const struct settings *settings, redis_relay_fn *found, void *arg, char why[256])
{
    struct redis_shared *shared = redis_shared_new(settings);
    struct scan *scan = mem_zalloc(sizeof *scan);
    redis_shared_quiet(shared);
    scan->redis = redis_sync_new(shared);
    scan->prefix = settings->redis_prefix;
    enum err err = collect(scan, why);
    while (err && ++scan->server < redis_sync_servers(scan->redis))
        err = collect(scan, why);
    for (size_t i = 0; i < scan->count; i++) {
        if (!err)
            err = report(scan, scan->keys[i], found, arg, why);
        free(scan->keys[i]);
    }
    redis_sync_free(scan->redis);
    redis_shared_free(shared);
    free(scan);
    return err;
}

enum err redis_publish(const struct settings *settings, uint64_t conversation, struct str payload, int64_t *heard,
                       char why[256])
{
    struct redis_shared *shared = redis_shared_new(settings);
    redis_shared_quiet(shared);
    struct redis_sync *redis = redis_sync_new(shared);
    char channel[PRESENCE_KEY_MAX];
    presence_channel(channel, settings->redis_prefix, conversation);
    struct redisReply *reply = redis_sync_ask(redis, redis_sync_server_of(redis, conversation), "PUBLISH %s %b",
                                              channel, payload.ptr, payload.len);
    enum err err = !reply ? cannot(redis, why) : redis_reply_is_number(reply) ? ERR_OK : unexpected(why);
    *heard = redis_reply_number(reply);
    redis_reply_free(reply);
    redis_sync_free(redis);
    redis_shared_free(shared);
    return err;
}
