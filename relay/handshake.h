/* handshake.h: who may become a WebSocket, decided while the request can still be answered with HTTP. */
#ifndef CG_RELAY_HANDSHAKE_H
#define CG_RELAY_HANDSHAKE_H

#include "relay/net/http.h"

struct ws;

struct handshake {
    const struct settings *settings;
    const struct sessions *sessions;
    const struct protocol *const *protocols; /* asked in order which claims a path; ends with NULL */
    struct ws *ws;
    bool draining; /* newcomers are asked to try elsewhere: 503, unless there is nobody to send them there (alone) */
};

/* http_config.upgrade; `arg` is a struct handshake. */
void handshake_upgrade(void *arg, struct http_call *call);

#endif
