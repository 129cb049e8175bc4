/* ws.h: WebSockets: the answer to a handshake that was read and found good, then frames in and out. The only file that
 * knows libwebsockets, which keeps the sockets, their events and their ends, and reads neither heads nor frames: there
 * is one reader of each (http_parse.h, wsread.h). Loop thread only. */
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

/* Who shakes hands, with what. */
struct ws_handshake {
    const struct protocol *protocol;
    const struct request *request;
    const char *peer;
};

/* Listens nowhere. Borrows `config`'s pointers. Once in a process. */
struct ws *ws_new(const struct ws_config *config);
/* Takes over a connection: answers the handshake with 101 and opens a session on it before this returns; or closes
 * `fd`. `bytes`: what was read behind the handshake. Borrows `handshake` and what it leads to until it returns. Not to
 * be called from within a session's or a protocol's function. */
void ws_adopt(struct ws *ws, int fd, struct str bytes, const struct ws_handshake *handshake);
/* Connections that it has: WebSockets, and those whose handshake is not over. */
size_t ws_count(const struct ws *ws);
/* Ends every connection, as the loop runs on. What libwebsockets holds is left to the end of the process: freeing its
 * context unloads its libuv plugin while the loop still has handles of it to close. For the same reason the loop
 * never runs empty afterwards. */
void ws_stop(struct ws *ws);

#endif
