/* bus_server.c: one Redis server of the bus. Its heartbeat is published on one connection and must arrive on the other;
 * if it does not, both are made anew. A heartbeat that waits behind commands which are being answered one by one is late
 * and not lost: losing the connection then would make Redis do all of that again. A server that says that it is no master, or that it takes no writes, is left:
 * since a failover it is somebody else's copy, and would still carry messages, but to nobody. */
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/redis/redis_reply.h"
#include "relay/redis/bus_parts.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

enum { SUBSCRIBE_BATCH = 500 };

/* ---- up and down ---- */

static size_t index_of(const struct bus_server *server)
{
    return (size_t)(server - server->bus->servers);
}

bool bus_server_up(const struct bus_server *server)
{
    return redis_health_is_up(&server->bus->health, index_of(server));
}

static void tell(const struct bus_server *server, bool up)
{
    const struct bus *bus = server->bus;
    if (!bus->stopping)
        bus->events.state(bus->events.arg, index_of(server), up);
}

static void set_up(struct bus_server *server)
{
    if (redis_health_came_up(&server->bus->health, index_of(server), &server->found))
        tell(server, true);
}

/* Outside the connections' callbacks only. It is up no more: whoever is told that a command was lost sends no other. */
static void drop_links(struct bus_server *server)
{
    bus_find_stop(server);
    bus_link_drop(&server->listen);
    bus_link_drop(&server->command);
    server->fault = NULL;
    server->is_master = false;
}

void bus_server_lose(struct bus_server *server, const char *why)
{
    bool was_up = redis_health_lost(&server->bus->health, index_of(server), &server->found, why);
    drop_links(server);
    if (was_up)
        tell(server, false);
}

/* ---- channels ---- */

/* The conversation whose channel that is: 0 if it is none's. */
static uint64_t channel_conversation(const struct bus *bus, const char *channel)
{
    char name[CHANNEL_MAX];
    const char *number = strrchr(channel, ':');
    uint64_t conversation = number ? strtoull(number + 1, NULL, 10) : 0;
    bus_channel_name(bus, conversation, name);
    return strcmp(name, channel) ? 0 : conversation;
}

static void on_push(struct bus_server *server, const redisReply *push)
{
    struct bus *bus = server->bus;
    if (push->type != REDIS_REPLY_ARRAY || push->elements < 3 || !push->element[0]->str || !push->element[1]->str)
        return; /* a refusal, perhaps: the heartbeat will tell */
    const char *kind = push->element[0]->str;
    const redisReply *payload = push->element[2];
    if (!strcmp(kind, "subscribe")) {
        uint64_t conversation = channel_conversation(bus, push->element[1]->str);
        if (conversation)
            bus->events.subscribed(bus->events.arg, conversation);
    } else if (!strcmp(kind, "message") && payload->type == REDIS_REPLY_STRING) {
        if (strcmp(push->element[1]->str, bus->beat_channel) != 0) {
            bus->events.received(bus->events.arg, (struct str){payload->str, (size_t)payload->len});
            return;
        }
        server->beat_seen_ms = clock_mono_ms();
        server->beats_come = strtoull(payload->str, NULL, 10);
        if (server->beats_come >= server->beats_told)
            server->deaf_since_ms = 0;
        if (server->is_master)
            set_up(server);
    }
}

static void subscribe_all(struct bus_server *server)
{
    char(*names)[CHANNEL_MAX] = mem_zalloc(SUBSCRIBE_BATCH * sizeof *names);
    const char *args[SUBSCRIBE_BATCH + 1] = {"SUBSCRIBE"};
    size_t lengths[SUBSCRIBE_BATCH + 1] = {9}, at = 0;
    int count = 0;
    for (void *value; (value = map_next(&server->subscriptions, &at));) {
        lengths[count + 1] = (size_t)bus_channel_name(server->bus, (uintptr_t)value, names[count]);
        args[count + 1] = names[count];
        if (++count == SUBSCRIBE_BATCH) {
            bus_link_say(&server->listen, count + 1, args, lengths);
            count = 0;
        }
    }
    if (count)
        bus_link_say(&server->listen, count + 1, args, lengths);
    free(names);
}

static void say_of_channel(struct bus_server *server, const char *command, const char *channel)
{
    const char *args[] = {command, channel};
    size_t lengths[] = {strlen(command), strlen(channel)};
    if (server->listen.conn)
        bus_link_say(&server->listen, 2, args, lengths);
}

