/* The driver for programs that may wait, against a Redis and sentinels that are none: each has a thread for each connection,
 * and answers as the test says. */
#include "tests/unit/check.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/redis/redis_sync.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SERVERS = 4, CLIENTS = 64, INPUT = 4096, SHARE_MS = 2000 };

#define MASTER "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define SLAVE  "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:0\r\n"

/* ---- servers ---- */

struct server {
    int listener, port;
    const char *auth, *role, *master, *answer; /* to AUTH, ROLE, SENTINEL and all else; empty: none */
    int logins, asked, commands, connects;     /* how often AUTH, ROLE or SENTINEL, all else were heard */
};

static struct client {
    pthread_t thread;
    struct server *server;
    int fd;
} clients[CLIENTS];
static int client_count;
static struct server servers[SERVERS];
static pthread_t threads[SERVERS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* One command is one write of the driver, but those that were queued come together. */
static void answer_all(struct client *client, const char *input)
{
    struct server *server = client->server;
    pthread_mutex_lock(&mutex);
    for (const char *at = input; (at = strchr(at, '*')); at++) {
        const char *text = server->answer, *name = strstr(at, "\r\n$");
        if (!name || !(name = strstr(name + 2, "\r\n")))
            continue;
        if (!strncmp(name, "\r\nAUTH", 6)) {
            server->logins++;
            text = server->auth;
        } else if (!strncmp(name, "\r\nROLE", 6)) {
            server->asked++;
            text = server->role;
        } else if (!strncmp(name, "\r\nSENT", 6)) {
            server->asked++;
            text = server->master;
        } else {
            server->commands++;
        }
        (void)!write(client->fd, text, strlen(text));
    }
    pthread_mutex_unlock(&mutex);
}

static void *serve_one(void *arg)
{
    struct client *client = arg;
    char input[INPUT];
    for (ssize_t got; (got = read(client->fd, input, sizeof input - 1)) > 0;) {
        input[got] = '\0';
        answer_all(client, input);
    }
    shutdown(client->fd, SHUT_RDWR);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct server *server = arg;
    for (int fd; (fd = accept(server->listener, NULL, NULL)) >= 0;) {
        pthread_mutex_lock(&mutex);
        assert_true(client_count < CLIENTS);
        struct client *client = &clients[client_count++];
        *client = (struct client){.server = server, .fd = fd};
        server->connects++;
        pthread_create(&client->thread, NULL, serve_one, client);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void start(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    *server = (struct server){.auth = "+OK\r\n", .role = MASTER, .master = "*-1\r\n", .answer = ":1\r\n"};
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    getsockname(server->listener, (struct sockaddr *)&address, &len);
    server->port = ntohs(address.sin_port);
    pthread_create(&threads[server - servers], NULL, accept_all, server);
}

/* All of its connections: on loopback the other side knows before this returns. */
static void hang_up(const struct server *server)
{
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < client_count; i++)
        if (clients[i].server == server)
            shutdown(clients[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&mutex);
}

/* The sentinel's answer that this server is the master. */
static const char *names(const struct server *server)
{
    static char text[SERVERS][100];
    char port[8], *out = text[server - servers];
    snprintf(port, sizeof port, "%d", server->port);
    snprintf(out, 100, "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port), port);
    return out;
}

/* ---- the driver ---- */

static struct settings settings;
static struct redis_shared *shared;
static struct redis_sync *redis, *other; /* of two threads */
static char list[200];
static int64_t now_ms;

static int begin(void **state)
{
    (void)state;
    char *none = (char *)(uintptr_t)"";
    client_count = 0;
    for (int i = 0; i < SERVERS; i++)
        start(&servers[i]);
    settings = (struct settings){.redis_host = none,
                                 .redis_socket = none,
                                 .redis_password = none,
                                 .redis_addresses = list,
                                 .redis_sentinels = none,
                                 .redis_sentinel_password = none,
                                 .redis_prefix = (char *)(uintptr_t)"t",
                                 .redis_timeout_ms = SHARE_MS * REDIS_SENTINEL_SHARE,
                                 .redis_master = (char *)(uintptr_t)"mymaster"};
    snprintf(list, sizeof list, "127.0.0.1:%d", servers[2].port);
    clock_freeze(now_ms = 1000000);
    return 0;
}

static void begin_sync(void)
{
    shared = redis_shared_new(&settings);
    redis = redis_sync_new(shared);
    other = redis_sync_new(shared);
}

static void end_sync(void)
{
    redis_sync_free(redis);
    redis_sync_free(other);
    redis_shared_free(shared);
    redis = other = NULL;
    shared = NULL;
}

/* The first two servers are sentinels, the others Redis. */
static void watch(void)
{
    settings.redis_addresses = (char *)(uintptr_t)"";
    settings.redis_sentinels = list;
    snprintf(list, sizeof list, "127.0.0.1:%d,127.0.0.1:%d", servers[0].port, servers[1].port);
}

static int end(void **state)
{
    (void)state;
    end_sync();
    for (int i = 0; i < SERVERS; i++) {
        shutdown(servers[i].listener, SHUT_RDWR);
        pthread_join(threads[i], NULL);
        close(servers[i].listener);
    }
    for (int i = 0; i < client_count; i++) {
        shutdown(clients[i].fd, SHUT_RDWR);
        pthread_join(clients[i].thread, NULL);
        close(clients[i].fd);
    }
    clock_freeze(-1);
    return 0;
}

static void wait_out_the_back_off(void)
{
    clock_freeze(now_ms += 2000);
}

/* The answer to a command as a number; -1: none. */
static int64_t ask(struct redis_sync *of, size_t server)
{
    struct redisReply *reply = redis_sync_ask(of, server, "INCR %s", "key");
    int64_t number = reply ? redis_reply_number(reply) : -1;
    redis_reply_free(reply);
    return number;
}

static const char *state_text(void)
{
    static char text[300];
    struct buf out;
    buf_init(&out, sizeof text);
    redis_sync_add_state(redis, &out);
    snprintf(text, sizeof text, "%.*s", (int)out.len, out.data);
    buf_fini(&out);
    return text;
}

static void check_at(const struct server *server, bool up)
{
    char want[200];
    snprintf(want, sizeof want, "[{\"at\":\"127.0.0.1:%d\",\"up\":%s}]", server->port, up ? "true" : "false");
    assert_string_equal(state_text(), want);
}

static int heard(const int *what)
{
    pthread_mutex_lock(&mutex);
    int count = *what;
    pthread_mutex_unlock(&mutex);
    return count;
}

/* From now on. */
static void say(const char **what, const char *text)
{
    pthread_mutex_lock(&mutex);
    *what = text;
    pthread_mutex_unlock(&mutex);
}

/* ---- stories ---- */

static void a_connection_is_made_when_it_is_needed_and_kept(void **state)
{
    (void)state;
    begin_sync();
    check_at(&servers[2], false);
    assert_int_equal(heard(&servers[2].connects), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(redis, 0), 1);
    assert_int_equal(heard(&servers[2].connects), 1);
    assert_int_equal(heard(&servers[2].commands), 3);
    check_at(&servers[2], true);
}

static void what_is_queued_is_answered_in_order(void **state)
{
    (void)state;
    begin_sync();
    for (int i = 0; i < 3; i++)
        assert_int_equal(redis_sync_queue(redis, 0, "INCR %s", "key"), ERR_OK);
    assert_int_equal(heard(&servers[2].commands), 0);
    for (int i = 0; i < 3; i++) {
        struct redisReply *reply = redis_sync_answer(redis, 0);
        assert_int_equal(redis_reply_number(reply), 1);
        redis_reply_free(reply);
    }
    assert_null(redis_sync_answer(redis, 0));
    assert_int_equal(heard(&servers[2].commands), 3);
}

static void what_was_queued_behind_a_loss_is_lost_with_it(void **state)
{
    (void)state;
    begin_sync();
    say(&servers[2].answer, "-LOADING Redis is loading the dataset in memory\r\n");
    for (int i = 0; i < 3; i++)
        assert_int_equal(redis_sync_queue(redis, 0, "INCR %s", "key"), ERR_OK);
    for (int i = 0; i < 3; i++)
        assert_null(redis_sync_answer(redis, 0));
    assert_non_null(strstr(redis_sync_error(redis), "LOADING"));
    check_at(&servers[2], false);
    assert_int_equal(redis_sync_queue(redis, 0, "INCR %s", "key"), ERR_DOWN);
    wait_out_the_back_off();
    say(&servers[2].answer, ":1\r\n");
    assert_int_equal(ask(redis, 0), 1);
    check_at(&servers[2], true);
}

static void while_it_is_down_one_thread_tries_for_all(void **state)
{
    (void)state;
    begin_sync();
    say(&servers[2].role, SLAVE);
    assert_int_equal(ask(redis, 0), -1);
    assert_non_null(strstr(redis_sync_error(redis), "is no master"));
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(other, 0), -1);
    assert_int_equal(heard(&servers[2].asked), 1);
    wait_out_the_back_off();
    say(&servers[2].role, MASTER);
    assert_int_equal(redis_sync_queue(redis, 0, "INCR %s", "key"), ERR_OK); /* it has leave, and takes its time */
    assert_int_equal(ask(other, 0), -1);
    struct redisReply *reply = redis_sync_answer(redis, 0);
    assert_int_equal(redis_reply_number(reply), 1);
    redis_reply_free(reply);
    assert_int_equal(ask(other, 0), 1);
}

static void one_that_ended_the_connection_meanwhile_was_not_lost(void **state)
{
    (void)state;
    begin_sync();
    assert_int_equal(ask(redis, 0), 1);
    for (int i = 0; i < 3; i++) {
        hang_up(&servers[2]);
        assert_int_equal(ask(redis, 0), 1);
    }
    assert_int_equal(heard(&servers[2].connects), 4);
}

static void what_nobody_asked_for_is_no_answer(void **state)
{
    (void)state;
    begin_sync();
    say(&servers[2].answer, ":1\r\n:2\r\n");
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(redis, 0), 1);
}

static void one_that_refuses_the_password_is_not_used(void **state)
{
    (void)state;
    settings.redis_password = (char *)(uintptr_t)"secret";
    begin_sync();
    say(&servers[2].auth, "-ERR AUTH <password> called without any password configured for the default user\r\n");
    assert_int_equal(ask(redis, 0), -1);
    assert_int_equal(heard(&servers[2].asked), 0);
    assert_null(strstr(redis_sync_error(redis), "secret"));
    wait_out_the_back_off();
    say(&servers[2].auth, "+OK\r\n");
    assert_int_equal(ask(redis, 0), 1);
    assert_int_equal(heard(&servers[2].logins), 2);
}

static void each_of_several_is_down_by_itself(void **state)
{
    (void)state;
    snprintf(list, sizeof list, "127.0.0.1:%d,127.0.0.1:%d", servers[2].port, servers[3].port);
    begin_sync();
    assert_int_equal(redis_sync_servers(redis), 2);
    say(&servers[3].answer, "-OOM command not allowed\r\n");
    assert_int_equal(ask(redis, 1), -1);
    assert_int_equal(ask(redis, 0), 1);
    assert_int_equal(metric_get(METRIC_REDIS_SERVERS_UP), 1);
    assert_int_equal(metric_get(METRIC_REDIS_UP), 0);
    for (uint64_t conversation = 1; conversation < 50; conversation++)
        assert_int_equal(redis_sync_server_of(redis, conversation), redis_server_of(2, conversation));
}

static void sentinels_say_where_it_is_and_nonsense_is_passed_over(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "*-1\r\n", "-IDONTKNOW\r\n", ":5\r\n", "*2\r\n:1\r\n:2\r\n", "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n65536\r\n",
        "!!!\r\n"};
    watch();
    say(&servers[1].master, names(&servers[2]));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        end_sync();
        begin_sync();
        say(&servers[0].master, wrong[i]);
        if (ask(redis, 0) != 1)
            fail_msg("%s", wrong[i]);
        check_at(&servers[2], true);
    }
    assert_int_equal(heard(&servers[0].asked), sizeof wrong / sizeof wrong[0]);
    hang_up(&servers[2]);
    assert_int_equal(ask(redis, 0), 1); /* the one that knew is asked first */
    assert_int_equal(heard(&servers[0].asked), sizeof wrong / sizeof wrong[0]);
}

