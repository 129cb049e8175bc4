/* handoff_local.c: gives a socket to a relay on this machine, and takes those that others give.
 *
 * One message (SOCK_SEQPACKET, so it comes whole or not at all) is a header, what was read from the socket, and the
 * socket itself as SCM_RIGHTS. What does not fit into a message goes along as an anonymous file, a second
 * descriptor. Only processes of our own user are listened to. */
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/handoff_parts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    INLINE_BYTES = 32768, /* more goes into a file */
    MAGIC = 0x63674831,
    GIVERS_MAX = 256, /* connections of other relays */
    MESSAGES_PER_TURN = 64,
    BACKLOG = 64,
    BYTES_MAX = 80 * 1024 * 1024, /* past the longest body that a setting allows */
};

struct header {
    uint32_t magic;
    uint32_t proxied;
    uint64_t len;
};

/* A connection of a relay that gives. */
struct giver {
    struct handoff_local *local;
    uv_poll_t poll;
    int fd;
    struct giver *prev, *next;
};

struct handoff_local {
    struct handoff *handoff;
    uv_poll_t poll;
    int fd; /* -1: none */
    char path[HANDOFF_PATH_MAX];
    struct giver *givers;
    size_t count;
    char bytes[INLINE_BYTES];
};

/* ---- giving ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* An anonymous file with the bytes, or -1. */
static int file_of(struct str bytes)
{
    int fd = memfd_create("request", MFD_CLOEXEC);
    while (fd >= 0 && bytes.len) {
        ssize_t wrote = write(fd, bytes.ptr, bytes.len);
        if (wrote > 0) {
            bytes = (struct str){bytes.ptr + wrote, bytes.len - (size_t)wrote};
        } else if (errno != EINTR) {
            close(fd);
            fd = -1;
        }
    }
    return fd;
}

static bool send_message(int to, struct header header, struct str bytes, const int *fds, size_t count)
{
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov[] = {{&header, sizeof header}, {(void *)(uintptr_t)bytes.ptr, bytes.len}};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = 2, .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
    return sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static bool try_send(struct handoff_place *place, struct header header, struct str bytes, const int *fds, size_t count)
{
    if (place->fd < 0)
        place->fd = connect_to(place->path);
    if (place->fd < 0)
        return false;
    if (send_message(place->fd, header, bytes, fds, count))
        return true;
    bool full = errno == EAGAIN; /* it is behind: the connection is good */
    if (!full) {
        close(place->fd);
        place->fd = -1;
    }
    return false;
}

bool handoff_local_give(struct handoff_place *place, struct http_call *call)
{
    struct str bytes;
    int fds[2] = {http_look(call, &bytes), -1};
    struct header header = {MAGIC, call->proxied, bytes.len};
    bool in_file = bytes.len > INLINE_BYTES - sizeof header, kept = place->fd >= 0;
    if (in_file && (fds[1] = file_of(bytes)) < 0)
        return false;
    struct str part = in_file ? STR("") : bytes;
    size_t count = in_file ? 2 : 1;
    bool given = try_send(place, header, part, fds, count);
    if (!given && kept && place->fd < 0) /* the connection was of long ago */
        given = try_send(place, header, part, fds, count);
    if (in_file)
        close(fds[1]);
    if (given)
        close(http_take(call, &bytes));
    return given;
}

/* ---- taking ---- */

static void on_giver_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void giver_end(struct giver *giver)
{
    struct handoff_local *local = giver->local;
    if (giver->prev)
        giver->prev->next = giver->next;
    else
        local->givers = giver->next;
    if (giver->next)
        giver->next->prev = giver->prev;
    local->count--;
    uv_close((uv_handle_t *)&giver->poll, on_giver_closed);
    close(giver->fd);
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static void adopt(struct handoff_local *local, int fd, const struct header *header, struct str bytes)
{
    metric_inc(METRIC_HANDOFFS_TAKEN);
    http_adopt(local->handoff->server, fd, header->proxied, bytes);
}

static bool take_file(struct handoff_local *local, const int fds[2], const struct header *header)
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
        adopt(local, fds[0], header, (struct str){bytes, have});
    free(bytes);
    return whole;
}

/* The message was checked to come from our own user; yet a version that is not ours may run beside us. */
static bool take_message(struct handoff_local *local, const int fds[2], size_t count, struct str message)
{
    struct header header;
    if (message.len < sizeof header || !count || !is_stream(fds[0]))
        return false;
    memcpy(&header, message.ptr, sizeof header);
    struct str bytes = {message.ptr + sizeof header, message.len - sizeof header};
    if (header.magic != MAGIC)
        return false;
    if (count == 2)
        return !bytes.len && take_file(local, fds, &header);
    if (bytes.len != header.len)
        return false;
    adopt(local, fds[0], &header, bytes);
    return true;
}

/* False: nothing more now, or the connection is over. */
static bool receive(struct giver *giver, bool *over)
{
    struct handoff_local *local = giver->local;
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {local->bytes, sizeof local->bytes};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
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
    bool taken = !cut && take_message(local, fds, count, (struct str){local->bytes, (size_t)got});
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

static bool is_ours(int fd)
{
    struct ucred who;
    socklen_t len = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && who.uid == geteuid();
}

static void on_giver(uv_poll_t *poll, int status, int events)
{
    struct handoff_local *local = poll->data;
    (void)status;
    (void)events;
    int fd = accept4(local->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (!is_ours(fd) || local->count >= GIVERS_MAX) {
        close(fd);
        return;
    }
    struct giver *giver = mem_zalloc(sizeof *giver);
    giver->local = local;
    giver->fd = fd;
    giver->poll.data = giver;
    giver->next = local->givers;
    if (giver->next)
        giver->next->prev = giver;
    local->givers = giver;
    local->count++;
    uv_poll_init(local->handoff->loop, &giver->poll, fd);
    uv_poll_start(&giver->poll, UV_READABLE, on_message);
}

/* ---- its life ---- */

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    unlink(path);
    mode_t mask = umask(0177);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, BACKLOG))) {
        close(fd);
        fd = -1;
    }
    umask(mask);
    return fd;
}

struct handoff_local *handoff_local_new(struct handoff *handoff, char path[HANDOFF_PATH_MAX])
{
    struct handoff_local *local = mem_zalloc(sizeof *local);
    const char *beside = handoff->settings->listen_socket;
    char whole[PATH_MAX];
    *path = '\0';
    local->handoff = handoff;
    local->fd = -1;
    snprintf(local->path, sizeof local->path, "%.98s.handoff", beside);
    if (*beside && strlen(beside) <= 98)
        local->fd = listen_at(local->path);
    if (local->fd < 0) {
        if (*beside)
            log_warn("handoff.no_socket", "path=\"%s\" error=\"%s\"", local->path, strerror(errno));
        return local;
    }
    if (realpath(local->path, whole) && strlen(whole) < HANDOFF_PATH_MAX)
        memcpy(path, whole, strlen(whole) + 1);
    local->poll.data = local;
    uv_poll_init(handoff->loop, &local->poll, local->fd);
    uv_poll_start(&local->poll, UV_READABLE, on_giver);
    return local;
}

void handoff_local_stop(struct handoff_local *local)
{
    while (local->givers)
        giver_end(local->givers);
    if (local->fd < 0)
        return;
    uv_close((uv_handle_t *)&local->poll, NULL);
    close(local->fd);
    unlink(local->path);
    local->fd = -1;
}

void handoff_local_free(struct handoff_local *local)
{
    free(local);
}
