/* ws.h: WebSockets: frames in and out of connections whose handshake was read and found good. The only file that
 * knows libwebsockets, and the place where what that version does wrong is mended (each mend says which). Loop thread
 * only. */
#ifndef CG_RELAY_WS_H
#define CG_RELAY_WS_H

#include "common/settings.h"
#include "relay/session.h"

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
/* Takes over a connection: answers the handshake that `bytes` begin with, and opens a session on it before this
 * returns; or closes `fd`. Borrows `handshake` and what it leads to until it returns. Not to be called from within a
 * session's or a protocol's function. */
void ws_adopt(struct ws *ws, int fd, struct str bytes, const struct ws_handshake *handshake);
/* WebSockets that are open. */
size_t ws_count(const struct ws *ws);
/* Ends every connection, as the loop runs on. What libwebsockets holds is left to the end of the process: freeing its
 * context unloads its libuv plugin while the loop still has handles of it to close. For the same reason the loop
 * never runs empty afterwards. */
void ws_stop(struct ws *ws);

#endif
