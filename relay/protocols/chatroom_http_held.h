/* chatroom_http_held.h: a call that waits for its answer is a session without a socket of its own, so that the hub can
 * subscribe it, the journal can find it, a relay that ends can ask it to go, and all are counted together. Loop thread
 * only. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_HELD_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_HELD_H

#include "relay/core/protocol.h"
#include "relay/net/http.h"

/* First member of the state of a session that stands for a held call. Nothing is ever sent through it. */
struct chatroom_http_held {
    struct session *session;
    struct http_call *call; /* NULL: answered, or the client has left */
    struct wheel_timer timer;
    /* Answers the call, now: its time is up, or the relay is ending. */
    void (*give_up)(struct session *session);
};

/* The call becomes a session, given up after `wait_ms`. NULL: it was answered, there are too many. */
struct session *chatroom_http_hold(const struct protocol *protocol, struct http_call *call, int64_t wait_ms,
                                   void (*give_up)(struct session *session));
/* The call has been answered: the session ends at the next tick of the wheel. */
void chatroom_http_held_done(struct session *session);
/* For protocol->closed. */
void chatroom_http_held_closed(struct session *session);
/* For protocol->ping_interval_ms: longer than anything is held. */
int64_t chatroom_http_held_interval(const struct settings *settings);

#endif
