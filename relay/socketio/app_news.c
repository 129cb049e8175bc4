#include "relay/socketio/app_news.h"

#include "relay/core/protocol.h"
#include "common/json.h"

/* As a demonstration it greets with its own name. */
static void news_connected(struct sio_socket *socket, struct str auth, bool recovered)
{
    struct buf line, array;
    (void)auth;
    if (!protocol_context.settings->demos || recovered)
        return;
    buf_init(&line, SIO_NAMESPACE_MAX + 64);
    buf_init(&array, 8 * (SIO_NAMESPACE_MAX + 64));
    buf_add_str(&line, sio_nsp(socket));
    buf_add_text(&line, " 欢迎光临");
    json_begin_array(&array);
    json_add_text(&array, NULL, "message");
    json_add_string(&array, NULL, buf_str(&line));
    json_end_array(&array);
    sio_emit(socket, buf_str(&array), NULL, 0);
    buf_fini(&line);
    buf_fini(&array);
}

/* Events are ignored; one that asks for an acknowledgement gets a failure. As a demonstration it hears messages, and
 * does nothing with them, as the article's server does. */
static void news_event(struct sio_socket *socket, const struct sio_event *event)
{
    if (protocol_context.settings->demos && str_eq(event->name, STR("message"))) {
        sio_ack(socket, event->ack_id, STR("[{\"success\":true}]"), NULL, 0);
        return;
    }
    sio_ack(socket, event->ack_id, STR("[{\"success\":false,\"error\":\"read_only\"}]"), NULL, 0);
}

static void news_disconnected(struct sio_socket *socket)
{
    (void)socket;
}

const struct app news_app = {
    .name = "news",
    .recoverable = true,
    .connected = news_connected,
    .event = news_event,
    .disconnected = news_disconnected,
};
