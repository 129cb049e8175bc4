#include "bench/load/loop.h"

#include "bench/load/bytes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 1024 };

static struct {
    int epoll;
    int count; /* events of this turn */
    struct epoll_event events[EVENTS_A_TURN];
} loop;

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void loop_open(void)
{
    loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop.epoll < 0)
        die("epoll_create1: %s", strerror(errno));
}

static void control(int operation, int fd, uint32_t events, struct source *source)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop.epoll, operation, fd, &event))
        die("epoll_ctl: %s", strerror(errno));
}

void loop_add(int fd, uint32_t events, struct source *source)
{
    control(EPOLL_CTL_ADD, fd, events, source);
}

void loop_change(int fd, uint32_t events, struct source *source)
{
    control(EPOLL_CTL_MOD, fd, events, source);
}

bool loop_turn(uint64_t until_ns)
{
    uint64_t now = now_ns(), wait = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {(time_t)(wait / NS_PER_S), (long)(wait % NS_PER_S)};
    loop.count = epoll_pwait2(loop.epoll, loop.events, EVENTS_A_TURN, &timeout, NULL);
    if (loop.count < 0 && errno == ENOSYS) /* valgrind */
        loop.count = epoll_wait(loop.epoll, loop.events, EVENTS_A_TURN, (int)((wait + NS_PER_MS - 1) / NS_PER_MS));
    if (loop.count < 0 && errno != EINTR)
        die("epoll: %s", strerror(errno));
    for (int i = 0; i < loop.count; i++) {
        struct source *source = loop.events[i].data.ptr;
        if (source)
            source->ready(source, loop.events[i].events);
    }
    bool any = loop.count > 0;
    loop.count = 0;
    return any;
}

void loop_forget(struct source *source)
{
    for (int i = 0; i < loop.count; i++)
        if (loop.events[i].data.ptr == source)
            loop.events[i].data.ptr = NULL;
}

int dial(int port, unsigned source_host, bool *done)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    from.sin_addr.s_addr = htonl((INADDR_LOOPBACK & ~UINT32_C(255)) | source_host);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (source_host) { /* the port is chosen with the connection: it need be free for this peer only */
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&from, sizeof from))
            goto failed;
    }
    *done = !connect(fd, (struct sockaddr *)&to, sizeof to);
    if (*done || errno == EINPROGRESS)
        return fd;
failed:;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int dial_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
        return errno;
    return error;
}
