/* chatroom_http_call.h: a call about a chatroom: who makes it, whether they may, and what it is answered with. Loop thread
 * only. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_CALL_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_CALL_H

#include "relay/net/http.h"
#include "relay/protocols/admission.h"

enum { ROOMS_ARGUMENT_BYTES = 256 };

/* A call whose user and room are being looked up. First member of what its handler keeps of it. */
struct chatroom_http_asked {
    struct admission admission;
    struct http_call *call; /* NULL: the client has left */
    /* The user may be here; also if the client has left by now. `release` follows. */
    void (*admitted)(struct chatroom_http_asked *asked);
    /* Frees it and what it holds. */
    void (*release)(struct chatroom_http_asked *asked);
};

/* Holds the call and asks, or answers with 404 or 503 and releases. */
void chatroom_http_ask(struct chatroom_http_asked *asked, struct http_call *call, struct str room_id,
                       struct str nick_id);

/* Answers {"error":…,"code":…}; both texts are literals that need no escape. 503 says when to come back. */
void chatroom_http_refuse(struct http_call *call, unsigned status, const char *code, const char *error);
void chatroom_http_reply(struct http_call *call, struct str json);
/* 429, past a rate or with too many connections. */
void chatroom_http_refuse_limited(struct http_call *call, const char *code, const char *error, int64_t retry_after_ms);
/* What is said when the database pool, the journal or the table of connections is full. */
void chatroom_http_refuse_busy(struct http_call *call);
void chatroom_http_refuse_down(struct http_call *call);

#endif
