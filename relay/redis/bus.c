#include "relay/redis/bus.h"

#include "common/mem.h"
#include "common/metrics.h"
#include "common/log.h"
#include "common/redis/redis_reply.h"
#include "relay/redis/bus_server.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SUPERVISE_MS = 50,
    PUBLISH_PENDING_BYTES = 64 * 1024 * 1024, /* of one server */
    COMMANDS_PENDING = 200000,
    PAYERS_LEAST = 8, /* payers that it takes to fill redis_commands_max */
};
#define PAYER_UNKNOWN UINT64_MAX

struct bus {
    struct bus_common common;
    struct bus_server *servers; /* common.known.count of them */
    uv_timer_t supervisor;
    struct map payers; /* payer → how many commands it has on their way; 0 has PAYER_UNKNOWN */
    size_t paid;       /* of all of them */
};

/* ---- servers ---- */

size_t bus_servers(const struct bus *bus)
{
    return bus->common.known.count;
}

size_t bus_server_of(const struct bus *bus, uint64_t conversation)
{
    return redis_server_of(bus->common.known.count, conversation);
}

bool bus_server_is_up(const struct bus *bus, size_t server)
{
    return redis_health_is_up(&bus->common.health, server);
}

size_t bus_servers_up(const struct bus *bus)
{
    return redis_health_count_up(&bus->common.health);
}

void bus_flush(struct bus *bus)
{
    for (size_t i = 0; i < bus->common.known.count; i++)
        bus_server_flush(&bus->servers[i]);
}

bool bus_is_up(const struct bus *bus)
{
    return redis_health_all_up(&bus->common.health);
}

void bus_add_state(const struct bus *bus, struct buf *out)
{
    redis_health_add(&bus->common.health, out);
}

static struct bus_server *server_of(struct bus *bus, uint64_t conversation)
{
    return &bus->servers[bus_server_of(bus, conversation)];
}

/* ---- channels ---- */

bool bus_subscribe(struct bus *bus, uint64_t conversation)
{
    struct bus_server *server = server_of(bus, conversation);
    bus_server_subscribe(server, conversation);
    return bus_server_up(server);
}

void bus_unsubscribe(struct bus *bus, uint64_t conversation)
{
    bus_server_unsubscribe(server_of(bus, conversation), conversation);
}

/* ---- beginning and end ---- */

static void on_supervise(uv_timer_t *timer)
{
    struct bus *bus = timer->data;
    for (size_t i = 0; i < bus->common.known.count; i++)
        bus_server_supervise(&bus->servers[i]);
}

struct bus *bus_new(uv_loop_t *loop, const struct settings *settings, uint64_t incarnation,
                    const struct bus_events *events)
{
    char why[256];
    struct bus *bus = mem_zalloc(sizeof *bus);
    bus->common.loop = loop;
    bus->common.settings = settings;
    bus->common.events = *events;
    enum err err = redis_servers_read(settings, &bus->common.known, why);
    CG_ASSERT(!err);
    redis_health_init(&bus->common.health, &bus->common.known);
    snprintf(bus->common.beat_channel, sizeof bus->common.beat_channel, "%s:beat:%llx", settings->redis_prefix,
             (unsigned long long)incarnation);
    bus->servers = mem_zalloc(bus->common.known.count * sizeof bus->servers[0]);
    for (size_t i = 0; i < bus->common.known.count; i++)
        bus_server_init(&bus->servers[i], &bus->common, i);
    uv_timer_init(loop, &bus->supervisor);
    bus->supervisor.data = bus;
    uv_timer_start(&bus->supervisor, on_supervise, 0, SUPERVISE_MS);
    return bus;
}

void bus_stop(struct bus *bus)
{
    bus->common.stopping = true;
    for (size_t i = 0; i < bus->common.known.count; i++)
        bus_server_stop(&bus->servers[i]);
    uv_close((uv_handle_t *)&bus->supervisor, NULL);
}

void bus_free(struct bus *bus)
{
    CG_ASSERT(bus->common.stopping);
    for (size_t i = 0; i < bus->common.known.count; i++)
        bus_server_fini(&bus->servers[i]);
    CG_ASSERT(!bus->paid);
    map_fini(&bus->payers);
    free(bus->servers);
    free(bus);
}

/* ---- publishing and commands ---- */

struct published {
    struct bus_server *server;
    size_t bytes;
};

