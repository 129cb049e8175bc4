#include "relay/protocols/chatroom_http_send.h"

#include "common/client_id.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/text.h"
#include "relay/core/hub.h"
#include "relay/protocols/chatroom_http_call.h"
#include "relay/protocols/chatroom_http_held.h"

#include <stdlib.h>

/* ---- waiting for the commit ---- */

static void reply_stored(struct http_call *call, uint64_t seq)
{
    struct buf out;
    buf_init(&out, 256);
    json_begin_object(&out);
    json_add_bool(&out, "success", true);
    json_add_object(&out, "data");
    json_add_u64(&out, "epoch", protocol_context.hub->epoch);
    json_add_u64(&out, "seq", seq);
    json_end_object(&out);
    json_end_object(&out);
    chatroom_http_reply(call, buf_str(&out));
    buf_fini(&out);
}

static void give_up(struct session *session)
{
    struct chatroom_http_held *held = session->state;
    chatroom_http_refuse(held->call, 504, "unknown", "it is not known whether the message was stored");
    held->call = NULL;
}

static void on_posted(struct session *session, uint64_t number, const struct store_post *post)
{
    (void)number;
    struct chatroom_http_held *held = session->state;
    if (!post->err)
        reply_stored(held->call, post->message.seq);
    else if (post->err == ERR_UNKNOWN)
        give_up(session);
    else if (post->err == ERR_DOWN)
        chatroom_http_refuse(held->call, 503, "unavailable", "the message was not stored: try again later");
    else if (post->err == ERR_DUPLICATE)
        chatroom_http_refuse(held->call, 409, "conflict", PROTOCOL_CONFLICT);
    else
        chatroom_http_refuse(held->call, 500, "refused", "the message could not be stored");
    held->call = NULL;
    session_ended(session); /* it sits in no room, and hub_stored does not look back */
}

static const struct protocol protocol = {
    .name = "send",
    .state_size = sizeof(struct chatroom_http_held),
    .ping_interval_ms = chatroom_http_held_interval,
    .posted = on_posted,
    .closed = chatroom_http_held_closed,
};

/* ---- the request ---- */

struct asked {
    struct chatroom_http_asked asked;
    struct buf content;
    char client_id[MESSAGE_CLIENT_ID_MAX];
    size_t client_id_len;
};

/* If the client has left meanwhile, the message is stored all the same. */
static void on_admitted(struct chatroom_http_asked *base)
{
    struct asked *asked = (struct asked *)base;
    const struct store_membership *membership = &base->admission.membership;
    struct message message = {
        .conversation = membership->conversation,
        .sender = membership->user,
        .kind = MESSAGE_TEXT,
        .sender_name = {membership->user_name, membership->user_name_len},
        .content = buf_str(&asked->content),
        .client_id = {asked->client_id, asked->client_id_len},
    };
    struct http_call *call = base->call;
    struct session *session = NULL;
    /* who is gone has an address no more, and no more to say than this */
    struct limits_client client = {.user = membership->user,
                                   .address = call ? rate_address_key(str_of(call->peer)) : 0};
    int64_t retry_after_ms;
    if (limits_message(protocol_context.hub->sessions->limits, &client, message.content.len, &retry_after_ms)) {
        metric_inc(METRIC_FRAMES_REFUSED);
        if (call)
            chatroom_http_refuse_limited(call, "rate", PROTOCOL_LIMITED, retry_after_ms);
        return;
    }
    if (call && !(session = chatroom_http_hold(&protocol, call, chatroom_http_held_interval(protocol_context.settings),
                                               give_up)))
        return; /* there are too many */
    enum err err = hub_post(protocol_context.hub, session ? post_of(session, 0) : POST_OF_NOBODY, &message);
    if (!err || !session)
        return;
    if (err == ERR_DENIED)
        chatroom_http_refuse(call, 403, protocol_post_code(err), protocol_post_error(err));
    else
        chatroom_http_refuse_busy(call);
    chatroom_http_held_done(session);
}

static void release(struct chatroom_http_asked *base)
{
    buf_fini(&((struct asked *)base)->content);
    free(base);
}

/* Keeps what is to be said; what is wrong with it, or NULL. `key`: the header's, for a body without clientId. */
static const char *read_post(struct asked *asked, struct json_object *object, struct str key, const char **code)
{
    struct str content, client_id;
    *code = "bad_content";
    if (!json_get_string(object, "content", &content) || text_check_content(content))
        return "content must be text without control characters";
    buf_init(&asked->content, content.len * 2 + 16);
    text_add_content(&asked->content, content);
    *code = "bad_request";
    if (!client_id_get(object, "clientId", &client_id))
        return "clientId must be text of at most 64 bytes";
    if (!client_id.len)
        client_id = key;
    if (client_id.len && !client_id_ok(client_id))
        return "Idempotency-Key must be text of at most 64 bytes";
    memcpy(asked->client_id, client_id.ptr, client_id.len);
    asked->client_id_len = client_id.len;
    return NULL;
}

static void handle_object(struct http_call *call, struct str room_id, struct json_object *object)
{
    char text[ROOMS_ARGUMENT_BYTES], header[ROOMS_ARGUMENT_BYTES];
    struct str nick_id, key = call->request.header(&call->request, "idempotency-key", header, sizeof header);
    const char *code = "bad_request", *wrong = NULL;
    if (!json_get_string(object, "nickId", &nick_id))
        nick_id = call->request.argument(&call->request, "nickId", text, sizeof text);
    struct asked *asked = mem_zalloc(sizeof *asked);
    asked->asked.admitted = on_admitted;
    asked->asked.release = release;
    if (!nick_id.len && !protocol_doors_closed())
        wrong = "nickId is missing";
    else
        wrong = read_post(asked, object, key, &code);
    if (wrong) {
        metric_inc(METRIC_FRAMES_REFUSED);
        chatroom_http_refuse(call, 400, code, wrong);
        release(&asked->asked);
        return;
    }
    chatroom_http_ask(&asked->asked, call, room_id, nick_id);
}

void chatroom_http_send(struct http_call *call, struct str room_id)
{
    struct json_object *object;
    metric_inc(METRIC_FRAMES_IN);
    if (json_parse_object(call->body, &object)) {
        metric_inc(METRIC_FRAMES_REFUSED);
        chatroom_http_refuse(call, 400, "bad_json", "the body must be one JSON object");
        return;
    }
    handle_object(call, room_id, object);
    json_object_put(object);
}
