/* load.c: a load generator for the chatroom: joins clients to rooms, sends, counts and checks every
 * frame that comes, and reads the servers' CPU time and memory from /proc meanwhile.
 *
 *   bench-load [--http PORT] --relay PORT[,PORT…] --pid PID[,PID…]
 *              [--rooms 1] [--clients 500] [--rate 100 | --window 10] [--seconds 10] [--bytes 64]
 *
 * With --rate it is an open loop: so many messages a second altogether, whatever comes back. With
 * --window a closed one: so many messages of each room are always on their way. With neither the
 * clients sit idle. Without --http no rooms are made: the server is bench-bare. One line of key=value figures on standard output; losses make it exit 1. */
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PORTS = 16, READ_BYTES = 1 << 16, PEEK_BYTES = 256, SAMPLES = 1 << 20, GRACE_NS = 2000000000 };

struct client {
    int fd;
    unsigned room;
    char nick[40];
    /* a frame that is being read */
    uint64_t left;          /* payload bytes to come */
    unsigned head_len;      /* bytes of the header so far */
    unsigned char head[10];
    unsigned peek_len;      /* first bytes of the payload */
    char peek[PEEK_BYTES];
    uint64_t last_seq;      /* in order, or it counts as a fault */
};

static struct {
    int http_port, relay_ports[MAX_PORTS], relays, pids[MAX_PORTS], pid_count;
    unsigned rooms, clients, rate, window, seconds, bytes;
} options = {.rooms = 1, .clients = 500, .seconds = 10, .bytes = 64};

static struct client *clients;
static char (*room_ids)[40];
static unsigned *room_sender, *room_pending;
static uint64_t sent, delivered, faults, members_frames, *latencies_ns, latency_count;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "bench-load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EAGAIN) {
            struct timespec pause = {0, 200000};
            nanosleep(&pause, NULL);
            continue;
        }
        if (n <= 0)
            die("write");
        bytes += n;
        len -= (size_t)n;
    }
}

static void field(const char *json, const char *key, char out[40])
{
    char pattern[32];
    snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
    const char *at = strstr(json, pattern);
    if (!at) {
        fprintf(stderr, "bench-load: createChatroom answered %s\n", json);
        exit(2);
    }
    snprintf(out, 40, "%.*s", (int)strcspn(at + strlen(pattern), "\""), at + strlen(pattern));
}

