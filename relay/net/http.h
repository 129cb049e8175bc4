/* http.h: HTTP/1.1 as the relay serves it: the front of its TCP port and its Unix socket. Loop thread only.
 *
 *   bytes ─▶ one request at a time ─▶ a WebSocket handshake ─▶ config.upgrade (ws.c takes the socket over)
 *                                  └▶ a route ─▶ answered now, held and answered later, or streamed
 *
 * libwebsockets is not given plain HTTP, because that version of it notices no client that leaves a response
 * that is held open, and takes bodies for requests. Here a request whose client left is told of at once (the
 * socket's RDHUP), costs a file descriptor and some hundred bytes while it is held, and no timer.
 *
 * Requests are parsed strictly (http_parse.h): both Content-Length and Transfer-Encoding, a Content-Length that is
 * twice there or no number, a head past HTTP_HEAD_BYTES or with a line past HTTP_LINE_BYTES, a URL past HTTP_URL_BYTES are
 * refused with 400, 431, 414 and the connection closed. A head must come within handshake_timeout_ms, a body within as long again; an idle
 * kept-alive connection is closed after http_idle_ms, one that reads nothing of its answer after close_timeout_ms
 * (a stream's: two ping intervals). Connections that are closed by a limit are counted. */
#ifndef CG_RELAY_NET_HTTP_H
#define CG_RELAY_NET_HTTP_H

#include "common/token.h"
#include "common/origin.h"
#include "common/settings.h"
#include "relay/core/session.h"

#include <uv.h>

/* What nginx lets through as it is installed (large_client_header_buffers 4 8k, and 1 KB before those), with what it adds. */
enum {
    HTTP_LINE_BYTES = 8192,
    HTTP_HEAD_BYTES = 4 * HTTP_LINE_BYTES + 2048,
    HTTP_URL_BYTES = HTTP_LINE_BYTES,
    HTTP_PEER_MAX = 64
};
/* In lower case: on a request that another relay passes on (handoff.h). */
#define HTTP_HANDED_HEADER "x-chaguan-handed"

struct http_server;

/* One request whose answer is still owed. The pointer is valid until an answer is given (http_reply, the end of a
 * stream), http_detach, or `gone`; then whoever holds it must forget it. */
struct http_call {
    const char *method;       /* "GET"; a literal */
    struct request request;   /* path (as sent, not decoded), argument (decoded), header; until the handler returns,
                             * unless http_hold was called: then as long as the call */
    struct str body;          /* all of it; likewise */
    char peer[HTTP_PEER_MAX]; /* the client's address; through nginx what it says, empty if unknown */
    enum origin origin;       /* whether a page of another site asks; those that may not are refused before */
    bool proxied;             /* came in through the Unix socket: nginx, which may be believed */
    bool handed;              /* another relay gave it to us, or its client says so: it goes to no third one */
    bool alone;               /* nginx gave us the client's socket, for this request only: what the client says next
                             * it says past nginx' rules and would be believed, so nothing more is read as a request */
    /* Set by who holds the call: the client left before the answer. The call is freed after it returns. */
    void (*gone)(void *arg, struct http_call *call);
    void *arg;
};

/* Asked in order which claims a path. */
struct http_route {
    const char *name;
    bool (*claims)(struct str path);
    /* Longest body in bytes; longer ones get 413 before they are read. NULL: no body at all (400). */
    size_t (*max_body)(const struct settings *settings);
    /* Answers now or keeps the call (http_hold). */
    void (*handle)(struct http_call *call);
    /* The body of the 413; NULL: a plain sentence. JSON. */
    const char *too_large;
    /* The body of the 403 to pages of foreign origins; NULL: nobody cares whose page asks. JSON. */
    const char *foreign;
    /* As of a protocol (session.h): it sees to tokens itself, or it is for everybody. */
    bool sees_to_tokens;
};

