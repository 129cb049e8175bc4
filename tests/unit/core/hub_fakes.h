/* hub_fakes.h: all that surrounds the hub, told what to do by the test: a database of messages, a bus, a
 * journal, and clients whose sockets keep every byte and can be blocked or dead. A test includes this once. */
#ifndef CG_TESTS_HUB_FAKES_H
#define CG_TESTS_HUB_FAKES_H

#include "hub_servers.h"

/* ---- three kinds of readers ---- */

/* In the places of three real ones. */
#define PLAIN  ((enum encoding_id)0)
#define BARE   ((enum encoding_id)1)
#define PULLED ((enum encoding_id)2)
/* Bytes as they are, without WebSocket frames; and such that each client gets wrapped in its own way. */
#define LINES   ((enum encoding_id)3)
#define WRAPPED ((enum encoding_id)4)

static inline void show_plain(const struct message *message, struct buf *out)
{
    buf_addf(out, "%llu:%.*s", (unsigned long long)message->seq, (int)message->content.len, message->content.ptr);
}

/* Some messages are not for these. */
static inline void show_bare(const struct message *message, struct buf *out)
{
    if (message->seq % 3)
        buf_addf(out, "%llu", (unsigned long long)message->seq);
}

static inline void show_members(uint64_t conversation, const struct member *members, size_t count, struct buf *out)
{
    (void)conversation;
    buf_add_text(out, "members");
    for (size_t i = 0; i < count; i++)
        buf_addf(out, " %.*s", (int)members[i].name.len, members[i].name.ptr);
}

static inline void show_line(const struct message *message, struct buf *out)
{
    show_plain(message, out);
    buf_add_char(out, ';');
}

static inline void give_wrapped(struct session *session, struct str payload)
{
    char text[300];
    snprintf(text, sizeof text, "<%.*s>", (int)payload.len, payload.ptr);
    session_send_raw(session, str_of(text));
}

static const struct encoding *const encodings[ENCODING_COUNT];

#ifndef HUB_FAKES_REAL_ENCODINGS /* the test has rows of its own */
static const struct encoding plain = {.name = "plain", .history = true, .message = show_plain, .members = show_members};
static const struct encoding bare = {.name = "bare", .message = show_bare};
static const struct encoding pulled = {.name = "pulled", .pulled = true, .message = show_plain};
static const struct encoding lines = {.name = "lines", .bare = true, .message = show_line, .members = show_members};
static const struct encoding wrapped = {.name = "wrapped",
                                        .bare = true,
                                        .pulled = true,
                                        .give = give_wrapped,
                                        .message = show_plain,
                                        .members = show_members};
static const struct encoding *const encodings[ENCODING_COUNT] = {
    [PLAIN] = &plain, [BARE] = &bare, [PULLED] = &pulled, [LINES] = &lines, [WRAPPED] = &wrapped};
#endif

/* ---- the clients ---- */

struct client {
    struct session *session;
    struct buf got;          /* all bytes that its socket was given */
    enum send_result answer; /* of the socket, from now on */
    int writes, closes, kills;
    bool paused;
    size_t kept;
    size_t longest; /* write */
    unsigned code;  /* of the close */
    int joined, not_joined, changed, drained;
    enum err err;    /* of not_joined */
    struct buf told; /* the journal's answers, in words */
};

static enum send_result on_send(void *socket, struct str bytes)
{
    struct client *client = socket;
    assert_int_equal(client->closes + client->kills, 0); /* nothing after its end */
    assert_true(bytes.len > 0);
    client->writes++;
    client->longest = bytes.len > client->longest ? bytes.len : client->longest;
    buf_add_str(&client->got, bytes);
    return client->answer;
}

static void on_close(void *socket, unsigned code, const char *reason)
{
    struct client *client = socket;
    assert_non_null(reason);
    client->closes++;
    client->code = code;
}

static void on_kill(void *socket)
{
    ((struct client *)socket)->kills++;
}

static void on_pause(void *socket, bool paused)
{
    struct client *client = socket;
    assert_true(client->paused != paused);
    client->paused = paused;
}

static size_t get_kept(void *socket)
{
    return ((struct client *)socket)->kept;
}

static const struct transport wire = {
    .send = on_send, .close = on_close, .kill = on_kill, .pause = on_pause, .kept = get_kept};

static struct hub hub;

