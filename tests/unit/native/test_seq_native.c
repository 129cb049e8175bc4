/* Random sequences for the native protocol on a real hub: commands of all kinds, readers and a journal that answer in
 * any order, posts that expire, mutes, kicks, slow and dead sockets, a bus that goes, epochs, drains, and clients that
 * leave and come back. Every command has one answer, its own; what was acknowledged is stored under that number, what
 * was refused is not. */
#include "native_fakes.h"
#include "tests/unit/sequences.h"

#include "common/json.h"
#include "common/mem.h"
#include "relay/core/postings.h"
#include "relay/core/sanctions.h"

enum { SPEAKERS = 4, COMMANDS_MAX = 4096, ON_THEIR_WAY_MAX = 2048 };

/* What a command asked for, and what became of it. */
struct asked {
    bool asked, is_post, is_join, posted, settled, answered;
    enum err err;
    uint64_t seq;
};

static struct speaker {
    struct client *client; /* NULL: not connected */
    int last_id;
    struct asked commands[COMMANDS_MAX];
    uint64_t shown[CONVERSATIONS]; /* the last number that it was shown of a conversation; 0: anything may come */
} speakers[SPEAKERS];

static struct {
    struct post_id id;
    struct message *message;
} posts[ON_THEIR_WAY_MAX];

static size_t post_count;
static struct sanctions sanctions;
static const char *const rooms[] = {ROOM, TEA, NONE};
static bool failed = true;

static struct speaker *speaker_of(uint64_t session_id)
{
    for (size_t i = 0; i < SPEAKERS; i++)
        if (speakers[i].client && speakers[i].client->session->id == session_id)
            return &speakers[i];
    return NULL;
}

static bool is_over(const struct speaker *speaker)
{
    return !speaker->client || speaker->client->session->closing;
}

/* ---- the journal ---- */

/* The client id says whose it is: "ID". */
static struct asked *asked_by_client_id(struct speaker *speaker, const struct message *message)
{
    char text[MESSAGE_CLIENT_ID_MAX + 1] = "";
    memcpy(text, message->client_id.ptr, message->client_id.len);
    int id = atoi(text);
    assert_in_range(id, 1, COMMANDS_MAX - 1);
    return &speaker->commands[id];
}

static enum err take_post(struct post_id id, const struct message *message)
{
    struct speaker *speaker = speaker_of(id.session_id);
    assert_non_null(speaker);
    struct asked *asked = asked_by_client_id(speaker, message);
    assert_true(asked->asked && asked->is_post && !asked->posted && !asked->answered);
    if (post_count == ON_THEIR_WAY_MAX || once_in(20))
        return ERR_BUSY;
    asked->posted = true;
    posts[post_count].id = id;
    posts[post_count++].message = message_dup(message);
    return ERR_OK;
}

/* Answers up to `most` of those on their way, in no order; `fine`: all are stored. */
static void settle(size_t most, bool fine)
{
    static const enum err errs[] = {ERR_OK,   ERR_OK,        ERR_OK,     ERR_OK,      ERR_DOWN,
                                    ERR_DOWN, ERR_NOT_FOUND, ERR_DENIED, ERR_UNKNOWN, ERR_INTERNAL};
    struct store_post answers[16];
    struct post_id ids[16];
    struct message *messages[16];
    size_t count = 0;
    while (post_count && count < most && count < 16) {
        size_t at = any((unsigned)post_count);
        struct post_id id = posts[at].id;
        struct message *message = posts[at].message;
        posts[at] = posts[--post_count];
        enum err err = fine ? ERR_OK : errs[any(10)];
        if (!err || (err == ERR_UNKNOWN && once_in(2)))
            message->seq = ++db.last[message->conversation];
        struct speaker *speaker = speaker_of(id.session_id);
        if (speaker) {
            struct asked *asked = asked_by_client_id(speaker, message);
            assert_true(asked->posted && !asked->settled && !asked->answered);
            asked->settled = true;
            asked->err = err;
            asked->seq = message->seq;
        }
        messages[count] = message;
        answers[count] = (struct store_post){.message = *message, .err = err};
        if (err)
            answers[count].message.seq = 0;
        ids[count++] = id;
    }
    if (count)
        hub_stored(&hub, answers, ids, count);
    for (size_t i = 0; i < count; i++)
        free(messages[i]);
}

