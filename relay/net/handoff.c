/* handoff.c: which relay is where, and the way that a call takes to it. */
#include "relay/net/handoff.h"

#include "common/clock.h"
#include "common/container.h"
#include "common/endpoint.h"
#include "common/id.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/redis/bus.h"
#include "relay/net/handoff_parts.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    KNOWN_MS = 10000, /* how long an answer of Redis is believed */
    UNKNOWN_MS = 1000,
    DESTINATIONS_MAX = 1024, /* relays that are remembered */
    WAITING_MAX = 4096,      /* calls that wait for an answer of Redis */
    KEY_MAX = 80,
};

void handoff_fail(struct http_call *call, handoff_refuse_fn *refuse)
{
    metric_inc(METRIC_HANDOFFS_FAILED);
    refuse(call);
}

/* ---- saying where we are ---- */

static void key_of(const struct handoff *handoff, uint64_t incarnation, char key[KEY_MAX])
{
    snprintf(key, KEY_MAX, "%s:relay:%llu", handoff->settings->redis_prefix, (unsigned long long)incarnation);
}

static void ignore(void *arg, const struct bus_reply *reply)
{
    (void)arg;
    (void)reply; /* it is said again soon */
}

static void say(struct handoff *handoff)
{
    char key[KEY_MAX], ms[24];
    key_of(handoff, handoff->incarnation, key);
    snprintf(ms, sizeof ms, "%lld", (long long)handoff->settings->lease_ms * 3);
    struct str args[] = {STR("SET"), str_of(key), str_of(handoff->value), STR("PX"), str_of(ms)};
    bus_command(handoff->bus, ignore, handoff, args, sizeof args / sizeof args[0]);
}

static void on_renew(struct wheel_timer *timer)
{
    struct handoff *handoff = container_of(timer, struct handoff, renew);
    wheel_set(handoff->wheel, timer, handoff->settings->lease_ms);
    if (handoff->up)
        say(handoff);
}

/* The machine's present boot: relays that see the same one can pass sockets to each other. */
static void read_boot(char out[HANDOFF_BOOT_MAX])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (!file || fscanf(file, "%36s", out) != 1)
        snprintf(out, HANDOFF_BOOT_MAX, "unknown-%llx", (unsigned long long)id_random());
    if (file)
        fclose(file);
}

/* The numeric form of what we advertise: nobody looks up a name while requests wait. "-" if it is no address. */
static void read_advertised(const struct handoff *handoff, char *out, size_t size)
{
    const struct settings *settings = handoff->settings;
    char text[256], *colon;
    if (*settings->advertise)
        snprintf(text, sizeof text, "%s", settings->advertise);
    else
        snprintf(text, sizeof text, "%s:%d", settings->listen_host, http_port(handoff->server));
    snprintf(out, size, "-");
    colon = strrchr(text, ':');
    if (!colon)
        return;
    *colon = '\0';
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    char host[INET_ADDRSTRLEN];
    if (getaddrinfo(text, colon + 1, &hints, &found) || !found) {
        log_warn("handoff.advertise", "msg=\"no address: %.200s\"", text);
        return;
    }
    const struct sockaddr_in *address = (const struct sockaddr_in *)(const void *)found->ai_addr;
    inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
    snprintf(out, size, "%s:%u", host, ntohs(address->sin_port));
    freeaddrinfo(found);
}

/* ---- asking where others are ---- */

static void forget_socket(struct handoff_destination *destination)
{
    if (destination->fd >= 0)
        close(destination->fd);
    destination->fd = -1;
}

static bool read_address(struct str text, struct sockaddr_in *out)
{
    struct endpoint endpoint;
    *out = (struct sockaddr_in){.sin_family = AF_INET};
    if (!endpoint_parse(text, 0, &endpoint) || inet_pton(AF_INET, endpoint.host, &out->sin_addr) != 1)
        return false;
    out->sin_port = htons((uint16_t)endpoint.port);
    return true;
}

