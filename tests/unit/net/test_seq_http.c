/* The HTTP front under sequences that nobody would write by hand: two relays, clients that pipeline, cut their bytes
 * anywhere, come in every way, leave at any moment or do not read, answers that come late, hand-overs by socket and by
 * TCP, a Redis that is slow or away, timeouts, a drain.
 *
 * Whatever happens: each client gets the answers to its own requests in their order, whole; a held call is answered
 * or its holder is told that it is gone, once; nothing is left at the end.
 */
#include "handoff_fakes.h"
#include "tests/unit/sequences.h"

#include "common/handoff_wire.h"
#include "common/mem.h"
#include "relay/net/http_conn.h"

#include <dirent.h>
#include <sys/un.h>

enum {
    ROUNDS = 15,
    HERE = 1001,
    THERE = 1002,
    CLIENTS = 8,
    STEPS = 600,
    REQUESTS = 12,
    HELD = 64,
    BODY_MAX = 90000,
    LATE_MS = 900
};

static struct relay relays[2];
static struct sessions sessions;
static bool done;

#define CHECK(condition, ...) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, __VA_ARGS__); \
            fail(); \
        } \
    } while (0)

/* ---- the server's side ---- */

struct held {
    struct http_call *call; /* NULL: free */
    unsigned id;
};

static struct held held[HELD];
static unsigned held_count, streams;

static unsigned id_of(struct http_call *call)
{
    char text[16];
    struct str value = call->request.argument(&call->request, "n", text, sizeof text);
    return value.len ? (unsigned)strtoul(text, NULL, 10) : 0;
}

static unsigned sum_of(struct str bytes)
{
    unsigned sum = 0;
    for (size_t i = 0; i < bytes.len; i++)
        sum = sum * 31 + (unsigned char)bytes.ptr[i];
    return sum;
}

/* "[id length sum]" and, for some, a lot behind it. */
static void answer_call(struct http_call *call, unsigned id, unsigned sum)
{
    static char much[300000];
    struct buf out;
    size_t more = id % 11 == 0 ? sizeof much : id % 3 ? 0 : 2000;
    buf_init(&out, SIZE_MAX / 4);
    buf_addf(&out, "[%u %u %zu]", id, sum, more);
    memset(much, 'm', sizeof much);
    buf_add(&out, much, more);
    http_reply(call, 200, "text/plain", "", buf_str(&out));
    buf_fini(&out);
}

static void on_gone(void *arg, struct http_call *call)
{
    struct held *place = arg;
    CHECK(place->call == call, "gone: a call that was answered, or another one's\n");
    place->call = NULL;
    held_count--;
}

static void hold(struct http_call *call)
{
    struct held *place = held;
    while (place < held + HELD && place->call)
        place++;
    if (place == held + HELD) {
        answer_call(call, id_of(call), sum_of(call->body));
        return;
    }
    *place = (struct held){call, id_of(call)};
    held_count++;
    http_hold(call, on_gone, place);
}

static void answer_held(struct held *place)
{
    struct http_call *call = place->call;
    unsigned id = id_of(call), sum = sum_of(call->body);
    CHECK(id == place->id, "a held call changed from %u to %u\n", place->id, id); /* its head is still its own */
    place->call = NULL;
    held_count--;
    answer_call(call, id, sum);
}

static void on_stream_closed(struct session *session)
{
    (void)session;
    streams--;
}

static const struct protocol streaming = {.name = "test", .heartbeat = ":\n\n", .closed = on_stream_closed};

static void begin_stream(struct http_call *call)
{
    unsigned id = id_of(call);
    char text[32];
    http_begin_stream(call, "text/event-stream", "");
    struct session *session = session_new(&sessions, &streaming, &http_stream, call);
    CHECK(session, "no session\n");
    streams++;
    http_stream_session(call, session->id, &sessions);
    snprintf(text, sizeof text, "[%u 0 0]", id);
    session_send_raw(session, str_of(text));
}

static void refuse(struct http_call *call)
{
    answer_call(call, id_of(call), 0);
}