struct http_config {
    uv_loop_t *loop;
    const struct settings *settings;
    struct wheel *wheel;
    const struct http_route *const *routes; /* ends with NULL; no claimant: 404 */
    /* A GET with Connection: upgrade and Upgrade: websocket, and no body; anything else that asks for an upgrade
     * was refused with 400. Takes the call over with http_detach, or answers it. */
    void (*upgrade)(void *arg, struct http_call *call);
    /* How many connections http_detach gave away that are still open: max_connections bounds both kinds together. */
    size_t (*taken)(void *arg);
    /* Whether one more of these would find a place. NULL: yes. */
    bool (*has_place)(void *arg);
    struct lobby *lobby; /* NULL: all are let in */
    void *arg;
};

/* Listens on listen_host:listen_port (0: the port in port_file if it is free, else any) and on listen_socket (mode
 * 0660; empty: none). NULL: *why says what could not be done. */
struct http_server *http_new(const struct http_config *config, char why[256]);
int http_port(const struct http_server *server);
/* New connections are refused, the Unix socket's name is gone, so that nginx goes elsewhere; kept-alive connections
 * are closed after the answer in hand. What is held goes on. */
void http_drain(struct http_server *server);
/* Ends every connection; holders are told (`gone`). The loop must run until its handles are closed, then http_free. */
void http_stop(struct http_server *server);
void http_free(struct http_server *server); /* NULL: nothing */

/* How the first call of a connection came that somebody gave us: what http_call says. */
enum { HTTP_PROXIED = 1, HTTP_HANDED = 2, HTTP_ALONE = 4 };
/* Takes in a connection that nginx or another relay handed over: an open socket and what was already read from it. */
void http_adopt(struct http_server *server, int fd, unsigned how, struct str bytes);
/* Whether one connection more would be taken and could become a WebSocket. */
bool http_has_room(const struct http_server *server);
/* Whether something that came waits for its turn of the loop. */
bool http_has_waiting(const struct http_server *server);

/* ---- answers ---- */

/* The whole answer. `type`: Content-Type. `headers`: more header lines, each with its CRLF, or "". Copies `body`.
 * Always says Cache-Control: no-store and X-Content-Type-Options: nosniff. */
void http_reply(struct http_call *call, unsigned status, const char *type, const char *headers, struct str body);
/* 401, and why in the form of the rooms: {"error":…,"code":…}. */
void http_refuse_token(struct http_call *call, enum token_refusal refusal);
/* The same with a line of text. */
void http_reply_text(struct http_call *call, unsigned status, const char *text);

/* The answer comes later. `gone` may be called from the next turn of the loop on. */
void http_hold(struct http_call *call, void (*gone)(void *arg, struct http_call *call), void *arg);

/* What this call waits for is for somebody who was let in, or something else stands for it in the lobby: until it is
 * answered, its connection is not put out for newer ones. */
void http_vouch(struct http_call *call);

/* Begins an answer without an end: sends the head (200; Connection: close, no length; no-transform, because a proxy that
 * compresses holds it back), after which the call is the
 * socket of a session: session_new(…, &http_stream, call). Bytes go out as they are. The session ends
 * (session_ended) when the client leaves or it is killed or closed; the call is freed with it. Before session_new,
 * `gone` holds. */
void http_begin_stream(struct http_call *call, const char *type, const char *headers);
extern const struct transport http_stream;
/* Tells the stream whose session it is, right after session_new. */
void http_stream_session(struct http_call *call, uint64_t session_id, struct sessions *sessions);

/* Takes the connection away from the server: the file descriptor is the caller's, `bytes` holds all that was read of
 * this request and after it; a body that came in chunks has a Content-Length instead. The call is gone; `bytes` and
 * `request` may be read until the caller returns to the loop. */
int http_detach(struct http_call *call, struct str *bytes);
/* What http_detach would give, without taking it. */
int http_look(struct http_call *call, struct str *bytes);

#endif
