/* door.h: what every protocol adapter is given, once, before the first connection. */
#ifndef CG_RELAY_CORE_DOOR_H
#define CG_RELAY_CORE_DOOR_H

#include "common/settings.h"
#include "common/token.h"
#include "relay/core/session.h"

struct hub;
struct presence;
struct db_pool;

struct door {
    const struct settings *settings;
    struct hub *hub;
    struct presence *presence;
    struct db_pool *db_pool;
    struct token_keys *tokens;
};

/* Set by main. */
extern struct door door;

/* Closes a connection that may not be here; counted, and logged with the protocol's name. `reason` is a
 * literal. */
void door_refuse(struct session *session, unsigned code, const char *reason);

/* What a session of a user relies on: what a look-up saw, and a token. */
struct door_proof {
    uint32_t generation; /* of the user's rights (common/rights.h), by the look-up */
    bool by_token;
    uint64_t moment; /* door_moment() when the token was checked */
};
uint64_t door_moment(void);

/* Why a session may not be here: a close code and its reason, a literal. */
struct door_refusal {
    unsigned code;
    const char *reason;
};
/* For what was proved once and is void now, in every door: the close code and its reason. */
#define DOOR_CLOSE_UNAUTHORIZED 4401
#define DOOR_REVOKED            "revoked"

/* Says whose session it is and where they want to be (a conversation; 0: not one alone), once for each session. NULL:
 * they may, from now on until something is revoked; else what it is to be refused with. If something was revoked while
 * it was being looked up, that is 1013: when it comes again it is known what is so. */
const struct door_refusal *door_admit(struct session *session, uint64_t user, uint64_t conversation,
                                      const struct door_proof *proof) CG_MUST_CHECK;
/* The same question without a session: whether this user or address (rate_address_key) is banned there; counted. */
bool door_banned(uint64_t user, uint64_t address, uint64_t conversation);
/* Whether something that the user may do there was revoked after the look-up that saw this generation; counted. */
bool door_revoked(uint64_t user, uint64_t conversation, uint32_t generation);
/* Whether what the session says is not to be heard there; counted. hub_post sees to that itself. */
bool door_muted(const struct session *session, uint64_t conversation);
/* Before a connection is accepted, by the peer's address: 0, or the status to refuse it with: 403 banned, 429 too many;
 * then *retry_after_ms. Once for each connection. */
unsigned door_may_connect(struct str peer, int64_t *retry_after_ms);

/* When a client that was told this code may try again, for the `retry_after_ms` of error events; 0: it says nothing
 * about time. */
int door_retry_after_ms(const char *code);

/* Answers a client's frame with an error event, counted, in the form of the friend chat and the spaces. Both
 * texts are literals that need no escape. */
void door_send_error(struct session *session, const char *code, const char *message);
/* The same, naming the frame by its own client_id (empty: it has none), so that a client with several frames on their way
 * knows which one is answered. */
void door_send_error_for(struct session *session, struct str client_id, const char *code, const char *message);
/* What a post is refused with, by hub_post's error, as a code and its sentence for an error event. */
const char *door_post_code(enum err err);
const char *door_post_error(enum err err);
/* For protocol->limited of the friend chat and the spaces. */
void door_limited(struct session *session, struct str message, int64_t retry_after_ms);
#define DOOR_CONFLICT "this clientId was used for something else: it was not stored"
#define DOOR_LIMITED  "too many messages: try again later"

#endif
