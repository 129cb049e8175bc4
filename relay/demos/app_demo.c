/* app_demo.c: the Socket.IO namespace /echo-demo: greets, and echoes what it gets. */
#include "relay/demos/demos.h"
#include "common/json.h"

static void demo_connected(struct sio_socket *socket, struct str auth, bool recovered)
{
    (void)auth;
    (void)recovered;
    sio_emit(socket, STR("[\"message\",\"欢迎光临\"]"), NULL, 0);
}

/* What is no text is said back as the JSON that it came as. */
static void demo_event(struct sio_socket *socket, const struct sio_event *event)
{
    if (!str_eq(event->name, STR("message")))
        return;
    struct str sent = event->arg_count ? event->args[0] : STR("null");
    struct buf said, array;
    buf_init(&said, sent.len + 64);
    buf_init(&array, sent.len * 6 + 256);
    buf_add_text(&said, "sever:");
    if (!sio_json_string(sent, &said))
        buf_add_str(&said, sent);
    json_begin_array(&array);
    json_add_text(&array, NULL, "message");
    json_add_string(&array, NULL, buf_str(&said));
    json_end_array(&array);
    sio_emit(socket, buf_str(&array), NULL, 0);
    sio_ack(socket, event->ack_id, STR("[{\"success\":true}]"), NULL, 0);
    buf_fini(&said);
    buf_fini(&array);
}

static void demo_disconnected(struct sio_socket *socket)
{
    (void)socket;
}

static const char *const namespaces[] = {"/echo-demo", NULL};

const struct app demo_app = {
    .name = "demo",
    .namespaces = namespaces,
    .demo = true,
    .connected = demo_connected,
    .event = demo_event,
    .disconnected = demo_disconnected,
};
