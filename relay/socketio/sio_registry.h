/* sio_registry.h: this relay's Socket.IO sockets as Redis knows them (common/redis/io_keys.h), so that other relays and the
 * admin calls know rooms and names without asking, and a client that was cut off gets its socket back anywhere. Knows
 * no sockets, only their names. Loop thread only.
 *
 * Commands to Redis keep their order. While Redis is down nothing is refused: what this relay knows decides, and all
 * is said again when Redis is back. */
#ifndef CG_RELAY_SOCKETIO_SIO_REGISTRY_H
#define CG_RELAY_SOCKETIO_SIO_REGISTRY_H

#include "common/redis/io_keys.h"
#include "relay/core/hub.h"

struct bus;

/* What lasts of a socket. Texts are borrowed. */
struct sio_record {
    struct str nsp, sid;
    struct str pid;  /* empty: it cannot be recovered */
    struct str name; /* empty: none */
    const struct str *rooms;
    size_t room_count;
    uint64_t payer; /* the address of its client, which pays for what is asked of Redis about it */
};

/* Called when all must be said again: calls sio_registry_add for each socket of this relay, then sio_registry_said; now,
 * or some at a time. If it is called again meanwhile, all must be said anew. */
typedef void sio_registry_all_fn(void *arg);
/* What Redis still has of ours and was not said is dropped. */
void sio_registry_said(void);

void sio_registry_init(const struct settings *settings, struct wheel *wheel, struct bus *bus, uint64_t incarnation,
                       sio_registry_all_fn *all, void *arg);
void sio_registry_fini(void);
/* Redis came back or was lost. */
void sio_registry_bus_state(bool up);

/* Whether one more command may be on its way to Redis for a client of that address; asked before what a client wants and
 * can be refused. */
bool sio_registry_has_room(uint64_t payer);

/* A socket is connected here (also: says it again). */
void sio_registry_add(const struct sio_record *socket);
/* It is gone. `keep`: its client may come back for it within io_recovery_ms; else pid and all are forgotten. Its name
 * is free at once in either case. */
void sio_registry_drop(const struct sio_record *socket, bool keep);
void sio_registry_join(const struct sio_record *socket, struct str room);
void sio_registry_leave(const struct sio_record *socket, struct str room);

/* From which numbers on it hears these of its rooms: what was said there up to `since` was not for it. Said after
 * sio_registry_add and sio_registry_join, kept with the pid. */
void sio_registry_since(const struct sio_record *socket, const struct str *rooms, const uint64_t *since, size_t count);
/* Within sio_recovered_fn only: what was said of that room; UINT64_MAX: nothing. */
uint64_t sio_registry_was_since(struct str room);

/* Asks for a name for this socket. `done` is called once, perhaps before this returns: ERR_OK, or ERR_DUPLICATE if a
 * connected socket has it. While Redis is down: ERR_DOWN, the caller decides by what it knows. */
typedef void sio_name_fn(void *arg, enum err err);
void sio_registry_claim_name(const struct sio_record *socket, struct str name, sio_name_fn *done, void *arg);
/* The sid of the socket that has the name: ERR_NOT_FOUND if none has, ERR_DOWN. */
typedef void sio_who_fn(void *arg, enum err err, struct str sid);
void sio_registry_find_name(struct str nsp, struct str name, uint64_t payer, sio_who_fn *done, void *arg);

/* A client that returns with a pid: if that is known and its name is still free or its own, the socket becomes this
 * relay's (whoever had it is told by IO_NOTICE_TAKEN, which is the caller's to send) and `done` gets the record, its
 * rooms and name registered here; ERR_NOT_FOUND or ERR_DOWN otherwise. */
typedef void sio_recovered_fn(void *arg, enum err err, const struct sio_record *socket);
void sio_registry_recover(struct str nsp, struct str pid, uint64_t payer, sio_recovered_fn *done, void *arg);

#endif
