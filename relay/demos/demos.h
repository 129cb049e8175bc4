/* demos.h: the demonstrations of the article about transports and of the first version of the friend chat, with the
 * setting `demos`. They show a protocol, store nothing and ask nobody who they are (but where the doors are closed, for a token): their clients stay guests of the
 * lobby, and each of them has so many on a relay.
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

/* How many clients one of them has: each counts its own. */
bool demo_is_full(size_t clients); /* and counts who is refused for it */
void demo_client_came(size_t *clients);
void demo_client_left(size_t *clients);

extern const struct http_route demo_clock_route;
extern const struct protocol demo_echo_protocol, demo_greet_protocol;
/* For those who are greeted: what is shown to them is all there is. */
extern const struct encoding demo_greet_encoding;
extern const struct app demo_app;

#endif
