/* client.h: a client's connection, from the first SYN to the end, and the bytes that go over it.
 *
 *   CLOSED ─▶ CONNECTING ─▶ HANDSHAKE ─▶ OPENING ─▶ OPEN ─▶ CLOSED
 *
 * Who is refused or cut before it is OPEN tries again, some times. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include "bench/load/world.h"
#include "bench/load/ws.h"

/* The longest frame, answer or chunk that can be read. */
enum { CLIENT_FRAME_MAX = 16 << 20 };

/* Begins to connect a client that is CLOSED. */
void client_connect(struct client *client);
/* Connects again those that were cut or refused while they came in and whose pause is over. */
void client_retry_all(void);
/* Cuts the connection from this side; it may connect again. */
void client_cut(struct client *client);

/* Where it connects. */
int client_port(const struct client *client);

/* ---- for protocols and parsers ---- */

/* The client is in its room and hears what is said there from now on. */
void client_opened(struct client *client);
/* Nothing more of the start is to come for this client. */
void client_settled(struct client *client);
/* It may not come in: tried again if it is not too often, else the program ends. */
void client_refused(struct client *client, struct text why);
/* Ends the connection for a fault of the server's; on the way in that is a refusal. */
void client_broken(struct client *client, enum fault fault, struct text what);

/* A WebSocket frame. */
void client_send(struct client *client, enum ws_opcode opcode, struct text payload);
/* The same with a payload that is made in place: client_begin, append to the buffer, client_end. */
struct bytes *client_begin(struct client *client);
void client_end(struct client *client);
/* Plain bytes, for protocols without WebSockets. */
void client_send_raw(struct client *client, struct text bytes);
/* Gives the socket what the frames above have gathered, for all clients that have something. */
void client_flush_all(void);

#endif
