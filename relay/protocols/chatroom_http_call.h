/* chatroom_http_call.h: what the HTTP calls of a chatroom share: authorisation and refusals. Loop thread only. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_CALL_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_CALL_H

#include "relay/net/http.h"
#include "relay/protocols/admission.h"

enum { ROOMS_ARGUMENT_BYTES = 256 };

/* A call whose user and room are being looked up. First member of the handler's own struct. */
struct chatroom_http_asked {
    struct admission admission;
    struct http_call *call; /* NULL: the client has left */
    /* The user was admitted; called even if the client has left. `release` follows. */
    void (*admitted)(struct chatroom_http_asked *asked);
    /* Frees the struct and what it holds. */
    void (*release)(struct chatroom_http_asked *asked);
};

/* Holds the call and starts the look-up, or answers with 404 or 503 and releases. */
void chatroom_http_ask(struct chatroom_http_asked *asked, struct http_call *call, struct str room_id,
                       struct str nick_id);

/* Answers {"error":…,"code":…}; both texts must be literals that need no escaping. A 503 has a Retry-After. */
void chatroom_http_refuse(struct http_call *call, unsigned status, const char *code, const char *error);
void chatroom_http_reply(struct http_call *call, struct str json);
/* Answers 429: past a rate, or too many connections. */
void chatroom_http_refuse_limited(struct http_call *call, const char *code, const char *error, int64_t retry_after_ms);
/* The answer when the database pool, the journal or the table of connections is full. */
void chatroom_http_refuse_busy(struct http_call *call);
void chatroom_http_refuse_down(struct http_call *call);

#endif
