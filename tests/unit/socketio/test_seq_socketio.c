/* Random sequences for Socket.IO and the chat room on it: connections, names, messages, private ones, rooms, packets that
 * came too soon, a journal that answers in any order or lets expire, mutes, kicks, an epoch, recoveries that wait for
 * Redis and the database, and clients that are cut off. Every event that asks for an acknowledgement gets one, its own
 * and true. */
#include "sio_fakes.h"
#include "tests/unit/sequences.h"

enum { COMMANDS_MAX = 1024, WAITING_MAX = 1024 };

/* What an event asked for, and what became of it. */
struct asked {
    bool asked, posted, settled, answered;
    enum err err;
    uint64_t seq;
};

static struct speaker {
    struct eio *conn; /* NULL: not connected */
    int last_id;
    struct asked commands[COMMANDS_MAX];
    char sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1], name[32]; /* pid "": it has never been here */
} speakers[CONNS];

static struct {
    struct post_id id;
    struct message *message;
} posts[WAITING_MAX];

static size_t post_count;
static struct sanctions sanctions;
static bool failed = true;
static unsigned names;

static bool is_over(const struct speaker *speaker)
{
    return !speaker->conn || speaker->conn->closed_for;
}

static struct speaker *speaker_of(uint64_t id)
{
    for (int i = 0; i < CONNS; i++)
        if (speakers[i].conn && eio_id(speakers[i].conn) == id)
            return &speakers[i];
    return NULL;
}

/* ---- the journal ---- */

/* What is said is "T5.", by the fifth event; NULL: nobody said it, as that somebody has come. */
static struct asked *asked_by_text(struct speaker *speaker, const struct message *message)
{
    char *text = mem_strndup(message->content.ptr, message->content.len), *end;
    long id = 0;
    for (const char *at = text; (at = strchr(at, 'T')); at++) { /* the last: who has no name may be called so */
        long number = strtol(at + 1, &end, 10);
        if (*end == '.')
            id = number;
    }
    if (strstr(text, "系统"))
        id = 0;
    free(text);
    assert_in_range(id, 0, COMMANDS_MAX - 1);
    return id ? &speaker->commands[id] : NULL;
}

static enum err take_post(struct post_id id, const struct message *message)
{
    struct speaker *speaker = speaker_of(id.session_id);
    assert_non_null(speaker);
    struct asked *asked = asked_by_text(speaker, message);
    if (post_count == WAITING_MAX || once_in(20))
        return ERR_BUSY;
    if (asked) {
        assert_true(asked->asked && !asked->posted && !asked->answered);
        asked->posted = true;
    }
    posts[post_count].id = id;
    posts[post_count++].message = message_dup(message);
    return ERR_OK;
}

/* Answers one of those on their way, any; `fine`: it is stored. */
static void answer_one(bool fine)
{
    static const enum err errs[] = {ERR_OK, ERR_OK, ERR_OK, ERR_DOWN, ERR_UNKNOWN, ERR_INTERNAL};
    if (!post_count)
        return;
    size_t at = any((unsigned)post_count);
    struct post_id id = posts[at].id;
    struct message *message = posts[at].message;
    posts[at] = posts[--post_count];
    struct store_post post = {.message = *message, .err = fine ? ERR_OK : errs[any(6)]};
    const struct message *stored = NULL;
    if (!post.err && db.count < 2000) {
        message->seq = db.count + 1;
        stored = db.messages[db.count++] = message_dup(message);
        world.last[1] = post.message.seq = stored->seq;
    } else if (!post.err) {
        post.err = ERR_DOWN;
    }
    struct speaker *speaker = speaker_of(id.session_id);
    struct asked *asked = speaker ? asked_by_text(speaker, message) : NULL;
    if (asked && asked->posted) {
        assert_false(asked->settled || asked->answered);
        asked->settled = true;
        asked->err = post.err;
        asked->seq = post.message.seq;
    }
    id.answered(id, &post);
    if (stored)
        world.listeners[1]->message(world.listeners[1]->arg, stored);
    free(message);
}

/* ---- what is heard ---- */

