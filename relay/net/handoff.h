/* handoff.h: a request that reached the wrong relay is handed to the one that it is for, so that no balancer needs
 * sticky sessions. Loop thread only.
 *
 * On the same machine the socket itself goes over (SCM_RIGHTS on a Unix SOCK_SEQPACKET socket, listen_socket with
 * ".handoff" after it), with the bytes that were read from it: after that this relay has no part in it any more. To a
 * relay that cannot be reached that way (another machine, another container) the request is sent over TCP to its
 * `advertise` address, and the answer, or both directions of a WebSocket, are passed on.
 *
 * An nginx with Chaguan's module gives clients' sockets in the same way, on another socket (listen_socket with ".front"
 * after it, mode 0660 like listen_socket itself: who may open it is believed as nginx is). It has a name only while
 * this relay takes new clients, so that nginx gives them to another one.
 *
 * A socket that was given serves that one request: a balancer's connection may be used again, and the balancer goes on
 * taking it for the first relay's. nginx sees to it that few requests come to the wrong relay (sid.h).
 *
 * Where a relay is stands in Redis, <prefix>:relay:<incarnation>, for as long as it renews it. Answers are kept for
 * some seconds; while Redis is down, what is known goes on. */
#ifndef CG_RELAY_NET_HANDOFF_H
#define CG_RELAY_NET_HANDOFF_H

#include "relay/net/http.h"

struct bus;
struct handoff;

struct handoff *handoff_new(uv_loop_t *loop, const struct settings *settings, struct wheel *wheel, struct bus *bus,
                            struct http_server *server, uint64_t incarnation);
/* Redis came back or was lost. */
void handoff_bus_state(struct handoff *handoff, bool up);
/* Opens or closes the socket for nginx, as there is room; to be called whenever that may have changed, at least once
 * before the loop sleeps. */
void handoff_look(struct handoff *handoff);
/* Whether that socket is closed and all that nginx had given was taken in. */
bool handoff_front_is_done(const struct handoff *handoff);
/* File descriptors of requests that are being passed on over TCP. */
size_t handoff_files(const struct handoff *handoff);
/* No longer takes or gives; the name in Redis goes. The loop must run until its handles are closed. */
void handoff_stop(struct handoff *handoff);
void handoff_free(struct handoff *handoff); /* NULL: nothing */

/* From now on other relays are told how many clients there are here, and newcomers may be given to one that has fewer.
 * `count_clients`: all that max_connections bounds. */
void handoff_spread(struct handoff *handoff, size_t (*count_clients)(void));
/* What another relay says of that (WIRE_LOAD). */
void handoff_heard(struct handoff *handoff, uint64_t incarnation, struct str payload);
/* A call that would begin something new: true if another relay has it now, one of this machine with clearly fewer
 * clients. */
bool handoff_newcomer(struct handoff *handoff, struct http_call *call);

/* Hands the call to the relay of that incarnation, perhaps after asking where it is. If there is no such relay, or it
 * cannot be reached, or the call has been handed over once already, `refuse` answers the call instead. The call is
 * not the caller's any more. */
void handoff_give(struct handoff *handoff, uint64_t incarnation, struct http_call *call,
                  void (*refuse)(struct http_call *call));

#endif
