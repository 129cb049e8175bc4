#include "relay/protocols/chatroom_http_stream.h"

#include "common/container.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/core/catchup.h"
#include "relay/core/hub.h"
#include "relay/core/presence.h"
#include "relay/core/protocol.h"
#include "relay/protocols/chatroom.h"
#include "relay/protocols/chatroom_http.h"
#include "relay/protocols/chatroom_http_call.h"
#include "relay/protocols/chatroom_http_text.h"

#include <stdlib.h>

enum { FIRST_BYTES = 1024 };

#define DEFAULT_CALLBACK "onRoomEvent"

struct stream {
    uint64_t conversation, user;
    enum encoding_id encoding;
    struct catchup catchup;
    uint64_t seq;             /* what the client has seen; without a cursor, what was there when it was admitted */
    bool resume;              /* it has a cursor, and wants the messages after it */
    bool lost;                /* it wanted to, but its cursor is none here */
    bool present;             /* and told where it stands */
    bool padded;              /* its client asked for that */
    struct wheel_timer again; /* set while this relay has not heard of what the client has seen */
    struct session *session;
    char *name;
    char head[STORE_HEAD_MAX + 1];
    char callback[ROOMS_CALLBACK_MAX + 1];
};

static struct stream *stream_of(struct session *session)
{
    return session->state;
}

/* ---- bytes of each kind ---- */

static struct str padding_of(const struct stream *stream)
{
    return !stream->padded                       ? STR("")
           : stream->encoding == ENCODING_STREAM ? STR(ROOMS_STREAM_PADDING)
                                                 : STR(ROOMS_EVENTS_PADDING);
}

/* After something that is not from the log of a padded encoding. */
static void send_padding(struct session *session)
{
    if (stream_of(session)->padded)
        session_send_raw(session, padding_of(stream_of(session)));
}

/* Events that only one client gets: where it stands. */
static void send_cursor(struct session *session, const char *type, uint64_t seq)
{
    const struct stream *stream = stream_of(session);
    unsigned long long epoch = protocol_context.hub->epoch, number = seq;
    struct buf out, data, json;
    buf_init(&out, 4096);
    buf_init(&data, 96);
    buf_init(&json, 160);
    json_begin_object(&data);
    json_add_u64(&data, "epoch", epoch);
    json_add_u64(&data, "seq", seq);
    json_end_object(&data);
    json_begin_object(&json);
    json_add_u64(&json, "seq", seq);
    json_add_text(&json, "type", type);
    json_add_raw(&json, "data", buf_str(&data));
    json_end_object(&json);
    if (stream->encoding == ENCODING_STREAM)
        chatroom_http_add_script(&out, stream->callback, buf_str(&json));
    else if (stream->lost)
        buf_addf(&out, "id: %llu-%llu\nevent: %s\ndata: %.*s\n\n", epoch, number, type, (int)data.len, data.data);
    else /* nothing to tell, but from here on the browser has a cursor */
        buf_addf(&out, "id: %llu-%llu\n\n", epoch, number);
    buf_add_str(&out, padding_of(stream));
    session_send_raw(session, buf_str(&out));
    buf_fini(&json);
    buf_fini(&data);
    buf_fini(&out);
}

static void send_beginning(struct session *session)
{
    struct buf out;
    buf_init(&out, 8192);
    if (stream_of(session)->encoding != ENCODING_STREAM)
        buf_add_text(&out, "retry: 1000\n\n");
    else /* browsers show, and run, nothing of a page before they have this much of it */
        buf_addf(&out, "<!doctype html>\n<!--%*s-->\n", FIRST_BYTES, "");
    buf_add_str(&out, padding_of(stream_of(session)));
    session_send_raw(session, buf_str(&out));
    buf_fini(&out);
}

static void give(struct session *session, struct str json)
{
    struct buf out;
    buf_init(&out, json.len * 6 + 4096);
    chatroom_http_add_script(&out, stream_of(session)->callback, json);
    buf_add_str(&out, padding_of(stream_of(session)));
    session_send_raw(session, buf_str(&out));
    buf_fini(&out);
}

/* ---- Server-Sent Events ---- */

static void encode_event(const struct message *message, struct buf *out)
{
    if (message_is_aside(message->kind))
        return;
    buf_addf(out, "id: %llu-%llu\nevent: message\ndata: ", (unsigned long long)protocol_context.hub->epoch,
             (unsigned long long)message->seq);
    chatroom_add_line(message, out);
    buf_add_text(out, "\n\n");
}

static void encode_members_event(uint64_t conversation, const struct member *members, size_t count, struct buf *out)
{
    (void)conversation;
    buf_add_text(out, "event: members\ndata: ");
    chatroom_add_members(members, count, out);
    buf_add_text(out, "\n\n");
}

