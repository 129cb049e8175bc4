/* chatroom_history.c: the `logs` event: from the room's log if that reaches back far enough, else from the database. */
#include "common/log.h"
#include "common/mem.h"
#include "common/store/store.h"
#include "relay/protocols/chatroom_parts.h"
#include "relay/core/protocol.h"
#include "relay/core/hub.h"
#include "relay/db/db_pool.h"

#include <stdlib.h>

/* Builds one `logs` event, and how many lines it has. */
struct logs {
    struct buf out;
    size_t lines;
};

static void logs_open(struct logs *logs)
{
    /* a line is its content and at most this much around it */
    size_t around = (size_t)protocol_context.settings->history_limit * 2048;
    logs->lines = 0;
    buf_init(&logs->out, (size_t)protocol_context.settings->history_bytes +
                             (size_t)protocol_context.settings->max_message_bytes + around);
    buf_add_text(&logs->out, LOGS_OPEN);
}

static void logs_close(struct logs *logs)
{
    buf_add_text(&logs->out, "]" EVENT_CLOSE);
}

/* A live event's payload holds just the object that a line of `logs` is. */
static void add_live_line(void *arg, struct str payload)
{
    struct logs *logs = arg;
    const size_t open = sizeof MESSAGE_OPEN - 1, close = sizeof EVENT_CLOSE - 1;
    CG_ASSERT(payload.len > open + close);
    if (logs->lines++)
        buf_add_char(&logs->out, ',');
    buf_add(&logs->out, payload.ptr + open, payload.len - open - close);
}

/* ---- who gets it ----
 *
 * Each socket of the user does, once it has read what it got before: one that is still being sent something, or whose
 * last question is still being answered, is owed one answer more, however often it was asked for meanwhile. */

struct asked {
    uint64_t user;
    uint64_t only; /* this session alone; 0: all of the user's */
    size_t count;  /* of those that can be answered now */
};

static bool is_of(const struct session *session, uint64_t user)
{
    return session->protocol == &chatroom_protocol && !session->closing &&
           chatroom_state_of((struct session *)(uintptr_t)session)->user == user;
}

static void ask_for(void *arg, struct session *session)
{
    struct asked *asked = arg;
    if (!is_of(session, asked->user) || (asked->only && session->id != asked->only))
        return;
    struct chatroom_state *state = chatroom_state_of(session);
    bool now = !state->logs_asked && session_has_all(session);
    state->logs_owed = !now;
    state->logs_asked |= now;
    asked->count += now;
}

struct answer {
    uint64_t user;
    const struct buf *payload; /* NULL: why not */
    const char *code, *why;
};

static void give_to_asked(void *arg, struct session *session)
{
    const struct answer *answer = arg;
    if (!is_of(session, answer->user) || !chatroom_state_of(session)->logs_asked)
        return;
    chatroom_state_of(session)->logs_asked = false;
    if (answer->payload)
        session_send_text(session, buf_str(answer->payload));
    else
        chatroom_send_error(session, answer->code, answer->why);
}

static void logs_send(struct logs *logs, uint64_t conversation, uint64_t user)
{
    struct answer answer = {user, &logs->out, "unavailable", "the history cannot be read now"};
    if (logs->out.failed) {
        log_error("chatroom.history_too_large", "room=%llu", (unsigned long long)conversation);
        answer.payload = NULL;
    }
    hub_each(protocol_context.hub, conversation, give_to_asked, &answer);
    buf_fini(&logs->out);
}

static void refuse(uint64_t conversation, uint64_t user, const char *code, const char *why)
{
    struct answer answer = {user, NULL, code, why};
    hub_each(protocol_context.hub, conversation, give_to_asked, &answer);
}

/* The database's answer when the room log does not reach back far enough. Lines stand in one buffer, their ends apart,
 * because some are left out: the older comings and goings, and the oldest if all together are too large. */
enum { LINES_MAX = 1000, LOOKED_BACK = 10000 };

struct line {
    size_t end;
    bool is_presence;
};

struct lines {
    struct buf text;
    struct line at[LINES_MAX];
    size_t count;
    size_t rows;        /* that were read, also of what is no line */
    uint64_t first_seq; /* of them */
    bool cut;           /* some were left out for their size */
};

struct history {
    struct job job;
    uint64_t conversation, user;
    struct lines older, lines; /* said before them, in the place of comings and goings that were left out */
};

/* Leaves out the oldest, and of the others the first so many that are comings and goings. */
static void leave_out(struct lines *lines, size_t oldest, size_t presence)
{
    size_t kept = 0, start = 0, end = 0;
    for (size_t i = 0; i < lines->count; i++) {
        struct line line = lines->at[i];
        size_t len = line.end - start;
        bool passing = i >= oldest && line.is_presence && presence;
        presence -= passing;
        if (i >= oldest && !passing) {
            memmove(lines->text.data + end, lines->text.data + start, len);
            end += len;
            lines->at[kept++] = (struct line){end, line.is_presence};
        }
        start = line.end;
    }
    lines->text.len = end;
    lines->count = kept;
}

/* For all of them to be no larger than `most` bytes. */
static void cut(struct lines *lines, size_t most)
{
    size_t oldest = 0;
    while (oldest < lines->count && lines->text.len - (oldest ? lines->at[oldest - 1].end : 0) > most)
        oldest++;
    lines->cut |= oldest > 0;
    if (oldest)
        leave_out(lines, oldest, 0);
}

