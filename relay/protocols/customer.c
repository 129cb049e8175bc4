#include "relay/protocols/customer.h"

#include "common/container.h"
#include "common/service/customer_frame.h"
#include "common/service/customer_row.h"
#include "common/json.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/store_app_user.h"
#include "common/text.h"
#include "relay/core/debts.h"
#include "relay/core/protocol.h"
#include "relay/core/reader.h"
#include "relay/core/hub.h"
#include "relay/db/db_pool.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARGUMENT_BYTES = 512, LATER_MS = 250 };

struct in_use;

/* A refused socket that stays open for a while, as a guest of the lobby: its client shows the refusal, and would come
 * again if it was closed. */
struct refused {
    struct wheel_timer timer;
    struct session *session;
    struct str answer; /* to whatever it says; empty: none */
    const char *reason;
};

struct customer_state {
    struct in_use *in_use;   /* NULL until admitted */
    struct refused *refused; /* NULL: it is not */
    uint64_t user;           /* which of the two it is */
    struct reader reader;    /* of the list, and … */
    struct session_answer list;
    struct wheel_timer later; /* … when it is owed until less waits for all clients */
    struct session *session;
};

static struct customer_state *state_of(struct session *session)
{
    return session->state;
}

/* ---- sessions in use: whose names stand in a conversation's rows ---- */

enum { TEXTS = 7 };

/* What was looked up last, without the room that a pair has for the longest names. */
struct in_use {
    uint64_t conversation, friend, user;
    char *texts; /* TEXTS of them, each with its NUL, as pair_texts has them */
    unsigned sessions;
};

static struct map conversations; /* conversation → struct in_use */

struct text {
    char *ptr;
    size_t size;
};

static void pair_texts(struct store_customer_pair *pair, struct text texts[TEXTS])
{
    struct store_customer *friend = &pair->friend, *user = &pair->user;
    texts[0] = (struct text){pair->app_sid, sizeof pair->app_sid};
    texts[1] = (struct text){friend->account, sizeof friend->account};
    texts[2] = (struct text){friend->username, sizeof friend->username};
    texts[3] = (struct text){friend->avatar, sizeof friend->avatar};
    texts[4] = (struct text){user->account, sizeof user->account};
    texts[5] = (struct text){user->username, sizeof user->username};
    texts[6] = (struct text){user->avatar, sizeof user->avatar};
}

static void pack(struct in_use *in_use, struct store_customer_pair *pair)
{
    struct text texts[TEXTS];
    struct buf all;
    buf_init(&all, sizeof *pair);
    pair_texts(pair, texts);
    for (size_t i = 0; i < TEXTS; i++)
        buf_add(&all, texts[i].ptr, strlen(texts[i].ptr) + 1);
    CG_ASSERT(!all.failed);
    free(in_use->texts);
    in_use->texts = mem_realloc(all.data, all.len);
    in_use->friend = pair->friend.user;
    in_use->user = pair->user.user;
}

/* From the side of `user`, one of the two. */
static void unpack(const struct in_use *in_use, uint64_t user, struct store_customer_pair *pair)
{
    struct text texts[TEXTS];
    const char *from = in_use->texts;
    bool turned = user != in_use->user;
    pair_texts(pair, texts);
    for (size_t i = 0; i < TEXTS; i++) {
        const struct text *to = &texts[i && turned ? (i > 3 ? i - 3 : i + 3) : i];
        size_t len = strlen(from) + 1;
        CG_ASSERT(len <= to->size);
        memcpy(to->ptr, from, len);
        from += len;
    }
    pair->conversation = in_use->conversation;
    pair->user.user = turned ? in_use->friend : in_use->user;
    pair->friend.user = turned ? in_use->user : in_use->friend;
}

static struct in_use *use(struct store_customer_pair *pair)
{
    struct in_use *in_use = map_get(&conversations, pair->conversation);
    if (!in_use) {
        in_use = mem_zalloc(sizeof *in_use);
        in_use->conversation = pair->conversation;
        map_put(&conversations, pair->conversation, in_use);
    }
    pack(in_use, pair);
    in_use->sessions++;
    return in_use;
}

static void unuse(struct in_use *in_use)
{
    CG_ASSERT(in_use->sessions);
    if (--in_use->sessions)
        return;
    map_take(&conversations, in_use->conversation);
    free(in_use->texts);
    free(in_use);
}

static void encode(const struct message *message, struct buf *out)
{
    const struct in_use *in_use = map_get(&conversations, message->conversation);
    struct store_customer_pair pair;
    if (!in_use)
        return;
    unpack(in_use, in_use->user, &pair);
    customer_add_row(out, message, &pair);
}

