/* What nginx' module does to a relay, here done by hand: it gives clients' sockets to the relay's front. */
#include "handoff_fakes.h"

#include "common/handoff_wire.h"
#include "common/mem.h"

#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/un.h>

enum { HERE = 1001, THERE = 1002 };

static struct relay here, there;
static bool passing; /* what comes to `here` is for `there` */

static bool claims(struct str path)
{
    return path.len && path.ptr[0] == '/';
}

static void refuse(struct http_call *call)
{
    http_reply_text(call, 503, "no such relay");
}

static void say_who(struct http_call *call)
{
    char text[128];
    int len = snprintf(text, sizeof text, "[peer %s%s%s%s]", call->peer, call->proxied ? " proxied" : "",
                       call->handed ? " handed" : "", call->alone ? " alone" : "");
    http_reply(call, 404, "text/plain", "", (struct str){text, (size_t)len});
}

static void handle(struct http_call *call)
{
    if (passing)
        handoff_give(here.handoff, THERE, call, refuse);
    else
        say_who(call);
}

static void on_upgrade(void *arg, struct http_call *call)
{
    (void)arg;
    handle(call);
}

static void on_upgrade_there(void *arg, struct http_call *call)
{
    (void)arg;
    say_who(call);
}

static const struct http_route route = {"all", claims, NULL, handle, NULL, NULL, false};
static const struct http_route route_there = {"all", claims, NULL, say_who, NULL, NULL, false};
static const struct http_route *const routes[] = {&route, NULL}, *const routes_there[] = {&route_there, NULL};

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/chaguan-front.XXXXXX");
    assert_non_null(mkdtemp(dir));
    bus = (struct bus){.up = true};
    uv_loop_init(&loop);
    wheel_init(&wheel);
    start(&here, "here", HERE, routes, on_upgrade);
    start(&there, "there", THERE, routes_there, on_upgrade_there);
    passing = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    http_stop(here.server);
    http_stop(there.server);
    handoff_stop(here.handoff);
    handoff_stop(there.handoff);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    finish(&here);
    finish(&there);
    assert_int_equal(rmdir(dir), 0); /* no socket is left behind */
    return 0;
}

/* ---- nginx ---- */

