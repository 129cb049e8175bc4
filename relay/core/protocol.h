/* protocol.h: what all protocols share: their context, tokens, admission and refusals, error events. Loop thread
 * only. */
#ifndef CG_RELAY_CORE_PROTOCOL_H
#define CG_RELAY_CORE_PROTOCOL_H

#include "common/settings.h"
#include "common/token.h"
#include "relay/core/session.h"

struct hub;
struct presence;
struct db_pool;

struct protocol_context {
    const struct settings *settings;
    struct hub *hub;
    struct presence *presence;
    struct db_pool *db_pool;
    struct token_keys *tokens;
};

/* Set by main before the first connection. */
extern struct protocol_context protocol_context;

/* Closes a connection that is not allowed; counts it and logs it with the protocol's name. `reason` must be a
 * literal. */
void protocol_refuse(struct session *session, unsigned code, const char *reason);

/* ---- tokens ---- */

/* Whether every connection needs a token of an application's user (settings->doors). */
bool protocol_doors_closed(void);
/* The check before any protocol or route opens: whether doors = token refuses this request. `sees` is its
 * sees_to_tokens; those without it need a token here. Only the token is verified, not the user's rights: a protocol
 * that gives access to other users' data must look those up. Counts the refusal and logs it with `name`. */
bool protocol_is_shut(const struct settings *settings, const char *name, bool sees, const struct request *request,
                      enum token_refusal *refusal);
/* After protocol_is_shut let the request pass: with doors = token, and a protocol without sees_to_tokens, the session
 * ends when its token expires. */
void protocol_end_with_token(struct session *session, const struct request *request);
/* Closes a connection whose token is invalid, with 4401 and the refusal's code as the reason. */
void protocol_refuse_token(struct session *session, enum token_refusal refusal);
/* The reason for a 4401 close when the token was valid but store_app_user_come failed with `err`. A literal. */
const char *protocol_stranger(enum err err);
/* Reads and verifies a request's token: the header `token`, `Authorization: Bearer`, or the argument `token`. If it is
 * valid, the caller must free *out with token_fini. */
enum token_refusal protocol_read_token(const struct request *request, struct token *out) CG_MUST_CHECK;

/* What admits a user's session: the result of a look-up, and perhaps a token. */
struct protocol_proof {
    uint32_t generation; /* of the user's rights (common/rights.h), as the look-up read it */
    bool by_token;
    uint64_t moment; /* protocol_moment() when the token was checked */
    bool of_app;     /* an application's user, who is online from now on */
};
uint64_t protocol_moment(void);

/* A close code and its reason, a literal. */
struct protocol_refusal {
    unsigned code;
    const char *reason;
};
/* In every protocol, the close code and reason after a revocation. */
#define PROTOCOL_CLOSE_UNAUTHORIZED 4401
#define PROTOCOL_REVOKED            "revoked"

/* Admits a session as the user's, to a conversation (0: to none in particular). Call it once for each session. NULL:
 * admitted, until a revocation; else close the session with the refusal returned. If a right was revoked during the
 * look-up, that is 1013: the client retries, and the new look-up decides. */
const struct protocol_refusal *protocol_admit(struct session *session, uint64_t user, uint64_t conversation,
                                              const struct protocol_proof *proof) CG_MUST_CHECK;
/* Whether this user or address (rate_address_key) is banned there. Counts the refusal. */
bool protocol_banned(uint64_t user, uint64_t address, uint64_t conversation);
/* Whether a right of the user there was revoked after the look-up that read this generation. Counts the refusal. */
bool protocol_revoked(uint64_t user, uint64_t conversation, uint32_t generation);
/* Whether the session is muted there; counted. hub_post checks this itself. */
bool protocol_muted(const struct session *session, uint64_t conversation);
/* Whether to accept a connection from this address: 0, or the HTTP status that refuses it: 403 banned, 429 too many
 * (sets *retry_after_ms). Call it once for each connection. */
unsigned protocol_peer_refusal(struct str peer, int64_t *retry_after_ms);

/* The `retry_after_ms` of an error event with this code; 0: it has none. */
int protocol_retry_after_ms(const char *code);

/* Answers a frame with an error event in the form of the friend chat and the spaces. Counted. Both texts must be
 * literals that need no escaping. */
void protocol_send_error(struct session *session, const char *code, const char *message);
/* The same, with the frame's client_id (empty: none), so that the client knows which of its frames is answered. */
void protocol_send_error_for(struct session *session, struct str client_id, const char *code, const char *message);
/* The code and the sentence of the error event for an error of hub_post. */
const char *protocol_post_code(enum err err);
const char *protocol_post_error(enum err err);
/* Implements protocol->limited for the friend chat and the spaces. */
void protocol_limited(struct session *session, struct str message, int64_t retry_after_ms);
#define PROTOCOL_CONFLICT "this clientId was used for something else: it was not stored"
#define PROTOCOL_LIMITED  "too many messages: try again later"

#endif