void bus_server_subscribe(struct bus_server *server, const char *channel)
{
    say_of_channel(server, "SUBSCRIBE", channel);
}

void bus_server_unsubscribe(struct bus_server *server, const char *channel)
{
    say_of_channel(server, "UNSUBSCRIBE", channel);
}

/* ---- connecting ---- */

static void on_role(void *arg, const redisReply *reply)
{
    struct bus_server *server = arg;
    if (!reply)
        return;
    server->is_master = redis_reply_is_master(reply);
    if (!server->is_master)
        server->fault = "not_master";
}

void bus_server_connect(struct bus_server *server, const char *numeric)
{
    const char *password = server->bus->settings->redis_password;
    int port = server->found.port;
    server->search = SEARCH_NONE;
    server->beat_seen_ms = server->answered_ms = clock_mono_ms();
    server->beat_sent_ms = server->deaf_since_ms = 0;
    server->beats_sent = server->beats_told = server->beats_come = 0;
    server->is_master = false;
    if (!bus_link_open(&server->listen, numeric, port, password) ||
        !bus_link_open(&server->command, numeric, port, password)) {
        bus_server_lose(server, "connect");
        return;
    }
    metric_inc(METRIC_REDIS_CONNECTS);
    const char *role = "ROLE";
    size_t length = 4;
    bus_link_ask(&server->command, on_role, server, 1, &role, &length);
    subscribe_all(server); /* before the heartbeat's channel: when that speaks, all are subscribed */
    bus_server_subscribe(server, server->bus->beat_channel);
}

void bus_server_answered(struct bus_server *server)
{
    server->answered_ms = clock_mono_ms();
}

static void on_beat_told(void *arg, const redisReply *reply)
{
    struct bus_server *server = arg;
    if (!reply)
        return;
    bus_server_answered(server);
    server->beats_told++;
    if (server->beats_told > server->beats_come && !server->deaf_since_ms)
        server->deaf_since_ms = clock_mono_ms();
}

/* Each with its number, so that it is known which one has come. */
static void send_beat(struct bus_server *server)
{
    char number[24];
    int len = snprintf(number, sizeof number, "%llu", (unsigned long long)++server->beats_sent);
    const char *args[] = {"PUBLISH", server->bus->beat_channel, number};
    size_t lengths[] = {7, strlen(server->bus->beat_channel), (size_t)len};
    server->beat_sent_ms = clock_mono_ms();
    bus_link_ask(&server->command, on_beat_told, server, 3, args, lengths);
}

/* It answers nothing; or it has published heartbeats, as it says, that do not come. */
static bool is_silent(const struct bus_server *server, int64_t now, int64_t timeout)
{
    bool answers = now - server->answered_ms <= timeout || now - server->beat_seen_ms <= timeout;
    return !answers || (server->deaf_since_ms && now - server->deaf_since_ms > timeout);
}

void bus_server_supervise(struct bus_server *server)
{
    int64_t now = clock_mono_ms(), timeout = server->bus->settings->redis_timeout_ms;
    if (server->resolving)
        return;
    if (server->search != SEARCH_NONE) {
        bus_find_supervise(server);
    } else if (server->listen.lost || server->command.lost) {
        bus_server_lose(server, "closed");
    } else if (server->fault) {
        bus_server_lose(server, server->fault);
    } else if (!server->listen.conn) {
        if (redis_health_may_try(&server->bus->health, index_of(server)))
            bus_find_begin(server);
    } else if (is_silent(server, now, timeout)) {
        bus_server_lose(server, bus_server_up(server) ? "silent" : "connect_timeout");
    } else if (server->is_master &&
               now - server->beat_sent_ms >= (bus_server_up(server) ? timeout / 4 : timeout / 16)) {
        send_beat(server);
    }
}

void bus_server_init(struct bus_server *server, struct bus *bus, const struct redis_server *known)
{
    server->bus = bus;
    server->known = known;
    server->listen.server = server->command.server = server->ask.server = server;
    server->listen.unasked = on_push;
}

void bus_server_stop(struct bus_server *server)
{
    redis_health_left(&server->bus->health, index_of(server));
    drop_links(server);
}

void bus_server_fini(struct bus_server *server)
{
    CG_ASSERT(!server->listen.conn && !server->command.conn && !server->ask.conn);
    map_fini(&server->subscriptions);
}
