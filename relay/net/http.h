/* http.h: the relay's HTTP/1.1 server, on its TCP port and its Unix socket. Loop thread only.
 *
 *   bytes ─▶ one request at a time ─▶ a WebSocket handshake ─▶ config.upgrade (ws.c takes the socket over)
 *                                  └▶ a route ─▶ answered now, held and answered later, or streamed
 *
 * libwebsockets does not serve plain HTTP here: that version does not notice when the client of a held response leaves,
 * and takes bodies for requests. This server reports a lost client at once (the socket's RDHUP). A held request costs a
 * file descriptor and some hundred bytes, and no timer.
 *
 * Requests are parsed strictly (http_parse.h): Content-Length together with Transfer-Encoding, and a Content-Length
 * that is repeated or no number, get 400; a head past HTTP_HEAD_BYTES or with a line past HTTP_LINE_BYTES gets 431; a
 * URL past HTTP_URL_BYTES gets 414. The connection is then closed. A head must arrive within handshake_timeout_ms, and
 * its body within as long again. An idle kept-alive connection is closed after http_idle_ms, a client that reads none
 * of its answer after close_timeout_ms (of a stream: two ping intervals). Connections closed by a limit are counted. */
#ifndef CG_RELAY_NET_HTTP_H
#define CG_RELAY_NET_HTTP_H

#include "common/token.h"
#include "common/origin.h"
#include "common/settings.h"
#include "relay/core/session.h"

#include <uv.h>

/* What an nginx with its default settings lets through (large_client_header_buffers 4 8k, and 1 KB before those), with
 * what it adds. */
enum {
    HTTP_LINE_BYTES = 8192,
    HTTP_HEAD_BYTES = 4 * HTTP_LINE_BYTES + 2048,
    HTTP_URL_BYTES = HTTP_LINE_BYTES,
    HTTP_PEER_MAX = 64
};
/* In lower case. Marks a request that another relay forwards (handoff.h). */
#define HTTP_HANDED_HEADER "x-chaguan-handed"

struct http_server;

/* One unanswered request. The pointer is valid until the answer (http_reply, the end of a stream), http_detach, or
 * `gone`. */
struct http_call {
    const char *method;       /* "GET"; a literal */
    struct request request;   /* path (as sent, not decoded), argument (decoded), header; until the handler returns,
                             * unless http_hold was called: then as long as the call */
    struct str body;          /* all of it; likewise */
    char peer[HTTP_PEER_MAX]; /* the client's address; through nginx what it says, empty if unknown */
    enum origin origin;       /* whether a page of another site makes the request; forbidden ones were refused before */
    bool proxied;             /* came through the Unix socket, so from nginx, which is trusted */
    bool handed;              /* another relay forwarded it, or its client claims so: it is not forwarded again */
    bool alone;               /* nginx gave us the client's socket, for this request only: what the client says next
                             * it says past nginx' rules and would be believed, so nothing more is read as a request */
    /* Set by http_hold: the client left before the answer. The call is freed after `gone` returns. */
    void (*gone)(void *arg, struct http_call *call);
    void *arg;
};

/* A route; the first one that claims a path gets the request. */
struct http_route {
    const char *name;
    bool (*claims)(struct str path);
    /* The longest body in bytes; a longer one gets 413 before it is read. NULL: a body gets 400. */
    size_t (*max_body)(const struct settings *settings);
    /* Answers the call now, or holds it (http_hold). */
    void (*handle)(struct http_call *call);
    /* The JSON body of the 413; NULL: a line of text. */
    const char *too_large;
    /* The JSON body of the 403 for pages of foreign origins; NULL: every origin may. */
    const char *foreign;
    /* As in struct protocol: it checks tokens itself, or needs none. */
    bool sees_to_tokens;
};

