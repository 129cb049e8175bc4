#include "relay/net/handoff.h"

#include "common/clock.h"
#include "common/container.h"
#include "common/endpoint.h"
#include "common/id.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/message.h"
#include "common/metrics.h"
#include "relay/redis/bus.h"
#include "relay/net/handoff_local.h"
#include "relay/net/handoff_receive.h"
#include "relay/net/handoff_splice.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

enum {
    KNOWN_MS = 10000, /* how long an answer of Redis is believed */
    UNKNOWN_MS = 1000,
    DESTINATIONS_MAX = 1024, /* relays that are remembered */
    WAITING_MAX = 4096,      /* calls that wait for an answer of Redis */
    KEY_MAX = 80,
    BOOT_MAX = 40,
    PEERS_MAX = 64,
};

/* Where another relay is, as far as we know. */
struct destination {
    struct handoff *handoff;
    uint64_t incarnation;
    int64_t until_ms;            /* clock_mono_ms: ask again then */
    bool known, asking, near;    /* near: on this machine */
    char path[HANDOFF_PATH_MAX]; /* empty: none */
    struct sockaddr_in address;  /* port 0: none */
    int fd;                      /* to its Unix socket; -1: none */
    LIST_HEAD(, wait) waiting;
};

/* A call that waits for the answer of where its relay is. */
struct wait {
    struct handoff *handoff;
    struct http_call *call;
    handoff_refuse_fn *refuse;
    struct destination *destination;
    LIST_ENTRY(wait) link; /* in destination->waiting */
};

/* Another relay of this machine, and how many clients it said it has. */
struct peer {
    uint64_t incarnation; /* 0: none */
    uint64_t load, given; /* newcomers that we gave it since */
    int64_t until_ms;     /* clock_mono_ms: that is old then */
};

struct handoff {
    const struct settings *settings;
    struct wheel *wheel;
    struct bus *bus;
    struct http_server *server;
    uint64_t incarnation;
    char boot[BOOT_MAX];
    char value[256]; /* what stands in Redis */
    struct map destinations;
    size_t waiting;
    struct wheel_timer renew;
    struct handoff_receivers *receivers;
    struct handoff_splices *splices;
    bool up, stopped;
    size_t (*count_clients)(void); /* NULL: nobody is given away */
    struct peer peers[PEERS_MAX];
    struct wheel_timer say_load;
    uint64_t said_load;
    int64_t said_ms, awake_ms; /* clock_mono_ms: when that was said, and when it was last thought of */
};

static void fail(struct http_call *call, handoff_refuse_fn *refuse)
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
static void read_boot(char out[BOOT_MAX])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (!file || fscanf(file, "%36s", out) != 1)
        snprintf(out, BOOT_MAX, "unknown-%llx", (unsigned long long)id_random());
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

static void forget_socket(struct destination *destination)
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
static bool read_destination(struct destination *destination, struct str value)
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

static void pass(struct destination *destination, struct http_call *call, handoff_refuse_fn *refuse)
{
    struct handoff *handoff = destination->handoff;
    if (destination->known && *destination->path && handoff_local_give(destination->path, &destination->fd, call))
        metric_inc(METRIC_HANDOFFS_GIVEN);
    else if (destination->known && destination->address.sin_port)
        handoff_splice(handoff->splices, &destination->address, call, refuse);
    else
        fail(call, refuse);
}

static void wait_over(struct wait *wait)
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
    struct destination *destination = arg;
    struct str value = reply ? bus_reply_text(reply) : STR("");
    destination->asking = false;
    if (reply && !value.len) {
        destination->known = false;
        forget_socket(destination);
    } else if (value.len) {
        destination->known = read_destination(destination, value);
    } /* while Redis is down, what is known goes on */
    destination->until_ms = clock_mono_ms() + (reply && destination->known ? KNOWN_MS : UNKNOWN_MS);
    for (struct wait *first; (first = LIST_FIRST(&destination->waiting));) {
        struct http_call *call = first->call; /* NOLINT(clang-analyzer-unix.Malloc): wait_over moves it on */
        handoff_refuse_fn *refuse = first->refuse;
        wait_over(first);
        pass(destination, call, refuse);
    }
}

static void ask(struct destination *destination)
{
    char key[KEY_MAX];
    key_of(destination->handoff, destination->incarnation, key);
    struct str args[] = {STR("GET"), str_of(key)};
    destination->asking = true;
    bus_command(destination->handoff->bus, on_found, destination, args, 2);
}

