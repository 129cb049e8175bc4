/* app_echo.h: the application for protocol test suites: it sends back what it gets. On / and /custom:
 *   on connect           → auth {…}          the handshake's auth payload
 *   message …            → message-back …    the same arguments, also binary
 *   message-with-ack …   ← the same arguments in the acknowledgement
 *   ask …                → question … with a wish for an acknowledgement, which comes back as answer … */
#ifndef CG_RELAY_SOCKETIO_APP_ECHO_H
#define CG_RELAY_SOCKETIO_APP_ECHO_H

#include "relay/socketio/app.h"

extern const struct app echo_app;

#endif