/* Makes a room and a user over REST, on one kept-alive connection. */
static void enter(int *fd, unsigned room, unsigned nick, struct client *client)
{
    char body[256], request[512], answer[4096];
    int len = snprintf(body, sizeof body,
                       "{\"chatroomName\":\"bench %d %u\",\"nickName\":\"bench %u\",\"headNum\":1}",
                       (int)getpid(), room, nick);
    int total = snprintf(request, sizeof request,
                         "POST /mysql/createChatroom HTTP/1.1\r\nHost: bench\r\n"
                         "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len, body);
    for (int attempt = 0; attempt < 2; attempt++) {
        if (*fd < 0)
            *fd = dial(options.http_port);
        if (write(*fd, request, (size_t)total) == total) {
            ssize_t n = 0, got = 0;
            answer[0] = '\0';
            while (!strchr(answer, '}') && (n = read(*fd, answer + got, sizeof answer - 1 - (size_t)got)) > 0)
                answer[got += n] = '\0';
            if (n > 0) {
                field(answer, "chatroomId", room_ids[room]);
                field(answer, "nickId", client->nick);
                return;
            }
        }
        close(*fd); /* nginx ends a kept-alive connection now and then */
        *fd = -1;
    }
    die("createChatroom");
}

static void join(struct client *client, int port)
{
    char request[512], answer[1024];
    int len = snprintf(request, sizeof request,
                       "GET /?roomId=%s&nickId=%s HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n"
                       "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
                       room_ids[client->room], client->nick);
    client->fd = dial(port);
    write_all(client->fd, request, (size_t)len);
    size_t got = 0;
    do { /* byte by byte: frames may follow at once */
        if (got == sizeof answer - 1 || read(client->fd, answer + got, 1) != 1)
            die("handshake");
        answer[++got] = '\0';
    } while (got < 4 || memcmp(answer + got - 4, "\r\n\r\n", 4) != 0);
    if (!strstr(answer, " 101 ")) {
        fprintf(stderr, "bench-load: handshake refused: %.60s\n", answer);
        exit(2);
    }
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
}

static void send_message(unsigned room)
{
    char payload[4096];
    unsigned char frame[4200];
    struct client *client = &clients[room_sender[room]];
    int len = snprintf(payload, sizeof payload, "{\"type\":\"message\",\"content\":\"t=%llu;%0*d\"}",
                       (unsigned long long)now_ns(), (int)options.bytes, 0);
    size_t at = 0;
    frame[at++] = 0x81;
    if (len < 126) {
        frame[at++] = (unsigned char)(0x80 | len);
    } else {
        frame[at++] = 0x80 | 126;
        frame[at++] = (unsigned char)(len >> 8);
        frame[at++] = (unsigned char)len;
    }
    memset(frame + at, 0, 4); /* a mask of zeroes leaves the bytes as they are */
    memcpy(frame + at + 4, payload, (size_t)len);
    write_all(client->fd, (char *)frame, at + 4 + (size_t)len);
    sent++;
    room_pending[room]++;
}

static bool is_sender(const struct client *client)
{
    return &clients[room_sender[client->room]] == client;
}

static void on_frame(struct client *client)
{
    client->peek[client->peek_len < PEEK_BYTES ? client->peek_len : PEEK_BYTES - 1] = '\0';
    if (!strncmp(client->peek, "[{\"type\":\"members\"", 18))
        members_frames++;
    const char *stamp = strstr(client->peek, "\"t=");
    if (!stamp)
        return;
    delivered++;
    const char *seq = strstr(client->peek, "\"seq\":");
    uint64_t number = seq ? strtoull(seq + 6, NULL, 10) : 0;
    if (number) {
        faults += client->last_seq && number <= client->last_seq;
        client->last_seq = number;
    }
    if (!is_sender(client))
        return;
    room_pending[client->room] -= room_pending[client->room] > 0;
    if (latency_count < SAMPLES)
        latencies_ns[latency_count++] = now_ns() - strtoull(stamp + 3, NULL, 10);
}

static void on_bytes(struct client *client, const unsigned char *bytes, size_t len)
{
    while (len) {
        if (!client->left) {
            client->head[client->head_len++] = *bytes++;
            len--;
            unsigned code = client->head_len > 1 ? client->head[1] & 0x7f : 0;
            unsigned need = client->head_len < 2 ? 2 : code == 127 ? 10 : code == 126 ? 4 : 2;
            if (client->head_len < need)
                continue;
            client->left = code < 126 ? code : 0;
            for (unsigned i = 2; i < need; i++)
                client->left = client->left << 8 | client->head[i];
            client->peek_len = 0;
            if (!client->left)
                client->head_len = 0;
            continue;
        }
        size_t part = len < client->left ? len : (size_t)client->left;
        size_t room = PEEK_BYTES - 1 - client->peek_len, keep = part < room ? part : room;
        memcpy(client->peek + client->peek_len, bytes, keep);
        client->peek_len += (unsigned)keep;
        client->left -= part;
        bytes += part;
        len -= part;
        if (!client->left) {
            if ((client->head[0] & 0xf) == 1)
                on_frame(client);
            client->head_len = 0;
        }
    }
}

static void poll_once(int epoll, int timeout_ms)
{
    static unsigned char bytes[READ_BYTES];
    struct epoll_event events[256];
    int count = epoll_wait(epoll, events, 256, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;
        ssize_t n = read(client->fd, bytes, sizeof bytes);
        if (n > 0)
            on_bytes(client, bytes, (size_t)n);
        else if (n == 0 || errno != EAGAIN)
            die("a client was closed");
    }
}

static double cpu_seconds(void)
{
    double total = 0;
    for (int i = 0; i < options.pid_count; i++) {
        char path[64], text[1024];
        unsigned long user = 0, system = 0;
        snprintf(path, sizeof path, "/proc/%d/stat", options.pids[i]);
        FILE *file = fopen(path, "r");
        if (!file || !fgets(text, sizeof text, file))
            die(path);
        fclose(file);
        sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
        total += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    }
    return total;
}

static double memory_kib(void)
{
    double total = 0;
    for (int i = 0; i < options.pid_count; i++) {
        char path[64];
        long resident = 0;
        snprintf(path, sizeof path, "/proc/%d/statm", options.pids[i]);
        FILE *file = fopen(path, "r");
        if (!file || fscanf(file, "%*d %ld", &resident) != 1)
            die(path);
        fclose(file);
        total += (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024;
    }
    return total;
}

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static double percentile_ms(double part)
{
    return latency_count ? (double)latencies_ns[(size_t)((double)(latency_count - 1) * part)] / 1e6 : 0;
}

static int numbers(char *text, int *out)
{
    int count = 0;
    for (char *part = strtok(text, ","); part && count < MAX_PORTS; part = strtok(NULL, ","))
        out[count++] = atoi(part);
    return count;
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i];
        char *value = argv[i + 1];
        unsigned number = (unsigned)atoi(value);
        if (!strcmp(name, "--http")) options.http_port = atoi(value);
        else if (!strcmp(name, "--relay")) options.relays = numbers(value, options.relay_ports);
        else if (!strcmp(name, "--pid")) options.pid_count = numbers(value, options.pids);
        else if (!strcmp(name, "--rooms")) options.rooms = number;
        else if (!strcmp(name, "--clients")) options.clients = number;
        else if (!strcmp(name, "--rate")) options.rate = number;
        else if (!strcmp(name, "--window")) options.window = number;
        else if (!strcmp(name, "--seconds")) options.seconds = number;
        else if (!strcmp(name, "--bytes")) options.bytes = number;
        else { fprintf(stderr, "bench-load: what is %s?\n", name); exit(2); }
    }
    if (!options.relays || options.clients < options.rooms) {
        fprintf(stderr, "usage: bench-load [--http PORT] --relay PORT[,PORT] --pid PID[,PID] [--rooms N] "
                        "[--clients N] [--rate N | --window N] [--seconds N] [--bytes N]\n");
        exit(2);
    }
}