static bool is_path(const struct http_call *call, const char *path)
{
    return str_eq(call->request.path, str_of(path));
}

static void handle(struct http_call *call)
{
    struct http_server *server = http_conn_of(call)->server;
    struct relay *me = server == relays[0].server ? &relays[0] : &relays[1];
    if (is_path(call, "/hold"))
        hold(call);
    else if (is_path(call, "/stream"))
        begin_stream(call);
    else if (is_path(call, "/there") && !call->handed)
        handoff_give(me->handoff, me == &relays[0] ? THERE : HERE, call, refuse);
    else
        answer_call(call, id_of(call), sum_of(call->body));
}

static int upgraded[4096]; /* open until the end: what is closed with bytes unread takes its answer along */
static size_t upgraded_count;

/* What a WebSocket would be. */
static void on_upgrade(void *arg, struct http_call *call)
{
    char head[64];
    struct str bytes;
    (void)arg;
    int len = snprintf(head, sizeof head, "HTTP/1.1 101 Go on\r\n\r\n[%u 0 0]", id_of(call));
    int fd = http_detach(call, &bytes);
    struct str behind = {call->body.ptr, (size_t)(bytes.ptr + bytes.len - call->body.ptr)};
    CHECK(!call->body.len && behind.len <= bytes.len, "an upgrade with a body\n");
    CHECK(bytes.len >= 4 && !memcmp(behind.ptr - 4, "\r\n\r\n", 4), "the head does not end where it should\n");
    send(fd, head, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(fd, SHUT_WR);
    assert_in_range(upgraded_count, 0, 4095);
    upgraded[upgraded_count++] = fd;
}

static bool claims(struct str path)
{
    return path.len > 1;
}

static size_t max_body(const struct settings *settings)
{
    (void)settings;
    return BODY_MAX;
}

static const struct http_route route = {
    .name = "all", .claims = claims, .max_body = max_body, .handle = handle, .foreign = "{}", .too_large = "{}"};
static const struct http_route *const routes[] = {&route, NULL};

/* ---- the clients' side ---- */

enum kind { PLAIN, LAST, REFUSED }; /* LAST: its answer ends the connection. REFUSED: it is answered by a refusal */

struct wish {
    unsigned id, sum;
    enum kind kind;
    size_t ends; /* where in `say` */
};

static struct person {
    int fd; /* -1: not there */
    struct buf say, got;
    size_t said;
    struct wish wishes[REQUESTS];
    unsigned count, answered;
    bool over, left;   /* left: its last answer came */
    int64_t waited_ms; /* past LATE_MS it may have been cut at any point */
    bool deaf;         /* reads nothing for now */
    bool ends;         /* the last thing that it can say was put into `say` */
} people[CLIENTS];

static unsigned next_id;

static void add_body(struct buf *out, size_t len, unsigned *sum)
{
    char *bytes = mem_zalloc(len + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)any(256);
    *sum = sum_of((struct str){bytes, len});
    if (once_in(2)) {
        buf_addf(out, "Content-Length: %zu\r\n\r\n", len);
        buf_add(out, bytes, len);
    } else {
        buf_add_text(out, "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t at = 0; at < len;) {
            size_t piece = 1 + any((unsigned)(len - at));
            buf_addf(out, "%zx%s\r\n", piece, once_in(3) ? ";x=\"y\"" : "");
            buf_add(out, bytes + at, piece);
            buf_add_text(out, "\r\n");
            at += piece;
        }
        buf_add_text(out, once_in(3) ? "0\r\nTrailer: t\r\n\r\n" : "0\r\n\r\n");
    }
    free(bytes);
}

static void add_head(struct buf *out, const char *method, const char *path, unsigned id)
{
    static const char *const more[] = {"",
                                       "",
                                       "Origin: http://listed.example\r\n",
                                       "Origin: http://x\r\n",
                                       "X-Auth: t\r\nUser: u\r\n",
                                       "X-A: 1\r\nX-A: 2\r\n",
                                       "X:\r\nY: \t\r\n"};
    buf_addf(out, "%s %s?a=%%zz&n=%u&&x HTTP/1.1\r\nHost: x\r\n%s", method, path, id, more[any(7)]);
    if (once_in(6)) {
        buf_add_text(out, "X-Long: ");
        for (size_t i = any(6000); i--;)
            buf_add_char(out, 'l');
        buf_add_text(out, "\r\n");
    }
}

/* One request more for it to say. */
static void wish(struct person *person)
{
    static const char *const paths[] = {"/now", "/now", "/hold", "/hold", "/there"};
    static const char *const broken[] = {
        "GET /now?n=%u HTTP/1.1\nHost: x\n\n",
        "GET /now?n=%u HTTP/1.1\r\nHost: x\r\nX: y\n\r\n",
        "GET /now?n=%u HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "POST /now?n=%u HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        "\r\n\r\n\r\nGET /now?n=%u HTTP/1.1\r\n\r\n",
        "GET /now?n=%u HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n",
        "POST /now?n=%u HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /now?n=%u HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
    };
    if (!person->say.max || person->ends || person->left || person->count == REQUESTS)
        return; /* it never was there; it has said its last, or heard it; enough */
    struct wish *wish = &person->wishes[person->count++];
    unsigned id = ++next_id;
    *wish = (struct wish){.id = id};
    const char *path = paths[any(5)];
    if (once_in(8))
        buf_add_text(&person->say, "\r\n");
    switch (any(12)) {
    case 0:
    case 1:
    case 2:
        add_head(&person->say, "POST", path, id);
        add_body(&person->say, once_in(8) ? any(BODY_MAX) : any(40), &wish->sum);
        break;
    case 3:
        buf_addf(&person->say, "GET %s?n=%u HTTP/1.0\r\n%s\r\n", path, id, once_in(2) ? "Host: y\r\n" : "");
        wish->kind = LAST;
        break;
    case 4:
        buf_addf(&person->say, broken[any(sizeof broken / sizeof broken[0])], id);
        wish->kind = REFUSED;
        break;
    case 5:
        add_head(&person->say, "GET", "/ws", id);
        buf_add_text(&person->say, "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x80junk");
        wish->kind = LAST;
        break;
    case 6:
        add_head(&person->say, "GET", "/stream", id);
        buf_add_text(&person->say, "\r\n");
        wish->kind = LAST;
        break;
    default:
        add_head(&person->say, "GET", path, id);
        buf_add_text(&person->say, once_in(10) ? "Connection: close\r\n\r\n" : "\r\n");
        if (!memcmp(person->say.data + person->say.len - 9, "close", 5))
            wish->kind = LAST;
    }
    wish->ends = person->say.len;
    person->ends = wish->kind != PLAIN;
}

static int dial_tcp(int port, bool small)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), bytes = 4096;
    address.sin_port = htons((uint16_t)port);
    if (small)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static int dial_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd); /* it drains */
    return -1;
}

