#include "relay/bus.h"

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SUPERVISE_MS = 50,
    SUBSCRIBE_BATCH = 500,
    CHANNEL_MAX = 80,
    PUBLISH_PENDING_BYTES = 64 * 1024 * 1024,
    COMMANDS_PENDING = 200000,
};

/* One connection and its place in the loop. */
struct link {
    struct bus *bus;
    const char *role;
    redisAsyncContext *context; /* NULL: none */
};

struct bus {
    uv_loop_t *loop;
    const struct settings *settings;
    struct bus_events events;
    struct link listen, command; /* SUBSCRIBE on one, all else on the other */
    uv_timer_t supervisor;
    uv_getaddrinfo_t resolve;
    bool resolving, stopping, up;
    bool in_callback_loss; /* a link was lost: the supervisor clears up outside hiredis' callbacks */
    struct backoff backoff;
    int64_t connecting_since_ms, beat_sent_ms, beat_seen_ms;
    char beat_channel[CHANNEL_MAX];
    struct map subscriptions; /* conversation → itself */
    size_t publish_bytes;     /* sent and not answered */
    size_t commands;          /* sent and not answered */
};

/* ---- replies ---- */

static const redisReply *raw(const struct bus_reply *reply)
{
    return (const redisReply *)(const void *)reply;
}

int64_t bus_reply_number(const struct bus_reply *reply)
{
    return reply && raw(reply)->type == REDIS_REPLY_INTEGER ? raw(reply)->integer : 0;
}

struct str bus_reply_text(const struct bus_reply *reply)
{
    if (!reply || raw(reply)->type != REDIS_REPLY_STRING)
        return STR("");
    return (struct str){raw(reply)->str, raw(reply)->len};
}

size_t bus_reply_count(const struct bus_reply *reply)
{
    return reply && raw(reply)->type == REDIS_REPLY_ARRAY ? raw(reply)->elements : 0;
}

const struct bus_reply *bus_reply_at(const struct bus_reply *reply, size_t index)
{
    CG_ASSERT(index < bus_reply_count(reply));
    return (const struct bus_reply *)(const void *)raw(reply)->element[index];
}

/* ---- hiredis as a guest of the loop ----
 *
 * hiredis' own adapter ignores an error of uv_poll, so that a refused connect is never reported; this
 * one lets hiredis look for itself. */

struct poll {
    uv_poll_t handle;
    redisAsyncContext *context; /* NULL once hiredis has let go */
    struct link *link;
    int events;
};

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct poll *poll = handle->data;
    if (status < 0)
        events = UV_READABLE | UV_WRITABLE;
    if (poll->context && (events & UV_READABLE))
        redisAsyncHandleRead(poll->context);
    if (poll->context && (events & UV_WRITABLE))
        redisAsyncHandleWrite(poll->context);
}

static void poll_update(struct poll *poll, int events)
{
    poll->events = events;
    if (events)
        uv_poll_start(&poll->handle, events, on_poll);
    else
        uv_poll_stop(&poll->handle);
}

static void add_read(void *data)
{
    struct poll *poll = data;
    if (!(poll->events & UV_READABLE))
        poll_update(poll, poll->events | UV_READABLE);
}

static void del_read(void *data)
{
    struct poll *poll = data;
    poll_update(poll, poll->events & ~UV_READABLE);
}

static void add_write(void *data)
{
    struct poll *poll = data;
    if (!(poll->events & UV_WRITABLE))
        poll_update(poll, poll->events | UV_WRITABLE);
}

