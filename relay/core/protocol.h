/* protocol.h: what every protocol adapter is given, once, before the first connection. */
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

/* Set by main. */
extern struct protocol_context protocol_context;

/* Closes a connection that may not be here; counted, and logged with the protocol's name. `reason` is a
 * literal. */
void protocol_refuse(struct session *session, unsigned code, const char *reason);

/* ---- tokens ---- */

/* Whether nobody comes in without a token of a user of the application (settings->doors). */
bool protocol_doors_closed(void);
/* What every opening passes, of whatever protocol, before it is asked: whether it is refused because the doors are closed.
 * `sees` is what its row says (sees_to_tokens); whoever says nothing is behind the doors. Of who comes so only the token is
 * known, and nobody's rights are looked up: that is for what lets people at others. Counted and logged with `name`. */
bool protocol_is_shut(const struct settings *settings, const char *name, bool sees, const struct request *request,
                      enum token_refusal *refusal);
/* After that, where the doors are closed and the session's protocol does not see to tokens: it ends with the token. */
void protocol_end_with_token(struct session *session, const struct request *request);
/* Closes a connection whose token is not believed: 4401, and the code as the reason. */
void protocol_refuse_token(struct session *session, enum token_refusal refusal);
/* What else a connection that came with a token is refused with: 4401, by what store_app_user_come says. */
const char *protocol_stranger(enum err err);
/* The token that a request shows: the header `token`, `Authorization: Bearer`, or the argument `token`. *out is to be
 * freed by token_fini if it is good. */
enum token_refusal protocol_read_token(const struct request *request, struct token *out) CG_MUST_CHECK;

/* What a session of a user relies on: what a look-up saw, and a token. */
struct protocol_proof {
    uint32_t generation; /* of the user's rights (common/rights.h), by the look-up */
    bool by_token;
    uint64_t moment; /* protocol_moment() when the token was checked */
    bool of_app;     /* one of the application's users, who is online from now on */
};
uint64_t protocol_moment(void);

/* Why a session may not be here: a close code and its reason, a literal. */
struct protocol_refusal {
    unsigned code;
    const char *reason;
};
/* For what was proved once and is void now, in every protocol: the close code and its reason. */
#define PROTOCOL_CLOSE_UNAUTHORIZED 4401
#define PROTOCOL_REVOKED            "revoked"

/* Says whose session it is and where they want to be (a conversation; 0: not one alone), once for each session. NULL:
 * they may, from now on until something is revoked; else what it is to be refused with. If something was revoked while
 * it was being looked up, that is 1013: when it comes again it is known what is so. */
const struct protocol_refusal *protocol_admit(struct session *session, uint64_t user, uint64_t conversation,
                                              const struct protocol_proof *proof) CG_MUST_CHECK;
/* The same question without a session: whether this user or address (rate_address_key) is banned there; counted. */
bool protocol_banned(uint64_t user, uint64_t address, uint64_t conversation);
/* Whether something that the user may do there was revoked after the look-up that saw this generation; counted. */
bool protocol_revoked(uint64_t user, uint64_t conversation, uint32_t generation);
/* Whether what the session says is not to be heard there; counted. hub_post sees to that itself. */
bool protocol_muted(const struct session *session, uint64_t conversation);
/* Before a connection is accepted, by the peer's address: 0, or the status to refuse it with: 403 banned, 429 too many;
 * then *retry_after_ms. Once for each connection. */
unsigned protocol_peer_refusal(struct str peer, int64_t *retry_after_ms);

/* When a client that was told this code may try again, for the `retry_after_ms` of error events; 0: it says nothing
 * about time. */
int protocol_retry_after_ms(const char *code);

/* Answers a client's frame with an error event, counted, in the form of the friend chat and the spaces. Both
 * texts are literals that need no escape. */
void protocol_send_error(struct session *session, const char *code, const char *message);
/* The same, naming the frame by its own client_id (empty: it has none), so that a client with several frames on their
 * way knows which one is answered. */
void protocol_send_error_for(struct session *session, struct str client_id, const char *code, const char *message);
/* What a post is refused with, by hub_post's error, as a code and its sentence for an error event. */
const char *protocol_post_code(enum err err);
const char *protocol_post_error(enum err err);
/* For protocol->limited of the friend chat and the spaces. */
void protocol_limited(struct session *session, struct str message, int64_t retry_after_ms);
#define PROTOCOL_CONFLICT "this clientId was used for something else: it was not stored"
#define PROTOCOL_LIMITED  "too many messages: try again later"

#endif
