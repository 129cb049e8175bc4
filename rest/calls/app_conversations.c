#include "rest/calls/app_conversations.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/store/store_life.h"
#include "common/store/store_words.h"
#include "rest/calls/app_answers.h"
#include "rest/http/failure.h"
#include "rest/services/caller.h"
#include "rest/services/fields.h"
#include "rest/services/idempotency.h"
#include "rest/services/moderate.h"
#include "rest/services/publish.h"

#include <stdlib.h>

int app_failed(struct call *call, enum err err)
{
    return err == ERR_NOT_FOUND ? app_refuse(call, APP_NO_CONVERSATION) : failure_status(err, "conversation");
}

/* ---- who may what ---- */

int app_refuse(struct call *call, enum app_refusal why)
{
    static const int statuses[APP_REFUSALS] = {
        [APP_NO_CONVERSATION] = 404, [APP_NO_USER] = 404,  [APP_NO_MEMBER] = 404,
        [APP_NOT_MEMBER] = 403,      [APP_BANNED] = 403,   [APP_ROLE] = 403,
        [APP_NOT_OURS] = 409,        [APP_FIXED] = 409,    [APP_TWO] = 400,
        [APP_CREATE] = 403,          [APP_CONFLICT] = 409,
    };
    return call_refuse(call, statuses[why], app_refusal_code(why), app_refusal_text(why));
}

struct app_actor app_actor_of(const struct call *call)
{
    const struct caller *caller = call->caller;
    return (struct app_actor){caller->is_user, caller->id, caller->user.role, call->request->remote};
}

/* The status of what app_acts.h says. */
static int status_of(struct call *call, enum err err, enum app_refusal why, const char *what)
{
    return err == ERR_DENIED && why ? app_refuse(call, why) : failure_status(err, what);
}

int app_conversation(struct call *call, enum app_act act, struct store_app_conversation *found, struct buf *meta)
{
    struct app_actor actor = app_actor_of(call);
    enum app_refusal why = APP_ALLOWED;
    enum err err = app_find(call->backends->store, &actor, call->params[0], act, found, meta, &why);
    return status_of(call, err, why, "conversation");
}

/* ---- one ---- */

/* How long it keeps what was said: null, as the settings have it. */
static void add_life(struct buf *out, const struct store_life *life)
{
    if (life->has_days)
        json_add_u64(out, "keep_days", life->days);
    else
        json_add_null(out, "keep_days");
    if (life->has_presence_days)
        json_add_u64(out, "keep_presence_lines_days", life->presence_days);
    else
        json_add_null(out, "keep_presence_lines_days");
    json_add_u64(out, "trimmed", life->trimmed);
}

static int answer(struct call *call, struct str id, int status)
{
    struct store_app_conversation found;
    struct store_life life;
    struct buf meta;
    const struct caller *caller = call->caller;
    buf_init(&meta, 1 << 16);
    enum err err =
        store_app_conversation_find(call->backends->store, id, caller->is_user ? caller->id : 0, false, &found, &meta);
    if (!err)
        err = store_life_get(call->backends->store, found.conversation, &life);
    if (!err) {
        json_begin_object(call->out);
        app_add_conversation(call->out, &found, buf_str(&meta));
        add_life(call->out, &life);
        json_end_object(call->out);
    }
    buf_fini(&meta);
    return err ? app_failed(call, err) : status;
}

static int get(struct call *call)
{
    struct store_app_conversation found;
    int status = app_conversation(call, APP_READ, &found, NULL);
    return status == 200 ? answer(call, call->params[0], 200) : status;
}

/* The application may not change a front end's own conversations. */
static int only_ours(struct call *call, const struct store_app_conversation *found)
{
    return found->kind == KIND_APP ? 200 : app_refuse(call, APP_NOT_OURS);
}

static const struct field patch_fields[] = {
    FIELD("name", TEXT),
    FIELD("meta", OBJECT),
    {.name = "keep_days", .type = FIELD_NUMBER, .nullable = true},
    {.name = "keep_presence_lines_days", .type = FIELD_NUMBER, .nullable = true},
    FIELD_END};

/* A number of days, or null: as the setting has it. */
static bool read_days(struct call *call, const char *name, bool *given, bool *has, uint64_t *days)
{
    int64_t number = 0;
    struct json_object *value = NULL;
    *given = json_object_object_get_ex(call->object, name, &value);
    *has = *given && value;
    if (*has && !json_get_int(call->object, name, 0, STORE_KEEP_DAYS_MAX, &number)) {
        call_refuse_field(call, str_of(name), "must be a number of days up to 36500 (0: for ever), or null");
        return false;
    }
    *days = (uint64_t)number;
    return true;
}

