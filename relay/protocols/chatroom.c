#include "relay/protocols/chatroom.h"

#include "common/client_id.h"
#include "common/clock.h"
#include "common/container.h"
#include "common/id.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/store.h"
#include "common/text.h"
#include "relay/protocols/admission.h"
#include "relay/core/protocol.h"
#include "relay/core/hub.h"
#include "relay/core/presence.h"
#include "relay/core/reader.h"
#include "relay/db/db_pool.h"

#include <stdlib.h>

enum { ARGUMENT_BYTES = 256 };

/* What stands around a message's line in an event of its own: begin_event, end_event. */
#define MESSAGE_OPEN "[{\"type\":\"message\",\"data\":"
#define EVENT_CLOSE  "}]"

/* What the connection proved when it opened. */
struct chatroom_state {
    char room_id[ID_MAX], nick_id[ID_MAX];
    uint64_t conversation, user;
    char *name, *head; /* one piece of memory; NULL until admitted */
    bool present;
    struct session_answer logs; /* to query-logs */
};

static struct chatroom_state *chatroom_state_of(struct session *session)
{
    return session->state;
}

/* ---- events out ---- */

/* An event that stands alone in its frame; its data comes next, a value without a key. */
static void begin_event(struct buf *out, const char *type)
{
    json_begin_array(out);
    json_add_object(out, NULL);
    json_add_text(out, "type", type);
    json_add_key(out, "data");
}

static void end_event(struct buf *out)
{
    json_end_object(out);
    json_end_array(out);
}

void chatroom_add_line(const struct message *message, struct buf *out)
{
    char when[CLOCK_TEXT_MAX];
    struct str sent_at = message->sent_at, name = message->sender_name;
    if (!sent_at.len) {
        clock_format_local(message->at_ms, when);
        sent_at = str_of(when);
    }
    json_begin_object(out);
    if (message->kind != MESSAGE_JOIN && message->kind != MESSAGE_LEAVE) {
        json_add_string(out, "log_user_name", name);
        json_add_string(out, "log_content", message->content);
    } else {
        json_add_text(out, "log_user_name", "system");
        json_add_joined(out, "log_content", name,
                        message->kind == MESSAGE_JOIN ? STR(" 进入了房间") : STR(" 离开了房间"));
    }
    json_add_string(out, "log_time", sent_at);
    json_add_u64(out, "seq", message->seq);
    json_add_u64(out, "ts", (uint64_t)message->at_ms);
    json_end_object(out);
}

static void encode_message(const struct message *message, struct buf *out)
{
    if (message_is_aside(message->kind))
        return; /* histories show the result */
    begin_event(out, "message");
    chatroom_add_line(message, out);
    end_event(out);
}

void chatroom_add_members(const struct member *members, size_t count, struct buf *out)
{
    json_begin_array(out);
    for (size_t i = 0; i < count; i++) {
        /* A list that would not fit is cut, not lost: room_log_bytes bounds it. */
        if (out->max - out->len < members[i].name.len * 6 + members[i].head.len + 64)
            break;
        json_add_object(out, NULL);
        json_add_string(out, "user_name", members[i].name);
        json_add_raw(out, "head_num", members[i].head);
        json_end_object(out);
    }
    json_end_array(out);
}

static void encode_members(uint64_t conversation, const struct member *members, size_t count, struct buf *out)
{
    (void)conversation;
    begin_event(out, "members");
    chatroom_add_members(members, count, out);
    end_event(out);
}

void chatroom_store_presence(enum message_kind kind, uint64_t conversation, const struct member *member)
{
    struct message line = {
        .conversation = conversation,
        .sender = member->user,
        .kind = kind,
        .sender_name = member->name,
    };
    if (hub_post(protocol_context.hub, POST_OF_NOBODY, &line))
        log_warn("chatroom.line_lost", "room=%llu why=busy", (unsigned long long)conversation);
}

const struct encoding chatroom_encoding = {
    .name = "chatroom",
    .history = true,
    .message = encode_message,
    .members = encode_members,
    .presence = chatroom_store_presence,
};

