/* handoff_local.h: gives a socket to a relay on this machine (handoff_wire.h). What does not fit into a message goes along
 * as an anonymous file. Loop thread only. */
#ifndef CG_RELAY_NET_HANDOFF_LOCAL_H
#define CG_RELAY_NET_HANDOFF_LOCAL_H

#include "relay/net/http.h"

/* `path`: of the other relay's socket. *to: the connection to it, which the caller keeps for the next time and closes in
 * the end; -1: none. False: it could not be given that way, and the call is still the caller's. */
bool handoff_local_give(const char *path, int *to, struct http_call *call);

#endif