static bool read_life(struct call *call, struct store_life_change *change)
{
    struct store_life *to = &change->to;
    *change = (struct store_life_change){.change_days = false};
    return read_days(call, "keep_days", &change->change_days, &to->has_days, &to->days) &&
           read_days(call, "keep_presence_lines_days", &change->change_presence_days, &to->has_presence_days,
                     &to->presence_days);
}

/* At once, instead of when the relays look next. */
static void tell_revocation(const struct call *call)
{
    (void)!publish_sanction(call->backends, &(struct sanction){.kind = SANCTION_REVOCATION});
}

/* The event first, so that a removed member may still get it. */
static void tell(const struct call *call, struct app_change *change)
{
    if (change->told)
        publish_message(call->backends, change->told, change->epoch);
    if (change->revoked)
        tell_revocation(call);
    free(change->told);
    change->told = NULL;
}

static int patch(struct call *call)
{
    struct store_app_conversation found;
    struct store_app_change change;
    struct store_life_change life;
    struct app_change told = {.made = false};
    struct app_actor actor = app_actor_of(call);
    int status = app_conversation(call, APP_OWN, &found, NULL);
    if (status != 200)
        return status;
    if (!fields_are(call, call->object, patch_fields) ||
        !fields_text(call, call->object, "name", &change.has_title, &change.title) ||
        !fields_object(call, call->object, "meta", APP_META_MAX, &change.has_meta, &change.meta) ||
        !read_life(call, &life))
        return 400;
    bool keeps = life.change_days || life.change_presence_days;
    if ((change.has_title || change.has_meta || !keeps) && (status = only_ours(call, &found)) != 200)
        return status;
    if (keeps && call->caller->is_user)
        return call_refuse(call, 403, "scope", "how long messages are kept is the application's to say");
    if (change.has_title && !app_is_title(change.title))
        return call_refuse_field(call, STR("name"), "must be at most 256 bytes of UTF-8 without controls");
    enum err err = ERR_OK;
    if (change.has_title || change.has_meta)
        err = app_rename(call->backends->store, &actor, found.conversation, &change, &told);
    tell(call, &told);
    if (!err && keeps)
        err = store_life_set(call->backends->store, found.conversation, &life);
    return err ? app_failed(call, err) : answer(call, call->params[0], 200);
}

static int remove_one(struct call *call)
{
    struct app_actor actor = app_actor_of(call);
    enum app_refusal why = APP_ALLOWED;
    bool revoked;
    enum err err = app_delete(call->backends->store, &actor, call->params[0], &revoked, &why);
    if (revoked)
        tell_revocation(call);
    return err ? status_of(call, err, why, "delete_conversation") : 204;
}

/* ---- making one ---- */

static const struct field new_fields[] = {FIELD("id", TEXT),       FIELD_WORD("type", true, APP_TYPES),
                                          FIELD("name", TEXT),     FIELD("meta", OBJECT),
                                          FIELD("members", TEXTS), FIELD_END};

static int make_wished(struct call *call, const struct app_wish *wish)
{
    struct app_actor actor = app_actor_of(call);
    struct store_app_conversation found;
    char public_id[ID_MAX];
    bool made;
    enum app_refusal why = APP_ALLOWED;
    struct str name = idempotency_public_id(call, STORE_CONVERSATION_PREFIX, public_id);
    enum err err =
        app_make(call->backends->store, call->backends->settings, &actor, wish, name, &found, NULL, &made, &why);
    if (err)
        return status_of(call, err, why, "make_conversation");
    return answer(call, str_of(found.name), made ? 201 : 200);
}

static int make(struct call *call)
{
    struct app_wish wish;
    struct app_wrong wrong;
    struct app_actor actor = app_actor_of(call);
    if (!app_may_make(call->backends->settings, &actor))
        return app_refuse(call, APP_CREATE);
    if (!fields_are(call, call->object, new_fields))
        return 400;
    int status = app_wish_read(call->object, "id", &wish, &wrong)
                     ? make_wished(call, &wish)
                     : call_refuse_field(call, str_of(wrong.field), wrong.rule);
    app_wish_fini(&wish);
    return status;
}

/* ---- lists ---- */

static void on_line(void *arg, const struct store_app_line *line)
{
    struct list *list = arg;
    list_row(list, line->conversation);
    app_add_line(list->out, line);
    json_end_object(list->out);
}

static int list_all(struct call *call)
{
    struct list list;
    struct str id;
    struct store_app_user user = {.user = call->caller->is_user ? call->caller->id : 0};
    bool named = http_query(call->query, "user", &id);
    enum err err = ERR_OK;
    if (named && call->caller->is_user && !str_eq(id, str_of(call->caller->user.id)))
        return call_refuse(call, 404, "no_such_user", "no such user");
    if (named && !call->caller->is_user)
        err = store_app_user_find(call->backends->store, id, &user);
    if (err)
        return err == ERR_NOT_FOUND ? call_refuse(call, 404, "no_such_user", "no such user")
                                    : failure_status(err, "conversations");
    if (!list_begin(call, INT64_MAX, &list))
        return 400;
    err = user.user
              ? store_app_conversations_of(call->backends->store, user.user, list.from, list.limit, on_line, &list)
              : store_app_conversations(call->backends->store, list.from, list.limit, on_line, &list);
    list_end(&list);
    return failure_status(err, "conversations");
}