/* The log holds rows; `changed` puts the list together. */
const struct encoding customer_encoding = {
    .name = "customer",
    .history = true,
    .pulled = true,
    .message = encode,
};

/* ---- the list ---- */

/* Begins and ends it; between the two go its rows. `bytes`: of all of them. */
static void list_open(struct buf *list, size_t bytes)
{
    buf_init(list, bytes + 64);
    json_begin_object(list);
    json_add_int(list, "code", 1);
    json_add_array(list, "data");
}

static void list_add(void *list, struct str row)
{
    json_add_raw(list, NULL, row);
}

static void list_send(struct buf *list, struct session *session)
{
    json_end_array(list);
    json_end_object(list);
    if (list->failed)
        session_send_text(session, STR(CUSTOMER_FAILED));
    else
        session_send_text(session, buf_str(list));
    buf_fini(list);
}

static void send_list(struct session *session);

/* It has read all that it got. */
static void send_owed(struct session *session)
{
    if (state_of(session)->list.owed && !session->closing)
        send_list(session);
}

/* The database's answer when the log does not reach back far enough. */
static void encode_row(void *pair, const struct message *message, struct buf *out)
{
    customer_add_row(out, message, pair);
}

static void on_history(struct reader *reader, struct page *page, enum err err)
{
    struct customer_state *state = container_of(reader, struct customer_state, reader);
    struct session *session = state->session;
    struct buf list;
    state->list.asked = false;
    if (err) {
        session_send_text(session, STR(CUSTOMER_FAILED));
    } else {
        list_open(&list, page->rows.len + page->count);
        page_add_rows(page, &list);
        list_send(&list, session);
    }
    send_owed(session);
}

static size_t list_bytes(const struct settings *settings)
{
    return (size_t)settings->history_bytes + (size_t)settings->history_limit * CUSTOMER_ROW_EXTRA;
}

static enum err read_history(struct customer_state *state)
{
    const struct settings *settings = protocol_context.settings;
    struct store_range range = {
        .conversation = state->in_use->conversation,
        .before = INT64_MAX,
        .limit = (unsigned)settings->history_limit,
        .latest = true,
    };
    size_t row_max = 6 * (size_t)settings->max_message_bytes + CUSTOMER_ROW_EXTRA;
    struct page *page =
        reader_plan(&state->reader, &range, list_bytes(settings), row_max, sizeof(struct store_customer_pair));
    page->encode = encode_row;
    unpack(state->in_use, state->user, page->arg);
    return reader_ask(&state->reader, protocol_context.hub, state->user, on_history);
}

static void on_later(struct wheel_timer *timer)
{
    struct customer_state *state = container_of(timer, struct customer_state, later);
    send_owed(state->session);
}

/* A list tells all: one that comes before the last is read, or made, would only be thrown away for the next. While too
 * much waits for clients it comes later. It is not refused: it may be the answer to what was stored. */
static void send_list(struct session *session)
{
    struct customer_state *state = state_of(session);
    const struct settings *settings = protocol_context.settings;
    struct buf list;
    if (!session_may_answer(session, &state->list))
        return;
    state->list.asked = false; /* from the log it is there at once */
    if (debts_are_high()) {
        state->list.owed = true;
        wheel_set(protocol_context.hub->wheel, &state->later, LATER_MS);
        return;
    }
    list_open(&list, list_bytes(settings) + (size_t)settings->max_message_bytes);
    if (hub_recent(protocol_context.hub, state->in_use->conversation, ENCODING_CUSTOMER, list_add, &list)) {
        list_send(&list, session);
        return;
    }
    buf_fini(&list);
    state->list.asked = !read_history(state);
    if (!state->list.asked)
        session_send_text(session, STR(CUSTOMER_FAILED));
}

/* ---- admission ---- */

struct admission {
    struct job job;
    uint64_t session_id;
    char app_sid[ARGUMENT_BYTES], friend_account[ARGUMENT_BYTES], user_account[ARGUMENT_BYTES];
    bool by_token; /* then `token` says who the user is */
    struct token token;
    uint64_t moment;
    enum err stranger; /* why it is of nobody */
    struct store_customer_pair pair;
    int missing;
};

/* An account is the application's id of its user. */
static enum err name_by_token(struct admission *a, struct store *store)
{
    struct store_app_user *user = mem_zalloc(sizeof *user);
    a->stranger = store_app_user_come(store, &a->token, user);
    snprintf(a->user_account, ARGUMENT_BYTES, "%s", user->id);
    free(user);
    return a->stranger;
}

