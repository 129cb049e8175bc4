/* server.h: the listening socket and the threads that serve it. Knows connections, but not requests.
 *
 * One epoll set holds the listening socket and every connection without a request; each is armed for
 * one event, so exactly one thread gets it. Few of the threads wait on it at once (gate.h). A thread is taken from the
 * first byte of a request to its answer, never by a connection that is merely kept open. */
#ifndef CG_REST_SERVER_H
#define CG_REST_SERVER_H

#include "common/err.h"
#include "common/settings.h"

struct server;
struct token_keys;
struct redis_shared;

/* Listens on settings->rest_socket (mode 0660; one that a dead process left is replaced, a live one's
 * is an error) and starts settings->rest_threads threads, each with its own connections to the
 * database and to Redis, made when first needed. NULL on failure, with one line in `why`.
 * `settings`, `tokens` and `redis` must outlive the server. */
struct server *server_start(const struct settings *settings, const struct token_keys *tokens,
                            struct redis_shared *redis, char why[256]);

/* Removes the socket's name, answers every request that has begun or waits, ends the threads and frees the server. */
void server_stop(struct server *server);

#endif
