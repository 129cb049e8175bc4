#include "relay/net/handoff_splice.h"

#include "common/container.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SPLICES_MAX = 2000, SPLICES_OF_ADDRESS = 500, PIECE_BYTES = 32768, CONNECT_MS = 2000, SILENT_PEER_MS = 30000 };

/* One of the two ends. */
struct end {
    struct splice *splice;
    struct end *other;
    uv_poll_t poll;
    int fd, events; /* fd -1: not there yet */
    struct buf out; /* what this end has not taken yet of what the other sent */
};

struct splice {
    struct handoff_splices *all;
    LIST_ENTRY(splice) link;
    struct http_call *call; /* until the connection stands */
    uint64_t address;       /* of its client */
    handoff_refuse_fn *refuse;
    struct end client, relay;
    struct wheel_timer timer;
    int open_handles;
    bool ending;    /* the relay said all: once the client has it, it is over */
    bool lingering; /* the client has it: what it still says is thrown away, or a reset would take the answer with it */
};

struct handoff_splices {
    uv_loop_t *loop;
    const struct settings *settings;
    struct wheel *wheel;
    LIST_HEAD(, splice) list;
    size_t count;
    char piece[PIECE_BYTES];
};

static void give_up(struct http_call *call, handoff_refuse_fn *refuse)
{
    metric_inc(METRIC_HANDOFFS_FAILED);
    refuse(call);
}

/* ---- the end ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct end *end = handle->data;
    struct splice *splice = end->splice;
    if (--splice->open_handles == 0)
        free(splice);
}

static void end_close(struct end *end)
{
    buf_fini(&end->out);
    if (end->fd < 0)
        return;
    uv_close((uv_handle_t *)&end->poll, on_handle_closed);
    close(end->fd);
    end->fd = -1;
}

static void splice_end(struct splice *splice)
{
    LIST_REMOVE(splice, link);
    splice->all->count--;
    wheel_cancel(&splice->timer);
    end_close(&splice->client);
    end_close(&splice->relay);
}

/* ---- back and forth ---- */

static void on_event(uv_poll_t *poll, int status, int events);

static void watch(struct end *end)
{
    /* From an end is read only while the other one takes it. That the client leaves counts even then; what the relay
     * said before it ended is still for the client. */
    bool is_client = end == &end->splice->client;
    int events = end->out.len ? UV_WRITABLE : 0;
    if (!end->other->out.len && (!end->splice->ending || (is_client && end->splice->lingering)))
        events |= UV_READABLE;
    else if (is_client)
        events |= UV_DISCONNECT;
    if (end->fd < 0 || events == end->events)
        return;
    end->events = events;
    if (events)
        uv_poll_start(&end->poll, events, on_event);
    else
        uv_poll_stop(&end->poll);
}

