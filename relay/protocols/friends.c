#include "relay/protocols/friends.h"

#include "common/client_id.h"
#include "common/container.h"
#include "common/json.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/store_admission.h"
#include "common/store/store_app_user.h"
#include "common/text.h"
#include "relay/core/protocol.h"
#include "relay/core/hub.h"
#include "relay/db/db_pool.h"

#include <stdlib.h>

#define PATH_PREFIX "/ws/"

enum { ARGUMENT_BYTES = 4096 };

/* Friends wait to be read again, all of them: the database was away. */
struct retry {
    struct wheel_timer timer;
    struct session *session;
};

struct friends_state {
    char user_id[ID_MAX];
    bool loading, again; /* the user or friends are being read; and the friends once more after that */
    bool all;            /* `again`: all of them, not only the youngest */
    bool listed;         /* all friends were read once, … */
    bool entered;        /* … and are heard: frames are taken */
    unsigned joining;    /* friends that were read and are not heard yet */
    struct retry *retry; /* NULL unless its timer is set */
    char *token;         /* as it came, until the user is known; NULL: none */
    struct token *pass;  /* where everybody needs one, until it is looked up */
    char *name;          /* NULL until admitted */
};

static struct friends_state *state_of(struct session *session)
{
    return session->state;
}

/* ---- friendships in use: what an encoding must know of a conversation ---- */

struct in_use {
    struct store_friendship friendship;
    unsigned subscriptions;
    struct map_link link; /* another id with the same hash */
};

static struct map friendships; /* conversation → struct in_use */
static struct map by_id;       /* hash of the friendship's id → chain of struct in_use */

/* Ids are random and ours, so nobody can choose one that meets another. */
static uint64_t id_hash(struct str id)
{
    return str_hash(id, STR_HASH_SEED);
}

static void use(const struct store_friendship *friendship)
{
    struct in_use *in_use = map_get(&friendships, friendship->conversation);
    if (!in_use) {
        in_use = mem_zalloc(sizeof *in_use);
        in_use->friendship = *friendship;
        map_put(&friendships, friendship->conversation, in_use);
        map_chain_add(&by_id, id_hash(str_of(friendship->id)), &in_use->link);
    }
    in_use->subscriptions++;
}

static void unuse(uint64_t conversation)
{
    struct in_use *in_use = map_get(&friendships, conversation);
    if (!in_use || --in_use->subscriptions) /* none: a subscription in the inbox */
        return;
    map_take(&friendships, conversation);
    map_chain_remove(&by_id, id_hash(str_of(in_use->friendship.id)), &in_use->link);
    free(in_use);
}

/* NULL if nobody here sits in it, or it is an inbox. */
static const struct store_friendship *friendship_get(uint64_t conversation)
{
    const struct in_use *in_use = map_get(&friendships, conversation);
    return in_use ? &in_use->friendship : NULL;
}

static const struct store_friendship *friendship_named(struct str id)
{
    for (struct map_link *link = map_get(&by_id, id_hash(id)); link; link = link->next) {
        const struct in_use *in_use = container_of(link, struct in_use, link);
        if (str_eq(id, str_of(in_use->friendship.id)))
            return &in_use->friendship;
    }
    return NULL;
}

static const struct {
    const char *name;
    enum message_kind kind;
} types[] = {{"text", MESSAGE_TEXT}, {"emoji", MESSAGE_EMOJI}, {"file", MESSAGE_FILE}};

/* NULL for what is not shown to them. Other protocols tell pictures from files; here all uploads are files. */

static const char *type_name(enum message_kind kind)
{
    if (kind == MESSAGE_IMAGE || kind == MESSAGE_VIDEO)
        kind = MESSAGE_FILE;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].kind == kind)
            return types[i].name;
    return NULL;
}

/* The object that the sender's client sent, for the side that did not. */
static void encode(const struct message *message, bool for_low, struct buf *out)
{
    const struct store_friendship *f = friendship_get(message->conversation);
    const char *type = type_name(message->kind);
    if (!f || !type || message->sender == (for_low ? f->low : f->high))
        return;
    json_begin_object(out);
    json_add_text(out, "friend", f->id);
    json_add_text(out, "from", for_low ? f->high_id : f->low_id);
    json_add_text(out, "to", for_low ? f->low_id : f->high_id);
    json_add_string(out, "content", message->content);
    json_add_text(out, "type", type);
    json_add_u64(out, "seq", message->seq);
    json_add_int(out, "ts", message->at_ms);
    if (!message->sender) /* the application says it, in the place of the other side */
        json_add_bool(out, "system", true);
    json_add_raw(out, NULL, message_frame(message));
    json_end_object(out);
}