/* ---- what is heard ---- */

static const char *word_of(enum err err)
{
    switch (err) {
    case ERR_NOT_FOUND: return "not_found";
    case ERR_DENIED: return "forbidden";
    case ERR_DUPLICATE: return "conflict";
    case ERR_UNKNOWN: return "unknown";
    default: return "unavailable";
    }
}

static void check_answer(struct speaker *speaker, struct json_object *frame)
{
    int64_t id, number;
    struct json_object *error;
    struct str code = STR("");
    if (!json_get_int(frame, "re", 1, COMMANDS_MAX - 1, &id))
        return; /* to a command without an id */
    struct asked *asked = &speaker->commands[id];
    assert_true(asked->asked);
    assert_false(asked->answered);
    asked->answered = true;
    if (asked->is_join) /* what comes from here on begins anew */
        memset(speaker->shown, 0, sizeof speaker->shown);
    if (json_object_object_get_ex(frame, "error", &error))
        assert_true(json_get_string(error, "code", &code));
    if (asked->posted) {
        assert_true(asked->settled);
        if (!asked->err) {
            assert_int_equal(code.len, 0);
            assert_true(json_get_int(frame, "seq", 1, INT64_MAX, &number));
            assert_int_equal(number, asked->seq);
        } else {
            assert_str(code, str_of(word_of(asked->err)));
        }
    } else if (asked->is_post) {
        assert_true(code.len > 0); /* nothing of it came to the journal */
    }
}

/* Numbers of a conversation go up, each once; `gone` may stand for several. */
static void check_event(struct speaker *speaker, struct json_object *frame)
{
    int64_t ch, number, first, epoch;
    struct str kind;
    assert_true(json_get_string(frame, "ev", &kind));
    if (str_eq(kind, STR("read")) || !json_get_int(frame, "seq", 1, INT64_MAX, &number) ||
        !json_get_int(frame, "ch", 1, CONVERSATIONS - 1, &ch))
        return;
    if (!json_get_int(frame, "first", 1, number, &first))
        first = number;
    /* else what was put back shows, until a reconciliation ends the sessions */
    assert_true(json_get_int(frame, "epoch", 1, INT64_MAX, &epoch));
    bool known = !db.epoch || db.epoch == (uint64_t)epoch;
    if (speaker->shown[ch] && known)
        assert_int_equal(first, speaker->shown[ch] + 1);
    speaker->shown[ch] = (uint64_t)number;
}

/* The frame at `at` of what its socket was given; false: it is not whole yet. */
static bool frame_at(const struct buf *bytes, size_t *at, struct str *payload)
{
    const unsigned char *from = (const unsigned char *)bytes->data + *at;
    size_t left = bytes->len - *at, header = 2, size = left < 2 ? 0 : from[1];
    size_t wide = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (left < header + wide)
        return false;
    for (size_t i = 0; i < wide; i++)
        size = (i ? size << 8 : 0) | from[header++];
    if (left < header + size)
        return false;
    assert_int_equal(from[0], 0x81);
    *payload = (struct str){(const char *)from + header, size};
    *at += header + size;
    return true;
}

static void hear(struct speaker *speaker)
{
    struct str text;
    size_t at = 0;
    if (!speaker->client)
        return;
    while (frame_at(&speaker->client->got, &at, &text)) {
        struct json_object *frame;
        assert_int_equal(json_parse_object(text, &frame), ERR_OK);
        if (json_has(frame, "re"))
            check_answer(speaker, frame);
        else
            check_event(speaker, frame);
        json_object_put(frame);
    }
    buf_consume(&speaker->client->got, at);
}

static void end_of_turn(void)
{
    hub_flush(&hub);
    sessions_flush(&sessions);
    forget_published();
    for (size_t i = 0; i < SPEAKERS; i++)
        hear(&speakers[i]);
}

/* ---- what is done ---- */

static int next_command(struct speaker *speaker, bool is_post)
{
    int id = ++speaker->last_id;
    speaker->commands[id].asked = true;
    speaker->commands[id].is_post = is_post;
    return id;
}

