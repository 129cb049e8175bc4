#include "bench/load/world.h"

#include "bench/load/protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { TOLD_OF_EACH = 3, TOLD_BYTES = 200 };

struct world world;

static const char *const fault_names[FAULTS] = {
    [FAULT_REPEATED] = "repeated", [FAULT_ORDER] = "out_of_order", [FAULT_SEQ] = "seq",
    [FAULT_FOREIGN] = "foreign",   [FAULT_DAMAGED] = "damaged",    [FAULT_REFUSED] = "refused",
    [FAULT_PROTOCOL] = "protocol", [FAULT_CLOSED] = "closed",      [FAULT_OVERDUE] = "overdue",
};

void world_init(const struct options *options, const struct protocol *protocol)
{
    world.options = options;
    world.protocol = protocol;
    world.client_count = options->clients;
    world.room_count = protocol->pairs ? options->clients / 2 : options->rooms;
    if (protocol->pairs)
        world.client_count = world.room_count * 2;
    if (!world.room_count)
        die("a conversation needs two clients");
    world.clients = zalloc(world.client_count, sizeof *world.clients);
    world.rooms = zalloc(world.room_count, sizeof *world.rooms);
    world.ready = zalloc(world.room_count, sizeof *world.ready);
    world.measured_from_ns = UINT64_MAX;
    if (getrandom(&world.run, sizeof world.run, 0) != sizeof world.run)
        die("no random numbers");
    for (unsigned i = 0; i < world.client_count; i++) {
        struct client *client = &world.clients[i];
        client->fd = -1;
        client->index = i;
        client->room = i % world.room_count;
        client->hears = protocol->echo || !client_speaks(client);
        world.rooms[client->room].members++;
    }
}

void world_free(void)
{
    for (unsigned i = 0; i < world.client_count; i++) {
        bytes_free(&world.clients[i].carry);
        bytes_free(&world.clients[i].out);
        bytes_free(&world.clients[i].body);
        free(world.clients[i].token);
    }
    free(world.clients);
    free(world.rooms);
    free(world.ready);
}

void world_acknowledge(unsigned number, uint64_t due_ns)
{
    struct room *room = &world.rooms[number];
    world.tally.acknowledged++;
    room->acknowledged++;
    if (due_ns >= world.measured_from_ns)
        hist_add(&world.ack, world.now_ns - due_ns);
    if (!room->ready) {
        room->ready = true;
        world.ready[world.ready_count++] = number;
    }
}

void world_fault(enum fault fault, const struct client *client, struct text what)
{
    int shown = what.len < TOLD_BYTES ? (int)what.len : TOLD_BYTES;
    if (world.faults[fault]++ < TOLD_OF_EACH)
        fprintf(stderr, "bench-load: %s: client %u of room %u, next %u, seq %llu: %.*s\n", fault_names[fault],
                client->index, client->room, client->next, (unsigned long long)client->seq, shown, what.ptr);
}

const char *world_fault_name(enum fault fault)
{
    return fault_names[fault];
}

uint64_t world_faults(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < FAULTS; i++)
        sum += world.faults[i];
    return sum;
}

uint64_t world_expected(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < world.client_count; i++) {
        const struct client *client = &world.clients[i];
        if (client->hears)
            sum += world.rooms[client->room].sent - client->skipped - client->may_skip;
    }
    return sum;
}

uint64_t world_lost(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < world.client_count; i++) {
        const struct client *client = &world.clients[i];
        if (client->hears)
            sum += world.rooms[client->room].sent - client->next - client->may_skip + client->missing;
    }
    return sum;
}

bool world_all_taken(void)
{
    return world.protocol->ack == ACK_HEARD || world.tally.acknowledged == world.tally.sent;
}
