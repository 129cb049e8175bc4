/* packets.h: what a client of the Socket.IO chat room says and understands, whatever transport carries it. */
#ifndef BENCH_PACKETS_H
#define BENCH_PACKETS_H

#include "bench/load/world.h"

void packet_name_rooms(void);

/* A packet that came. What it wants said goes out by `send`. */
void packet_in(struct client *client, struct text packet, void (*send)(struct client *client, struct text packet));

/* Appends the packet of a message. */
void packet_say(struct bytes *out, unsigned room, uint32_t number, uint64_t due_ns);

#endif