/* A pair of sockets over TCP, one end of which `server` adopts as somebody handed it over, with the first `len` bytes that
 * its client says. */
static int dial_adopted(struct http_server *server, unsigned how, struct person *person, size_t len)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    int fd = dial_tcp(ntohs(address.sin_port), false), other = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    close(listener);
    http_adopt(server, other, how, (struct str){person->say.data, len});
    person->said = len;
    return fd;
}

static void arrive(struct person *person)
{
    struct relay *relay = &relays[any(2)];
    buf_fini(&person->say);
    buf_fini(&person->got);
    *person = (struct person){.fd = -1};
    buf_init(&person->say, SIZE_MAX / 4);
    buf_init(&person->got, SIZE_MAX / 4);
    wish(person);
    switch (any(5)) {
    case 0: person->fd = dial_unix(relay->settings.listen_socket); break;
    case 1:
        if (http_has_room(relay->server))
            person->fd = dial_adopted(relay->server, HTTP_HANDED, person, any((unsigned)person->say.len + 1));
        break;
    case 2: /* nginx gave it: nothing follows the first request */
        if (http_has_room(relay->server)) {
            person->wishes[0].kind = person->wishes[0].kind == PLAIN ? LAST : person->wishes[0].kind;
            person->ends = true;
            person->fd =
                dial_adopted(relay->server, HTTP_PROXIED | HTTP_ALONE, person, any((unsigned)person->say.len + 1));
        }
        break;
    default: person->fd = dial_tcp(http_port(relay->server), once_in(3));
    }
}

