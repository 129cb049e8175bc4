#include "rest/calls/app_conversations.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/store/store_life.h"
#include "common/store/store_rights.h"
#include "rest/calls/app_answers.h"
#include "rest/http/failure.h"
#include "rest/services/caller.h"
#include "rest/services/fields.h"
#include "rest/services/idempotency.h"
#include "rest/services/moderate.h"
#include "rest/services/publish.h"

#include <stdlib.h>

enum { MEMBERS_AT_ONCE = 1000 };

int app_failed(struct call *call, enum err err)
{
    return err == ERR_NOT_FOUND ? call_refuse(call, 404, "not_found", "no such conversation")
                                : failure_status(err, "conversation");
}

/* ---- who may what ---- */

bool app_role_may(enum store_member_role role, enum app_act act)
{
    static const bool may[ROLE_READER + 1][APP_COUNT] = {
        [ROLE_OWNER] = {[APP_READ] = true, [APP_SAY] = true, [APP_MODERATE] = true, [APP_OWN] = true},
        [ROLE_MODERATOR] = {[APP_READ] = true, [APP_SAY] = true, [APP_MODERATE] = true},
        [ROLE_MEMBER] = {[APP_READ] = true, [APP_SAY] = true},
        [ROLE_READER] = {[APP_READ] = true},
    };
    return role >= ROLE_OWNER && role <= ROLE_READER && may[role][act];
}

/* In a conversation of two nobody is above the other. */
static enum store_member_role acting_role(const struct call *call, const struct store_app_conversation *of)
{
    bool moderates = call->caller->user.role >= USER_MODERATOR && of->type != APP_DIRECT;
    return moderates && of->role > ROLE_MODERATOR ? ROLE_MODERATOR : of->role;
}

static int judge(struct call *call, enum app_act act, const struct store_app_conversation *found)
{
    bool is_public = found->type == APP_PUBLIC;
    if (!call->caller->is_user)
        return 200;
    if (found->kind != KIND_APP || (!found->role && !is_public))
        return call_refuse(call, 404, "not_found", "no such conversation");
    int status = moderate(call, call->caller->id, found->conversation, MODERATE_ENTER);
    if (status != 200 || (is_public && act == APP_READ))
        return status;
    if (!found->role)
        return call_refuse(call, 403, "not_member", "only a member may do that: join first");
    return app_role_may(acting_role(call, found), act)
               ? 200
               : call_refuse(call, 403, "role", "your role in this conversation does not allow that");
}

int app_conversation(struct call *call, enum app_act act, struct store_app_conversation *found, struct buf *meta)
{
    const struct caller *caller = call->caller;
    enum err err = store_app_conversation_find(call->backends->store, call->params[0], caller->is_user ? caller->id : 0,
                                               false, found, meta);
    return err ? app_failed(call, err) : judge(call, act, found);
}

/* ---- one ---- */

static void add_conversation(struct buf *out, const struct store_app_conversation *of, struct str meta)
{
    bool is_app = of->kind == KIND_APP;
    json_add_text(out, "id", is_app ? of->name : of->public_id);
    json_add_text(out, "public_id", of->public_id);
    json_add_u64(out, "ch", of->conversation);
    json_add_text(out, "type", fields_type_name(of));
    json_add_text(out, "name", is_app ? of->title : of->kind == KIND_FRIENDS ? "" : of->name);
    json_add_raw(out, "meta", meta.len ? meta : STR("{}"));
    json_add_u64(out, "seq", of->seq);
    json_add_int(out, "created", of->created_ms);
    if (of->role)
        json_add_text(out, "role", fields_role_name(of->role));
}

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
        add_conversation(call->out, &found, buf_str(&meta));
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

static bool is_title(struct str title)
{
    struct app_claims claims = {.id = STR("x"), .has_name = true, .name = title};
    return !app_claims_wrong(&claims, "");
}

