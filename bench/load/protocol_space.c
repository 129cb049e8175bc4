/* protocol_space.c: spaces, whose clients prove who they are by a token in a header. What is said is not stored. */
#include "bench/load/client.h"
#include "bench/load/protocol.h"

#include <stdio.h>
#include <string.h>

/* Who made a space and makes it again finds it again. */
static void space_name(unsigned room, char name[ID_CAP])
{
    snprintf(name, ID_CAP, "%s-%u", world.options->label, room);
}

static void ask_login(unsigned index, struct bytes *out)
{
    char body[128];
    snprintf(body, sizeof body, "{\"nickName\":\"%s %u\"}", world.options->label, index);
    post_write(out, "/api/login", "", body);
}

static bool take_login(unsigned index, struct text body)
{
    struct client *client = &world.clients[index];
    struct text token = text_field(body, "token");
    if (!token.len || token.len >= TOKEN_CAP)
        return false;
    client->token = strndup(token.ptr, token.len);
    return id_take(client->user, body, "userId");
}

static void token_header(const struct client *client, char header[TOKEN_CAP + 16])
{
    snprintf(header, TOKEN_CAP + 16, "token: %.*s\r\n", TOKEN_CAP, client->token);
}

static void ask_space(unsigned room, struct bytes *out)
{
    char name[ID_CAP], body[128], header[TOKEN_CAP + 16];
    space_name(room, name);
    token_header(world_speaker(room), header);
    snprintf(body, sizeof body, "{\"name\":\"%s\"}", name);
    post_write(out, "/api/spaces", header, body);
}

static bool take_space(unsigned room, struct text body)
{
    return id_take(world.rooms[room].id, body, "roomId");
}

static void ask_join(unsigned index, struct bytes *out)
{
    const struct client *client = &world.clients[index];
    char path[128], header[TOKEN_CAP + 16];
    snprintf(path, sizeof path, "/api/spaces/%s/join", world.rooms[client->room].id);
    token_header(client, header);
    post_write(out, path, header, "");
}

static bool take_join(unsigned index, struct text body)
{
    return text_field(body, "roomId").len && index < world.client_count;
}

static const struct setup setups[] = {
    {false, ask_login, take_login}, {true, ask_space, take_space}, {false, ask_join, take_join}, {0}};

static void request(struct client *client, struct bytes *out)
{
    char path[ID_CAP + 1] = "/", token[TOKEN_CAP + 16], headers[TOKEN_CAP + 128];
    space_name(client->room, path + 1);
    token_header(client, token);
    snprintf(headers, sizeof headers, "%sroom-id: %s\r\n", token, world.rooms[client->room].id);
    handshake_write(out, path, headers);
}

/* Who was here just now is not announced. An empty frame is answered once the client is in, with an error. */
static void ask_whether_in(struct client *client)
{
    client_send(client, WS_TEXT, text_of("{}"));
}

static void text(struct client *client, struct text frame)
{
    if (check_messages(client, frame))
        return;
    world.other_frames++;
    if (!text_find(frame, "\"error\""))
        return;
    if (client->state == CLIENT_OPENING) {
        client_opened(client);
        client_settled(client);
    } else {
        world_fault(FAULT_REFUSED, client, frame);
    }
}

static void say(struct client *speaker, uint32_t number, uint64_t due_ns)
{
    char name[ID_CAP];
    struct bytes *out = client_begin(speaker);
    space_name(speaker->room, name);
    bytes_addf(out, "{\"spaceName\":\"%s\",\"toMsg\":\"", name);
    content_write(out, speaker->room, number, due_ns);
    bytes_add(out, "\"}", 2);
    client_end(speaker);
}

const struct protocol space_protocol = {
    .name = "space",
    .setups = setups,
    .ack = ACK_ECHO,
    .seq = SEQ_NONE,
    .echo = true,
    .request = request,
    .parse = ws_parse,
    .shaken = ask_whether_in,
    .text = text,
    .say = say,
};
