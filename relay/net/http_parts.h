/* http_parts.h: what the files of the HTTP front share.
 *
 *   http.c         a connection's life: what it waits for, its time limits, its end
 *   http_accept.c  listening, accepting, sockets that others accepted; the server's beginning and end
 *   http_request.c bytes in: heads and bodies, which route gets them, what is refused
 *   http_answer.c  bytes out: answers, streams
 *   http_parse.c   what the bytes say */
#ifndef CG_RELAY_NET_HTTP_PARTS_H
#define CG_RELAY_NET_HTTP_PARTS_H

#include "relay/net/http.h"
#include "relay/net/http_parse.h"
#include "relay/core/unfinished.h"

#include <sys/queue.h>

enum { HTTP_SCRATCH_BYTES = 65536, HTTP_ORIGIN_MAX = 300, HTTP_CORS_MAX = 480 };

enum http_state {
    HTTP_IN_HEAD, /* reading a head, or idle between two requests */
    HTTP_IN_BODY,
    HTTP_OWED,     /* a handler has the call */
    HTTP_ANSWERED, /* the answer is in `out` or with the kernel */
    HTTP_STREAMING,
    HTTP_STREAM_CLOSING, /* its session asked for the end once all is out */
    HTTP_LINGERING,      /* said all; what still comes is thrown away, or the client would lose the answer to a reset */
    HTTP_BROKEN,         /* to be ended as soon as nobody is inside */
    HTTP_ENDED           /* waits to be freed */
};

/* What the timer stands for. */
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
    size_t seen;                  /* of the head: bytes that held no end of it */
    size_t body_len;
    struct http_head head;
    struct http_chunks chunks;
    const struct http_route *route;
    struct sessions *sessions; /* a stream's */
    struct lobby_guest guest;  /* unless it is nginx' or somebody vouched for it */
    uint64_t session_id;
    uint8_t state, limit;
    bool polled;     /* libuv knows of it */
    bool ready;      /* in server->ready */
    bool inside;     /* http_conn_run is at work on it */
    bool keep_alive; /* after the answer in hand */
    bool served;     /* one request at least */
    bool skipped;    /* an empty line before this request: no other one is */
    bool handed;     /* another relay gave us its socket, for one request */
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
    STAILQ_HEAD(, http_conn) ready; /* those to run in this turn of the loop */
    STAILQ_HEAD(, http_conn) ended; /* those to free in the next */
    uv_idle_t run_ready;            /* active while there are any of either: the loop does not sleep then */
    struct wheel_timer accept_again;
    bool draining, stopping;
    char scratch[HTTP_SCRATCH_BYTES];
};

static inline struct http_conn *http_conn_of(struct http_call *call)
{
    return (struct http_conn *)(void *)call;
}

/* ---- http.c ---- */

/* A connection that has read nothing yet; `proxied`: somebody in front says whose it is. */
struct http_conn *http_conn_new(struct http_server *server, int fd, bool proxied);
/* Reads what is there at once, and goes on from there. */
void http_conn_begin(struct http_conn *conn);
/* It has come, or was answered: it waits to be let in, as the newest. Not those of nginx, which is one of us. */
void http_conn_wait(struct http_conn *conn);
/* Closes it, tells whom it concerns; it is freed later. */
void http_conn_end(struct http_conn *conn);
/* Runs those that were woken, frees those that ended: run_ready's. */
void http_conns_run(uv_idle_t *idle);
void http_conn_free_ended(struct http_server *server);
/* Has it run in the next turn of the loop. */
void http_conn_wake(struct http_conn *conn);

/* ---- http_request.c ---- */

/* Goes on with what is in `in` until more must come, an answer is owed, or the budget of this turn is spent
 * (true: it is to be woken). */
bool http_request_advance(struct http_conn *conn);
/* Nothing of a request is left but its connection. Whenever bytes of `in` go: head, path and body are offsets and
 * pointers into it. */
void http_request_forget(struct http_conn *conn);
/* Answers what goes to no route; unless it was a whole request, nothing more is read from the connection. */
void http_request_refuse(struct http_conn *conn, unsigned status, const char *json);
/* Too many bytes of requests that are not whole: this one is refused. */
void http_request_crowded(struct unfinished *unfinished);
/* Makes the request in `in`, whose body came in chunks, one with a Content-Length. */
void http_request_unchunk(struct http_conn *conn);

/* ---- http_answer.c ---- */

/* Gives the kernel what waits. */
void http_answer_flush(struct http_conn *conn);
void http_answer_too_much(struct debt *debt);
/* Sends bytes after what waits; what the kernel does not take waits. */
void http_answer_send(struct http_conn *conn, const struct str *pieces, size_t count);

#endif
