#include "bench/load/packets.h"

#include "bench/load/client.h"
#include "bench/load/protocol.h"

#include <stdio.h>

void packet_name_rooms(void)
{
    for (unsigned i = 0; i < world.room_count; i++)
        snprintf(world.rooms[i].id, ID_CAP, "%s-%u", world.options->label, i);
}

/* Who wants to speak says a name first, which nobody else has: another one in each run, because the server may not have
 * noticed yet that the last run's clients are gone. */
static void enter(struct client *client, void (*send)(struct client *, struct text))
{
    char packet[128];
    if (client_speaks(client)) {
        snprintf(packet, sizeof packet, "42[\"message\",\"%08x %u\"]", world.run, client->index);
        send(client, text_of(packet));
    }
    snprintf(packet, sizeof packet, "42[\"join\",\"%.47s\"]", world.rooms[client->room].id);
    send(client, text_of(packet));
}

static void event(struct client *client, struct text packet)
{
    world.other_frames++;
    if (text_begins(packet, "42[\"joined\"")) {
        client_opened(client);
        client_settled(client);
    } else if (text_find(packet, "\"username\":\"\"")) { /* the server's refusals */
        world_fault(FAULT_REFUSED, client, packet);
    }
}

void packet_in(struct client *client, struct text packet, void (*send)(struct client *, struct text))
{
    if (check_messages(client, packet))
        return;
    if (text_begins(packet, "42"))
        event(client, packet);
    else if (text_begins(packet, "40"))
        enter(client, send);
    else if (text_begins(packet, "0"))
        send(client, text_of("40"));
    else if (text_begins(packet, "2"))
        send(client, text_of("3"));
    else if (text_begins(packet, "44") || text_begins(packet, "41") || text_begins(packet, "1"))
        client_broken(client, FAULT_REFUSED, packet);
}

void packet_say(struct bytes *out, unsigned room, uint32_t number, uint64_t due_ns)
{
    static const char open[] = "42[\"message\",\"";
    bytes_add(out, open, sizeof open - 1);
    content_write(out, room, number, due_ns);
    bytes_add(out, "\"]", 2);
}