static void on_member(void *arg, const struct store_app_member_line *line)
{
    struct list *list = arg;
    bool is_app = line->realm == REALM_APP;
    list_row(list, line->user);
    if (is_app) /* those of other front ends are credentials */
        json_add_string(list->out, "id", line->id);
    json_add_u64(list->out, "uid", line->user);
    json_add_string(list->out, "name", is_app ? line->name : line->id);
    json_add_string(list->out, "face", line->face);
    json_add_text(list->out, "role", role_word(line->role));
    json_add_int(list->out, "joined", line->joined_ms);
    json_end_object(list->out);
}

static int list_members(struct call *call)
{
    struct store_app_conversation found;
    struct list list;
    int status = app_conversation(call, APP_READ, &found, NULL);
    if (status != 200)
        return status;
    if (!list_begin(call, 0, &list))
        return 400;
    enum err err =
        store_app_members(call->backends->store, found.conversation, list.from, list.limit, on_member, &list);
    list_end(&list);
    return failure_status(err, "members");
}

/* ---- members ---- */

static const struct field member_fields[] = {FIELD_WORD("role", false, APP_ROLES), FIELD_END};

static int put_member(struct call *call)
{
    struct app_actor actor = app_actor_of(call);
    struct app_change change;
    enum app_refusal why = APP_ALLOWED;
    enum store_member_role role = (enum store_member_role)0;
    struct str text;
    bool has_role;
    if (!fields_are(call, call->object, member_fields) || !fields_text(call, call->object, "role", &has_role, &text))
        return 400;
    if (has_role && !role_of_word(text, &role))
        return call_refuse_field(call, STR("role"), "must be owner, moderator, member or reader");
    enum err err = app_put_member(call->backends->store, &actor, call->params[0], call->params[1], role, &change, &why);
    tell(call, &change);
    if (err)
        return status_of(call, err, why, "member");
    json_begin_object(call->out);
    json_add_text(call->out, "id", change.user.id);
    json_add_u64(call->out, "uid", change.user.user);
    json_add_text(call->out, "role", role_word(change.role));
    json_end_object(call->out);
    return change.made ? 201 : 200;
}

static int remove_member(struct call *call)
{
    struct app_actor actor = app_actor_of(call);
    struct app_change change;
    enum app_refusal why = APP_ALLOWED;
    enum err err = app_remove_member(call->backends->store, &actor, call->params[0], call->params[1], &change, &why);
    tell(call, &change);
    return err ? status_of(call, err, why, "member") : 204;
}

#define CALL(verb, where, scopes, means, ...) \
    {.method = verb, .path = where, .scope = scopes, .users = true, .failed = failure_api, .doc = means, __VA_ARGS__}
#define ONE     "/v1/conversations/:c"
#define MEMBERS ONE "/members"

static const struct field list_query[] = {FIELD("user", TEXT), FIELD("limit", NUMBER), FIELD("cursor", TEXT),
                                          FIELD_END};

static const struct route rows[] = {
    CALL("POST", "/v1/conversations", SCOPE_WRITE, "makes a conversation", .creates = true, .body = BODY_JSON,
         .fields = new_fields, .answer = app_conversation_answer, .statuses = "200 201", .handler = make),
    CALL("GET", "/v1/conversations", SCOPE_READ, "conversations, of one user or all", .takes_query = true,
         .query = list_query, .answer = app_conversations_answer, .handler = list_all),
    CALL("GET", ONE, SCOPE_READ, "a conversation", .answer = app_conversation_answer, .handler = get),
    CALL("PATCH", ONE, SCOPE_WRITE, "changes what is given of it", .body = BODY_JSON, .fields = patch_fields,
         .answer = app_conversation_answer, .handler = patch),
    CALL("DELETE", ONE, SCOPE_WRITE, "ends it for everybody", .statuses = "204", .handler = remove_one),
    CALL("GET", MEMBERS, SCOPE_READ, "who is in it", .takes_query = true, .query = app_page_query,
         .answer = app_members_answer, .handler = list_members),
    CALL("PUT", MEMBERS "/:user", SCOPE_WRITE, "makes somebody a member, or one of another role", .body = BODY_JSON,
         .fields = member_fields, .answer = app_member_answer, .statuses = "200 201", .handler = put_member),
    CALL("DELETE", MEMBERS "/:user", SCOPE_WRITE, "puts somebody out", .statuses = "204", .handler = remove_member),
};

const struct route_table app_conversations_routes = ROUTE_TABLE(rows);
