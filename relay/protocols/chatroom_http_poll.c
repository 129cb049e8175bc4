/* chatroom_http_poll.c: polling and long polling of a chatroom. A call is answered from MySQL if there is something for it,
 * else it takes a subscription in the room and is answered by the next message, or when its time is up. */
#include "common/mem.h"
#include "relay/protocols/chatroom_http_parts.h"

#include <stdlib.h>

static void add_json(struct chatroom_http_page *page, const struct message *message)
{
    if (message_is_revision(message->kind))
        return;
    if (page->out.len)
        buf_add_char(&page->out, ',');
    poll_encoding.message(message, &page->out);
}

static void answer(struct http_call *call, uint64_t epoch, uint64_t next, struct str events, bool reset)
{
    struct buf out;
    buf_init(&out, events.len + 200);
    buf_add_text(&out, "{\"epoch\":");
    buf_add_u64(&out, epoch);
    buf_add_text(&out, ",\"next\":");
    buf_add_u64(&out, next);
    buf_add_text(&out, ",\"events\":[");
    buf_add_str(&out, events);
    buf_add_text(&out, reset ? "],\"reset\":true}" : "]}");
    chatroom_http_reply(call, buf_str(&out));
    buf_fini(&out);
}

/* ---- a poll that is held ---- */

struct poll {
    struct chatroom_http_held held;
    uint64_t conversation, user;
    uint64_t epoch,
        next;     /* the last number that the client has seen, and the epoch that it is one of: when another begins,
                           * the client's next poll is to tell that its cursor is void */
    bool reading; /* what it has not seen is being read */
};

static struct poll *poll_of(struct session *session)
{
    return session->state;
}

/* Not within the hub's walk through the subscriptions: the session ends later. */
static void finish(struct session *session, uint64_t next, struct str events)
{
    answer(poll_of(session)->held.call, poll_of(session)->epoch, next, events, false);
    chatroom_http_held_done(session);
}

static void give_up(struct session *session)
{
    struct poll *poll = poll_of(session);
    answer(poll->held.call, poll->epoch, poll->next, STR(""), false);
    poll->held.call = NULL;
}

static void fail(struct session *session)
{
    chatroom_http_refuse_down(poll_of(session)->held.call);
    chatroom_http_held_done(session);
}

struct reading {
    struct job job;
    uint64_t session_id, conversation;
    struct chatroom_http_page page;
};

static void read_page(struct job *job, struct store *store)
{
    struct reading *reading = (struct reading *)job;
    job->err = chatroom_http_page_read(&reading->page, store, reading->conversation, INT64_MAX);
    job->bytes = reading->page.out.cap;
}

static void on_read(struct job *job)
{
    struct reading *reading = (struct reading *)job;
    struct session *session = sessions_find(protocol_context.hub->sessions, reading->session_id);
    if (session && !session->closing && job->err)
        fail(session);
    else if (session && !session->closing)
        finish(session, reading->page.last, buf_str(&reading->page.out));
    buf_fini(&reading->page.out);
    free(reading);
}

/* The room's log does not hold it. */
static void read_rest(struct session *session)
{
    struct poll *poll = poll_of(session);
    struct reading *reading = mem_zalloc(sizeof *reading);
    reading->job.work = read_page;
    reading->job.done = on_read;
    reading->session_id = session->id;
    reading->conversation = poll->conversation;
    chatroom_http_page_init(&reading->page, poll->next, add_json);
    job_charge(&reading->job, JOB_ASK, session_payer(session),
               1 + (size_t)protocol_context.settings->history_limit / 50);
    poll->reading = true;
    if (db_pool_try(protocol_context.db_pool, &reading->job)) {
        free(reading);
        chatroom_http_refuse_busy(poll->held.call);
        chatroom_http_held_done(session);
    }
}

/* What came between the look-up and the subscription stands in no log that it could read; and where this relay has not
 * heard yet of what the look-up saw, the log will bring that again. */
static void on_joined(struct session *session, struct subscription *sub)
{
    struct poll *poll = poll_of(session);
    if (session->closing)
        return;
    if (hub_seq(sub) > poll->next)
        read_rest(session);
    else
        hub_expect(sub, poll->next);
}

static void on_not_joined(struct session *session, uint64_t conversation, enum err err)
{
    (void)conversation;
    (void)err;
    if (!session->closing)
        fail(session);
}

static void add_payload(void *arg, uint64_t seq, struct str payload)
{
    struct chatroom_http_page *page = arg;
    const struct settings *settings = protocol_context.settings;
    size_t bytes = page->out.len + payload.len + 1;
    if (seq <= page->last || page->full) /* 0: not stored */
        return;
    page->full =
        page->count && (bytes > (size_t)settings->history_bytes || page->count == (size_t)settings->history_limit);
    if (page->full)
        return; /* the next poll gets it */
    if (page->count++)
        buf_add_char(&page->out, ',');
    buf_add_str(&page->out, payload);
    page->last = seq;
}

