#include "rest/calls/app_users.h"

#include "common/json.h"
#include "common/store/store_app_erase.h"
#include "common/store/store_export.h"
#include "common/store/store_rights.h"
#include "common/token.h"
#include "rest/calls/app_answers.h"
#include "rest/calls/media.h"
#include "rest/http/failure.h"
#include "rest/services/caller.h"
#include "rest/services/fields.h"
#include "rest/services/publish.h"

/* ---- which user ---- */

/* 200, or 404: a user may not know who else there is. */
static int may(struct call *call)
{
    const struct caller *caller = call->caller;
    bool own = !caller->is_user || str_eq(call->params[0], str_of(caller->user.id));
    return own ? 200 : call_refuse(call, 404, "not_found", "no such user");
}

static int failed(struct call *call, enum err err)
{
    return err == ERR_NOT_FOUND ? call_refuse(call, 404, "not_found", "no such user") : failure_status(err, "user");
}

static int answer(struct call *call, int status)
{
    struct store_app_user user;
    struct buf meta;
    buf_init(&meta, 1 << 16);
    enum err err = store_app_user_get(call->backends->store, call->params[0], &user, &meta);
    if (!err) {
        fields_begin_user(call->out, &user, buf_str(&meta));
        json_end_object(call->out);
    }
    buf_fini(&meta);
    return err ? failed(call, err) : status;
}

static int get(struct call *call)
{
    int status = may(call);
    return status == 200 ? answer(call, 200) : status;
}

/* ---- changing one ---- */