static void come(struct speaker *speaker)
{
    memset(speaker, 0, sizeof *speaker);
    speaker->client = open_client();
    int id = next_command(speaker, false);
    speaker->commands[id].is_join = true;
    const char *user = once_in(2) ? ANN : BOB;
    if (once_in(3))
        say(speaker->client,
            "{\"id\":%d,\"cmd\":\"hello\",\"user\":\"%s\",\"resume\":[{\"room\":\"" ROOM "\",\"epoch\":%u,\"seq\":%u},"
            "{\"room\":\"%s\"}]}",
            id, user, EPOCH + any(2), any((unsigned)db.last[7] + 2), rooms[1 + any(2)]);
    else
        say(speaker->client, "{\"id\":%d,\"cmd\":\"hello\",\"user\":\"%s\"}", id, user);
}

static void go_away(struct speaker *speaker)
{
    if (!speaker->client)
        return;
    disconnect_client(speaker->client);
    speaker->client = NULL;
}

static void command(struct speaker *speaker)
{
    static const char *const plain[] = {"ping", "members", "typing", "history", "leave", "nonsense"};
    const char *room = rooms[any(20) ? any(2) : 2];
    if (is_over(speaker) || speaker->last_id + 2 >= COMMANDS_MAX)
        return;
    struct client *client = speaker->client;
    unsigned kind = any(16), about = 1 + any((unsigned)db.last[7] + 1);
    int id = next_command(speaker, kind < 8);
    if (kind < 6) {
        say(client, "{\"id\":%d,\"cmd\":\"send\",\"room\":\"%s\",\"client_id\":\"%d\",\"content\":\"said\"}", id, room,
            id);
    } else if (kind == 6) {
        say(client, "{\"id\":%d,\"cmd\":\"edit\",\"room\":\"%s\",\"seq\":%u,\"client_id\":\"%d\",\"content\":\"now\"}",
            id, room, about, id);
    } else if (kind == 7) {
        say(client, "{\"id\":%d,\"cmd\":\"recall\",\"room\":\"%s\",\"seq\":%u,\"client_id\":\"%d\"}", id, room, about,
            id);
    } else if (kind < 11) {
        speaker->commands[id].is_join = true;
        say(client,
            once_in(2) ? "{\"id\":%d,\"cmd\":\"join\",\"room\":\"%s\"}"
                       : "{\"id\":%d,\"cmd\":\"join\",\"room\":\"%s\",\"presence\":true}",
            id, room);
    } else if (kind == 11) {
        say(client, "{\"id\":%d,\"cmd\":\"unread\",\"rooms\":[\"%s\",\"%s\"]}", id, room, room);
    } else if (kind == 12) {
        say(client, "{\"id\":%d,\"cmd\":\"read\",\"room\":\"%s\",\"seq\":%u}", id, room, about);
    } else {
        say(client, "{\"id\":%d,\"cmd\":\"%s\",\"room\":\"%s\"}", id, plain[any(6)], room);
    }
}

/* One that waits meets the database, and its answer comes; not the oldest. */
static void read_something(void)
{
    if (!job_count)
        return;
    size_t at = any((unsigned)job_count);
    struct job *job = jobs[at];
    jobs[at] = jobs[0];
    jobs[0] = job;
    job_do();
}

static void subscribe(void)
{
    for (uint64_t conversation = 7; net.up && conversation <= 8; conversation++)
        hub_subscribed(&hub, conversation);
    if (net.up)
        confirm_inboxes();
}

static void mute_or_not(void)
{
    static uint64_t last;
    struct sanction sanction = {.id = 1 + any(4),
                                .kind = SANCTION_MUTE,
                                .user = 1 + any(2),
                                .conversation = once_in(2) ? 7 : 0,
                                .lifted = any(3),
                                .changed_ms = (int64_t)++last};
    sanctions_put(&sanctions, &sanction);
}

