#include "relay/protocols/space.h"

#include "common/clock.h"
#include "common/container.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/space_name.h"
#include "common/store/store_admission.h"
#include "common/store/store_app_user.h"
#include "relay/core/protocol.h"
#include "relay/core/hub.h"
#include "relay/core/presence.h"
#include "relay/db/db_pool.h"

#include <stdlib.h>

enum { ARGUMENT_BYTES = TOKEN_MAX + 64, ROOM_ID_BYTES = 256 };

struct space_state {
    char *space; /* the name in the connection's path */
    char *name;  /* the user's; NULL until admitted */
    uint64_t conversation, user;
    bool present;
    bool told; /* it has had the userJoin of its own coming */
};

static struct space_state *state_of(struct session *session)
{
    return session->state;
}

/* ---- events out ---- */

/* What REST did to the space is shown by its own message; comings and goings are shown as they happen
 * (tell_presence), and stored only once for each member. */
static void encode(const struct message *message, struct buf *out)
{
    if (!message->sender && message->kind == MESSAGE_TEXT) { /* the application says it */
        json_begin_object(out);
        json_add_text(out, "type", "system");
        json_add_u64(out, "seq", message->seq);
        json_add_text(out, "name", MESSAGE_SYSTEM_NAME);
        json_add_string(out, "content", message->content);
        json_end_object(out);
        return;
    }
    if (message->kind != MESSAGE_TRANSFER)
        return;
    json_begin_object(out);
    json_add_text(out, "type", "transfer");
    json_add_u64(out, "seq", message->seq);
    json_add_raw(out, "transfer", message->content); /* JSON of our own making */
    json_end_object(out);
}

/* The first time that this member ever came, or went, becomes a record: the client id says so to the
 * database, which keeps one. */
static void store_record(enum message_kind kind, uint64_t conversation, const struct member *member)
{
    struct message record = {
        .conversation = conversation,
        .sender = member->user,
        .kind = kind,
        .sender_name = member->name,
        .client_id = kind == MESSAGE_JOIN ? STR(MESSAGE_ID_RECORD "join") : STR(MESSAGE_ID_RECORD "leave"),
    };
    if (hub_post(protocol_context.hub, POST_OF_NOBODY, &record))
        log_warn("space.record_lost", "room=%llu why=busy", (unsigned long long)conversation);
}

/* `space` is the space's name as a JSON string. */
static void add_presence(struct buf *out, enum message_kind kind, struct str space, struct str name)
{
    buf_init(out, 4096);
    json_begin_object(out);
    json_add_raw(out, "spaceName", space);
    if (kind == MESSAGE_JOIN)
        json_add_joined(out, "userJoin", name, STR("加入了房间"));
    else
        json_add_joined(out, "userLeave", name, STR("退出了房间"));
    json_end_object(out);
    CG_ASSERT(!out->failed);
}

static void note_told(void *user, struct session *session)
{
    if (session->protocol == &space_protocol && state_of(session)->user == *(const uint64_t *)user)
        state_of(session)->told = true;
}

/* A member's `head` is the space's name. */
static void tell_presence(enum message_kind kind, uint64_t conversation, const struct member *member)
{
    struct buf out;
    uint64_t user = member->user;
    add_presence(&out, kind, member->head, member->name);
    hub_show(protocol_context.hub, conversation, ENCODING_SPACE, buf_str(&out));
    buf_fini(&out);
    if (kind == MESSAGE_JOIN)
        hub_each(protocol_context.hub, conversation, note_told, &user);
    store_record(kind, conversation, member);
}

const struct encoding space_encoding = {
    .name = "space",
    .message = encode,
    .presence = tell_presence,
};

/* ---- who, and where ---- */

static struct str name_in(struct str path)
{
    return path.len ? (struct str){path.ptr + 1, path.len - 1} : path;
}

static bool claims(struct str path)
{
    return space_name_ok(name_in(path));
}

/* A request that names a user and has no token is left to the chatroom, which takes any unclaimed path. */
static bool passes(const struct request *request)
{
    char text[ARGUMENT_BYTES];
    if (id_is(request->argument(request, "roomId", text, sizeof text), STORE_ROOM_PREFIX))
        return true;
    return !request->header(request, "token", text, sizeof text).len &&
           !request->argument(request, "token", text, sizeof text).len &&
           request->argument(request, "nickId", text, sizeof text).len;
}

