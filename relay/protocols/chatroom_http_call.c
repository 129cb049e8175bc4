#include "relay/protocols/chatroom_http_call.h"

#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "relay/core/protocol.h"

#define TYPE_JSON "application/json; charset=utf-8"

/* ---- answers ---- */

void chatroom_http_reply(struct http_call *call, struct str json)
{
    http_reply(call, 200, TYPE_JSON, "", json);
}

static void add_refusal(struct buf *out, const char *code, const char *error, int64_t retry_after_ms)
{
    json_begin_object(out);
    json_add_text(out, "error", error);
    json_add_text(out, "code", code);
    if (retry_after_ms)
        json_add_int(out, "retry_after_ms", retry_after_ms);
    json_end_object(out);
}

void chatroom_http_refuse(struct http_call *call, unsigned status, const char *code, const char *error)
{
    struct buf out;
    buf_init(&out, 1024);
    add_refusal(&out, code, error, 0);
    http_reply(call, status, TYPE_JSON, status == 503 || status == 504 ? "Retry-After: 1\r\n" : "", buf_str(&out));
    buf_fini(&out);
}

void chatroom_http_refuse_limited(struct http_call *call, const char *code, const char *error, int64_t retry_after_ms)
{
    char headers[48];
    struct buf out;
    buf_init(&out, 1024);
    add_refusal(&out, code, error, retry_after_ms);
    snprintf(headers, sizeof headers, "Retry-After: %lld\r\n", (long long)rate_seconds(retry_after_ms));
    http_reply(call, 429, TYPE_JSON, headers, buf_str(&out));
    buf_fini(&out);
}

void chatroom_http_refuse_busy(struct http_call *call)
{
    chatroom_http_refuse(call, 503, "busy", "too much is going on: try again in a second");
}

void chatroom_http_refuse_down(struct http_call *call)
{
    chatroom_http_refuse(call, 503, "unavailable", "try again later");
}

/* ---- who is it, and may they be here ---- */

static void refuse_token(struct http_call *call, enum token_refusal refusal)
{
    metric_inc(METRIC_TOKENS_REFUSED);
    log_info("token.refused", "protocol=rooms why=%s", token_refusal_code(refusal));
    chatroom_http_refuse(call, 401, token_refusal_code(refusal), token_refusal_text(refusal));
}

static void refuse(struct http_call *call, enum admission_refusal refusal)
{
    metric_inc(METRIC_ADMISSIONS_REFUSED);
    if (refusal == ADMISSION_DOWN)
        chatroom_http_refuse_down(call);
    else if (refusal == ADMISSION_STRANGER)
        refuse_token(call, TOKEN_UNKNOWN_KEY);
    else if (refusal == ADMISSION_REVOKED)
        chatroom_http_refuse(call, 401, "unauthorized", "the token was made void");
    else /* of whatever kind: nobody learns here which rooms and users there are */
        chatroom_http_refuse(call, 404, "not_found", "no such room, or not a member of it");
}

static void on_asked(struct admission *admission, enum admission_refusal refusal)
{
    struct chatroom_http_asked *asked = (struct chatroom_http_asked *)admission;
    uint64_t address = asked->call ? rate_address_key(str_of(asked->call->peer)) : 0;
    if (!refusal && protocol_revoked(admission->membership.user, admission->membership.conversation,
                                     admission->membership.generation))
        refusal = ADMISSION_DOWN; /* while it was looked up: what is so now has to be asked again */
    bool banned = !refusal && protocol_banned(admission->membership.user, address, admission->membership.conversation);
    if (banned && asked->call)
        chatroom_http_refuse(asked->call, 403, "banned", "you may not be here");
    else if (!refusal && !banned)
        asked->admitted(asked);
    else if (asked->call && !banned)
        refuse(asked->call, refusal);
    asked->release(asked);
}

static void on_gone(void *arg, struct http_call *call)
{
    (void)call;
    ((struct chatroom_http_asked *)arg)->call = NULL;
}

/* Each call is authorised anew. The payer is the claimed user together with the address, so one user cannot use up
 * another's share, and users behind one address do not wait for each other. */
static uint64_t payer_of(const struct http_call *call, struct str nick_id)
{
    return str_hash(nick_id, STR_HASH_SEED ^ rate_address_key(str_of(call->peer))) & INT64_MAX;
}

void chatroom_http_ask(struct chatroom_http_asked *asked, struct http_call *call, struct str room_id,
                       struct str nick_id)
{
    asked->call = call;
    asked->admission.done = on_asked;
    enum token_refusal refused = admission_read_token(&asked->admission, &call->request);
    if (refused) {
        refuse_token(call, refused);
        asked->release(asked);
        return;
    }
    if (asked->admission.by_token)
        nick_id = asked->admission.token.app ? asked->admission.token.app->id : str_of(asked->admission.token.user_id);
    enum admission_refusal refusal = admission_name(&asked->admission, room_id, nick_id);
    if (refusal) {
        token_fini(&asked->admission.token);
        refuse(call, refusal);
        asked->release(asked);
        return;
    }
    uint64_t payer = payer_of(call, nick_id);
    http_hold(call, on_gone, asked);
    if (admission_ask(&asked->admission, JOB_ASK, payer)) {
        chatroom_http_refuse_busy(call);
        asked->release(asked);
    }
}
