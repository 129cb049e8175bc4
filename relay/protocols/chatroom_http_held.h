/* chatroom_http_held.h: represents a held call as a session without a socket of its own, so that the hub can subscribe
 * it, the journal can find it, a drain can end it, and it counts as a connection. Loop thread only. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_HELD_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_HELD_H

#include "relay/core/protocol.h"
#include "relay/net/http.h"

/* First member of the state of a session that represents a held call. Nothing is sent through it. */
struct chatroom_http_held {
    struct session *session;
    struct http_call *call; /* NULL: answered, or the client has left */
    struct wheel_timer timer;
    /* Must answer the call now: its time is up, or the relay is shutting down. */
    void (*give_up)(struct session *session);
};

/* Makes the call a session, with `give_up` called after `wait_ms`. NULL: there are too many connections, and the call
 * was answered. */
struct session *chatroom_http_hold(const struct protocol *protocol, struct http_call *call, int64_t wait_ms,
                                   void (*give_up)(struct session *session));
/* The call was answered: ends the session at the next tick of the wheel. */
void chatroom_http_held_done(struct session *session);
/* Implements protocol->closed. */
void chatroom_http_held_closed(struct session *session);
/* Implements protocol->ping_interval_ms: longer than any call is held. */
int64_t chatroom_http_held_interval(const struct settings *settings);

#endif