static void on_changed(struct session *session, struct subscription *sub)
{
    struct poll *poll = poll_of(session);
    struct chatroom_http_page page;
    chatroom_http_page_init(&page, poll->next, NULL);
    bool whole = hub_read(sub, add_payload, &page) && !page.out.failed;
    if (!poll->reading && !whole)
        read_rest(session); /* one turn of the loop brought more than a log holds */
    else if (!poll->reading && page.count)
        finish(session, page.last, buf_str(&page.out));
    buf_fini(&page.out);
}

static void on_closed(struct session *session)
{
    const struct poll *poll = poll_of(session);
    chatroom_http_held_closed(session);
    hub_leave(protocol_context.hub, session);
    chatroom_http_poller_goes(poll->conversation, poll->user);
}

static const struct protocol protocol = {
    .name = "poll",
    .state_size = sizeof(struct poll),
    .ping_interval_ms = chatroom_http_held_interval,
    .joined = on_joined,
    .not_joined = on_not_joined,
    .changed = on_changed,
    .closed = on_closed,
};

static void hold(struct http_call *call, const struct store_membership *membership, uint64_t next, int64_t wait_ms)
{
    struct session *session = chatroom_http_hold(&protocol, call, wait_ms, give_up);
    if (!session)
        return;
    struct poll *poll = poll_of(session);
    poll->conversation = membership->conversation;
    poll->user = membership->user;
    poll->epoch = protocol_context.hub->epoch;
    poll->next = next;
    chatroom_http_poller_comes(membership);
    session->client.generation = membership->generation;
    if (!limits_identify(session->owner->limits, &session->client, membership->user)) {
        chatroom_http_refuse_limited(call, "too_many", "too many connections of this user", 1000);
        chatroom_http_held_done(session);
        return;
    }
    hub_join(protocol_context.hub, session, membership->conversation, ENCODING_POLL);
}

/* ---- a poll that comes in ---- */

struct asked {
    struct chatroom_http_asked asked;
    bool has_after, has_epoch;
    uint64_t after, epoch;
    int64_t wait_ms;
    struct chatroom_http_page page;
};

/* Whether the client's cursor is none of this room's history: of another epoch, or from the future. */
static bool is_lost(const struct asked *asked)
{
    return (asked->has_epoch && asked->epoch != asked->asked.admission.epoch) ||
           (asked->has_after && asked->after > asked->asked.admission.membership.seq);
}

static void read_new(struct admission *admission, struct store *store)
{
    struct asked *asked = (struct asked *)admission;
    if (asked->has_after && !is_lost(asked) && asked->after < admission->membership.seq)
        admission->job.err =
            chatroom_http_page_read(&asked->page, store, admission->membership.conversation, INT64_MAX);
    admission->job.bytes = asked->page.out.cap;
}

static void on_admitted(struct chatroom_http_asked *base)
{
    struct asked *asked = (struct asked *)base;
    const struct store_membership *membership = &base->admission.membership;
    uint64_t next = asked->has_after ? asked->page.last : membership->seq;
    if (!base->call)
        return;
    chatroom_http_poller_comes(membership);
    if (is_lost(asked))
        answer(base->call, protocol_context.hub->epoch, membership->seq, STR(""), true);
    else if (asked->page.count || !asked->wait_ms)
        answer(base->call, protocol_context.hub->epoch, next, buf_str(&asked->page.out), false);
    else
        hold(base->call, membership, next, asked->wait_ms);
    chatroom_http_poller_goes(membership->conversation, membership->user);
}

static void release(struct chatroom_http_asked *base)
{
    buf_fini(&((struct asked *)base)->page.out);
    free(base);
}

/* Reads the arguments; what is wrong with them, or NULL. */
static const char *read_arguments(struct asked *asked, const struct request *request)
{
    char text[ROOMS_ARGUMENT_BYTES];
    struct str after = request->argument(request, "after", text, sizeof text);
    asked->has_after = after.len > 0;
    if (after.len && !chatroom_http_read_integer(after, &asked->after))
        return "after must be a number";
    struct str epoch = request->argument(request, "epoch", text, sizeof text);
    asked->has_epoch = epoch.len > 0;
    if (epoch.len && !chatroom_http_read_integer(epoch, &asked->epoch))
        return "epoch must be a number";
    struct str wait = request->argument(request, "wait", text, sizeof text);
    if (wait.len && !chatroom_http_read_seconds(wait, protocol_context.settings->poll_max_ms, &asked->wait_ms))
        return "wait must be a number of seconds";
    return NULL;
}

void chatroom_http_handle_poll(struct http_call *call, struct str room_id)
{
    char text[ROOMS_ARGUMENT_BYTES];
    struct asked *asked = mem_zalloc(sizeof *asked);
    const char *wrong = read_arguments(asked, &call->request);
    struct str nick_id = call->request.argument(&call->request, "nickId", text, sizeof text);
    if (!nick_id.len)
        wrong = "nickId is missing";
    if (wrong) {
        free(asked);
        chatroom_http_refuse(call, 400, "bad_request", wrong);
        return;
    }
    asked->asked.admission.more = read_new;
    asked->asked.admitted = on_admitted;
    asked->asked.release = release;
    chatroom_http_page_init(&asked->page, asked->after, add_json);
    chatroom_http_ask(&asked->asked, call, room_id, nick_id);
}