static void kick(struct speaker *speaker)
{
    uint64_t conversation = 7 + any(2);
    if (is_over(speaker))
        return;
    /* who is not over has a client: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    if (!hub_subscription(speaker->client->session, conversation))
        return;
    native_protocol.expelled(speaker->client->session, conversation, "kicked");
}

static void block_or_not(struct speaker *speaker)
{
    static const enum send_result results[] = {SEND_MORE, SEND_MORE, SEND_MORE, SEND_BLOCKED};
    if (is_over(speaker))
        return;
    speaker->client->answer = once_in(100) ? SEND_DEAD : results[any(4)];
    if (speaker->client->answer == SEND_MORE && speaker->client->session->blocked)
        session_writable(speaker->client->session);
}

static void seldom(struct speaker *speaker)
{
    switch (any(8)) {
    case 0: go_away(speaker); break;
    case 1: mute_or_not(); break;
    case 2: kick(speaker); break;
    case 3:
        net.up = !net.up;
        hub_bus_state(&hub, net.up);
        break;
    case 4:
        if (once_in(4)) { /* the database was put back; what is not answered yet has no number yet */
            db.epoch = hub.epoch + 1;
            db.last[7] -= any((unsigned)db.last[7] / 2 + 1);
            for (size_t i = 0; i < SPEAKERS; i++)
                memset(speakers[i].shown, 0, sizeof speakers[i].shown);
        }
        hub_reconcile(&hub);
        break;
    case 5:
        if (!is_over(speaker))
            session_close(speaker->client->session, 1012, "Restarting: come back");
        break;
    case 6: world.full = once_in(3); break;
    case 7: world.err = db.err = once_in(4) ? ERR_DOWN : ERR_OK; break;
    }
}

static void step(void)
{
    struct speaker *speaker = &speakers[any(SPEAKERS)];
    seq.steps++;
    if (!speaker->client && client_count < 1000)
        come(speaker);
    else if (speaker->client && speaker->client->session->closing && once_in(3))
        go_away(speaker);
    switch (any(12)) {
    case 0:
    case 1:
    case 2:
    case 3: command(speaker); break;
    case 4:
    case 5: read_something(); break;
    case 6:
    case 7: settle(1 + any(8), false); break;
    case 8: subscribe(); break;
    case 9: go(any(700)); break;
    case 10: block_or_not(speaker); break;
    case 11:
        if (once_in(4))
            seldom(speaker);
        break;
    }
    if (!once_in(3))
        end_of_turn();
}

/* All servers answer, and all sockets take what there is. */
static void calm(void)
{
    world.full = false;
    world.err = db.err = ERR_OK;
    net.up = true;
    hub_bus_state(&hub, true);
    for (size_t i = 0; i < SPEAKERS; i++)
        if (!is_over(&speakers[i])) {
            speakers[i].client->answer = SEND_MORE;
            if (speakers[i].client->session->blocked)
                session_writable(speakers[i].client->session);
        }
    for (int turn = 0; turn < 300 || job_count || post_count; turn++) {
        assert_true(turn < 20000);
        subscribe();
        read_something();
        settle(4, true);
        go(20);
        end_of_turn();
    }
}

static void check_all(void)
{
    for (size_t i = 0; i < SPEAKERS; i++)
        for (int id = 1; !is_over(&speakers[i]) && id <= speakers[i].last_id; id++)
            assert_true(speakers[i].commands[id].answered);
    assert_int_equal(metric_get(METRIC_ANSWERS_UNEXPECTED), 0);
}

static void round_of_steps(void)
{
    void *state = NULL;
    assert_int_equal(begin_native(&state), 0);
    settings.ping_interval_ms = 1000000000;
    settings.room_linger_ms = once_in(2) ? 500 : 0;
    settings.room_log_bytes = once_in(2) ? 8192 : 65536;
    db.last[7] = any(40);
    db.last[8] = any(1500);
    net.instead = take_post;
    hub.sanctions = &sanctions;
    post_count = 0;
    memset(speakers, 0, sizeof speakers);
    for (unsigned steps = 100 + any(900); steps; steps--)
        step();
    calm();
    check_all();
    for (size_t i = 0; i < SPEAKERS; i++)
        go_away(&speakers[i]);
    for (int turn = 0; turn < 5; turn++) { /* rooms linger */
        subscribe();
        while (job_count)
            job_do();
        go(600);
    }
    sanctions_fini(&sanctions);
    memset(&sanctions, 0, sizeof sanctions);
    assert_int_equal(end_native(&state), 0);
    net.instead = NULL;
}

static void every_command_has_one_answer_and_it_is_true(void **state)
{
    (void)state;
    seq_run(round_of_steps, 200);
    failed = false;
}

static int end_all(void **state)
{
    (void)state;
    return seq_told_if(failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_command_has_one_answer_and_it_is_true, end_all),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
