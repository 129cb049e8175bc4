#include "relay/socketio/app_echo.h"

#include "common/container.h"
#include "common/json.h"
#include "common/mem.h"

#include <stddef.h>
#include <stdlib.h>

/* Suites wait for one message after the other, and a client's library may tell of two that came in one piece at once:
 * nobody would wait for the second one yet. So "auth" comes so much after the answer to CONNECT. */
enum { AUTH_MS = 30 };

struct echo {
    struct sio_socket *socket;
    struct wheel_timer timer;
    char *auth; /* NULL: said */
};

/* A JSON array of `name`, if there is one, and the event's arguments, as the client wrote them. */
static struct str array_of(struct buf *out, const char *name, const struct sio_event *event)
{
    size_t bytes = 64;
    for (size_t i = 0; i < event->arg_count; i++)
        bytes += event->args[i].len + 1;
    buf_init(out, bytes);
    json_begin_array(out);
    if (name)
        json_add_text(out, NULL, name);
    for (size_t i = 0; i < event->arg_count; i++)
        json_add_raw(out, NULL, event->args[i]);
    json_end_array(out);
    return buf_str(out);
}

static void say_auth(struct echo *echo)
{
    struct buf array;
    if (!echo->auth)
        return;
    struct str auth = str_of(echo->auth);
    struct sio_event event = {.args = &auth, .arg_count = 1};
    wheel_cancel(&echo->timer);
    sio_emit(echo->socket, array_of(&array, "auth", &event), NULL, 0);
    buf_fini(&array);
    free(echo->auth);
    echo->auth = NULL;
}

static void on_auth(struct wheel_timer *timer)
{
    say_auth(container_of(timer, struct echo, timer));
}

static void echo_connected(struct sio_socket *socket, struct str auth, bool recovered)
{
    struct echo *echo = sio_state(socket);
    (void)recovered;
    *echo = (struct echo){.socket = socket, .timer.fired = on_auth, .auth = mem_strndup(auth.ptr, auth.len)};
    sio_after(&echo->timer, AUTH_MS);
}

static void echo_event(struct sio_socket *socket, const struct sio_event *event)
{
    struct buf array;
    buf_init(&array, 0);
    say_auth(sio_state(socket)); /* it comes first */
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
    struct echo *echo = sio_state(socket);
    wheel_cancel(&echo->timer);
    free(echo->auth);
    echo->auth = NULL;
}

static const char *const namespaces[] = {"/", "/custom", NULL};

const struct app echo_app = {
    .name = "echo",
    .namespaces = namespaces,
    .state_size = sizeof(struct echo),
    .connected = echo_connected,
    .event = echo_event,
    .acked = echo_acked,
    .disconnected = echo_disconnected,
};