static void leave(struct person *person, bool reset)
{
    struct linger linger = {1, 0};
    if (person->fd < 0)
        return;
    if (reset)
        setsockopt(person->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(person->fd);
    person->fd = -1;
}

static void speak(struct person *person, size_t most)
{
    size_t len = person->say.len - person->said;
    if (person->fd < 0 || person->over || !len)
        return;
    ssize_t sent =
        send(person->fd, person->say.data + person->said, len < most ? len : most, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        person->said += (size_t)sent;
    else if (errno != EAGAIN)
        person->over = true;
}

/* Takes one whole answer off `got`. False: there is none yet. */
static bool take_answer(struct person *person)
{
    struct buf *got = &person->got;
    *buf_reserve(got, 1) = '\0'; /* for sscanf and strcasestr */
    char *end = got->len ? memmem(got->data, got->len, "\r\n\r\n", 4) : NULL;
    int status = 0;
    if (!end)
        return false;
    size_t head = (size_t)(end - got->data) + 4, length;
    *end = '\0';
    CHECK(sscanf(got->data, "HTTP/1.1 %d ", &status) == 1, "no answer: %.80s\n", got->data);
    char *line = strcasestr(got->data, "\r\nContent-Length: ");
    bool closes = strcasestr(got->data, "\r\nConnection: close");
    *end = '\r';
    if (status == 100) {
        buf_consume(got, head);
        return true;
    }
    length = line ? strtoul(line + 18, NULL, 10) : 0;
    char *body = got->data + head;
    size_t have = got->len - head;
    if (line && have < length)
        return false;
    if (!line && (have == 0 || !memchr(body, ']', have)))
        return false; /* a stream, or an upgrade: its first words */
    unsigned id = 0, sum = 0;
    size_t more = 0;
    CHECK(person->answered < person->count, "an answer to nothing: %.80s\n", got->data);
    struct wish *wish = &person->wishes[person->answered++];
    if (status == 200 || status == 101) {
        CHECK(sscanf(body, "[%u %u %zu]", &id, &sum, &more) == 3, "an odd body: %.40s\n", body);
        CHECK(id == wish->id, "the answer to %u came to %u\n", id, wish->id);
        CHECK(sum == wish->sum || sum == 0, "the body of %u is not what was sent\n", id);
        CHECK(wish->kind != REFUSED, "%u was not refused\n", id);
        if (line) {
            size_t first = (size_t)((char *)memchr(body, ']', length) + 1 - body);
            CHECK(length - first == more, "%zu bytes instead of %zu\n", length - first, more);
            for (size_t i = first; i < length; i++)
                CHECK(body[i] == 'm', "other bytes in the answer to %u\n", id);
        }
        CHECK(person->said >= wish->ends || (wish->kind == LAST && status == 101) || person->said + 8 >= wish->ends,
              "%u was answered before it was said\n", id);
    } else {
        CHECK(status == 400 || status == 403 || status == 408 || status == 413 || status == 503, "status %d\n", status);
        CHECK(wish->kind == REFUSED || status != 400, "%u was good, but refused\n", wish->id);
        CHECK(status != 413 || wish->kind == REFUSED, "%u was too large\n", wish->id);
        CHECK(status != 408 || person->waited_ms > LATE_MS, "%u was in time\n", wish->id);
    }
    buf_consume(got, line ? head + length : got->len);
    if (closes || !line) {
        CHECK(!got->len, "more after the last answer: %.80s\n", got->data);
        person->answered = person->count; /* the others will not be */
        person->left = true;
    }
    return true;
}

static void listen_to(struct person *person, size_t most)
{
    char piece[65536];
    if (person->fd < 0 || person->over)
        return;
    ssize_t got = recv(person->fd, piece, most < sizeof piece ? most : sizeof piece, MSG_DONTWAIT);
    if (got > 0 && !person->left) /* behind its last answer: a stream's words */
        buf_add(&person->got, piece, (size_t)got);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        person->over = true;
    while (take_answer(person))
        ;
}

/* ---- the world ---- */

static void turn_loop(int turns)
{
    while (turns--)
        uv_run(&loop, UV_RUN_NOWAIT);
}

static void let_time_pass(int64_t ms)
{
    clock_freeze(clock_mono_ms() + ms);
    wheel_advance(&wheel);
    for (size_t i = 0; i < CLIENTS; i++)
        people[i].waited_ms += ms; /* the shortest limit is longer than LATE_MS */
}

/* Where the relays can be reached: by socket as they say themselves, or only over TCP. */
static void only_tcp(void)
{
    for (size_t i = 0; i < 2; i++) {
        char *first = strchr(bus.value[i], ' '), *last = strrchr(bus.value[i], ' ');
        if (first && last > first)
            memmove(first + 2, last, strlen(last) + 1), first[1] = '-';
    }
}

static void step(void)
{
    struct person *person = &people[any(CLIENTS)];
    switch (any(22)) {
    case 0: leave(person, once_in(2)); /* fall through */
    case 1:
        if (person->fd < 0)
            arrive(person);
        break;
    case 2:
    case 3: wish(person); break;
    case 4:
    case 5:
    case 6: speak(person, 1 + any(once_in(2) ? 3 : 200)); break;
    case 7:
    case 8: speak(person, SIZE_MAX); break;
    case 9:
    case 10:
    case 11:
        if (!person->deaf)
            listen_to(person, 1 + any(once_in(3) ? 20 : 65536));
        break;
    case 12:
    case 13:
    case 14: {
        struct held *place = &held[any(HELD)];
        for (unsigned i = 0; held_count && !place->call && i < HELD; i++)
            place = &held[(size_t)(place - held + 1) % HELD];
        if (place->call)
            answer_held(place);
        break;
    }
    case 15: person->deaf = !person->deaf; break;
    case 16:
        if (once_in(4))
            let_time_pass((int64_t)(once_in(3) ? any(80000) : any(500)));
        break;
    case 17:
        if (once_in(3))
            bus.slow = !bus.slow;
        if (once_in(6))
            bus.up = !bus.up; /* it answers nothing then, at once */
        if (once_in(2))
            answer_late();
        break;
    case 18:
        if (once_in(8))
            only_tcp();
        break;
    case 19:
        for (size_t i = 0; i < sessions.cap && streams; i++)
            if (sessions.slots[i] && once_in(3)) {
                session_send_raw(sessions.slots[i], STR("data: more\n\n"));
                if (once_in(4))
                    session_close(sessions.slots[i], 1000, "");
            }
        break;
    case 20:
        if (once_in(40))
            http_drain(relays[any(2)].server);
        break;
    default: turn_loop(1);
    }
    if (once_in(2))
        turn_loop(1);
}

static const char *printable(const struct person *person)
{
    static char text[1500];
    size_t len = person->say.len < sizeof text - 1 ? person->say.len : sizeof text - 1;
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(person->say.data[i] >= ' ' && person->say.data[i] < 127 ? person->say.data[i] : '.');
    text[len] = '\0';
    return text;
}

/* Everybody says and hears the rest. Who is not answered in full must have been told that it ends, have left, or have been
 * late. */
static void come_to_rest(void)
{
    bus.slow = false;
    answer_late();
    for (int turns = 0; turns < 20000; turns++) {
        bool open = false;
        for (size_t i = 0; i < HELD; i++)
            if (held[i].call)
                answer_held(&held[i]);
        for (size_t i = 0; i < CLIENTS; i++) {
            struct person *person = &people[i];
            if (person->fd < 0 || person->over)
                continue;
            speak(person, SIZE_MAX);
            listen_to(person, SIZE_MAX);
            open |= person->answered < person->count && !person->over;
        }
        turn_loop(1);
        if (!open)
            break;
        if (turns > 100) /* the kernel's own timers: a window that was full */
            poll(NULL, 0, 1);
        for (size_t i = 0; i < CLIENTS && turns == 19999; i++)
            CHECK(people[i].fd < 0 || people[i].over || people[i].answered == people[i].count,
                  "waits in vain: %u of %u answered; said %zu of %zu: %s\n", people[i].answered, people[i].count,
                  people[i].said, people[i].say.len, printable(&people[i]));
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        struct person *person = &people[i];
        CHECK(person->fd < 0 || person->answered == person->count || person->waited_ms > LATE_MS ||
                  relays[0].server->draining || relays[1].server->draining,
              "%u of %u answered, then the end; said %zu of %zu: %s\n", person->answered, person->count, person->said,
              person->say.len, printable(person));
    }
}

static size_t open_files(void)
{
    size_t count = 0;
    DIR *list = opendir("/proc/self/fd");
    while (readdir(list))
        count++;
    closedir(list);
    return count;
}

static void one_sequence(void)
{
    size_t files = open_files();
    snprintf(dir, sizeof dir, "/tmp/chaguan-sequence.XXXXXX");
    assert_non_null(mkdtemp(dir));
    bus = (struct bus){.up = true};
    clock_freeze(1000000);
    uv_loop_init(&loop);
    wheel_init(&wheel);
    start(&relays[0], "here", HERE, routes, on_upgrade);
    start(&relays[1], "there", THERE, routes, on_upgrade);
    sessions_init(&sessions, &relays[0].settings, &wheel);
    for (size_t i = 0; i < CLIENTS; i++)
        people[i] = (struct person){.fd = -1};
    for (int i = 0; i < STEPS; i++, seq.steps++)
        step();
    if (!once_in(4))
        come_to_rest();
    bool stops_first = once_in(2);
    for (size_t i = 0; i < CLIENTS && !stops_first; i++)
        leave(&people[i], once_in(2));
    turn_loop(5);
    for (size_t i = 0; i < 2; i++) {
        http_stop(relays[i].server);
        handoff_stop(relays[i].handoff);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop) == 0, "a handle is left\n");
    CHECK(!held_count && !streams && !sessions.count, "%u held calls, %u streams are left\n", held_count, streams);
    for (size_t i = 0; i < 2; i++) {
        CHECK(!relays[i].server->count, "%zu connections are left\n", relays[i].server->count);
        finish(&relays[i]);
    }
    sessions_fini(&sessions);
    while (upgraded_count)
        close(upgraded[--upgraded_count]);
    for (size_t i = 0; i < CLIENTS; i++) {
        leave(&people[i], false);
        buf_fini(&people[i].say);
        buf_fini(&people[i].got);
    }
    assert_int_equal(rmdir(dir), 0);
    CHECK(open_files() == files, "%zu descriptors instead of %zu\n", open_files(), files);
}

static void test_any_sequence_keeps_what_is_promised(void **unused)
{
    (void)unused;
    uv_loop_init(&loop); /* libuv keeps two descriptors from its first loop on */
    uv_loop_close(&loop);
    seq_run(one_sequence, ROUNDS);
    clock_freeze(-1);
    print_message("%lld requests, %lld refused, %lld left, %lld too late, %lld given away, %lld spliced\n",
                  (long long)metric_get(METRIC_HTTP_REQUESTS), (long long)metric_get(METRIC_HTTP_REFUSED),
                  (long long)metric_get(METRIC_HTTP_ABORTED), (long long)metric_get(METRIC_HTTP_TIMEOUTS),
                  (long long)metric_get(METRIC_HANDOFFS_GIVEN), (long long)metric_get(METRIC_HANDOFFS_SPLICED));
    done = true;
}

static int tell(void **unused)
{
    (void)unused;
    return seq_told_if(!done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_any_sequence_keeps_what_is_promised, tell)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