static void check_ack(struct speaker *speaker, const char *packet)
{
    int id = atoi(packet + 1);
    assert_in_range(id, 1, COMMANDS_MAX - 1);
    struct asked *asked = &speaker->commands[id];
    const char *seq_at = strstr(packet, "\"seq\":");
    bool good = strstr(packet, "\"success\":true");
    assert_true(asked->asked && !asked->answered);
    asked->answered = true;
    if (!asked->posted) {
        assert_null(seq_at); /* nothing of it came to the journal */
        return;
    }
    assert_true(asked->settled);
    assert_int_equal(good, !asked->err);
    if (good)
        assert_int_equal(strtoull(seq_at + 6, NULL, 10), asked->seq);
    else
        assert_non_null(strstr(packet, asked->err == ERR_UNKNOWN ? "\"unknown\"" : "\"unavailable\""));
}

static void hear_all(struct speaker *speaker)
{
    if (!speaker->conn)
        return;
    for (const char *packet; (packet = next(speaker->conn));) {
        if (!strncmp(packet, "0{\"sid\"", 7) && strstr(packet, "\"pid\""))
            read_connect(packet, speaker->sid, speaker->pid);
        else if (packet[0] == '3')
            check_ack(speaker, packet);
    }
    for (size_t i = 0; i < speaker->conn->count; i++)
        free(speaker->conn->sent[i]);
    speaker->conn->count = speaker->conn->read = 0;
}

/* ---- what is done ---- */

static void come(struct speaker *speaker)
{
    char text[128], sid[IO_SID_LEN + 1], pid[IO_PID_LEN + 1];
    static struct str no_rooms[1];
    memcpy(sid, speaker->sid, sizeof sid);
    memcpy(pid, speaker->pid, sizeof pid);
    memset(speaker->commands, 0, sizeof speaker->commands);
    speaker->last_id = 0;
    speaker->conn = dial();
    bool recovers = *pid && once_in(2) && !redis.waiting;
    redis.recover = recovers && any(4) ? ERR_OK : ERR_NOT_FOUND;
    redis.slow = once_in(3);
    if (recovers) { /* its sid is the speaker's: kept until Redis has answered */
        redis.record = (struct sio_record){
            STR("/"), str_of(speaker->sid), str_of(speaker->pid), str_of(speaker->name), no_rooms, 0, 0};
        snprintf(text, sizeof text, "0{\"pid\":\"%s\",\"offset\":\"%u-%u\"}", pid, (unsigned)hub.epoch,
                 any((unsigned)db.count + 1));
        hear(speaker->conn, text);
        if (!redis.slow)
            redis.waiting = NULL;
    } else {
        hear(speaker->conn, "0");
    }
    redis.slow = false;
}

static void redis_answers(void)
{
    sio_recovered_fn *waiting = redis.waiting;
    redis.waiting = NULL;
    if (waiting)
        waiting(redis.waiting_arg, redis.recover, &redis.record);
    sio_flush();
}

static void database_answers(void)
{
    struct job *job = db.before_count ? db.before[0] : db.waiting;
    if (db.before_count)
        memmove(db.before, db.before + 1, --db.before_count * sizeof db.before[0]);
    else
        db.waiting = NULL;
    if (job)
        run(job);
    sio_flush();
}

static void go_away(struct speaker *speaker)
{
    if (!speaker->conn)
        return;
    hear_all(speaker);
    hang_up(speaker->conn);
    speaker->conn = NULL;
}

static void command(struct speaker *speaker)
{
    char text[256], args[160];
    if (is_over(speaker) || !*speaker->sid || speaker->last_id + 1 >= COMMANDS_MAX)
        return;
    if (redis.waiting || db.waiting) /* one that is being recovered may not speak: it would be cut */
        return;
    int id = ++speaker->last_id;
    redis.claim = once_in(3) ? ERR_DUPLICATE : ERR_OK;
    redis.find = once_in(3) ? ERR_NOT_FOUND : ERR_OK;
    memcpy(redis.found, speaker->sid, sizeof redis.found);
    switch (any(9)) {
    case 0:
    case 1:
    case 2:
    case 3: snprintf(args, sizeof args, "\"message\",\"T%d.\"", id); break;
    case 4: snprintf(args, sizeof args, "\"message\",\"@somebody T%d.\"", id); break;
    case 5: snprintf(args, sizeof args, "\"join\",\"room%u\"", any(6)); break;
    case 6: snprintf(args, sizeof args, "\"leave\",\"room%u\"", any(6)); break;
    case 7: snprintf(args, sizeof args, "\"getAllMessages\""); break;
    default: snprintf(args, sizeof args, once_in(2) ? "\"nonsense\"" : "\"message\",17"); break;
    }
    if (!*speaker->name) { /* its first is a name */
        snprintf(speaker->name, sizeof speaker->name, "n%u", ++names);
        snprintf(args, sizeof args, "\"message\",\"%s\"", speaker->name);
    }
    speaker->commands[id].asked = true;
    snprintf(text, sizeof text, "2%d[%s]", id, args);
    if (once_in(12)) {
        sio_layer.limited(speaker->conn, false, str_of(text), 500);
        sio_flush();
    } else {
        hear(speaker->conn, text);
    }
}