static void encode_low(const struct message *message, struct buf *out)
{
    encode(message, true, out);
}

static void encode_high(const struct message *message, struct buf *out)
{
    encode(message, false, out);
}

const struct encoding friends_low_encoding = {.name = "friends_low", .message = encode_low};
const struct encoding friends_high_encoding = {.name = "friends_high", .message = encode_high};

/* ---- who it is, and their friends ----
 *
 *   the user is looked up ─▶ listens at the inbox ─▶ friends are read ─▶ all are heard ─▶ frames are taken
 *
 * A notice in the inbox tells of a new friend, so the friends are read once it listens: whoever becomes one meanwhile
 * is among them, or there is a notice. They are read a page at a time, and the loop subscribes to one page in a turn:
 * somebody with thousands of friends takes longer to have them all, and nobody else notices. */

struct look_up {
    struct job job;
    uint64_t session_id;
    char user_id[ID_MAX];
    bool friends;      /* false: only who it is */
    bool all;          /* the pages that follow, too; else only while they have new ones */
    uint64_t before;   /* as store_friendships has it; after an error as it was */
    struct token pass; /* with by_token: whose id that is to become */
    bool by_token;
    uint64_t moment;
    enum err stranger; /* why the token is of nobody */
    struct store_friend_self self;
    struct store_friendship *list;
    size_t count, cap;
};

static void look_up_free(struct look_up *look_up)
{
    token_fini(&look_up->pass);
    free(look_up->list);
    free(look_up);
}

static void collect(void *arg, const struct store_friendship *friendship)
{
    struct look_up *look_up = arg;
    CG_ASSERT(look_up->count < STORE_FRIENDSHIPS_PAGE);
    if (look_up->count == look_up->cap) {
        look_up->cap = look_up->cap ? look_up->cap * 2 : 8;
        look_up->list = mem_realloc(look_up->list, look_up->cap * sizeof look_up->list[0]);
    }
    look_up->list[look_up->count++] = *friendship;
}

static enum err name_by_token(struct look_up *look_up, struct store *store)
{
    struct store_app_user *user = mem_zalloc(sizeof *user);
    look_up->stranger = store_app_user_come(store, &look_up->pass, user);
    memcpy(look_up->user_id, user->public_id, ID_MAX);
    free(user);
    return look_up->stranger;
}

static void work(struct job *job, struct store *store)
{
    struct look_up *look_up = (struct look_up *)job;
    if (look_up->by_token && (job->err = name_by_token(look_up, store)))
        return;
    job->err = store_friend_self(store, str_of(look_up->user_id), &look_up->self);
    if (!job->err && look_up->friends)
        job->err = store_friendships(store, look_up->self.user, &look_up->before, collect, look_up);
}

/* A user with a password needs a token beside the id, and it must be theirs. */
static bool token_fits(const struct friends_state *state, const struct rights *rights)
{
    struct token token;
    if (!state->token || token_check(protocol_context.tokens, str_of(state->token), &token))
        return false;
    bool fits = !strcmp(token.user_id, state->user_id) && rights_accept(rights, &token);
    token_fini(&token);
    return fits;
}

static void admit(struct session *session, const struct look_up *look_up)
{
    struct friends_state *state = state_of(session);
    const struct store_friend_self *self = &look_up->self;
    struct protocol_proof proof = {self->rights.generation, self->has_password,
                                   look_up->by_token ? look_up->moment : protocol_moment(), look_up->by_token};
    if (!look_up->by_token && self->has_password && !token_fits(state, &self->rights)) {
        protocol_refuse(session, PROTOCOL_CLOSE_UNAUTHORIZED, "A token is needed");
        return;
    }
    const struct protocol_refusal *why = protocol_admit(session, self->user, 0, &proof);
    if (why) {
        protocol_refuse(session, why->code, why->reason);
        return;
    }
    free(state->token);
    state->token = NULL;
    memcpy(state->user_id, look_up->user_id, ID_MAX);
    if (look_up->by_token)
        session_expire(session, look_up->pass.expires_s);
    state->name = mem_strdup(look_up->self.name);
    hub_join(protocol_context.hub, session, WIRE_INBOX(session->client.user), ENCODING_FRIENDS_LOW);
}

