/* http_listen.h: the sockets that the HTTP front listens on. */
#ifndef CG_RELAY_NET_HTTP_LISTEN_H
#define CG_RELAY_NET_HTTP_LISTEN_H

#include "common/settings.h"

/* listen_host (an IPv4 address or the name of an interface) and listen_port, or the port that port_file remembers.
 * The socket, or -1: `why` says what could not be done. */
int http_listen_tcp(const struct settings *settings, char why[256]);
/* Mode 0660. A socket that a process left there when it was killed is removed. */
int http_listen_unix(const char *path, char why[256]);

/* What every client's TCP socket should have: no waiting for more to send, and its end found though nobody says so. */
void http_listen_options(int fd);

#endif
