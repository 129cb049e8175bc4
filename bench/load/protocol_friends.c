/* protocol_friends.c: two friends, of whom one writes. Nobody tells the writer that it was taken: the other one's
 * getting it counts as that. */
#include "bench/load/client.h"
#include "bench/load/protocol.h"

#include <stdio.h>

static void ask_user(unsigned index, struct bytes *out)
{
    char body[128];
    snprintf(body, sizeof body, "{\"name\":\"%s %u\"}", world.options->label, index);
    post_write(out, "/api/users", "", body);
}

static bool take_user(unsigned index, struct text body)
{
    return id_take(world.clients[index].user, body, "userId");
}

static const char *friend_of(unsigned index)
{
    return world.clients[index < world.room_count ? index + world.room_count : index - world.room_count].user;
}

static void ask_friendship(unsigned room, struct bytes *out)
{
    char body[256];
    snprintf(body, sizeof body, "{\"user1\":\"%s\",\"user2\":\"%s\"}", world.clients[room].user, friend_of(room));
    post_write(out, "/api/friends", "", body);
}

static bool take_friendship(unsigned room, struct text body)
{
    return id_take(world.rooms[room].id, body, "friendId");
}

static const struct setup setups[] = {{false, ask_user, take_user}, {true, ask_friendship, take_friendship}, {0}};

static void request(struct client *client, struct bytes *out)
{
    char path[64];
    snprintf(path, sizeof path, "/ws/%.47s", client->user);
    handshake_write(out, path, "");
}

/* The server says nothing of its own when a client is in. An empty frame is answered once it is, with an error. */
static void ask_whether_in(struct client *client)
{
    client_send(client, WS_TEXT, text_of("{}"));
}

static void text(struct client *client, struct text frame)
{
    if (check_messages(client, frame))
        return;
    world.other_frames++;
    if (client->state == CLIENT_OPENING) {
        client_opened(client);
        client_settled(client);
    } else if (text_find(frame, "\"error\"")) {
        world_fault(FAULT_REFUSED, client, frame);
    }
}

static void say(struct client *speaker, uint32_t number, uint64_t due_ns)
{
    struct bytes *out = client_begin(speaker);
    bytes_addf(out, "{\"friend\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"type\":\"text\",\"content\":\"",
               world.rooms[speaker->room].id, speaker->user, friend_of(speaker->index));
    content_write(out, speaker->room, number, due_ns);
    bytes_add(out, "\"}", 2);
    client_end(speaker);
}

const struct protocol friends_protocol = {
    .name = "friends",
    .setups = setups,
    .ack = ACK_HEARD,
    .seq = SEQ_GROWS,
    .pairs = true,
    .request = request,
    .parse = ws_parse,
    .shaken = ask_whether_in,
    .text = text,
    .say = say,
};
