/* The bus against a Redis and sentinels that are none: small servers on the test's own loop that answer as the test says. */
#include "tests/unit/check.h"

#include "common/log.h"
#include "common/metrics.h"
#include "relay/redis/bus.h"

#include <netinet/in.h>
#include <uv.h>

enum { SERVERS = 4, CLIENTS = 64, INPUT = 8192, ARGS = 16 };

/* ---- servers ---- */

struct server;

struct client {
    uv_tcp_t handle;
    struct server *server;
    bool used, subscribed;
    char input[INPUT];
    size_t len;
};

struct server {
    uv_tcp_t handle;
    int port, asked;    /* how often ROLE, or where the master is, was asked */
    const char *role;   /* its answer to ROLE; NULL: never any */
    const char *master; /* a sentinel's answer; NULL: it is none, "": never any */
    const char *eval;   /* the answer to a script; "": never any */
    const char *ping;   /* the answer to PING; NULL: as it should be */
    const char *auth;   /* the answer to a password */
    int logins;         /* how often one was said */
    int pings;          /* how often `ping` was said */
    bool deaf;          /* it publishes to nobody */
    bool slow;          /* it takes a command only at each tick of `pace` */
};

static uv_loop_t loop;
static uv_timer_t limit, pace;
static uv_prepare_t before_sleep;
static struct server servers[SERVERS];
static struct client clients[CLIENTS];
static struct bus *bus;
static struct settings settings;
static char sentinel_list[200];
static int ups, downs, subscriptions, other_subscriptions;
static struct buf heard;

static void on_written(uv_write_t *request, int status)
{
    (void)status;
    free(request);
}

static void give(struct client *client, const char *text)
{
    uv_write_t *request = calloc(1, sizeof *request + strlen(text) + 1);
    uv_buf_t bytes = uv_buf_init((char *)(request + 1), (unsigned)strlen(text));
    memcpy(bytes.base, text, bytes.len);
    uv_write(request, (uv_stream_t *)&client->handle, &bytes, 1, on_written);
}

static void publish(struct server *server, const char *channel, const char *payload)
{
    char text[400];
    snprintf(text, sizeof text, "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(channel), channel,
             strlen(payload), payload);
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].used && clients[i].subscribed && clients[i].server == server)
            give(&clients[i], text);
}

static void answer_command(struct client *client, char **args, int count)
{
    struct server *server = client->server;
    char text[300];
    if (!strcmp(args[0], "SUBSCRIBE")) {
        client->subscribed = true;
        for (int i = 1; i < count; i++) {
            snprintf(text, sizeof text, "*3\r\n$9\r\nsubscribe\r\n$%zu\r\n%s\r\n:%d\r\n", strlen(args[i]), args[i], i);
            give(client, text);
        }
    } else if (!strcmp(args[0], "ROLE")) {
        server->asked++;
        if (server->role)
            give(client, server->role);
    } else if (!strcmp(args[0], "PUBLISH")) {
        give(client, ":1\r\n");
        if (!server->deaf)
            publish(server, args[1], args[2]);
    } else if (!strcmp(args[0], "SENTINEL")) {
        server->asked++;
        if (server->master)
            give(client, server->master);
    } else if (!strcmp(args[0], "EVAL")) {
        give(client, server->eval);
    } else if (!strcmp(args[0], "PING") && server->ping) {
        server->pings++;
        give(client, server->ping);
    } else if (!strcmp(args[0], "PING")) {
        snprintf(text, sizeof text, "$%zu\r\n%s\r\n", strlen(args[1]), args[1]);
        give(client, text);
    } else if (!strcmp(args[0], "AUTH")) {
        server->logins++;
        give(client, server->auth);
    } else {
        give(client, "+OK\r\n");
    }
}

