/* fcgi.h: reads and answers the FastCGI requests of a connection. The only module that uses libfcgi. */
#ifndef CG_REST_FCGI_H
#define CG_REST_FCGI_H

#include "common/err.h"
#include "rest/router.h"
#include "rest/share.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Call it once, before any thread serves. */
enum err fcgi_init(void) CG_MUST_CHECK;

/* Whether the connected socket `fd` has a whole request, or its end, so that fcgi_read would not block. False for
 * requests of more than 8 KB, too. */
bool fcgi_is_whole(int fd);

/* A request with its connection, from when it was read to its answer. */
struct fcgi_request;

/* Waits for a request on the connected socket `fd`. NULL if there is none; `fd` is then closed. Blocks, bounded only
 * by the socket's timeouts (SO_RCVTIMEO, SO_SNDTIMEO), which also apply to the answer. Any thread may answer the
 * request. */
struct fcgi_request *fcgi_read(int fd);
const struct http_request *fcgi_http(const struct fcgi_request *request);

/* The request's claim (share.h), and the reverse. */
struct claim *fcgi_claim(struct fcgi_request *request);
struct fcgi_request *fcgi_of_claim(struct claim *claim);

/* Whether the client has left, so that nobody would read the answer. */
bool fcgi_is_gone(const struct fcgi_request *request);

/* Answers the request with `answer` (router_serve, router_refuse) and frees it. Returns the socket if the peer keeps
 * the connection open and nothing of this request is left in it; else closes it and returns -1. Always closes it once
 * *stopping is set. */
int fcgi_answer(struct fcgi_request *request, router_answer *answer, const struct backends *backends,
                const atomic_bool *stopping);
/* Closes the connection without an answer and frees it. */
void fcgi_drop(struct fcgi_request *request);

#endif