/* Until nothing has come for a while. */
static void settle(int epoll, uint64_t quiet_ns)
{
    uint64_t seen = delivered + members_frames, since = now_ns();
    while (now_ns() - since < quiet_ns) {
        poll_once(epoll, 50);
        if (delivered + members_frames != seen) {
            seen = delivered + members_frames;
            since = now_ns();
        }
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    clients = calloc(options.clients, sizeof *clients);
    room_ids = calloc(options.rooms, sizeof *room_ids);
    room_sender = calloc(options.rooms, sizeof *room_sender);
    room_pending = calloc(options.rooms, sizeof *room_pending);
    latencies_ns = calloc(SAMPLES, sizeof *latencies_ns);
    int epoll = epoll_create1(0), http = -1;
    for (unsigned i = 0; i < options.clients; i++) {
        clients[i].room = i % options.rooms;
        if (options.http_port)
            enter(&http, clients[i].room, i, &clients[i]);
    }
    double memory_before = memory_kib(), cpu_before = cpu_seconds();
    for (unsigned i = 0; i < options.clients; i++) {
        join(&clients[i], options.relay_ports[i % (unsigned)options.relays]);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &clients[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, clients[i].fd, &event))
            die("epoll");
        if (i < options.rooms)
            room_sender[i] = i;
        if (i % 64 == 0)
            poll_once(epoll, 0);
    }
    settle(epoll, GRACE_NS);
    double join_cpu = cpu_seconds() - cpu_before, memory = memory_kib() - memory_before;
    uint64_t per_message = options.clients / options.rooms;
    delivered = 0;
    cpu_before = cpu_seconds();
    uint64_t begin = now_ns(), end = begin + options.seconds * 1000000000ull;
    for (uint64_t now; (now = now_ns()) < end;) {
        uint64_t due = options.rate ? (now - begin) * options.rate / 1000000000u : 0;
        while (options.rate && sent < due)
            send_message((unsigned)(sent % options.rooms));
        for (unsigned room = 0; options.window && room < options.rooms; room++)
            while (room_pending[room] < options.window)
                send_message(room);
        poll_once(epoll, options.rate || options.window ? 1 : 100);
    }
    double seconds = (double)(now_ns() - begin) / 1e9;
    uint64_t within = delivered;
    double cpu = cpu_seconds() - cpu_before;
    settle(epoll, GRACE_NS);
    uint64_t expected = sent * per_message;
    qsort(latencies_ns, latency_count, sizeof latencies_ns[0], by_value);
    printf("clients=%u rooms=%u sent=%llu delivered=%llu lost=%lld faults=%llu messages_s=%.0f "
           "deliveries_s=%.0f cpu_us_per_delivery=%.2f cpu_cores=%.2f p50_ms=%.2f p99_ms=%.2f "
           "kib_per_client=%.2f join_cpu_us=%.0f members_frames=%llu\n",
           options.clients, options.rooms, (unsigned long long)sent, (unsigned long long)delivered,
           (long long)(expected - delivered), (unsigned long long)faults, (double)sent / seconds,
           (double)within / seconds, within ? cpu * 1e6 / (double)within : 0, cpu / seconds,
           percentile_ms(0.5), percentile_ms(0.99), memory / options.clients,
           join_cpu * 1e6 / options.clients, (unsigned long long)members_frames);
    return expected != delivered || faults ? 1 : 0;
}
