/* handoff_receive.h: receives the sockets that other relays and nginx pass (handoff_wire.h). Loop thread only.
 *
 * Relays use a Unix socket that only our own user can open. nginx uses another one, whose name exists only while there
 * is room for new clients; without it nginx tries the next relay. Sockets sent before the name was removed are still
 * accepted: senders are refused first (shutdown), then their queues are read to the end. */
#ifndef CG_RELAY_NET_HANDOFF_RECEIVE_H
#define CG_RELAY_NET_HANDOFF_RECEIVE_H

#include "relay/net/http.h"

enum { HANDOFF_PATH_MAX = 108 };

struct handoff_receivers;

/* Listens for relays next to the socket `beside`; connections received go to `server`. Sets `path` to the absolute
 * name, empty if it could not listen. */
struct handoff_receivers *handoff_receivers_new(uv_loop_t *loop, struct http_server *server, const char *beside,
                                                char path[HANDOFF_PATH_MAX]);
/* Starts or stops listening for nginx; what it has sent by then is still accepted. */
void handoff_receivers_front(struct handoff_receivers *receivers, bool open);
bool handoff_receivers_front_is_done(const struct handoff_receivers *receivers);
void handoff_receivers_stop(struct handoff_receivers *receivers);
void handoff_receivers_free(struct handoff_receivers *receivers);

#endif