static void load(struct session *session, bool all);
static void load_page(struct session *session, bool all, uint64_t before);

static void stop_retry(struct friends_state *state)
{
    if (state->retry)
        wheel_cancel(&state->retry->timer);
    free(state->retry);
    state->retry = NULL;
}

static void on_retry(struct wheel_timer *timer)
{
    struct session *session = container_of(timer, struct retry, timer)->session;
    stop_retry(state_of(session));
    if (!session->closing)
        load(session, true);
}

/* Who has not all friends yet comes again; who has goes on with those there are, and hears of new ones later. */
static void read_later(struct session *session)
{
    struct friends_state *state = state_of(session);
    if (!state->entered) {
        protocol_refuse(session, 1013, "Try again later");
    } else if (!state->retry) {
        state->retry = mem_zalloc(sizeof *state->retry);
        *state->retry = (struct retry){.timer.fired = on_retry, .session = session};
        wheel_set(protocol_context.hub->wheel, &state->retry->timer, protocol_context.settings->reconcile_down_ms);
    }
}

static void enter_if_all_there(struct session *session)
{
    struct friends_state *state = state_of(session);
    if (state->entered || !state->listed || state->joining || session->closing)
        return;
    state->entered = true;
    session_pause(session, SESSION_ENTERING, false);
}

/* False: the session already has it, or may not. */
static bool subscribe(struct session *session, const struct store_friendship *friendship, uint64_t generation)
{
    if (hub_subscription(session, friendship->conversation) ||
        protocol_banned(session->client.user, session->client.address, friendship->conversation) ||
        protocol_revoked(session->client.user, friendship->conversation, generation))
        return false;
    use(friendship);
    state_of(session)->joining++;
    hub_join(protocol_context.hub, session, friendship->conversation,
             friendship->low == session->client.user ? ENCODING_FRIENDS_LOW : ENCODING_FRIENDS_HIGH);
    return true;
}

static void on_friends(struct session *session, const struct look_up *look_up)
{
    struct friends_state *state = state_of(session);
    bool new_ones = false;
    for (size_t i = 0; !session->closing && i < look_up->count; i++)
        new_ones |= subscribe(session, &look_up->list[i], look_up->self.rights.generation);
    if (session->closing)
        return;
    if (look_up->before && (look_up->all || new_ones)) {
        load_page(session, look_up->all, look_up->before);
        return;
    }
    state->listed |= look_up->all;
    enter_if_all_there(session);
    if (state->again && !session->closing)
        load(session, state->all);
}

static void on_looked_up(struct job *job)
{
    struct look_up *look_up = (struct look_up *)job;
    struct session *session = sessions_find(protocol_context.hub->sessions, look_up->session_id);
    if (session && !session->closing) {
        struct friends_state *state = state_of(session);
        state->loading = false;
        if (look_up->stranger == ERR_NOT_FOUND || look_up->stranger == ERR_DENIED)
            protocol_refuse(session, PROTOCOL_CLOSE_UNAUTHORIZED, protocol_stranger(look_up->stranger));
        else if (job->err == ERR_NOT_FOUND)
            protocol_refuse(session, 1008, "Unknown user");
        else if (job->err)
            read_later(session);
        else if (look_up->friends)
            on_friends(session, look_up);
        else
            admit(session, look_up);
    }
    look_up_free(look_up);
}

static void load_page(struct session *session, bool all, uint64_t before)
{
    struct friends_state *state = state_of(session);
    struct look_up *look_up = mem_zalloc(sizeof *look_up);
    look_up->job.work = work;
    look_up->job.done = on_looked_up;
    look_up->session_id = session->id;
    look_up->friends = state->name;
    look_up->all = all;
    look_up->before = before;
    memcpy(look_up->user_id, state->user_id, ID_MAX);
    if (state->pass) {
        look_up->by_token = true;
        look_up->moment = protocol_moment();
        look_up->pass = *state->pass;
        free(state->pass);
        state->pass = NULL;
    }
    bool arrives = !state->entered && before == INT64_MAX;
    job_charge(&look_up->job, arrives ? JOB_ARRIVAL : JOB_ASK, session_payer(session), 4);
    state->loading = !db_pool_try(protocol_context.db_pool, &look_up->job);
    if (state->loading)
        return;
    look_up_free(look_up);
    read_later(session);
}