static void send_error_after(struct session *session, struct str client_id, const char *code, const char *message,
                             int64_t retry_after_ms)
{
    struct buf out;
    buf_init(&out, 1024);
    begin_event(&out, "error");
    json_add_object(&out, NULL);
    json_add_text(&out, "code", code);
    json_add_text(&out, "message", message);
    if (client_id.len)
        json_add_string(&out, "clientId", client_id);
    if (retry_after_ms)
        json_add_int(&out, "retry_after_ms", retry_after_ms);
    json_end_object(&out);
    end_event(&out);
    metric_inc(METRIC_FRAMES_REFUSED);
    session_send_text(session, buf_str(&out));
    buf_fini(&out);
}

/* Names the frame by its own client_id, if it has one, so that a client with several frames on their way knows which one
 * is answered. */
static void refuse_frame(struct session *session, struct str client_id, const char *code, const char *message)
{
    send_error_after(session, client_id, code, message, protocol_retry_after_ms(code));
}

static void send_error(struct session *session, const char *code, const char *message)
{
    refuse_frame(session, STR(""), code, message);
}

static void chatroom_limited(struct session *session, struct str message, int64_t retry_after_ms)
{
    (void)message;
    send_error_after(session, STR(""), "rate", PROTOCOL_LIMITED, retry_after_ms);
}

/* ---- the history: from the room's log if that reaches back far enough, else from the database ---- */

/* Begins and ends one `logs` event; between the two go its lines. */
static void logs_open(struct buf *logs)
{
    /* a line is its content and at most this much around it */
    size_t around = (size_t)protocol_context.settings->history_limit * 2048;
    buf_init(logs, (size_t)protocol_context.settings->history_bytes +
                       (size_t)protocol_context.settings->max_message_bytes + around);
    begin_event(logs, "logs");
    json_add_array(logs, NULL);
}

static void logs_close(struct buf *logs)
{
    json_end_array(logs);
    end_event(logs);
}

/* A live event's payload holds just the object that a line of `logs` is. */
static void add_live_line(void *logs, struct str payload)
{
    const size_t open = sizeof MESSAGE_OPEN - 1, close = sizeof EVENT_CLOSE - 1;
    CG_ASSERT(payload.len > open + close);
    json_add_raw(logs, NULL, (struct str){payload.ptr + open, payload.len - open - close});
}

/* ---- who gets the history ----
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
    asked->count += session_may_answer(session, &state->logs);
}

struct answer {
    uint64_t user;
    size_t readers;             /* that have asked */
    const struct buf *payload;  /* NULL: why not */
    struct outbox_spill *frame; /* shared by several readers; NULL: each gets a copy */
    const char *code, *why;
};

static bool has_asked(struct session *session, uint64_t user)
{
    return is_of(session, user) && chatroom_state_of(session)->logs.asked;
}

static void count_asked(void *arg, struct session *session)
{
    struct answer *answer = arg;
    answer->readers += has_asked(session, answer->user);
}

static void give_to_asked(void *arg, struct session *session)
{
    const struct answer *answer = arg;
    if (!has_asked(session, answer->user))
        return;
    chatroom_state_of(session)->logs.asked = false;
    if (answer->frame)
        session_send_shared(session, answer->frame);
    else if (answer->payload)
        session_send_text(session, buf_str(answer->payload));
    else
        send_error(session, answer->code, answer->why);
}

static void logs_send(struct buf *logs, uint64_t conversation, uint64_t user)
{
    struct hub *hub = protocol_context.hub;
    struct answer answer = {
        .user = user, .payload = logs, .code = "unavailable", .why = "the history cannot be read now"};
    if (logs->failed) {
        log_error("chatroom.history_too_large", "room=%llu", (unsigned long long)conversation);
        answer.payload = NULL;
    } else {
        hub_each(hub, conversation, count_asked, &answer);
        answer.frame = sessions_share_text(hub->sessions, buf_str(logs), answer.readers);
    }
    hub_each(hub, conversation, give_to_asked, &answer);
    if (answer.frame)
        outbox_spill_release(answer.frame);
    buf_fini(logs);
}

static void refuse_history(uint64_t conversation, uint64_t user, const char *code, const char *why)
{
    struct answer answer = {.user = user, .code = code, .why = why};
    hub_each(protocol_context.hub, conversation, give_to_asked, &answer);
}

/* The database's answer when the room log does not reach back far enough. */
struct history {
    struct reader reader;
    uint64_t conversation, user;
};

