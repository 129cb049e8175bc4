/* endpoint.h: parses the addresses of servers in settings, and lists of them. Any thread. */
#ifndef CG_COMMON_ENDPOINT_H
#define CG_COMMON_ENDPOINT_H

#include "common/str.h"

enum {
    ENDPOINT_HOST_MAX = 256, /* with its NUL; a Unix socket's path fits, too */
    ENDPOINT_PATH_MAX = 107, /* the limit of a Unix socket's address */
    ENDPOINT_TEXT_MAX = ENDPOINT_HOST_MAX + 16,
};

struct endpoint {
    char host[ENDPOINT_HOST_MAX]; /* a name or a numeric address; the path of a Unix socket if port is 0 */
    int port;
};

/* HOST:PORT, [ADDRESS]:PORT or the absolute path of a Unix socket; without `:PORT` it is default_port, unless that is 0.
 * An address of IPv6 without brackets would be ambiguous. False: it is none of these. */
bool endpoint_parse(struct str text, int default_port, struct endpoint *endpoint);

/* The same from a separate host, which must not be empty, and a port in digits. */
bool endpoint_from(struct str host, struct str port, struct endpoint *endpoint);

/* Formats it as "host:port", "[host]:port" or the path, for display. */
void endpoint_text(const struct endpoint *endpoint, char out[ENDPOINT_TEXT_MAX]);
bool endpoint_same(const struct endpoint *a, const struct endpoint *b);

/* The next item of a comma-separated list, without surrounding blanks; moves *list past it, to NULL after the last
 * one. False if *list is NULL. An empty list therefore has one empty item, and a trailing comma is followed by one. */
bool list_next(const char **list, struct str *item);

#endif
