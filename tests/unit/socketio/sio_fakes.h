/* sio_fakes.h: all that surrounds Socket.IO, told what to do by the test: connections that keep what they are sent, a
 * hub that is listened to, a journal, Redis' knowledge of sockets, a database of messages. A test includes this
 * once. */
#ifndef CG_TESTS_SIO_FAKES_H
#define CG_TESTS_SIO_FAKES_H

#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/io_notice.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rate.h"
#include "common/metrics.h"
#include "common/store/store_io.h"
#include "relay/core/presence.h"
#include "relay/socketio/app_chat.h"
#include "relay/socketio/app_echo.h"
#include "relay/socketio/app_news.h"
#include "relay/core/protocol.h"
#include "relay/db/db_pool.h"
#include "relay/socketio/sio_client.h"

enum { EPOCH = 3, CONNS = 8, SENT_MAX = 64, NAMESPACES = 4 };

/* ---- connections ---- */

struct eio {
    uint64_t id;
    bool open;
    const char *closed_for; /* eio_close was called */
    const char *from;       /* its address; NULL: everybody's */
    bool v3;
    char *sent[SENT_MAX]; /* text packets as they are, binary as "b:" and the bytes */
    size_t count, read;
    union {
        char state[sizeof(struct sio_client)];
        void *align;
    };
};

static struct eio conns[CONNS];

void *eio_state(struct eio *conn)
{
    return conn->state;
}

uint64_t eio_id(const struct eio *conn)
{
    return conn->id;
}

struct eio *eio_find(uint64_t id)
{
    for (int i = 0; i < CONNS; i++)
        if (conns[i].open && conns[i].id == id)
            return &conns[i];
    return NULL;
}

void eio_send(struct eio *conn, bool binary, struct str data)
{
    if (conn->closed_for)
        return;
    assert_true(conn->count < SENT_MAX);
    struct buf text;
    buf_init(&text, data.len + 3);
    buf_add_text(&text, binary ? "b:" : "");
    buf_add_str(&text, data);
    conn->sent[conn->count++] = mem_strndup(text.data, text.len);
    buf_fini(&text);
}

void eio_admit(struct eio *conn)
{
    (void)conn;
}

void eio_expire(struct eio *conn, int64_t expires_s)
{
    (void)conn, (void)expires_s;
}

void eio_close(struct eio *conn, const char *reason)
{
    if (!conn->closed_for)
        conn->closed_for = reason;
}

static int addresses_asked;

bool eio_is_v3(const struct eio *conn)
{
    return conn->v3;
}

struct str eio_sid(const struct eio *conn)
{
    static char sid[80];
    snprintf(sid, sizeof sid, "relay1.%044llx", (unsigned long long)conn->id);
    return str_of(sid);
}

uint64_t eio_address(const struct eio *conn)
{
    addresses_asked++;
    return rate_address_key(str_of(conn->from ? conn->from : "192.0.2.1"));
}

void eio_expel(struct eio *conn, bool ban)
{
    eio_close(conn, ban ? "banned" : "kicked");
}

static struct eio *dial_as(bool v3)
{
    static uint64_t dialled; /* no id comes twice */
    for (int i = 0; i < CONNS; i++)
        if (!conns[i].open) {
            memset(&conns[i], 0, sizeof conns[i]);
            conns[i].id = UINT64_C(1) << 63 | ++dialled;
            conns[i].open = true;
            conns[i].v3 = v3;
            sio_layer.opened(&conns[i]);
            return &conns[i];
        }
    fail_msg("too many connections");
    return NULL;
}

static struct eio *dial(void)
{
    return dial_as(false);
}

static void hear(struct eio *conn, const char *text)
{
    sio_layer.received(conn, false, str_of(text));
    sio_flush();
}

static inline void hear_binary(struct eio *conn, const char *bytes)
{
    sio_layer.received(conn, true, str_of(bytes));
    sio_flush();
}

/* The socket has ended. */
static void hang_up(struct eio *conn)
{
    if (!conn->open)
        return;
    sio_layer.closed(conn, "transport close");
    sio_flush();
    conn->open = false;
    for (size_t i = 0; i < conn->count; i++)
        free(conn->sent[i]);
    conn->count = 0;
}

/* The next packet that was sent; NULL if there is none. */
static const char *next(struct eio *conn)
{
    return conn->read < conn->count ? conn->sent[conn->read++] : NULL;
}

#define assert_sent(conn, text)   assert_string_equal(next(conn), text)
#define assert_nothing_sent(conn) assert_null(next(conn))

/* ---- the hub ---- */

static struct {
    const struct hub_listener *listeners[NAMESPACES];
    uint64_t last[NAMESPACES]; /* seq */
    enum err post;             /* what hub_post answers */
    struct message *posted;    /* the last one, and … */
    struct post_id posted_by;
    enum err (*instead)(struct post_id id, const struct message *message); /* takes the posts itself */
    struct buf told;                                                       /* the last notice */
    int notices;
} world;

void presence_online(struct presence *presence, uint64_t user)
{
    (void)presence;
    (void)user;
}

