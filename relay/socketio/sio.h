/* sio.h: Socket.IO 5, and 4 on Engine.IO 3: namespaces, events, acknowledgements, rooms, and connection state recovery. Loop
 * thread only. Source: the Socket.IO protocol, version 5 and version 4 ("From v4 to v5").
 *
 *   sio.c a client's packets: connect, events, acknowledgements, attachments
 *   sio_namespace.c a namespace on this relay: its sockets, rooms and audiences
 *   sio_socket.c a socket, one client in one namespace: the functions of app.h
 *   sio_recovery.c recovery of a client that lost its connection
 *   sio_registry.c the sockets' records in Redis
 *   app_*.c          applications
 *
 * A namespace is a conversation: every event emitted to it is stored there and numbered, whatever its audience. A
 * client that reconnects names one number (its offset) and gets every event after it whose audience it belonged to. */
#ifndef CG_RELAY_SOCKETIO_SIO_H
#define CG_RELAY_SOCKETIO_SIO_H

#include "relay/socketio/eio.h"
#include "relay/core/hub.h"

struct app;
struct bus;
struct db_pool;
struct sanction;
struct store;

extern const struct eio_layer sio_layer;
/* Echoes Engine.IO messages on /engine.io/; only with io_app = echo. */
extern const struct eio_layer echo_layer;

/* Whether io_app and io_namespaces can be had: sio_init refuses them for no other reason than the database. ERR_INVALID with
 * one line in `why`. */
enum err sio_check(const struct app *const *apps, const struct settings *settings, char why[256]) CG_MUST_CHECK;

/* Looks up the namespaces of the applications in the database (blocks: before the loop runs) and begins to listen to
 * them. False: *why says what is wrong. */
bool sio_init(const struct app *const *apps, const struct settings *settings, struct wheel *wheel, struct hub *hub,
              struct bus *bus, struct db_pool *db_pool, struct store *store, uint64_t incarnation, char why[256]);
void sio_fini(void);
/* A new epoch has begun: numbers, recent messages and histories are void, and no client can join a namespace until it
 * has read them again. */
void sio_begin_epoch(void);
/* Whether every namespace is live, so that clients can join. */
bool sio_ready(void);
void sio_bus_state(bool up);

/* Disconnects the sockets to which a ban, a kick or a revocation applies: by their token's user, by name, or by address
 * (rate_address_key; 0: not by address). */
void sio_expel(const struct sanction *sanction, uint64_t address);

/* Frees the sockets that ended in this turn of the loop. Must be called before the loop sleeps. */
void sio_flush(void);

#endif
