#include "rest/services/redis_client.h"

#include "common/redis/presence_keys.h"
#include "common/redis/redis_sync.h"
#include "common/redis/presence_ask.h"

#include <stdlib.h>

enum {
    ENTRIES_MAX = 64, /* relays looked at for one user: far more than one has tabs */
    FIRST = 0,        /* the server of what concerns no conversation */
};

static const char *prefix_of(const struct redis_sync *redis)
{
    return redis_sync_settings(redis)->redis_prefix;
}

/* Of a reply that nobody looks at any more. */
static enum err finish(struct redisReply *reply)
{
    enum err err = reply ? ERR_OK : ERR_DOWN;
    redis_reply_free(reply);
    return err;
}

enum err redis_client_ping(struct redis_sync *redis, size_t *up)
{
    *up = 0;
    for (size_t i = 0; i < redis_sync_servers(redis); i++)
        *up += !redis_sync_ping(redis, i);
    return *up == redis_sync_servers(redis) ? ERR_OK : ERR_DOWN;
}

static size_t admit_at(struct redis_sync *redis, size_t server, const struct redis_admission *admissions, size_t count)
{
    size_t asked = 0, admitted = 0;
    for (size_t i = 0; i < count; i++) {
        char key[PRESENCE_KEY_MAX];
        if (redis_sync_server_of(redis, admissions[i].conversation) != server)
            continue;
        presence_admit_key(key, prefix_of(redis), admissions[i].conversation, admissions[i].user);
        if (redis_sync_queue(redis, server, "SET %s 1 PX %lld", key, (long long)redis_sync_settings(redis)->admit_ms))
            return 0;
        asked++;
    }
    for (struct redisReply *reply; admitted < asked && (reply = redis_sync_answer(redis, server)); admitted++)
        redis_reply_free(reply);
    return admitted;
}

size_t redis_client_admit(struct redis_sync *redis, const struct redis_admission *admissions, size_t count)
{
    size_t admitted = 0;
    for (size_t server = 0; server < redis_sync_servers(redis); server++)
        admitted += admit_at(redis, server, admissions, count);
    return admitted;
}

/* Whether any of the relays in `entries` holds a lease. */
static enum err any_lease(struct redis_sync *redis, size_t server, const struct redisReply *entries, bool *alive)
{
    char keys[ENTRIES_MAX][PRESENCE_KEY_MAX];
    struct str args[ENTRIES_MAX + 1] = {STR("EXISTS")};
    size_t count = 0;
    for (size_t i = 0; i < redis_reply_count(entries) && count < ENTRIES_MAX; i++) {
        struct str entry = redis_reply_text(redis_reply_at(entries, i));
        if (!entry.len || entry.len >= PRESENCE_ENTRY_MAX)
            continue;
        presence_lease_key(keys[count], prefix_of(redis), entry);
        args[count + 1] = str_of(keys[count]);
        count++;
    }
    if (!count)
        return ERR_OK;
    struct redisReply *reply = redis_sync_ask_list(redis, server, args, count + 1);
    *alive = redis_reply_number(reply) > 0;
    return finish(reply);
}

enum err redis_client_online(struct redis_sync *redis, uint64_t conversation, uint64_t user, bool *online)
{
    size_t server = redis_sync_server_of(redis, conversation);
    char admit[PRESENCE_KEY_MAX], who[PRESENCE_KEY_MAX];
    *online = false;
    presence_admit_key(admit, prefix_of(redis), conversation, user);
    presence_who_key(who, prefix_of(redis), conversation, user);
    if (redis_sync_queue(redis, server, "EXISTS %s", admit) || /* both in one round trip */
        redis_sync_queue(redis, server, "SMEMBERS %s", who))
        return ERR_DOWN;
    struct redisReply *admitted = redis_sync_answer(redis, server), *entries = redis_sync_answer(redis, server);
    enum err err = entries ? ERR_OK : ERR_DOWN;
    if (!err)
        *online = redis_reply_number(admitted) > 0;
    if (!err && !*online)
        err = any_lease(redis, server, entries, online);
    redis_reply_free(admitted);
    redis_reply_free(entries);
    return err;
}

static enum err ask_at(struct redis_sync *redis, size_t server, struct redis_asked *asked, size_t count)
{
    enum { BEFORE = 4, WHO_MAX = 48 };
    struct str args[BEFORE + REDIS_CLIENT_ASKED] = {STR("EVAL"), STR(PRESENCE_SCRIPT_ASK), STR("0"),
                                                    str_of(prefix_of(redis))};
    char who[REDIS_CLIENT_ASKED][WHO_MAX];
    size_t at[REDIS_CLIENT_ASKED], some = 0;
    for (size_t i = 0; i < count; i++) {
        if (redis_sync_server_of(redis, asked[i].conversation) != server)
            continue;
        snprintf(who[some], WHO_MAX, "%llu:%llu", (unsigned long long)asked[i].conversation,
                 (unsigned long long)asked[i].user);
        args[BEFORE + some] = str_of(who[some]);
        at[some++] = i;
    }
    if (!some)
        return ERR_OK;
    struct redisReply *reply = redis_sync_ask_list(redis, server, args, BEFORE + some);
    bool whole = redis_reply_count(reply) == some;
    for (size_t i = 0; whole && i < some; i++)
        asked[at[i]].online = redis_reply_number(redis_reply_at(reply, i)) == 1;
    redis_reply_free(reply);
    return whole ? ERR_OK : ERR_DOWN;
}

