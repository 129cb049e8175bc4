#include "bench/load/protocol.h"

#include "bench/load/stamp.h"

#include <string.h>

static const struct protocol *const protocols[] = {
    &chatroom_protocol, &bare_protocol,  &nchan_protocol,   &socketio_protocol, &native_protocol, &friends_protocol,
    &customer_protocol, &space_protocol, &polling_protocol, &events_protocol,   &stream_protocol, &poll_protocol,
};

const struct protocol *protocol_named(const char *name)
{
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++)
        if (!strcmp(protocols[i]->name, name))
            return protocols[i];
    return NULL;
}

void content_write(struct bytes *out, unsigned room, uint32_t number, uint64_t due_ns)
{
    size_t len = world.options->bytes;
    struct stamp stamp = {world.run, room, number, due_ns};
    stamp_write(bytes_room(out, len), len, &stamp);
    out->len += len;
}

void handshake_write(struct bytes *out, const char *path, const char *headers)
{
    bytes_addf(out,
               "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n",
               path, headers);
}

void post_write(struct bytes *out, const char *path, const char *headers, const char *json)
{
    bytes_addf(out,
               "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
               "Content-Length: %zu\r\n%s\r\n%s",
               path, strlen(json), headers, json);
}

void get_write(struct bytes *out, const char *path)
{
    bytes_addf(out, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
}

bool id_take(char id[ID_CAP], struct text json, const char *key)
{
    struct text value = text_field(json, key);
    if (!value.len || value.len >= ID_CAP)
        return false;
    memcpy(id, value.ptr, value.len);
    id[value.len] = '\0';
    return true;
}
