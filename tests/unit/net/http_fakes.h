/* http_fakes.h: the HTTP front on a real loop and real sockets, its client in the same thread; no hub behind. */
#ifndef CG_TESTS_HTTP_FAKES_H
#define CG_TESTS_HTTP_FAKES_H

#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/metrics.h"
#include "relay/net/http.h"
#include "relay/core/hub.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static uv_loop_t loop;
static struct wheel wheel;

/* What a client has got so far. */
struct client {
    int fd;
    char *text;
    size_t len;
    bool over;
};

static inline struct client dial(const struct http_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)http_port(server));
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
    return client;
}

static inline void say_bytes(struct client *client, struct str bytes)
{
    while (bytes.len) {
        uv_run(&loop, UV_RUN_NOWAIT);
        ssize_t sent = send(client->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (errno != EAGAIN)
                return; /* cut: the test looks at what came back */
            continue;
        }
        bytes = (struct str){bytes.ptr + sent, bytes.len - (size_t)sent};
    }
}

static inline void say(struct client *client, const char *text)
{
    say_bytes(client, str_of(text));
}

/* One turn of the loop, and what came of it. */
static inline void turn(struct client *client)
{
    char piece[65536];
    struct pollfd wait = {.fd = client->fd, .events = POLLIN};
    uv_run(&loop, UV_RUN_NOWAIT);
    poll(&wait, 1, 1);
    ssize_t got = recv(client->fd, piece, sizeof piece, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        client->over = true;
    if (got <= 0)
        return;
    client->text = realloc(client->text, client->len + (size_t)got + 1);
    memcpy(client->text + client->len, piece, (size_t)got);
    client->len += (size_t)got;
    client->text[client->len] = '\0';
}

static inline size_t count_of(const struct client *client, const char *what)
{
    size_t count = 0;
    for (const char *at = client->text; at && (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

/* Until it has got `what` that often, or the connection is over. */
static inline void hear(struct client *client, const char *what, size_t times)
{
    while (count_of(client, what) < times && !client->over)
        turn(client);
    if (count_of(client, what) < times)
        fail_msg("heard \"%s\" instead of \"%s\"", client->text ? client->text : "", what);
}

static inline void hear_end(struct client *client)
{
    while (!client->over)
        turn(client);
}

static inline void hang_up(struct client *client)
{
    close(client->fd);
    free(client->text);
    client->text = NULL;
}

#endif