static void del_write(void *data)
{
    struct poll *poll = data;
    if (poll->events & UV_WRITABLE)
        poll_update(poll, poll->events & ~UV_WRITABLE);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* hiredis lets go of the connection: the one place where its end is seen, whatever the cause. */
static void cleanup(void *data)
{
    struct poll *poll = data;
    poll->context = NULL;
    poll->link->context = NULL;
    poll->link->bus->in_callback_loss = true;
    uv_close((uv_handle_t *)&poll->handle, on_poll_closed);
}

static bool attach(struct link *link, redisAsyncContext *context)
{
    struct poll *poll = mem_zalloc(sizeof *poll);
    if (uv_poll_init(link->bus->loop, &poll->handle, context->c.fd)) {
        free(poll);
        return false;
    }
    poll->handle.data = poll;
    poll->context = context;
    poll->link = link;
    context->ev.data = poll;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    link->context = context;
    return true;
}

/* ---- channels ---- */

static int channel_name(const struct bus *bus, uint64_t conversation, char out[CHANNEL_MAX])
{
    return snprintf(out, CHANNEL_MAX, "%s:room:%llu", bus->settings->redis_prefix,
                    (unsigned long long)conversation);
}

static uint64_t channel_conversation(const char *channel)
{
    const char *number = strrchr(channel, ':');
    return number ? strtoull(number + 1, NULL, 10) : 0;
}

static void set_up(struct bus *bus, bool up)
{
    if (bus->up == up)
        return;
    bus->up = up;
    metric_set(METRIC_REDIS_UP, up);
    if (up) {
        backoff_reset(&bus->backoff);
        log_info("redis.up", "subscriptions=%zu", bus->subscriptions.count);
    } else {
        log_warn("redis.down", "subscriptions=%zu", bus->subscriptions.count);
    }
    bus->events.state(bus->events.arg, up);
}

static void on_push(redisAsyncContext *context, void *data, void *private)
{
    const redisReply *push = data;
    struct bus *bus = private;
    (void)context;
    if (!push || push->type != REDIS_REPLY_ARRAY || push->elements < 3 || !push->element[1]->str)
        return; /* the connection is going, or a refusal: the heartbeat will tell */
    const redisReply *payload = push->element[2];
    if (!strcmp(push->element[0]->str, "subscribe")) {
        bus->events.subscribed(bus->events.arg, channel_conversation(push->element[1]->str));
    } else if (payload->type == REDIS_REPLY_STRING) {
        if (strcmp(push->element[1]->str, bus->beat_channel) != 0) {
            bus->events.received(bus->events.arg, (struct str){payload->str, payload->len});
            return;
        }
        bus->beat_seen_ms = clock_mono_ms();
        set_up(bus, true);
    }
}

static void send_subscribe(struct bus *bus, const char *const *names, const size_t *lengths, int count)
{
    redisAsyncCommandArgv(bus->listen.context, on_push, bus, count, (const char **)(uintptr_t)names,
                          lengths);
}

static void subscribe_all(struct bus *bus)
{
    char(*names)[CHANNEL_MAX] = mem_zalloc(SUBSCRIBE_BATCH * sizeof *names);
    const char *args[SUBSCRIBE_BATCH + 1] = {"SUBSCRIBE"};
    size_t lengths[SUBSCRIBE_BATCH + 1] = {9}, at = 0;
    int count = 0;
    for (void *value; (value = map_next(&bus->subscriptions, &at));) {
        lengths[count + 1] = (size_t)channel_name(bus, (uintptr_t)value, names[count]);
        args[count + 1] = names[count];
        if (++count == SUBSCRIBE_BATCH) {
            send_subscribe(bus, args, lengths, count + 1);
            count = 0;
        }
    }
    if (count)
        send_subscribe(bus, args, lengths, count + 1);
    free(names);
}

static void subscribe_one(struct bus *bus, const char *name)
{
    const char *args[] = {"SUBSCRIBE", name};
    size_t lengths[] = {9, strlen(name)};
    send_subscribe(bus, args, lengths, 2);
}

bool bus_subscribe(struct bus *bus, uint64_t conversation)
{
    char name[CHANNEL_MAX];
    channel_name(bus, conversation, name);
    map_put(&bus->subscriptions, conversation, (void *)(uintptr_t)conversation);
    if (bus->listen.context)
        subscribe_one(bus, name);
    return bus->up;
}

void bus_unsubscribe(struct bus *bus, uint64_t conversation)
{
    char name[CHANNEL_MAX];
    channel_name(bus, conversation, name);
    map_take(&bus->subscriptions, conversation);
    if (bus->listen.context)
        redisAsyncCommand(bus->listen.context, NULL, NULL, "UNSUBSCRIBE %s", name);
}

/* ---- connecting ---- */

static void on_auth(redisAsyncContext *context, void *data, void *private)
{
    const redisReply *reply = data;
    (void)context;
    (void)private;
    if (reply && reply->type == REDIS_REPLY_ERROR)
        log_error("redis.auth_failed", "msg=\"%s\"", reply->str);
}

static bool open_link(struct link *link, const char *address)
{
    const struct settings *settings = link->bus->settings;
    redisAsyncContext *context = address ? redisAsyncConnect(address, (int)settings->redis_port)
                                         : redisAsyncConnectUnix(settings->redis_socket);
    if (!context || context->err || !attach(link, context)) {
        if (context)
            redisAsyncFree(context);
        return false;
    }
    if (*settings->redis_password)
        redisAsyncCommand(context, on_auth, NULL, "AUTH %s", settings->redis_password);
    return true;
}

/* Outside hiredis' callbacks only. */
static void drop_links(struct bus *bus)
{
    if (bus->listen.context)
        redisAsyncFree(bus->listen.context);
    if (bus->command.context)
        redisAsyncFree(bus->command.context);
    bus->in_callback_loss = false;
    set_up(bus, false);
}

static void lose(struct bus *bus, const char *why)
{
    bool was_up = bus->up;
    drop_links(bus);
    int64_t wait = backoff_fail(&bus->backoff);
    if (was_up || bus->backoff.delay_ms == bus->backoff.first_ms)
        log_warn("redis.lost", "why=%s retry_ms=%lld", why, (long long)wait);
}

static void open_links(struct bus *bus, const char *address)
{
    bus->connecting_since_ms = bus->beat_seen_ms = clock_mono_ms();
    bus->beat_sent_ms = 0;
    if (!open_link(&bus->listen, address) || !open_link(&bus->command, address)) {
        lose(bus, "connect");
        return;
    }
    metric_inc(METRIC_REDIS_CONNECTS);
    subscribe_all(bus); /* before the heartbeat's channel: when that speaks, all are subscribed */
    subscribe_one(bus, bus->beat_channel);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *result)
{
    struct bus *bus = (struct bus *)(void *)((char *)request - offsetof(struct bus, resolve));
    char address[INET6_ADDRSTRLEN] = "";
    bus->resolving = false;
    if (status == 0 && result->ai_family == AF_INET)
        uv_ip4_name((struct sockaddr_in *)(void *)result->ai_addr, address, sizeof address);
    else if (status == 0)
        uv_ip6_name((struct sockaddr_in6 *)(void *)result->ai_addr, address, sizeof address);
    uv_freeaddrinfo(result);
    if (bus->stopping)
        return;
    if (*address)
        open_links(bus, address);
    else
        lose(bus, "resolve");
}

static void begin_connect(struct bus *bus)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    if (*bus->settings->redis_socket) {
        open_links(bus, NULL);
        return;
    }
    if (uv_getaddrinfo(bus->loop, &bus->resolve, on_resolved, bus->settings->redis_host, NULL, &hints))
        lose(bus, "resolve");
    else
        bus->resolving = true;
}

