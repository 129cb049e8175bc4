#include "rest/server.h"

#include "common/store/db.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rate.h"
#include "common/redis/redis_sync.h"
#include "common/search/search_index.h"
#include "common/store/store.h"
#include "rest/fcgi.h"
#include "rest/calls/health.h"
#include "rest/http/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { IO_TIMEOUT_S = 5, ACCEPT_PAUSE_MS = 100 };

struct server {
    const struct settings *settings;
    const struct token_keys *tokens;
    struct redis_shared *redis;
    int listener, epoll;
    int wake; /* an eventfd that becomes readable, and stays so, when the threads are to end */
    struct gate gate;
    struct shares shares;
    atomic_bool stopping;
    atomic_bool accept_fails; /* so that a state is logged, not every attempt */
    pthread_t *threads;
    size_t count; /* threads running */
};

/* ---- the socket ---- */

static int open_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static bool is_alive(const struct sockaddr_un *address)
{
    int fd = open_socket();
    bool alive = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    if (fd >= 0)
        close(fd);
    return alive || errno == EAGAIN; /* EAGAIN: its backlog is full */
}

/* Our own instead of FCGX_OpenSocket, which takes a path with ':' for a TCP port, ends the process
 * when it fails, and steals the socket of a process that is alive. */
static enum err listen_on(const char *path, int backlog, int *out, char why[256])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    CG_ASSERT(len < sizeof address.sun_path); /* settings.c sees to it */
    memcpy(address.sun_path, path, len + 1);
    if (is_alive(&address)) {
        snprintf(why, 256, "another process serves %s", path);
        return ERR_DUPLICATE;
    }
    unlink(path);
    int fd = open_socket();
    /* the mode is set before anybody can connect: that takes listen() */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || chmod(path, 0660) || listen(fd, backlog)) {
        snprintf(why, 256, "cannot listen on %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_INVALID;
    }
    *out = fd;
    return ERR_OK;
}

/* ---- one thread at epoll ---- */

/* Asks for the next event of `fd`, for one thread. */
static bool arm(const struct server *server, int fd, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = fd};
    return epoll_ctl(server->epoll, operation, fd, &event) == 0;
}

static void pause_accepting(struct server *server, int failed)
{
    if (!atomic_exchange(&server->accept_fails, true))
        log_error("rest.accept_failed", "errno=%d msg=\"%s\"", failed, strerror(failed));
    struct timespec pause = {0, ACCEPT_PAUSE_MS * 1000000L};
    nanosleep(&pause, NULL);
}

static void accept_one(struct server *server, struct gate_pass *pass)
{
    struct timeval limit = {.tv_sec = IO_TIMEOUT_S};
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
            int failed = errno;
            gate_leave(pass);
            pause_accepting(server, failed); /* EMFILE, ENFILE, ENOMEM … pass; the others go on serving */
        }
    } else {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (!arm(server, fd, EPOLL_CTL_ADD))
            close(fd);
        if (atomic_exchange(&server->accept_fails, false))
            log_info("rest.accept_recovered", "msg=\"connections are accepted again\"");
    }
    while (!arm(server, server->listener, EPOLL_CTL_MOD)) { /* the kernel has no memory: nobody else would accept */
        gate_leave(pass);
        pause_accepting(server, errno);
    }
}

/* Waits for the connection's next request from now on. */
static void go_on(struct server *server, int fd)
{
    if (fd >= 0 && !arm(server, fd, EPOLL_CTL_MOD))
        close(fd);
}

static void refuse(struct server *server, struct claim *claim, const struct backends *backends)
{
    go_on(server, fcgi_answer(fcgi_of_claim(claim), router_refuse, backends, &server->stopping));
}

/* A request has come. The operator's questions about this process wait behind nobody. */
static void take_in(struct server *server, int fd, const struct backends *backends)
{
    if (!fcgi_is_whole(fd))
        gate_leave(backends->pass);
    struct fcgi_request *request = fcgi_read(fd);
    if (!request)
        return;
    const struct http_request *http = fcgi_http(request);
    if (health_is(http->path)) {
        go_on(server, fcgi_answer(request, router_serve, backends, &server->stopping));
        return;
    }
    struct claim *surplus = shares_put(&server->shares, fcgi_claim(request), rate_address_key(http->remote));
    if (surplus)
        refuse(server, surplus, backends);
}

