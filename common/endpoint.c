#include "common/endpoint.h"

#include <stdio.h>
#include <stdlib.h>

bool list_next(const char **list, struct str *item)
{
    if (!*list)
        return false;
    const char *start = *list, *end = start + strcspn(start, ",");
    *list = *end ? end + 1 : NULL;
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *item = (struct str){start, (size_t)(end - start)};
    return true;
}

static bool keep_text(struct str text, char *out, size_t size)
{
    if (!text.len || text.len >= size || memchr(text.ptr, '\0', text.len))
        return false;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return true;
}

static bool read_port(struct str text, int *port)
{
    char digits[6];
    if (!keep_text(text, digits, sizeof digits) || strspn(digits, "0123456789") != text.len)
        return false;
    *port = atoi(digits);
    return *port >= 1 && *port <= 65535;
}

bool endpoint_parse(struct str text, int default_port, struct endpoint *endpoint)
{
    *endpoint = (struct endpoint){.port = default_port};
    if (!text.len)
        return false;
    if (*text.ptr == '/') {
        endpoint->port = 0;
        return text.len <= ENDPOINT_PATH_MAX && keep_text(text, endpoint->host, sizeof endpoint->host);
    }
    bool bracket = *text.ptr == '[';
    const char *end = memchr(text.ptr, bracket ? ']' : ':', text.len);
    if (bracket && !end)
        return false;
    struct str host = {text.ptr + bracket, (end ? (size_t)(end - text.ptr) : text.len) - bracket};
    struct str rest = {host.ptr + host.len + bracket, text.len - host.len - 2u * bracket};
    if (!keep_text(host, endpoint->host, sizeof endpoint->host) || strpbrk(endpoint->host, "/["))
        return false;
    if (!rest.len)
        return default_port;
    return *rest.ptr == ':' && read_port((struct str){rest.ptr + 1, rest.len - 1}, &endpoint->port);
}

bool endpoint_from(struct str host, struct str port, struct endpoint *endpoint)
{
    return keep_text(host, endpoint->host, sizeof endpoint->host) && read_port(port, &endpoint->port);
}

void endpoint_text(const struct endpoint *endpoint, char out[ENDPOINT_TEXT_MAX])
{
    if (!endpoint->port)
        snprintf(out, ENDPOINT_TEXT_MAX, "%s", endpoint->host);
    else if (strchr(endpoint->host, ':'))
        snprintf(out, ENDPOINT_TEXT_MAX, "[%s]:%d", endpoint->host, endpoint->port);
    else
        snprintf(out, ENDPOINT_TEXT_MAX, "%s:%d", endpoint->host, endpoint->port);
}

bool endpoint_same(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && !strcmp(a->host, b->host);
}