/* ---- the places ---- */

static void destination_free(struct destination *destination)
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
    for (struct destination *destination; count < 64 && (destination = map_next(&handoff->destinations, &at));)
        if (!destination->asking && destination->until_ms <= now_ms)
            stale[count++] = destination->incarnation;
    for (size_t i = 0; i < count; i++)
        destination_free(map_take(&handoff->destinations, stale[i]));
    return count;
}

static struct destination *destination_of(struct handoff *handoff, uint64_t incarnation)
{
    struct destination *destination = map_get(&handoff->destinations, incarnation);
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
    struct destination *destination =
        !other || call->handed || handoff->stopped ? NULL : destination_of(handoff, incarnation);
    if (!destination || handoff->waiting >= WAITING_MAX) {
        fail(call, refuse);
        return;
    }
    if (destination->until_ms > clock_mono_ms() || (destination->known && !handoff->up)) {
        pass(destination, call, refuse);
        return;
    }
    struct wait *wait = mem_zalloc(sizeof *wait);
    *wait = (struct wait){.handoff = handoff, .call = call, .refuse = refuse, .destination = destination};
    LIST_INSERT_HEAD(&destination->waiting, wait, link);
    handoff->waiting++;
    http_hold(call, on_waiting_gone, wait);
    if (!destination->asking)
        ask(destination);
}

/* Asks where a relay is, unless that is known. */
static void look_for(struct handoff *handoff, uint64_t incarnation)
{
    struct destination *destination = handoff->stopped ? NULL : destination_of(handoff, incarnation);
    if (destination && destination->until_ms <= clock_mono_ms() && handoff->up && !destination->asking)
        ask(destination);
}

/* Gives the call's socket to a relay of this machine, if that can be done at once; else the call is still the
 * caller's. */
static bool give_near(struct handoff *handoff, uint64_t incarnation, struct http_call *call)
{
    struct destination *destination = map_get(&handoff->destinations, incarnation);
    if (!destination || !destination->known || !destination->near || !*destination->path ||
        !handoff_local_give(destination->path, &destination->fd, call))
        return false;
    metric_inc(METRIC_HANDOFFS_GIVEN);
    return true;
}

/* ---- newcomers go to the relay with the fewest clients ----
 *
 * nginx spreads requests, not clients: it knows nothing of the sockets that it gave away, and of a client that polls only
 * what it asks at this moment. So who comes new through nginx to a relay that clearly has more than another one of this
 * machine is given to that one, at once or not at all. As long as all have about the same, that is nobody: it is for when
 * one relay came back empty.
 *
 * Relays say how many they have on the channel that all listen to, soon after it has changed. Between two words of one,
 * each newcomer that we gave it counts as one of every other relay's too, because these see the same gap and fill it. */

enum {
    SAY_MS = 100,       /* this often, if it has changed */
    REPEAT_MS = 1000,   /* else this often */
    BELIEVED_MS = 1500, /* one that stands still says nothing: nobody is to be given to it for long */
    FROZEN_MS = 500,
    SLACK = 2, /* more than another has: by so many, and by a sixteenth, is no reason to give anybody away */
    SLACK_PART = 16,
};

static const uint64_t full = UINT64_MAX; /* said by a relay that takes nobody */

static uint64_t own_load(const struct handoff *handoff)
{
    bool takes = !handoff->stopped && http_has_room(handoff->server);
    return takes ? handoff->count_clients() : full;
}

/* Which machine it is, as a number. */
static uint64_t boot_number(const struct handoff *handoff)
{
    return str_hash(str_of(handoff->boot), STR_HASH_SEED);
}

static void say_load(struct handoff *handoff)
{
    struct buf out;
    struct wire_header header = {.kind = WIRE_LOAD, .sender = handoff->incarnation, .conversation = WIRE_CONTROL};
    struct wire_mark mark = {boot_number(handoff), own_load(handoff)};
    handoff->said_load = mark.seq;
    handoff->said_ms = clock_mono_ms();
    buf_init(&out, 128);
    wire_add_header(&out, &header);
    wire_add_mark(&out, &mark);
    bus_publish(handoff->bus, WIRE_CONTROL, buf_str(&out));
    buf_fini(&out);
}