/* Takes one whole command from the front of what came; false if there is none yet. */
static bool take_command(struct client *client)
{
    char *at = client->input, *end = client->input + client->len, *args[ARGS];
    int count = 0, wanted;
    *end = '\0';
    for (int i = 0; i < ARGS; i++)
        args[i] = end;
    if (sscanf(at, "*%d\r\n", &wanted) != 1 || wanted < 1 || wanted > ARGS || !strchr(at, '\n'))
        return false;
    at = strchr(at, '\n') + 1;
    for (; count < wanted; count++) {
        int len;
        if (sscanf(at, "$%d\r\n", &len) != 1 || !strchr(at, '\n'))
            return false;
        at = strchr(at, '\n') + 1;
        if (end - at < len + 2)
            return false;
        args[count] = at;
        at += len + 2;
    }
    for (int i = 0; i < wanted; i++)
        *strstr(args[i], "\r\n") = '\0'; /* no argument of these tests holds one */
    answer_command(client, args, wanted);
    client->len = (size_t)(end - at);
    memmove(client->input, at, client->len);
    return true;
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    struct client *client = handle->data;
    (void)size;
    *out = uv_buf_init(client->input + client->len, (unsigned)(INPUT - 1 - client->len));
}

static void on_closed(uv_handle_t *handle)
{
    ((struct client *)handle->data)->used = false;
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *bytes)
{
    struct client *client = stream->data;
    (void)bytes;
    if (got < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    client->len += (size_t)got;
    while (!client->server->slow && take_command(client))
        ;
}

static void on_pace(uv_timer_t *timer)
{
    (void)timer;
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].used && clients[i].server->slow)
            take_command(&clients[i]);
}

static void on_client(uv_stream_t *stream, int status)
{
    assert_int_equal(status, 0);
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].used)
            continue;
        clients[i] = (struct client){.used = true, .server = stream->data};
        uv_tcp_init(&loop, &clients[i].handle);
        clients[i].handle.data = &clients[i];
        assert_int_equal(uv_accept(stream, (uv_stream_t *)&clients[i].handle), 0);
        uv_read_start((uv_stream_t *)&clients[i].handle, on_room, on_read);
        return;
    }
    fail_msg("too many connections");
}

static void serve(struct server *server)
{
    struct sockaddr_in address;
    int len = sizeof address;
    *server = (struct server){.role = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", .eval = ":1\r\n", .auth = "+OK\r\n"};
    uv_tcp_init(&loop, &server->handle);
    server->handle.data = server;
    uv_ip4_addr("127.0.0.1", 0, &address);
    assert_int_equal(uv_tcp_bind(&server->handle, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&server->handle, 16, on_client), 0);
    uv_tcp_getsockname(&server->handle, (struct sockaddr *)&address, &len);
    server->port = ntohs(address.sin_port);
}

static void hang_up(struct server *server)
{
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].used && clients[i].server == server && !uv_is_closing((uv_handle_t *)&clients[i].handle))
            uv_close((uv_handle_t *)&clients[i].handle, on_closed);
}

