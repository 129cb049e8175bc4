/* http_accept.c: listening, accepting, adopting sockets; start and stop of the server. */
#include "common/container.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/net/http_listen.h"
#include "relay/net/http_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_TURN = 64,
    ACCEPT_PAUSE_MS = 100,
    SPARE_CONNECTIONS = 32, /* past max_connections: for handshakes that get their 503, and for the health pages */
};

/* ---- taking connections in ---- */

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
    const struct http_config *config = &server->config;
    return !server->draining && !server->stopping && (!config->has_place || config->has_place(config->arg)) &&
           (open_connections(server) < (size_t)server->config.settings->max_connections ||
            lobby_could_make_room(server->config.lobby));
}

bool http_has_waiting(const struct http_server *server)
{
    return !STAILQ_EMPTY(&server->ready);
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
    if (server->stopping || (is_full(server) && !lobby_makes_room(server->config.lobby))) {
        turn_away(fd);
        return NULL;
    }
    return http_conn_new(server, fd, proxied);
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
    if (!conn->call.proxied)
        http_conn_wait(conn);
    http_conn_wake(conn);
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
    struct http_server *server = container_of(timer, struct http_server, accept_again);
    listen_on(&server->tcp);
    listen_on(&server->unix_socket);
}

/* No file descriptor is left, and nobody can be put out: the listening socket stays readable, so it is not looked at for a while. */
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
        if ((error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) &&
            !lobby_makes_room(listener->server->config.lobby)) /* else in the next turn */
            pause_accepting(listener->server, error);
        if (error && error != ECONNABORTED && error != EINTR)
            return;
        struct http_conn *conn = fd < 0 ? NULL : take_in(listener->server, fd, listener->proxied);
        if (!conn)
            continue;
        metric_inc(METRIC_HTTP_ACCEPTED);
        if (!listener->proxied) {
            set_peer(conn, &peer);
            http_conn_wait(conn);
        }
        http_conn_begin(conn);
    }
}

static bool add_listener(struct http_server *server, struct http_listener *listener, int fd, char why[256])
{
    *listener = (struct http_listener){.server = server, .fd = fd, .proxied = listener == &server->unix_socket};
    if (fd < 0)
        return true;
    listener->poll.data = listener;
    int result = uv_poll_init(server->config.loop, &listener->poll, fd);
    if (result) {
        snprintf(why, 256, "cannot wait for connections: %s", uv_strerror(result));
        close(fd);
        listener->fd = -1;
        return false;
    }
    listen_on(listener);
    return true;
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
    STAILQ_INIT(&server->ready);
    STAILQ_INIT(&server->ended);
    server->run_ready.data = server;
    uv_idle_init(config->loop, &server->run_ready);
    bool fine = add_listener(server, &server->tcp, tcp, why);
    if (add_listener(server, &server->unix_socket, local, why) && fine)
        return server;
    http_stop(server);
    http_free(server);
    return NULL;
}

int http_port(const struct http_server *server)
{
    struct sockaddr_in address = {0};
    socklen_t len = sizeof address;
    if (getsockname(server->tcp.fd, (struct sockaddr *)&address, &len))
        return 0;
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
    while (!LIST_EMPTY(&server->conns))
        http_conn_end(LIST_FIRST(&server->conns));
    uv_close((uv_handle_t *)&server->run_ready, NULL);
}

void http_free(struct http_server *server)
{
    if (!server)
        return;
    http_conn_free_ended(server);
    free(server);
}
