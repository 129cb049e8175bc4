/* bus_server.c: the heartbeat is published on one connection and must arrive on the other; if it does not, both are
 * made anew. Each heartbeat also sends a PING with a number: if a reply was lost or came twice, every later reply
 * would be matched to the wrong command, and nothing else would show it. A heartbeat that waits behind commands which
 * are being answered one by one is late but not lost; reconnecting then would make Redis repeat all that work. A
 * server that is no master or takes no writes is left: since a failover it is a replica, and would still publish
 * messages, but to nobody. */
#include "relay/redis/bus_server.h"

#include "common/clock.h"
#include "common/container.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/redis/redis_reply.h"

#include <stdio.h>
#include <stdlib.h>

enum { SUBSCRIBE_BATCH = 500 };

/* ---- up and down ---- */

bool bus_server_up(const struct bus_server *server)
{
    return redis_health_is_up(&server->bus->health, server->index);
}

static void tell(const struct bus_server *server, bool up)
{
    const struct bus_common *bus = server->bus;
    if (!bus->stopping)
        bus->events.state(bus->events.arg, server->index, up);
}

static void set_up(struct bus_server *server)
{
    if (redis_health_came_up(&server->bus->health, server->index, &server->found))
        tell(server, true);
}

/* Outside the connections' callbacks only. The server counts as down first, so callbacks of lost commands send no
 * others. */
static void drop_links(struct bus_server *server)
{
    redis_link_drop(&server->ask);
    redis_link_drop(&server->listen);
    redis_link_drop(&server->command);
    server->search = SEARCH_NONE;
    server->fault = NULL;
    server->answered = server->is_master = false;
}

/* It cannot be used now: everything is dropped and begun anew after a while. */
static void lose(struct bus_server *server, const char *why)
{
    bool was_up = redis_health_lost(&server->bus->health, server->index, &server->found, why);
    drop_links(server);
    if (was_up)
        tell(server, false);
}

/* ---- channels ---- */

/* The conversation of a channel; 0: none. */
static uint64_t channel_conversation(const struct bus_common *bus, struct str channel)
{
    char name[PRESENCE_KEY_MAX];
    const char *number = strrchr(channel.ptr, ':');
    uint64_t conversation = number ? strtoull(number + 1, NULL, 10) : 0;
    presence_channel(name, bus->settings->redis_prefix, conversation);
    return str_eq(str_of(name), channel) ? conversation : 0;
}

static void on_beat(struct bus_server *server, struct str number)
{
    server->beat_seen_ms = clock_mono_ms();
    server->beats_come = strtoull(number.ptr, NULL, 10);
    if (server->beats_come >= server->beats_told)
        server->deaf_since_ms = 0;
    if (server->is_master)
        set_up(server);
}

static void on_push(void *arg, const struct redisReply *push)
{
    struct bus_server *server = arg;
    struct bus_common *bus = server->bus;
    struct str kind = redis_reply_text(redis_reply_at(push, 0)), channel = redis_reply_text(redis_reply_at(push, 1));
    const struct redisReply *payload = redis_reply_at(push, 2);
    if (!payload)
        return; /* a refusal, perhaps: the heartbeat will tell */
    if (str_eq(kind, STR("subscribe"))) {
        uint64_t conversation = channel_conversation(bus, channel);
        if (conversation)
            bus->events.subscribed(bus->events.arg, conversation);
    } else if (str_eq(kind, STR("message")) && channel.len && redis_reply_is_text(payload)) {
        if (str_eq(channel, str_of(bus->beat_channel)))
            on_beat(server, redis_reply_text(payload));
        else
            bus->events.received(bus->events.arg, redis_reply_text(payload));
    }
}

static void subscribe_all(struct bus_server *server)
{
    char(*names)[PRESENCE_KEY_MAX] = mem_zalloc(SUBSCRIBE_BATCH * sizeof *names);
    const char *args[SUBSCRIBE_BATCH + 1] = {"SUBSCRIBE"};
    size_t lengths[SUBSCRIBE_BATCH + 1] = {9}, at = 0;
    int count = 0;
    for (void *value; (value = map_next(&server->subscriptions, &at));) {
        lengths[count + 1] = presence_channel(names[count], server->bus->settings->redis_prefix, (uintptr_t)value);
        args[count + 1] = names[count];
        if (++count == SUBSCRIBE_BATCH) {
            redis_link_say(&server->listen, count + 1, args, lengths);
            count = 0;
        }
    }
    if (count)
        redis_link_say(&server->listen, count + 1, args, lengths);
    free(names);
}

static void say_of_channel(struct bus_server *server, const char *command, const char *channel)
{
    const char *args[] = {command, channel};
    size_t lengths[] = {strlen(command), strlen(channel)};
    if (server->listen.conn)
        redis_link_say(&server->listen, 2, args, lengths);
}

static void say_of_conversation(struct bus_server *server, const char *command, uint64_t conversation)
{
    char channel[PRESENCE_KEY_MAX];
    presence_channel(channel, server->bus->settings->redis_prefix, conversation);
    say_of_channel(server, command, channel);
}

