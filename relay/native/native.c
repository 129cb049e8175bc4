#include "relay/native/native.h"

#include "common/clock.h"
#include "common/container.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/store_app_user.h"
#include "common/text.h"
#include "relay/native/native_client.h"
#include "relay/native/native_commands.h"
#include "relay/native/native_encode.h"
#include "relay/core/wsframe.h"

#include <stdio.h>
#include <stdlib.h>

/* Each conversation with its name, which may be all escapes. */
enum { ANSWER_BYTES = 4096 + NATIVE_ROOMS_AT_ONCE * (6 * NATIVE_ID_MAX + 512) };

#define NUMBER_MAX ((INT64_C(1) << 53) - 1)

/* ---- answers ---- */

static void begin_answer(struct buf *out, size_t max, int64_t re, bool ok)
{
    buf_init(out, max);
    json_begin_object(out);
    if (re == NATIVE_NO_ID)
        json_add_null(out, "re");
    else
        json_add_int(out, "re", re);
    json_add_bool(out, "ok", ok);
}

void native_begin(struct buf *out, size_t max, int64_t re)
{
    begin_answer(out, max, re, true);
}

void native_end(struct native *native, struct buf *out)
{
    json_end_object(out);
    CG_ASSERT(!out->failed);
    session_queue(native->session, WSFRAME_TEXT, buf_str(out), STR(""));
    buf_fini(out);
}

void native_ok(struct native *native, int64_t re)
{
    struct buf out;
    native_begin(&out, 128, re);
    native_end(native, &out);
}

void native_add_error(struct buf *out, const char *code, const char *message, int64_t retry_ms)
{
    json_add_object(out, "error");
    json_add_text(out, "code", code);
    json_add_text(out, "message", message);
    if (retry_ms)
        json_add_int(out, "retry_after_ms", retry_ms);
    json_end_object(out);
}

static void refuse(struct native *native, int64_t re, const char *code, const char *message, int64_t retry_ms)
{
    struct buf out;
    begin_answer(&out, 1024, re, false);
    native_add_error(&out, code, message, retry_ms);
    metric_inc(METRIC_FRAMES_REFUSED);
    native_end(native, &out);
}

void native_refuse(struct native *native, int64_t re, const char *code, const char *message)
{
    refuse(native, re, code, message, 0);
}

void native_refuse_for(struct native *native, int64_t re, const char *code, const char *message, int64_t retry_ms)
{
    refuse(native, re, code, message, retry_ms);
}

void native_refuse_argument(struct native *native, int64_t re, const char *field, const char *rule)
{
    char message[256];
    snprintf(message, sizeof message, "%s %s", field, rule);
    native_refuse(native, re, "bad_argument", message);
}

/* A refusal that says when to try again. */
static void again(struct native *native, int64_t re, const char *code, const char *message)
{
    refuse(native, re, code, message, NATIVE_RETRY_MS);
}

void native_fail(struct native *native, int64_t re, enum err err)
{
    switch (err) {
    case ERR_NOT_FOUND: native_refuse(native, re, "not_found", "no such thing, or not one of yours"); break;
    case ERR_DENIED: native_refuse(native, re, "forbidden", "only its author may, and only what was said"); break;
    case ERR_TOO_BIG: native_refuse(native, re, "too_many", "too many different reactions to this message"); break;
    case ERR_INVALID: native_refuse(native, re, "bad_argument", "reply_to: there is no such message"); break;
    case ERR_DUPLICATE: native_refuse(native, re, "conflict", "this client_id was used for another command"); break;
    case ERR_BUSY: again(native, re, "busy", "too much is going on"); break;
    case ERR_UNKNOWN: again(native, re, "unknown", "it may or may not have been done"); break;
    case ERR_DOWN: again(native, re, "unavailable", "it was not done: try again later"); break;
    default: native_refuse(native, re, "unavailable", "it could not be done"); break;
    }
}

struct native *native_find(uint64_t session_id)
{
    struct session *session = sessions_find(protocol_context.hub->sessions, session_id);
    return session && !session->closing ? native_of(session) : NULL;
}

