/* protocol_native.c: the native protocol, version 1. Who was cut off comes back with its cursor. */
#include "bench/load/client.h"
#include "bench/load/protocol.h"

#include <stdio.h>

enum { HELLO_ID = 1 };

static void request(struct client *client, struct bytes *out)
{
    (void)client;
    handshake_write(out, "/v1", "Sec-WebSocket-Protocol: chaguan.v1\r\n");
}

static void hello(struct client *client)
{
    char cursor[80] = "";
    struct bytes *out = client_begin(client);
    if (client->epoch)
        snprintf(cursor, sizeof cursor, ",\"epoch\":%llu,\"seq\":%llu", (unsigned long long)client->epoch,
                 (unsigned long long)client->seq);
    bytes_addf(out, "{\"id\":%d,\"cmd\":\"hello\",\"user\":\"%s\",\"resume\":[{\"room\":\"%s\"%s}]}", HELLO_ID,
               client->user, world.rooms[client->room].id, cursor);
    client_end(client);
}

/* The answer to hello is also that to the join in it. */
static void on_hello(struct client *client, struct text frame)
{
    struct text seq = text_field(frame, "seq");
    if (!seq.len || text_find(frame, "\"reset\":true")) {
        client_broken(client, FAULT_REFUSED, frame);
        return;
    }
    if (!client->epoch) {
        client->epoch = text_number(text_field(frame, "epoch"));
        client->seq = text_number(seq);
    }
    client_opened(client);
    client_settled(client);
}

static void text(struct client *client, struct text frame)
{
    if (!text_begins(frame, "{\"re\":")) {
        if (check_messages(client, frame))
            return;
        world.other_frames++;
        check_other_seq(client, frame);
    } else if (client->state == CLIENT_OPENING) {
        on_hello(client, frame);
    } else if (text_find(frame, "\"ok\":true")) {
        world_acknowledge(client->room, text_number(text_field(frame, "re")));
    } else {
        world_fault(FAULT_REFUSED, client, frame);
    }
}

/* The command's id is the time at which the message was due, so its answer says how long it took. */
static void say(struct client *speaker, uint32_t number, uint64_t due_ns)
{
    struct bytes *out = client_begin(speaker);
    bytes_addf(out, "{\"id\":%llu,\"cmd\":\"send\",\"room\":\"%s\",\"client_id\":\"%08x-%u-%u\",\"content\":\"",
               (unsigned long long)due_ns, world.rooms[speaker->room].id, world.run, speaker->room, number);
    content_write(out, speaker->room, number, due_ns);
    bytes_add(out, "\"}", 2);
    client_end(speaker);
}

const struct protocol native_protocol = {
    .name = "native",
    .setups = chatroom_setups,
    .ack = ACK_OWN,
    .seq = SEQ_DENSE,
    .echo = true,
    .resumes = true,
    .request = request,
    .parse = ws_parse,
    .shaken = hello,
    .text = text,
    .say = say,
};