/* "<boot id> <path> <host:port>"; the path may hold blanks. */
static bool read_destination(struct handoff_destination *destination, struct str value)
{
    const char *first = memchr(value.ptr, ' ', value.len), *last = memrchr(value.ptr, ' ', value.len);
    if (!first || last == first)
        return false;
    struct str boot = {value.ptr, (size_t)(first - value.ptr)}, path = {first + 1, (size_t)(last - first - 1)};
    struct str address = {last + 1, (size_t)(value.ptr + value.len - last - 1)};
    destination->near = str_eq(boot, str_of(destination->handoff->boot));
    if (!destination->near || path.len >= sizeof destination->path || path.ptr[0] != '/')
        path.len = 0;
    memcpy(destination->path, path.ptr, path.len);
    destination->path[path.len] = '\0';
    /* Another machine's loopback is not ours. */
    if (!read_address(address, &destination->address) ||
        (!destination->near && (ntohl(destination->address.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET))
        destination->address.sin_port = 0;
    return true;
}

static void pass(struct handoff_destination *destination, struct http_call *call, handoff_refuse_fn *refuse)
{
    struct handoff *handoff = destination->handoff;
    if (destination->known && *destination->path && handoff_local_give(destination, call))
        metric_inc(METRIC_HANDOFFS_GIVEN);
    else if (destination->known && destination->address.sin_port)
        handoff_splice(handoff->splices, &destination->address, call, refuse);
    else
        handoff_fail(call, refuse);
}

static void wait_over(struct handoff_wait *wait)
{
    LIST_REMOVE(wait, link);
    wait->handoff->waiting--;
    free(wait);
}

static void on_waiting_gone(void *arg, struct http_call *call)
{
    (void)call;
    wait_over(arg);
}

static void on_found(void *arg, const struct bus_reply *reply)
{
    struct handoff_destination *destination = arg;
    struct str value = reply ? bus_reply_text(reply) : STR("");
    destination->asking = false;
    if (reply && !value.len) {
        destination->known = false;
        forget_socket(destination);
    } else if (value.len) {
        destination->known = read_destination(destination, value);
    } /* while Redis is down, what is known goes on */
    destination->until_ms = clock_mono_ms() + (reply && destination->known ? KNOWN_MS : UNKNOWN_MS);
    for (struct handoff_wait *first; (first = LIST_FIRST(&destination->waiting));) {
        struct http_call *call = first->call; /* NOLINT(clang-analyzer-unix.Malloc): wait_over moves it on */
        handoff_refuse_fn *refuse = first->refuse;
        wait_over(first);
        pass(destination, call, refuse);
    }
}

static void ask(struct handoff_destination *destination)
{
    char key[KEY_MAX];
    key_of(destination->handoff, destination->incarnation, key);
    struct str args[] = {STR("GET"), str_of(key)};
    destination->asking = true;
    bus_command(destination->handoff->bus, on_found, destination, args, 2);
}

/* ---- the places ---- */

static void destination_free(struct handoff_destination *destination)
{
    forget_socket(destination);
    free(destination);
}

/* Room for one more: those that nobody waits for and that are out of date go. */
static bool make_room(struct handoff *handoff)
{
    int64_t now_ms = clock_mono_ms();
    uint64_t stale[64];
    size_t at = 0, count = 0;
    if (handoff->destinations.count < DESTINATIONS_MAX)
        return true;
    for (struct handoff_destination *destination; count < 64 && (destination = map_next(&handoff->destinations, &at));)
        if (!destination->asking && destination->until_ms <= now_ms)
            stale[count++] = destination->incarnation;
    for (size_t i = 0; i < count; i++)
        destination_free(map_take(&handoff->destinations, stale[i]));
    return count;
}

static struct handoff_destination *destination_of(struct handoff *handoff, uint64_t incarnation)
{
    struct handoff_destination *destination = map_get(&handoff->destinations, incarnation);
    if (destination || !make_room(handoff))
        return destination;
    destination = mem_zalloc(sizeof *destination);
    destination->handoff = handoff;
    destination->incarnation = incarnation;
    destination->fd = -1;
    map_put(&handoff->destinations, incarnation, destination);
    return destination;
}

void handoff_give(struct handoff *handoff, uint64_t incarnation, struct http_call *call,
                  void (*refuse)(struct http_call *call))
{
    bool other = incarnation && incarnation != handoff->incarnation;
    struct handoff_destination *destination =
        !other || call->handed || handoff->stopped ? NULL : destination_of(handoff, incarnation);
    if (!destination || handoff->waiting >= WAITING_MAX) {
        handoff_fail(call, refuse);
        return;
    }
    if (destination->until_ms > clock_mono_ms() || (destination->known && !handoff->up)) {
        pass(destination, call, refuse);
        return;
    }
    struct handoff_wait *wait = mem_zalloc(sizeof *wait);
    *wait = (struct handoff_wait){.handoff = handoff, .call = call, .refuse = refuse, .destination = destination};
    LIST_INSERT_HEAD(&destination->waiting, wait, link);
    handoff->waiting++;
    http_hold(call, on_waiting_gone, wait);
    if (!destination->asking)
        ask(destination);
}

void handoff_look_for(struct handoff *handoff, uint64_t incarnation)
{
    struct handoff_destination *destination = handoff->stopped ? NULL : destination_of(handoff, incarnation);
    if (destination && destination->until_ms <= clock_mono_ms() && handoff->up && !destination->asking)
        ask(destination);
}

bool handoff_give_near(struct handoff *handoff, uint64_t incarnation, struct http_call *call)
{
    struct handoff_destination *destination = map_get(&handoff->destinations, incarnation);
    if (!destination || !destination->known || !destination->near || !*destination->path ||
        !handoff_local_give(destination, call))
        return false;
    metric_inc(METRIC_HANDOFFS_GIVEN);
    return true;
}

/* ---- its life ---- */

struct handoff *handoff_new(uv_loop_t *loop, const struct settings *settings, struct wheel *wheel, struct bus *bus,
                            struct http_server *server, uint64_t incarnation)
{
    struct handoff *handoff = mem_zalloc(sizeof *handoff);
    char path[HANDOFF_PATH_MAX], address[64];
    handoff->loop = loop;
    handoff->settings = settings;
    handoff->wheel = wheel;
    handoff->bus = bus;
    handoff->server = server;
    handoff->incarnation = incarnation;
    handoff->renew.fired = on_renew;
    read_boot(handoff->boot);
    read_advertised(handoff, address, sizeof address);
    handoff->receivers = handoff_receivers_new(handoff, path);
    handoff_look(handoff);
    handoff->splices = handoff_splices_new(handoff);
    snprintf(handoff->value, sizeof handoff->value, "%s %s %s", handoff->boot, *path ? path : "-", address);
    handoff_bus_state(handoff, bus_is_up(bus));
    wheel_set(wheel, &handoff->renew, settings->lease_ms);
    return handoff;
}

void handoff_bus_state(struct handoff *handoff, bool up)
{
    handoff->up = up;
    if (up && !handoff->stopped)
        say(handoff);
}

void handoff_look(struct handoff *handoff)
{
    bool open = handoff->settings->listen_front && !handoff->stopped && http_has_room(handoff->server);
    handoff_receivers_front(handoff->receivers, open);
}

size_t handoff_files(const struct handoff *handoff)
{
    return handoff_splices_files(handoff->splices);
}

bool handoff_front_is_done(const struct handoff *handoff)
{
    return handoff_receivers_front_is_done(handoff->receivers);
}

void handoff_stop(struct handoff *handoff)
{
    char key[KEY_MAX];
    handoff->stopped = true;
    wheel_cancel(&handoff->renew);
    wheel_cancel(&handoff->say_load);
    key_of(handoff, handoff->incarnation, key);
    struct str args[] = {STR("DEL"), str_of(key)};
    bus_command(handoff->bus, ignore, handoff, args, 2);
    handoff_receivers_stop(handoff->receivers);
    handoff_splices_stop(handoff->splices);
}

void handoff_free(struct handoff *handoff)
{
    size_t at = 0;
    if (!handoff)
        return;
    for (struct handoff_destination *destination; (destination = map_next(&handoff->destinations, &at));)
        destination_free(destination);
    map_fini(&handoff->destinations);
    handoff_receivers_free(handoff->receivers);
    handoff_splices_free(handoff->splices);
    free(handoff);
}