/* Works on the request whose turn it is. Whether more wait; false also if none may be worked on. */
static bool work_on_next(struct server *server, const struct backends *backends)
{
    struct claim *claim = shares_take(&server->shares);
    if (!claim)
        return false;
    struct sharer *sharer = claim->sharer;
    struct fcgi_request *request = fcgi_of_claim(claim);
    if (fcgi_is_gone(request))
        fcgi_drop(request);
    else
        go_on(server, fcgi_answer(request, router_serve, backends, &server->stopping));
    return shares_done(&server->shares, sharer);
}

/* Takes in what is ready at epoll; `wait`: until something is. Whether anything but the wake-up was; *woken: that was. */
static bool look(struct server *server, const struct backends *backends, bool wait, bool *woken)
{
    struct epoll_event events[2];
    bool any = false;
    int count = epoll_wait(server->epoll, events, *woken ? 2 : 1, wait ? -1 : 0);
    if (count < 0 && errno != EINTR)
        pause_accepting(server, errno);
    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd;
        if (fd == server->wake) {
            *woken = true;
            continue;
        }
        any = true;
        if (fd == server->listener)
            accept_one(server, backends->pass);
        else
            take_in(server, fd, backends);
    }
    return any;
}

static void *work(void *arg)
{
    struct server *server = arg;
    db_thread_begin();
    struct gate_pass pass = {.of = &server->gate};
    struct search_index *search = NULL;
    struct backends backends = {
        .settings = server->settings,
        .tokens = server->tokens,
        .store = store_new(server->settings),
        .redis = redis_sync_new(server->redis),
        .search = &search,
        .pass = &pass,
    };
    /* Whoever has done something looks whether requests wait before it waits at the gate itself, and looks at what has
     * come before it takes the next of them: else a crowd would be worked on before a newcomer is seen. Once woken to
     * end, a thread goes on while anything but the wake-up is ready. */
    bool ending = false, busy = false, any = false;
    do {
        if (!busy)
            gate_enter(&pass);
        any = gate_try(&pass) && look(server, &backends, !busy && !ending, &ending);
        busy = work_on_next(server, &backends);
    } while (!ending || any || busy);
    gate_leave(&pass);
    search_index_close(search);
    redis_sync_free(backends.redis);
    store_free(backends.store);
    db_thread_end();
    return NULL;
}

/* ---- beginning and end ---- */

struct server *server_start(const struct settings *settings, const struct token_keys *tokens,
                            struct redis_shared *redis, char why[256])
{
    struct server *server = mem_zalloc(sizeof *server);
    server->settings = settings;
    server->tokens = tokens;
    server->redis = redis;
    enum err err = listen_on(settings->rest_socket, (int)settings->rest_backlog, &server->listener, why);
    if (!err && (err = fcgi_init()))
        snprintf(why, 256, "libfcgi cannot be initialised");
    if (err) {
        free(server);
        return NULL;
    }
    gate_init(&server->gate);
    shares_init(&server->shares, (size_t)settings->rest_threads, (size_t)settings->rest_address_percent,
                (size_t)settings->rest_waiting_max);
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event wake = {.events = EPOLLIN, .data.fd = server->wake}; /* for every thread */
    server->threads = mem_zalloc((size_t)settings->rest_threads * sizeof(pthread_t));
    if (server->epoll < 0 || server->wake < 0 || epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->wake, &wake) ||
        !arm(server, server->listener, EPOLL_CTL_ADD)) {
        snprintf(why, 256, "cannot wait for connections: %s", strerror(errno));
        server_stop(server);
        return NULL;
    }
    for (int64_t i = 0; i < settings->rest_threads; i++) {
        int failed = pthread_create(&server->threads[server->count], NULL, work, server);
        if (failed) {
            snprintf(why, 256, "cannot start %lld threads: %s", (long long)settings->rest_threads, strerror(failed));
            server_stop(server);
            return NULL;
        }
        server->count++;
    }
    return server;
}

void server_stop(struct server *server)
{
    uint64_t one = 1;
    unlink(server->settings->rest_socket);
    server->stopping = true;
    if (server->count && write(server->wake, &one, sizeof one) != sizeof one)
        log_error("rest.not_woken", "errno=%d", errno);
    gate_open(&server->gate);
    for (size_t i = 0; i < server->count; i++)
        pthread_join(server->threads[i], NULL);
    close(server->listener);
    close(server->epoll);
    close(server->wake);
    gate_fini(&server->gate);
    shares_fini(&server->shares);
    free(server->threads);
    free(server);
}