static void mute_or_not(void)
{
    static uint64_t last;
    struct sanction sanction = {
        .id = 1 + any(4), .kind = SANCTION_MUTE, .lifted = any(3), .changed_ms = (int64_t)++last};
    snprintf(sanction.name, sizeof sanction.name, "n%u", 1 + any(names + 1));
    sanctions_put(&sanctions, &sanction);
}

static void kick(const struct speaker *speaker)
{
    struct sanction kicked = {.id = 99, .kind = once_in(2) ? SANCTION_BAN : SANCTION_MUTE};
    snprintf(kicked.name, sizeof kicked.name, "%s", speaker->name);
    if (*kicked.name && !redis.waiting && !db.waiting)
        sio_expel(&kicked, 0);
    sio_flush();
}

static void step(void)
{
    struct speaker *speaker = &speakers[any(CONNS)];
    seq.steps++;
    db.slow = !db.waiting && once_in(2);
    db.err = once_in(20) ? ERR_DOWN : ERR_OK;
    if (!speaker->conn)
        come(speaker);
    else if (speaker->conn->closed_for && once_in(2))
        go_away(speaker);
    switch (any(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: command(speaker); break;
    case 5:
    case 6:
    case 7:
        for (unsigned n = any(6); n; n--)
            answer_one(false);
        break;
    case 8: redis_answers(); break;
    case 9: database_answers(); break;
    case 10:
        if (once_in(5))
            go_away(speaker);
        break;
    case 11:
        switch (any(6)) {
        case 0: mute_or_not(); break;
        case 1: kick(speaker); break;
        case 2:
            if (once_in(4)) {
                hub.epoch++;
                world.listeners[1]->ready(world.listeners[1]->arg, world.last[1]);
            }
            break;
        }
        break;
    }
    for (int i = 0; i < CONNS; i++)
        hear_all(&speakers[i]);
}

static void check_all(void)
{
    for (int i = 0; i < CONNS; i++)
        for (int id = 1; !is_over(&speakers[i]) && id <= speakers[i].last_id; id++)
            assert_true(speakers[i].commands[id].answered);
    assert_int_equal(metric_get(METRIC_ANSWERS_UNEXPECTED), 0);
}

static void round_of_steps(void)
{
    void *state = NULL;
    memset(conns, 0, sizeof conns);
    memset(speakers, 0, sizeof speakers);
    hub.epoch = EPOCH;
    assert_int_equal(begin("chat"), 0);
    hub.sanctions = &sanctions;
    world.instead = take_post;
    post_count = 0;
    for (unsigned steps = 100 + any(600); steps; steps--) {
        redis.log[0] = '\0';
        step();
    }
    db.slow = false;
    db.err = ERR_OK;
    while (redis.waiting || db.waiting || post_count) {
        redis_answers();
        database_answers();
        answer_one(true);
        for (int i = 0; i < CONNS; i++)
            hear_all(&speakers[i]);
    }
    check_all();
    for (int i = 0; i < CONNS; i++)
        go_away(&speakers[i]);
    sanctions_fini(&sanctions);
    memset(&sanctions, 0, sizeof sanctions);
    hub.sanctions = NULL;
    assert_int_equal(end(&state), 0);
}

static void every_event_has_one_acknowledgement_and_it_is_true(void **state)
{
    (void)state;
    seq_run(round_of_steps, 100);
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
        cmocka_unit_test_teardown(every_event_has_one_acknowledgement_and_it_is_true, end_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