static unsigned refuse(const struct request *request)
{
    struct token token;
    if (protocol_read_token(request, &token))
        return 401;
    token_fini(&token);
    return 0;
}

struct admission {
    struct job job;
    uint64_t session_id;
    char space_id[ID_MAX];
    struct token token;
    uint64_t moment;
    enum err stranger; /* why the token is of nobody of the application */
    char space_name[STORE_NAME_MAX + 1];
    struct store_space_membership membership;
};

/* Of the application's users. */
static enum err name_by_token(struct admission *admission, struct store *store)
{
    struct store_app_user *user = mem_zalloc(sizeof *user);
    admission->stranger = store_app_user_come(store, &admission->token, user);
    memcpy(admission->token.user_id, user->public_id, ID_MAX);
    free(user);
    return admission->stranger;
}

static bool is_of_app(const struct admission *admission)
{
    return admission->token.app || protocol_doors_closed();
}

static void look_up(struct job *job, struct store *store)
{
    struct admission *admission = (struct admission *)job;
    if (is_of_app(admission) && (job->err = name_by_token(admission, store)))
        return;
    job->err = store_space_membership(store, str_of(admission->space_id), str_of(admission->token.user_id),
                                      admission->space_name, &admission->membership);
}

static void on_looked_up(struct job *job)
{
    struct admission *admission = (struct admission *)job;
    struct session *session = sessions_find(protocol_context.hub->sessions, admission->session_id);
    const struct rights *rights = &admission->membership.rights;
    struct protocol_proof proof = {rights->generation, true, admission->moment, is_of_app(admission)};
    const struct protocol_refusal *why;
    if (session && !session->closing) {
        struct space_state *state = state_of(session);
        if (admission->stranger == ERR_NOT_FOUND || admission->stranger == ERR_DENIED) {
            protocol_refuse(session, PROTOCOL_CLOSE_UNAUTHORIZED, protocol_stranger(admission->stranger));
        } else if (job->err == ERR_NOT_FOUND) {
            protocol_refuse(session, 1008, "Unknown space or user");
        } else if (job->err == ERR_DENIED) {
            protocol_refuse(session, 1008, "The room is another space's");
        } else if (job->err) {
            protocol_refuse(session, 1013, "Try again later");
        } else if (!rights_accept(rights, &admission->token)) {
            protocol_refuse(session, PROTOCOL_CLOSE_UNAUTHORIZED, PROTOCOL_REVOKED);
        } else if ((why = protocol_admit(session, admission->membership.user, admission->membership.conversation,
                                         &proof))) {
            protocol_refuse(session, why->code, why->reason);
        } else {
            state->conversation = admission->membership.conversation;
            state->user = admission->membership.user;
            state->name = mem_strdup(admission->membership.user_name);
            hub_join(protocol_context.hub, session, state->conversation, ENCODING_SPACE);
        }
    }
    token_fini(&admission->token);
    free(admission);
}

static void open_session(struct session *session, const struct request *request)
{
    struct space_state *state = state_of(session);
    char text[ROOM_ID_BYTES];
    struct token token;
    struct str space = name_in(request->path);
    struct str room_id = request->header(request, "room-id", text, sizeof text);
    if (!room_id.len)
        room_id = request->argument(request, "roomId", text, sizeof text);
    if (protocol_read_token(request, &token)) {
        protocol_refuse(session, PROTOCOL_CLOSE_UNAUTHORIZED, "The token has expired"); /* just now */
        return;
    }
    if (!id_is(room_id, STORE_SPACE_PREFIX)) {
        token_fini(&token);
        protocol_refuse(session, 1008, "Unknown space or user");
        return;
    }
    struct admission *admission = mem_zalloc(sizeof *admission);
    admission->job.work = look_up;
    admission->job.done = on_looked_up;
    admission->session_id = session->id;
    memcpy(admission->space_id, room_id.ptr, room_id.len);
    admission->token = token;
    admission->moment = protocol_moment();
    CG_ASSERT(space.len <= STORE_NAME_MAX); /* or the protocol would not have claimed it */
    memcpy(admission->space_name, space.ptr, space.len);
    state->space = mem_strndup(space.ptr, space.len);
    session_expire(session, token.expires_s);
    job_charge(&admission->job, JOB_ARRIVAL, session_payer(session), 2);
    if (db_pool_try(protocol_context.db_pool, &admission->job)) {
        token_fini(&admission->token);
        free(admission);
        protocol_refuse(session, 1013, "Try again later");
        return;
    }
    session_pause(session, SESSION_ENTERING, true);
}

