/* bus_find.c: where a Redis server is. A name is resolved by the loop's threads; with sentinels, they are asked one
 * after the other until one answers, beginning with another one after each failure, because one that was cut off may
 * name the master of yesterday. If none answers, the server is tried where it was last. */
#include "common/clock.h"
#include "common/container.h"
#include "common/log.h"
#include "common/redis/redis_reply.h"
#include "relay/redis/bus_parts.h"

static void ask_next(struct bus_server *server);

/* ---- names ---- */

static size_t index_of(const struct bus_server *server)
{
    return (size_t)(server - server->bus->servers);
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
    server->ask.lost = !server->answered; /* it does not know, or is going */
}

static void ask(struct bus_server *server, const char *numeric)
{
    server->asking_since_ms = clock_mono_ms();
    server->answered = false;
    const char *args[] = {"SENTINEL", "get-master-addr-by-name", server->known->master};
    size_t lengths[] = {8, 23, strlen(server->known->master)};
    if (bus_link_open(&server->ask, numeric, sentinel_of(server)->port, server->bus->settings->redis_sentinel_password))
        bus_link_ask(&server->ask, on_told, server, 3, args, lengths);
    else
        server->ask.lost = true;
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
        server->ask.lost = true;
    else if (*numeric)
        bus_server_connect(server, numeric);
    else
        bus_server_lose(server, "resolve");
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
        bus_server_connect(server, address->host);
    else if (!resolve(server, address->host))
        bus_server_lose(server, "resolve");
}

/* ---- sentinels ---- */

static void ask_next(struct bus_server *server)
{
    const struct endpoint *last = redis_health_place(&server->bus->health, index_of(server));
    server->search = SEARCH_SENTINEL;
    server->ask.lost = false;
    if (sentinel_of(server)) {
        server->asking_since_ms = clock_mono_ms();
        if (!resolve(server, sentinel_of(server)->host))
            server->ask.lost = true;
    } else if (*last->host) {
        found(server, last);
    } else {
        bus_server_lose(server, "sentinels");
    }
}

void bus_find_begin(struct bus_server *server)
{
    server->found = (struct endpoint){0};
    server->sentinels = redis_health_search(&server->bus->health, index_of(server));
    if (*server->known->master)
        ask_next(server);
    else
        found(server, &server->known->address);
}

void bus_find_supervise(struct bus_server *server)
{
    int64_t limit = server->bus->settings->redis_timeout_ms / REDIS_SENTINEL_SHARE;
    if (server->resolving || server->search != SEARCH_SENTINEL)
        return;
    bool late = clock_mono_ms() - server->asking_since_ms > limit;
    if (server->answered) {
        server->answered = false;
        bus_link_drop(&server->ask);
        redis_health_found(&server->bus->health, index_of(server), &server->sentinels);
        found(server, &server->found);
    } else if (server->ask.lost || late) {
        char text[ENDPOINT_TEXT_MAX];
        endpoint_text(sentinel_of(server), text);
        log_debug("redis.sentinel_failed", "at=%s late=%d", text, late);
        bus_link_drop(&server->ask);
        redis_search_next(&server->sentinels);
        ask_next(server);
    }
}

void bus_find_stop(struct bus_server *server)
{
    bus_link_drop(&server->ask);
    server->answered = false;
    server->search = SEARCH_NONE;
    if (server->resolving && server->bus->stopping)
        uv_cancel((uv_req_t *)&server->resolve);
}
