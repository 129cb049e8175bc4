/* sio.h: Socket.IO 5, and 4 on Engine.IO 3: namespaces, events, acknowledgements, rooms, and connection state recovery. Loop
 * thread only. Source: the Socket.IO protocol, version 5 and version 4 ("From v4 to v5").
 *
 *   sio.c            a client's packets: connect, events, acks, attachments
 *   sio_namespace.c  a namespace on this relay: its sockets and rooms, who gets what
 *   sio_socket.c     one client in one namespace: what applications call (app.h)
 *   sio_recovery.c   a client that was cut off and comes back
 *   sio_registry.c   what Redis knows of them
 *   app_*.c          applications
 *
 * A namespace is a conversation: what is emitted to it is stored there and numbered, whomever it is for. So a client
 * that comes back names one number (its offset) and gets all that it was meant to get after it. */
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

/* Looks up the namespaces of the applications in the database (blocks: before the loop runs) and begins to listen to
 * them. False: *why says what is wrong. */
bool sio_init(const struct app *const *apps, const struct settings *settings, struct wheel *wheel, struct hub *hub,
              struct bus *bus, struct db_pool *db_pool, struct store *store, uint64_t incarnation, char why[256]);
void sio_fini(void);
/* Another epoch has begun: numbers, recent messages and histories are void, and nobody is let in to a namespace until it
 * has read them again. */
void sio_begin_epoch(void);
/* Every namespace is live: its connections can be let in. */
bool sio_ready(void);
void sio_bus_state(bool up);

/* Disconnects the sockets that a ban, a kick or a revocation is on: by the user that their token named, by name, or by
 * address (rate_address_key; 0: not by address). */
void sio_expel(const struct sanction *sanction, uint64_t address);

/* Frees what ended in this turn of the loop. Called before the loop sleeps. */
void sio_flush(void);

#endif
