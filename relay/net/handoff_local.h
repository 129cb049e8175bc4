/* handoff_local.h: passes a socket to a relay on this machine (handoff_wire.h). Bytes that do not fit into the message
 * go along in an anonymous file. Loop thread only. */
#ifndef CG_RELAY_NET_HANDOFF_LOCAL_H
#define CG_RELAY_NET_HANDOFF_LOCAL_H

#include "relay/net/http.h"

/* `path` is the other relay's Unix socket. *to caches the connection to it, -1 at first; the caller owns and closes it.
 * False: the socket could not be passed, and the caller still has the call. */
bool handoff_local_give(const char *path, int *to, struct http_call *call);

#endif