void presence_offline(struct presence *presence, uint64_t user)
{
    (void)presence;
    (void)user;
}

void hub_listen(struct hub *hub, uint64_t conversation, const struct hub_listener *listener)
{
    (void)hub;
    world.listeners[conversation] = listener;
    listener->ready(listener->arg, world.last[conversation]);
}

enum err hub_post(struct hub *hub, struct post_id id, const struct message *message)
{
    (void)hub;
    if (world.instead)
        return world.instead(id, message);
    if (world.post)
        return world.post;
    free(world.posted);
    world.posted = message_dup(message);
    world.posted_by = id;
    return ERR_OK;
}

void hub_notify_io(struct hub *hub, uint64_t conversation, struct str payload)
{
    (void)hub;
    (void)conversation;
    buf_fini(&world.told);
    buf_init(&world.told, payload.len);
    buf_add_str(&world.told, payload);
    world.notices++;
}

/* ---- the database: messages of conversation 1 ---- */

static struct {
    struct message *messages[2048]; /* seq is the place and 1 */
    size_t count;
    enum err err;
    int reads;
    struct job *waiting;    /* with `slow`: the latest job that runs when the test says so */
    struct job *before[16]; /* those that wait since before it, oldest first */
    size_t before_count;
    bool slow;
} db;

enum err store_io_namespace(struct store *store, struct str name, bool create, uint64_t *conversation)
{
    static uint64_t given;
    (void)store;
    assert_true(create);
    *conversation = str_eq(name, STR("/")) ? 1 : 2 + given++ % 2;
    return ERR_OK;
}

enum err store_io_recent(struct store *store, uint64_t conversation, bool to_some, unsigned limit, store_message_fn *fn,
                         void *arg)
{
    (void)store;
    for (size_t i = 0; conversation == 1 && i < db.count && limit; i++)
        if (db.messages[i]->kind == MESSAGE_TEXT && (db.messages[i]->audience.len > 0) == to_some)
            fn(arg, db.messages[i]);
    return db.err;
}

enum err store_read(struct store *store, const struct store_range *range, store_message_fn *fn, void *arg)
{
    (void)store;
    db.reads++;
    unsigned left = range->limit;
    for (size_t i = 0; !db.err && i < db.count && left; i++)
        if (db.messages[i]->seq > range->after && db.messages[i]->seq < range->before) {
            fn(arg, db.messages[i]);
            left--;
        }
    return db.err;
}

/* Recoveries know only where they begin. */
enum err store_read_ranges(struct store *store, const struct store_range *ranges, size_t count, store_ranged_fn *fn,
                           void *arg)
{
    (void)store, (void)ranges, (void)count, (void)fn, (void)arg;
    return ERR_INTERNAL;
}

const char *store_error(const struct store *store)
{
    (void)store;
    return "";
}

static void run(struct job *job)
{
    job_alone(job, NULL);
    job->done(job);
}

static void run_or_wait(struct job *job)
{
    if (!db.slow) {
        run(job);
        return;
    }
    if (db.waiting) {
        assert_true(db.before_count < sizeof db.before / sizeof db.before[0]);
        db.before[db.before_count++] = db.waiting;
    }
    db.waiting = job;
}

void db_pool_add(struct db_pool *db_pool, struct job *job)
{
    (void)db_pool;
    run_or_wait(job);
}

enum err db_pool_try(struct db_pool *db_pool, struct job *job)
{
    (void)db_pool;
    run_or_wait(job);
    return ERR_OK;
}

/* Stores a message without telling anybody. */
static const struct message *store_message(enum message_kind kind, const char *sender, const char *content,
                                           const char *audience)
{
    struct message message = {
        .conversation = 1,
        .seq = db.count + 1,
        .at_ms = 1700000000000,
        .kind = kind,
        .sender_name = str_of(sender),
        .content = str_of(content),
        .audience = str_of(audience),
    };
    world.last[1] = message.seq;
    return db.messages[db.count++] = message_dup(&message);
}

/* Stores it and shows it to this relay. */
static inline void deliver(enum message_kind kind, const char *sender, const char *content, const char *audience)
{
    const struct message *message = store_message(kind, sender, content, audience);
    world.listeners[1]->message(world.listeners[1]->arg, message);
}

/* The journal's answer to the last post: stored and shown, or not. */
static inline void settle(enum err err)
{
    assert_non_null(world.posted);
    struct store_post post = {.message = *world.posted, .err = err};
    const struct message *stored = NULL;
    if (!err) {
        char *content = mem_strndup(post.message.content.ptr, post.message.content.len);
        char *audience = mem_strndup(post.message.audience.ptr, post.message.audience.len);
        char *sender = mem_strndup(post.message.sender_name.ptr, post.message.sender_name.len);
        stored = store_message(post.message.kind, sender, content, audience);
        post.message.seq = stored->seq;
        free(content);
        free(audience);
        free(sender);
    }
    world.posted_by.answered(world.posted_by, &post);
    if (stored)
        world.listeners[1]->message(world.listeners[1]->arg, stored);
}