bool native_look_up(struct native *native, int64_t re, struct job *job)
{
    if (native->asked < NATIVE_ASKED_MAX && !db_pool_try(protocol_context.db_pool, job)) {
        native->asked++;
        return true;
    }
    free(job);
    native_fail(native, re, ERR_BUSY);
    return false;
}

bool native_begin_much(struct native *native, int64_t re)
{
    if (debts_refuse()) {
        native_fail(native, re, ERR_BUSY);
        return false;
    }
    session_pause(native->session, SESSION_ANSWERING, true);
    return true;
}

void native_end_much(struct native *native)
{
    session_pause(native->session, SESSION_ANSWERING, false);
    native_carry_on(native);
}

/* ---- hello: who is it ---- */

struct greeting {
    struct job job;
    uint64_t session_id;
    int64_t re;
    struct token token; /* its user_id also without one */
    bool by_token;
    uint64_t moment;
    struct native_hello *hello;
    struct store_native_arrival arrival;
    struct store_native_wanted wanted[]; /* of each room of the hello */
};

/* Those who came with a token of the application: which user of ours each is. */
static void look_up_of_app(struct job *const *jobs, size_t count, struct store *store)
{
    _Static_assert((int)DB_POOL_TOGETHER <= (int)STORE_APP_SEEN_MAX, "one question for all of them");
    struct store_app_seen seen[DB_POOL_TOGETHER];
    struct greeting *of_app[DB_POOL_TOGETHER];
    struct store_app_user *users = mem_zalloc(count * sizeof *users);
    size_t some = 0;
    for (size_t i = 0; i < count; i++) {
        struct greeting *greeting = (struct greeting *)jobs[i];
        if (!greeting->token.app)
            continue;
        seen[some] = (struct store_app_seen){.claims = greeting->token.app, .user = &users[some]};
        of_app[some++] = greeting;
    }
    if (some && store_app_users_seen(store, seen, some))
        log_warn("native.app_users_unknown", "count=%zu", some);
    for (size_t i = 0; i < some; i++) {
        of_app[i]->job.err = seen[i].err;
        if (!seen[i].err)
            memcpy(of_app[i]->token.user_id, users[i].public_id, ID_MAX);
        of_app[i]->arrival.user_id = str_of(of_app[i]->token.user_id);
    }
    free(users);
}

static void look_up(struct job *const *jobs, size_t count, struct store *store)
{
    struct store_native_arrival *arrivals[DB_POOL_TOGETHER] = {NULL};
    look_up_of_app(jobs, count, store);
    for (size_t i = 0; i < count; i++)
        arrivals[i] = &((struct greeting *)jobs[i])->arrival;
    enum err err = store_native_arrivals(store, arrivals, count);
    for (size_t i = 0; i < count; i++)
        if (!jobs[i]->err)
            jobs[i]->err = err ? err : arrivals[i]->err;
}

static void greeting_free(struct greeting *greeting)
{
    token_fini(&greeting->token);
    free(greeting->hello);
    free(greeting);
}

/* Members of a space see each other's ids, a password is there to be asked for, and the application's users come with
 * tokens. */
static bool may_speak(const struct greeting *greeting)
{
    const struct store_native_user *user = &greeting->arrival.user;
    if (greeting->by_token)
        return rights_accept(&user->rights, &greeting->token);
    return user->realm != REALM_SPACES && user->realm != REALM_APP && !user->has_password;
}

static void on_timer(struct wheel_timer *timer)
{
    struct native *native = container_of(timer, struct native, timer);
    if (!native->session->closing && !native->user)
        session_close(native->session, 1008, "No hello in time");
}

/* Told, and closed: the token will not become better, and a browser learns it from the close. */
static void refuse_token(struct native *native, int64_t re, enum token_refusal refusal)
{
    native_refuse(native, re, token_refusal_code(refusal), token_refusal_text(refusal));
    protocol_refuse_token(native->session, refusal);
}

