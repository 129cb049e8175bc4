/* io.h: the admin calls of Socket.IO: what a server's own code does with Socket.IO's namespaces, rooms and sockets.
 * They act on what Redis knows (common/redis/io_keys.h) and on the namespace's conversation; relays are told, never
 * asked. */
#ifndef CG_REST_CALLS_IO_H
#define CG_REST_CALLS_IO_H

#include "rest/http/call.h"

enum { IO_TOKEN_MIN = 16 }; /* bytes */

/* ERR_INVALID with one line in `why`: admin_token is too short. Empty is right: the calls are off. */
enum err io_token_check(const struct settings *settings, char why[256]) CG_MUST_CHECK;

extern const struct route_table io_routes;

#endif
