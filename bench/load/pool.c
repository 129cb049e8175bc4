#include "bench/load/pool.h"

#include "bench/load/answer.h"
#include "bench/load/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10, FAILURES_MAX = 10 };

struct connection {
    struct source source; /* first: a source is its connection */
    struct pool *pool;
    int fd; /* -1: none */
    bool connected, asking;
    uint64_t token;
    struct bytes request, answer;
    size_t sent;
    unsigned failures;
};

struct pool {
    struct pool_work work;
    int port;
    unsigned count, busy;
    struct connection connections[];
};

static void on_ready(struct source *source, uint32_t events);

static void hang_up(struct connection *connection)
{
    if (connection->fd < 0)
        return;
    loop_forget(&connection->source);
    close(connection->fd);
    connection->fd = -1;
    connection->connected = false;
    connection->answer.len = connection->sent = 0;
}

static void call(struct connection *connection)
{
    bool done;
    connection->fd = dial(connection->pool->port, 0, &done);
    if (connection->fd < 0)
        die("port %d: %s", connection->pool->port, strerror(errno));
    connection->connected = done;
    connection->sent = 0;
    loop_add(connection->fd, done ? EPOLLIN : EPOLLOUT, &connection->source);
}

static void failed(struct connection *connection, const char *why)
{
    hang_up(connection);
    if (!connection->asking) /* a server ends a connection that rests now and then */
        return;
    if (++connection->failures == FAILURES_MAX)
        die("port %d: %s, to %.*s", connection->pool->port, why, (int)strcspn(connection->request.data, "\r"),
            connection->request.data);
    call(connection);
}

static void send_request(struct connection *connection)
{
    const struct bytes *request = &connection->request;
    while (connection->sent < request->len) {
        const char *rest = request->data + connection->sent;
        ssize_t n = send(connection->fd, rest, request->len - connection->sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            failed(connection, strerror(errno));
            return;
        }
        if (n < 0) {
            loop_change(connection->fd, EPOLLIN | EPOLLOUT, &connection->source);
            return;
        }
        connection->sent += (size_t)n;
    }
}

static void ask_next(struct connection *connection)
{
    struct pool *pool = connection->pool;
    if (connection->asking)
        return;
    connection->request.len = connection->sent = 0;
    if (!pool->work.next(pool->work.arg, &connection->request, &connection->token))
        return;
    connection->asking = true;
    connection->failures = 0;
    pool->busy++;
    if (connection->fd < 0)
        call(connection);
    if (connection->connected)
        send_request(connection);
}

static void on_readable(struct connection *connection)
{
    struct answer answer;
    struct bytes *in = &connection->answer;
    struct pool *pool = connection->pool;
    ssize_t n = recv(connection->fd, bytes_room(in, READ_BYTES), READ_BYTES, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        failed(connection, n ? strerror(errno) : "the connection was ended");
        return;
    }
    in->len += (size_t)n;
    long used = answer_read((struct text){in->data, in->len}, &answer);
    if (used < 0 || (used > 0 && !connection->asking)) {
        failed(connection, "that is no answer");
        return;
    }
    if (!used)
        return;
    connection->asking = false;
    pool->busy--;
    pool->work.answered(pool->work.arg, connection->token, answer.status, answer.body);
    if (answer.last)
        hang_up(connection);
    else
        bytes_drop(in, (size_t)used);
    ask_next(connection);
}

static void on_ready(struct source *source, uint32_t events)
{
    struct connection *connection = (struct connection *)source;
    int error = connection->connected ? 0 : dial_error(connection->fd);
    if (error) {
        failed(connection, strerror(error));
        return;
    }
    if (events & EPOLLOUT || !connection->connected) {
        connection->connected = true;
        loop_change(connection->fd, EPOLLIN, source);
        send_request(connection);
    }
    if (connection->fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        on_readable(connection);
}

struct pool *pool_new(int port, unsigned connections, const struct pool_work *work)
{
    struct pool *pool = zalloc(1, sizeof *pool + connections * sizeof pool->connections[0]);
    pool->work = *work;
    pool->port = port;
    pool->count = connections;
    for (unsigned i = 0; i < connections; i++)
        pool->connections[i] = (struct connection){.source.ready = on_ready, .pool = pool, .fd = -1};
    pool_wake(pool);
    return pool;
}

void pool_wake(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++)
        ask_next(&pool->connections[i]);
}

unsigned pool_busy(const struct pool *pool)
{
    return pool->busy;
}

void pool_free(struct pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        hang_up(&pool->connections[i]);
        bytes_free(&pool->connections[i].request);
        bytes_free(&pool->connections[i].answer);
    }
    free(pool);
}
