#include "worker/status.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/origin.h"
#include "common/store/db.h"
#include "worker/consumers.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { REQUEST_BYTES = 8192, PATIENCE_MS = 2000, PAGE_BYTES = 256 * 1024, BACKLOG = 16, LISTENERS = 2 };

struct status {
    const struct settings *settings;
    struct job *const *jobs;
    size_t job_count;
    int listeners[LISTENERS]; /* -1: none */
    int wake;
    pthread_t thread;
};

/* ---- what is answered ---- */

static void print_job(void *arg, const struct feed_job *job)
{
    struct buf *out = arg;
    if (job->reads_feed)
        buf_addf(
            out,
            "chaguan_feed_lag_rows{consumer=\"%.*s\"} %llu\nchaguan_feed_lag_seconds{consumer=\"%.*s\"} %lld.%03d\n",
            (int)job->name.len, job->name.ptr, (unsigned long long)job->rows, (int)job->name.len, job->name.ptr,
            (long long)(job->lag_ms / 1000), (int)(job->lag_ms % 1000));
}

/* What is said of consumers is true of all workers together. Without a database only this process's counters are left. */
static void print_metrics(struct store *store, struct buf *out)
{
    struct buf lags;
    metrics_print(out);
    for (size_t i = 0; i < consumer_count; i++)
        if (consumers[i].print)
            consumers[i].print(out);
    buf_init(&lags, PAGE_BYTES / 2);
    buf_add_text(&lags, "# HELP chaguan_feed_lag_rows Rows of the feed that a consumer has not passed\n"
                        "# TYPE chaguan_feed_lag_rows gauge\n"
                        "# HELP chaguan_feed_lag_seconds How old the oldest of them is\n"
                        "# TYPE chaguan_feed_lag_seconds gauge\n");
    store_refresh(store);
    if (!store_feed_jobs(store, print_job, &lags))
        buf_add_str(out, buf_str(&lags));
    buf_fini(&lags);
}

static bool are_well(const struct status *status)
{
    for (size_t i = 0; i < status->job_count; i++)
        if (!job_is_well(status->jobs[i]))
            return false;
    return true;
}

/* The HTTP status. */
static int answer(const struct status *status, struct store *store, struct str path, struct buf *body,
                  const char **type)
{
    *type = "text/plain; charset=utf-8";
    if (str_eq(path, STR("/metrics"))) {
        *type = "text/plain; version=0.0.4; charset=utf-8";
        print_metrics(store, body);
        return 200;
    }
    if (str_eq(path, STR("/healthz"))) {
        buf_add_text(body, "ok\n");
        return 200;
    }
    if (str_eq(path, STR("/readyz"))) {
        bool well = are_well(status);
        *type = "application/json; charset=utf-8";
        json_begin_object(body);
        json_add_bool(body, "ready", well);
        json_add_text(body, "db", well ? "up" : "down");
        json_end_object(body);
        buf_add_char(body, '\n');
        return well ? 200 : 503;
    }
    buf_add_text(body, "there are /metrics, /healthz and /readyz\n");
    return 404;
}

/* ---- HTTP ---- */

/* The value of the header, as it was sent; empty if there is none. */
static struct str header_of(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, len) && line[2 + len] == ':') {
            const char *value = line + 3 + len;
            while (*value == ' ')
                value++;
            return (struct str){value, strcspn(value, "\r\n")};
        }
    return STR("");
}

/* The head of a request, with a NUL; false if it does not come whole in time. */
static bool read_head(int fd, char head[REQUEST_BYTES])
{
    int64_t until_ms = clock_mono_ms() + PATIENCE_MS;
    size_t len = 0;
    do {
        struct pollfd asked = {.fd = fd, .events = POLLIN};
        int64_t left_ms = until_ms - clock_mono_ms();
        if (left_ms <= 0 || poll(&asked, 1, (int)left_ms) <= 0)
            return false;
        ssize_t some = recv(fd, head + len, REQUEST_BYTES - 1 - len, 0);
        if (some <= 0)
            return false;
        len += (size_t)some;
        head[len] = '\0';
        if (strlen(head) != len)
            return false;
    } while (!strstr(head, "\r\n\r\n") && len < REQUEST_BYTES - 1);
    return strstr(head, "\r\n\r\n") != NULL;
}