static void be(struct native *native, const struct store_native_user *user)
{
    const char *const texts[] = {user->name, user->head, user->id, user->face};
    char **const own[] = {&native->name, &native->head, &native->id, &native->face};
    size_t len = 0;
    for (size_t i = 0; i < 4; i++)
        len += strlen(texts[i]) + 1;
    char *at = mem_zalloc(len);
    for (size_t i = 0; i < 4; i++) {
        *own[i] = at;
        at = stpcpy(at, texts[i]) + 1;
    }
    native->user = user->user;
}

static void admit(struct native *native, struct greeting *greeting)
{
    const struct store_native_user *user = &greeting->arrival.user;
    struct protocol_proof proof = {user->rights.generation, greeting->by_token, greeting->moment,
                                   user->realm == REALM_APP};
    const struct protocol_refusal *why = protocol_admit(native->session, user->user, 0, &proof);
    if (why) {
        protocol_refuse(native->session, why->code, why->reason);
        return;
    }
    be(native, user);
    wheel_cancel(&native->timer);
    if (greeting->by_token)
        session_expire(native->session, greeting->token.expires_s);
    native->hello = greeting->hello;
    greeting->hello = NULL;
    native->hello_left = 2; /* the inbox, so that what is read from now on is heard of, and native_join_all */
    hub_join(protocol_context.hub, native->session, WIRE_INBOX(native->user), ENCODING_NATIVE);
    native_join_all(native, native->hello, greeting->wanted);
}

static void on_looked_up(struct job *job)
{
    struct greeting *greeting = (struct greeting *)job;
    struct native *native = native_find(greeting->session_id);
    if (native) {
        native->asking = false;
        native->asked--;
        if (job->err && job->err != ERR_NOT_FOUND)
            native_fail(native, greeting->re, ERR_DOWN);
        else if (protocol_doors_closed() && greeting->arrival.user.realm != REALM_APP)
            refuse_token(native, greeting->re, TOKEN_UNKNOWN_KEY); /* of users that do not come in any more */
        else if (job->err || !may_speak(greeting))
            native_refuse(native, greeting->re, "unauthorized", "a known user, or a valid token, is needed");
        else
            admit(native, greeting);
    }
    greeting_free(greeting);
}

/* The list that `resume` is; NULL: there is none that could be read. */
static struct json_object *resume_list(struct json_object *object)
{
    struct json_object *list;
    if (!json_object_object_get_ex(object, "resume", &list) || !json_object_is_type(list, json_type_array))
        return NULL;
    return json_object_array_length(list) <= NATIVE_ROOMS_AT_ONCE ? list : NULL;
}

/* Takes `resume`: what is wrong with it, or NULL. */
static const char *read_resume(struct json_object *object, struct greeting *greeting)
{
    static const char form[] = "an entry of resume is {room, epoch, seq, presence}, and nothing else";
    struct json_object *list = resume_list(object);
    struct native_hello *hello = greeting->hello;
    struct str id;
    if (!list)
        return json_has(object, "resume") ? "resume must be a list, and may have 100 entries" : NULL;
    for (size_t i = 0; i < greeting->arrival.count; i++) {
        struct json_object *entry = json_object_array_get_idx(list, i);
        struct native_hello_room *room = &hello->rooms[hello->count++];
        if (!json_object_is_type(entry, json_type_object) || !json_get_string(entry, "room", &id) ||
            id.len >= NATIVE_ID_MAX || !native_read_cursor(entry, &room->cursor, &room->presence) ||
            json_unknown(entry, "room epoch seq presence"))
            return form;
        memcpy(room->id, id.ptr, id.len);
        greeting->wanted[i].id = str_of(room->id);
        for (size_t j = 0; j < i; j++)
            if (!strcmp(hello->rooms[j].id, room->id))
                return "resume names a conversation twice";
    }
    return NULL;
}

