#include "relay/net/handoff_receive.h"

#include "common/handoff_wire.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    GIVERS_MAX = 256, /* connections of other relays, and as many of nginx' workers */
    MESSAGES_PER_TURN = 64,
    BACKLOG = 64,
    BYTES_MAX = 80 * 1024 * 1024, /* past the longest body that a setting allows */
};

/* A connection of a relay or a worker that gives. */
struct giver {
    struct listener *listener;
    uv_poll_t poll;
    int fd;
    LIST_ENTRY(giver) link;
};

struct listener {
    struct handoff_receivers *receivers;
    uv_poll_t *poll; /* its own allocation: it outlives a closed listener until libuv has let go of it */
    int fd;          /* -1: closed */
    char path[HANDOFF_PATH_MAX];
    LIST_HEAD(, giver) givers;
    size_t count;
};

struct handoff_receivers {
    uv_loop_t *loop;
    struct http_server *server;
    struct listener relays, front;
    bool front_failed;
    char bytes[HANDOFF_WIRE_BYTES];
};

/* ---- a giver's life ---- */

static void on_giver_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void giver_end(struct giver *giver)
{
    struct listener *listener = giver->listener;
    LIST_REMOVE(giver, link);
    listener->count--;
    uv_close((uv_handle_t *)&giver->poll, on_giver_closed);
    close(giver->fd);
}

static bool is_front(const struct listener *listener)
{
    return listener == &listener->receivers->front;
}

/* ---- messages ---- */

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static void adopt(const struct listener *listener, int fd, const struct handoff_wire *header, struct str bytes)
{
    unsigned how = HTTP_HANDED | (header->flags & HANDOFF_WIRE_PROXIED ? HTTP_PROXIED : 0) |
                   (header->flags & HANDOFF_WIRE_ALONE ? HTTP_ALONE : 0);
    if (is_front(listener)) /* whatever it says: nginx has no other way in */
        how = HTTP_PROXIED | HTTP_ALONE;
    metric_inc(is_front(listener) ? METRIC_HANDOFFS_FRONT : METRIC_HANDOFFS_TAKEN);
    http_adopt(listener->receivers->server, fd, how, bytes);
}

static bool receive_file(const struct listener *listener, const int fds[2], const struct handoff_wire *header)
{
    struct stat about;
    if (fstat(fds[1], &about) || !S_ISREG(about.st_mode) || (uint64_t)about.st_size != header->len ||
        header->len > BYTES_MAX)
        return false;
    char *bytes = mem_zalloc(header->len + 1);
    size_t have = 0;
    for (ssize_t got = 1; got > 0 && have < header->len; have += got > 0 ? (size_t)got : 0)
        got = pread(fds[1], bytes + have, header->len - have, (off_t)have);
    bool whole = have == header->len;
    if (whole)
        adopt(listener, fds[0], header, (struct str){bytes, have});
    free(bytes);
    return whole;
}

/* The sender is trusted, but may be of another version. */
static bool receive_message(const struct listener *listener, const int fds[2], size_t count, struct str message)
{
    struct handoff_wire header;
    if (message.len < sizeof header || !count || !is_stream(fds[0]))
        return false;
    memcpy(&header, message.ptr, sizeof header);
    struct str bytes = {message.ptr + sizeof header, message.len - sizeof header};
    if (header.magic != HANDOFF_WIRE_MAGIC)
        return false;
    if (count == 2)
        return !bytes.len && !is_front(listener) && receive_file(listener, fds, &header);
    if (bytes.len != header.len)
        return false;
    adopt(listener, fds[0], &header, bytes);
    return true;
}

/* False: nothing more now, or the connection is over. */
static bool receive(struct giver *giver, bool *over)
{
    char *bytes = giver->listener->receivers->bytes;
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {bytes, HANDOFF_WIRE_BYTES};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(giver->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    *over = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
    if (got <= 0)
        return false;
    int fds[2] = {-1, -1};
    size_t count = 0;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    if (rights && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS) {
        count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(rights), count * sizeof(int));
    }
    bool cut = message.msg_flags & (MSG_TRUNC | MSG_CTRUNC); /* also when no file descriptor is left */
    bool taken = !cut && receive_message(giver->listener, fds, count, (struct str){bytes, (size_t)got});
    if (!taken) {
        metric_inc(METRIC_HANDOFFS_FAILED);
        log_warn("handoff.malformed", "bytes=%zd fds=%zu cut=%d", got, count, cut);
    }
    for (size_t i = taken ? 1 : 0; i < count; i++)
        close(fds[i]);
    return true;
}

static void on_message(uv_poll_t *poll, int status, int events)
{
    struct giver *giver = poll->data;
    bool over = status < 0;
    (void)events;
    for (int i = 0; i < MESSAGES_PER_TURN && !over && receive(giver, &over); i++)
        ;
    if (over)
        giver_end(giver);
}