static void on_say_load(struct wheel_timer *timer)
{
    struct handoff *handoff = container_of(timer, struct handoff, say_load);
    wheel_set(handoff->wheel, timer, SAY_MS);
    handoff->awake_ms = clock_mono_ms();
    if (handoff->up && (own_load(handoff) != handoff->said_load || clock_mono_ms() >= handoff->said_ms + REPEAT_MS))
        say_load(handoff);
}

void handoff_spread(struct handoff *handoff, size_t (*count_clients)(void))
{
    handoff->count_clients = count_clients;
    handoff->said_load = full;
    handoff->say_load.fired = on_say_load;
    wheel_set(handoff->wheel, &handoff->say_load, 0);
}

/* Its own place, a free one, or that of a relay that has been silent for long; NULL: all places are taken. */
static struct peer *peer_for(struct handoff *handoff, uint64_t incarnation)
{
    struct peer *free = NULL;
    for (size_t i = 0; i < PEERS_MAX; i++) {
        struct peer *peer = &handoff->peers[i];
        if (peer->incarnation == incarnation)
            return peer;
        if (!free && (!peer->incarnation || clock_mono_ms() >= peer->until_ms))
            free = peer;
    }
    return free;
}

void handoff_heard(struct handoff *handoff, uint64_t incarnation, struct str payload)
{
    struct wire_mark mark;
    if (wire_get_mark(payload, &mark)) {
        metric_inc(METRIC_BUS_MALFORMED);
        return;
    }
    struct peer *peer = peer_for(handoff, incarnation);
    if (peer && mark.conversation == boot_number(handoff))
        *peer = (struct peer){incarnation, mark.seq, 0, clock_mono_ms() + BELIEVED_MS};
    if (peer && peer->incarnation == incarnation)
        look_for(handoff, incarnation); /* newcomers do not wait until it is found */
}

/* What it has by now, for all we know, if `givers` relays do as we do. */
static uint64_t load_of(const struct peer *peer, uint64_t givers)
{
    return peer->load == full ? full : peer->load + peer->given * givers;
}

bool handoff_newcomer(struct handoff *handoff, struct http_call *call)
{
    struct peer *least = NULL;
    int64_t now_ms = clock_mono_ms();
    uint64_t others = 0;
    if (!call->proxied || call->handed || !handoff->count_clients)
        return false; /* who came to this very relay wanted it */
    /* A draining relay closes its clients, and one that was frozen has outdated numbers. */
    if (own_load(handoff) == full || now_ms > handoff->awake_ms + FROZEN_MS)
        return false;
    for (size_t i = 0; i < PEERS_MAX; i++)
        others += handoff->peers[i].incarnation && now_ms < handoff->peers[i].until_ms;
    for (size_t i = 0; i < PEERS_MAX; i++) {
        struct peer *peer = &handoff->peers[i];
        bool is_there = peer->incarnation && now_ms < peer->until_ms;
        if (is_there && (!least || load_of(peer, others) < load_of(least, others)))
            least = peer;
    }
    uint64_t load = least ? load_of(least, others) : full;
    if (load == full || handoff->count_clients() <= load + SLACK + load / SLACK_PART)
        return false;
    least->given++;
    if (!give_near(handoff, least->incarnation, call)) {
        least->until_ms = now_ms; /* until it is heard again */
        return false;
    }
    metric_inc(METRIC_HANDOFFS_EVENED);
    return true;
}

/* ---- its life ---- */

struct handoff *handoff_new(uv_loop_t *loop, const struct settings *settings, struct wheel *wheel, struct bus *bus,
                            struct http_server *server, uint64_t incarnation)
{
    struct handoff *handoff = mem_zalloc(sizeof *handoff);
    char path[HANDOFF_PATH_MAX], address[64];
    handoff->settings = settings;
    handoff->wheel = wheel;
    handoff->bus = bus;
    handoff->server = server;
    handoff->incarnation = incarnation;
    handoff->renew.fired = on_renew;
    read_boot(handoff->boot);
    read_advertised(handoff, address, sizeof address);
    handoff->receivers = handoff_receivers_new(loop, server, settings->listen_socket, path);
    handoff_look(handoff);
    handoff->splices = handoff_splices_new(loop, settings, wheel);
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
    for (struct destination *destination; (destination = map_next(&handoff->destinations, &at));)
        destination_free(destination);
    map_fini(&handoff->destinations);
    handoff_receivers_free(handoff->receivers);
    handoff_splices_free(handoff->splices);
    free(handoff);
}