void bus_server_subscribe(struct bus_server *server, uint64_t conversation)
{
    map_put(&server->subscriptions, conversation, (void *)(uintptr_t)conversation);
    say_of_conversation(server, "SUBSCRIBE", conversation);
}

void bus_server_unsubscribe(struct bus_server *server, uint64_t conversation)
{
    map_take(&server->subscriptions, conversation);
    say_of_conversation(server, "UNSUBSCRIBE", conversation);
}

/* ---- its heartbeat ---- */

void bus_server_answered(struct bus_server *server)
{
    server->answered_ms = clock_mono_ms();
}

static void on_beat_told(void *arg, const struct redisReply *reply)
{
    struct bus_server *server = arg;
    if (!reply)
        return;
    bus_server_answered(server);
    server->beats_told++;
    if (server->beats_told > server->beats_come && !server->deaf_since_ms)
        server->deaf_since_ms = clock_mono_ms();
}

/* The answers come in the order of the questions, so this one repeats the number of the oldest. */
static void on_echo(void *arg, const struct redisReply *reply)
{
    struct bus_server *server = arg;
    char number[24];
    const char *refusal = redis_reply_error(reply);
    if (!reply)
        return;
    snprintf(number, sizeof number, "%llu", (unsigned long long)++server->beats_echoed);
    if (refusal && !strncmp(refusal, "NOPERM", 6))
        return; /* the account lacks the right: then nobody can tell */
    if (!str_eq(redis_reply_text(reply), str_of(number)))
        server->fault = "out_of_step";
}

/* Each with its number, so that it is known which one has come. */
static void send_beat(struct bus_server *server)
{
    char number[24];
    int len = snprintf(number, sizeof number, "%llu", (unsigned long long)++server->beats_sent);
    const char *args[] = {"PUBLISH", server->bus->beat_channel, number};
    size_t lengths[] = {7, strlen(server->bus->beat_channel), (size_t)len};
    server->beat_sent_ms = clock_mono_ms();
    redis_link_ask(&server->command, on_beat_told, server, 3, args, lengths);
    const char *echo[] = {"PING", number};
    size_t echo_lengths[] = {4, (size_t)len};
    redis_link_ask(&server->command, on_echo, server, 2, echo, echo_lengths);
}

/* It answers nothing; or it has published heartbeats, as it says, that do not come. */
static bool is_silent(const struct bus_server *server, int64_t now, int64_t timeout)
{
    bool answers = now - server->answered_ms <= timeout || now - server->beat_seen_ms <= timeout;
    return !answers || (server->deaf_since_ms && now - server->deaf_since_ms > timeout);
}

/* ---- connecting ---- */

static void on_role(void *arg, const struct redisReply *reply)
{
    struct bus_server *server = arg;
    if (!reply)
        return;
    server->is_master = redis_reply_is_master(reply);
    if (!server->is_master)
        server->fault = "not_master";
}

/* Where it is has been found; `numeric` is the address that the name stands for. */
static void connect_to(struct bus_server *server, const char *numeric)
{
    struct bus_common *bus = server->bus;
    const char *password = settings_secret(&bus->settings->redis_password);
    int port = server->found.port;
    server->search = SEARCH_NONE;
    server->beat_seen_ms = server->answered_ms = clock_mono_ms();
    server->beat_sent_ms = server->deaf_since_ms = 0;
    server->beats_sent = server->beats_told = server->beats_come = server->beats_echoed = 0;
    server->is_master = false;
    if (!redis_link_open(&server->listen, bus->loop, numeric, port, password) ||
        !redis_link_open(&server->command, bus->loop, numeric, port, password)) {
        lose(server, "connect");
        return;
    }
    metric_inc(METRIC_REDIS_CONNECTS);
    const char *role = "ROLE";
    size_t length = 4;
    redis_link_ask(&server->command, on_role, server, 1, &role, &length);
    subscribe_all(server); /* before the heartbeat's channel: when that speaks, all are subscribed */
    say_of_channel(server, "SUBSCRIBE", bus->beat_channel);
}

/* ---- where it is ----
 *
 * A name is resolved by the loop's threads. With sentinels, they are asked one after the other until one answers; if none
 * does, the server is tried where it was last. */

static const struct redis_server *known(const struct bus_server *server)
{
    return &server->bus->known.servers[server->index];
}

static const struct endpoint *sentinel_of(const struct bus_server *server)
{
    return redis_search_sentinel(&server->sentinels, &server->bus->known);
}

static void on_told(void *arg, const struct redisReply *reply)
{
    struct bus_server *server = arg;
    struct endpoint master;
    server->answered = redis_reply_place(reply, &master);
    if (server->answered)
        server->found = master;
    else if (!server->ask.lost)
        server->ask.lost = "unknown"; /* it does not know, or talks nonsense */
}

