/* chatroom_history.c: the `logs` event: from the room's log if that reaches back far enough, else from the database. */
#include "common/log.h"
#include "common/mem.h"
#include "common/store.h"
#include "relay/chatroom_parts.h"
#include "relay/door.h"
#include "relay/hub.h"
#include "relay/readers.h"

#include <stdlib.h>

/* Builds one `logs` event, and how many lines it has. */
struct logs {
    struct buf out;
    size_t lines;
};

static void logs_open(struct logs *logs)
{
    /* a line is its content and at most this much around it */
    size_t around = (size_t)door.settings->history_limit * 2048;
    logs->lines = 0;
    buf_init(&logs->out,
             (size_t)door.settings->history_bytes + (size_t)door.settings->max_message_bytes + around);
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
    hub_each(door.hub, conversation, give_to_asked, &answer);
    buf_fini(&logs->out);
}

static void refuse(uint64_t conversation, uint64_t user, const char *code, const char *why)
{
    struct answer answer = {user, NULL, code, why};
    hub_each(door.hub, conversation, give_to_asked, &answer);
}

/* The database's answer when the room log does not reach back far enough: lines in one buffer, their
 * ends apart, because the oldest are left out if all together are too large. */
struct history {
    struct job job;
    uint64_t conversation, user;
    struct buf lines;
    size_t ends[1000];
    size_t count;
};

/* How many of the oldest are to go, for the rest to be no larger than may be; one line stays, however long. */
static size_t too_many(const struct history *history)
{
    size_t first = history->count, end = history->lines.len;
    while (first && end - (first > 1 ? history->ends[first - 2] : 0) <= (size_t)door.settings->history_bytes)
        first--;
    return first && first == history->count ? first - 1 : first;
}

static void drop_oldest(struct history *history, size_t count)
{
    if (!count)
        return;
    size_t gone = history->ends[count - 1];
    buf_consume(&history->lines, gone);
    history->count -= count;
    for (size_t i = 0; i < history->count; i++)
        history->ends[i] = history->ends[i + count] - gone;
}

static void collect_line(void *arg, const struct message *message)
{
    struct history *history = arg;
    CG_ASSERT(history->count < sizeof history->ends / sizeof history->ends[0]);
    if (message_is_revision(message->kind))
        return;
    chatroom_add_line(message, &history->lines);
    history->ends[history->count++] = history->lines.len;
    if (history->lines.len > 2 * (size_t)door.settings->history_bytes) /* now and then, as it moves the rest */
        drop_oldest(history, too_many(history));
}

static void read_history(struct job *job, struct store *store)
{
    struct history *history = (struct history *)job;
    struct store_range range = {
        .conversation = history->conversation,
        .before = INT64_MAX,
        .limit = (unsigned)door.settings->history_limit,
        .latest = true,
    };
    job->err = store_read(store, &range, collect_line, history);
    drop_oldest(history, too_many(history));
    job->bytes = history->lines.cap;
}

static void on_history(struct job *job)
{
    struct history *history = (struct history *)job;
    struct logs logs;
    if (job->err || history->lines.failed) {
        refuse(history->conversation, history->user, "unavailable", "the history cannot be read now");
    } else {
        logs_open(&logs);
        for (size_t i = 0; i < history->count; i++) {
            size_t from = i ? history->ends[i - 1] : 0;
            if (logs.lines++)
                buf_add_char(&logs.out, ',');
            buf_add(&logs.out, history->lines.data + from, history->ends[i] - from);
        }
        logs_close(&logs);
        logs_send(&logs, history->conversation, history->user);
    }
    buf_fini(&history->lines);
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
    if (hub_recent(door.hub, conversation, ENCODING_CHATROOM, add_live_line, &logs)) {
        logs_close(&logs);
        logs_send(&logs, conversation, user);
        return;
    }
    buf_fini(&logs.out);
    struct history *history = mem_zalloc(sizeof *history);
    history->job.work = read_history;
    history->job.done = on_history;
    job_charge(&history->job, JOB_ASK, user, 1 + (size_t)door.settings->history_limit / 50);
    history->conversation = conversation;
    history->user = user;
    buf_init(&history->lines,
             2 * ((size_t)door.settings->history_bytes + (size_t)door.settings->max_message_bytes * 6 + 2048));
    if (readers_try(door.readers, &history->job)) {
        free(history);
        refuse(conversation, user, "busy", "too much is going on: try again in a second");
    }
}

void chatroom_send_history(uint64_t conversation, uint64_t user)
{
    struct asked asked = {.user = user};
    hub_each(door.hub, conversation, ask_for, &asked);
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