static void collect_line(void *arg, const struct message *message)
{
    struct lines *lines = arg;
    size_t most = (size_t)protocol_context.settings->history_bytes, before = lines->text.len;
    CG_ASSERT(lines->count < LINES_MAX);
    if (!lines->rows++)
        lines->first_seq = message->seq;
    if (message_is_revision(message->kind))
        return;
    chatroom_add_line(message, &lines->text);
    size_t len = lines->text.len - before;
    lines->at[lines->count++] = (struct line){lines->text.len, message_is_presence(message->kind)};
    if (lines->text.len > 2 * most) /* now and then, as it moves the rest; the last one stays, however long */
        cut(lines, most > len ? most : len);
}

static void lines_init(struct lines *lines)
{
    buf_init(&lines->text, 2 * ((size_t)protocol_context.settings->history_bytes +
                                (size_t)protocol_context.settings->max_message_bytes * 6 + 2048));
}

/* What was said before the lines, for as many of them as were left out. */
static enum err read_older(struct history *history, struct store *store, size_t count, size_t most)
{
    uint64_t before = history->lines.first_seq;
    struct store_range range = {
        .conversation = history->conversation,
        .after = before > LOOKED_BACK ? before - LOOKED_BACK : 0,
        .before = before,
        .limit = (unsigned)count,
        .latest = true,
        .said = true,
    };
    enum err err = store_read(store, &range, collect_line, &history->older);
    cut(&history->older, most);
    return err;
}

static void read_history(struct job *job, struct store *store)
{
    struct history *history = (struct history *)job;
    struct lines *lines = &history->lines;
    const size_t limit = (size_t)protocol_context.settings->history_limit,
                 most = (size_t)protocol_context.settings->history_bytes;
    const size_t presence_max = history_presence_max(protocol_context.settings);
    struct store_range range = {
        .conversation = history->conversation,
        .before = INT64_MAX,
        .limit = (unsigned)limit,
        .latest = true,
    };
    size_t presence = 0;
    job->err = store_read(store, &range, collect_line, lines);
    for (size_t i = 0; i < lines->count; i++)
        presence += lines->at[i].is_presence;
    if (presence > presence_max)
        leave_out(lines, 0, presence - presence_max);
    size_t last = lines->count > 1 ? lines->text.len - lines->at[lines->count - 2].end : lines->text.len;
    cut(lines, most > last ? most : last);
    size_t room = lines->text.len < most ? most - lines->text.len : 0; /* the last line alone may be larger */
    if (!job->err && room && !lines->cut && lines->rows == limit && lines->count < limit && lines->first_seq > 1)
        job->err = read_older(history, store, limit - lines->count, room);
    job->bytes = lines->text.cap + history->older.text.cap;
}

static void add_lines(struct logs *logs, const struct lines *lines)
{
    size_t start = 0;
    for (size_t i = 0; i < lines->count; i++) {
        if (logs->lines++)
            buf_add_char(&logs->out, ',');
        buf_add(&logs->out, lines->text.data + start, lines->at[i].end - start);
        start = lines->at[i].end;
    }
}

static void on_history(struct job *job)
{
    struct history *history = (struct history *)job;
    struct logs logs;
    if (job->err || history->lines.text.failed || history->older.text.failed) {
        refuse(history->conversation, history->user, "unavailable", "the history cannot be read now");
    } else {
        logs_open(&logs);
        add_lines(&logs, &history->older);
        add_lines(&logs, &history->lines);
        logs_close(&logs);
        logs_send(&logs, history->conversation, history->user);
    }
    buf_fini(&history->lines.text);
    buf_fini(&history->older.text);
    free(history);
}

/* For those that were found able to take it. */
static void answer_asked(uint64_t conversation, uint64_t user)
{
    struct logs logs;
    if (debts_refuse()) {
        refuse(conversation, user, "busy", "too much is going on: try again in a second");
        return;
    }
    logs_open(&logs);
    if (hub_recent(protocol_context.hub, conversation, ENCODING_CHATROOM, add_live_line, &logs)) {
        logs_close(&logs);
        logs_send(&logs, conversation, user);
        return;
    }
    buf_fini(&logs.out);
    struct history *history = mem_zalloc(sizeof *history);
    history->job.work = read_history;
    history->job.done = on_history;
    job_charge(&history->job, JOB_ASK, user, 1 + (size_t)protocol_context.settings->history_limit / 50);
    history->conversation = conversation;
    history->user = user;
    lines_init(&history->lines);
    lines_init(&history->older);
    if (db_pool_try(protocol_context.db_pool, &history->job)) {
        free(history);
        refuse(conversation, user, "busy", "too much is going on: try again in a second");
    }
}

void chatroom_send_history(uint64_t conversation, uint64_t user)
{
    struct asked asked = {.user = user};
    hub_each(protocol_context.hub, conversation, ask_for, &asked);
    if (asked.count)
        answer_asked(conversation, user);
}

void chatroom_send_owed_history(struct session *session)
{
    struct chatroom_state *state = chatroom_state_of(session);
    struct asked asked = {.user = state->user, .only = session->id};
    if (!state->logs_owed || state->logs_asked || session->closing)
        return;
    ask_for(&asked, session);
    if (asked.count)
        answer_asked(state->conversation, state->user);
}