/* The sentinel's answer that this server is the master. */
static const char *names(const struct server *server)
{
    static char text[SERVERS][100];
    char port[8];
    char *out = text[server - servers];
    snprintf(port, sizeof port, "%d", server->port);
    snprintf(out, 100, "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port), port);
    return out;
}

/* ---- the bus ---- */

static void on_state(void *arg, size_t server, bool up)
{
    (void)arg;
    assert_int_equal(server, 0);
    *(up ? &ups : &downs) += 1;
}

static void on_subscribed(void *arg, uint64_t conversation)
{
    (void)arg;
    *(conversation == 7 ? &subscriptions : &other_subscriptions) += 1;
}

static void on_received(void *arg, struct str payload)
{
    (void)arg;
    buf_add_str(&heard, payload);
    buf_add_char(&heard, '|');
}

static void on_limit(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("waited in vain");
}

#define AWAIT(condition) \
    while (!(condition)) \
    uv_run(&loop, UV_RUN_ONCE)

static void on_before_sleep(uv_prepare_t *prepare)
{
    (void)prepare;
    if (bus)
        bus_flush(bus);
}

static int begin(void **state)
{
    (void)state;
    char *none = (char *)(uintptr_t)"";
    memset(clients, 0, sizeof clients);
    uv_loop_init(&loop);
    uv_timer_init(&loop, &limit);
    uv_timer_start(&limit, on_limit, 60000, 0);
    uv_timer_init(&loop, &pace);
    uv_prepare_init(&loop, &before_sleep);
    uv_prepare_start(&before_sleep, on_before_sleep);
    for (int i = 0; i < SERVERS; i++)
        serve(&servers[i]);
    settings = (struct settings){.redis_host = none,
                                 .redis_socket = none,
                                 .redis_password = none,
                                 .redis_addresses = none,
                                 .redis_sentinels = none,
                                 .redis_sentinel_password = none,
                                 .redis_port = 6379,
                                 .redis_prefix = (char *)(uintptr_t)"t",
                                 .redis_timeout_ms = 400,
                                 .redis_commands_max = 64,
                                 .redis_master = (char *)(uintptr_t)"mymaster"};
    ups = downs = subscriptions = other_subscriptions = 0;
    buf_init(&heard, 10000);
    return 0;
}

/* The first two servers are sentinels, the others Redis. */
static void begin_bus(void)
{
    static const struct bus_events events = {on_state, on_subscribed, on_received, NULL};
    snprintf(sentinel_list, sizeof sentinel_list, "127.0.0.1:%d,localhost:%d", servers[0].port, servers[1].port);
    settings.redis_sentinels = sentinel_list;
    bus = bus_new(&loop, &settings, 5, &events);
}

static int end(void **state)
{
    (void)state;
    if (bus) {
        bus_stop(bus);
        for (int i = 0; i < SERVERS; i++) {
            hang_up(&servers[i]);
            uv_close((uv_handle_t *)&servers[i].handle, NULL);
        }
        uv_close((uv_handle_t *)&limit, NULL);
        uv_close((uv_handle_t *)&pace, NULL);
        uv_close((uv_handle_t *)&before_sleep, NULL);
        uv_run(&loop, UV_RUN_DEFAULT);
        bus_free(bus);
        bus = NULL;
    }
    assert_int_equal(uv_loop_close(&loop), 0);
    buf_fini(&heard);
    return 0;
}

static const char *state_of_bus(void)
{
    static char text[200];
    struct buf out;
    buf_init(&out, sizeof text);
    bus_add_state(bus, &out);
    snprintf(text, sizeof text, "%.*s", (int)out.len, out.data);
    buf_fini(&out);
    return text;
}

static void check_at(const struct server *server)
{
    char want[200];
    snprintf(want, sizeof want, "[{\"at\":\"127.0.0.1:%d\",\"up\":true}]", server->port);
    assert_string_equal(state_of_bus(), want);
}

/* ---- stories ---- */

static void a_sentinel_says_where_redis_is(void **state)
{
    (void)state;
    servers[0].master = names(&servers[2]);
    begin_bus();
    assert_string_equal(state_of_bus(), "[{\"at\":\"\",\"up\":false}]");
    assert_false(bus_subscribe(bus, 7));
    AWAIT(ups);
    check_at(&servers[2]);
    bus_publish(bus, 7, STR("hello"));
    AWAIT(heard.len);
    assert_str(buf_str(&heard), STR("hello|"));
    assert_int_equal(servers[1].asked, 0);
}

static void sentinels_that_do_not_know_or_talk_nonsense_are_passed_over(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "*-1\r\n",
        "-IDONTKNOW\r\n",
        ":5\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$1\r\n0\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n65536\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$2\r\n-1\r\n",
        "*2\r\n:1\r\n:2\r\n",
        "*2\r\n$-1\r\n$-1\r\n",
        "*1\r\n$9\r\n127.0.0.1\r\n",
        "*0\r\n",
        "!!!\r\n",
        NULL, /* says nothing at all */
    };
    servers[1].master = names(&servers[2]);
    begin_bus();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        servers[0].master = wrong[i];
        for (int asked = servers[0].asked; servers[0].asked == asked;) { /* who is asked first alternates */
            int up = ups;
            AWAIT(ups > up);
            hang_up(&servers[2]);
        }
    }
    int up = ups;
    AWAIT(ups > up);
    check_at(&servers[2]);
}