/* ---- listening ---- */

/* nginx runs as another user: who may open the socket stands in its mode, as with listen_socket. */
static bool may_give(const struct listener *listener, int fd)
{
    struct ucred who;
    socklen_t len = sizeof who;
    return is_front(listener) || (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == geteuid());
}

/* False: nobody waits. */
static bool accept_one(struct listener *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    if (!may_give(listener, fd) || listener->count >= GIVERS_MAX) {
        close(fd);
        return true;
    }
    struct giver *giver = mem_zalloc(sizeof *giver);
    giver->listener = listener;
    giver->fd = fd;
    giver->poll.data = giver;
    LIST_INSERT_HEAD(&listener->givers, giver, link);
    listener->count++;
    uv_poll_init(listener->receivers->loop, &giver->poll, fd);
    uv_poll_start(&giver->poll, UV_READABLE, on_message);
    return true;
}

static void on_giver(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    accept_one(poll->data);
}

static int listen_at(const char *path, mode_t hidden)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    unlink(path);
    mode_t mask = umask(hidden);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, BACKLOG))) {
        int error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
    umask(mask);
    return fd;
}

/* False: it was said in the log. */
static bool listener_open(struct listener *listener)
{
    listener->fd = listen_at(listener->path, is_front(listener) ? 0117 : 0177);
    if (listener->fd < 0) {
        log_warn("handoff.no_socket", "path=\"%s\" error=\"%s\"", listener->path, strerror(errno));
        return false;
    }
    listener->poll = mem_zalloc(sizeof *listener->poll);
    listener->poll->data = listener;
    uv_poll_init(listener->receivers->loop, listener->poll, listener->fd);
    uv_poll_start(listener->poll, UV_READABLE, on_giver);
    return true;
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

/* Nobody connects any more, and who is connected gets EPIPE; what was sent is read as it comes up. */
static void listener_close(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    unlink(listener->path);
    shutdown(listener->fd, SHUT_RDWR);
    while (accept_one(listener)) /* those who connected before */
        ;
    uv_close((uv_handle_t *)listener->poll, on_poll_closed);
    close(listener->fd);
    listener->fd = -1;
    struct giver *giver;
    LIST_FOREACH(giver, &listener->givers, link)
        shutdown(giver->fd, SHUT_RD);
}

void handoff_receivers_front(struct handoff_receivers *receivers, bool open)
{
    if (receivers->front_failed || open == (receivers->front.fd >= 0))
        return;
    if (open)
        receivers->front_failed = !listener_open(&receivers->front);
    else
        listener_close(&receivers->front);
}

bool handoff_receivers_front_is_done(const struct handoff_receivers *receivers)
{
    return receivers->front.fd < 0 && !receivers->front.count;
}

/* ---- its life ---- */

static bool name(struct listener *listener, struct handoff_receivers *receivers, const char *beside, const char *suffix)
{
    struct sockaddr_un address;
    listener->receivers = receivers;
    listener->fd = -1;
    int len = snprintf(listener->path, sizeof listener->path, "%s%s", beside, suffix);
    bool fits = len > 0 && (size_t)len < sizeof listener->path && (size_t)len < sizeof address.sun_path;
    if (*beside && !fits)
        log_warn("handoff.no_socket", "path=\"%s%s\" error=\"too long\"", beside, suffix);
    return *beside && fits;
}

struct handoff_receivers *handoff_receivers_new(uv_loop_t *loop, struct http_server *server, const char *beside,
                                                char path[HANDOFF_PATH_MAX])
{
    struct handoff_receivers *receivers = mem_zalloc(sizeof *receivers);
    char whole[PATH_MAX];
    receivers->loop = loop;
    receivers->server = server;
    *path = '\0';
    receivers->front_failed = !name(&receivers->front, receivers, beside, HANDOFF_WIRE_FRONT);
    if (name(&receivers->relays, receivers, beside, HANDOFF_WIRE_RELAYS) && listener_open(&receivers->relays) &&
        realpath(receivers->relays.path, whole) && strlen(whole) < HANDOFF_PATH_MAX)
        memcpy(path, whole, strlen(whole) + 1);
    return receivers;
}

void handoff_receivers_stop(struct handoff_receivers *receivers)
{
    listener_close(&receivers->front);
    listener_close(&receivers->relays);
    while (!LIST_EMPTY(&receivers->front.givers))
        giver_end(LIST_FIRST(&receivers->front.givers));
    while (!LIST_EMPTY(&receivers->relays.givers))
        giver_end(LIST_FIRST(&receivers->relays.givers));
}

void handoff_receivers_free(struct handoff_receivers *receivers)
{
    free(receivers);
}