static void encode_line(void *arg, const struct message *message, struct buf *out)
{
    (void)arg;
    chatroom_add_line(message, out);
}

static void on_history(struct reader *reader, struct page *page, enum err err)
{
    struct history *history = container_of(reader, struct history, reader);
    struct buf logs;
    if (err) {
        refuse_history(history->conversation, history->user, "unavailable", "the history cannot be read now");
    } else {
        logs_open(&logs);
        page_add_rows(page, &logs);
        logs_close(&logs);
        logs_send(&logs, history->conversation, history->user);
    }
    free(history);
}

static enum err read_history(uint64_t conversation, uint64_t user)
{
    const struct settings *settings = protocol_context.settings;
    struct history *history = mem_zalloc(sizeof *history);
    struct store_range range = {
        .conversation = conversation,
        .before = INT64_MAX,
        .limit = (unsigned)settings->history_limit,
        .latest = true,
    };
    history->conversation = conversation;
    history->user = user;
    struct page *page = reader_plan(&history->reader, &range, (size_t)settings->history_bytes,
                                    6 * (size_t)settings->max_message_bytes + 2048, 0);
    page->wants = page_wants_no_revisions;
    page->encode = encode_line;
    page->passing_max = history_presence_max(settings);
    enum err err = reader_ask(&history->reader, protocol_context.hub, user, on_history);
    if (err)
        free(history);
    return err;
}

/* For those that were found able to take it. */
static void answer_asked(uint64_t conversation, uint64_t user)
{
    struct buf logs;
    if (debts_refuse()) {
        refuse_history(conversation, user, "busy", "too much is going on: try again in a second");
        return;
    }
    logs_open(&logs);
    if (hub_recent(protocol_context.hub, conversation, ENCODING_CHATROOM, add_live_line, &logs)) {
        logs_close(&logs);
        logs_send(&logs, conversation, user);
        return;
    }
    buf_fini(&logs);
    if (read_history(conversation, user))
        refuse_history(conversation, user, "busy", "too much is going on: try again in a second");
}

void chatroom_send_history(uint64_t conversation, uint64_t user)
{
    struct asked asked = {.user = user};
    hub_each(protocol_context.hub, conversation, ask_for, &asked);
    if (asked.count)
        answer_asked(conversation, user);
}

/* It has read all that it got. */
static void send_owed_history(struct session *session)
{
    struct chatroom_state *state = chatroom_state_of(session);
    struct asked asked = {.user = state->user, .only = session->id};
    if (!state->logs.owed || state->logs.asked || session->closing)
        return;
    ask_for(&asked, session);
    if (asked.count)
        answer_asked(state->conversation, state->user);
}

/* ---- admission: who is it, and may they be here ---- */

struct entering {
    struct admission admission;
    uint64_t session_id;
};

/* By enum admission_refusal. */
static const struct {
    unsigned code;
    const char *reason;
} refusals[] = {
    [ADMISSION_NO_ROOM] = {1008, "Unknown room"},
    [ADMISSION_NO_USER] = {1008, "Unknown user"},
    [ADMISSION_NOT_MEMBER] = {1008, "Not a member of this room"},
    [ADMISSION_STRANGER] = {PROTOCOL_CLOSE_UNAUTHORIZED, "token_unknown_key"},
    [ADMISSION_REVOKED] = {PROTOCOL_CLOSE_UNAUTHORIZED, PROTOCOL_REVOKED},
    [ADMISSION_DOWN] = {1013, "Try again later"},
};

static void refuse(struct session *session, enum admission_refusal refusal)
{
    protocol_refuse(session, refusals[refusal].code, refusals[refusal].reason);
}