/* Reads which user it claims to be. False: none, two, or *refusal is set. */
static bool read_user(struct json_object *object, struct greeting *greeting, enum token_refusal *refusal)
{
    struct str token = STR(""), user;
    bool has_user = json_get_string(object, "user", &user);
    *refusal = TOKEN_GOOD;
    greeting->by_token = json_get_string(object, "token", &token) || protocol_doors_closed();
    if (greeting->by_token) {
        greeting->moment = protocol_moment();
        *refusal = token_check(protocol_context.tokens, token, &greeting->token);
        const struct token *said = &greeting->token;
        if (*refusal || (has_user && !str_eq(user, said->app ? said->app->id : str_of(said->user_id))))
            return false;
    } else if (has_user && id_is(user, STORE_USER_PREFIX)) {
        memcpy(greeting->token.user_id, user.ptr, user.len);
    } else {
        return false;
    }
    greeting->arrival.user_id = str_of(greeting->token.user_id);
    return true;
}

/* False: it is no boolean. */
static bool read_beat(struct json_object *object, bool *beat)
{
    struct json_object *flag;
    if (!json_has(object, "beat"))
        return true;
    *beat = json_object_object_get_ex(object, "beat", &flag) && json_object_get_boolean(flag);
    return json_object_is_type(flag, json_type_boolean);
}

static struct greeting *greeting_new(struct native *native, int64_t re, struct json_object *object)
{
    struct json_object *list = resume_list(object);
    size_t count = list ? json_object_array_length(list) : 0;
    struct greeting *greeting = mem_zalloc(sizeof *greeting + count * sizeof greeting->wanted[0]);
    greeting->hello = mem_zalloc(sizeof *greeting->hello + count * sizeof greeting->hello->rooms[0]);
    greeting->job.work_all = look_up;
    greeting->job.done = on_looked_up;
    greeting->session_id = native->session->id;
    greeting->re = greeting->hello->re = re;
    greeting->arrival.wanted = greeting->wanted;
    greeting->arrival.count = count;
    return greeting;
}

static void on_hello(struct native *native, int64_t re, struct json_object *object)
{
    if (native->user || native->asking) {
        native_refuse(native, re, "bad_command", "hello is said once");
        return;
    }
    struct greeting *greeting = greeting_new(native, re, object);
    enum token_refusal refusal = TOKEN_GOOD;
    const char *wrong = read_resume(object, greeting);
    if (!read_beat(object, &greeting->hello->beat))
        wrong = "beat is a boolean";
    if (wrong) {
        native_refuse(native, re, "bad_argument", wrong);
    } else if (read_user(object, greeting, &refusal)) {
        struct native_hello *hello = greeting->hello;
        struct token token = greeting->token;
        job_charge(&greeting->job, JOB_ARRIVAL, session_payer(native->session), 1 + greeting->arrival.count / 4);
        native->asking = native_look_up(native, re, &greeting->job);
        if (!native->asking) { /* the job is gone already */
            free(hello);
            token_fini(&token);
        }
        return;
    } else if (refusal) {
        refuse_token(native, re, refusal);
    } else {
        native_refuse(native, re, "unauthorized", "a known user, or a valid token, is needed");
    }
    greeting_free(greeting);
}

/* ---- refresh: a new token before the old one ends ---- */

static void renew(struct native *native, const struct greeting *greeting)
{
    struct session *session = native->session;
    const struct store_native_user *user = &greeting->arrival.user;
    struct buf out;
    if (protocol_revoked(user->user, 0, user->rights.generation) || greeting->moment != protocol_moment()) {
        native_fail(native, greeting->re, ERR_BUSY); /* it was looked up before something was made void */
        return;
    }
    session->client.generation = user->rights.generation;
    session_expire(session, greeting->token.expires_s);
    native_begin(&out, 128, greeting->re);
    json_add_int(&out, "expires", greeting->token.expires_s * 1000);
    native_end(native, &out);
}

static void on_refresh_looked_up(struct job *job)
{
    struct greeting *greeting = (struct greeting *)job;
    struct native *native = native_find(greeting->session_id);
    if (native) {
        native->asked--;
        if (job->err && job->err != ERR_NOT_FOUND)
            native_fail(native, greeting->re, ERR_DOWN);
        else if (job->err || !may_speak(greeting))
            native_refuse(native, greeting->re, "unauthorized", "a valid token of this user is needed");
        else if (greeting->arrival.user.user != native->user)
            native_refuse(native, greeting->re, "forbidden", "the token is another user's");
        else
            renew(native, greeting);
    }
    greeting_free(greeting);
}

