/* bare.c: the kernel's price of a chatroom: one send(2) for each recipient of each message, no library, no database, one
 * room. What a relay costs beyond this is its own doing; what it costs less, it saved by sending several messages in one
 * write.
 *
 *   bench-bare            prints the TCP port it listens on, serves until it is ended
 *
 * Its clients are the load generator's (`--protocol bare`), whose masks are zero. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_PEERS = 32768, READ_BYTES = 65536, CONTENT_MAX = 32768, FRAME_BYTES = CONTENT_MAX + 256 };

struct peer {
    int fd;
    unsigned place; /* in `peers` */
    bool upgraded;
    size_t kept; /* bytes of a request or frame that is not whole yet */
    char *rest;  /* those bytes */
};

static struct peer *peers[MAX_PEERS];
static unsigned peer_count;
static uint64_t seq;

static void drop(struct peer *peer)
{
    peers[peer->place] = peers[--peer_count];
    peers[peer->place]->place = peer->place;
    close(peer->fd);
    free(peer->rest);
    free(peer);
}

/* The frame that the relay would send for this content. */
static size_t make_frame(const char *content, size_t len, char out[FRAME_BYTES])
{
    char *payload = out + 4;
    size_t size =
        (size_t)snprintf(payload, FRAME_BYTES - 4,
                         "[{\"type\":\"message\",\"data\":{\"log_user_name\":\"bench\",\"log_content\":\"%.*s\","
                         "\"log_time\":\"2000-01-01 00:00:00\",\"seq\":%llu,\"ts\":1700000000000}}]",
                         (int)len, content, (unsigned long long)++seq);
    out[0] = (char)0x81;
    out[1] = 126; /* longer than 125 in any case */
    out[2] = (char)(size >> 8);
    out[3] = (char)size;
    return 4 + size;
}

/* Nothing may be lost in a comparison: a socket that is full is waited for. */
static void send_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return; /* reading tells of it, too */
        if (n < 0) {
            struct pollfd full = {.fd = fd, .events = POLLOUT};
            poll(&full, 1, -1);
            continue;
        }
        bytes += n;
        len -= (size_t)n;
    }
}

static void broadcast(const char *content, size_t len)
{
    static char frame[FRAME_BYTES];
    size_t size = make_frame(content, len, frame);
    for (unsigned i = 0; i < peer_count; i++)
        if (peers[i]->upgraded)
            send_all(peers[i]->fd, frame, size);
}

/* The client's frame at the front: its size, or 0 if it is not whole. */
static size_t take_frame(const char *bytes, size_t len)
{
    static const char open[] = "{\"type\":\"message\",\"content\":\"", close[] = "\"}";
    const size_t around = sizeof open - 1 + sizeof close - 1;
    const unsigned char *head = (const unsigned char *)bytes;
    if (len < 8)
        return 0;
    size_t code = head[1] & 0x7f, start = code == 126 ? 8 : 6;
    size_t size = code == 126 ? (size_t)head[2] << 8 | head[3] : code;
    if (len < start + size)
        return 0;
    if ((head[0] & 0xf) == 1 && size > around && size - around <= CONTENT_MAX)
        broadcast(bytes + start + sizeof open - 1, size - around);
    return start + size;
}

/* The handshake's request, which is answered without a look at it: its size, or 0 if it is not whole. */
static size_t take_request(struct peer *peer, const char *bytes, size_t len)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Accept: bare\r\n\r\n";
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    peer->upgraded = true;
    send_all(peer->fd, answer, sizeof answer - 1);
    return (size_t)(end + 4 - bytes);
}

static void on_readable(struct peer *peer)
{
    static char inbox[READ_BYTES * 2];
    size_t used = 0;
    memcpy(inbox, peer->rest, peer->kept);
    ssize_t n = read(peer->fd, inbox + peer->kept, READ_BYTES);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            drop(peer);
        return;
    }
    size_t len = peer->kept + (size_t)n;
    if (!peer->upgraded)
        used = take_request(peer, inbox, len);
    for (size_t size; peer->upgraded && (size = take_frame(inbox + used, len - used));)
        used += size;
    peer->kept = len - used;
    peer->rest = realloc(peer->rest, peer->kept + 1);
    if (!peer->rest || peer->kept > READ_BYTES)
        abort(); /* no client of ours */
    memcpy(peer->rest, inbox + used, peer->kept);
}

static void on_connect(int listener, int epoll)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
    if (fd < 0)
        return;
    struct peer *peer = peer_count < MAX_PEERS ? calloc(1, sizeof *peer) : NULL;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    if (!peer || !(peer->rest = calloc(1, 1)) || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        abort();
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    peer->fd = fd;
    peer->place = peer_count;
    peers[peer_count++] = peer;
}

/* Prints its port. -1: it could not. */
static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096) ||
        getsockname(listener, (struct sockaddr *)&address, &size))
        return -1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(void)
{
    struct rlimit limit;
    struct epoll_event event = {.events = EPOLLIN}, events[256]; /* no pointer: the listener */
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int listener = listen_anywhere(), epoll = epoll_create1(0);
    if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event)) {
        perror("bench-bare");
        return 1;
    }
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                on_readable(events[i].data.ptr);
            else
                on_connect(listener, epoll);
        }
    }
}