struct http_config {
    uv_loop_t *loop;
    const struct settings *settings;
    struct wheel *wheel;
    const struct http_route *const *routes; /* ends with NULL; no claimant: 404 */
    /* Gets a GET with Connection: upgrade and Upgrade: websocket and without a body; other upgrade requests were
     * refused with 400. Must take the call over with http_detach, or answer it. */
    void (*upgrade)(void *arg, struct http_call *call);
    /* The number of open connections taken over with http_detach; max_connections bounds both kinds together. */
    size_t (*taken)(void *arg);
    /* Whether one more of these fits. NULL: always. */
    bool (*has_place)(void *arg);
    struct lobby *lobby; /* NULL: all are let in */
    void *arg;
};

/* Listens on listen_host:listen_port (0: the port in port_file if it is free, else any) and on listen_socket (mode
 * 0660; empty: none). NULL on failure, with the reason in `why`. */
struct http_server *http_new(const struct http_config *config, char why[256]);
int http_port(const struct http_server *server);
/* Refuses new connections, and removes the Unix socket's name so that nginx goes elsewhere. Closes kept-alive
 * connections after their present answer. Held calls go on. */
void http_drain(struct http_server *server);
/* Ends every connection and calls `gone` for held calls. Run the loop until its handles are closed, then call
 * http_free. */
void http_stop(struct http_server *server);
void http_free(struct http_server *server); /* NULL: nothing */

/* How a connection reached us: sets the flags of the same names in its http_call. */
enum { HTTP_PROXIED = 1, HTTP_HANDED = 2, HTTP_ALONE = 4 };
/* Adopts a connection that nginx or another relay handed over: an open socket, and the bytes already read from it. Owns
 * `fd`. */
void http_adopt(struct http_server *server, int fd, unsigned how, struct str bytes);
/* Whether one more connection would be accepted and could become a WebSocket. */
bool http_has_room(const struct http_server *server);
/* Whether a connection with received bytes waits for its turn. */
bool http_has_waiting(const struct http_server *server);

/* ---- answers ---- */

/* Sends the whole answer. `type` is the Content-Type; `headers` has further header lines, each with CRLF, or is "".
 * Copies `body`. Adds Cache-Control: no-store and X-Content-Type-Options: nosniff. */
void http_reply(struct http_call *call, unsigned status, const char *type, const char *headers, struct str body);
/* Answers 401 with {"error":…,"code":…}, the form of /rooms. */
void http_refuse_token(struct http_call *call, enum token_refusal refusal);
/* The same with a line of text. */
void http_reply_text(struct http_call *call, unsigned status, const char *text);

/* Keeps the call, to be answered later. `gone` may be called from the next turn of the loop on. */
void http_hold(struct http_call *call, void (*gone)(void *arg, struct http_call *call), void *arg);

/* The call belongs to an admitted client, or another guest represents it in the lobby: its connection is not put out
 * before it is answered. */
void http_vouch(struct http_call *call);

/* Begins a streamed answer: sends the head (200; Connection: close, no length; no-transform, because a compressing
 * proxy would hold the stream back). The call is then the socket of a session: session_new(…, &http_stream, call).
 * Bytes are sent unchanged. The session ends (session_ended) when the client leaves or it is killed or closed; the call
 * is freed with it. Until session_new, `gone` applies. */
void http_begin_stream(struct http_call *call, const char *type, const char *headers);
extern const struct transport http_stream;
/* Tells the stream whose session it is, right after session_new. */
void http_stream_session(struct http_call *call, uint64_t session_id, struct sessions *sessions);

/* Takes the connection away from the server and returns its file descriptor, which the caller owns. `bytes` is all that
 * was read of this request and after it; a chunked body was rewritten with a Content-Length. The call is no longer
 * valid, but `bytes` and `request` may be read until the caller returns to the loop. */
int http_detach(struct http_call *call, struct str *bytes);
/* The same without taking the connection: the server keeps it. */
int http_look(struct http_call *call, struct str *bytes);

#endif