/* A token that is not believed changes nothing: the one that the connection came with is good until its end. */
static void on_refresh(struct native *native, int64_t re, struct json_object *object)
{
    struct str text;
    enum token_refusal refusal;
    if (!json_get_string(object, "token", &text)) {
        native_refuse(native, re, "bad_argument", "token is missing");
        return;
    }
    if (!native->session->client.by_token) {
        native_refuse(native, re, "forbidden", "this connection came without a token");
        return;
    }
    struct greeting *greeting = greeting_new(native, re, object);
    greeting->job.done = on_refresh_looked_up;
    if (!read_user(object, greeting, &refusal)) {
        native_refuse(native, re, refusal ? token_refusal_code(refusal) : "unauthorized",
                      refusal ? token_refusal_text(refusal) : "a valid token of this user is needed");
        greeting_free(greeting);
        return;
    }
    struct native_hello *hello = greeting->hello;
    struct token token = greeting->token;
    job_charge(&greeting->job, JOB_ASK, native->user, 1);
    if (!native_look_up(native, re, &greeting->job)) { /* the job is gone already */
        free(hello);
        token_fini(&token);
    }
}

static void add_room(struct native *native, const struct native_hello_room *asked, struct buf *out)
{
    const struct native_room *room = native_room_named(native, str_of(asked->id));
    json_add_object(out, NULL);
    json_add_text(out, "room", asked->id);
    if (room && room->joined)
        native_add_joined(out, room);
    else
        native_add_error(out, asked->code, asked->message, 0);
    json_end_object(out);
}

/* ---- beats ---- */

static void on_beat(struct wheel_timer *timer)
{
    struct native_beat *beat = container_of(timer, struct native_beat, timer);
    struct session *session = beat->session;
    int64_t interval = session_ping_ms(session), now_ms = session->owner->wheel->now_ms;
    if (!session->closing && !session->blocked && now_ms - session->gave_ms >= interval)
        session_queue(session, WSFRAME_TEXT, STR("{}"), STR(""));
    int64_t silent = now_ms - session->gave_ms;
    wheel_set(session->owner->wheel, timer, silent < interval ? interval - silent : interval);
}

static void begin_beats(struct native *native)
{
    native->beat = mem_zalloc(sizeof *native->beat);
    native->beat->session = native->session;
    native->beat->timer.fired = on_beat;
    wheel_set(protocol_context.hub->wheel, &native->beat->timer, session_ping_ms(native->session));
}

static void end_beats(struct native *native)
{
    if (native->beat)
        wheel_cancel(&native->beat->timer);
    free(native->beat);
}

/* ---- the answer to hello ---- */

/* `per_s` 0: any number. */
static void add_rate(struct buf *out, const char *key, struct rate rate)
{
    json_add_object(out, key);
    json_add_int(out, "per_s", rate.per_s);
    json_add_int(out, "burst", rate.burst);
    json_end_object(out);
}

/* What this client may do here; docs/protocol.md says it in words. */
static void add_limits(struct native *native, struct buf *out)
{
    const struct settings *settings = protocol_context.settings;
    const struct rates rates = limits_of_connection(settings, &native->session->client);
    json_add_object(out, "limits");
    json_add_int(out, "message_bytes", settings->max_message_bytes);
    json_add_int(out, "rooms", settings->native_rooms_max);
    json_add_object(out, "rates");
    add_rate(out, "messages", rates.messages);
    add_rate(out, "kib", rates.kib);
    json_end_object(out);
    json_add_object(out, "uploads");
    json_add_int(out, "bytes", settings->upload_max_bytes);
    json_end_object(out);
    native_add_kinds(out, "kinds");
    json_end_object(out);
}