static void send_beat(struct bus *bus)
{
    bus->beat_sent_ms = clock_mono_ms();
    redisAsyncCommand(bus->command.context, NULL, NULL, "PUBLISH %s beat", bus->beat_channel);
}

static void on_supervise(uv_timer_t *timer)
{
    struct bus *bus = timer->data;
    int64_t now = clock_mono_ms(), timeout = bus->settings->redis_timeout_ms;
    if (bus->resolving)
        return;
    if (bus->in_callback_loss) {
        lose(bus, "closed");
    } else if (!bus->listen.context) {
        if (backoff_due(&bus->backoff))
            begin_connect(bus);
    } else if (now - bus->beat_seen_ms > timeout) {
        lose(bus, bus->up ? "silent" : "connect_timeout");
    } else if (now - bus->beat_sent_ms >= (bus->up ? timeout / 4 : timeout / 16)) {
        send_beat(bus);
    }
}

struct bus *bus_new(uv_loop_t *loop, const struct settings *settings, uint64_t incarnation,
                    const struct bus_events *events)
{
    struct bus *bus = mem_zalloc(sizeof *bus);
    bus->loop = loop;
    bus->settings = settings;
    bus->events = *events;
    bus->listen = (struct link){.bus = bus, .role = "listen"};
    bus->command = (struct link){.bus = bus, .role = "command"};
    bus->backoff = (struct backoff){.first_ms = 50, .most_ms = 2000};
    snprintf(bus->beat_channel, sizeof bus->beat_channel, "%s:beat:%llx", settings->redis_prefix,
             (unsigned long long)incarnation);
    uv_timer_init(loop, &bus->supervisor);
    bus->supervisor.data = bus;
    uv_timer_start(&bus->supervisor, on_supervise, 0, SUPERVISE_MS);
    return bus;
}

