/* bus_loop.c: hiredis as a guest of the loop.
 *
 * hiredis' own adapter ignores an error of uv_poll, so that a refused connect is never reported; this
 * one lets hiredis look for itself. */
#include "common/log.h"
#include "common/mem.h"
#include "relay/bus_parts.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <sys/ioctl.h>

enum { READS_PER_TURN = 64 };

struct poll {
    uv_poll_t handle;
    redisAsyncContext *context; /* NULL once hiredis has let go */
    struct link *link;
    int events;
    bool due;      /* there is something to write before the loop sleeps */
    bool flushing; /* the socket was offered it: what it does not take waits for the socket */
};

/* hiredis reads 16 KiB at a time. One turn of the loop reads from every client that said something: if it took no more than
 * that from Redis, what other relays say would fall behind further and further as long as there is much to do. */
static void read_all(struct poll *poll)
{
    int waiting = 1;
    for (int reads = 0; poll->context && waiting > 0 && reads < READS_PER_TURN; reads++) {
        redisAsyncHandleRead(poll->context);
        if (poll->context && ioctl(poll->context->c.fd, FIONREAD, &waiting))
            waiting = 0;
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct poll *poll = handle->data;
    if (status < 0)
        events = UV_READABLE | UV_WRITABLE;
    if (poll->context && (events & UV_READABLE))
        read_all(poll);
    if (poll->context && (events & UV_WRITABLE))
        redisAsyncHandleWrite(poll->context);
}

static void poll_update(struct poll *poll, int events)
{
    poll->events = events;
    if (events)
        uv_poll_start(&poll->handle, events, on_poll);
    else
        uv_poll_stop(&poll->handle);
}

static void add_read(void *data)
{
    struct poll *poll = data;
    if (!(poll->events & UV_READABLE))
        poll_update(poll, poll->events | UV_READABLE);
}

static void del_read(void *data)
{
    struct poll *poll = data;
    poll_update(poll, poll->events & ~UV_READABLE);
}

static bool is_connected(const struct poll *poll)
{
    return poll->context->c.flags & REDIS_CONNECTED;
}

/* All commands of one turn of the loop are one write, and the loop is not asked whether the socket takes it: it nearly
 * always does. */
static void add_write(void *data)
{
    struct poll *poll = data;
    if (poll->events & UV_WRITABLE)
        return;
    if (!poll->flushing && is_connected(poll))
        poll->due = true;
    else
        poll_update(poll, poll->events | UV_WRITABLE);
}

static void del_write(void *data)
{
    struct poll *poll = data;
    if (poll->events & UV_WRITABLE)
        poll_update(poll, poll->events & ~UV_WRITABLE);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* hiredis lets go of the connection: the one place where its end is seen, whatever the cause. */
static void cleanup(void *data)
{
    struct poll *poll = data;
    poll->context = NULL;
    poll->due = false;
    poll->link->context = NULL;
    poll->link->lost = true;
    uv_close((uv_handle_t *)&poll->handle, on_poll_closed);
}

static bool attach(struct link *link, redisAsyncContext *context)
{
    struct poll *poll = mem_zalloc(sizeof *poll);
    if (uv_poll_init(link->server->bus->loop, &poll->handle, context->c.fd)) {
        free(poll);
        return false;
    }
    poll->handle.data = poll;
    poll->context = context;
    poll->link = link;
    context->ev.data = poll;
    context->ev.addRead = add_read;
    context->ev.delRead = del_read;
    context->ev.addWrite = add_write;
    context->ev.delWrite = del_write;
    context->ev.cleanup = cleanup;
    link->context = context;
    link->lost = false;
    return true;
}

static void on_auth(redisAsyncContext *context, void *data, void *private)
{
    const redisReply *reply = data;
    (void)context;
    (void)private;
    if (reply && reply->type == REDIS_REPLY_ERROR)
        log_error("redis.auth_failed", "msg=\"%.120s\"", reply->str);
}

bool bus_link_open(struct link *link, const char *host, int port, const char *password)
{
    redisAsyncContext *context = port ? redisAsyncConnect(host, port) : redisAsyncConnectUnix(host);
    if (!context || context->err || !attach(link, context)) {
        if (context)
            redisAsyncFree(context);
        return false;
    }
    if (*password)
        redisAsyncCommand(context, on_auth, NULL, "AUTH %s", password);
    return true;
}

void bus_link_flush(struct link *link)
{
    struct poll *poll = link->context ? link->context->ev.data : NULL;
    if (!poll || !poll->due)
        return;
    poll->due = false;
    poll->flushing = true;
    redisAsyncHandleWrite(link->context); /* may end the connection; `poll` lasts until the loop's next turn */
    poll->flushing = false;
}

void bus_link_drop(struct link *link)
{
    if (link->context)
        redisAsyncFree(link->context);
    link->lost = false;
}