static void look_up(struct job *job, struct store *store)
{
    struct admission *a = (struct admission *)job;
    if (a->by_token && (job->err = name_by_token(a, store)))
        return;
    job->err = store_customer_pair(store, str_of(a->app_sid), str_of(a->friend_account), str_of(a->user_account),
                                   &a->pair, &a->missing);
}

static void refuse(struct session *session, struct str answer, unsigned code, const char *reason)
{
    session_send_text(session, answer);
    protocol_refuse(session, code, reason);
}

static void on_refused_long_enough(struct wheel_timer *timer)
{
    struct refused *refused = container_of(timer, struct refused, timer);
    session_close(refused->session, 1008, refused->reason);
}

/* As the article's server does: it says so, and leaves the socket to its client. One that names nobody is not listened to
 * any more. */
static void refuse_softly(struct session *session, struct str told, struct str answer, const char *reason)
{
    int64_t left_ms = protocol_context.settings->customer_refused_ms;
    if (!left_ms) {
        refuse(session, told, 1008, reason);
        return;
    }
    struct refused *refused = mem_zalloc(sizeof *refused);
    *refused =
        (struct refused){.timer.fired = on_refused_long_enough, .session = session, .answer = answer, .reason = reason};
    state_of(session)->refused = refused;
    metric_inc(METRIC_ADMISSIONS_REFUSED);
    wheel_set(session->owner->wheel, &refused->timer, left_ms);
    session_pause(session, SESSION_ENTERING, false);
    session_send_text(session, told);
}

static void on_looked_up(struct job *job)
{
    struct admission *admission = (struct admission *)job;
    struct session *session = sessions_find(protocol_context.hub->sessions, admission->session_id);
    struct protocol_proof proof = {admission->pair.generation, admission->by_token, admission->moment,
                                   admission->by_token};
    const struct protocol_refusal *why;
    if (session && !session->closing) {
        if (admission->stranger == ERR_NOT_FOUND || admission->stranger == ERR_DENIED) {
            protocol_refuse(session, PROTOCOL_CLOSE_UNAUTHORIZED, protocol_stranger(admission->stranger));
        } else if (job->err == ERR_NOT_FOUND || job->err == ERR_INVALID) {
            refuse_softly(session, STR(CUSTOMER_UNKNOWN), STR(CUSTOMER_UNKNOWN), "Unknown user");
        } else if (job->err) {
            refuse(session, STR(CUSTOMER_FAILED), 1013, "Try again later");
        } else if ((why = protocol_admit(session, admission->pair.user.user, admission->pair.conversation, &proof))) {
            refuse(session, why->code == 1008 ? STR(CUSTOMER_BANNED) : STR(CUSTOMER_FAILED), why->code, why->reason);
        } else {
            struct customer_state *state = state_of(session);
            state->in_use = use(&admission->pair);
            state->user = admission->pair.user.user;
            if (admission->by_token)
                session_expire(session, admission->token.expires_s);
            hub_join(protocol_context.hub, session, state->in_use->conversation, ENCODING_CUSTOMER);
        }
    }
    token_fini(&admission->token);
    free(admission);
}

static void open_session(struct session *session, const struct request *request)
{
    struct admission *a = mem_zalloc(sizeof *a);
    a->by_token = protocol_doors_closed();
    enum token_refusal refused = a->by_token ? protocol_read_token(request, &a->token) : TOKEN_GOOD;
    if (refused) {
        free(a);
        protocol_refuse_token(session, refused);
        return;
    }
    a->moment = protocol_moment();
    state_of(session)->session = session;
    state_of(session)->later.fired = on_later;
    struct str app_sid = request->argument(request, "app_sid", a->app_sid, ARGUMENT_BYTES);
    struct str friend = request->argument(request, "friendphone", a->friend_account, ARGUMENT_BYTES);
    struct str user = request->argument(request, "userphone", a->user_account, ARGUMENT_BYTES);
    if (!app_sid.len || !friend.len || (!user.len && !a->by_token)) {
        token_fini(&a->token);
        free(a);
        refuse_softly(session, STR(CUSTOMER_INCOMPLETE), STR(""), "Parameters are missing");
        return;
    }
    /* the argument stands behind its name in the buffer: bring it to the front */
    memmove(a->app_sid, app_sid.ptr, app_sid.len + 1);
    memmove(a->friend_account, friend.ptr, friend.len + 1);
    if (user.len)
        memmove(a->user_account, user.ptr, user.len + 1);
    a->job.work = look_up;
    a->job.done = on_looked_up;
    a->session_id = session->id;
    job_charge(&a->job, JOB_ARRIVAL, session_payer(session), 3);
    if (db_pool_try(protocol_context.db_pool, &a->job)) {
        token_fini(&a->token);
        free(a);
        refuse(session, STR(CUSTOMER_FAILED), 1013, "Try again later");
        return;
    }
    session_pause(session, SESSION_ENTERING, true);
}

