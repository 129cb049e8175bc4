/* bus.h: Redis, as the relay sees it. Loop thread only.
 *
 *   bus.c         what the rest of the relay asks for, sent to the server that it concerns
 *   bus_reply.c   what it may see of an answer
 *   bus_server.c  one Redis server: where it is, two connections, their heartbeat
 *   redis_link.c  a connection: hiredis as a guest of the loop
 *
 * One server or several (common/redis/redis_servers.h), at fixed addresses or where the sentinels say. To each, two
 * connections, because a subscribed one takes no other command. Both are watched by a heartbeat that is published on
 * one and must arrive on the other; if it does not, although Redis has nothing else left to answer, both are made anew,
 * with jittered back-off, and all subscriptions are said again. "Up" means that a heartbeat has come. Nothing in flight
 * survives: the callers of bus_command are told. Each server goes up and down by itself; a conversation notices only its
 * own. */
#ifndef CG_RELAY_REDIS_BUS_H
#define CG_RELAY_REDIS_BUS_H

#include "common/buf.h"
#include "common/settings.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct bus;

struct bus_events {
    void (*state)(void *arg, size_t server, bool up);
    void (*subscribed)(void *arg, uint64_t conversation);
    void (*received)(void *arg, struct str payload);
    void *arg;
};

/* A command's answer. */
struct bus_reply;
/* The answer as a number, 0 if it is none. */
int64_t bus_reply_number(const struct bus_reply *reply);
/* As text, empty if it is none. */
struct str bus_reply_text(const struct bus_reply *reply);
/* Elements of an array, 0 if it is none; and the element `index`. */
size_t bus_reply_count(const struct bus_reply *reply);
const struct bus_reply *bus_reply_at(const struct bus_reply *reply, size_t index);

/* `reply` NULL: Redis was lost, or refused; whether it was carried out is not known. Called exactly
 * once for each command, in their order if they went to the same server; may call bus_command. */
typedef void bus_reply_fn(void *arg, const struct bus_reply *reply);

/* Begins to connect. Borrows all but `loop`'s handles. */
struct bus *bus_new(uv_loop_t *loop, const struct settings *settings, uint64_t incarnation,
                    const struct bus_events *events);
/* Begins to end: answers every command with NULL. The loop must run until its handles are closed, then
 * bus_free. */
void bus_stop(struct bus *bus);
void bus_free(struct bus *bus);

/* Sends what was asked for in this turn of the loop. To be called before it sleeps. */
void bus_flush(struct bus *bus);

/* All servers are. */
bool bus_is_up(const struct bus *bus);
size_t bus_servers(const struct bus *bus);
size_t bus_servers_up(const struct bus *bus);
bool bus_server_is_up(const struct bus *bus, size_t server);
/* Where everything about a conversation is. */
size_t bus_server_of(const struct bus *bus, uint64_t conversation);
/* Appends [{"at":"host:port","up":true},…], for operators. */
void bus_add_state(const struct bus *bus, struct buf *out);

/* False: its server is down, no confirmation will come; it is subscribed when that is back. */
bool bus_subscribe(struct bus *bus, uint64_t conversation);
void bus_unsubscribe(struct bus *bus, uint64_t conversation);

/* Publishes to the relays that have subscribed to the conversation. Skipped, and counted, while its server
 * is down or far behind: the others' reconciliations find what they missed. */
void bus_publish(struct bus *bus, uint64_t conversation, struct str payload);

/* Sends a command to a server. While that is down `fn` is called with NULL before this returns. */
enum { BUS_MAX_ARGS = 136 }; /* as many as IO_SCRIPT_SINCE takes for all rooms of a socket */
void bus_command_on(struct bus *bus, size_t server, bus_reply_fn *fn, void *arg, const struct str *args, size_t count);
/* To the first: what concerns no conversation. */
void bus_command(struct bus *bus, bus_reply_fn *fn, void *arg, const struct str *args, size_t count);

/* What clients ask for is paid for by `payer`, the address that they come from (rate_address_key); 0: unknown. All of
 * them together may have redis_commands_max commands on their way to the first server, each an eighth of that: who asks
 * first whether there is room, and refuses what there is none for (counted), leaves the relay's own commands theirs. */
bool bus_has_room(const struct bus *bus, uint64_t payer);
void bus_command_for(struct bus *bus, uint64_t payer, bus_reply_fn *fn, void *arg, const struct str *args,
                     size_t count);

#endif