static void on_looked_up(struct admission *admission, enum admission_refusal refusal)
{
    const struct store_membership *membership = &admission->membership;
    struct session *session = sessions_find(protocol_context.hub->sessions, ((struct entering *)admission)->session_id);
    struct protocol_proof proof = {membership->generation, admission->by_token, admission->moment, admission->by_token};
    const struct protocol_refusal *why = NULL;
    if (session && !session->closing && refusal) {
        refuse(session, refusal);
    } else if (session && !session->closing &&
               (why = protocol_admit(session, membership->user, membership->conversation, &proof))) {
        protocol_refuse(session, why->code, why->reason);
    } else if (session && !session->closing) {
        struct chatroom_state *state = chatroom_state_of(session);
        state->conversation = membership->conversation;
        state->user = membership->user;
        memcpy(state->nick_id, admission->nick_id, ID_MAX);
        if (admission->by_token)
            session_expire(session, admission->token.expires_s);
        state->name = mem_strndup_two(membership->user_name, membership->user_name_len, membership->head,
                                      strlen(membership->head), &state->head);
        hub_join(protocol_context.hub, session, membership->conversation, ENCODING_CHATROOM);
    }
    free(admission);
}

static void chatroom_open(struct session *session, const struct request *request)
{
    struct chatroom_state *state = chatroom_state_of(session);
    char room[ARGUMENT_BYTES], nick[ARGUMENT_BYTES];
    struct str room_id = request->argument(request, "roomId", room, sizeof room);
    struct str nick_id = request->argument(request, "nickId", nick, sizeof nick);
    if (!room_id.len) {
        protocol_refuse(session, 1008, "Room ID not provided");
        return;
    }
    struct entering *entering = mem_zalloc(sizeof *entering);
    enum token_refusal refused = admission_read_token(&entering->admission, request);
    if (refused) {
        free(entering);
        protocol_refuse_token(session, refused);
        return;
    }
    enum admission_refusal refusal = admission_name(&entering->admission, room_id, nick_id);
    memcpy(state->room_id, entering->admission.room_id, ID_MAX);
    entering->admission.done = on_looked_up;
    entering->session_id = session->id;
    if (!refusal && admission_ask(&entering->admission, JOB_ARRIVAL, session_payer(session)))
        refusal = ADMISSION_DOWN;
    if (refusal) {
        token_fini(&entering->admission.token);
        free(entering);
        refuse(session, refusal);
        return;
    }
    /* a client may speak as soon as it is connected: it is heard once it is in the room */
    session_pause(session, SESSION_ENTERING, true);
}

static void chatroom_joined(struct session *session, struct subscription *sub)
{
    struct chatroom_state *state = chatroom_state_of(session);
    (void)sub;
    if (session->closing)
        return;
    struct member member = {state->user, str_of(state->name), str_of(state->head)};
    state->present = true;
    presence_enter(protocol_context.presence, state->conversation, ENCODING_CHATROOM, &member, session->id);
}

/* Its own arrival is a line of the room before anything it says. */
static void chatroom_entered(struct session *session)
{
    session_pause(session, SESSION_ENTERING, false);
}

static void chatroom_not_joined(struct session *session, uint64_t conversation, enum err err)
{
    (void)conversation;
    (void)err;
    protocol_refuse(session, 1013, "Try again later");
}

static void chatroom_closed(struct session *session)
{
    struct chatroom_state *state = chatroom_state_of(session);
    hub_leave(protocol_context.hub, session);
    if (state->present)
        presence_leave(protocol_context.presence, state->conversation, state->user);
    free(state->name);
}

/* ---- frames in ---- */

/* A field that names somebody or somewhere must name what the connection proved; it may be absent. */
static bool claims_other(struct json_object *frame, const char *key, const char *own)
{
    struct str claimed;
    if (!json_has(frame, key))
        return false;
    return !json_get_string(frame, key, &claimed) || !str_eq(claimed, str_of(own));
}

static bool identity_is_own(struct session *session, struct json_object *frame)
{
    const struct chatroom_state *state = chatroom_state_of(session);
    if (!claims_other(frame, "sendUserId", state->nick_id) && !claims_other(frame, "sendRoom", state->room_id) &&
        !claims_other(frame, "sendUserName", state->name))
        return true;
    struct str client_id;
    if (!client_id_get(frame, "clientId", &client_id))
        client_id = STR("");
    metric_inc(METRIC_IDENTITY_REFUSED);
    refuse_frame(session, client_id, "identity", "sendUserId, sendUserName and sendRoom must be your own");
    return false;
}

