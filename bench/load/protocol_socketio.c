/* protocol_socketio.c: the chat room over Socket.IO (Engine.IO 4, its WebSocket transport): a name, a room,
 * messages. */
#include "bench/load/client.h"
#include "bench/load/protocol.h"
#include "bench/load/packets.h"

static void request(struct client *client, struct bytes *out)
{
    (void)client;
    handshake_write(out, "/socket.io/?EIO=4&transport=websocket", "");
}

static void send_packet(struct client *client, struct text packet)
{
    client_send(client, WS_TEXT, packet);
}

static void await_open(struct client *client)
{
    (void)client; /* the server says the first word */
}

static void text(struct client *client, struct text frame)
{
    packet_in(client, frame, send_packet);
}

static void say(struct client *speaker, uint32_t number, uint64_t due_ns)
{
    struct bytes *out = client_begin(speaker);
    packet_say(out, speaker->room, number, due_ns);
    client_end(speaker);
}

const struct protocol socketio_protocol = {
    .name = "socketio",
    .ack = ACK_ECHO,
    .seq = SEQ_MAYBE,
    .echo = true,
    .prepare = packet_name_rooms,
    .request = request,
    .parse = ws_parse,
    .shaken = await_open,
    .text = text,
    .say = say,
};
