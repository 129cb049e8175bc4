/* ws.h: WebSocket connections: answers a validated handshake, then reads and writes frames. ws.c is the only file that
 * uses libwebsockets, and uses it for sockets and their events only; heads are parsed by http_parse.h and frames by
 * wsread.h. Loop thread only. */
#ifndef CG_RELAY_NET_WS_H
#define CG_RELAY_NET_WS_H

#include "common/settings.h"
#include "relay/core/session.h"

#include <uv.h>

struct ws;

struct ws_config {
    uv_loop_t *loop;
    const struct settings *settings;
    struct sessions *sessions;
};

/* A validated handshake. */
struct ws_handshake {
    const struct protocol *protocol;
    const struct request *request;
    const char *peer;
};

/* At most one in a process. Does not listen. Borrows `config`'s pointers. */
struct ws *ws_new(const struct ws_config *config);
/* Takes over a connection: opens a session before this returns, or closes `fd`. The handshake is answered with 101 once
 * the session may speak (SESSION_ENTERING), or with the first that it is told, a close frame among that. `bytes` is what was read after the handshake. Borrows `handshake` for the call. Must not be called from within a
 * session's or a protocol's function. */
void ws_adopt(struct ws *ws, int fd, struct str bytes, const struct ws_handshake *handshake);
/* The number of connections, including those whose handshake is not finished. */
size_t ws_count(const struct ws *ws);
/* Ends every connection while the loop runs on. The libwebsockets context is never freed: freeing it unloads its libuv
 * plugin while the loop still has handles of it to close. For the same reason the loop keeps active handles
 * afterwards. */
void ws_stop(struct ws *ws);

#endif
