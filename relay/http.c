/* http.c: listening, accepting, and a connection's life: what it waits for, how long, and its end. */
#include "relay/http.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/http_listen.h"
#include "relay/http_parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_TURN = 64,
    ACCEPT_PAUSE_MS = 100,
    SPARE_CONNECTIONS = 32, /* past max_connections: for handshakes that get their 503, and for the health pages */
    HEAD_READ_BYTES = 2 * HTTP_HEAD_BYTES,
};

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

/* libuv hears of a connection only when it has to wait for something: a handshake whose bytes came with the connection is
 * gone before that, and libuv's part costs ten system calls. */
static void poll_for(struct http_conn *conn, int events)
{
    if (!conn->polled) {
        int result = uv_poll_init(conn->server->config.loop, &conn->poll, conn->fd);
        CG_ASSERT(result == 0);
        conn->polled = true;
    }
    uv_poll_start(&conn->poll, events, on_event);
}

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
    if (events)
        poll_for(conn, events);
    else
        uv_poll_stop(&conn->poll);
}

/* ---- its end ---- */

static void on_ready(uv_idle_t *idle);

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

static void free_ended(struct http_server *server)
{
    for (struct http_conn *conn; (conn = server->ended);) {
        server->ended = conn->next_ready;
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
    conn->next_ready = server->ended;
    server->ended = conn;
    if (!server->stopping)
        uv_idle_start(&server->run_ready, on_ready);
}

static void unready(struct http_conn *conn)
{
    struct http_conn **at = &conn->server->ready;
    if (!conn->ready)
        return;
    while (*at != conn)
        at = &(*at)->next_ready;
    *at = conn->next_ready;
    conn->ready = false;
}

/* Out of every list, and freed soon. The file descriptor stays. */
static void let_go(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    conn->state = HTTP_ENDED;
    wheel_cancel(&conn->timer);
    unready(conn);
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    metric_set(METRIC_HTTP_CONNECTIONS, (int64_t)--server->count);
    free_later(conn);
}

static void end(struct http_conn *conn)
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

/* ---- running it ---- */

void http_conn_wake(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    if (conn->ready || conn->inside || conn->state == HTTP_ENDED)
        return;
    if (!server->ready)
        uv_idle_start(&server->run_ready, on_ready);
    conn->ready = true;
    conn->next_ready = server->ready;
    server->ready = conn;
}

static void linger(struct http_conn *conn)
{
    conn->state = HTTP_LINGERING;
    buf_fini(&conn->in);
    conn->body_len = 0;
    shutdown(conn->fd, SHUT_WR);
}

static void run(struct http_conn *conn)
{
    conn->inside = true;
    bool more = http_request_advance(conn);
    conn->inside = false;
    if (conn->state == HTTP_ENDED)
        return;
    if (conn->state == HTTP_BROKEN || (conn->state == HTTP_STREAM_CLOSING && !conn->out.len)) {
        end(conn);
        return;
    }
    if (conn->state == HTTP_ANSWERED && !conn->out.len && !conn->keep_alive)
        linger(conn);
    watch(conn);
    if (more)
        http_conn_wake(conn);
}

static void on_ready(uv_idle_t *idle)
{
    struct http_server *server = idle->data;
    free_ended(server);
    /* Those that wake one meanwhile do so for the next turn. */
    struct http_conn *mark = NULL;
    for (struct http_conn *conn = server->ready; conn; conn = conn->next_ready)
        mark = conn;
    while (server->ready && mark) {
        struct http_conn *conn = server->ready;
        mark = conn == mark ? NULL : mark;
        server->ready = conn->next_ready;
        conn->ready = false;
        run(conn);
    }
    if (!server->ready && !server->ended)
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
    CG_ASSERT(!conn->in.failed); /* read only while a request is not whole: bounded by HTTP_HEAD_BYTES and max_body */
    return true;
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
        end(conn);
    else
        run(conn);
}

static void on_limit(struct wheel_timer *timer)
{
    struct http_conn *conn = (struct http_conn *)(void *)((char *)timer - offsetof(struct http_conn, timer));
    enum http_limit limit = (enum http_limit)conn->limit;
    conn->limit = HTTP_NO_LIMIT;
    if (limit != HTTP_LIMIT_IDLE && limit != HTTP_LIMIT_LINGER)
        metric_inc(METRIC_HTTP_TIMEOUTS);
    if (conn->in.len && (limit == HTTP_LIMIT_HEAD || limit == HTTP_LIMIT_BODY)) {
        http_request_refuse(conn, 408, NULL);
        run(conn);
    } else {
        end(conn);
    }
}

/* ---- its beginning ---- */

static struct http_conn *conn_new(struct http_server *server, int fd, bool proxied)
{
    struct http_conn *conn = mem_zalloc(sizeof *conn);
    conn->server = server;
    conn->fd = fd;
    conn->call.proxied = proxied;
    conn->call.method = "";
    conn->head.method = "";
    conn->poll.data = conn;
    conn->timer.fired = on_limit;
    buf_init(&conn->in, SIZE_MAX / 4); /* bounded by how much is read: see read_some */
    buf_init(&conn->out, SIZE_MAX / 4); /* by what answers it is given, one at a time */
    conn->next = server->conns;
    if (conn->next)
        conn->next->prev = conn;
    server->conns = conn;
    metric_set(METRIC_HTTP_CONNECTIONS, (int64_t)++server->count);
    return conn;
}

static void set_peer(struct http_conn *conn, const struct sockaddr_in *peer)
{
    if (peer->sin_family == AF_INET)
        inet_ntop(AF_INET, &peer->sin_addr, conn->call.peer, sizeof conn->call.peer);
}

/* A client's socket that somebody else accepted. */
static void set_up_tcp(struct http_conn *conn)
{
    struct sockaddr_in peer = {0};
    socklen_t len = sizeof peer;
    http_listen_options(conn->fd);
    if (getpeername(conn->fd, (struct sockaddr *)&peer, &len) == 0)
        set_peer(conn, &peer);
}

static size_t open_connections(const struct http_server *server)
{
    return server->count + (server->config.taken ? server->config.taken(server->config.arg) : 0);
}

static bool is_full(const struct http_server *server)
{
    return open_connections(server) >= (size_t)server->config.settings->max_connections + SPARE_CONNECTIONS;
}

bool http_has_room(const struct http_server *server)
{
    return !server->draining && !server->stopping &&
           open_connections(server) < (size_t)server->config.settings->max_connections;
}

bool http_has_waiting(const struct http_server *server)
{
    return server->ready;
}

static void turn_away(int fd)
{
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    metric_inc(METRIC_HTTP_TURNED_AWAY);
    if (send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_debug("http.turned_away", "errno=%d", errno);
    close(fd);
}

static struct http_conn *take_in(struct http_server *server, int fd, bool proxied)
{
    if (server->stopping || is_full(server)) {
        turn_away(fd);
        return NULL;
    }
    return conn_new(server, fd, proxied);
}

void http_adopt(struct http_server *server, int fd, unsigned how, struct str bytes)
{
    struct http_conn *conn = take_in(server, fd, how & HTTP_PROXIED);
    if (!conn)
        return;
    conn->handed = how & HTTP_HANDED;
    conn->call.alone = how & HTTP_ALONE;
    if (conn->call.alone || !conn->call.proxied)
        set_up_tcp(conn);
    buf_add_str(&conn->in, bytes);
    http_conn_wake(conn);
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

int http_take(struct http_call *call, struct str *bytes)
{
    int fd = http_look(call, bytes);
    call->gone = NULL;
    let_go(http_conn_of(call));
    return fd;
}

/* ---- listening ---- */

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void listen_on(struct http_listener *listener)
{
    if (listener->fd >= 0)
        uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

static void accept_again(struct wheel_timer *timer)
{
    struct http_server *server =
        (struct http_server *)(void *)((char *)timer - offsetof(struct http_server, accept_again));
    listen_on(&server->tcp);
    listen_on(&server->unix_socket);
}

/* No file descriptor is left: the listening socket stays readable, so it is not looked at for a while. */
static void pause_accepting(struct http_server *server, int error)
{
    metric_inc(METRIC_ACCEPT_PAUSED);
    log_warn("http.accept_paused", "error=\"%s\"", strerror(error));
    if (server->tcp.fd >= 0)
        uv_poll_stop(&server->tcp.poll);
    if (server->unix_socket.fd >= 0)
        uv_poll_stop(&server->unix_socket.poll);
    wheel_set(server->config.wheel, &server->accept_again, ACCEPT_PAUSE_MS);
}

/* Where many connect, the request is there as soon as the connection. */
static void begin(struct http_conn *conn)
{
    if (!read_some(conn))
        end(conn);
    else if (conn->in.len)
        run(conn);
    else
        watch(conn);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct http_listener *listener = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_in peer = {0};
        socklen_t len = sizeof peer;
        int fd = accept4(listener->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int error = fd < 0 ? errno : 0;
        if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM)
            pause_accepting(listener->server, error);
        if (error && error != ECONNABORTED && error != EINTR)
            return;
        struct http_conn *conn = fd < 0 ? NULL : take_in(listener->server, fd, listener->proxied);
        if (!conn)
            continue;
        if (!listener->proxied)
            set_peer(conn, &peer);
        begin(conn);
    }
}

static void add_listener(struct http_server *server, struct http_listener *listener, int fd)
{
    *listener = (struct http_listener){.server = server, .fd = fd, .proxied = listener == &server->unix_socket};
    if (fd < 0)
        return;
    listener->poll.data = listener;
    int result = uv_poll_init(server->config.loop, &listener->poll, fd);
    CG_ASSERT(result == 0);
    listen_on(listener);
}

struct http_server *http_new(const struct http_config *config, char why[256])
{
    const struct settings *settings = config->settings;
    int tcp = http_listen_tcp(settings, why), local = -1;
    if (tcp < 0)
        return NULL;
    if (*settings->listen_socket && (local = http_listen_unix(settings->listen_socket, why)) < 0) {
        close(tcp);
        return NULL;
    }
    struct http_server *server = mem_zalloc(sizeof *server);
    server->config = *config;
    server->accept_again.fired = accept_again;
    server->run_ready.data = server;
    uv_idle_init(config->loop, &server->run_ready);
    add_listener(server, &server->tcp, tcp);
    add_listener(server, &server->unix_socket, local);
    return server;
}

int http_port(const struct http_server *server)
{
    struct sockaddr_in address = {0};
    socklen_t len = sizeof address;
    CG_ASSERT(getsockname(server->tcp.fd, (struct sockaddr *)&address, &len) == 0);
    return ntohs(address.sin_port);
}

void http_drain(struct http_server *server)
{
    server->draining = true;
    if (server->unix_socket.fd >= 0)
        unlink(server->config.settings->listen_socket);
}

static void stop_listening(struct http_listener *listener)
{
    if (listener->fd < 0)
        return;
    uv_close((uv_handle_t *)&listener->poll, NULL);
    close(listener->fd);
    listener->fd = -1;
}

void http_stop(struct http_server *server)
{
    server->stopping = true;
    wheel_cancel(&server->accept_again);
    stop_listening(&server->tcp);
    stop_listening(&server->unix_socket);
    while (server->conns)
        end(server->conns);
    uv_close((uv_handle_t *)&server->run_ready, NULL);
}

void http_free(struct http_server *server)
{
    free_ended(server);
    free(server);
}
