/* sio_registry.h: registers this relay's Socket.IO sockets in Redis (common/redis/io_keys.h), so that other relays and
 * the admin calls can look up rooms and names, and a client that lost its connection can recover its socket on any
 * relay. Knows sockets only by their ids. Loop thread only.
 *
 * Commands to Redis keep their order. While Redis is down nothing is refused: this relay decides by what it knows, and
 * registers everything again when Redis is back. */
#ifndef CG_RELAY_SOCKETIO_SIO_REGISTRY_H
#define CG_RELAY_SOCKETIO_SIO_REGISTRY_H

#include "common/redis/io_keys.h"
#include "relay/core/hub.h"

struct bus;

/* A socket's record. Texts are borrowed. */
struct sio_record {
    struct str nsp, sid;
    struct str pid;  /* empty: it cannot be recovered */
    struct str name; /* empty: none */
    const struct str *rooms;
    size_t room_count;
    uint64_t payer; /* its client's address, charged for its Redis commands */
};

/* Must register all sockets again: call sio_registry_add for each, then sio_registry_said, at once or over several
 * turns of the loop. If it is called again before that is done, start over. */
typedef void sio_registry_all_fn(void *arg);
/* All sockets were registered: removes records of ours in Redis that were not. */
void sio_registry_said(void);

void sio_registry_init(const struct settings *settings, struct wheel *wheel, struct bus *bus, uint64_t incarnation,
                       sio_registry_all_fn *all, void *arg);
void sio_registry_fini(void);
/* Redis came back or was lost. */
void sio_registry_bus_state(bool up);

/* Whether that address may have one more Redis command in flight. Ask it before anything that a client requests and
 * that can be refused. */
bool sio_registry_has_room(uint64_t payer);

/* Registers a connected socket, or registers it again. */
void sio_registry_add(const struct sio_record *socket);
/* The socket has ended. `keep`: its client may recover it within io_recovery_ms; otherwise its record is deleted. Its
 * name is free at once in either case. */
void sio_registry_drop(const struct sio_record *socket, bool keep);
void sio_registry_join(const struct sio_record *socket, struct str room);
void sio_registry_leave(const struct sio_record *socket, struct str room);

/* Records that the socket gets messages in these rooms only after the numbers `since`. Call it after sio_registry_add
 * and sio_registry_join. Kept with the pid. */
void sio_registry_since(const struct sio_record *socket, const struct str *rooms, const uint64_t *since, size_t count);
/* Within sio_recovered_fn only: the number recorded for that room; UINT64_MAX: none. */
uint64_t sio_registry_was_since(struct str room);

/* Claims a name for this socket. `done` is called once, perhaps before this returns: ERR_OK, or ERR_DUPLICATE if a
 * connected socket has it. ERR_DOWN while Redis is down: the caller decides by what it knows. */
typedef void sio_name_fn(void *arg, enum err err);
void sio_registry_claim_name(const struct sio_record *socket, struct str name, sio_name_fn *done, void *arg);
/* The sid of the socket that has the name: ERR_NOT_FOUND if none has, ERR_DOWN. */
typedef void sio_who_fn(void *arg, enum err err, struct str sid);
void sio_registry_find_name(struct str nsp, struct str name, uint64_t payer, sio_who_fn *done, void *arg);

/* Recovers the socket of a client that reconnects with a pid. If the pid is known and its name is free or its own, the
 * socket is registered to this relay with its rooms and name, and `done` gets the record; the caller must send
 * IO_NOTICE_TAKEN to the relay that had it. Otherwise ERR_NOT_FOUND or ERR_DOWN. */
typedef void sio_recovered_fn(void *arg, enum err err, const struct sio_record *socket);
void sio_registry_recover(struct str nsp, struct str pid, uint64_t payer, sio_recovered_fn *done, void *arg);

#endif
