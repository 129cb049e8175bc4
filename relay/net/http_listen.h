/* http_listen.h: opens the sockets that the HTTP server listens on. Loop thread only. */
#ifndef CG_RELAY_NET_HTTP_LISTEN_H
#define CG_RELAY_NET_HTTP_LISTEN_H

#include "common/settings.h"

/* Whether listen_host is an address or an interface of this machine. ERR_INVALID with one line in `why`. */
enum err http_listen_check(const struct settings *settings, char why[256]) CG_MUST_CHECK;

/* listen_host (an IPv4 address or the name of an interface) and listen_port, or the port that port_file remembers.
 * Returns the socket, or -1 with the reason in `why`. */
int http_listen_tcp(const struct settings *settings, char why[256]);
/* The same for a Unix socket of mode 0660. Replaces a stale one that a killed process has left. */
int http_listen_unix(const char *path, char why[256]);

/* Options of every client's TCP socket: TCP_NODELAY, and keep-alive to detect lost peers. */
void http_listen_options(int fd);

#endif
