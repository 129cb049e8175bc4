#include "rest/http/call.h"

#include "rest/http/failure.h"

#include "common/json.h"
#include "common/store/store.h"
#include "common/text.h"
#include "rest/http/gate.h"

#include <stdio.h>

void begin_slow(const struct backends *backends)
{
    gate_leave(backends->pass);
    store_refresh(backends->store);
}

void call_begin_data(struct call *call)
{
    json_begin_object(call->out);
    json_add_bool(call->out, "success", true);
    json_add_key(call->out, "data");
}

static const struct {
    int status;
    const char *code, *error; /* NULL: those of the status */
} refusals[] = {
    [REFUSAL_UNAUTHORIZED] = {401, NULL, NULL},
    [REFUSAL_TOKEN] = {401, NULL, NULL},
    [REFUSAL_TOKEN_MISSING] = {401, "token_missing",
                               "a server key, or a user's token, is needed (Authorization: Bearer)"},
    [REFUSAL_TOKEN_REVOKED] = {401, "token_revoked", "this token's user is not there, or the token is void"},
    [REFUSAL_KEY_UNKNOWN] = {401, "key_unknown", "no such key is in force"},
    [REFUSAL_KEY_SCOPE] = {403, "scope", "this key has not the scope that the call needs"},
    [REFUSAL_KEY_NEEDED] = {403, "key_needed", "only a server key may make this call"},
    [REFUSAL_KEY_RATE] = {429, "rate", "too many calls by this key: try again later"},
    [REFUSAL_PASSWORD_FORM] = {400, NULL, "a password has 6 to 256 bytes"},
    [REFUSAL_PASSWORDS_OFF] = {501, "no_tokens", "passwords need jwt_secret, so that tokens can be given out"},
    [REFUSAL_ATTEMPTS] = {429, NULL, NULL},
    [REFUSAL_MESSAGE_RATE] = {429, "rate", "too many messages: try again later"},
    [REFUSAL_CREATION_RATE] = {429, "rate", "too much was made from here: try again later"},
    [REFUSAL_BANNED] = {403, "banned", "you may not be here"},
    [REFUSAL_MUTED] = {403, "muted", "you may not post here"},
    [REFUSAL_CALLS_A_DAY] = {429, "idempotency_day", "too many keys for calls in a day: try again later"},
    [REFUSAL_CALL_REUSED] = {422, "key_reused", "this Idempotency-Key was used for another request"},
    [REFUSAL_CALL_UNDER_WAY] = {409, "in_progress", "a call with this Idempotency-Key is being carried out"},
};

enum err call_deny(struct call *call, enum refusal refusal)
{
    call->refusal = refusal;
    call->code = refusals[refusal].code;
    call->error = refusals[refusal].error;
    return ERR_DENIED;
}

int call_status(const struct call *call, enum err err, const char *what)
{
    return err == ERR_DENIED && call->refusal ? refusals[call->refusal].status : failure_status(err, what);
}

int call_refuse(struct call *call, int status, const char *code, const char *error)
{
    call->code = code;
    call->error = error;
    return status;
}

int call_refuse_field(struct call *call, struct str name, const char *rule)
{
    enum { SHOWN = 40 };
    bool broken;
    struct str shown = {name.ptr, name.len < SHOWN ? name.len : SHOWN};
    shown.len = text_utf8_prefix(shown, &broken);
    snprintf(call->said, sizeof call->said, "%.*s: %s", (int)shown.len, shown.ptr, rule);
    return call_refuse(call, 400, "bad_argument", call->said);
}
