/* sio_token.c: CONNECT with doors = token: looks up the token's user before the socket becomes live. */
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/store_app_user.h"
#include "relay/core/protocol.h"
#include "relay/db/db_pool.h"
#include "relay/socketio/sio_client.h"

#include <stdlib.h>

/* A CONNECT whose user is being looked up: its socket is there, and neither live nor told of. */
struct coming {
    struct job job;
    uint64_t serial;
    struct token token;
    uint64_t moment;
    struct store_app_user user;
    size_t auth_len;
    char auth[];
};

static void coming_free(struct coming *coming)
{
    token_fini(&coming->token);
    free(coming);
}

static void look_up(struct job *job, struct store *store)
{
    struct coming *coming = (struct coming *)job;
    job->err = store_app_user_come(store, &coming->token, &coming->user);
}

/* NULL: it may be here. */
static const char *why_not(const struct sio_socket *socket, const struct coming *coming)
{
    uint64_t user = coming->user.user, conversation = socket->nsp->conversation;
    if (coming->job.err == ERR_NOT_FOUND || coming->job.err == ERR_DENIED)
        return protocol_stranger(coming->job.err);
    if (coming->job.err || coming->moment != protocol_moment() ||
        protocol_revoked(user, conversation, coming->user.rights.generation))
        return "unavailable";
    return protocol_banned(user, eio_address(socket->client->conn), conversation) ? "banned" : NULL;
}

static void on_come(struct job *job)
{
    struct coming *coming = (struct coming *)job;
    struct sio_socket *socket = sio_socket_find(coming->serial);
    const char *why = socket ? why_not(socket, coming) : NULL;
    if (why) {
        struct sio_client *client = socket->client;
        struct str nsp = socket->nsp->name;
        sio_socket_end(socket, SIO_END_FINAL);
        sio_refuse_connect(client, nsp, why);
    } else if (socket) {
        struct sio_client *client = socket->client;
        sio_socket_give_user(socket, coming->user.user, coming->user.rights.generation);
        sio_socket_name(socket, str_of(store_app_user_shown(&coming->user)));
        wheel_cancel(&client->connect_timer);
        eio_expire(client->conn, coming->token.expires_s);
        sio_socket_begin(socket, (struct str){coming->auth, coming->auth_len});
    }
    coming_free(coming);
}

void sio_token_connect(struct sio_client *client, struct sio_namespace *nsp, struct str auth)
{
    struct json_object *object = NULL;
    struct str text = STR("");
    struct coming *coming = mem_zalloc(sizeof *coming + auth.len);
    if (!json_parse_object(auth, &object) && !json_get_string(object, "token", &text))
        text = STR("");
    enum token_refusal refusal = token_check(protocol_context.tokens, text, &coming->token);
    json_object_put(object);
    if (refusal) {
        metric_inc(METRIC_TOKENS_REFUSED);
        log_info("token.refused", "conn=%llu protocol=socketio why=%s", (unsigned long long)eio_id(client->conn),
                 token_refusal_code(refusal));
        coming_free(coming);
        sio_refuse_connect(client, nsp->name, token_refusal_code(refusal));
        return;
    }
    coming->job.work = look_up;
    coming->job.done = on_come;
    coming->moment = protocol_moment();
    coming->auth_len = auth.len;
    memcpy(coming->auth, auth.ptr, auth.len);
    job_charge(&coming->job, JOB_ARRIVAL, limits_payer_address(eio_address(client->conn)), 2);
    if (db_pool_try(sio.db_pool, &coming->job)) {
        coming_free(coming);
        sio_refuse_connect(client, nsp->name, "busy");
        return;
    }
    coming->serial = sio_socket_new(client, nsp)->serial;
}
