/* ws.h: WebSockets and the relay's own HTTP pages. The only file that knows libwebsockets, and the
 * place where what that version does wrong is mended (each mend says which). Loop thread only. */
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
    const struct protocol *const *protocols; /* asked in order which claims a path; ends with NULL */
    /* Fills in an answer to GET `path`; returns its HTTP status. Loop thread. */
    int (*page)(void *arg, struct str path, const char **type, struct buf *body);
    void *arg;
};

/* Listens on the TCP port and the Unix socket of the settings. NULL: *why says what could not be done.
 * Borrows `config`'s pointers. Once in a process. */
struct ws *ws_new(const struct ws_config *config, char why[256]);
/* The TCP port it listens on. */
int ws_port(const struct ws *ws);
/* New clients are refused with 503 from now on, and the Unix socket's name is gone, so that nginx
 * goes elsewhere. Open sockets go on. */
void ws_drain(struct ws *ws);
/* Ends every connection and the listening, as the loop runs on. What libwebsockets holds is left to the
 * end of the process: freeing its context unloads its libuv plugin while the loop still has handles of
 * it to close. For the same reason the loop never runs empty afterwards. */
void ws_stop(struct ws *ws);

#endif
