/* door.h: what every protocol adapter is given, once, before the first connection. */
#ifndef CG_RELAY_DOOR_H
#define CG_RELAY_DOOR_H

#include "common/settings.h"
#include "common/token.h"
#include "relay/session.h"

struct hub;
struct presence;
struct readers;

struct door {
    const struct settings *settings;
    struct hub *hub;
    struct presence *presence;
    struct readers *readers;
    struct token_keys *tokens;
};

/* Set by main. */
extern struct door door;

/* Closes a connection that may not be here; counted, and logged with the protocol's name. `reason` is a
 * literal. */
void door_refuse(struct session *session, unsigned code, const char *reason);

/* When a client that was told this code may try again, for the `retry_after_ms` of error events; 0: it says nothing about
 * time. */
int door_retry_after_ms(const char *code);

/* Answers a client's frame with an error event, counted, in the form of the friend chat and the spaces. Both
 * texts are literals that need no escape. */
void door_send_error(struct session *session, const char *code, const char *message);

#endif