static void joined(struct session *session, struct subscription *sub)
{
    (void)sub;
    if (session->closing)
        return;
    send_list(session);
    session_pause(session, SESSION_ENTERING, false);
}

static void not_joined(struct session *session, uint64_t conversation, enum err err)
{
    (void)conversation;
    (void)err;
    if (!session->closing)
        refuse(session, STR(CUSTOMER_FAILED), 1013, "Try again later");
}

static void changed(struct session *session, struct subscription *sub)
{
    (void)sub;
    send_list(session);
}

static void closed(struct session *session)
{
    struct customer_state *state = state_of(session);
    hub_leave(protocol_context.hub, session);
    wheel_cancel(&state->later);
    reader_stop(&state->reader);
    if (state->in_use)
        unuse(state->in_use);
    if (state->refused)
        wheel_cancel(&state->refused->timer);
    free(state->refused);
}

/* ---- frames in ---- */

static void fail_with(struct session *session, struct str answer)
{
    metric_inc(METRIC_FRAMES_REFUSED);
    session_send_text(session, answer);
}

static void fail(struct session *session)
{
    fail_with(session, STR(CUSTOMER_FAILED));
}

/* The frame with that client_id was refused, or its outcome is not known. */
static void fail_for(struct session *session, struct str client_id, const char *error)
{
    struct buf out;
    buf_init(&out, 1024);
    customer_add_failed(&out, error, client_id);
    fail_with(session, buf_str(&out));
    buf_fini(&out);
}

static void limited(struct session *session, struct str message, int64_t retry_after_ms)
{
    char answer[160];
    (void)message;
    snprintf(answer, sizeof answer, CUSTOMER_LIMITED, (long long)retry_after_ms);
    fail_with(session, str_of(answer));
}

static void on_frame(struct session *session, const struct customer_frame *frame)
{
    struct store_customer_pair pair;
    unpack(state_of(session)->in_use, state_of(session)->user, &pair);
    if (!customer_frame_is_of(frame, str_of(pair.app_sid), str_of(pair.friend.account), str_of(pair.user.account))) {
        metric_inc(METRIC_IDENTITY_REFUSED);
        fail_for(session, frame->client_id, "identity");
        return;
    }
    struct buf clean;
    buf_init(&clean, frame->content.len * 2 + 16);
    text_add_content(&clean, frame->content);
    struct message message = {
        .conversation = pair.conversation,
        .sender = pair.user.user,
        .kind = frame->kind,
        .sender_name = str_of(pair.user.username),
        .content = buf_str(&clean),
        .client_id = frame->client_id,
    };
    enum err err = hub_post(protocol_context.hub, post_of(session, 0), &message);
    if (err == ERR_DENIED)
        fail_with(session, STR(CUSTOMER_MUTED));
    else if (err)
        fail_for(session, frame->client_id, protocol_post_code(err));
    buf_fini(&clean);
}

static void received(struct session *session, struct str text)
{
    struct json_object *object;
    struct customer_frame frame;
    const struct refused *refused = state_of(session)->refused;
    metric_inc(METRIC_FRAMES_IN);
    if (refused) {
        if (refused->answer.len)
            fail_with(session, refused->answer);
        return;
    }
    if (!state_of(session)->in_use) { /* it is paused until then: not to be relied on */
        session_close(session, 1013, "Try again later");
        return;
    }
    if (json_parse_utf8_object(text, &object)) {
        fail(session);
        return;
    }
    if (customer_frame_read(object, protocol_context.settings->media_url, &frame))
        fail(session);
    else
        on_frame(session, &frame);
    json_object_put(object);
}

static void posted(struct session *session, uint64_t number, const struct store_post *post)
{
    (void)number;
    if (post->err)
        fail_for(session, post->message.client_id, post->err == ERR_UNKNOWN ? "unknown" : "unavailable");
    else if (post->repeated)
        send_list(session); /* nothing new comes to the log; else the list is the answer */
}

static bool claims(struct str path)
{
    return str_eq(path, STR("/chat/v1/message"));
}

const struct protocol customer_protocol = {
    .name = "customer",
    .sees_to_tokens = true,
    .state_size = sizeof(struct customer_state),
    .claims = claims,
    .open = open_session,
    .limited = limited,
    .received = received,
    .joined = joined,
    .not_joined = not_joined,
    .changed = changed,
    .drained = send_owed,
    .posted = posted,
    .closed = closed,
};
