/* handoff_receive.h: takes the sockets that other relays and nginx give (handoff_wire.h). Loop thread only.
 *
 * Relays give on a socket that only our own user can open. nginx gives on another one, whose name is there only while
 * there is room for new clients: without it nginx turns to the next relay. What was sent before the name went is still
 * taken: senders are refused first (shutdown), then their queues are read to the end. */
#ifndef CG_RELAY_NET_HANDOFF_RECEIVE_H
#define CG_RELAY_NET_HANDOFF_RECEIVE_H

#include "relay/net/http.h"

enum { HANDOFF_PATH_MAX = 108 };

struct handoff_receivers;

/* Listens beside the socket `beside`, for relays; what comes is the server's. path: its absolute name, empty if there is
 * none. */
struct handoff_receivers *handoff_receivers_new(uv_loop_t *loop, struct http_server *server, const char *beside,
                                                char path[HANDOFF_PATH_MAX]);
/* For nginx too, or no longer; what it has sent by then is taken. */
void handoff_receivers_front(struct handoff_receivers *receivers, bool open);
bool handoff_receivers_front_is_done(const struct handoff_receivers *receivers);
void handoff_receivers_stop(struct handoff_receivers *receivers);
void handoff_receivers_free(struct handoff_receivers *receivers);

#endif