/* Of a door's own conversation the application changes nothing. */
static int only_ours(struct call *call, const struct store_app_conversation *found)
{
    return found->kind == KIND_APP ? 200
                                   : call_refuse(call, 409, "not_ours", "this conversation is of another front end");
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

static int patch(struct call *call)
{
    struct store_app_conversation found;
    struct store_app_change change;
    struct store_life_change life;
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
    if (change.has_title && !is_title(change.title))
        return call_refuse_field(call, STR("name"), "must be at most 256 bytes of UTF-8 without controls");
    enum err err = ERR_OK;
    if (change.has_title || change.has_meta)
        err = store_app_conversation_patch(call->backends->store, found.conversation, &change);
    if (!err && keeps)
        err = store_life_set(call->backends->store, found.conversation, &life);
    return err ? app_failed(call, err) : answer(call, call->params[0], 200);
}

/* At once, instead of when the relays look next. */
static void tell_revocation(const struct call *call)
{
    (void)!publish_sanction(call->backends, &(struct sanction){.kind = SANCTION_REVOCATION});
}

static int remove_one(struct call *call)
{
    struct store_app_conversation found;
    const struct caller *caller = call->caller;
    enum err err = store_app_conversation_find(call->backends->store, call->params[0], caller->is_user ? caller->id : 0,
                                               true, &found, NULL);
    int status = err ? app_failed(call, err) : judge(call, APP_OWN, &found);
    if (status != 200 || (status = only_ours(call, &found)) != 200)
        return status;
    err = store_app_conversation_delete(call->backends->store, &found);
    tell_revocation(call);
    return err ? failure_status(err, "delete_conversation") : 204;
}

/* ---- making one ---- */

/* The users that are named: those of a key are made if they are not there, as by a token; a user names only whom there is. */
static int find_some(struct call *call, struct json_object *list, size_t at, size_t count, enum store_member_role role,
                     struct store_app_member *members)
{
    struct app_claims claims[STORE_APP_SEEN_MAX];
    struct store_app_seen seen[STORE_APP_SEEN_MAX];
    struct store_app_user *users = mem_zalloc(count * sizeof *users);
    enum err err = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(list, at + i);
        claims[i] = (struct app_claims){.id = {json_object_get_string(item), (size_t)json_object_get_string_len(item)}};
        seen[i] = (struct store_app_seen){.claims = &claims[i], .user = &users[i]};
    }
    if (!call->caller->is_user)
        err = store_app_users_seen(call->backends->store, seen, count);
    for (size_t i = 0; !err && i < count; i++) {
        err = call->caller->is_user ? store_app_user_find(call->backends->store, claims[i].id, &users[i]) : seen[i].err;
        members[i] = (struct store_app_member){users[i].user, role};
    }
    free(users);
    return err == ERR_NOT_FOUND ? call_refuse(call, 404, "no_such_user", "members: there is no such user")
                                : failure_status(err, "members");
}

static int by_user(const void *a, const void *b)
{
    const struct store_app_member *one = a, *other = b;
    if (one->user != other->user)
        return one->user < other->user ? -1 : 1;
    return one->role < other->role ? -1 : one->role > other->role;
}

/* Each user once, with the highest of their roles, by their numbers. */
static size_t sort(struct store_app_member *members, size_t count)
{
    size_t kept = 0;
    qsort(members, count, sizeof *members, by_user);
    for (size_t i = 0; i < count; i++)
        if (!kept || members[kept - 1].user != members[i].user)
            members[kept++] = members[i];
    return kept;
}

static int check_list(struct call *call, struct json_object *list)
{
    size_t count = list ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < count; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (!json_object_is_type(item, json_type_string) ||
            !app_id_ok((struct str){json_object_get_string(item), (size_t)json_object_get_string_len(item)}))
            return call_refuse_field(call, STR("members"), "must be ids of users");
    }
    return count <= MEMBERS_AT_ONCE ? 200 : call_refuse_field(call, STR("members"), "must be at most 1000");
}

static int take_members(struct call *call, struct store_app_new *wanted, struct store_app_member *members)
{
    struct json_object *list = NULL;
    enum store_member_role own = wanted->type == APP_DIRECT ? ROLE_MEMBER : ROLE_OWNER;
    size_t count = 0;
    if (json_has(call->object, "members") &&
        (!json_object_object_get_ex(call->object, "members", &list) || !json_object_is_type(list, json_type_array)))
        return call_refuse_field(call, STR("members"), "must be a list");
    int status = check_list(call, list);
    size_t length = list ? json_object_array_length(list) : 0;
    for (; status == 200 && count < length;) {
        size_t some = length - count < STORE_APP_SEEN_MAX ? length - count : STORE_APP_SEEN_MAX;
        status = find_some(call, list, count, some, ROLE_MEMBER, members + count);
        count += some;
    }
    if (status != 200)
        return status;
    if (call->caller->is_user)
        members[count++] = (struct store_app_member){call->caller->id, own};
    wanted->count = sort(members, count);
    wanted->members = members;
    if (wanted->type == APP_DIRECT && wanted->count != 2)
        return call_refuse_field(call, STR("members"), "a direct conversation is of two users");
    return 200;
}

