#include "relay/net/handoff_local.h"

#include "common/handoff_wire.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

static bool send_message(int to, struct handoff_wire header, struct str bytes, const int *fds, size_t count)
{
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov[] = {{&header, sizeof header}, {(void *)(uintptr_t)bytes.ptr, bytes.len}};
    struct msghdr message = {.msg_iov = iov,
                             .msg_iovlen = 2,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
    return sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static bool try_send(const char *path, int *to, struct handoff_wire header, struct str bytes, const int *fds,
                     size_t count)
{
    if (*to < 0)
        *to = connect_to(path);
    if (*to < 0)
        return false;
    if (send_message(*to, header, bytes, fds, count))
        return true;
    bool full = errno == EAGAIN; /* it is behind: the connection is good */
    if (!full) {
        close(*to);
        *to = -1;
    }
    return false;
}

static uint32_t flags_of(const struct http_call *call)
{
    return (call->proxied ? HANDOFF_WIRE_PROXIED : 0) | (call->alone ? HANDOFF_WIRE_ALONE : 0);
}

bool handoff_local_give(const char *path, int *to, struct http_call *call)
{
    struct str bytes;
    int fds[2] = {http_look(call, &bytes), -1};
    struct handoff_wire header = {HANDOFF_WIRE_MAGIC, flags_of(call), bytes.len};
    bool in_file = bytes.len > HANDOFF_WIRE_BYTES - sizeof header, kept = *to >= 0;
    if (in_file && (fds[1] = file_of(bytes)) < 0)
        return false;
    struct str part = in_file ? STR("") : bytes;
    size_t count = in_file ? 2 : 1;
    bool given = try_send(path, to, header, part, fds, count);
    if (!given && kept && *to < 0) /* the connection was of long ago */
        given = try_send(path, to, header, part, fds, count);
    if (in_file)
        close(fds[1]);
    if (given)
        close(http_detach(call, &bytes));
    return given;
}