static void one_that_is_no_master_is_not_used(void **state)
{
    (void)state;
    servers[0].master = servers[1].master = names(&servers[2]);
    servers[2].role = "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:0\r\n";
    begin_bus();
    AWAIT(servers[2].asked >= 2);
    assert_int_equal(ups, 0);
    servers[0].master = servers[1].master = names(&servers[3]); /* now they have heard */
    AWAIT(ups);
    check_at(&servers[3]);
}

static void one_that_may_not_say_what_it_is_is_used(void **state)
{
    (void)state;
    servers[0].master = names(&servers[2]);
    servers[2].role = "-NOPERM this user has no permissions to run the 'role' command\r\n";
    begin_bus();
    AWAIT(ups);
    check_at(&servers[2]);
}

/* As for the programs that wait: one and the same server is of use to all of a deployment, or to none. */
static void one_that_refuses_the_password_is_not_used(void **state)
{
    (void)state;
    settings.redis_password = settings.redis_sentinel_password = (char *)(uintptr_t)"secret";
    servers[0].master = servers[1].master = names(&servers[2]);
    servers[0].auth = servers[2].auth =
        "-ERR AUTH <password> called without any password configured for the default user\r\n";
    begin_bus();
    AWAIT(servers[2].logins >= 6); /* two connections each time */
    assert_int_equal(ups, 0);
    servers[2].auth = "+OK\r\n";
    AWAIT(ups);
    check_at(&servers[2]);
    assert_true(servers[0].logins >= 1);
}

static void on_answer(void *arg, const struct bus_reply *reply)
{
    *(int *)arg = reply ? 1 : 2;
}

static void one_that_takes_no_writes_is_left(void **state)
{
    (void)state;
    static const struct str command[] = {{"EVAL", 4}, {"x", 1}, {"0", 1}};
    int answer = 0;
    int64_t moves = metric_get(METRIC_REDIS_MOVES);
    servers[0].master = servers[1].master = names(&servers[2]);
    begin_bus();
    assert_false(bus_subscribe(bus, 7));
    AWAIT(ups);
    servers[2].eval = "-READONLY You can't write against a read only replica.\r\n";
    servers[0].master = servers[1].master = names(&servers[3]);
    bus_command(bus, on_answer, &answer, command, 3);
    AWAIT(answer);
    assert_int_equal(answer, 2);
    AWAIT(ups == 2);
    assert_int_equal(downs, 1);
    check_at(&servers[3]);
    assert_int_equal(metric_get(METRIC_REDIS_MOVES) - moves, 1);
    bus_publish(bus, 7, STR("there"));
    AWAIT(heard.len);
    assert_str(buf_str(&heard), STR("there|"));
}

static void other_refusals_are_no_reason_to_leave(void **state)
{
    (void)state;
    static const struct str command[] = {{"EVAL", 4}, {"x", 1}, {"0", 1}};
    int answer = 0;
    servers[0].master = names(&servers[2]);
    servers[2].eval = "-OOM command not allowed\r\n";
    begin_bus();
    AWAIT(ups);
    bus_command(bus, on_answer, &answer, command, 3);
    AWAIT(answer == 2);
    servers[2].eval = ":1\r\n";
    answer = 0;
    bus_command(bus, on_answer, &answer, command, 3);
    AWAIT(answer == 1);
    assert_int_equal(downs, 0);
}

/* Every later answer would be another command's. */
static void one_whose_answers_are_one_too_few_or_too_many_is_begun_anew(void **state)
{
    (void)state;
    static const struct str command[] = {{"EVAL", 4}, {"x", 1}, {"0", 1}};
    static const char *const wrong[] = {"", ":1\r\n:1\r\n"};
    servers[0].master = servers[1].master = names(&servers[2]);
    begin_bus();
    AWAIT(ups == 1);
    for (int i = 0; i < 2; i++) {
        int answer = 0, again = 0;
        servers[2].eval = wrong[i];
        bus_command(bus, on_answer, &answer, command, 3);
        AWAIT(downs == i + 1);
        servers[2].eval = ":1\r\n";
        AWAIT(ups == i + 2);
        bus_command(bus, on_answer, &again, command, 3);
        AWAIT(again);
        assert_int_equal(again, 1);
    }
}

