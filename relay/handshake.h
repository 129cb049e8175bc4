/* handshake.h: decides whether a request may become a WebSocket, while it can still be refused over HTTP. Loop thread
 * only. */
#ifndef CG_RELAY_HANDSHAKE_H
#define CG_RELAY_HANDSHAKE_H

#include "relay/net/http.h"

struct ws;

struct handshake {
    const struct settings *settings;
    const struct sessions *sessions;
    const struct protocol *const *protocols; /* the first that claims the path gets the request; ends with NULL */
    struct ws *ws;
    bool draining; /* newcomers get 503 so that nginx tries another relay, except on a socket it handed over */
};

/* http_config.upgrade; `arg` is a struct handshake. */
void handshake_upgrade(void *arg, struct http_call *call);

#endif
