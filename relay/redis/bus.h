/* bus.h: Redis, as the relay sees it. Loop thread only.
 *
 *   bus.c the interface below; picks the server for each conversation
 *   bus_reply.c access to an answer
 *   bus_server.c  one Redis server: where it is, two connections, their heartbeat
 *   redis_link.c a connection: hiredis on the relay's loop
 *
 * There are one or several servers (common/redis/redis_servers.h), at fixed addresses or found through sentinels. Each
 * has two connections, because a subscribed one takes no other command. A heartbeat is published on one and must arrive
 * on the other. If it does not, although Redis has answered everything else, both are reconnected, with jittered
 * back-off, and all subscriptions are renewed. "Up" means that a heartbeat has arrived. Commands in flight are lost
 * with the connection, and their callers get NULL. Servers go up and down independently; a conversation depends only on
 * its own. */
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
/* The number of elements of an array, 0 if it is none; and the element at `index`. */
size_t bus_reply_count(const struct bus_reply *reply);
const struct bus_reply *bus_reply_at(const struct bus_reply *reply, size_t index);

/* `reply` NULL: the connection was lost or Redis refused; the command may or may not have been carried out. Called
 * exactly once for each command, in order for commands to one server. May call bus_command. */
typedef void bus_reply_fn(void *arg, const struct bus_reply *reply);

/* Starts connecting. Borrows all arguments. */
struct bus *bus_new(uv_loop_t *loop, const struct settings *settings, uint64_t incarnation,
                    const struct bus_events *events);
/* Starts shutting down: answers every command with NULL. Run the loop until its handles are closed, then call
 * bus_free. */
void bus_stop(struct bus *bus);
void bus_free(struct bus *bus);

/* Sends the commands of this turn of the loop. Must be called before the loop sleeps. */
void bus_flush(struct bus *bus);

/* Whether all servers are up. */
bool bus_is_up(const struct bus *bus);
size_t bus_servers(const struct bus *bus);
size_t bus_servers_up(const struct bus *bus);
bool bus_server_is_up(const struct bus *bus, size_t server);
/* The server that has everything about a conversation. */
size_t bus_server_of(const struct bus *bus, uint64_t conversation);
/* Appends [{"at":"host:port","up":true},…], for operators. */
void bus_add_state(const struct bus *bus, struct buf *out);

/* Subscribes to a conversation; bus_events.subscribed confirms it. False: its server is down, and no confirmation will
 * come; the subscription is made when the server is back. */
bool bus_subscribe(struct bus *bus, uint64_t conversation);
void bus_unsubscribe(struct bus *bus, uint64_t conversation);

/* Publishes to the relays subscribed to the conversation. Skipped, and counted, while its server is down or far behind;
 * the other relays' reconciliations then find the message. */
void bus_publish(struct bus *bus, uint64_t conversation, struct str payload);

/* Sends a command to a server. If that is down, `fn` is called with NULL before this returns. */
enum { BUS_MAX_ARGS = 136 }; /* as many as IO_SCRIPT_SINCE takes for all rooms of a socket */
void bus_command_on(struct bus *bus, size_t server, bus_reply_fn *fn, void *arg, const struct str *args, size_t count);
/* To the first server: for commands that concern no conversation. */
void bus_command(struct bus *bus, bus_reply_fn *fn, void *arg, const struct str *args, size_t count);

/* Commands on behalf of clients are charged to `payer`, the client's address (rate_address_key; 0: unknown). All payers
 * together may have redis_commands_max commands in flight to the first server, and each an eighth of that. Callers must
 * ask bus_has_room first and refuse the client if it is false (counted), so that the relay's own commands always get
 * through. */
bool bus_has_room(const struct bus *bus, uint64_t payer);
void bus_command_for(struct bus *bus, uint64_t payer, bus_reply_fn *fn, void *arg, const struct str *args,
                     size_t count);

#endif
