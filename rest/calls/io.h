/* io.h: the admin calls of Socket.IO: what a server's own code does in other implementations with namespaces, rooms
 * and sockets. They use the records in Redis (common/redis/io_keys.h) and the namespace's conversation, and notify
 * relays without waiting for an answer. */
#ifndef CG_REST_CALLS_IO_H
#define CG_REST_CALLS_IO_H

#include "rest/http/call.h"

enum { IO_TOKEN_MIN = 16 }; /* bytes */

/* ERR_INVALID with one line in `why`: admin_token is too short. An empty one is valid and disables the calls. */
enum err io_token_check(const struct settings *settings, char why[256]) CG_MUST_CHECK;

extern const struct route_table io_routes;

#endif