static void ask(struct bus_server *server, const char *numeric)
{
    const struct bus_common *bus = server->bus;
    const char *args[] = {"SENTINEL", "get-master-addr-by-name", known(server)->master};
    size_t lengths[] = {8, 23, strlen(known(server)->master)};
    server->asking_since_ms = clock_mono_ms();
    server->answered = false;
    if (redis_link_open(&server->ask, bus->loop, numeric, sentinel_of(server)->port,
                        settings_secret(&bus->settings->redis_sentinel_password)))
        redis_link_ask(&server->ask, on_told, server, 3, args, lengths);
    else
        server->ask.lost = "connect";
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *result)
{
    struct bus_server *server = container_of(request, struct bus_server, resolve);
    char numeric[INET6_ADDRSTRLEN] = "";
    server->resolving = false;
    if (status == 0 && result->ai_family == AF_INET)
        uv_ip4_name((struct sockaddr_in *)(void *)result->ai_addr, numeric, sizeof numeric);
    else if (status == 0)
        uv_ip6_name((struct sockaddr_in6 *)(void *)result->ai_addr, numeric, sizeof numeric);
    uv_freeaddrinfo(result);
    if (server->bus->stopping)
        return;
    if (server->search == SEARCH_SENTINEL && *numeric)
        ask(server, numeric);
    else if (server->search == SEARCH_SENTINEL)
        server->ask.lost = "resolve";
    else if (*numeric)
        connect_to(server, numeric);
    else
        lose(server, "resolve");
}

static bool resolve(struct bus_server *server, const char *host)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    server->resolving = !uv_getaddrinfo(server->bus->loop, &server->resolve, on_resolved, host, NULL, &hints);
    return server->resolving;
}

static void found(struct bus_server *server, const struct endpoint *address)
{
    server->search = SEARCH_NAME;
    server->found = *address;
    if (!address->port)
        connect_to(server, address->host);
    else if (!resolve(server, address->host))
        lose(server, "resolve");
}

static void ask_next(struct bus_server *server)
{
    const struct endpoint *last = redis_health_place(&server->bus->health, server->index);
    server->search = SEARCH_SENTINEL;
    server->ask.lost = NULL;
    if (sentinel_of(server)) {
        server->asking_since_ms = clock_mono_ms();
        if (!resolve(server, sentinel_of(server)->host))
            server->ask.lost = "resolve";
    } else if (*last->host) {
        found(server, last);
    } else {
        lose(server, "sentinels");
    }
}

static void search(struct bus_server *server)
{
    server->found = (struct endpoint){0};
    server->sentinels = redis_health_search(&server->bus->health, server->index);
    if (*known(server)->master)
        ask_next(server);
    else
        found(server, &known(server)->address);
}

static void supervise_search(struct bus_server *server, int64_t now)
{
    int64_t limit = server->bus->settings->redis_timeout_ms / REDIS_SENTINEL_SHARE;
    if (server->search != SEARCH_SENTINEL)
        return;
    if (server->answered) {
        server->answered = false;
        redis_link_drop(&server->ask);
        redis_health_found(&server->bus->health, server->index, &server->sentinels);
        found(server, &server->found);
    } else if (server->ask.lost || now - server->asking_since_ms > limit) {
        char text[ENDPOINT_TEXT_MAX];
        endpoint_text(sentinel_of(server), text);
        log_debug("redis.sentinel_failed", "at=%s why=%s", text, server->ask.lost ? server->ask.lost : "late");
        redis_link_drop(&server->ask);
        redis_search_next(&server->sentinels);
        ask_next(server);
    }
}

/* ---- the whole ---- */

void bus_server_supervise(struct bus_server *server)
{
    int64_t now = clock_mono_ms(), timeout = server->bus->settings->redis_timeout_ms;
    bool up = bus_server_up(server);
    if (server->resolving)
        return;
    if (server->search != SEARCH_NONE) {
        supervise_search(server, now);
    } else if (server->listen.lost || server->command.lost) {
        lose(server, server->command.lost ? server->command.lost : server->listen.lost);
    } else if (server->fault) {
        lose(server, server->fault);
    } else if (!server->listen.conn) {
        if (redis_health_may_try(&server->bus->health, server->index))
            search(server);
    } else if (is_silent(server, now, timeout)) {
        lose(server, up ? "silent" : "connect_timeout");
    } else if (server->is_master && now - server->beat_sent_ms >= (up ? timeout / 4 : timeout / 16)) {
        send_beat(server);
    }
}

void bus_server_flush(struct bus_server *server)
{
    redis_link_flush(&server->listen);
    redis_link_flush(&server->command);
    redis_link_flush(&server->ask);
}

void bus_server_init(struct bus_server *server, struct bus_common *bus, size_t index)
{
    server->bus = bus;
    server->index = index;
    server->listen.unasked = on_push;
    server->listen.arg = server;
}

void bus_server_stop(struct bus_server *server)
{
    redis_health_left(&server->bus->health, server->index);
    drop_links(server);
    if (server->resolving)
        uv_cancel((uv_req_t *)&server->resolve);
}

void bus_server_fini(struct bus_server *server)
{
    CG_ASSERT(!server->listen.conn && !server->command.conn && !server->ask.conn);
    map_fini(&server->subscriptions);
}