static void on_joined(struct session *session, struct subscription *sub)
{
    struct client *client = session->socket;
    assert_ptr_equal(hub_subscription(session, hub_conversation(sub)), sub);
    client->joined++;
}

static void on_not_joined(struct session *session, uint64_t conversation, enum err err)
{
    struct client *client = session->socket;
    assert_null(hub_subscription(session, conversation));
    client->not_joined++;
    client->err = err;
}

static void take_payload(void *arg, uint64_t seq, struct str payload)
{
    buf_addf(arg, "%llu=%.*s|", (unsigned long long)seq, (int)payload.len > 40 ? 40 : (int)payload.len, payload.ptr);
}

static void on_changed(struct session *session, struct subscription *sub)
{
    struct client *client = session->socket;
    client->changed++;
    if (sub->log->encoding == WRAPPED && !hub_read(sub, take_payload, &client->told))
        buf_add_text(&client->told, "too late|");
}

static void on_drained(struct session *session)
{
    ((struct client *)session->socket)->drained++;
}

static void on_posted(struct session *session, uint64_t number, const struct store_post *post)
{
    (void)number;
    struct client *client = session->socket;
    buf_addf(&client->told, "%s %llu%s|", err_name(post->err), (unsigned long long)post->message.seq,
             post->repeated ? " again" : "");
}

static void on_closed(struct session *session)
{
    hub_leave(&hub, session);
}

static const struct protocol protocol = {.name = "test",
                                         .joined = on_joined,
                                         .not_joined = on_not_joined,
                                         .changed = on_changed,
                                         .drained = on_drained,
                                         .posted = on_posted,
                                         .closed = on_closed};

/* ---- the whole ---- */

static struct settings settings;
static struct wheel wheel;
static struct sessions sessions;
static int64_t now_ms;
static uint64_t noticed[6]; /* the sum of what each notice told */

static struct client clients[1200];
static size_t client_count;

static void on_presence(void *arg, uint64_t conversation)
{
    (void)arg;
    noticed[0] += conversation;
}

static void on_history(void *arg, uint64_t conversation, uint64_t user)
{
    (void)arg;
    noticed[1] += 1000 * conversation + user;
}

static void on_friends(void *arg, uint64_t user)
{
    (void)arg;
    noticed[2] += user;
}

static void on_read_so_far(void *arg, uint64_t user, const struct wire_mark *mark)
{
    (void)arg;
    noticed[4] += 100 * user + 10 * mark->conversation + mark->seq;
}

static void on_control(void *arg, const struct wire_header *header, struct str word)
{
    (void)arg;
    noticed[5] += 1000 * header->kind + word.len;
}

static int epochs; /* begun */

static void on_epoch(void *arg)
{
    (void)arg;
    epochs++;
}

static struct client *connect_client(void)
{
    struct client *client = &clients[client_count++];
    memset(client, 0, sizeof *client);
    buf_init(&client->got, 10000000);
    buf_init(&client->told, 100000);
    client->session = session_new(&sessions, &protocol, &wire, client);
    return client;
}

static void disconnect_client(struct client *client)
{
    session_ended(client->session);
    client->session = NULL;
}

static void join(struct client *client, uint64_t conversation, enum encoding_id encoding)
{
    hub_join(&hub, client->session, conversation, encoding);
}

/* A client that sits in the conversation, which has `stored` messages. */
static inline struct client *joined_client(uint64_t conversation, enum encoding_id encoding, uint64_t stored)
{
    struct client *client = connect_client();
    db.last[conversation] = stored;
    join(client, conversation, encoding);
    if (net.up)
        hub_subscribed(&hub, conversation);
    if (!client->joined)
        job_do();
    assert_int_equal(client->joined, 1);
    return client;
}

/* The message was committed on some relay, and the bus brings it. */
static inline void deliver(uint64_t conversation, uint64_t seq)
{
    struct message message = message_of(conversation, seq);
    if (db.last[conversation] < seq)
        db.last[conversation] = seq;
    hub_deliver(&hub, &message);
}

static inline void go(int64_t ms)
{
    now_ms += ms;
    clock_freeze(now_ms);
    wheel_advance(&wheel);
}