enum err redis_client_ask(struct redis_sync *redis, struct redis_asked *asked, size_t count)
{
    enum err err = ERR_OK;
    CG_ASSERT(count <= REDIS_CLIENT_ASKED);
    for (size_t server = 0; !err && server < redis_sync_servers(redis); server++)
        err = ask_at(redis, server, asked, count);
    return err;
}

enum err redis_client_present(struct redis_sync *redis, uint64_t conversation, uint64_t after, size_t limit,
                              struct redis_asked *present, size_t *count)
{
    char number[24], from[24], most[24];
    CG_ASSERT(limit <= REDIS_CLIENT_ASKED);
    snprintf(number, sizeof number, "%llu", (unsigned long long)conversation);
    snprintf(from, sizeof from, after ? "(%020llu" : "-", (unsigned long long)after);
    snprintf(most, sizeof most, "%zu", limit);
    const struct str args[] = {
        STR("EVAL"), STR(PRESENCE_SCRIPT_LIST), STR("0"), str_of(prefix_of(redis)), str_of(number), str_of(from),
        str_of(most)};
    struct redisReply *reply =
        redis_sync_ask_list(redis, redis_sync_server_of(redis, conversation), args, sizeof args / sizeof args[0]);
    *count = redis_reply_count(reply) / 2;
    if (*count > limit)
        *count = limit;
    for (size_t i = 0; i < *count; i++)
        present[i] =
            (struct redis_asked){conversation, strtoull(redis_reply_text(redis_reply_at(reply, 2 * i)).ptr, NULL, 10),
                                 redis_reply_number(redis_reply_at(reply, 2 * i + 1)) == 1};
    return finish(reply);
}

/* Whole, so that no counter is ever left without its end. */
static const char count_script[] =
    "local n = redis.call('INCRBY', KEYS[1], ARGV[1])\n"
    "if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end\n"
    "return {n, redis.call('PTTL', KEYS[1])}";

enum err redis_client_count(struct redis_sync *redis, struct str name, int64_t by, int64_t life_ms, int64_t *value,
                            int64_t *left_ms)
{
    struct redisReply *reply = redis_sync_ask(redis, FIRST, "EVAL %s 1 %s:count:%b %lld %lld", count_script,
                                              prefix_of(redis), name.ptr, name.len, (long long)by, (long long)life_ms);
    *value = redis_reply_number(redis_reply_at(reply, 0));
    *left_ms = redis_reply_number(redis_reply_at(reply, 1));
    return finish(reply);
}

static void give_text(const struct redisReply *reply, size_t index, redis_client_text_fn *fn, void *arg)
{
    char number[24];
    if (redis_reply_is_number(reply)) {
        snprintf(number, sizeof number, "%lld", (long long)redis_reply_number(reply));
        fn(arg, index, str_of(number));
    } else {
        fn(arg, index, redis_reply_text(reply));
    }
}

enum err redis_client_eval(struct redis_sync *redis, const char *script, const struct str *args, size_t count,
                           redis_client_text_fn *fn, void *arg)
{
    enum { BEFORE = 4 };
    struct str all[BEFORE + REDIS_CLIENT_ARGS] = {STR("EVAL"), str_of(script), STR("0"), str_of(prefix_of(redis))};
    CG_ASSERT(count <= REDIS_CLIENT_ARGS);
    memcpy(all + BEFORE, args, count * sizeof *args);
    struct redisReply *reply = redis_sync_ask_list(redis, FIRST, all, BEFORE + count);
    if (!reply)
        return ERR_DOWN;
    for (size_t i = 0; i < redis_reply_count(reply); i++)
        give_text(redis_reply_at(reply, i), i, fn, arg);
    if (!redis_reply_is_array(reply))
        give_text(reply, 0, fn, arg);
    redis_reply_free(reply);
    return ERR_OK;
}

enum err redis_client_publish(struct redis_sync *redis, uint64_t conversation, struct str payload)
{
    char channel[PRESENCE_KEY_MAX];
    presence_channel(channel, prefix_of(redis), conversation);
    size_t server = redis_sync_server_of(redis, conversation);
    return finish(redis_sync_ask(redis, server, "PUBLISH %s %b", channel, payload.ptr, payload.len));
}
