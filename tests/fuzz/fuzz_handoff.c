/* What another relay, or nginx, may send over the Unix sockets beside ours, and where Redis says that a relay is.
 * The first byte says what comes along with a message and to which socket, or that the rest is Redis' answer.
 * Whatever comes: a connection is taken only with just the bytes that its header told of, and no file descriptor is
 * left open. */
#include "common/clock.h"
#include "common/handoff_wire.h"
#include "common/log.h"
#include "common/mem.h"
#include "relay/redis/bus.h"
#include "relay/net/handoff.c" /* whose inside it looks at */

#include <dirent.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { US = 1001, THEY = 1002 };

static uv_loop_t loop;
static struct wheel wheel;
static struct settings settings;
static struct handoff *handoff;
static char dir[] = "/tmp/chaguan-fuzz.XXXXXX";
static int64_t now_ms = 5000000;

/* ---- Redis ---- */

struct bus_reply {
    struct str text;
};

static struct bus_reply answer;

struct str bus_reply_text(const struct bus_reply *reply)
{
    return reply->text;
}

bool bus_is_up(const struct bus *bus)
{
    (void)bus;
    return true;
}

void bus_command(struct bus *bus, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    (void)bus;
    (void)count;
    fn(arg, str_eq(args[0], STR("GET")) ? &answer : NULL);
}

/* ---- the server ---- */

static unsigned taken, given, spliced, refused;
static struct str wire;

int http_port(const struct http_server *server)
{
    (void)server;
    return 1;
}

void http_adopt(struct http_server *server, int fd, unsigned how, struct str bytes)
{
    (void)server;
    (void)how;
    CG_ASSERT(fd >= 0 && bytes.len <= wire.len + (1 << 20));
    taken++;
    close(fd);
}

void bus_publish(struct bus *bus, uint64_t conversation, struct str payload)
{
    (void)bus;
    (void)conversation;
    (void)payload;
}

bool http_has_room(const struct http_server *server)
{
    (void)server;
    return true;
}

void http_hold(struct http_call *call, void (*gone)(void *arg, struct http_call *call), void *arg)
{
    call->gone = gone;
    call->arg = arg;
}

int http_look(struct http_call *call, struct str *bytes)
{
    (void)call;
    *bytes = STR("GET / HTTP/1.1\r\n\r\n");
    return 0;
}

int http_detach(struct http_call *call, struct str *bytes)
{
    (void)call;
    *bytes = STR("");
    given++;
    return dup(0);
}

struct handoff_splices *handoff_splices_new(uv_loop_t *unused, const struct settings *of, struct wheel *by)
{
    (void)unused, (void)of, (void)by;
    return NULL;
}

size_t handoff_splices_files(const struct handoff_splices *splices)
{
    (void)splices;
    return 0;
}

void handoff_splices_stop(struct handoff_splices *splices)
{
    (void)splices;
}

void handoff_splices_free(struct handoff_splices *splices)
{
    (void)splices;
}

void handoff_splice(struct handoff_splices *splices, const struct sockaddr_in *to, struct http_call *call,
                    handoff_refuse_fn *refuse)
{
    (void)splices;
    (void)call;
    (void)refuse;
    CG_ASSERT(to->sin_family == AF_INET && to->sin_port);
    spliced++;
}

static void on_refused(struct http_call *call)
{
    (void)call;
    refused++;
}

/* ---- a message and what comes with it ---- */

static int open_files(void)
{
    DIR *all = opendir("/proc/self/fd");
    int count = 0;
    CG_ASSERT(all);
    while (readdir(all))
        count++;
    closedir(all);
    return count;
}

static int file_of(struct str bytes)
{
    int fd = memfd_create("body", MFD_CLOEXEC);
    CG_ASSERT(fd >= 0 && write(fd, bytes.ptr, bytes.len) == (ssize_t)bytes.len);
    return fd;
}

static void send_with(int to, const int *fds, size_t count)
{
    union {
        char bytes[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {(void *)(uintptr_t)wire.ptr, wire.len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    if (count) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
    }
    CG_ASSERT(sendmsg(to, &message, MSG_NOSIGNAL) == (ssize_t)wire.len);
}

static void turn_until_over(void)
{
    for (int i = 0; i < 4; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
}

/* what & 7: how many descriptors; & 8: the first is no stream; & 16: the second holds the rest of the bytes; & 64: from
 * nginx. */
static void try_message(unsigned what, struct str bytes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int before = open_files(), pair[2], fds[4], to = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    size_t count = what & 7 ? (what & 7) % 5 : 0, head = what & 16 && bytes.len > 16 ? 16 : bytes.len;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s%s", dir,
             what & 64 ? HANDOFF_WIRE_FRONT : HANDOFF_WIRE_RELAYS);
    CG_ASSERT(to >= 0 && !connect(to, (struct sockaddr *)&address, sizeof address));
    CG_ASSERT(!socketpair(AF_UNIX, what & 8 ? SOCK_DGRAM : SOCK_STREAM, 0, pair));
    wire = (struct str){bytes.ptr, head};
    for (size_t i = 0; i < count; i++)
        fds[i] = i == 0 ? pair[0] : file_of((struct str){bytes.ptr + head, bytes.len - head});
    taken = 0;
    send_with(to, fds, count);
    for (size_t i = 1; i < count; i++)
        close(fds[i]);
    close(to);
    close(pair[0]);
    close(pair[1]);
    turn_until_over();
    CG_ASSERT(taken <= 1 && (!taken || (count && count <= (what & 64 ? 1 : 2) && !(what & 8))));
    CG_ASSERT(open_files() == before);
}

/* ---- Redis' answer ---- */

static void try_answer(struct str bytes)
{
    struct http_call call = {.method = "GET"};
    char *copy = mem_strndup(bytes.ptr, bytes.len); /* hiredis adds a NUL */
    answer.text = (struct str){copy, bytes.len};
    given = spliced = refused = 0;
    handoff_give(handoff, THEY, &call, on_refused);
    CG_ASSERT(given + spliced + refused == 1 && !handoff->waiting);
    clock_freeze(now_ms += 60000); /* no answer is believed that long */
    free(copy);
}

static __attribute__((constructor)) void begin(void)
{
    char why[256], path[64], front[] = "listen_front=1", *sets[] = {path, front};
    CG_ASSERT(mkdtemp(dir));
    snprintf(path, sizeof path, "listen_socket=%s/s", dir);
    CG_ASSERT(!settings_load(&settings, NULL, sets, 2, why));
    CG_ASSERT(!log_open("fuzz", "/dev/null", LOG_ERROR));
    clock_freeze(now_ms);
    uv_loop_init(&loop);
    wheel_init(&wheel);
    handoff = handoff_new(&loop, &settings, &wheel, NULL, NULL, US);
    snprintf(handoff->boot, sizeof handoff->boot, "boot");
    handoff_look(handoff);
}

static __attribute__((destructor)) void end(void)
{
    static const char *const suffixes[] = {HANDOFF_WIRE_RELAYS, HANDOFF_WIRE_FRONT};
    char path[80];
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/s%s", dir, suffixes[i]);
        unlink(path);
    }
    rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct str rest = {(const char *)data + 1, size - 1};
    if (data[0] & 32)
        try_answer(rest);
    else
        try_message(data[0], rest);
    return 0;
}