static void one_that_may_not_be_asked_to_repeat_a_number_is_used(void **state)
{
    (void)state;
    int64_t connects = metric_get(METRIC_REDIS_CONNECTS);
    servers[0].master = names(&servers[2]);
    servers[2].ping = "-NOPERM this user has no permissions to run the 'ping' command\r\n";
    begin_bus();
    AWAIT(ups);
    for (int i = 0; i < 3; i++) {
        int pings = servers[2].pings;
        AWAIT(servers[2].pings > pings);
    }
    assert_int_equal(downs, 0);
    assert_int_equal(metric_get(METRIC_REDIS_CONNECTS) - connects, 1);
}

static void without_sentinels_it_is_tried_where_it_was(void **state)
{
    (void)state;
    servers[0].master = servers[1].master = names(&servers[2]);
    begin_bus();
    AWAIT(ups);
    servers[0].master = servers[1].master = "-ERR shutting down\r\n";
    hang_up(&servers[2]);
    AWAIT(ups == 2);
    check_at(&servers[2]);
}

static void all_that_redis_has_for_us_is_read_in_one_turn(void **state)
{
    (void)state;
    enum { MESSAGES = 150, BYTES = 300 }; /* more than hiredis reads at a time */
    char payload[BYTES + 1];
    memset(payload, 'x', BYTES);
    payload[BYTES] = '\0';
    buf_fini(&heard);
    buf_init(&heard, MESSAGES * (BYTES + 1));
    servers[0].master = names(&servers[2]);
    begin_bus();
    bus_subscribe(bus, 7);
    AWAIT(ups);
    for (int i = 0; i < MESSAGES; i++)
        publish(&servers[2], "t:room:7", payload);
    AWAIT(heard.len);
    assert_int_equal(heard.len, MESSAGES * (BYTES + 1));
}

/* ---- what no Redis says ---- */

static const struct str script[] = {{"EVAL", 4}, {"x", 1}, {"0", 1}};

#define DEEP "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"

static const char *const nonsense[] = {
    "+OK\r\n",
    ":1\r\n",
    ":99999999999999999999999999\r\n",
    ":-9223372036854775808\r\n",
    "$-1\r\n",
    "$-7\r\n",
    "$99999999999999999999\r\nx",
    "*-1\r\n",
    "*-7\r\n",
    "*0\r\n",
    "*1\r\n*0\r\n",
    "*2000000\r\n:1\r\n", /* hiredis would make room for all */
    "*2147483647\r\n",
    "*2\r\n:1\r\n:2\r\n",
    "*2\r\n$7\r\nmessage\r\n$1\r\na\r\n",
    "*3\r\n:1\r\n:2\r\n:3\r\n",
    "*3\r\n$7\r\nmessage\r\n:5\r\n:6\r\n",
    "*3\r\n$7\r\nmessage\r\n$8\r\nt:room:7\r\n*1\r\n:6\r\n",
    "*3\r\n$7\r\nmessage\r\n$-1\r\n$-1\r\n",
    "*3\r\n$7\r\nmessage\r\n$8\r\nt:beat:5\r\n$3\r\nbad\r\n",
    "*3\r\n$7\r\nmessage\r\n$8\r\nt:beat:5\r\n$24\r\n999999999999999999999999\r\n",
    "*3\r\n*1\r\n$7\r\nmessage\r\n$8\r\nt:room:7\r\n$1\r\nb\r\n",
    "*3\r\n$8\r\nsmessage\r\n$8\r\nt:room:7\r\n$1\r\nb\r\n", /* of a sharded channel */
    "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$8\r\nt:room:7\r\n$1\r\nb\r\n",
    "*3\r\n$9\r\nsubscribe\r\n$8\r\nnonsense\r\n:1\r\n",
    "*3\r\n$9\r\nsubscribe\r\n$9\r\nt:room:07\r\n:1\r\n",
    "*3\r\n$9\r\nsubscribe\r\n$8\r\nt:beat:5\r\n:1\r\n", /* no conversation 5 */
    "*3\r\n$9\r\nsubscribe\r\n:7\r\n:1\r\n",
    "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n",
    "*3\r\n$11\r\nunsubscribe\r\n$8\r\nt:room:7\r\n$4\r\nnone\r\n",
    "*1\r\n$11\r\nunsubscribe\r\n",
    DEEP,
    "-ERR no\r\n",
    "-\r\n",
    "%1\r\n+a\r\n+b\r\n",
    ">3\r\n$7\r\nmessage\r\n$8\r\nt:room:7\r\n$1\r\nb\r\n",
    "HTTP/1.1 400 Bad Request\r\n\r\n",
    "\r\n",
};
enum { NONSENSE = sizeof nonsense / sizeof nonsense[0] };