static const struct field new_fields[] = {FIELD("id", TEXT),       FIELD_WORD("type", true, APP_TYPES),
                                          FIELD("name", TEXT),     FIELD("meta", OBJECT),
                                          FIELD("members", TEXTS), FIELD_END};

static bool take_new(struct call *call, struct store_app_new *wanted)
{
    struct json_object *object = call->object;
    struct str type;
    bool has_id, has_type, has_title, has_meta;
    *wanted = (struct store_app_new){.type = APP_GROUP};
    if (!fields_are(call, object, new_fields) || !fields_text(call, object, "id", &has_id, &wanted->id) ||
        !fields_text(call, object, "type", &has_type, &type) ||
        !fields_text(call, object, "name", &has_title, &wanted->title) ||
        !fields_object(call, object, "meta", APP_META_MAX, &has_meta, &wanted->meta))
        return false;
    wanted->type = str_eq(type, STR("direct")) ? APP_DIRECT : str_eq(type, STR("public")) ? APP_PUBLIC : APP_GROUP;
    if (wanted->type == APP_GROUP && !str_eq(type, STR("group")))
        call_refuse_field(call, STR("type"), "must be group, direct or public");
    else if (wanted->id.len && !store_app_conversation_id_ok(wanted->id))
        call_refuse_field(
            call, STR("id"),
            "must be 1 to 128 bytes without controls, and not begin as a public id does (conv_, room_ …)");
    else if (!is_title(wanted->title))
        call_refuse_field(call, STR("name"), "must be at most 256 bytes of UTF-8 without controls");
    else
        return true;
    return false;
}

static int make(struct call *call)
{
    struct store_app_new wanted;
    struct store_app_conversation found;
    char public_id[ID_MAX];
    if (call->caller->is_user && strcmp(call->backends->settings->create, "users") != 0)
        return call_refuse(call, 403, "create", "only the application makes conversations here (setting create)");
    if (!take_new(call, &wanted))
        return 400;
    struct store_app_member *members = mem_zalloc((MEMBERS_AT_ONCE + 1) * sizeof *members);
    int status = take_members(call, &wanted, members);
    enum err err = ERR_OK;
    if (call->caller->is_user)
        wanted.created_by = call->caller->id;
    wanted.public_id = idempotency_public_id(call, STORE_CONVERSATION_PREFIX, public_id);
    if (status == 200)
        err = store_app_conversation_make(call->backends->store, &wanted);
    free(members);
    if (status != 200 || err)
        return err ? failure_status(err, "make_conversation") : status;
    err = store_app_conversation_find(call->backends->store, str_of(wanted.name),
                                      call->caller->is_user ? call->caller->id : 0, false, &found, NULL);
    if (err)
        return app_failed(call, err);
    if (found.type != wanted.type || (status = judge(call, APP_READ, &found)) != 200)
        return call_refuse(call, 409, "conflict", "there is another conversation of that id");
    return answer(call, str_of(wanted.name), wanted.made ? 201 : 200);
}

/* ---- lists ---- */

