/* handoff.h: hands a request that reached the wrong relay to the right one, so that no balancer needs sticky sessions.
 * Loop thread only.
 *
 * On the same machine the socket itself goes over (SCM_RIGHTS on a Unix SOCK_SEQPACKET socket, listen_socket with
 * ".handoff" after it), with the bytes that were read from it: from then on this relay is not involved. If the other
 * relay cannot be reached that way (another machine, another container), this relay connects to its `advertise` address
 * over TCP and forwards the request and the answer, or both directions of a WebSocket.
 *
 * An nginx with Chaguan's module passes clients' sockets in the same way, on another Unix socket (listen_socket with
 * ".front" after it). Its mode is 0660, as listen_socket's: whoever may open it is trusted as nginx is. The name exists
 * only while this relay takes new clients; otherwise nginx tries another relay.
 *
 * A socket handed over serves that one request only, because a balancer may reuse its connection and still take it for
 * the first relay's. nginx routes most requests to the right relay (sid.h).
 *
 * A relay publishes its addresses in Redis, <prefix>:relay:<incarnation>, and renews them. Others cache them for some
 * seconds, and use what they have cached while Redis is down. */
#ifndef CG_RELAY_NET_HANDOFF_H
#define CG_RELAY_NET_HANDOFF_H

#include "relay/net/http.h"

struct bus;
struct handoff;

struct handoff *handoff_new(uv_loop_t *loop, const struct settings *settings, struct wheel *wheel, struct bus *bus,
                            struct http_server *server, uint64_t incarnation);
/* Redis came back or was lost. */
void handoff_bus_state(struct handoff *handoff, bool up);
/* Opens or closes the socket for nginx, depending on whether there is room for clients. Must be called when that may
 * have changed, at least once before the loop sleeps. */
void handoff_look(struct handoff *handoff);
/* Whether that socket is closed and everything that nginx had sent was accepted. */
bool handoff_front_is_done(const struct handoff *handoff);
/* File descriptors in use for requests forwarded over TCP. */
size_t handoff_files(const struct handoff *handoff);
/* Stops accepting and handing over, and removes the entry in Redis. Run the loop until its handles are closed, then
 * call handoff_free. */
void handoff_stop(struct handoff *handoff);
void handoff_free(struct handoff *handoff); /* NULL: nothing */

/* Starts telling other relays how many clients this one has, and giving newcomers to a relay with fewer.
 * `count_clients` counts all that max_connections bounds. */
void handoff_spread(struct handoff *handoff, size_t (*count_clients)(void));
/* Another relay's number of clients (WIRE_LOAD). */
void handoff_heard(struct handoff *handoff, uint64_t incarnation, struct str payload);
/* Offers a call that would start a new connection to another relay on this machine with clearly fewer clients. True:
 * that relay has it now. */
bool handoff_newcomer(struct handoff *handoff, struct http_call *call);

/* Hands the call to the relay of that incarnation, perhaps after looking up its address. If that relay does not exist
 * or cannot be reached, or the call was handed over once already, `refuse` must answer the call. The caller gives up
 * the call. */
void handoff_give(struct handoff *handoff, uint64_t incarnation, struct http_call *call,
                  void (*refuse)(struct http_call *call));

#endif