static void on_message(struct session *session, struct json_object *frame)
{
    const struct chatroom_state *state = chatroom_state_of(session);
    struct str content, sent_at, client_id;
    if (!client_id_get(frame, "clientId", &client_id)) {
        send_error(session, "bad_client_id", "clientId must be text of at most 64 bytes");
        return;
    }
    if (!json_get_string(frame, "content", &content) || text_check_content(content)) {
        refuse_frame(session, client_id, "bad_content", "content must be text without control characters");
        return;
    }
    if (!json_get_string(frame, "sendTime", &sent_at) || !text_is_sent_at(sent_at))
        sent_at = STR(""); /* ours is shown instead */
    struct buf clean;
    buf_init(&clean, content.len * 2 + 16);
    text_add_content(&clean, content);
    struct message message = {
        .conversation = state->conversation,
        .sender = state->user,
        .kind = MESSAGE_TEXT,
        .sender_name = str_of(state->name),
        .content = buf_str(&clean),
        .client_id = client_id,
        .sent_at = sent_at,
    };
    enum err err = hub_post(protocol_context.hub, post_of(session, 0), &message);
    if (err)
        refuse_frame(session, client_id, protocol_post_code(err), protocol_post_error(err));
    buf_fini(&clean);
}

static void on_query_logs(struct session *session, struct json_object *frame)
{
    const struct chatroom_state *state = chatroom_state_of(session);
    (void)frame;
    bool owed = state->logs.owed;
    chatroom_send_history(state->conversation, state->user);
    if (!owed || !state->logs.owed) /* the other relays were told when that began */
        hub_notify(protocol_context.hub, WIRE_HISTORY, state->conversation, state->user);
}

static const struct {
    const char *type;
    void (*handle)(struct session *session, struct json_object *frame);
} commands[] = {
    {"message", on_message},
    {"query-logs", on_query_logs},
};

static void chatroom_received(struct session *session, struct str text)
{
    struct json_object *frame;
    struct str type;
    metric_inc(METRIC_FRAMES_IN);
    if (!chatroom_state_of(session)->present) { /* it is paused until then: not to be relied on with our life */
        session_close(session, 1013, "Try again later");
        return;
    }
    if (json_parse_utf8_object(text, &frame)) {
        send_error(session, "bad_json", "a frame must be one JSON object");
        return;
    }
    size_t i = 0;
    const size_t count = sizeof commands / sizeof commands[0];
    if (json_get_string(frame, "type", &type))
        while (i < count && !str_eq(type, str_of(commands[i].type)))
            i++;
    else
        i = count;
    if (i == count)
        send_error(session, "bad_type", "type must be message or query-logs");
    else if (identity_is_own(session, frame))
        commands[i].handle(session, frame);
    json_object_put(frame);
}

static void chatroom_posted(struct session *session, uint64_t number, const struct store_post *post)
{
    (void)number;
    if (!post->err)
        return; /* the message itself, delivered to its sender too, is the answer */
    struct str client_id = post->message.client_id;
    if (post->err == ERR_UNKNOWN)
        refuse_frame(session, client_id, "unknown", "it is not known whether the message was stored");
    else if (post->err == ERR_DOWN)
        refuse_frame(session, client_id, "unavailable", "the message was not stored: try again later");
    else if (post->err == ERR_DUPLICATE)
        refuse_frame(session, client_id, "conflict", PROTOCOL_CONFLICT);
    else
        refuse_frame(session, client_id, "refused", "the message could not be stored");
}

/* The article's server listens on every path: so does this protocol, which is asked last, where a room is named. */
static bool chatroom_claims(struct str path)
{
    return path.len > 0;
}

static bool chatroom_passes(const struct request *request)
{
    static const char *const own[] = {"/", "/chatroom", "/mysql"};
    char room[ARGUMENT_BYTES];
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (str_eq(request->path, str_of(own[i])))
            return false;
    return !request->argument(request, "roomId", room, sizeof room).len;
}

const struct protocol chatroom_protocol = {
    .name = "chatroom",
    .sees_to_tokens = true,
    .state_size = sizeof(struct chatroom_state),
    .claims = chatroom_claims,
    .passes = chatroom_passes,
    .open = chatroom_open,
    .limited = chatroom_limited,
    .received = chatroom_received,
    .joined = chatroom_joined,
    .entered = chatroom_entered,
    .drained = send_owed_history,
    .not_joined = chatroom_not_joined,
    .posted = chatroom_posted,
    .closed = chatroom_closed,
};