void native_hello_settled(struct native *native)
{
    struct native_hello *hello = native->hello;
    struct buf out;
    CG_ASSERT(native->hello_left);
    if (--native->hello_left)
        return;
    native->hello = NULL;
    native->known = true;
    struct native_room *room;
    SLIST_FOREACH(room, &native->rooms, link)
        room->joined = room->in_hello && hub_subscription(native->session, room->membership.conversation);
    native_begin(&out, ANSWER_BYTES, hello->re);
    json_add_text(&out, "user", native->name);
    json_add_u64(&out, "uid", native->user);
    if (*native->id)
        json_add_text(&out, "id", native->id);
    json_add_u64(&out, "epoch", protocol_context.hub->epoch);
    json_add_int(&out, "ping_ms", session_ping_ms(native->session));
    add_limits(native, &out);
    json_add_array(&out, "joined");
    for (size_t i = 0; i < hello->count; i++)
        add_room(native, &hello->rooms[i], &out);
    json_end_array(&out);
    native_end(native, &out);
    SLIST_FOREACH(room, &native->rooms, link)
        if (room->joined)
            native_go(room);
    native_catch_up(native);
    if (hello->beat)
        begin_beats(native);
    free(hello);
}

/* ---- commands ---- */

static void on_ping(struct native *native, int64_t re, struct json_object *object)
{
    struct buf out;
    (void)object;
    native_begin(&out, 128, re);
    json_add_int(&out, "ts", clock_wall_ms());
    native_end(native, &out);
}