static void give_all(const struct server *to, bool subscribed, const char *text)
{
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].used && clients[i].server == to && clients[i].subscribed == subscribed &&
            !uv_is_closing((uv_handle_t *)&clients[i].handle))
            give(&clients[i], text);
}

/* Whatever has happened to it, messages go through it again. */
static void check_that_it_goes_on(const char *after)
{
    buf_clear(&heard);
    while (!heard.len) {
        bus_publish(bus, 7, STR("on"));
        uv_run(&loop, UV_RUN_ONCE);
    }
    if (strncmp(heard.data, "on|", 3) != 0)
        fail_msg("%.*s was heard after %s", (int)heard.len, heard.data, after);
}

static void whatever_comes_unasked_only_ends_the_connection(void **state)
{
    (void)state;
    servers[0].master = servers[1].master = names(&servers[2]);
    settings.redis_timeout_ms = 80; /* what is half a reply is waited for */
    begin_bus();
    bus_subscribe(bus, 7);
    AWAIT(ups);
    AWAIT(subscriptions == 1);
    for (size_t i = 0; i < NONSENSE; i++) {
        check_that_it_goes_on(nonsense[i]);
        buf_clear(&heard);
        for (int subscribed = 0; subscribed < 2; subscribed++) {
            give_all(&servers[2], subscribed, nonsense[i]);
            uv_run(&loop, UV_RUN_NOWAIT);
            check_that_it_goes_on(nonsense[i]);
        }
    }
    assert_int_equal(other_subscriptions, 0);
}

static void look_at(const struct bus_reply *reply, int depth)
{
    assert_true(bus_reply_text(reply).len < 100);
    (void)bus_reply_number(reply);
    for (size_t i = 0; i < bus_reply_count(reply); i++)
        look_at(bus_reply_at(reply, i), depth + 1);
}

static void count_end(void *arg, const struct bus_reply *reply)
{
    *(int *)arg += 1;
    if (reply)
        look_at(reply, 0);
}

static void whatever_is_answered_each_command_ends_once(void **state)
{
    (void)state;
    enum { COMMANDS = 5 };
    servers[0].master = servers[1].master = names(&servers[2]);
    settings.redis_timeout_ms = 80; /* what is half a reply is waited for */
    begin_bus();
    bus_subscribe(bus, 7);
    AWAIT(ups);
    for (size_t i = 0; i < NONSENSE; i++) {
        int ends = 0;
        check_that_it_goes_on(nonsense[i]);
        servers[2].eval = nonsense[i];
        AWAIT(bus_is_up(bus));
        for (int k = 0; k < COMMANDS; k++)
            bus_command_for(bus, 1, count_end, &ends, script, 3);
        AWAIT(ends == COMMANDS);
        assert_int_equal(metric_get(METRIC_REDIS_COMMANDS_PAID), 0);
    }
    servers[2].eval = ":1\r\n";
    check_that_it_goes_on("all of it");
}

/* Two answers to one question: what comes next would be taken for another's. */
static void an_answer_too_many_ends_the_connection(void **state)
{
    (void)state;
    int ends = 0;
    servers[0].master = servers[1].master = names(&servers[2]);
    begin_bus();
    bus_subscribe(bus, 7);
    AWAIT(ups);
    servers[2].eval = ":1\r\n:2\r\n";
    bus_command(bus, count_end, &ends, script, 3);
    AWAIT(downs);
    assert_int_equal(ends, 1);
    servers[2].eval = ":1\r\n";
    check_that_it_goes_on("it");
}

/* ---- much to do ---- */