/* ---- what Redis knows ---- */

static struct {
    char log[512]; /* what was said, a word each */
    enum err claim, find, recover;
    char found[IO_SID_LEN + 1];
    struct sio_record record;
    uint64_t since;            /* said last */
    uint64_t was_since;        /* of every room */
    sio_recovered_fn *waiting; /* with `slow` */
    void *waiting_arg;
    bool slow;
    bool full; /* there is no room for what a client wants of it */
} redis;

static void note(const char *word, struct str text)
{
    size_t len = strlen(redis.log);
    snprintf(redis.log + len, sizeof redis.log - len, "%s%s:%.*s", len ? " " : "", word, (int)text.len, text.ptr);
}

void sio_registry_init(const struct settings *settings, struct wheel *wheel, struct bus *bus, uint64_t incarnation,
                       sio_registry_all_fn *all, void *arg)
{
    (void)settings, (void)wheel, (void)bus, (void)incarnation, (void)all, (void)arg;
}

void sio_registry_fini(void) {}

void sio_registry_said(void) {}

void sio_registry_bus_state(bool up)
{
    (void)up;
}

bool sio_registry_has_room(uint64_t payer)
{
    (void)payer;
    return !redis.full;
}

void sio_registry_add(const struct sio_record *socket)
{
    note("add", socket->nsp);
}

void sio_registry_drop(const struct sio_record *socket, bool keep)
{
    note(keep ? "keep" : "drop", socket->nsp);
}

void sio_registry_since(const struct sio_record *socket, const struct str *rooms, const uint64_t *since, size_t count)
{
    (void)socket, (void)rooms;
    if (count)
        redis.since = since[count - 1];
}

uint64_t sio_registry_was_since(struct str room)
{
    (void)room;
    return redis.was_since;
}

void sio_registry_join(const struct sio_record *socket, struct str room)
{
    (void)socket;
    note("join", room);
}

void sio_registry_leave(const struct sio_record *socket, struct str room)
{
    (void)socket;
    note("leave", room);
}

void sio_registry_claim_name(const struct sio_record *socket, struct str name, sio_name_fn *done, void *arg)
{
    (void)socket;
    note("claim", name);
    done(arg, redis.claim);
}

void sio_registry_find_name(struct str nsp, struct str name, uint64_t payer, sio_who_fn *done, void *arg)
{
    (void)payer;
    (void)nsp;
    note("find", name);
    done(arg, redis.find, str_of(redis.found));
}

void sio_registry_recover(struct str nsp, struct str pid, uint64_t payer, sio_recovered_fn *done, void *arg)
{
    (void)payer;
    (void)nsp;
    note("recover", pid);
    redis.waiting = done;
    redis.waiting_arg = arg;
    if (!redis.slow)
        done(arg, redis.recover, &redis.record);
}

void sio_token_connect(struct sio_client *client, struct sio_namespace *nsp, struct str auth)
{
    (void)client, (void)nsp, (void)auth;
    fail_msg("nobody needs a token here");
}

/* ---- around a test ---- */

struct protocol_context protocol_context; /* for its settings */
static struct settings settings;
static struct wheel wheel;
static struct hub hub = {.epoch = EPOCH};

static int begin(const char *app)
{
    char why[256], set[64];
    char *sets[] = {set, "io_namespaces=/news"};
    snprintf(set, sizeof set, "io_app=%s", app);
    assert_int_equal(settings_load(&settings, NULL, sets, 2, why), 0);
    assert_int_equal(log_open("test", "/dev/null", LOG_ERROR), 0);
    clock_freeze(1700000000000);
    wheel_init(&wheel);
    memset(&world, 0, sizeof world);
    memset(&redis, 0, sizeof redis);
    memset(&db, 0, sizeof db);
    protocol_context = (struct protocol_context){.settings = &settings, .hub = &hub};
    static const struct app *const apps[] = {&chat_app, &echo_app, &news_app, NULL};
    if (!sio_init(apps, &settings, &wheel, &hub, NULL, NULL, NULL, 77, why))
        fail_msg("%s", why);
    assert_true(sio_ready());
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < CONNS; i++)
        hang_up(&conns[i]);
    sio_fini();
    for (size_t i = 0; i < db.count; i++)
        free(db.messages[i]);
    free(world.posted);
    buf_fini(&world.told);
    settings_fini(&settings);
    clock_freeze(-1);
    log_close();
    return 0;
}

/* "0{"sid":"…","pid":"…"}" cut up. */
static inline void read_connect(const char *packet, char sid[IO_SID_LEN + 1], char pid[IO_PID_LEN + 1])
{
    assert_int_equal(strncmp(packet, "0{\"sid\":\"", 9), 0);
    memcpy(sid, packet + 9, IO_SID_LEN);
    sid[IO_SID_LEN] = '\0';
    assert_int_equal(strncmp(packet + 9 + IO_SID_LEN, "\",\"pid\":\"", 9), 0);
    memcpy(pid, packet + 18 + IO_SID_LEN, IO_PID_LEN);
    pid[IO_PID_LEN] = '\0';
}

#endif
