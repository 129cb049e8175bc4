/* http_conn.h: a connection of the HTTP server and the server itself, for the files of the server only. Loop thread only.
 *
 *   http.c         the life of a connection: its states, time limits and end
 *   http_accept.c  listening, accepting, adopting sockets; start and stop of the server
 *   http_request.c input: heads and bodies, routing, refusals
 *   http_answer.c  output: answers, streams
 *   http_parse.c   parsing */
#ifndef CG_RELAY_NET_HTTP_CONN_H
#define CG_RELAY_NET_HTTP_CONN_H

#include "relay/net/http.h"
#include "relay/net/http_parse.h"
#include "relay/core/unfinished.h"

#include <sys/queue.h>

enum { HTTP_SCRATCH_BYTES = 65536, HTTP_ORIGIN_MAX = 300, HTTP_CORS_MAX = 480 };

enum http_state {
    HTTP_IN_HEAD, /* reading a head, or idle between requests */
    HTTP_IN_BODY,
    HTTP_OWED,     /* a handler has the call and must answer it */
    HTTP_ANSWERED, /* the answer is in `out` or written */
    HTTP_STREAMING,
    HTTP_STREAM_CLOSING, /* its session ended; closes once `out` is written */
    HTTP_LINGERING, /* everything was sent; input is discarded, because a reset would make the client lose the answer */
    HTTP_BROKEN,    /* to be ended as soon as it is not `inside` */
    HTTP_ENDED      /* waits to be freed */
};

/* What the timer is for. */
enum http_limit {
    HTTP_NO_LIMIT,
    HTTP_LIMIT_IDLE,
    HTTP_LIMIT_HEAD,
    HTTP_LIMIT_BODY,
    HTTP_LIMIT_WRITE,
    HTTP_LIMIT_LINGER
};

/*  in:  |-- head --|-- body, decoded --|-- not looked at yet, or the next request --| */
struct http_conn {
    struct http_call call; /* first: a call is its connection */
    struct http_server *server;
    uv_poll_t poll; /* if `polled` */
    int fd, events;
    LIST_ENTRY(http_conn) all;
    STAILQ_ENTRY(http_conn) waiting; /* in server->ready or, later, in server->ended */
    struct wheel_timer timer;
    struct buf in, out;
    struct debt debt;             /* `out` */
    struct unfinished unfinished; /* `in`, while a request is not whole */
    size_t seen;                  /* bytes of the head that were searched for its end */
    size_t body_len;
    struct http_head head;
    struct http_chunks chunks;
    const struct http_route *route;
    struct sessions *sessions; /* a stream's */
    struct lobby_guest guest;  /* in the lobby unless it is nginx's or http_vouch was called */
    uint64_t session_id;
    uint8_t state, limit;
    bool polled;     /* `poll` was initialised */
    bool ready;      /* in server->ready */
    bool inside;     /* http_conn_run is at work on it */
    bool keep_alive; /* after the answer in hand */
    bool served;     /* one request at least */
    bool skipped;    /* an empty line before this request was skipped; only one may be */
    bool handed;     /* another relay passed us its socket, for one request */
};

struct http_listener {
    struct http_server *server;
    uv_poll_t poll;
    int fd; /* -1: none */
    bool proxied;
};

struct http_server {
    struct http_config config;
    struct http_listener tcp, unix_socket;
    LIST_HEAD(, http_conn) conns;
    size_t count;
    STAILQ_HEAD(, http_conn) ready; /* to run in this turn of the loop */
    STAILQ_HEAD(, http_conn) ended; /* to free in the next turn */
    uv_idle_t run_ready;            /* active while either list has any, so that the loop does not sleep */
    struct wheel_timer accept_again;
    bool draining, stopping;
    char scratch[HTTP_SCRATCH_BYTES];
};

static inline struct http_conn *http_conn_of(struct http_call *call)
{
    return (struct http_conn *)(void *)call;
}

/* ---- http.c ---- */

/* A new connection that has read nothing; `proxied`: from nginx, which gives the client's address. */
struct http_conn *http_conn_new(struct http_server *server, int fd, bool proxied);
/* Starts reading, first what is there already. */
void http_conn_begin(struct http_conn *conn);
/* Enters it in the lobby as the newest guest, at its start and after each answer. Not for nginx's connections. */
void http_conn_wait(struct http_conn *conn);
/* Closes it and notifies the call's holder or the session. Freed later. */
void http_conn_end(struct http_conn *conn);
/* Runs woken connections and frees ended ones; the callback of run_ready. */
void http_conns_run(uv_idle_t *idle);
void http_conn_free_ended(struct http_server *server);
/* Runs it in the next turn of the loop. */
void http_conn_wake(struct http_conn *conn);

/* ---- http_request.c ---- */

/* Processes `in` until more bytes are needed, an answer is owed, or this turn's budget is used up (true: the caller
 * must wake it). */
bool http_request_advance(struct http_conn *conn);
/* Clears everything about the request. To be called whenever bytes of `in` are removed, because head, path and body
 * point into it. */
void http_request_forget(struct http_conn *conn);
/* Refuses a request that goes to no route. Unless the request was complete, nothing more is read from the
 * connection. */
void http_request_refuse(struct http_conn *conn, unsigned status, const char *json);
/* Implements unfinished.drop: refuses this request because too many bytes of incomplete requests are buffered. */
void http_request_crowded(struct unfinished *unfinished);
/* Rewrites the chunked request in `in` as one with a Content-Length. */
void http_request_unchunk(struct http_conn *conn);

/* ---- http_answer.c ---- */

/* Writes `out` to the socket. */
void http_answer_flush(struct http_conn *conn);
void http_answer_too_much(struct debt *debt);
/* Sends bytes after those in `out`; what the kernel does not take is added to it. */
void http_answer_send(struct http_conn *conn, const struct str *pieces, size_t count);

#endif
