/* http.c: the life of a connection: its states, time limits and end. */
#include "relay/net/http.h"

#include "common/container.h"
#include "common/mem.h"
#include "common/log.h"
#include "common/metrics.h"
#include "relay/net/http_conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_READ_BYTES = 2 * HTTP_LINE_BYTES };

/* ---- what a connection waits for ---- */

static int wanted_events(const struct http_conn *conn)
{
    int events = conn->out.len ? UV_WRITABLE : 0;
    switch (conn->state) {
    case HTTP_IN_HEAD:
    case HTTP_IN_BODY:
    case HTTP_LINGERING: return events | UV_READABLE;
    case HTTP_OWED: /* what the client sends meanwhile waits in the kernel: only its end is of interest */
    case HTTP_STREAMING:
    case HTTP_STREAM_CLOSING: return events | UV_DISCONNECT;
    default: return events;
    }
}

static enum http_limit wanted_limit(const struct http_conn *conn)
{
    if (conn->state == HTTP_LINGERING)
        return HTTP_LIMIT_LINGER;
    if (conn->out.len)
        return HTTP_LIMIT_WRITE;
    if (conn->state == HTTP_IN_HEAD)
        return conn->served && !conn->in.len ? HTTP_LIMIT_IDLE : HTTP_LIMIT_HEAD;
    return conn->state == HTTP_IN_BODY ? HTTP_LIMIT_BODY : HTTP_NO_LIMIT;
}

static int64_t limit_ms(const struct http_conn *conn, enum http_limit limit)
{
    const struct settings *settings = conn->server->config.settings;
    switch (limit) {
    case HTTP_LIMIT_IDLE: return settings->http_idle_ms;
    case HTTP_LIMIT_HEAD:
    case HTTP_LIMIT_BODY: return settings->handshake_timeout_ms;
    case HTTP_LIMIT_WRITE:
        return conn->state == HTTP_STREAMING ? 2 * settings->ping_interval_ms : settings->close_timeout_ms;
    default: return settings->close_timeout_ms;
    }
}

static void on_event(uv_poll_t *poll, int status, int events);

/* libuv hears of a connection only when it has to wait for something: a handshake whose bytes came with the connection
 * is gone before that, and libuv's part costs ten system calls. */
static bool poll_for(struct http_conn *conn, int events)
{
    if (!conn->polled) {
        int result = uv_poll_init(conn->server->config.loop, &conn->poll, conn->fd);
        if (result) { /* epoll has no room left */
            metric_inc(METRIC_HTTP_TURNED_AWAY);
            log_warn("http.not_polled", "error=\"%s\"", uv_strerror(result));
            return false;
        }
        conn->polled = true;
    }
    uv_poll_start(&conn->poll, events, on_event);
    return true;
}

/* May end the connection: the last thing that is done with it. */
static void watch(struct http_conn *conn)
{
    enum http_limit limit = wanted_limit(conn);
    int events = wanted_events(conn);
    if (limit != conn->limit) {
        conn->limit = limit;
        if (limit)
            wheel_set(conn->server->config.wheel, &conn->timer, limit_ms(conn, limit));
        else
            wheel_cancel(&conn->timer);
    }
    if (events == conn->events)
        return;
    conn->events = events;
    if (!events)
        uv_poll_stop(&conn->poll);
    else if (!poll_for(conn, events))
        http_conn_end(conn);
}

/* ---- its end ---- */

static void conn_free(struct http_conn *conn)
{
    buf_fini(&conn->in);
    buf_fini(&conn->out);
    free(conn);
}

static void on_conn_closed(uv_handle_t *handle)
{
    conn_free(handle->data);
}

void http_conn_free_ended(struct http_server *server)
{
    for (struct http_conn *conn; (conn = STAILQ_FIRST(&server->ended));) {
        STAILQ_REMOVE_HEAD(&server->ended, waiting);
        conn_free(conn);
    }
}

/* Not before everything that may be inside it has returned. */
static void free_later(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    if (conn->polled) {
        uv_close((uv_handle_t *)&conn->poll, on_conn_closed);
        return;
    }
    STAILQ_INSERT_TAIL(&server->ended, conn, waiting);
    if (!server->stopping)
        uv_idle_start(&server->run_ready, http_conns_run);
}

