#include "rest/calls/v1_accounts.h"

#include "common/digest.h"
#include "common/json.h"
#include "common/name.h"
#include "common/password.h"
#include "common/rate.h"
#include "common/store/store_accounts.h"
#include "common/store/store_login.h"
#include "common/token.h"
#include "rest/calls/app_answers.h"
#include "rest/http/failure.h"
#include "rest/services/auth.h"
#include "rest/services/limiter.h"
#include "rest/services/moderate.h"

enum { BUSY_RETRY_S = 1 };

static uint64_t payer_of(const struct call *call)
{
    return rate_address_key(call->request->remote);
}

static int status_of(struct call *call, enum err err)
{
    if (err == ERR_BUSY)
        call->retry_after_s = BUSY_RETRY_S;
    return failure_status(err, "accounts");
}

/* ---- what is answered ---- */

static int answer(struct call *call, const struct auth_login *login, struct str name)
{
    int status = call_status(call, moderate(call, login->user, 0, MODERATE_ENTER), "moderate");
    if (status != 200)
        return status;
    json_begin_object(call->out);
    json_add_string(call->out, "user", name);
    if (!auth_add_token(call, login))
        return call_refuse(call, 501, "no_tokens", "accounts need jwt_secret, so that tokens can be given out");
    json_end_object(call->out);
    return 200;
}

static struct auth_login login_of(const struct store_app_user *user)
{
    struct auth_login login = {.user = user->user, .generation = user->rights.generation, .has_password = true};
    memcpy(login.user_id, user->public_id, ID_MAX);
    return login;
}

/* 200, or 400 and 501. */
static int read_credentials(struct call *call, struct str *name, struct str *password)
{
    if (!json_get_string(call->object, "name", name))
        return call_refuse(call, 400, "bad_argument", "name is missing, or no text");
    if (!json_get_string(call->object, "password", password) || !password_ok(*password))
        return call_refuse(call, 400, "bad_argument", "password has 6 to 256 bytes");
    if (!token_secret(call->backends->tokens).len)
        return call_refuse(call, 501, "no_tokens", "accounts need jwt_secret, so that tokens can be given out");
    return 200;
}

/* ---- signing up ---- */

/* 200, or why nobody may: 403. An invite is needed, or does no harm. */
static int check_sign_up(struct call *call, struct str *invite)
{
    const char *setting = call->backends->settings->signup;
    bool open = !strcmp(setting, "open");
    *invite = STR("");
    if (json_has(call->object, "invite") &&
        (!json_get_string(call->object, "invite", invite) || !id_is(*invite, STORE_INVITE_PREFIX)))
        return call_refuse(call, 403, "invite_invalid", "no such invite is in force");
    if (open || invite->len)
        return 200;
    return strcmp(setting, "invite") != 0
               ? call_refuse(call, 403, "signup_off", "accounts are not made here (setting: signup)")
               : call_refuse(call, 403, "invite_needed", "an invite is needed");
}

static int make(struct call *call, struct str name, struct str password, struct str invite)
{
    char hash[PASSWORD_HASH_MAX], digest[DIGEST_MAX] = "";
    struct store_app_user user;
    struct limiter_attempt attempt; /* of a name that is there, or an invite that is not: guesses */
    if (limiter_begin(&attempt, call->backends, REALM_APP, name, call->request->remote, &call->retry_after_s))
        return 429;
    enum err err = password_hash(payer_of(call), password, hash);
    if (invite.len)
        digest_make(&invite, 1, digest);
    if (!err)
        err = store_account_make(call->backends->store, name, hash, str_of(digest),
                                 !strcmp(call->backends->settings->signup, "off"), &user);
    if (err == ERR_DENIED)
        return call_refuse(call, 403, "invite_invalid", "no such invite is in force");
    limiter_forget(&attempt);
    if (err == ERR_DUPLICATE)
        return call_refuse(call, 409, "name_taken", "there is a user of that name");
    if (err)
        return status_of(call, err);
    struct auth_login login = login_of(&user);
    return answer(call, &login, name);
}