const struct encoding events_encoding = {
    .name = "events",
    .bare = true,
    .message = encode_event,
    .members = encode_members_event,
    .presence = chatroom_store_presence,
};

static void encode_event_padded(const struct message *message, struct buf *out)
{
    size_t len = out->len;
    encode_event(message, out);
    if (out->len > len)
        buf_add_text(out, ROOMS_EVENTS_PADDING);
}

static void encode_members_event_padded(uint64_t conversation, const struct member *members, size_t count,
                                        struct buf *out)
{
    encode_members_event(conversation, members, count, out);
    buf_add_text(out, ROOMS_EVENTS_PADDING);
}

const struct encoding events_padded_encoding = {
    .name = "events_padded",
    .bare = true,
    .message = encode_event_padded,
    .members = encode_members_event_padded,
    .presence = chatroom_store_presence,
};

/* ---- scripts for an iframe ---- */

static void encode_members_json(uint64_t conversation, const struct member *members, size_t count, struct buf *out)
{
    (void)conversation;
    json_begin_object(out);
    json_add_text(out, "type", "members");
    json_add_key(out, "data");
    chatroom_add_members(members, count, out);
    json_end_object(out);
}

/* The callback's name is each client's own, so what all share is the JSON. */
const struct encoding stream_encoding = {
    .name = "stream",
    .bare = true,
    .pulled = true,
    .give = give,
    .message = chatroom_http_add_message,
    .members = encode_members_json,
    .presence = chatroom_store_presence,
};

/* ---- live ---- */

struct scripts {
    struct buf out;
    const char *callback;
};

static void add_script(void *arg, uint64_t seq, struct str payload)
{
    struct scripts *scripts = arg;
    (void)seq;
    chatroom_http_add_script(&scripts->out, scripts->callback, payload);
}

/* For the iframe: the log holds JSON, each client gets it with the name of its own callback. */
static void on_changed(struct session *session, struct subscription *sub)
{
    struct scripts scripts = {.callback = stream_of(session)->callback};
    buf_init(&scripts.out, (size_t)protocol_context.settings->room_log_bytes * 8);
    if (!hub_read(sub, add_script, &scripts) || scripts.out.failed) {
        metric_inc(METRIC_CLOSED_SLOW);
        session_close(session, 1013, "Too slow: come back for the history");
    } else if (scripts.out.len) {
        session_send_raw(session, buf_str(&scripts.out));
        send_padding(session);
    }
    buf_fini(&scripts.out);
}

static void go_live(struct catchup *catchup, struct subscription *sub)
{
    (void)catchup;
    if (stream_of(sub->session)->encoding == ENCODING_STREAM && !sub->session->closing)
        on_changed(sub->session, sub);
}

/* ---- what was missed ---- */

static struct stream *stream_of_catchup(struct catchup *catchup)
{
    return container_of(catchup, struct stream, catchup);
}

static struct session *session_of(struct catchup *catchup)
{
    return stream_of_catchup(catchup)->session;
}

static void page_event(void *arg, const struct message *message, struct buf *out)
{
    (void)arg;
    events_encoding.message(message, out);
}

static void page_script(void *callback, const struct message *message, struct buf *out)
{
    struct buf json;
    buf_init(&json, out->max);
    stream_encoding.message(message, &json);
    if (json.len)
        chatroom_http_add_script(out, callback, buf_str(&json));
    out->failed |= json.failed;
    buf_fini(&json);
}

static void plan_page(struct catchup *catchup, struct page *page)
{
    const struct stream *stream = stream_of_catchup(catchup);
    page->encode = stream->encoding == ENCODING_STREAM ? page_script : page_event;
    memcpy(page->arg, stream->callback, sizeof stream->callback);
}

static unsigned page_rows(const struct settings *settings)
{
    return (unsigned)settings->history_limit;
}

static size_t page_bytes(const struct settings *settings)
{
    return (size_t)settings->history_bytes;
}

static void go_on(struct session *session);

static void on_sent(struct catchup *catchup, const struct page *page)
{
    (void)page;
    send_padding(session_of(catchup));
    go_on(session_of(catchup));
}

static void wait(struct catchup *catchup)
{
    wheel_set(protocol_context.hub->wheel, &stream_of_catchup(catchup)->again, CATCHUP_AGAIN_MS);
}

/* Sends one page at a time, and then the log, each once the socket has taken the data before it. */
static const struct catchup_kind catchup_kind = {
    .pages_at_once = 1,
    .arg_size = ROOMS_CALLBACK_MAX + 1,
    .session = session_of,
    .page_rows = page_rows,
    .page_bytes = page_bytes,
    .plan = plan_page,
    .sent = on_sent,
    .wait = wait,
    .live = go_live,
};

/* ---- taking the subscription ---- */