static void unready(struct http_conn *conn)
{
    if (conn->ready)
        STAILQ_REMOVE(&conn->server->ready, conn, http_conn, waiting);
    conn->ready = false;
}

/* Out of every list, and freed soon. The file descriptor stays. */
static void let_go(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    conn->state = HTTP_ENDED;
    lobby_leave(server->config.lobby, &conn->guest);
    debt_set(&conn->debt, 0);
    unfinished_set(&conn->unfinished, 0, 0);
    wheel_cancel(&conn->timer);
    unready(conn);
    LIST_REMOVE(conn, all);
    metric_set(METRIC_HTTP_CONNECTIONS, (int64_t)--server->count);
    free_later(conn);
}

void http_conn_end(struct http_conn *conn)
{
    let_go(conn);
    close(conn->fd);
    struct session *session = conn->sessions ? sessions_find(conn->sessions, conn->session_id) : NULL;
    if (session) {
        session_ended(session);
    } else if (conn->call.gone) {
        metric_inc(METRIC_HTTP_ABORTED);
        conn->call.gone(conn->call.arg, &conn->call);
    }
}

static void put_out(struct lobby_guest *guest)
{
    http_conn_end(container_of(guest, struct http_conn, guest));
}

void http_conn_wait(struct http_conn *conn)
{
    if (!conn->call.proxied || conn->call.alone)
        lobby_enter(conn->server->config.lobby, &conn->guest, rate_address_key(str_of(conn->call.peer)), put_out);
}

void http_vouch(struct http_call *call)
{
    struct http_conn *conn = http_conn_of(call);
    lobby_leave(conn->server->config.lobby, &conn->guest);
}

/* ---- running it ---- */

void http_conn_wake(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    if (conn->ready || conn->inside || conn->state == HTTP_ENDED)
        return;
    if (STAILQ_EMPTY(&server->ready))
        uv_idle_start(&server->run_ready, http_conns_run);
    conn->ready = true;
    STAILQ_INSERT_TAIL(&server->ready, conn, waiting);
}

static void linger(struct http_conn *conn)
{
    conn->state = HTTP_LINGERING;
    buf_fini(&conn->in);
    http_request_forget(conn); /* body_len counts from here on what is thrown away */
    http_conn_wait(conn);
    shutdown(conn->fd, SHUT_WR);
}

/* What is left when its turn is over. It may be refused for it. */
static void note_unfinished(struct http_conn *conn)
{
    size_t bytes = conn->state == HTTP_IN_HEAD || conn->state == HTTP_IN_BODY ? conn->in.cap : 0;
    if (bytes != conn->unfinished.bytes)
        unfinished_set(&conn->unfinished, bytes ? rate_address_key(str_of(conn->call.peer)) : 0, bytes);
}

static void run(struct http_conn *conn)
{
    conn->inside = true;
    bool more = http_request_advance(conn);
    conn->inside = false;
    if (conn->state == HTTP_ENDED)
        return;
    note_unfinished(conn);
    if (conn->state == HTTP_BROKEN || (conn->state == HTTP_STREAM_CLOSING && !conn->out.len)) {
        http_conn_end(conn);
        return;
    }
    if (conn->state == HTTP_ANSWERED && !conn->out.len && !conn->keep_alive)
        linger(conn);
    watch(conn);
    if (more)
        http_conn_wake(conn);
}

void http_conns_run(uv_idle_t *idle)
{
    struct http_server *server = idle->data;
    http_conn_free_ended(server);
    /* Those that wake one meanwhile do so for the next turn. */
    struct http_conn *conn;
    size_t left = 0;
    STAILQ_FOREACH(conn, &server->ready, waiting)
        left++;
    for (; left && (conn = STAILQ_FIRST(&server->ready)); left--) {
        STAILQ_REMOVE_HEAD(&server->ready, waiting);
        conn->ready = false;
        run(conn);
    }
    if (STAILQ_EMPTY(&server->ready) && STAILQ_EMPTY(&server->ended))
        uv_idle_stop(idle);
}