/* False: that end is broken. */
static bool give(struct end *end, struct str bytes)
{
    ssize_t sent = end->out.len ? 0 : send(end->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    size_t taken = sent > 0 ? (size_t)sent : 0;
    buf_add(&end->out, bytes.ptr + taken, bytes.len - taken);
    return true;
}

static bool flush(struct end *end)
{
    ssize_t sent = end->out.len ? send(end->fd, end->out.data, end->out.len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    buf_consume(&end->out, (size_t)sent);
    if (!end->out.len)
        buf_fini(&end->out);
    return true;
}

static void on_late(struct wheel_timer *timer);

static void linger(struct splice *splice)
{
    splice->lingering = true;
    end_close(&splice->relay);
    shutdown(splice->client.fd, SHUT_WR);
    splice->timer.fired = on_late;
    wheel_set(splice->all->wheel, &splice->timer, splice->all->settings->close_timeout_ms);
}

/* False: it is over, at once. */
static bool receive(struct end *end)
{
    struct splice *splice = end->splice;
    char *piece = splice->all->piece;
    ssize_t got = recv(end->fd, piece, PIECE_BYTES, MSG_DONTWAIT);
    if (got > 0 && splice->lingering)
        return true;
    if (got > 0)
        return give(end->other, (struct str){piece, (size_t)got});
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    splice->ending |= end == &splice->relay;
    return end == &splice->relay;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct end *end = poll->data;
    struct splice *splice = end->splice;
    bool good = status >= 0;
    if (good && events & UV_WRITABLE)
        good = flush(end);
    if (good && events & UV_DISCONNECT && end == &splice->client)
        good = false;
    if (good && events & UV_READABLE && !end->other->out.len && (!splice->ending || splice->lingering))
        good = receive(end);
    if (!good) {
        splice_end(splice);
        return;
    }
    if (splice->ending && !splice->client.out.len && !splice->lingering)
        linger(splice);
    watch(&splice->client);
    watch(&splice->relay);
}

/* ---- the beginning ---- */

/* False: it cannot be waited for, and is closed. */
static bool set_up(struct splice *splice, struct end *end, struct end *other, int fd)
{
    static const int on = 1, silent_ms = SILENT_PEER_MS;
    end->splice = splice;
    end->other = other;
    end->fd = fd;
    end->poll.data = end;
    buf_init(&end->out, SIZE_MAX / 4); /* the request at first, then one piece at most */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof silent_ms);
    if (uv_poll_init(splice->all->loop, &end->poll, fd)) {
        close(fd);
        end->fd = -1;
        return false;
    }
    splice->open_handles++;
    return true;
}

/* The request as read, marked; its connection serves no other one, which might be for another relay. */
static bool send_request(struct splice *splice, struct str bytes, bool upgrade)
{
    const char *line_end = memmem(bytes.ptr, bytes.len, "\r\n", 2);
    size_t line = (size_t)(line_end - bytes.ptr) + 2;
    char mark[64];
    int len = snprintf(mark, sizeof mark, "%s: 1\r\n%s", HTTP_HANDED_HEADER, upgrade ? "" : "Connection: close\r\n");
    return give(&splice->relay, (struct str){bytes.ptr, line}) &&
           give(&splice->relay, (struct str){mark, (size_t)len}) &&
           give(&splice->relay, (struct str){bytes.ptr + line, bytes.len - line});
}

static void fail(struct splice *splice)
{
    struct http_call *call = splice->call;
    handoff_refuse_fn *refuse = splice->refuse;
    splice_end(splice);
    give_up(call, refuse);
}

static void on_connected(uv_poll_t *poll, int status, int events)
{
    struct end *end = poll->data;
    struct splice *splice = end->splice;
    int error = 0;
    socklen_t len = sizeof error;
    (void)events;
    if (status < 0 || getsockopt(end->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error) {
        fail(splice);
        return;
    }
    char upgrade[16];
    struct request *request = &splice->call->request;
    bool upgrades = request->header(request, "upgrade", upgrade, sizeof upgrade).len;
    struct str bytes;
    int fd = http_detach(splice->call, &bytes);
    splice->call = NULL;
    wheel_cancel(&splice->timer);
    metric_inc(METRIC_HANDOFFS_SPLICED);
    bool fine = set_up(splice, &splice->client, &splice->relay, fd);
    end->other = &splice->client;
    end->events = 0;
    if (!fine || !send_request(splice, bytes, upgrades)) {
        splice_end(splice);
        return;
    }
    watch(&splice->client);
    watch(&splice->relay);
}

static void on_late(struct wheel_timer *timer)
{
    struct splice *splice = container_of(timer, struct splice, timer);
    if (splice->lingering)
        splice_end(splice);
    else
        fail(splice);
}

static void on_gone(void *arg, struct http_call *call)
{
    (void)call;
    splice_end(arg);
}

/* Whether there is a place, one that this address has a right to. */
static bool has_place(const struct handoff_splices *splices, uint64_t address)
{
    const struct splice *at;
    size_t own = 0;
    LIST_FOREACH(at, &splices->list, link)
        own += at->address == address;
    return splices->count < SPLICES_MAX && own < SPLICES_OF_ADDRESS;
}

size_t handoff_splices_files(const struct handoff_splices *splices)
{
    return 2 * splices->count;
}

void handoff_splice(struct handoff_splices *splices, const struct sockaddr_in *to, struct http_call *call,
                    handoff_refuse_fn *refuse)
{
    uint64_t address = rate_address_key(str_of(call->peer));
    int fd = has_place(splices, address) ? socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    if (fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof *to) && errno != EINPROGRESS) {
        close(fd);
        fd = -1;
    }
    if (fd < 0) {
        give_up(call, refuse);
        return;
    }
    struct splice *splice = mem_zalloc(sizeof *splice);
    splice->all = splices;
    splice->call = call;
    splice->address = address;
    splice->refuse = refuse;
    splice->client.fd = -1;
    splice->timer.fired = on_late;
    if (!set_up(splice, &splice->relay, &splice->client, fd)) {
        free(splice);
        give_up(call, refuse);
        return;
    }
    LIST_INSERT_HEAD(&splices->list, splice, link);
    splices->count++;
    http_hold(call, on_gone, splice);
    uv_poll_start(&splice->relay.poll, UV_WRITABLE, on_connected);
    wheel_set(splices->wheel, &splice->timer, CONNECT_MS);
}

struct handoff_splices *handoff_splices_new(uv_loop_t *loop, const struct settings *settings, struct wheel *wheel)
{
    struct handoff_splices *splices = mem_zalloc(sizeof *splices);
    splices->loop = loop;
    splices->settings = settings;
    splices->wheel = wheel;
    return splices;
}

void handoff_splices_stop(struct handoff_splices *splices)
{
    for (struct splice *splice; (splice = LIST_FIRST(&splices->list));)
        if (splice->call)
            fail(splice);
        else
            splice_end(splice);
}

void handoff_splices_free(struct handoff_splices *splices)
{
    free(splices);
}
