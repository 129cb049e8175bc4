#include "common/redis/redis_servers.h"

#include "common/str.h"

#include <stdio.h>
#include <stdlib.h>

/* The next text of a comma-separated list, without blanks around it; false at the end. */
static bool next_item(const char **list, struct str *item)
{
    if (!**list)
        return false;
    const char *start = *list, *end = start + strcspn(start, ",");
    *list = *end ? end + 1 : end;
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *item = (struct str){start, (size_t)(end - start)};
    return true;
}

static bool keep_text(struct str text, char *out, size_t size)
{
    if (!text.len || text.len >= size)
        return false;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

static bool read_port(struct str text, int *port)
{
    char digits[8], *end;
    if (!keep_text(text, digits, sizeof digits) || *digits < '0' || *digits > '9')
        return false;
    long value = strtol(digits, &end, 10);
    *port = (int)value;
    return !*end && value >= 1 && value <= 65535;
}

/* HOST:PORT, [ADDRESS]:PORT, or the absolute path of a socket. An address of IPv6 without brackets would be
 * ambiguous. */
static bool read_address(struct str text, struct redis_address *address)
{
    enum { PATH_MAX_BYTES = 107 };
    if (text.len && *text.ptr == '/') {
        address->port = 0;
        return text.len <= PATH_MAX_BYTES && keep_text(text, address->host, sizeof address->host);
    }
    const char *colon = text.len ? memrchr(text.ptr, ':', text.len) : NULL;
    if (!colon)
        return false;
    struct str host = {text.ptr, (size_t)(colon - text.ptr)};
    struct str port = {colon + 1, (size_t)(text.ptr + text.len - colon - 1)};
    bool bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (bracketed)
        host = (struct str){host.ptr + 1, host.len - 2};
    else if (memchr(host.ptr, ':', host.len) || memchr(host.ptr, '[', host.len))
        return false;
    return keep_text(host, address->host, sizeof address->host) && read_port(port, &address->port);
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
        if (servers->count == REDIS_SERVERS_MAX || !read_address(item, &servers->servers[servers->count].address))
            return refuse(why, "redis_addresses",
                          "at most 16 of HOST:PORT, [ADDRESS]:PORT or /SOCKET, separated by commas");
    return ERR_OK;
}

static enum err read_sentinels(const struct settings *settings, struct redis_servers *servers, char why[256])
{
    const char *list = settings->redis_sentinels, *names = settings->redis_master;
    for (struct str item; next_item(&list, &item); servers->sentinel_count++)
        if (servers->sentinel_count == REDIS_SENTINELS_MAX ||
            !read_address(item, &servers->sentinels[servers->sentinel_count]) ||
            !servers->sentinels[servers->sentinel_count].port)
            return refuse(why, "redis_sentinels", "at most 16 of HOST:PORT or [ADDRESS]:PORT, separated by commas");
    for (struct str item; next_item(&names, &item); servers->count++)
        if (servers->count == REDIS_SERVERS_MAX ||
            !keep_text(item, servers->servers[servers->count].master, REDIS_NAME_MAX))
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
    struct redis_address *only = &servers->servers[0].address;
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

void redis_address_text(const struct redis_address *address, char out[REDIS_AT_MAX])
{
    if (!address->port)
        snprintf(out, REDIS_AT_MAX, "%s", address->host);
    else if (strchr(address->host, ':'))
        snprintf(out, REDIS_AT_MAX, "[%s]:%d", address->host, address->port);
    else
        snprintf(out, REDIS_AT_MAX, "%s:%d", address->host, address->port);
}

bool redis_address_same(const struct redis_address *a, const struct redis_address *b)
{
    return a->port == b->port && !strcmp(a->host, b->host);
}