static const struct {
    const char *name;
    const char *fields; /* that it may have */
    bool before_hello;
    native_handler *handle;     /* one of these two: */
    native_room_handler *visit; /* it names a conversation in `room` */
} commands[] = {
    {"hello", "id cmd user token resume beat", true, on_hello, NULL},
    {"ping", "id cmd", false, on_ping, NULL},
    {"refresh", "id cmd token", false, on_refresh, NULL},
    {"join", "id cmd room epoch seq presence", false, NULL, native_join},
    {"leave", "id cmd room", false, NULL, native_leave},
    {"send", "id cmd room client_id kind content meta reply_to mentions", false, NULL, native_send},
    {"edit", "id cmd room seq client_id content", false, NULL, native_edit},
    {"recall", "id cmd room seq client_id", false, NULL, native_recall},
    {"react", "id cmd room seq emoji on", false, NULL, native_react},
    {"history", "id cmd room before after limit", false, NULL, native_history},
    {"read", "id cmd room seq", false, NULL, native_read},
    {"unread", "id cmd rooms", false, native_unread, NULL},
    {"members", "id cmd room", false, NULL, native_members},
    {"typing", "id cmd room", false, NULL, native_typing},
    {"conversations", "id cmd limit cursor", false, native_conversations, NULL},
    {"create", "id cmd room type name meta members", false, native_create, NULL},
    {"invite", "id cmd room user role", false, NULL, native_invite},
    {"remove", "id cmd room user", false, NULL, native_remove},
    {"quit", "id cmd room", false, NULL, native_quit},
    {"search", "id cmd q room limit cursor", false, native_search, NULL},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

/* What a client means by a field that is not known here would silently not be done. */
static void refuse_field(struct native *native, int64_t re, const char *name)
{
    enum { SHOWN = 40 };
    char message[SHOWN + 64];
    bool broken;
    struct str shown = str_of(name);
    shown.len = shown.len > SHOWN ? SHOWN : shown.len;
    shown.len = text_utf8_prefix(shown, &broken);
    snprintf(message, sizeof message, "this command has no field %.*s", (int)shown.len, shown.ptr);
    native_refuse(native, re, "bad_argument", message);
}

static void on_command(struct native *native, struct json_object *object)
{
    int64_t re;
    struct str name = STR("");
    const char *unknown;
    size_t i = 0;
    if (!json_get_int(object, "id", 0, NUMBER_MAX, &re))
        re = NATIVE_NO_ID;
    if (!json_get_string(object, "cmd", &name)) {
        native_refuse(native, re, "bad_frame", "cmd is missing");
        return;
    }
    while (i < COMMANDS && !str_eq(name, str_of(commands[i].name)))
        i++;
    if (!native->known && (i == COMMANDS || !commands[i].before_hello))
        native_refuse(native, re, "not_hello", "hello comes first, and its answer");
    else if (i == COMMANDS)
        native_refuse(native, re, "bad_command", "there is no such command");
    else if ((unknown = json_unknown(object, commands[i].fields)))
        refuse_field(native, re, unknown);
    else if (commands[i].handle)
        commands[i].handle(native, re, object);
    else
        native_room_command(native, re, object, commands[i].visit);
}

/* With the command's id, so that its sender knows which it was. */
static void on_limited(struct session *session, struct str text, int64_t retry_after_ms)
{
    struct json_object *object;
    int64_t re = NATIVE_NO_ID;
    if (!json_parse_utf8_object(text, &object)) {
        if (!json_get_int(object, "id", 0, NUMBER_MAX, &re))
            re = NATIVE_NO_ID;
        json_object_put(object);
    }
    refuse(native_of(session), re, "rate", PROTOCOL_LIMITED, retry_after_ms);
}

static void on_received(struct session *session, struct str text)
{
    struct json_object *object;
    metric_inc(METRIC_FRAMES_IN);
    if (json_parse_utf8_object(text, &object)) {
        native_refuse(native_of(session), NATIVE_NO_ID, "bad_frame", "a frame must be one JSON object");
        return;
    }
    on_command(native_of(session), object);
    json_object_put(object);
}

/* ---- a connection's life ---- */

static bool claims(struct str path)
{
    return str_eq(path, STR("/v1"));
}

static void on_open(struct session *session, const struct request *request)
{
    struct native *native = native_of(session);
    (void)request;
    native->session = session;
    native->timer.fired = on_timer;
    native->again.fired = native_on_again;
    wheel_set(protocol_context.hub->wheel, &native->timer, protocol_context.settings->handshake_timeout_ms);
}

static void on_drained(struct session *session)
{
    native_carry_on(native_of(session));
    native_catch_up(native_of(session));
}

static void on_entered(struct session *session)
{
    (void)session; /* what it says need not wait for that */
}

static void on_closed(struct session *session)
{
    struct native *native = native_of(session);
    wheel_cancel(&native->timer);
    wheel_cancel(&native->again);
    hub_leave(protocol_context.hub, session);
    end_beats(native);
    native_rooms_free(native);
    postings_fini(&native->posts);
    free(native->hello);
    free(native->name);
}

const struct protocol native_protocol = {
    .name = "native",
    .sees_to_tokens = true,
    .subprotocol = "chaguan.v1",
    .state_size = sizeof(struct native),
    .claims = claims,
    .open = on_open,
    .limited = on_limited,
    .expelled = native_expelled,
    .received = on_received,
    .joined = native_joined,
    .not_joined = native_not_joined,
    .entered = on_entered,
    .drained = on_drained,
    .posted = native_posted,
    .closed = on_closed,
};

/* ---- read markers ---- */

struct moved {
    const struct wire_mark *mark;
    const struct session *mover;
};

static void tell_moved(void *arg, struct session *session)
{
    const struct moved *moved = arg;
    struct buf out;
    if (session->protocol != &native_protocol || session->closing)
        return;
    struct native_room *room = native_room_of(native_of(session), moved->mark->conversation);
    if (room && room->membership.read_seq < moved->mark->seq)
        room->membership.read_seq = moved->mark->seq;
    if (session == moved->mover || !native_of(session)->known)
        return;
    buf_init(&out, 128);
    json_begin_object(&out);
    json_add_text(&out, "ev", "read");
    json_add_u64(&out, "ch", moved->mark->conversation);
    json_add_u64(&out, "seq", moved->mark->seq);
    native_end(native_of(session), &out);
}

void native_read_moved(uint64_t user, const struct wire_mark *mark, const struct session *mover)
{
    struct moved moved = {mark, mover};
    hub_each(protocol_context.hub, WIRE_INBOX(user), tell_moved, &moved);
}
