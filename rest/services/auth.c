#include "rest/services/auth.h"

#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/name.h"
#include "common/password.h"
#include "common/rate.h"
#include "common/store/store_app_user.h"
#include "common/store/store_login.h"
#include "common/token.h"
#include "rest/services/caller.h"
#include "rest/services/limiter.h"
#include "rest/services/publish.h"

#include <strings.h>

enum { BUSY_RETRY_S = 1 };

enum token_refusal auth_token(const struct call *call, struct token *token)
{
    static const char scheme[] = "Bearer ";
    const size_t len = sizeof scheme - 1;
    const struct http_request *request = call->request;
    struct str text = request->token, authorization = request->authorization;
    if (!text.len && authorization.len > len && !strncasecmp(authorization.ptr, scheme, len))
        text = (struct str){authorization.ptr + len, authorization.len - len};
    return token_check(call->backends->tokens, text, token);
}

enum err auth_refused(struct call *call, enum token_refusal refusal)
{
    metric_inc(METRIC_TOKENS_REFUSED);
    log_info("token.refused", "why=%s", token_refusal_code(refusal));
    call_deny(call, REFUSAL_TOKEN);
    call->code = token_refusal_code(refusal);
    call->error = token_refusal_text(refusal);
    return ERR_DENIED;
}

enum err auth_who(struct call *call, struct token *token)
{
    struct store_app_user *user;
    enum token_refusal refusal = auth_token(call, token);
    if (refusal)
        return auth_refused(call, refusal);
    if (!token->app)
        return ERR_OK;
    user = mem_zalloc(sizeof *user);
    enum err err = store_app_user_seen(call->backends->store, token->app, user);
    memcpy(token->user_id, user->public_id, ID_MAX);
    free(user);
    if (err)
        token_fini(token);
    return err;
}

static enum token_refusal judge(const struct call *call, struct str user_id, const struct rights *rights, bool *is)
{
    struct token token;
    if (call->caller) { /* that was looked at already */
        *is = str_eq(str_of(call->caller->user.public_id), user_id);
        return TOKEN_GOOD;
    }
    enum token_refusal refusal = auth_token(call, &token);
    *is = !refusal && str_eq(str_of(token.user_id), user_id) && rights_accept(rights, &token);
    if (!refusal)
        token_fini(&token);
    return refusal;
}

bool auth_is(const struct call *call, struct str user_id, const struct rights *rights)
{
    bool is;
    (void)!judge(call, user_id, rights, &is);
    return is;
}

enum err auth_must_be(struct call *call, struct str user_id, const struct rights *rights)
{
    bool is;
    enum token_refusal refusal = judge(call, user_id, rights, &is);
    bool open = refusal == TOKEN_MISSING && !settings_doors_closed(call->backends->settings);
    if (is)
        return ERR_OK;
    return !refusal || open ? call_deny(call, REFUSAL_UNAUTHORIZED) : auth_refused(call, refusal);
}

bool auth_add_token(const struct call *call, const struct auth_login *login)
{
    struct buf token;
    int64_t expires_s;
    buf_init(&token, TOKEN_MAX);
    bool given = !token_make(call->backends->tokens, login->user_id, login->generation, &token, &expires_s);
    if (given) {
        json_add_string(call->out, "token", buf_str(&token));
        json_add_int(call->out, "expires", expires_s * 1000);
    }
    buf_fini(&token);
    return given;
}

/* ---- logging in ---- */

/* The payer for hashing. */
static uint64_t payer_of(const struct call *call)
{
    return rate_address_key(call->request->remote);
}

static enum err set_password(struct call *call, enum store_realm realm, struct str name, struct str password,
                             struct store_login *found)
{
    struct store *store = call->backends->store;
    char hash[PASSWORD_HASH_MAX];
    enum err err = password_hash(payer_of(call), password, hash); /* first: nobody is made if it cannot be */
    if (!err)
        err = store_login_make(store, realm, name, found);
    if (!err)
        err = *found->hash ? ERR_DUPLICATE : store_login_set(store, found, hash);
    if (!err) /* without Redis the relays find it */
        (void)!publish_sanction(call->backends, &(struct sanction){.kind = SANCTION_REVOCATION});
    if (err != ERR_DUPLICATE)
        return err;
    err = store_login_find(store, realm, name, found); /* somebody was quicker: is it the same one? */
    return err ? err : password_check(payer_of(call), password, found->hash);
}

static enum err judge_login(struct call *call, enum err err)
{
    if (err == ERR_BUSY)
        call->retry_after_s = BUSY_RETRY_S;
    return err == ERR_DENIED ? call_deny(call, REFUSAL_UNAUTHORIZED) : err;
}

static enum err with_password(struct call *call, enum store_realm realm, struct str name, struct str password,
                              struct store_login *found)
{
    struct limiter_attempt attempt;
    if (!password_ok(password))
        return call_deny(call, REFUSAL_PASSWORD_FORM);
    if (!token_secret(call->backends->tokens).len)
        return call_deny(call, REFUSAL_PASSWORDS_OFF);
    if (limiter_begin(&attempt, call->backends, realm, name, call->request->remote, &call->retry_after_s))
        return call_deny(call, REFUSAL_ATTEMPTS);
    enum err err = store_login_find(call->backends->store, realm, name, found);
    if (!err && *found->hash)
        err = password_check(payer_of(call), password, found->hash);
    else if (!err || err == ERR_NOT_FOUND)
        err = set_password(call, realm, name, password, found);
    if (err != ERR_DENIED)
        limiter_forget(&attempt);
    return judge_login(call, err);
}

/* ERR_INVALID: the name is invalid. A name that new users cannot get is valid for the user who has it. */
static enum err judge_name(const struct call *call, enum store_realm realm, struct str name)
{
    struct store_login found;
    enum name_kind kind = name_judge(name, (size_t)call->backends->settings->max_name_chars);
    if (kind != NAME_OLD)
        return kind == NAME_OK ? ERR_OK : ERR_INVALID;
    enum err err = store_login_find(call->backends->store, realm, name, &found);
    return err == ERR_NOT_FOUND ? ERR_INVALID : err;
}

enum err auth_login(struct call *call, enum store_realm realm, struct str name, const struct str *password,
                    struct auth_login *login)
{
    struct store_login found;
    if (call->caller) { /* the token's user */
        const struct store_app_user *user = &call->caller->user;
        *login = (struct auth_login){.user = user->user, .generation = user->rights.generation, .has_password = true};
        memcpy(login->user_id, user->public_id, ID_MAX);
        return ERR_OK;
    }
    enum err err = judge_name(call, realm, name);
    if (err)
        return err;
    if (password) {
        err = with_password(call, realm, name, *password, &found);
    } else {
        err = judge_login(call, store_login_make(call->backends->store, realm, name, &found));
        if (!err && *found.hash)
            err = call_deny(call, REFUSAL_UNAUTHORIZED);
    }
    if (!err) {
        *login =
            (struct auth_login){.user = found.user, .generation = found.generation, .has_password = password != NULL};
        memcpy(login->user_id, found.user_id, ID_MAX);
    }
    return err;
}

struct str auth_own(const struct call *call, struct str named)
{
    return call->caller ? str_of(call->caller->user.public_id) : named;
}
