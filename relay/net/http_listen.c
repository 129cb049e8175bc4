#include "relay/net/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,
    SILENT_PEER_MS = 30000, /* a peer that acknowledges nothing this long is gone */
};

void http_listen_options(int fd)
{
    static const int on = 1, silent_ms = SILENT_PEER_MS, idle_s = SILENT_PEER_MS / 1000, every_s = 10;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof silent_ms);
}

/* The port of last time, if listen_port leaves the choice to us: clients that know it find us again. */
static int remembered_port(const struct settings *settings)
{
    int port = 0;
    FILE *file = *settings->port_file ? fopen(settings->port_file, "r") : NULL;
    if (file) {
        if (fscanf(file, "%5d", &port) != 1 || port < 1 || port > 65535)
            port = 0;
        fclose(file);
    }
    return port;
}

static bool address_of(const char *host, struct in_addr *out)
{
    struct ifaddrs *all, *at;
    bool found = inet_pton(AF_INET, host, out) == 1;
    if (found || getifaddrs(&all))
        return found;
    for (at = all; at && !found; at = at->ifa_next) {
        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_INET || strcmp(at->ifa_name, host) != 0)
            continue;
        struct sockaddr_in address;
        memcpy(&address, at->ifa_addr, sizeof address);
        *out = address.sin_addr;
        found = true;
    }
    freeifaddrs(all);
    return found;
}

static int listen_at(const struct sockaddr *address, socklen_t len)
{
    static const int on = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (address->sa_family == AF_INET) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        http_listen_options(fd); /* Linux gives them to every connection that it accepts here */
    }
    if (bind(fd, address, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static enum err find_address(const struct settings *settings, struct in_addr *out, char why[256])
{
    if (address_of(settings->listen_host, out))
        return ERR_OK;
    snprintf(why, 256, "listen_host: there is no address or interface %.64s", settings->listen_host);
    return ERR_INVALID;
}

enum err http_listen_check(const struct settings *settings, char why[256])
{
    struct in_addr address;
    return find_address(settings, &address, why);
}

int http_listen_tcp(const struct settings *settings, char why[256])
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (find_address(settings, &address.sin_addr, why))
        return -1;
    int remembered = settings->listen_port ? 0 : remembered_port(settings), fd = -1;
    if (remembered) {
        address.sin_port = htons((uint16_t)remembered);
        fd = listen_at((const struct sockaddr *)&address, sizeof address);
    }
    if (fd < 0) {
        address.sin_port = htons((uint16_t)settings->listen_port);
        fd = listen_at((const struct sockaddr *)&address, sizeof address);
    }
    if (fd < 0)
        snprintf(why, 256, "cannot listen on %.64s port %lld: %s", settings->listen_host,
                 (long long)settings->listen_port, strerror(errno));
    return fd;
}

int http_listen_unix(const char *path, char why[256])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        snprintf(why, 256, "the path of the socket %.80s… is too long", path);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    mode_t mask = umask(0117); /* nginx's group may connect; nobody else */
    int fd = listen_at((const struct sockaddr *)&address, sizeof address);
    int error = errno;
    umask(mask);
    if (fd < 0)
        snprintf(why, 256, "cannot listen on %.107s: %s", path, strerror(error));
    return fd;
}
