#include "common/redis/redis_servers.h"

#include <stdio.h>

static bool keep_name(struct str text, char out[REDIS_NAME_MAX])
{
    if (!text.len || text.len >= REDIS_NAME_MAX)
        return false;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

/* The next of a list, whose last comma is nobody's harm. */
static bool next_item(const char **list, struct str *item)
{
    return list_next(list, item) && (item->len || *list);
}

static enum err refuse(char why[256], const char *setting, const char *rule)
{
    snprintf(why, 256, "%s takes %s", setting, rule);
    return ERR_INVALID;
}

static enum err read_addresses(const struct settings *settings, struct redis_servers *servers, char why[256])
{
    const char *list = settings->redis_addresses;
    for (struct str item; next_item(&list, &item); servers->count++)
        if (servers->count == REDIS_SERVERS_MAX || !endpoint_parse(item, 0, &servers->servers[servers->count].address))
            return refuse(why, "redis_addresses",
                          "at most 16 of HOST:PORT, [ADDRESS]:PORT or /SOCKET, separated by commas");
    return ERR_OK;
}

static enum err read_sentinels(const struct settings *settings, struct redis_servers *servers, char why[256])
{
    const char *list = settings->redis_sentinels, *names = settings->redis_master;
    for (struct str item; next_item(&list, &item); servers->sentinel_count++)
        if (servers->sentinel_count == REDIS_SENTINELS_MAX ||
            !endpoint_parse(item, 0, &servers->sentinels[servers->sentinel_count]) ||
            !servers->sentinels[servers->sentinel_count].port)
            return refuse(why, "redis_sentinels", "at most 16 of HOST:PORT or [ADDRESS]:PORT, separated by commas");
    for (struct str item; next_item(&names, &item); servers->count++)
        if (servers->count == REDIS_SERVERS_MAX || !keep_name(item, servers->servers[servers->count].master))
            return refuse(why, "redis_master", "at most 16 names of 1 to 63 bytes, separated by commas");
    return servers->count ? ERR_OK : refuse(why, "redis_master", "a name");
}

enum err redis_servers_read(const struct settings *settings, struct redis_servers *servers, char why[256])
{
    *servers = (struct redis_servers){0};
    if (*settings->redis_sentinels && *settings->redis_addresses)
        return refuse(why, "redis_addresses", "nothing while redis_sentinels is set: these name the servers");
    if (*settings->redis_sentinels)
        return read_sentinels(settings, servers, why);
    if (*settings->redis_addresses)
        return read_addresses(settings, servers, why);
    struct endpoint *only = &servers->servers[0].address;
    servers->count = 1;
    only->port = *settings->redis_socket ? 0 : (int)settings->redis_port;
    snprintf(only->host, sizeof only->host, "%.255s",
             *settings->redis_socket ? settings->redis_socket : settings->redis_host);
    return ERR_OK;
}

/* Every bit of the result depends on every bit of the number (the finish of SplitMix64). */
static uint64_t mix(uint64_t number)
{
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

/* Rendezvous hashing: each server draws a number for the conversation, the highest has it. */
size_t redis_server_of(size_t count, uint64_t conversation)
{
    size_t best = 0;
    uint64_t most = 0;
    for (size_t i = 0; count > 1 && i < count; i++) {
        uint64_t drawn = mix(mix(conversation + UINT64_C(0x9e3779b97f4a7c15)) + i + 1);
        if (drawn > most) {
            most = drawn;
            best = i;
        }
    }
    return best;
}