static void on_line(void *arg, const struct store_app_line *line)
{
    struct list *list = arg;
    struct store_app_conversation of = {.kind = KIND_APP, .type = line->type};
    list_row(list, line->conversation);
    json_add_string(list->out, "id", line->name);
    json_add_string(list->out, "public_id", line->public_id);
    json_add_u64(list->out, "ch", line->conversation);
    json_add_text(list->out, "type", fields_type_name(&of));
    json_add_string(list->out, "name", line->title);
    json_add_raw(list->out, "meta", line->meta.len ? line->meta : STR("{}"));
    json_add_u64(list->out, "seq", line->seq);
    if (line->role) {
        json_add_text(list->out, "role", fields_role_name(line->role));
        json_add_bool(list->out, "muted", line->is_muted);
        json_add_u64(list->out, "unread", line->unread);
        if (line->last.seq) {
            json_add_object(list->out, "last");
            json_add_u64(list->out, "seq", line->last.seq);
            json_add_u64(list->out, "ts", line->last.at_ms);
            json_add_string(list->out, "name", line->last.name);
            json_add_string(list->out, "content", line->last.content);
            json_end_object(list->out);
        } else {
            json_add_null(list->out, "last");
        }
    }
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
    json_add_text(list->out, "role", fields_role_name(line->role));
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

/* The member that the path names, in a conversation of the application's that is not of two. */
struct place {
    struct store_app_conversation of;
    struct store_app_user user;
    enum store_member_role role; /* 0: no member */
    bool is_self;
};

static int find_place(struct call *call, struct place *place)
{
    const struct caller *caller = call->caller;
    int status = app_conversation(call, APP_READ, &place->of, NULL);
    if (status != 200 || (status = only_ours(call, &place->of)) != 200)
        return status;
    if (place->of.type == APP_DIRECT)
        return call_refuse(call, 409, "direct", "who is in a direct conversation cannot be changed");
    struct app_claims claims = {.id = call->params[1]};
    enum err err = store_app_user_find(call->backends->store, claims.id, &place->user);
    bool may_make = !caller->is_user && str_eq(call->request->method, STR("PUT")) && app_id_ok(claims.id);
    if (err == ERR_NOT_FOUND && may_make)
        err = store_app_user_seen(call->backends->store, &claims, &place->user);
    if (!err)
        err = store_app_member_role(call->backends->store, place->of.conversation, place->user.user, &place->role);
    if (err)
        return err == ERR_NOT_FOUND ? call_refuse(call, 404, "no_such_user", "no such user")
                                    : failure_status(err, "member");
    place->is_self = caller->is_user && caller->id == place->user.user;
    return 200;
}

/* Whether a caller may turn somebody of role `from` into one of `to`; 0: no member. */
static bool may_change(const struct call *call, const struct place *place, enum store_member_role from,
                       enum store_member_role to)
{
    enum store_member_role own = acting_role(call, &place->of);
    bool low = (!from || from >= ROLE_MEMBER) && (!to || to >= ROLE_MEMBER);
    if (!call->caller->is_user || app_role_may(own, APP_OWN))
        return true;
    if (app_role_may(own, APP_MODERATE) && low)
        return true;
    if (!place->is_self)
        return false;
    return !to || (place->of.type == APP_PUBLIC && !from && to == ROLE_MEMBER); /* goes, or joins */
}

static const struct field member_fields[] = {FIELD_WORD("role", false, APP_ROLES), FIELD_END};

static int put_member(struct call *call)
{
    struct place place;
    struct str text;
    bool has_role, made, revoked;
    int status = find_place(call, &place);
    if (status != 200)
        return status;
    if (!fields_are(call, call->object, member_fields) || !fields_text(call, call->object, "role", &has_role, &text))
        return 400;
    struct store_app_member member = {place.user.user, place.role ? place.role : ROLE_MEMBER};
    if (has_role && !fields_role_of(text, &member.role))
        return call_refuse_field(call, STR("role"), "must be owner, moderator, member or reader");
    if (member.role != place.role && !may_change(call, &place, place.role, member.role))
        return call_refuse(call, 403, "role", "your role in this conversation does not allow that");
    enum err err =
        store_app_member_put(call->backends->store, place.of.conversation, &member, !has_role, &made, &revoked);
    if (err)
        return failure_status(err, "member");
    if (revoked)
        tell_revocation(call);
    json_begin_object(call->out);
    json_add_text(call->out, "id", place.user.id);
    json_add_u64(call->out, "uid", place.user.user);
    json_add_text(call->out, "role", fields_role_name(member.role));
    json_end_object(call->out);
    return made ? 201 : 200;
}

static int remove_member(struct call *call)
{
    struct place place;
    int status = find_place(call, &place);
    if (status != 200)
        return status;
    if (!place.role)
        return call_refuse(call, 404, "not_member", "no such member");
    if (!may_change(call, &place, place.role, (enum store_member_role)0))
        return call_refuse(call, 403, "role", "your role in this conversation does not allow that");
    enum err err = store_member_remove(call->backends->store, place.of.conversation, place.user.user);
    if (err && err != ERR_NOT_FOUND)
        return failure_status(err, "member");
    tell_revocation(call);
    return 204;
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