static void joined(struct session *session, struct subscription *sub)
{
    struct space_state *state = state_of(session);
    (void)sub;
    if (session->closing)
        return;
    struct buf head;
    buf_init(&head, 1024);
    buf_add_json(&head, str_of(state->space));
    struct member member = {state->user, str_of(state->name), buf_str(&head)};
    state->present = true;
    presence_enter(protocol_context.presence, state->conversation, ENCODING_SPACE, &member, session->id);
    buf_fini(&head);
}

/* Its arrival is shown before anything it says. Pages load their space when a frame comes, and with the article's
 * server the first one is their own arrival: so each newcomer gets it, even if it is not announced to others, as it is
 * the user's second device, or the same one after a reload. */
static void entered(struct session *session)
{
    struct space_state *state = state_of(session);
    if (!state->told) {
        struct buf space, out;
        buf_init(&space, 1024);
        buf_add_json(&space, str_of(state->space));
        add_presence(&out, MESSAGE_JOIN, buf_str(&space), str_of(state->name));
        session_send_text(session, buf_str(&out));
        state->told = true;
        buf_fini(&space);
        buf_fini(&out);
    }
    session_pause(session, SESSION_ENTERING, false);
}

static void not_joined(struct session *session, uint64_t conversation, enum err err)
{
    (void)conversation;
    (void)err;
    if (!session->closing)
        protocol_refuse(session, 1013, "Try again later");
}

static void closed(struct session *session)
{
    struct space_state *state = state_of(session);
    hub_leave(protocol_context.hub, session);
    if (state->present)
        presence_leave(protocol_context.presence, state->conversation, state->user);
    free(state->space);
    free(state->name);
}

/* ---- frames in ---- */

/* What the server says in a space, and nobody else: pages take a frame with such a key, or of such a type, for its word.
 * What a client may send beside them is its own affair. */
static bool is_the_servers(struct json_object *frame)
{
    static const char *const keys[] = {"userJoin", "userLeave", "transfer"};
    static const char *const frame_types[] = {"transfer", "system", "error"};
    struct str type;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (json_object_object_get_ex(frame, keys[i], NULL)) /* whatever its value: parsers differ about doubled keys */
            return true;
    for (size_t i = 0; json_get_string(frame, "type", &type) && i < sizeof frame_types / sizeof frame_types[0]; i++)
        if (str_eq(type, str_of(frame_types[i])))
            return true;
    return false;
}

static void received(struct session *session, struct str text)
{
    const struct space_state *state = state_of(session);
    struct json_object *frame;
    struct str space;
    metric_inc(METRIC_FRAMES_IN);
    if (!state->present) { /* it is paused until then: not to be relied on */
        session_close(session, 1013, "Try again later");
        return;
    }
    if (json_parse_utf8_object(text, &frame)) {
        protocol_send_error(session, "bad_json", "a frame must be one JSON object");
        return;
    }
    if (json_get_string(frame, "spaceName", &space) && str_eq(space, str_of(state->space))) {
        if (protocol_muted(session, state->conversation)) {
            protocol_send_error(session, protocol_post_code(ERR_DENIED), protocol_post_error(ERR_DENIED));
        } else if (is_the_servers(frame)) {
            metric_inc(METRIC_IDENTITY_REFUSED);
            protocol_send_error(session, "reserved",
                                "userJoin, userLeave, transfer and such types are the server's to say");
        } else {
            hub_show(protocol_context.hub, state->conversation, ENCODING_SPACE, json_without_mark(text));
        }
    } else {
        metric_inc(METRIC_IDENTITY_REFUSED);
        protocol_send_error(session, "identity", "spaceName must be the space of this connection");
    }
    json_object_put(frame);
}

static void posted(struct session *session, uint64_t number, const struct store_post *post)
{
    (void)number;
    (void)session;
    (void)post; /* records are posted in nobody's name */
}

const struct protocol space_protocol = {
    .name = "space",
    .sees_to_tokens = true,
    .state_size = sizeof(struct space_state),
    .claims = claims,
    .passes = passes,
    .refuse = refuse,
    .open = open_session,
    .limited = protocol_limited,
    .received = received,
    .joined = joined,
    .entered = entered,
    .not_joined = not_joined,
    .posted = posted,
    .closed = closed,
};
