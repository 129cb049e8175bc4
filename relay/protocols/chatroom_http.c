#include "relay/protocols/chatroom_http.h"

#include "relay/protocols/chatroom_http_call.h"
#include "relay/protocols/chatroom_http_poll.h"
#include "relay/protocols/chatroom_http_send.h"
#include "relay/protocols/chatroom_http_stream.h"

#include <string.h>

#define ROOMS_PATH "/rooms/"
#define TYPE_JSON  "application/json; charset=utf-8"

static const struct verb {
    const char *name, *method, *allow;
    void (*handle)(struct http_call *call, struct str room_id);
} verbs[] = {
    {"poll", "GET", "Allow: GET\r\n", chatroom_http_poll},
    {"events", "GET", "Allow: GET\r\n", chatroom_http_events},
    {"stream", "GET", "Allow: GET\r\n", chatroom_http_stream},
    {"send", "POST", "Allow: POST\r\n", chatroom_http_send},
};

static bool claims(struct str path)
{
    const size_t len = sizeof ROOMS_PATH - 1;
    return path.len >= len && memcmp(path.ptr, ROOMS_PATH, len) == 0;
}

static size_t max_body(const struct settings *settings)
{
    return (size_t)settings->max_message_bytes;
}

static void handle(struct http_call *call)
{
    const size_t prefix = sizeof ROOMS_PATH - 1;
    struct str room_id = {call->request.path.ptr + prefix, call->request.path.len - prefix};
    const char *slash = memchr(room_id.ptr, '/', room_id.len);
    struct str name = STR("");
    if (slash) {
        name = (struct str){slash + 1, (size_t)(room_id.ptr + room_id.len - slash) - 1};
        room_id.len = (size_t)(slash - room_id.ptr);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (!str_eq(name, str_of(verbs[i].name)))
            continue;
        if (strcmp(call->method, verbs[i].method) == 0)
            verbs[i].handle(call, room_id);
        else
            http_reply(call, 405, TYPE_JSON, verbs[i].allow,
                       STR("{\"error\":\"method not allowed\",\"code\":\"method_not_allowed\"}"));
        return;
    }
    chatroom_http_refuse(call, 404, "not_found", "no such path");
}

const struct http_route chatroom_http_route = {
    .name = "rooms",
    .sees_to_tokens = true,
    .claims = claims,
    .max_body = max_body,
    .handle = handle,
    .foreign = "{\"error\":\"pages of this origin may not use this server (settings: origins, "
               "server_names)\",\"code\":\"origin\"}",
    .too_large = "{\"error\":\"request body too large\",\"code\":\"too_big\"}",
};
