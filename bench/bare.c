/* bare.c: the kernel's price of a chatroom: one send(2) for each recipient of each message, no library, no
 * database, no rooms. What a relay costs beyond this is its own doing; what it costs less, it saved by
 * sending several messages in one write.
 *
 *   bench-bare            prints the TCP port it listens on, serves until it is ended */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FDS = 32768, INBOX_BYTES = 8192, FRAME_BYTES = 4096 };

struct peer {
    bool open, upgraded;
    size_t len;
    unsigned char inbox[INBOX_BYTES];
};

static struct peer *peers[MAX_FDS];
static int fds[MAX_FDS], fd_count;
static uint64_t seq;

static void drop(int fd)
{
    for (int i = 0; i < fd_count; i++)
        if (fds[i] == fd)
            fds[i] = fds[--fd_count];
    close(fd);
    free(peers[fd]);
    peers[fd] = NULL;
}

/* The frame that the relay would send for this content. */
static size_t make_frame(const char *content, size_t len, char out[FRAME_BYTES])
{
    char payload[FRAME_BYTES - 16];
    int size = snprintf(payload, sizeof payload,
                        "[{\"type\":\"message\",\"data\":{\"log_user_name\":\"bench\",\"log_content\":%.*s,"
                        "\"log_time\":\"2000-01-01 00:00:00\",\"seq\":%llu,\"ts\":1700000000000}}]",
                        (int)len, content, (unsigned long long)++seq);
    size_t head = size < 126 ? 2 : 4;
    out[0] = (char)0x81;
    out[1] = (char)(size < 126 ? size : 126);
    if (head == 4) {
        out[2] = (char)(size >> 8);
        out[3] = (char)size;
    }
    memcpy(out + head, payload, (size_t)size);
    return head + (size_t)size;
}

static void broadcast(const char *bytes, size_t len)
{
    for (int i = 0; i < fd_count; i++) {
        if (!peers[fds[i]]->upgraded)
            continue;
        /* A socket that is full is waited for: nothing may be lost in a comparison. */
        for (size_t sent = 0; sent < len;) {
            ssize_t n = send(fds[i], bytes + sent, len - sent, MSG_NOSIGNAL);
            if (n > 0)
                sent += (size_t)n;
            else if (errno != EAGAIN)
                break;
        }
    }
}

/* One client frame at the front of the inbox; its size, or 0 if it is not whole. */
static size_t take_frame(struct peer *peer)
{
    if (peer->len < 6)
        return 0;
    size_t code = peer->inbox[1] & 0x7f, head = code == 126 ? 8 : 6;
    size_t size = code == 126 ? (size_t)peer->inbox[2] << 8 | peer->inbox[3] : code;
    if (peer->len < head + size)
        return 0;
    if ((peer->inbox[0] & 0xf) == 1) { /* the load generator's mask is zero */
        char frame[FRAME_BYTES], text[INBOX_BYTES];
        memcpy(text, peer->inbox + head, size);
        text[size] = '\0';
        char *content = strstr(text, "\"t="), *end = content ? strchr(content + 1, '"') : NULL;
        if (end)
            broadcast(frame, make_frame(content, (size_t)(end + 1 - content), frame));
    }
    return head + size;
}

static void on_readable(int fd)
{
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\nSec-WebSocket-Accept: bare\r\n\r\n";
    struct peer *peer = peers[fd];
    ssize_t n = read(fd, peer->inbox + peer->len, INBOX_BYTES - 1 - peer->len);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            drop(fd);
        return;
    }
    peer->len += (size_t)n;
    peer->inbox[peer->len] = '\0';
    if (!peer->upgraded) {
        if (!strstr((char *)peer->inbox, "\r\n\r\n"))
            return;
        peer->upgraded = write(fd, answer, sizeof answer - 1) > 0;
        peer->len = 0;
        return;
    }
    for (size_t size; (size = take_frame(peer));) {
        peer->len -= size;
        memmove(peer->inbox, peer->inbox + size, peer->len);
    }
}

static void on_connect(int listener, int epoll)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
    if (fd < 0 || fd >= MAX_FDS)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    peers[fd] = calloc(1, sizeof *peers[fd]);
    fds[fd_count++] = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 4096) ||
        getsockname(listener, (struct sockaddr *)&address, &size)) {
        perror("bench-bare");
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == listener)
                on_connect(listener, epoll);
            else
                on_readable(events[i].data.fd);
        }
    }
}