static int sign_up(struct call *call)
{
    struct str name = STR(""), password = STR(""), invite = STR("");
    int status = check_sign_up(call, &invite);
    if (status == 200)
        status = read_credentials(call, &name, &password);
    if (status != 200)
        return status;
    if (name_judge_speaker(name, (size_t)call->backends->settings->max_name_chars) != NAME_OK || !app_id_ok(name))
        return call_refuse(call, 400, "bad_argument", "nobody can be called so");
    return make(call, name, password, invite);
}

/* ---- logging in ---- */

static int log_in(struct call *call)
{
    struct str name = STR(""), password = STR("");
    struct store_login found;
    struct limiter_attempt attempt;
    int status = read_credentials(call, &name, &password);
    if (status != 200)
        return status;
    if (!app_id_ok(name))
        return call_refuse(call, 401, "wrong_password", "name or password is wrong");
    if (limiter_begin(&attempt, call->backends, REALM_APP, name, call->request->remote, &call->retry_after_s))
        return 429;
    enum err err = store_login_find(call->backends->store, REALM_APP, name, &found);
    if (!err && *found.hash) {
        err = password_check(payer_of(call), password, found.hash);
    } else if (!err || err == ERR_NOT_FOUND) { /* takes as long, so that nobody learns which names there are */
        char hash[PASSWORD_HASH_MAX];
        err = password_hash(payer_of(call), password, hash);
        err = err ? err : ERR_DENIED;
    }
    if (err == ERR_DENIED)
        return call_refuse(call, 401, "wrong_password", "name or password is wrong");
    limiter_forget(&attempt);
    if (err)
        return status_of(call, err);
    struct auth_login login = {.user = found.user, .generation = found.generation, .has_password = true};
    memcpy(login.user_id, found.user_id, ID_MAX);
    return answer(call, &login, name);
}

/* ---- a new token for one that ends ---- */

static int refresh(struct call *call)
{
    struct token token;
    struct store_app_user user;
    enum token_refusal refusal = auth_token(call, &token);
    if (refusal)
        return call_status(call, auth_refused(call, refusal), "refresh");
    bool own = !token.app && token.generation >= 0;
    enum err err = store_app_user_come(call->backends->store, &token, &user);
    token_fini(&token);
    if (!own)
        return call_refuse(call, 403, "forbidden", "who has given this token out gives out the next");
    if (err == ERR_NOT_FOUND)
        return call_status(call, auth_refused(call, TOKEN_UNKNOWN_KEY), "refresh");
    if (err == ERR_DENIED)
        return call_refuse(call, 401, "unauthorized", "the token was made void");
    if (err)
        return failure_status(err, "refresh");
    struct auth_login login = login_of(&user);
    return answer(call, &login, str_of(user.id));
}

#define CREDENTIALS FIELD_NEEDED("name", TEXT), FIELD_NEEDED("password", TEXT)
static const struct field signup_fields[] = {CREDENTIALS, FIELD("invite", TEXT), FIELD_END};
static const struct field login_fields[] = {CREDENTIALS, FIELD_END};

static const struct route rows[] = {
    {.method = "POST",
     .path = "/v1/signup",
     .body = BODY_JSON,
     .creates = true,
     .fields = signup_fields,
     .answer = app_token_answer,
     .handler = sign_up,
     .failed = failure_api,
     .doc = "make an account"},
    {.method = "POST",
     .path = "/v1/login",
     .body = BODY_JSON,
     .fields = login_fields,
     .answer = app_token_answer,
     .handler = log_in,
     .failed = failure_api,
     .doc = "a token for an account and its password"},
    {.method = "POST",
     .path = "/v1/token/refresh",
     .answer = app_token_answer,
     .handler = refresh,
     .failed = failure_api,
     .doc = "a new token for one that has not ended"},
};

const struct route_table v1_accounts_routes = ROUTE_TABLE(rows);
