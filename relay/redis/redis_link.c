/* redis_link.c: hiredis formats commands, parses replies, and reads and writes the socket; this file matches replies
 * to callers. hiredis' asynchronous API is not used: it asserts that the server behaves like Redis, so an unexpected
 * reply (from another program at that port, or a proxy) would end the process, and its adapter for libuv never reports
 * a refused connection. Here, anything unexpected ends the connection. */
#include "relay/redis/redis_link.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/redis/redis_reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { READS_PER_TURN = 64, WAITING_FIRST = 16 };

/* The callers, in order, as Redis answers in order. */
struct waiting {
    redis_link_fn *fn; /* NULL: nobody wants to know */
    void *arg;
};

struct conn {
    uv_poll_t handle;
    redisContext *redis;
    struct redis_link *link; /* NULL once it has ended */
    int events;
    bool connecting, refused; /* refused: the password */
    bool due;                 /* there is something to write before the loop sleeps */
    struct waiting *waiting;  /* a ring of `cap`, a power of two */
    size_t first, count, cap;
};

/* ---- who waits ---- */

static struct waiting *waiting_at(const struct conn *conn, size_t index)
{
    return &conn->waiting[(conn->first + index) & (conn->cap - 1)];
}

static void add_waiting(struct conn *conn, redis_link_fn *fn, void *arg)
{
    if (conn->count == conn->cap) {
        size_t cap = conn->cap ? conn->cap * 2 : WAITING_FIRST;
        struct waiting *more = mem_zalloc(cap * sizeof *more);
        for (size_t i = 0; i < conn->count; i++)
            more[i] = *waiting_at(conn, i);
        free(conn->waiting);
        conn->waiting = more;
        conn->first = 0;
        conn->cap = cap;
    }
    *waiting_at(conn, conn->count++) = (struct waiting){fn, arg};
}

/* One step at a time, because a callback may send further commands. */
static void answer_first(struct conn *conn, const redisReply *reply)
{
    struct waiting waiting = *waiting_at(conn, 0);
    conn->first = (conn->first + 1) & (conn->cap - 1);
    conn->count--;
    if (waiting.fn)
        waiting.fn(waiting.arg, reply);
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* The one place where a connection ends, whatever the cause. Nothing of it may be on the stack but redis_link_drop,
 * _flush or on_poll. Callbacks that get NULL see the link without a connection. */
static void end(struct conn *conn)
{
    conn->link->conn = NULL;
    conn->link->lost = conn->refused ? "auth" : "closed";
    conn->link = NULL;
    uv_poll_stop(&conn->handle);
    redisFree(conn->redis);
    while (conn->count)
        answer_first(conn, NULL);
    free(conn->waiting);
    uv_close((uv_handle_t *)&conn->handle, on_closed);
}

/* ---- reading ---- */

/* False: the reply matches no command, or is malformed. */
static bool hand_out(struct conn *conn)
{
    void *reply;
    bool good = true; /* one that may not log in is of no use to anybody */
    while (good && redisReaderGetReply(conn->redis->reader, &reply) == REDIS_OK && reply) {
        if (conn->count)
            answer_first(conn, reply);
        else if (conn->link->unasked)
            conn->link->unasked(conn->link->arg, reply);
        else
            good = false;
        good = good && !conn->refused;
        freeReplyObject(reply);
    }
    return good && !conn->redis->reader->err && !redis_reply_too_big(conn->redis);
}

/* hiredis reads 16 KiB at a time. One turn of the loop reads from every client that said something: if it took no more than
 * that from Redis, what other relays say would fall behind further and further as long as there is much to do. */
static bool read_all(struct conn *conn)
{
    int waiting = 1;
    for (int reads = 0; waiting > 0 && reads < READS_PER_TURN; reads++) {
        bool got = redisBufferRead(conn->redis) == REDIS_OK;
        if (!hand_out(conn) || !got)
            return false;
        if (ioctl(conn->redis->fd, FIONREAD, &waiting))
            waiting = 0;
    }
    return true;
}

/* ---- writing ---- */

static void on_poll(uv_poll_t *handle, int status, int events);

static void watch(struct conn *conn, int events)
{
    if (events != conn->events)
        uv_poll_start(&conn->handle, events, on_poll);
    conn->events = events;
}

/* All commands of one turn of the loop are one write, and the loop is not asked whether the socket takes it: it nearly
 * always does. */
static bool write_all(struct conn *conn)
{
    int done = 0;
    conn->due = false;
    if (redisBufferWrite(conn->redis, &done) != REDIS_OK)
        return false;
    watch(conn, done ? UV_READABLE : UV_READABLE | UV_WRITABLE);
    return true;
}

static bool has_connected(struct conn *conn)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(conn->redis->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error)
        return false;
    conn->connecting = false;
    return true;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct conn *conn = handle->data;
    bool good = status >= 0 && (!conn->connecting || has_connected(conn));
    if (good && (events & UV_READABLE))
        good = read_all(conn);
    if (good && (events & UV_WRITABLE))
        good = write_all(conn);
    if (!good)
        end(conn);
}

void redis_link_flush(struct redis_link *link)
{
    struct conn *conn = link->conn;
    if (conn && conn->due && !conn->connecting && !(conn->events & UV_WRITABLE) && !write_all(conn))
        end(conn);
}

void redis_link_ask(struct redis_link *link, redis_link_fn *fn, void *arg, int count, const char *const *args,
                    const size_t *lengths)
{
    struct conn *conn = link->conn;
    redisAppendCommandArgv(conn->redis, count, (const char **)(uintptr_t)args, lengths);
    add_waiting(conn, fn, arg);
    conn->due = true;
}

void redis_link_say(struct redis_link *link, int count, const char *const *args, const size_t *lengths)
{
    struct conn *conn = link->conn;
    redisAppendCommandArgv(conn->redis, count, (const char **)(uintptr_t)args, lengths);
    conn->due = true;
}

/* ---- beginning ---- */

static void on_auth(void *arg, const redisReply *reply)
{
    struct conn *conn = arg;
    conn->refused = redis_reply_error(reply);
    if (conn->refused)
        log_error("redis.auth_failed", "msg=\"%.120s\"", redis_reply_error(reply));
}

bool redis_link_open(struct redis_link *link, uv_loop_t *loop, const char *host, int port, const char *password)
{
    redisContext *redis = port ? redisConnectNonBlock(host, port) : redisConnectUnixNonBlock(host);
    struct conn *conn = mem_zalloc(sizeof *conn);
    if (!redis || redis->err || uv_poll_init(loop, &conn->handle, redis->fd)) {
        if (redis)
            redisFree(redis);
        free(conn);
        return false;
    }
    redis_reply_bound(redis);
    conn->handle.data = conn;
    conn->redis = redis;
    conn->link = link;
    conn->connecting = true;
    link->conn = conn;
    link->lost = NULL;
    watch(conn, UV_READABLE | UV_WRITABLE);
    if (*password) {
        const char *args[] = {"AUTH", password};
        size_t lengths[] = {4, strlen(password)};
        redis_link_ask(link, on_auth, conn, 2, args, lengths);
    }
    return true;
}

void redis_link_drop(struct redis_link *link)
{
    if (link->conn)
        end(link->conn);
    link->lost = NULL;
}