static void a_sentinel_that_names_the_master_of_yesterday_is_passed_over(void **state)
{
    (void)state;
    watch();
    say(&servers[0].master, names(&servers[2]));
    say(&servers[1].master, names(&servers[3]));
    say(&servers[2].role, SLAVE);
    begin_sync();
    assert_int_equal(ask(redis, 0), 1);
    check_at(&servers[3], true);
}

static void without_sentinels_it_is_tried_where_any_thread_used_it(void **state)
{
    (void)state;
    watch();
    say(&servers[0].master, names(&servers[2]));
    say(&servers[1].master, names(&servers[2]));
    begin_sync();
    assert_int_equal(ask(redis, 0), 1);
    say(&servers[0].master, "-ERR shutting down\r\n");
    say(&servers[1].master, "-ERR shutting down\r\n");
    assert_int_equal(ask(other, 0), 1);
    check_at(&servers[2], true);
}

/* A thread that still has a connection to the old master would read what is not true any more, and would have the process
 * believe that it is there again. */
static void all_threads_follow_the_first_that_finds_it_elsewhere(void **state)
{
    (void)state;
    int64_t moves = metric_get(METRIC_REDIS_MOVES);
    watch();
    say(&servers[0].master, names(&servers[2]));
    say(&servers[1].master, names(&servers[2]));
    begin_sync();
    assert_int_equal(ask(redis, 0), 1);
    assert_int_equal(ask(other, 0), 1);
    say(&servers[0].master, names(&servers[3]));
    say(&servers[1].master, names(&servers[3]));
    say(&servers[2].role, SLAVE);
    assert_int_equal(redis_sync_ping(redis, 0), ERR_DOWN); /* one that was demoted answers like any other */
    wait_out_the_back_off();
    say(&servers[3].answer, ":2\r\n");
    assert_int_equal(ask(redis, 0), 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(other, 0), 2);
        assert_int_equal(ask(redis, 0), 2);
    }
    check_at(&servers[3], true);
    assert_int_equal(metric_get(METRIC_REDIS_MOVES), moves + 1);
    assert_int_equal(heard(&servers[3].connects), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_is_made_when_it_is_needed_and_kept),
        TEST(what_is_queued_is_answered_in_order),
        TEST(what_was_queued_behind_a_loss_is_lost_with_it),
        TEST(while_it_is_down_one_thread_tries_for_all),
        TEST(one_that_ended_the_connection_meanwhile_was_not_lost),
        TEST(what_nobody_asked_for_is_no_answer),
        TEST(one_that_refuses_the_password_is_not_used),
        TEST(each_of_several_is_down_by_itself),
        TEST(sentinels_say_where_it_is_and_nonsense_is_passed_over),
        TEST(a_sentinel_that_names_the_master_of_yesterday_is_passed_over),
        TEST(without_sentinels_it_is_tried_where_any_thread_used_it),
        TEST(all_threads_follow_the_first_that_finds_it_elsewhere),
    };
    signal(SIGPIPE, SIG_IGN);
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