/* Sends the client its position; it is present from now on. Whoever sees that the stream is open may count on hearing
 * what is said from then on, so it begins where the room was before the first byte went out. */
static void begin(struct stream *stream)
{
    struct session *session = stream->session;
    struct member member = {stream->user, str_of(stream->name), str_of(stream->head)};
    stream->present = true;
    presence_enter(protocol_context.presence, stream->conversation, stream->encoding, &member, session->id);
    send_cursor(session, stream->lost ? "reset" : "open", stream->catchup.given);
}

static void go_on(struct session *session)
{
    struct stream *stream = stream_of(session);
    struct subscription *sub = hub_subscription(session, stream->conversation);
    if (!sub || session->closing || !catchup_is_under_way(&stream->catchup))
        return;
    if (!stream->present) {
        if (catchup_must_wait(&stream->catchup, sub))
            return;
        begin(stream);
    }
    if (session_has_all(session))
        catchup_step(&stream->catchup, sub);
}

static void on_again(struct wheel_timer *timer)
{
    go_on(container_of(timer, struct stream, again)->session);
}

static void on_joined(struct session *session, struct subscription *sub)
{
    struct stream *stream = stream_of(session);
    if (session->closing)
        return;
    if (catchup_is_void(hub_trimmed(sub), stream->seq)) {
        stream->lost |= stream->resume;
        stream->seq = hub_seq(sub);
    }
    catchup_begin(&stream->catchup, &catchup_kind, sub, stream->seq);
    go_on(session);
}

static void on_not_joined(struct session *session, uint64_t conversation, enum err err)
{
    (void)conversation;
    (void)err;
    if (!session->closing)
        protocol_refuse(session, 1013, "Try again later");
}

static void on_entered(struct session *session)
{
    (void)session; /* it says nothing that would have to wait for that */
}

static void on_closed(struct session *session)
{
    struct stream *stream = stream_of(session);
    hub_leave(protocol_context.hub, session);
    wheel_cancel(&stream->again);
    if (stream->present)
        presence_leave(protocol_context.presence, stream->conversation, stream->user);
    catchup_stop(&stream->catchup);
    free(stream->name);
}

#define OF_EVERY_STREAM \
    .state_size = sizeof(struct stream), .joined = on_joined, .not_joined = on_not_joined, .entered = on_entered, \
    .drained = go_on, .closed = on_closed

static const struct protocol events_protocol = {.name = "events", .heartbeat = ":\n\n", OF_EVERY_STREAM};
static const struct protocol events_padded_protocol = {
    .name = "events", .heartbeat = ROOMS_EVENTS_PADDING, OF_EVERY_STREAM};
static const struct protocol stream_protocol = {
    .name = "stream", .heartbeat = "<!-- -->\n", .changed = on_changed, OF_EVERY_STREAM};
static const struct protocol stream_padded_protocol = {
    .name = "stream", .heartbeat = ROOMS_STREAM_PADDING, .changed = on_changed, OF_EVERY_STREAM};

/* ---- a call that comes in ---- */

/* X-Accel-Buffering: for every nginx on the way, ours and those in front of it. The iframe may be shown by our own pages only. */
#define EVENTS_HEADERS "X-Accel-Buffering: no\r\n"
#define STREAM_HEADERS \
    EVENTS_HEADERS "Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; " \
                   "frame-ancestors 'self'\r\n"

static const struct kind {
    const struct protocol *protocol;
    enum encoding_id encoding;
    const char *type, *headers;
} events_kinds[2] =
    {
        {&events_protocol, ENCODING_EVENTS, "text/event-stream; charset=utf-8", EVENTS_HEADERS},
        {&events_padded_protocol, ENCODING_EVENTS_PADDED, "text/event-stream; charset=utf-8", EVENTS_HEADERS},
},
  stream_kinds[2] = {
      {&stream_protocol, ENCODING_STREAM, "text/html; charset=utf-8", STREAM_HEADERS},
      {&stream_padded_protocol, ENCODING_STREAM, "text/html; charset=utf-8", STREAM_HEADERS},
};

/* Which of the two: EventSource polyfills say padding=true. */
static bool wants_padding(const struct request *request)
{
    char text[16];
    struct str padding = request->argument(request, "padding", text, sizeof text);
    return str_eq(padding, STR("true")) || str_eq(padding, STR("1"));
}

struct asked {
    struct chatroom_http_asked asked;
    const struct kind *kind;
    struct chatroom_http_cursor cursor;
    bool resume, lost;
    char callback[ROOMS_CALLBACK_MAX + 1];
};

