#include "relay/protocols/chatroom_http_poll.h"

#include "common/container.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/store/store_life.h"
#include "relay/core/catchup.h"
#include "relay/core/reader.h"
#include "relay/core/presence.h"
#include "relay/protocols/chatroom.h"
#include "relay/protocols/chatroom_http.h"
#include "relay/protocols/chatroom_http_call.h"
#include "relay/protocols/chatroom_http_held.h"
#include "relay/protocols/chatroom_http_text.h"

#include <stdlib.h>

/* Polls get no member lists, because the list that every client gets on entering would end each poll at once. */
const struct encoding poll_encoding = {
    .name = "poll",
    .bare = true,
    .pulled = true,
    .message = chatroom_http_add_message,
    .presence = chatroom_store_presence,
};

/* ---- presence between polls: a user who polled a short while ago is present in the room ---- */

struct poller {
    struct map_link link; /* another one with the same key */
    uint64_t conversation, user;
    unsigned polls;           /* in hand */
    bool of_app;              /* one of the application's users */
    struct wheel_timer timer; /* set while there are none */
};

static struct map pollers; /* key_of() → chain of struct poller */

static uint64_t key_of(uint64_t conversation, uint64_t user)
{
    return (conversation * UINT64_C(0x9e3779b97f4a7c15) ^ user) | UINT64_C(1) << 63; /* never 0 */
}

static struct poller *poller_of(uint64_t conversation, uint64_t user)
{
    for (struct map_link *link = map_get(&pollers, key_of(conversation, user)); link; link = link->next) {
        struct poller *poller = container_of(link, struct poller, link);
        if (poller->conversation == conversation && poller->user == user)
            return poller;
    }
    return NULL;
}

static void poller_forget(struct poller *poller)
{
    map_chain_remove(&pollers, key_of(poller->conversation, poller->user), &poller->link);
    free(poller);
}

static void on_poller_late(struct wheel_timer *timer)
{
    struct poller *poller = container_of(timer, struct poller, timer);
    presence_leave(protocol_context.presence, poller->conversation, poller->user);
    if (poller->of_app)
        presence_offline(protocol_context.presence, poller->user);
    poller_forget(poller);
}

/* The user polls: present in the room from now on until poll_presence_ms after as many poller_goes. */
static void poller_comes(const struct store_membership *membership)
{
    struct poller *poller = poller_of(membership->conversation, membership->user);
    if (!poller) {
        poller = mem_zalloc(sizeof *poller);
        poller->conversation = membership->conversation;
        poller->user = membership->user;
        poller->timer.fired = on_poller_late;
        map_chain_add(&pollers, key_of(membership->conversation, membership->user), &poller->link);
        struct member member = {
            membership->user, {membership->user_name, membership->user_name_len}, str_of(membership->head)};
        presence_enter(protocol_context.presence, membership->conversation, ENCODING_POLL, &member, 0);
        poller->of_app = membership->realm == REALM_APP;
        if (poller->of_app)
            presence_online(protocol_context.presence, poller->user);
    }
    poller->polls++;
    wheel_cancel(&poller->timer);
}

static void poller_goes(uint64_t conversation, uint64_t user)
{
    struct poller *poller = poller_of(conversation, user);
    CG_ASSERT(poller && poller->polls);
    if (--poller->polls == 0)
        wheel_set(protocol_context.hub->wheel, &poller->timer, protocol_context.settings->poll_presence_ms);
}

/* ---- pages ---- */

static struct store_range range_after(uint64_t conversation, uint64_t after)
{
    return (struct store_range){
        .conversation = conversation,
        .after = after,
        .before = INT64_MAX,
        .limit = (unsigned)protocol_context.settings->history_limit,
    };
}

static size_t row_max(void)
{
    return 6 * (size_t)protocol_context.settings->max_message_bytes + 4096;
}

static void encode(void *arg, const struct message *message, struct buf *out)
{
    (void)arg;
    poll_encoding.message(message, out);
}

/* `events` NULL: none. */
static void answer(struct http_call *call, uint64_t epoch, uint64_t next, const struct page *events, bool reset)
{
    struct buf out;
    buf_init(&out, 200 + (events ? events->rows.len + events->count : 0));
    json_begin_object(&out);
    json_add_u64(&out, "epoch", epoch);
    json_add_u64(&out, "next", next);
    json_add_array(&out, "events");
    if (events)
        page_add_rows(events, &out);
    json_end_array(&out);
    if (reset)
        json_add_bool(&out, "reset", true);
    json_end_object(&out);
    CG_ASSERT(!out.failed);
    chatroom_http_reply(call, buf_str(&out));
    buf_fini(&out);
}

/* ---- a poll that is held ---- */

struct poll {
    struct chatroom_http_held held;
    uint64_t conversation, user;
    uint64_t epoch,
        next; /* the last number that the client has seen, and the epoch that it is one of: when another begins,
                           * the client's next poll is to tell that its cursor is void */
    struct reader reader; /* of what it has not seen */
};

static struct poll *poll_of(struct session *session)
{
    return session->state;
}

/* Not within the hub's walk through the subscriptions: the session ends later. */
static void finish(struct session *session, const struct page *events)
{
    answer(poll_of(session)->held.call, poll_of(session)->epoch, events->last, events, false);
    chatroom_http_held_done(session);
}