/* All friends, or after a notice of new ones the newest. */
static void load(struct session *session, bool all)
{
    struct friends_state *state = state_of(session);
    state->all = state->loading && (all || (state->again && state->all));
    state->again = state->loading;
    if (!state->loading)
        load_page(session, all, INT64_MAX);
}

static bool claims(struct str path)
{
    const size_t len = sizeof PATH_PREFIX - 1;
    return path.len > len && !memcmp(path.ptr, PATH_PREFIX, len) && !memchr(path.ptr + len, '/', path.len - len);
}

static void open_session(struct session *session, const struct request *request)
{
    struct friends_state *state = state_of(session);
    const size_t len = sizeof PATH_PREFIX - 1;
    struct str user_id = {request->path.ptr + len, request->path.len - len};
    if (protocol_doors_closed()) { /* the token's user */
        state->pass = mem_zalloc(sizeof *state->pass);
        enum token_refusal refused = protocol_read_token(request, state->pass);
        if (refused) {
            protocol_refuse_token(session, refused);
            return;
        }
        session_pause(session, SESSION_ENTERING, true);
        load(session, true);
        return;
    }
    if (!id_is(user_id, STORE_USER_PREFIX)) {
        protocol_refuse(session, 1008, "Unknown user");
        return;
    }
    memcpy(state->user_id, user_id.ptr, user_id.len);
    char text[ARGUMENT_BYTES];
    struct str token = request->header(request, "token", text, sizeof text);
    if (!token.len)
        token = request->argument(request, "token", text, sizeof text);
    if (token.len)
        state->token = mem_strndup(token.ptr, token.len);
    session_pause(session, SESSION_ENTERING, true);
    load(session, true);
}

static void joined(struct session *session, struct subscription *sub)
{
    if (hub_conversation(sub) != WIRE_INBOX(session->client.user)) {
        state_of(session)->joining--;
        enter_if_all_there(session);
    } else if (!session->closing) {
        load(session, true);
    }
}

/* One friendship could not be opened: the whole connection comes again, rather than miss that friend. */
static void not_joined(struct session *session, uint64_t conversation, enum err err)
{
    (void)err;
    unuse(conversation);
    state_of(session)->joining--;
    if (!session->closing)
        protocol_refuse(session, 1013, "Try again later");
}

static void closed(struct session *session)
{
    struct friends_state *state = state_of(session);
    const struct subscription *sub;
    LIST_FOREACH(sub, &session->subscriptions, link)
        unuse(hub_conversation(sub)); /* with its session's the room's log goes: nothing encodes */
    hub_leave(protocol_context.hub, session);
    stop_retry(state);
    if (state->pass)
        token_fini(state->pass);
    free(state->pass);
    free(state->token);
    free(state->name);
}

static void reload_one(void *arg, struct session *session)
{
    (void)arg;
    if (session->protocol == &friends_protocol && !session->closing) /* other protocols sit there too */
        load(session, false);
}

void friends_reload(uint64_t user)
{
    hub_each(protocol_context.hub, WIRE_INBOX(user), reload_one, NULL);
}

void friends_reload_all(void)
{
    const struct sessions *sessions = protocol_context.hub->sessions;
    for (size_t i = 0; i < sessions->cap; i++) {
        struct session *session = sessions->slots[i];
        if (session && session->protocol == &friends_protocol && !session->closing && state_of(session)->name)
            load(session, true);
    }
}

/* ---- frames in ---- */

/* The friendship that the frame names, if it is the sender's and `from` and `to` are its two. */
static const struct store_friendship *friendship_of(struct session *session, struct json_object *frame)
{
    const struct friends_state *state = state_of(session);
    struct str friend, from, to;
    if (!json_get_string(frame, "friend", &friend) || !json_get_string(frame, "from", &from) ||
        !json_get_string(frame, "to", &to) || !str_eq(from, str_of(state->user_id)))
        return NULL;
    const struct store_friendship *f = friendship_named(friend);
    if (!f || !hub_subscription(session, f->conversation))
        return NULL;
    return str_eq(to, str_of(f->low == session->client.user ? f->high_id : f->low_id)) ? f : NULL;
}

