/* demos.h: demonstrations of transports and of the first version of the friend chat, enabled with the setting `demos`.
 * They store nothing and authenticate nobody (except with doors = token): their clients stay guests in the lobby, and
 * each demonstration has at most DEMO_CLIENTS_MAX on a relay. Loop thread only.
 *
 *   demo_clock.c  /clock, in four forms
 *   demo_echo.c   /echo, a WebSocket that answers
 *   demo_greet.c  /ws, a WebSocket that greets everybody who is there
 *   app_demo.c    the Socket.IO namespace /echo-demo */
#ifndef CG_RELAY_DEMOS_DEMOS_H
#define CG_RELAY_DEMOS_DEMOS_H

#include "relay/socketio/app.h"
#include "relay/core/encoding.h"
#include "relay/net/http.h"

enum { DEMO_CLIENTS_MAX = 256 };

/* Whether a demonstration with so many clients is full. Each counts its own. */
bool demo_is_full(size_t clients); /* counts the refusal */
void demo_client_came(size_t *clients);
void demo_client_left(size_t *clients);

extern const struct http_route demo_clock_route;
extern const struct protocol demo_echo_protocol, demo_greet_protocol;
/* The encoding of demo_greet's events, which are never stored. */
extern const struct encoding demo_greet_encoding;
extern const struct app demo_app;

#endif