/* Connects as a worker does; -1 with errno. */
static int worker(const char *socket_name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", dir, socket_name);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* 0, or the errno of the failure. fds: the client's socket first. */
static int give(int to, const char *bytes, const int *fds, size_t count, struct handoff_wire header)
{
    union {
        char bytes[CMSG_SPACE(2 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov[] = {{&header, sizeof header}, {(void *)(uintptr_t)bytes, strlen(bytes)}};
    struct msghdr message = {.msg_iov = iov,
                             .msg_iovlen = 2,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
    return sendmsg(to, &message, MSG_NOSIGNAL) < 0 ? errno : 0;
}

/* A client that is connected to nginx over TCP, and nginx' end of that. */
static struct client accepted(int *nginx)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    struct client client = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    assert_int_equal(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
    *nginx = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    close(listener);
    return client;
}

#define HANDSHAKE(peer) \
    "GET /x HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-Forwarded-For: " peer "\r\n\r\n"

/* The worker gives a client's handshake away and closes its own copy. */
static struct client arrive(int to, const char *handshake)
{
    int fd;
    struct client client = accepted(&fd);
    struct handoff_wire header = {HANDOFF_WIRE_MAGIC, 0, strlen(handshake)};
    assert_int_equal(give(to, handshake, &fd, 1, header), 0);
    close(fd);
    return client;
}

/* ---- the tests ---- */

static void test_a_client_is_who_nginx_says(void **state)
{
    (void)state;
    int nginx = worker("here.sock.front");
    int64_t front = metric_get(METRIC_HANDOFFS_FRONT), taken = metric_get(METRIC_HANDOFFS_TAKEN);
    struct client first = arrive(nginx, HANDSHAKE("203.0.113.7")), second = arrive(nginx, HANDSHAKE("2001:db8::7"));
    hear(&first, "[peer 203.0.113.7 proxied alone]", 1);
    hear(&second, "[peer 2001:db8::7 proxied alone]", 1);
    assert_int_equal(metric_get(METRIC_HANDOFFS_FRONT), front + 2);
    assert_int_equal(metric_get(METRIC_HANDOFFS_TAKEN), taken);
    hang_up(&first);
    hang_up(&second);
    close(nginx);
}

/* Or a client could talk past nginx after its first request was refused, and be believed. */
static void test_nothing_that_a_client_says_after_its_handshake_is_a_request(void **state)
{
    (void)state;
    int nginx = worker("here.sock.front");
    struct client client = arrive(nginx, HANDSHAKE("203.0.113.7") "GET /behind HTTP/1.1\r\nHost: x\r\n\r\n");
    say(&client, "GET /later HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
    hear(&client, "[peer 203.0.113.7 proxied alone]", 1);
    hear_end(&client);
    assert_int_equal(count_of(&client, "[peer"), 1);
    assert_int_equal(count_of(&client, "Connection: close"), 1);
    hang_up(&client);
    close(nginx);
}

static void test_that_holds_also_after_another_relay_got_it(void **state)
{
    (void)state;
    int nginx = worker("here.sock.front");
    passing = true;
    struct client client = arrive(nginx, HANDSHAKE("203.0.113.7"));
    say(&client, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(&client, "[peer 203.0.113.7 proxied handed alone]", 1);
    hear_end(&client);
    assert_int_equal(count_of(&client, "[peer"), 1);
    hang_up(&client);
    close(nginx);
}

static void test_a_full_relay_takes_what_was_sent_and_lets_nginx_go_elsewhere(void **state)
{
    (void)state;
    here.settings.max_connections = 2;
    int nginx = worker("here.sock.front");
    struct client direct[2] = {dial(here.server), dial(here.server)};
    say(&direct[0], "GET /x HTTP/1.1\r\n");
    say(&direct[1], "GET /x HTTP/1.1\r\n");
    while (http_has_room(here.server))
        turn(&direct[1]);
    struct client before = arrive(nginx, HANDSHAKE("203.0.113.7")); /* at the last moment */
    int unseen = worker("here.sock.front");
    struct client also_before = arrive(unseen, HANDSHAKE("203.0.113.8"));
    handoff_look(here.handoff);
    int fd = before.fd;
    struct handoff_wire header = {HANDOFF_WIRE_MAGIC, 0, 0};
    assert_int_equal(give(nginx, "", &fd, 1, header), EPIPE);
    assert_int_equal(give(unseen, "", &fd, 1, header), EPIPE);
    assert_int_equal(worker("here.sock.front"), -1);
    assert_int_equal(errno, ENOENT);
    int elsewhere = worker("there.sock.front");
    assert_int_not_equal(elsewhere, -1);
    close(elsewhere);
    hear(&before, "[peer 203.0.113.7 proxied alone]", 1);
    hear(&also_before, "[peer 203.0.113.8 proxied alone]", 1);
    hang_up(&before);
    hang_up(&also_before);
    hang_up(&direct[0]);
    while (!http_has_room(here.server))
        turn(&direct[1]);
    handoff_look(here.handoff);
    close(nginx);
    nginx = worker("here.sock.front");
    struct client after = arrive(nginx, HANDSHAKE("203.0.113.9"));
    hear(&after, "[peer 203.0.113.9 proxied alone]", 1);
    hang_up(&after);
    hang_up(&direct[1]);
    close(nginx);
    close(unseen);
}

static void test_a_relay_that_drains_takes_no_more_from_nginx_but_from_relays(void **state)
{
    (void)state;
    http_drain(here.server);
    handoff_look(here.handoff);
    assert_int_equal(worker("here.sock.front"), -1);
    int relay = worker("here.sock.handoff");
    assert_int_not_equal(relay, -1);
    close(relay);
}

/* Or a relay that ends would drop whom nginx gave it at the last moment. */
static void test_the_front_is_done_only_when_all_that_nginx_gave_was_taken_in(void **state)
{
    (void)state;
    int nginx = worker("here.sock.front");
    struct client last = arrive(nginx, HANDSHAKE("203.0.113.7"));
    http_drain(here.server);
    assert_false(handoff_front_is_done(here.handoff));
    handoff_look(here.handoff);
    assert_false(handoff_front_is_done(here.handoff));
    while (!handoff_front_is_done(here.handoff) || http_has_waiting(here.server))
        turn(&last);
    hear(&last, "[peer 203.0.113.7 proxied alone]", 1);
    hang_up(&last);
    close(nginx);
}

static void test_a_relay_can_be_told_not_to_take_any(void **state)
{
    (void)state;
    here.settings.listen_front = 0;
    handoff_look(here.handoff);
    assert_true(handoff_front_is_done(here.handoff));
    assert_int_equal(worker("here.sock.front"), -1);
}

static void test_what_is_no_clients_socket_is_closed(void **state)
{
    (void)state;
    int nginx = worker("here.sock.front"), fds[2];
    int64_t failed = metric_get(METRIC_HANDOFFS_FAILED), front = metric_get(METRIC_HANDOFFS_FRONT);
    struct client client = accepted(&fds[0]);
    fds[1] = memfd_create("x", 0);
    struct handoff_wire good = {HANDOFF_WIRE_MAGIC, 0, 1}, other = {HANDOFF_WIRE_MAGIC + 1, 0, 1};
    struct handoff_wire longer = {HANDOFF_WIRE_MAGIC, 0, 2}, none = {HANDOFF_WIRE_MAGIC, 0, 0};
    assert_int_equal(give(nginx, "x", &fds[1], 1, good), 0);
    assert_int_equal(give(nginx, "x", fds, 1, other), 0);
    assert_int_equal(give(nginx, "x", fds, 1, longer), 0);
    assert_int_equal(give(nginx, "", fds, 2, none), 0); /* a file is for relays */
    while (metric_get(METRIC_HANDOFFS_FAILED) < failed + 4)
        turn(&client);
    close(fds[0]);
    close(fds[1]);
    hear_end(&client); /* nobody kept a copy */
    assert_int_equal(metric_get(METRIC_HANDOFFS_FRONT), front);
    hang_up(&client);
    close(nginx);
}

static void test_the_socket_watches_for_clients_that_vanish(void **state)
{
    (void)state;
    int nginx = worker("here.sock.front"), fd, keep_alive = 0, silent_ms = 0;
    socklen_t len = sizeof keep_alive;
    struct client client = accepted(&fd);
    struct handoff_wire header = {HANDOFF_WIRE_MAGIC, 0, strlen(HANDSHAKE("203.0.113.7"))};
    assert_int_equal(give(nginx, HANDSHAKE("203.0.113.7"), &fd, 1, header), 0);
    hear(&client, "[peer 203.0.113.7 proxied alone]", 1);
    getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keep_alive, &len);
    getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, &len);
    assert_true(keep_alive && silent_ms);
    close(fd);
    hang_up(&client);
    close(nginx);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_client_is_who_nginx_says),
        TEST(nothing_that_a_client_says_after_its_handshake_is_a_request),
        TEST(that_holds_also_after_another_relay_got_it),
        TEST(a_full_relay_takes_what_was_sent_and_lets_nginx_go_elsewhere),
        TEST(a_relay_that_drains_takes_no_more_from_nginx_but_from_relays),
        TEST(the_front_is_done_only_when_all_that_nginx_gave_was_taken_in),
        TEST(a_relay_can_be_told_not_to_take_any),
        TEST(what_is_no_clients_socket_is_closed),
        TEST(the_socket_watches_for_clients_that_vanish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
