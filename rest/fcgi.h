/* fcgi.h: one FastCGI request of a connection, read and answered. The only module that knows libfcgi. */
#ifndef CG_REST_FCGI_H
#define CG_REST_FCGI_H

#include "common/err.h"
#include "rest/router.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Once, before any thread serves. */
enum err fcgi_init(void) CG_MUST_CHECK;

/* Whether fcgi_serve would find all of a request on the connected socket `fd`, or its end, without waiting. False for
 * whole ones of more than 8 KB, too. */
bool fcgi_is_whole(int fd);

/* Waits for a request on the connected socket `fd` and answers it through router_serve. Returns true
 * if the peer wants to go on using the connection, with nothing of this request left in it; else it
 * has been closed. It is closed in any case once *stopping. Blocks; only the socket's own timeouts
 * (SO_RCVTIMEO, SO_SNDTIMEO) bound it. */
bool fcgi_serve(int fd, const struct backends *backends, const atomic_bool *stopping);

#endif