static void count_answer(void *arg, const struct bus_reply *reply)
{
    *(int *)arg += reply != NULL;
}

/* The heartbeat waits behind them for three times as long as a silent Redis is given. */
static void one_that_is_slow_is_not_taken_for_dead(void **state)
{
    (void)state;
    enum { COMMANDS = 24, PACE_MS = 50 };
    int answers = 0;
    servers[0].master = names(&servers[2]);
    begin_bus();
    AWAIT(ups);
    servers[2].slow = true;
    uv_timer_start(&pace, on_pace, PACE_MS, PACE_MS);
    assert_true(COMMANDS * PACE_MS >= 3 * settings.redis_timeout_ms);
    for (int i = 0; i < COMMANDS; i++)
        bus_command(bus, count_answer, &answers, script, 3);
    AWAIT(answers == COMMANDS || downs);
    assert_int_equal(downs, 0);
    assert_int_equal(answers, COMMANDS);
}

static void one_that_says_nothing_any_more_is_lost(void **state)
{
    (void)state;
    int answer = 0;
    servers[0].master = names(&servers[2]);
    begin_bus();
    AWAIT(ups);
    servers[2].slow = true; /* and no tick ever comes */
    bus_command(bus, on_answer, &answer, script, 3);
    AWAIT(downs);
    assert_int_equal(answer, 2);
}

/* Commands are answered, but what is published does not come: the other connection is broken. */
static void one_that_is_not_heard_is_lost(void **state)
{
    (void)state;
    int answers = 0;
    servers[0].master = names(&servers[2]);
    begin_bus();
    AWAIT(ups);
    servers[2].deaf = true;
    while (!downs) {
        bus_command(bus, count_answer, &answers, script, 3);
        uv_run(&loop, UV_RUN_ONCE);
    }
    assert_true(answers > 0);
}

/* Those of one address leave room for the others, all clients together leave room for the relay's own. */
static void nobody_fills_it_for_the_others(void **state)
{
    (void)state;
    int answers = 0, sent = 0;
    int64_t refused = metric_get(METRIC_REDIS_COMMANDS_REFUSED);
    servers[0].master = names(&servers[2]);
    begin_bus();
    AWAIT(ups);
    for (uint64_t address = 0; address < 9; address++) {
        int fit = 0;
        for (; fit < 100 && bus_has_room(bus, address); fit++)
            bus_command_for(bus, address, count_answer, &answers, script, 3);
        assert_int_equal(fit, address < 8 ? 8 : 0); /* eight have filled it */
        sent += fit;
    }
    assert_int_equal(metric_get(METRIC_REDIS_COMMANDS_PAID), 64);
    assert_int_equal(metric_get(METRIC_REDIS_COMMANDS_REFUSED) - refused, 9);
    bus_command(bus, count_answer, &answers, script, 3);
    AWAIT(answers == sent + 1);
    assert_int_equal(metric_get(METRIC_REDIS_COMMANDS_PAID), 0);
    assert_true(bus_has_room(bus, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
        TEST(a_sentinel_says_where_redis_is),
        TEST(sentinels_that_do_not_know_or_talk_nonsense_are_passed_over),
        TEST(one_that_is_no_master_is_not_used),
        TEST(one_that_may_not_say_what_it_is_is_used),
        TEST(one_that_refuses_the_password_is_not_used),
        TEST(one_that_takes_no_writes_is_left),
        TEST(other_refusals_are_no_reason_to_leave),
        TEST(one_whose_answers_are_one_too_few_or_too_many_is_begun_anew),
        TEST(one_that_may_not_be_asked_to_repeat_a_number_is_used),
        TEST(without_sentinels_it_is_tried_where_it_was),
        TEST(all_that_redis_has_for_us_is_read_in_one_turn),
        TEST(one_that_is_slow_is_not_taken_for_dead),
        TEST(one_that_says_nothing_any_more_is_lost),
        TEST(one_that_is_not_heard_is_lost),
        TEST(nobody_fills_it_for_the_others),
        TEST(whatever_comes_unasked_only_ends_the_connection),
        TEST(whatever_is_answered_each_command_ends_once),
        TEST(an_answer_too_many_ends_the_connection),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
