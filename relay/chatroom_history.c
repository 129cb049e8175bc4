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

struct recipients {
    uint64_t user;
    struct str payload;
};

static void send_to_user(void *arg, struct session *session)
{
    struct recipients *recipients = arg;
    if (session->protocol == &chatroom_protocol && chatroom_state_of(session)->user == recipients->user)
        session_send_text(session, recipients->payload);
}

static void logs_send(struct logs *logs, uint64_t conversation, uint64_t user)
{
    struct recipients recipients = {user, buf_str(&logs->out)};
    if (logs->out.failed)
        log_error("chatroom.history_too_large", "room=%llu", (unsigned long long)conversation);
    else
        hub_each(door.hub, conversation, send_to_user, &recipients);
    buf_fini(&logs->out);
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

static void collect_line(void *arg, const struct message *message)
{
    struct history *history = arg;
    CG_ASSERT(history->count < sizeof history->ends / sizeof history->ends[0]);
    if (message_is_revision(message->kind))
        return;
    chatroom_add_line(message, &history->lines);
    history->ends[history->count++] = history->lines.len;
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
}

static void explain_to_user(void *arg, struct session *session)
{
    const struct history *history = arg;
    if (session->protocol == &chatroom_protocol && chatroom_state_of(session)->user == history->user)
        chatroom_send_error(session, "unavailable", "the history cannot be read now");
}

static void on_history(struct job *job)
{
    struct history *history = (struct history *)job;
    struct logs logs;
    if (job->err || history->lines.failed) {
        hub_each(door.hub, history->conversation, explain_to_user, history);
    } else {
        size_t first = history->count, end = history->lines.len;
        while (first && end - (first > 1 ? history->ends[first - 2] : 0) <=
                            (size_t)door.settings->history_bytes)
            first--;
        if (first == history->count && first)
            first--; /* one line, however long */
        logs_open(&logs);
        for (size_t i = first; i < history->count; i++) {
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

void chatroom_send_history(uint64_t conversation, uint64_t user)
{
    struct logs logs;
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
    history->conversation = conversation;
    history->user = user;
    buf_init(&history->lines, (size_t)door.settings->history_limit *
                                  ((size_t)door.settings->max_message_bytes + 2048));
    if (readers_try(door.readers, &history->job)) {
        history->job.err = ERR_BUSY;
        on_history(&history->job);
    }
}
