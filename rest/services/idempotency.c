#include "rest/services/idempotency.h"

#include "common/digest.h"
#include "common/metrics.h"
#include "rest/services/caller.h"
#include "rest/services/limiter.h"

#include <stdio.h>

_Static_assert(sizeof((struct repeatable *)0)->digest == DIGEST_MAX, "it is one");

static struct store_call call_of(const struct call *call)
{
    return (struct store_call){.caller = call->caller->id,
                               .is_user = call->caller->is_user,
                               .key = call->request->idempotency_key,
                               .request = str_of(call->repeatable->digest)};
}

static bool is_key(struct str key)
{
    for (size_t i = 0; i < key.len; i++)
        if (key.ptr[i] < ' ' || key.ptr[i] > '~')
            return false;
    return key.len <= STORE_CALL_KEY_MAX;
}

/* All that the call asks for. A body that the handler reads itself counts by its length. */
static void make_digest(struct call *call, const struct route *route, struct str body)
{
    char length[32] = "";
    const struct http_request *request = call->request;
    if (route->body == BODY_STREAM)
        snprintf(length, sizeof length, "%llu", (unsigned long long)request->length);
    const struct str parts[] = {request->method, STR("\n"), request->path, STR("?"),
                                request->query,  STR("\n"), body,          str_of(length)};
    digest_make(parts, sizeof parts / sizeof parts[0], call->repeatable->digest);
}

/* A new key is charged to its caller, by the day. */
static enum err charge(struct call *call)
{
    const struct settings *settings = call->backends->settings;
    bool is_user = call->caller->is_user;
    int64_t most = is_user ? settings->idempotency_day_user : settings->idempotency_day_key;
    struct limiter_day day;
    if (!most || !limiter_day_user(&day, call->backends, is_user ? "idempotency" : "idempotency:key", call->caller->id,
                                   most, &call->retry_after_s))
        return ERR_OK;
    struct store_call of = call_of(call);
    (void)!store_call_forget(call->backends->store, &of,
                             &call->repeatable->claim); /* if it fails: it ends with the day */
    metric_inc(METRIC_RATE_REFUSED);
    return call_deny(call, REFUSAL_CALLS_A_DAY);
}

static enum err refuse(struct call *call, enum err err)
{
    if (err == ERR_DUPLICATE)
        return call_deny(call, REFUSAL_CALL_REUSED);
    if (err != ERR_BUSY)
        return err == ERR_UNKNOWN ? ERR_DOWN : err; /* nothing of the call itself was done */
    call->retry_after_s = 1;
    return call_deny(call, REFUSAL_CALL_UNDER_WAY);
}

enum err idempotency_begin(struct call *call, const struct route *route, struct str body)
{
    struct repeatable *repeatable = call->repeatable;
    struct str key = call->request->idempotency_key;
    if (!key.len || !call->caller || !str_eq(call->request->method, STR("POST")))
        return ERR_OK;
    if (!is_key(key)) {
        call_refuse_field(call, STR("Idempotency-Key"), "must be at most 255 characters of ASCII");
        return ERR_INVALID;
    }
    make_digest(call, route, body);
    repeatable->claim.holder = id_random();
    struct store_call of = call_of(call);
    enum err err = store_call_claim(call->backends->store, &of, &repeatable->claim, call->out);
    call->writes = store_writes(call->backends->store); /* what is written from here on is the call's own */
    if (err)
        return refuse(call, err);
    if (repeatable->claim.status) {
        repeatable->is_answered = true;
        metric_inc(METRIC_IDEMPOTENCY_REPEATED);
        return ERR_OK;
    }
    err = repeatable->claim.is_new ? charge(call) : ERR_OK;
    repeatable->is_claimed = !err;
    return err;
}

/* Whether it would be the same again: not what was refused for now, or for a reason of the server's own. */
static bool is_final(int status)
{
    return status < 500 && status != 429;
}

void idempotency_end(struct call *call, const struct route *route, int status, struct str answer)
{
    if (!call->repeatable->is_claimed)
        return;
    struct store *store = call->backends->store;
    const struct store_claim *claim = &call->repeatable->claim;
    struct store_call of = call_of(call);
    bool keeps = is_final(status) && !route->secret && answer.len <= IDEMPOTENCY_ANSWER_MAX;
    enum err err = keeps ? store_call_answer(store, &of, claim, status, answer) : store_call_release(store, &of, claim);
    metric_inc(err ? METRIC_IDEMPOTENCY_UNKEPT : METRIC_IDEMPOTENCY_CALLS); /* unkept: it is carried out again later */
}

/* ---- names ---- */

static void make_name(const struct call *call, const char *what, char out[DIGEST_MAX])
{
    const struct str parts[] = {str_of(call->repeatable->claim.seed), str_of(what)};
    digest_make(parts, 2, out);
}

struct str idempotency_public_id(const struct call *call, const char *prefix, char out[ID_MAX])
{
    char digest[DIGEST_MAX];
    if (!call->repeatable->is_claimed)
        return STR("");
    make_name(call, prefix, digest);
    snprintf(out, ID_MAX, "%s%.32s", prefix, digest);
    return str_of(out);
}

struct str idempotency_client_id(const struct call *call, size_t index, char out[MESSAGE_CLIENT_ID_MAX + 1])
{
    char digest[DIGEST_MAX], what[24];
    if (!call->repeatable->is_claimed)
        return STR("");
    snprintf(what, sizeof what, "message %zu", index);
    make_name(call, what, digest);
    snprintf(out, MESSAGE_CLIENT_ID_MAX + 1, MESSAGE_ID_CALL "%.40s", digest);
    return str_of(out);
}
