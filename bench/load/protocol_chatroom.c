/* protocol_chatroom.c: the chatroom over WebSockets, and bench-bare, which speaks the same without rooms, users or
 * REST. */
#include "bench/load/client.h"
#include "bench/load/protocol.h"

#include <stdio.h>
#include <string.h>

static void ask_room(unsigned index, struct bytes *out)
{
    char body[256];
    const char *label = world.options->label;
    snprintf(body, sizeof body, "{\"chatroomName\":\"%s %u\",\"nickName\":\"%s %u\",\"headNum\":1}", label,
             world.clients[index].room, label, index);
    post_write(out, "/mysql/createChatroom", "", body);
}

static bool take_room(unsigned index, struct text body)
{
    struct client *client = &world.clients[index];
    return id_take(world.rooms[client->room].id, body, "chatroomId") && id_take(client->user, body, "nickId");
}

const struct setup chatroom_setups[] = {{false, ask_room, take_room}, {0}};

static void request(struct client *client, struct bytes *out)
{
    char path[256];
    snprintf(path, sizeof path, "/?roomId=%s&nickId=%s", world.rooms[client->room].id, client->user);
    handshake_write(out, path, "");
}

static void await_members(struct client *client)
{
    (void)client; /* the list of members says that it is in */
}

/* Everybody gets a list after every change: the first one says that the client is in, a full one that all are. */
static void on_members(struct client *client, struct text list)
{
    static const char member[] = "{\"user_name\":";
    const char *end = list.ptr + list.len, *at = list.ptr;
    unsigned count = 0;
    client_opened(client);
    while (!client->settled && (at = memmem(at, (size_t)(end - at), member, sizeof member - 1))) {
        at += sizeof member - 1;
        if (++count == world.rooms[client->room].members)
            client_settled(client);
    }
}

static void text(struct client *client, struct text frame)
{
    if (check_messages(client, frame))
        return;
    world.other_frames++;
    if (text_begins(frame, "[{\"type\":\"members\""))
        on_members(client, frame);
    else if (text_begins(frame, "[{\"type\":\"error\""))
        world_fault(FAULT_REFUSED, client, frame);
    else
        check_other_seq(client, frame);
}

static void say(struct client *speaker, uint32_t number, uint64_t due_ns)
{
    static const char open[] = "{\"type\":\"message\",\"content\":\"";
    struct bytes *out = client_begin(speaker);
    bytes_add(out, open, sizeof open - 1);
    content_write(out, speaker->room, number, due_ns);
    bytes_add(out, "\"}", 2);
    client_end(speaker);
}

const struct protocol chatroom_protocol = {
    .name = "chatroom",
    .setups = chatroom_setups,
    .ack = ACK_ECHO,
    .seq = SEQ_DENSE,
    .echo = true,
    .request = request,
    .parse = ws_parse,
    .shaken = await_members,
    .text = text,
    .say = say,
};

static void request_bare(struct client *client, struct bytes *out)
{
    (void)client;
    handshake_write(out, "/", "");
}

static void open_at_once(struct client *client)
{
    client_opened(client);
    client_settled(client);
}

const struct protocol bare_protocol = {
    .name = "bare",
    .ack = ACK_ECHO,
    .seq = SEQ_DENSE,
    .echo = true,
    .request = request_bare,
    .parse = ws_parse,
    .shaken = open_at_once,
    .text = text,
    .say = say,
};