static struct session *open_stream(struct asked *asked)
{
    struct http_call *call = asked->asked.call;
    struct sessions *sessions = protocol_context.hub->sessions;
    uint64_t user = asked->asked.admission.membership.user;
    int64_t retry_after_ms;
    if (protocol_peer_refusal(str_of(call->peer), &retry_after_ms)) {
        chatroom_http_refuse_limited(call, "too_many", "too many connections of this address", retry_after_ms);
        return NULL;
    }
    if (limits_user_full(sessions->limits, user)) {
        chatroom_http_refuse_limited(call, "too_many", "too many connections of this user", 1000);
        return NULL;
    }
    if (!sessions_have_room(sessions)) {
        chatroom_http_refuse_busy(call);
        return NULL;
    }
    http_begin_stream(call, asked->kind->type, asked->kind->headers);
    struct session *session = session_new(sessions, asked->kind->protocol, &http_stream, call);
    CG_ASSERT(session);
    http_stream_session(call, session->id, sessions);
    session_from(session, str_of(call->peer));
    session->client.generation = asked->asked.admission.membership.generation;
    session->client.by_token = asked->asked.admission.by_token;
    if (asked->asked.admission.by_token)
        session_expire(session, asked->asked.admission.token.expires_s);
    bool counted = limits_identify(sessions->limits, &session->client, user);
    CG_ASSERT(counted);
    session_admitted(session);
    if (asked->asked.admission.by_token)
        session_online(session);
    http_vouch(call);
    return session;
}

static void on_admitted(struct chatroom_http_asked *base)
{
    struct asked *asked = (struct asked *)base;
    const struct store_membership *membership = &base->admission.membership;
    struct session *session = base->call ? open_stream(asked) : NULL;
    if (!session)
        return;
    struct stream *stream = stream_of(session);
    bool known =
        asked->resume && asked->cursor.epoch == protocol_context.hub->epoch && asked->cursor.seq <= membership->seq;
    *stream = (struct stream){
        .conversation = membership->conversation,
        .user = membership->user,
        .encoding = asked->kind->encoding,
        .seq = known ? asked->cursor.seq : membership->seq,
        .resume = known,
        .lost = asked->lost || (asked->resume && !known),
        .padded = asked->kind == &events_kinds[true] || asked->kind == &stream_kinds[true],
        .again = {.fired = on_again},
        .session = session,
        .name = mem_strndup(membership->user_name, membership->user_name_len),
    };
    memcpy(stream->head, membership->head, sizeof stream->head);
    memcpy(stream->callback, asked->callback, sizeof stream->callback);
    send_beginning(session);
    if (!session->closing)
        hub_join(protocol_context.hub, session, membership->conversation, stream->encoding);
}

static void release(struct chatroom_http_asked *base)
{
    free(base);
}

/* A malformed cursor is treated as void: the client gets its present position. */
static void read_resume(struct asked *asked, struct str text)
{
    asked->resume = text.len && chatroom_http_read_cursor(text, &asked->cursor);
    asked->lost = text.len && !asked->resume;
}

static void handle(struct http_call *call, struct str room_id, const struct kind *kind, struct str resume,
                   struct str callback)
{
    char text[ROOMS_ARGUMENT_BYTES];
    const struct request *request = &call->request;
    struct str nick_id = request->argument(request, "nickId", text, sizeof text);
    if (!nick_id.len && !protocol_doors_closed()) {
        chatroom_http_refuse(call, 400, "bad_request", "nickId is missing");
        return;
    }
    struct asked *asked = mem_zalloc(sizeof *asked);
    asked->asked.admitted = on_admitted;
    asked->asked.release = release;
    asked->kind = kind;
    memcpy(asked->callback, callback.ptr, callback.len);
    read_resume(asked, resume);
    chatroom_http_ask(&asked->asked, call, room_id, nick_id);
}

/* A browser that comes back says it in the header; the argument is as old as the page. */
void chatroom_http_events(struct http_call *call, struct str room_id)
{
    char text[ROOMS_ARGUMENT_BYTES];
    const struct request *request = &call->request;
    struct str resume = request->header(request, "last-event-id", text, sizeof text);
    if (!resume.len)
        resume = request->argument(request, "lastEventId", text, sizeof text);
    handle(call, room_id, &events_kinds[wants_padding(request)], resume, STR(""));
}

void chatroom_http_stream(struct http_call *call, struct str room_id)
{
    char text[ROOMS_ARGUMENT_BYTES], name[ROOMS_ARGUMENT_BYTES];
    const struct request *request = &call->request;
    struct str resume = request->argument(request, "after", text, sizeof text);
    struct str callback = request->argument(request, "callback", name, sizeof name);
    if (!callback.len)
        callback = STR(DEFAULT_CALLBACK);
    if (chatroom_http_callback_ok(callback))
        handle(call, room_id, &stream_kinds[wants_padding(request)], resume, callback);
    else
        chatroom_http_refuse(call, 400, "bad_request", "callback must be a name");
}