static void write_all(int fd, struct str text)
{
    int64_t until_ms = clock_mono_ms() + PATIENCE_MS;
    while (text.len) {
        struct pollfd asked = {.fd = fd, .events = POLLOUT};
        int64_t left_ms = until_ms - clock_mono_ms();
        if (left_ms <= 0 || poll(&asked, 1, (int)left_ms) <= 0)
            return;
        ssize_t some = send(fd, text.ptr, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (some < 0 && errno != EAGAIN && errno != EINTR)
            return;
        some = some < 0 ? 0 : some;
        text = (struct str){text.ptr + some, text.len - (size_t)some};
    }
}

static void serve(const struct status *status, struct store *store, int fd)
{
    char head[REQUEST_BYTES], line[256];
    const char *type = "text/plain; charset=utf-8";
    struct buf body;
    int code = 405;
    if (!read_head(fd, head))
        return;
    buf_init(&body, PAGE_BYTES);
    bool head_only = !strncmp(head, "HEAD ", 5);
    const char *target = head_only ? head + 5 : head + 4;
    if (!origin_asks_here(header_of(head, "host")))
        code = 403; /* a page whose name leads here (DNS rebinding) */
    else if (head_only || !strncmp(head, "GET ", 4))
        code = answer(status, store, (struct str){target, strcspn(target, " ?\r\n")}, &body, &type);
    int len = snprintf(line, sizeof line,
                       "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                       "Connection: close\r\n\r\n",
                       code, code == 200 ? "OK" : "No", type, body.len);
    write_all(fd, (struct str){line, (size_t)len});
    if (!head_only)
        write_all(fd, buf_str(&body));
    buf_fini(&body);
}

static void *run(void *arg)
{
    struct status *status = arg;
    struct store *store = store_new(status->settings);
    db_thread_begin();
    for (;;) {
        struct pollfd asked[LISTENERS + 1] = {{.fd = status->wake, .events = POLLIN}};
        for (size_t i = 0; i < LISTENERS; i++)
            asked[i + 1] = (struct pollfd){.fd = status->listeners[i], .events = POLLIN};
        if (poll(asked, LISTENERS + 1, -1) > 0 && asked[0].revents)
            break;
        for (size_t i = 0; i < LISTENERS; i++) {
            int fd = asked[i + 1].revents ? accept4(status->listeners[i], NULL, NULL, SOCK_CLOEXEC) : -1;
            if (fd < 0) {
                if (asked[i + 1].revents && errno != EAGAIN && errno != ECONNABORTED)
                    poll(NULL, 0, 100); /* no descriptor is left: not in a hurry */
                continue;
            }
            serve(status, store, fd);
            close(fd);
        }
    }
    store_free(store);
    db_thread_end();
    return NULL;
}

/* ---- listening ---- */

static int listen_on(const struct sockaddr *address, socklen_t len)
{
    int on = 1, fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address, len) || listen(fd, BACKLOG)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* What a dead process left is replaced. */
static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CG_ASSERT(strlen(path) < sizeof address.sun_path); /* settings.c sees to it */
    strcpy(address.sun_path, path);
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool alive = probe >= 0 && !connect(probe, (struct sockaddr *)&address, sizeof address);
    if (probe >= 0)
        close(probe);
    if (alive) {
        errno = EADDRINUSE;
        return -1;
    }
    unlink(path);
    mode_t mask = umask(0117);
    int fd = listen_on((struct sockaddr *)&address, sizeof address);
    umask(mask);
    return fd;
}

static int listen_port(int64_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return listen_on((struct sockaddr *)&address, sizeof address);
}

struct status *status_start(const struct settings *settings, struct job *const *jobs, size_t count, char why[256])
{
    struct status *status = mem_zalloc(sizeof *status);
    *status = (struct status){.settings = settings, .jobs = jobs, .job_count = count, .listeners = {-1, -1}};
    if (*settings->worker_socket && (status->listeners[0] = listen_unix(settings->worker_socket)) < 0)
        snprintf(why, 256, "cannot listen on %.150s: %s", settings->worker_socket, strerror(errno));
    else if (settings->worker_port && (status->listeners[1] = listen_port(settings->worker_port)) < 0)
        snprintf(why, 256, "cannot listen on port %lld: %s", (long long)settings->worker_port, strerror(errno));
    else {
        status->wake = eventfd(0, EFD_CLOEXEC);
        CG_NEED(status->wake >= 0, "a descriptor");
        int failed = pthread_create(&status->thread, NULL, run, status);
        CG_NEED(!failed, "a thread");
        return status;
    }
    if (status->listeners[0] >= 0)
        close(status->listeners[0]);
    free(status);
    return NULL;
}

void status_stop(struct status *status)
{
    uint64_t one = 1;
    if (write(status->wake, &one, sizeof one) == sizeof one)
        pthread_join(status->thread, NULL);
    for (size_t i = 0; i < LISTENERS; i++)
        if (status->listeners[i] >= 0)
            close(status->listeners[i]);
    if (status->listeners[0] >= 0)
        unlink(status->settings->worker_socket);
    close(status->wake);
    free(status);
}