/* What the frame holds that is none of ours goes along as it is: clients have fields of their own. False: too much. */
static bool take_extra(struct str text, struct buf *extra)
{
    static const char *const ours[] = {"friend", "from", "to", "content", "type", "clientId", "seq", "ts", NULL};
    buf_init(extra, MESSAGE_EXTRA_MAX);
    json_add_others(extra, text, ours);
    return !extra->failed;
}

static void post(struct session *session, const struct message *message)
{
    enum err err = hub_post(protocol_context.hub, post_of(session, 0), message);
    if (err)
        protocol_send_error_for(session, message->client_id, protocol_post_code(err), protocol_post_error(err));
}

static void on_frame(struct session *session, struct json_object *frame, struct str text)
{
    const struct friends_state *state = state_of(session);
    const struct store_friendship *friendship = friendship_of(session, frame);
    struct str type = STR("text"), content, client_id;
    bool named = client_id_get(frame, "clientId", &client_id);
    if (!named)
        client_id = STR("");
    size_t i = 0;
    const size_t count = sizeof types / sizeof types[0];
    if (!friendship) {
        metric_inc(METRIC_IDENTITY_REFUSED);
        protocol_send_error_for(session, client_id, "identity",
                                "from must be you, friend yours, and to the other of the two");
        return;
    }
    if (json_has(frame, "type") && !json_get_string(frame, "type", &type))
        i = count;
    while (i < count && !str_eq(type, str_of(types[i].name)))
        i++;
    if (i == count) {
        protocol_send_error_for(session, client_id, "bad_type", "type must be text, emoji or file");
    } else if (!json_get_string(frame, "content", &content) || text_check_content(content)) {
        protocol_send_error_for(session, client_id, "bad_content", "content must be text without control characters");
    } else if (!named) {
        protocol_send_error(session, "bad_client_id", "clientId must be text of at most 64 bytes");
    } else {
        struct buf clean, extra;
        buf_init(&clean, content.len * 2 + 16);
        text_add_content(&clean, content);
        struct message message = {
            .conversation = friendship->conversation,
            .sender = session->client.user,
            .kind = types[i].kind,
            .sender_name = str_of(state->name),
            .content = buf_str(&clean),
            .client_id = client_id,
        };
        if (take_extra(text, &extra)) {
            message.extra = buf_str(&extra);
            post(session, &message);
        } else {
            protocol_send_error_for(session, client_id, "too_large", "fields of your own: at most 4096 bytes together");
        }
        buf_fini(&clean);
        buf_fini(&extra);
    }
}

static void received(struct session *session, struct str text)
{
    struct json_object *frame;
    metric_inc(METRIC_FRAMES_IN);
    if (json_parse_utf8_object(text, &frame)) {
        protocol_send_error(session, "bad_json", "a frame must be one JSON object");
        return;
    }
    on_frame(session, frame, text);
    json_object_put(frame);
}

static void posted(struct session *session, uint64_t number, const struct store_post *post)
{
    (void)number;
    if (!post->err)
        return; /* the sender gets no echo */
    struct str client_id = post->message.client_id;
    if (post->err == ERR_DUPLICATE)
        protocol_send_error_for(session, client_id, "conflict", PROTOCOL_CONFLICT);
    else if (post->err == ERR_UNKNOWN)
        protocol_send_error_for(session, client_id, "unknown", "it is not known whether the message was stored");
    else
        protocol_send_error_for(session, client_id, "unavailable", "the message was not stored: try again later");
}

static int64_t ping_interval_ms(const struct settings *settings)
{
    return settings->friend_ping_ms;
}

const struct protocol friends_protocol = {
    .name = "friends",
    .sees_to_tokens = true,
    .state_size = sizeof(struct friends_state),
    .ping_interval_ms = ping_interval_ms,
    .claims = claims,
    .open = open_session,
    .limited = protocol_limited,
    .received = received,
    .joined = joined,
    .not_joined = not_joined,
    .posted = posted,
    .closed = closed,
};
