#include "relay/app_echo.h"

/* A JSON array of `name`, if there is one, and the event's arguments, as the client wrote them. */
static struct str array_of(struct buf *out, const char *name, const struct sio_event *event)
{
    size_t bytes = 64;
    for (size_t i = 0; i < event->arg_count; i++)
        bytes += event->args[i].len + 1;
    buf_init(out, bytes);
    buf_add_char(out, '[');
    if (name)
        buf_add_json(out, str_of(name));
    for (size_t i = 0; i < event->arg_count; i++) {
        if (name || i)
            buf_add_char(out, ',');
        buf_add_str(out, event->args[i]);
    }
    buf_add_char(out, ']');
    return buf_str(out);
}

static void echo_connected(struct sio_socket *socket, struct str auth, bool recovered)
{
    struct sio_event event = {.args = &auth, .arg_count = 1};
    struct buf array;
    (void)recovered;
    sio_emit(socket, array_of(&array, "auth", &event), NULL, 0);
    buf_fini(&array);
}

static void echo_event(struct sio_socket *socket, const struct sio_event *event)
{
    struct buf array;
    buf_init(&array, 0);
    if (str_eq(event->name, STR("message")))
        sio_emit(socket, array_of(&array, "message-back", event), event->attachments, event->attachment_count);
    else if (str_eq(event->name, STR("message-with-ack")))
        sio_ack(socket, event->ack_id, array_of(&array, NULL, event), event->attachments, event->attachment_count);
    else if (str_eq(event->name, STR("ask")))
        sio_ask(socket, array_of(&array, "question", event), event->attachments, event->attachment_count);
    buf_fini(&array);
}

static void echo_acked(struct sio_socket *socket, int64_t ask_id, const struct sio_event *answer)
{
    struct buf array;
    (void)ask_id;
    sio_emit(socket, array_of(&array, "answer", answer), answer->attachments, answer->attachment_count);
    buf_fini(&array);
}

static void echo_disconnected(struct sio_socket *socket)
{
    (void)socket;
}

static const char *const namespaces[] = {"/", "/custom", NULL};

const struct app echo_app = {
    .name = "echo",
    .namespaces = namespaces,
    .connected = echo_connected,
    .event = echo_event,
    .acked = echo_acked,
    .disconnected = echo_disconnected,
};