static const char *rule_of(const char *wrong)
{
    static const struct {
        const char *name, *rule;
    } rules[] = {
        {"id", "must be 1 to 128 bytes of UTF-8 without controls"},
        {"name", "must be at most 256 bytes of UTF-8 without controls"},
        {"face", "must be the URL of a picture"},
        {"meta", "must be an object of at most 4 KiB"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (!strcmp(rules[i].name, wrong))
            return rules[i].rule;
    return "is wrong";
}

static bool take_role(struct call *call, struct app_claims *claims)
{
    struct str role;
    if (!fields_text(call, call->object, "role", &claims->has_role, &role))
        return false;
    claims->role = USER_PLAIN;
    if (!claims->has_role || app_role_of(role, false, &claims->role))
        return true;
    call_refuse_field(call, STR("role"), "must be user or moderator");
    return false;
}

#define PROFILE FIELD("name", TEXT), FIELD("face", TEXT), FIELD("meta", OBJECT)
static const struct field user_fields[] = {PROFILE, FIELD_WORD("role", false, "user moderator"), FIELD_END};
static const struct field own_fields[] = {PROFILE, FIELD_END};

static bool take_claims(struct call *call, struct app_claims *claims)
{
    struct json_object *object = call->object;
    *claims = (struct app_claims){.id = call->params[0]};
    if (!fields_are(call, object, call->caller->is_user ? own_fields : user_fields) ||
        !fields_text(call, object, "name", &claims->has_name, &claims->name) ||
        !fields_text(call, object, "face", &claims->has_face, &claims->face) ||
        !fields_object(call, object, "meta", APP_META_MAX, &claims->has_meta, &claims->meta) ||
        !take_role(call, claims))
        return false;
    const char *wrong = app_claims_wrong(claims, call->backends->settings->media_url);
    if (wrong)
        call_refuse_field(call, str_of(wrong), rule_of(wrong));
    return !wrong;
}

static int put(struct call *call)
{
    struct app_claims claims;
    struct store_app_user user;
    bool made;
    int status = may(call);
    if (status != 200)
        return status;
    if (!take_claims(call, &claims))
        return 400;
    enum err err = store_app_user_put(call->backends->store, &claims, &user, &made);
    return err ? failed(call, err) : answer(call, made ? 201 : 200);
}

static int patch(struct call *call)
{
    struct app_claims claims;
    struct store_app_user user;
    int status = may(call);
    if (status != 200)
        return status;
    if (!take_claims(call, &claims))
        return 400;
    enum err err = store_app_user_patch(call->backends->store, &claims, &user);
    return err ? failed(call, err) : answer(call, 200);
}

static int erase(struct call *call)
{
    int status = may(call);
    if (status != 200)
        return status;
    enum err err = store_app_user_erase(call->backends->store, call->params[0]);
    if (err)
        return failed(call, err);
    (void)!publish_sanction(call->backends, &(struct sanction){.kind = SANCTION_REVOCATION});
    media_remove_gone(call->backends);
    return 204;
}

/* ---- taking it along ---- */

/* As much as fits into an answer, and where to go on. */
static int export(struct call *call)
{
    struct store_app_user user;
    struct store_export whole;
    struct str cursor;
    char next[EXPORT_CURSOR_MAX];
    int status = may(call);
    enum err err = status == 200 ? store_app_user_find(call->backends->store, call->params[0], &user) : ERR_OK;
    if (status != 200 || err)
        return err ? failed(call, err) : status;
    store_export_init(&whole, &user, call->backends->settings->media_url);
    if (http_query(call->query, "cursor", &cursor) && !store_export_resume(&whole, cursor))
        return call_refuse_field(call, STR("cursor"), "must be as an answer said it");
    while (!err && whole.phase != EXPORT_END && call->out->len < EXPORT_BYTES)
        err = store_export_next(call->backends->store, &whole, call->out);
    store_export_cursor(&whole, next);
    json_begin_object(call->out);
    json_add_text(call->out, "type", whole.phase == EXPORT_END ? "end" : "next");
    if (whole.phase != EXPORT_END)
        json_add_text(call->out, "cursor", next);
    buf_add_text(call->out, "}\n");
    return failure_status(err, "export");
}

/* ---- tokens and sockets ---- */

static const struct field token_fields[] = {FIELD("ttl_s", NUMBER), FIELD_END};

static int give_token(struct call *call)
{
    enum { TTL_MAX_S = 366 * 24 * 3600 };
    struct store_app_user user;
    struct token_keys keys = *call->backends->tokens;
    int64_t ttl_s = keys.ttl_ms / 1000, expires_s;
    if (!fields_are(call, call->object, token_fields))
        return 400;
    if (json_has(call->object, "ttl_s") && !json_get_int(call->object, "ttl_s", 1, TTL_MAX_S, &ttl_s))
        return call_refuse_field(call, STR("ttl_s"), "must be a number of seconds, at most a year");
    keys.ttl_ms = ttl_s * 1000;
    enum err err = store_app_user_find(call->backends->store, call->params[0], &user);
    if (err)
        return failed(call, err);
    struct buf token;
    buf_init(&token, TOKEN_MAX);
    err = token_make(&keys, user.public_id, user.rights.generation, &token, &expires_s);
    if (!err) {
        json_begin_object(call->out);
        json_add_text(call->out, "user", user.id);
        json_add_string(call->out, "token", buf_str(&token));
        json_add_int(call->out, "expires", expires_s * 1000);
        json_end_object(call->out);
    }
    buf_fini(&token);
    return err == ERR_NOT_FOUND ? call_refuse(call, 501, "no_tokens", "tokens need jwt_secret")
                                : failure_status(err, "token");
}

static int disconnect(struct call *call)
{
    struct store_app_user user;
    enum err err = store_app_user_find(call->backends->store, call->params[0], &user);
    if (err)
        return failed(call, err);
    struct sanction kick = {.kind = SANCTION_KICK, .user = user.user};
    err = publish_sanction(call->backends, &kick);
    return err ? failure_status(err, "disconnect") : 204;
}

#define USER(verb, scopes, own, means, ...) \
    {.method = verb, \
     .path = "/v1/users/:id", \
     .scope = scopes, \
     .users = own, \
     .failed = failure_api, \
     .doc = means, \
     __VA_ARGS__}

static const struct route rows[] = {
    USER("PUT", SCOPE_WRITE, true, "makes a user of the application, or makes it so", .body = BODY_JSON,
         .fields = user_fields, .answer = app_user_answer, .statuses = "200 201", .handler = put),
    USER("GET", SCOPE_READ, true, "a user of the application", .answer = app_user_answer, .handler = get),
    USER("PATCH", SCOPE_WRITE, true, "changes what is given of a user", .body = BODY_JSON, .fields = user_fields,
         .answer = app_user_answer, .handler = patch),
    USER("DELETE", SCOPE_ADMIN, true, "erases a user: name and content", .statuses = "204", .handler = erase),
    {.method = "GET",
     .path = "/v1/users/:id/export",
     .scope = SCOPE_READ,
     .users = true,
     .takes_query = true,
     .type = "application/x-ndjson",
     .handler = export,
     .failed = failure_api,
     .doc = "what is stored of a user, a line each"},
    {.method = "POST",
     .path = "/v1/users/:id/token",
     .scope = SCOPE_ADMIN,
     .body = BODY_JSON,
     .secret = true,
     .fields = token_fields,
     .answer = app_token_answer,
     .handler = give_token,
     .failed = failure_api,
     .doc = "a token of a user"},
    {.method = "POST",
     .path = "/v1/users/:id/disconnect",
     .scope = SCOPE_WRITE,
     .handler = disconnect,
     .statuses = "204",
     .failed = failure_api,
     .doc = "closes a user's connections"},
};

const struct route_table app_users_routes = ROUTE_TABLE(rows);
