#include "relay/app_news.h"

static void news_connected(struct sio_socket *socket, struct str auth, bool recovered)
{
    (void)socket;
    (void)auth;
    (void)recovered;
}

/* Whoever asks for an answer is told that nobody listens; the rest has no effect. */
static void news_event(struct sio_socket *socket, const struct sio_event *event)
{
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