static void on_published(void *arg, const struct redisReply *reply)
{
    struct published *published = arg;
    if (reply)
        bus_server_answered(published->server);
    published->server->publish_bytes -= published->bytes;
    free(published);
}

void bus_publish(struct bus *bus, uint64_t conversation, struct str payload)
{
    struct bus_server *server = server_of(bus, conversation);
    if (!bus_server_up(server) || !server->command.conn ||
        server->publish_bytes + payload.len > PUBLISH_PENDING_BYTES) {
        metric_inc(METRIC_PUBLISH_SKIPPED);
        return;
    }
    char channel[PRESENCE_KEY_MAX];
    const char *args[] = {"PUBLISH", channel, payload.ptr};
    size_t lengths[] = {7, presence_channel(channel, bus->common.settings->redis_prefix, conversation), payload.len};
    struct published *published = mem_zalloc(sizeof *published);
    *published = (struct published){server, payload.len};
    server->publish_bytes += payload.len;
    metric_inc(METRIC_PUBLISHED);
    redis_link_ask(&server->command, on_published, published, 3, args, lengths);
}

/* ---- who pays ---- */

static uint64_t payer_key(uint64_t payer)
{
    return payer ? payer : PAYER_UNKNOWN;
}

bool bus_has_room(const struct bus *bus, uint64_t payer)
{
    size_t most = (size_t)bus->common.settings->redis_commands_max;
    size_t own = (size_t)(uintptr_t)map_get(&bus->payers, payer_key(payer));
    if (bus->paid < most && own < (most + PAYERS_LEAST - 1) / PAYERS_LEAST)
        return true;
    metric_inc(METRIC_REDIS_COMMANDS_REFUSED);
    return false;
}

static void count_paid(struct bus *bus, uint64_t key, int by)
{
    uintptr_t now = (uintptr_t)map_get(&bus->payers, key) + (uintptr_t)(intptr_t)by;
    bus->paid += (size_t)(intptr_t)by;
    if (now)
        map_put(&bus->payers, key, (void *)now);
    else
        map_take(&bus->payers, key);
    metric_set(METRIC_REDIS_COMMANDS_PAID, (int64_t)bus->paid);
}

struct call {
    struct bus *bus;
    struct bus_server *server;
    uint64_t payer; /* its key; 0: the relay itself */
    bus_reply_fn *fn;
    void *arg;
};

static void on_reply(void *arg, const struct redisReply *reply)
{
    struct call call = *(struct call *)arg;
    free(arg);
    call.server->commands--;
    if (call.payer)
        count_paid(call.bus, call.payer, -1);
    if (reply)
        bus_server_answered(call.server);
    const char *refusal = redis_reply_error(reply);
    if (refusal) {
        log_error("redis.refused", "msg=\"%.120s\"", refusal);
        if (!strncmp(refusal, "READONLY", 8))
            call.server->fault = "read_only"; /* a failover has made it somebody's copy */
        reply = NULL;
    }
    call.fn(call.arg, (const struct bus_reply *)(const void *)reply);
}

static void send_command(struct bus *bus, size_t index, uint64_t payer, bus_reply_fn *fn, void *arg,
                         const struct str *args, size_t count)
{
    struct bus_server *server = &bus->servers[index];
    CG_ASSERT(count <= BUS_MAX_ARGS && index < bus->common.known.count);
    if (!bus_server_up(server) || !server->command.conn || server->commands >= COMMANDS_PENDING) {
        fn(arg, NULL);
        return;
    }
    const char *texts[BUS_MAX_ARGS];
    size_t lengths[BUS_MAX_ARGS];
    for (size_t i = 0; i < count; i++) {
        texts[i] = args[i].ptr;
        lengths[i] = args[i].len;
    }
    struct call *call = mem_zalloc(sizeof *call);
    *call = (struct call){bus, server, payer, fn, arg};
    server->commands++;
    if (payer)
        count_paid(bus, payer, 1);
    redis_link_ask(&server->command, on_reply, call, (int)count, texts, lengths);
}

void bus_command_on(struct bus *bus, size_t server, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    send_command(bus, server, 0, fn, arg, args, count);
}

void bus_command(struct bus *bus, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    send_command(bus, 0, 0, fn, arg, args, count);
}

void bus_command_for(struct bus *bus, uint64_t payer, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    send_command(bus, 0, payer_key(payer), fn, arg, args, count);
}