/* Throws away what a client still sends after it was refused, within reason. */
static bool discard(struct http_conn *conn)
{
    enum { DISCARD_BYTES = 4 * 1024 * 1024 };
    ssize_t got = recv(conn->fd, conn->server->scratch, HTTP_SCRATCH_BYTES, MSG_DONTWAIT);
    if (got > 0)
        conn->body_len += (size_t)got;
    return (got > 0 && conn->body_len < DISCARD_BYTES) || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* False: it is over. */
static bool read_some(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    bool in_body = conn->state == HTTP_IN_BODY;
    if (conn->state == HTTP_LINGERING)
        return discard(conn);
    ssize_t got = recv(conn->fd, server->scratch, in_body ? HTTP_SCRATCH_BYTES : HEAD_READ_BYTES, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0) {
        if (conn->in.len)
            metric_inc(METRIC_HTTP_ABORTED);
        return false;
    }
    buf_add(&conn->in, server->scratch, (size_t)got);
    return !conn->in.failed; /* read only while a request is not whole: bounded by HTTP_HEAD_BYTES and max_body */
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct http_conn *conn = poll->data;
    bool over = status < 0;
    if (!over && events & UV_WRITABLE) {
        http_answer_flush(conn);
        struct session *session = conn->state == HTTP_STREAMING && !conn->out.len && conn->sessions
                                      ? sessions_find(conn->sessions, conn->session_id)
                                      : NULL;
        if (session)
            session_writable(session);
    }
    if (!over && events & UV_READABLE && wanted_events(conn) & UV_READABLE)
        over = !read_some(conn);
    if (events & UV_DISCONNECT && wanted_events(conn) & UV_DISCONNECT)
        over = true;
    if (over)
        http_conn_end(conn);
    else
        run(conn);
}

static void on_limit(struct wheel_timer *timer)
{
    struct http_conn *conn = container_of(timer, struct http_conn, timer);
    enum http_limit limit = (enum http_limit)conn->limit;
    conn->limit = HTTP_NO_LIMIT;
    if (limit != HTTP_LIMIT_IDLE && limit != HTTP_LIMIT_LINGER)
        metric_inc(METRIC_HTTP_TIMEOUTS);
    if (conn->in.len && (limit == HTTP_LIMIT_HEAD || limit == HTTP_LIMIT_BODY)) {
        http_request_refuse(conn, 408, NULL);
        run(conn);
    } else {
        http_conn_end(conn);
    }
}

/* ---- its beginning ---- */

struct http_conn *http_conn_new(struct http_server *server, int fd, bool proxied)
{
    struct http_conn *conn = mem_zalloc(sizeof *conn);
    conn->server = server;
    conn->fd = fd;
    conn->call.proxied = proxied;
    http_request_forget(conn);
    conn->poll.data = conn;
    conn->timer.fired = on_limit;
    conn->debt.end = http_answer_too_much;
    conn->unfinished.drop = http_request_crowded;
    buf_init(&conn->in, SIZE_MAX / 4);  /* bounded by how much is read: see read_some */
    buf_init(&conn->out, SIZE_MAX / 4); /* by what answers it is given, one at a time */
    LIST_INSERT_HEAD(&server->conns, conn, all);
    metric_set(METRIC_HTTP_CONNECTIONS, (int64_t)++server->count);
    return conn;
}

/* Where many connect, the request is there as soon as the connection. */
void http_conn_begin(struct http_conn *conn)
{
    if (!read_some(conn))
        http_conn_end(conn);
    else if (conn->in.len)
        run(conn);
    else
        watch(conn);
}

int http_look(struct http_call *call, struct str *bytes)
{
    struct http_conn *conn = http_conn_of(call);
    CG_ASSERT(conn->state == HTTP_OWED);
    if (conn->head.chunked)
        http_request_unchunk(conn);
    *bytes = buf_str(&conn->in);
    return conn->fd;
}

int http_detach(struct http_call *call, struct str *bytes)
{
    int fd = http_look(call, bytes);
    call->gone = NULL;
    let_go(http_conn_of(call));
    return fd;
}