/* What the client was sent, by its payloads: they must stand there as whole frames. Forgets it. */
static inline const char *got(struct client *client)
{
    static char text[300000];
    size_t at = 0, len = 0;
    const unsigned char *bytes = (const unsigned char *)client->got.data;
    while (at < client->got.len) {
        size_t size = bytes[at + 1], header = 2;
        for (size_t wide = size == 126 ? 2 : size == 127 ? 8 : 0; header - 2 < wide; header++)
            size = (header == 2 ? 0 : size << 8) | bytes[at + header];
        assert_true(bytes[at] == 0x81 || (bytes[at] == 0x89 && !size));
        assert_true(at + header + size <= client->got.len && len + size + 2 < sizeof text);
        memcpy(text + len, bytes[at] == 0x81 ? (const char *)bytes + at + header : "ping",
               bytes[at] == 0x81 ? size : 4);
        len += bytes[at] == 0x81 ? size : 4;
        text[len++] = '|';
        at += header + size;
    }
    text[len] = '\0';
    buf_clear(&client->got);
    client->writes = 0;
    return text;
}

static void add_payload(void *arg, struct str payload)
{
    buf_add_str(arg, payload);
    buf_add_char(arg, '|');
}

/* The history that the room's log gives, or "no". */
static inline const char *recent(uint64_t conversation, enum encoding_id encoding)
{
    static struct buf text;
    buf_fini(&text);
    buf_init(&text, 100000);
    bool there = hub_recent(&hub, conversation, encoding, add_payload, &text);
    if (!there)
        assert_int_equal(text.len, 0);
    buf_add(&text, there ? "" : "no", there ? 1 : 3); /* with the NUL */
    static char copy[10000];
    assert_true(text.len <= sizeof copy);
    memcpy(copy, text.data, text.len);
    buf_fini(&text);
    return copy;
}

static int begin(void **state)
{
    (void)state;
    settings = (struct settings){.max_connections = 1100,
                                 .ping_interval_ms = 20000,
                                 .close_timeout_ms = 2000,
                                 .outbox_bytes = 1000,
                                 .send_chunk_bytes = 4096,
                                 .room_log_bytes = 65536,
                                 .room_logs_bytes = 10000000,
                                 .history_limit = 5,
                                 .history_bytes = 10000,
                                 .gap_wait_ms = 200,
                                 .reconcile_ms = 30000,
                                 .reconcile_down_ms = 30000};
    memset(&db, 0, sizeof db);
    memset(&net, 0, sizeof net);
    memset(&proofs, 0, sizeof proofs);
    memset(noticed, 0, sizeof noticed);
    job_count = jobs_ever = client_count = 0;
    net.up = true;
    epochs = 0;
    now_ms = 5000000;
    clock_freeze(now_ms);
    wheel_init(&wheel);
    sessions_init(&sessions, &settings, &wheel);
    hub = (struct hub){.settings = &settings,
                       .wheel = &wheel,
                       .sessions = &sessions,
                       .incarnation = INCARNATION,
                       .epoch = EPOCH,
                       .encodings = encodings,
                       .notices = {on_presence, on_history, on_friends, on_read_so_far, on_control, on_epoch, NULL}};
    hub_init(&hub);
    return 0;
}

static void forget_published(void)
{
    for (size_t i = 0; i < net.published_count; i++)
        buf_fini(&net.published[i].payload);
    net.published_count = 0;
}

/* The bus hears the notices of these users. */
static inline void confirm_inboxes(void)
{
    for (uint64_t user = 1; user < 10; user++)
        hub_subscribed(&hub, WIRE_INBOX(user));
}

/* Everybody leaves; nothing may be left behind. */
static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < client_count; i++)
        if (clients[i].session)
            disconnect_client(&clients[i]);
    db.err = ERR_OK;
    for (uint64_t id = 1; id < CONVERSATIONS; id++)
        hub_subscribed(&hub, id); /* rooms that still wait for it */
    confirm_inboxes();
    while (job_count)
        job_do();
    for (size_t i = 0; i < client_count; i++) {
        buf_fini(&clients[i].got);
        buf_fini(&clients[i].told);
    }
    forget_published();
    assert_int_equal(hub.rooms.count, 0);
    assert_int_equal(hub.log_bytes, 0);
    for (size_t i = 0; i < CONVERSATIONS; i++)
        assert_int_equal(net.subscribed[i], 0);
    assert_int_equal(net.inboxes, 0);
    hub_fini(&hub);
    sessions_fini(&sessions);
    clock_freeze(-1);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