static void give_up(struct session *session)
{
    struct poll *poll = poll_of(session);
    answer(poll->held.call, poll->epoch, poll->next, NULL, false);
    poll->held.call = NULL;
}

static void fail(struct session *session)
{
    chatroom_http_refuse_down(poll_of(session)->held.call);
    chatroom_http_held_done(session);
}

static void on_read(struct reader *reader, struct page *page, enum err err)
{
    struct session *session = container_of(reader, struct poll, reader)->held.session;
    if (session->closing)
        return;
    if (err)
        fail(session);
    else
        finish(session, page);
}

/* The room's log does not hold it. */
static void read_rest(struct session *session)
{
    struct poll *poll = poll_of(session);
    struct store_range range = range_after(poll->conversation, poll->next);
    struct page *page =
        reader_plan(&poll->reader, &range, (size_t)protocol_context.settings->history_bytes, row_max(), 0);
    page->encode = encode;
    if (reader_ask(&poll->reader, protocol_context.hub, session_payer(session), on_read)) {
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

/* What is left out for the bounds the next poll gets. */
static void add_payload(void *arg, uint64_t seq, struct str payload)
{
    struct page *page = arg;
    struct buf *row;
    if (seq <= page->last || !(row = page_begin_row(page))) /* 0: not stored */
        return;
    buf_add_str(row, payload);
    page_end_row(page, false);
    if (!page->more)
        page->last = seq;
}

static void on_changed(struct session *session, struct subscription *sub)
{
    struct poll *poll = poll_of(session);
    struct store_range range = range_after(poll->conversation, poll->next);
    struct page page;
    page_init(&page, &range, (size_t)protocol_context.settings->history_bytes, row_max());
    page.rows_max = range.limit;
    bool whole = hub_read(sub, add_payload, &page), done = !page_end(&page);
    if (!reader_is_busy(&poll->reader) && !(whole && done))
        read_rest(session); /* one turn of the loop brought more than a log holds */
    else if (!reader_is_busy(&poll->reader) && page.count)
        finish(session, &page);
    page_fini(&page);
}

static void on_closed(struct session *session)
{
    struct poll *poll = poll_of(session);
    chatroom_http_held_closed(session);
    reader_stop(&poll->reader);
    hub_leave(protocol_context.hub, session);
    poller_goes(poll->conversation, poll->user);
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
    poller_comes(membership);
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
    bool void_cursor; /* some of what follows it was removed */
    uint64_t after, epoch;
    int64_t wait_ms;
    struct page page;
};

/* Whether the client's cursor is none of this room's history: of another epoch, or from the future. */
static bool is_lost(const struct asked *asked)
{
    return asked->void_cursor || (asked->has_epoch && asked->epoch != asked->asked.admission.epoch) ||
           (asked->has_after && asked->after > asked->asked.admission.membership.seq);
}

static enum err look_for_trimmed(struct asked *asked, struct store *store)
{
    struct store_life life;
    bool is_next = asked->page.first == asked->after + 1 || asked->after >= asked->asked.admission.membership.seq;
    if (is_next)
        return ERR_OK;
    enum err err = store_life_get(store, asked->page.range.conversation, &life);
    asked->void_cursor = !err && catchup_is_void(life.trimmed, asked->after);
    return err;
}

static void read_new(struct admission *admission, struct store *store)
{
    struct asked *asked = (struct asked *)admission;
    asked->page.range.conversation = admission->membership.conversation;
    if (asked->has_after && !is_lost(asked) && asked->after < admission->membership.seq)
        admission->job.err = page_read(&asked->page, store);
    if (!admission->job.err && asked->has_after && !is_lost(asked))
        admission->job.err = look_for_trimmed(asked, store);
    admission->job.bytes = asked->page.rows.cap;
}

static void on_admitted(struct chatroom_http_asked *base)
{
    struct asked *asked = (struct asked *)base;
    const struct store_membership *membership = &base->admission.membership;
    uint64_t next = asked->has_after ? asked->page.last : membership->seq;
    if (!base->call)
        return;
    poller_comes(membership);
    if (is_lost(asked))
        answer(base->call, protocol_context.hub->epoch, membership->seq, NULL, true);
    else if (asked->page.read || !asked->wait_ms)
        answer(base->call, protocol_context.hub->epoch, next, &asked->page, false);
    else
        hold(base->call, membership, next, asked->wait_ms);
    poller_goes(membership->conversation, membership->user);
}

static void release(struct chatroom_http_asked *base)
{
    page_fini(&((struct asked *)base)->page);
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

void chatroom_http_poll(struct http_call *call, struct str room_id)
{
    char text[ROOMS_ARGUMENT_BYTES];
    struct asked *asked = mem_zalloc(sizeof *asked);
    const char *wrong = read_arguments(asked, &call->request);
    struct str nick_id = call->request.argument(&call->request, "nickId", text, sizeof text);
    if (!nick_id.len && !protocol_doors_closed())
        wrong = "nickId is missing";
    if (wrong) {
        free(asked);
        chatroom_http_refuse(call, 400, "bad_request", wrong);
        return;
    }
    asked->asked.admission.more = read_new;
    asked->asked.admitted = on_admitted;
    asked->asked.release = release;
    struct store_range range = range_after(0, asked->after); /* of a room that is not known yet */
    page_init(&asked->page, &range, (size_t)protocol_context.settings->history_bytes, row_max());
    asked->page.encode = encode;
    chatroom_http_ask(&asked->asked, call, room_id, nick_id);
}
