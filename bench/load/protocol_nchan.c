/* protocol_nchan.c: nchan's WebSocket channels: what is published comes back to all subscribers as it was said. So that
 * it costs as many bytes, what is said is what the chatroom would have made of it. */
#include "bench/load/client.h"
#include "bench/load/protocol.h"

#include <stdio.h>

static void name_rooms(void)
{
    for (unsigned i = 0; i < world.room_count; i++)
        snprintf(world.rooms[i].id, ID_CAP, "%s-%u", world.options->label, i);
}

static void request(struct client *client, struct bytes *out)
{
    char path[64];
    snprintf(path, sizeof path, "/room/%.47s", world.rooms[client->room].id);
    handshake_write(out, path, "");
}

static void open_at_once(struct client *client)
{
    client_opened(client);
    client_settled(client);
}

static void text(struct client *client, struct text frame)
{
    if (!check_messages(client, frame))
        world.other_frames++;
}

static void say(struct client *speaker, uint32_t number, uint64_t due_ns)
{
    struct bytes *out = client_begin(speaker);
    bytes_addf(out, "[{\"type\":\"message\",\"data\":{\"log_user_name\":\"%s %u\",\"log_content\":\"",
               world.options->label, speaker->index);
    content_write(out, speaker->room, number, due_ns);
    bytes_addf(out, "\",\"log_time\":\"2000-01-01 00:00:00\",\"seq\":%u,\"ts\":1700000000000}}]", number + 1);
    client_end(speaker);
}

const struct protocol nchan_protocol = {
    .name = "nchan",
    .ack = ACK_ECHO,
    .seq = SEQ_DENSE,
    .echo = true,
    .prepare = name_rooms,
    .request = request,
    .parse = ws_parse,
    .shaken = open_at_once,
    .text = text,
    .say = say,
};
