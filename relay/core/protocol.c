#include "relay/core/protocol.h"

#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "relay/core/hub.h"
#include "relay/core/sanctions.h"

#include <strings.h>

struct protocol_context protocol_context;

void protocol_refuse(struct session *session, unsigned code, const char *reason)
{
    metric_inc(METRIC_ADMISSIONS_REFUSED);
    log_info("conn.refused", "conn=%llu protocol=%s code=%u reason=\"%s\"", (unsigned long long)session->id,
             session->protocol->name, code, reason);
    session_close(session, code, reason);
}

/* ---- tokens ---- */

bool protocol_doors_closed(void)
{
    return settings_doors_closed(protocol_context.settings);
}

bool protocol_is_shut(const struct settings *settings, const char *name, bool sees, const struct request *request,
                      enum token_refusal *refusal)
{
    struct token token;
    if (sees || !settings_doors_closed(settings))
        return false;
    *refusal = protocol_read_token(request, &token);
    if (!*refusal) {
        token_fini(&token);
        return false;
    }
    metric_inc(METRIC_TOKENS_REFUSED);
    log_info("token.refused", "protocol=%s why=%s", name, token_refusal_code(*refusal));
    return true;
}

void protocol_end_with_token(struct session *session, const struct request *request)
{
    struct token token;
    if (!protocol_doors_closed() || protocol_read_token(request, &token))
        return;
    session->client.by_token = true; /* and is put out when the keys are others */
    session_expire(session, token.expires_s);
    token_fini(&token);
}

void protocol_refuse_token(struct session *session, enum token_refusal refusal)
{
    metric_inc(METRIC_TOKENS_REFUSED);
    protocol_refuse(session, PROTOCOL_CLOSE_UNAUTHORIZED, token_refusal_code(refusal));
}

const char *protocol_stranger(enum err err)
{
    return err == ERR_DENIED ? PROTOCOL_REVOKED : token_refusal_code(TOKEN_UNKNOWN_KEY);
}

enum token_refusal protocol_read_token(const struct request *request, struct token *out)
{
    static const char scheme[] = "Bearer ";
    const size_t len = sizeof scheme - 1;
    char text[TOKEN_MAX + 64];
    struct str token = request->header(request, "token", text, sizeof text);
    if (!token.len) {
        token = request->header(request, "authorization", text, sizeof text);
        bool bearer = token.len > len && !strncasecmp(token.ptr, scheme, len);
        token = bearer ? (struct str){token.ptr + len, token.len - len} : STR("");
    }
    if (!token.len)
        token = request->argument(request, "token", text, sizeof text);
    return token_check(protocol_context.tokens, token, out);
}

/* ---- who may be here ---- */

bool protocol_banned(uint64_t user, uint64_t address, uint64_t conversation)
{
    bool banned = sanctions_on(protocol_context.hub->sanctions, SANCTION_BAN, user, address, conversation);
    if (banned)
        metric_inc(METRIC_MODERATION_REFUSED);
    return banned;
}

bool protocol_muted(const struct session *session, uint64_t conversation)
{
    const struct limits_client *client = &session->client;
    bool muted =
        sanctions_on(protocol_context.hub->sanctions, SANCTION_MUTE, client->user, client->address, conversation);
    if (muted)
        metric_inc(METRIC_MODERATION_REFUSED);
    return muted;
}

uint64_t protocol_moment(void)
{
    return protocol_context.hub->sanctions ? protocol_context.hub->sanctions->tokens_voided : 0;
}

bool protocol_revoked(uint64_t user, uint64_t conversation, uint32_t generation)
{
    bool revoked = sanctions_revoked(protocol_context.hub->sanctions, user, conversation, generation);
    if (revoked)
        metric_inc(METRIC_REVOKED_ENTERING);
    return revoked;
}

const struct protocol_refusal *protocol_admit(struct session *session, uint64_t user, uint64_t conversation,
                                              const struct protocol_proof *proof)
{
    static const struct protocol_refusal banned = {1008, "banned"}, many = {1008, "Too many connections of this user"},
                                         again = {1013, "Try again later"};
    if (protocol_banned(user, session->client.address, conversation))
        return &banned;
    if (protocol_revoked(user, conversation, proof->generation) ||
        (proof->by_token && proof->moment != protocol_moment()))
        return &again;
    session->client.generation = proof->generation;
    session->client.by_token = proof->by_token;
    if (!limits_identify(session->owner->limits, &session->client, user))
        return &many;
    session_admitted(session);
    if (proof->of_app)
        session_online(session);
    return NULL;
}

unsigned protocol_peer_refusal(struct str peer, int64_t *retry_after_ms)
{
    struct limits *limits = protocol_context.hub->sessions->limits;
    *retry_after_ms = 0;
    if (protocol_banned(0, rate_address_key(peer), 0))
        return 403;
    return !limits || limits_may_connect(limits, peer, retry_after_ms) ? 0 : 429;
}

/* ---- refusals and error events ---- */

const char *protocol_post_code(enum err err)
{
    return err == ERR_DENIED ? "muted" : "busy";
}

const char *protocol_post_error(enum err err)
{
    return err == ERR_DENIED ? "you may not post here" : "too many messages are waiting: try again in a second";
}

int protocol_retry_after_ms(const char *code)
{
    static const struct {
        const char *code;
        int ms;
    } rows[] = {{"busy", 1000}, {"unavailable", 2000}, {"unknown", 2000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strcmp(code, rows[i].code))
            return rows[i].ms;
    return 0;
}

static void send_error(struct session *session, struct str client_id, const char *code, const char *message,
                       int64_t retry_after_ms)
{
    struct buf out;
    buf_init(&out, 1024);
    json_begin_object(&out);
    json_add_text(&out, "type", "error");
    json_add_text(&out, "code", code);
    json_add_text(&out, "error", message);
    if (client_id.len)
        json_add_string(&out, "clientId", client_id);
    if (retry_after_ms)
        json_add_int(&out, "retry_after_ms", retry_after_ms);
    json_end_object(&out);
    metric_inc(METRIC_FRAMES_REFUSED);
    session_send_text(session, buf_str(&out));
    buf_fini(&out);
}

void protocol_send_error(struct session *session, const char *code, const char *message)
{
    protocol_send_error_for(session, STR(""), code, message);
}

void protocol_send_error_for(struct session *session, struct str client_id, const char *code, const char *message)
{
    send_error(session, client_id, code, message, protocol_retry_after_ms(code));
}

void protocol_limited(struct session *session, struct str message, int64_t retry_after_ms)
{
    (void)message;
    send_error(session, STR(""), "rate", PROTOCOL_LIMITED, retry_after_ms);
}