void bus_stop(struct bus *bus)
{
    bus->stopping = true;
    bus->up = false; /* nobody wants to hear of it any more */
    drop_links(bus);
    if (bus->resolving)
        uv_cancel((uv_req_t *)&bus->resolve);
    uv_close((uv_handle_t *)&bus->supervisor, NULL);
}

void bus_free(struct bus *bus)
{
    CG_ASSERT(bus->stopping && !bus->listen.context && !bus->command.context);
    map_fini(&bus->subscriptions);
    free(bus);
}

bool bus_is_up(const struct bus *bus)
{
    return bus->up;
}

/* ---- publishing and commands ---- */

struct published {
    struct bus *bus;
    size_t bytes;
};

static void on_published(redisAsyncContext *context, void *reply, void *private)
{
    struct published *published = private;
    (void)context;
    (void)reply;
    published->bus->publish_bytes -= published->bytes;
    free(published);
}

void bus_publish(struct bus *bus, uint64_t conversation, struct str payload)
{
    if (!bus->up || !bus->command.context ||
        bus->publish_bytes + payload.len > PUBLISH_PENDING_BYTES) {
        metric_inc(METRIC_PUBLISH_SKIPPED);
        return;
    }
    char channel[CHANNEL_MAX];
    const char *args[] = {"PUBLISH", channel, payload.ptr};
    size_t lengths[] = {7, (size_t)channel_name(bus, conversation, channel), payload.len};
    struct published *published = mem_zalloc(sizeof *published);
    *published = (struct published){bus, payload.len};
    bus->publish_bytes += payload.len;
    metric_inc(METRIC_PUBLISHED);
    if (redisAsyncCommandArgv(bus->command.context, on_published, published, 3, args, lengths))
        on_published(NULL, NULL, published); /* the connection is on its way out */
}

struct call {
    struct bus *bus;
    bus_reply_fn *fn;
    void *arg;
};

static void on_reply(redisAsyncContext *context, void *data, void *private)
{
    struct call call = *(struct call *)private;
    const redisReply *reply = data;
    (void)context;
    free(private);
    call.bus->commands--;
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        log_error("redis.refused", "msg=\"%.120s\"", reply->str);
        reply = NULL;
    }
    call.fn(call.arg, (const struct bus_reply *)(const void *)reply);
}

void bus_command(struct bus *bus, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    CG_ASSERT(count <= BUS_MAX_ARGS);
    if (!bus->up || !bus->command.context || bus->commands >= COMMANDS_PENDING) {
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
    *call = (struct call){bus, fn, arg};
    bus->commands++;
    if (redisAsyncCommandArgv(bus->command.context, on_reply, call, (int)count, texts, lengths))
        on_reply(NULL, NULL, call);
}
