/* fcgi.h: one FastCGI request of a connection, read and answered. The only module that knows libfcgi. */
#ifndef CG_REST_FCGI_H
#define CG_REST_FCGI_H

#include "common/err.h"
#include "rest/router.h"
#include "rest/share.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Once, before any thread serves. */
enum err fcgi_init(void) CG_MUST_CHECK;

/* Whether fcgi_serve would find all of a request on the connected socket `fd`, or its end, without waiting. False for
 * whole ones of more than 8 KB, too. */
bool fcgi_is_whole(int fd);

/* A request and the connection that it came on, from when it was read to its answer. */
struct fcgi_request;

/* Waits for a request on the connected socket `fd`: NULL if there is none, then it is closed. Blocks; only the socket's
 * own timeouts (SO_RCVTIMEO, SO_SNDTIMEO) bound that and what follows. To be answered by any thread. */
struct fcgi_request *fcgi_read(int fd);
const struct http_request *fcgi_http(const struct fcgi_request *request);

/* Its claim to a thread, and back. */
struct claim *fcgi_claim(struct fcgi_request *request);
struct fcgi_request *fcgi_of_claim(struct claim *claim);

/* Whether whoever asked has left, so that nobody would read the answer. */
bool fcgi_is_gone(const struct fcgi_request *request);

/* Has `answer` (router_serve, router_refuse) answer it, and frees it. Returns the socket if the peer wants to go on using
 * the connection, with nothing of this request left in it; else -1, it has been closed. It is closed in any case once
 * *stopping. */
int fcgi_answer(struct fcgi_request *request, router_answer *answer, const struct backends *backends,
                const atomic_bool *stopping);
/* Closes the connection without an answer and frees it. */
void fcgi_drop(struct fcgi_request *request);

#endif
