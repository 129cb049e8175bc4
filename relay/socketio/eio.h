/* eio.h: Engine.IO connections (version 4, and 3 where io_eio3 is set): one client's two-way stream of messages over HTTP long polling, a WebSocket, or
 * first the one and then the other. It knows nothing of what the messages mean. Loop thread only.
 * Source: the Engine.IO protocol, version 4 and version 3. In version 3 it is the client that pings, and payloads have
 * another form (eio_packet.h).
 *
 *   polling ──(WebSocket with the sid, 2probe/3probe, 5)──▶ websocket
 *
 * A connection is named by its sid, which also names the relay that has it (see sid.h): a request for
 * another relay's goes there (handoff.h). */
#ifndef CG_RELAY_SOCKETIO_EIO_H
#define CG_RELAY_SOCKETIO_EIO_H

#include "relay/net/http.h"
#include "relay/core/session.h"

struct eio;
struct handoff;

/* What stands on top: Socket.IO, or the bare echo for protocol suites. */
struct eio_layer {
    const char *path;    /* "/socket.io/"; the request path with or without its last slash */
    size_t state_size;   /* bytes of the layer's state in each connection, zeroed */
    bool sees_to_tokens; /* as of a protocol (session.h) */
    void (*opened)(struct eio *conn);
    /* A whole message; text is valid UTF-8. At most io_max_payload_bytes. May send and close. */
    void (*received)(struct eio *conn, bool binary, struct str data);
    /* Such a message came too soon: refuses it in the layer's words, or returns false, and it is received all the same
     * (it cannot be refused by itself). NULL: none can. Who goes on is closed in either case. */
    bool (*limited)(struct eio *conn, bool binary, struct str data, int64_t retry_after_ms);
    /* The connection is over; the state is freed after this returns. `reason` in Socket.IO's words: "transport
     * close", "transport error", "ping timeout", "forced close", "parse error"; a literal. Nothing can be sent. */
    void (*closed)(struct eio *conn, const char *reason);
};

/* `layers` ends with NULL. Borrows everything. */
void eio_init(const struct settings *settings, struct wheel *wheel, struct sessions *sessions, struct handoff *handoff,
              const struct eio_layer *const *layers, uint64_t incarnation, const unsigned char secret[32]);
/* Every connection must be over. */
void eio_fini(void);

void *eio_state(struct eio *conn);
/* Where its client is (rate_address_key). */
uint64_t eio_address(const struct eio *conn);
/* Puts out one connection, or all of an address: a ban, or else a kick. */
void eio_expel(struct eio *conn, bool ban);
void eio_expel_address(uint64_t address, bool ban);
/* All that came in by a token that their layer does not see to: such tokens are void. */
void eio_expel_tokens(void);
/* Names it to other threads and to later answers: eio_find gives NULL once it is over. The top bit is always set, which
 * no session's id has. */
uint64_t eio_id(const struct eio *conn);
struct eio *eio_find(uint64_t id);
/* Whether its client speaks version 3. */
bool eio_is_v3(const struct eio *conn);
/* The sid as its client knows it, with its relay's name; valid until the next call. A credential. */
struct str eio_sid(const struct eio *conn);
size_t eio_count(void);
/* Clients of this relay, whichever protocol they came by: what eio_full and max_connections compare. */
size_t eio_load(void);
/* Its client is where it wants to be: it was let in. Before that it may be put out for newer ones; one on polling until
 * it fetches an answer. */
void eio_admit(struct eio *conn);

/* It is closed ("forced close") when a token ends that was given for it, at that Unix time: the first one of several. */
void eio_expire(struct eio *conn, int64_t expires_s);

/* Sends a message: with everything else of this turn of the loop in one write or one payload. Kept while the client
 * does not read or has no poll waiting; past outbox_bytes the connection is closed as too slow. Nothing once it
 * is closing. Text must be UTF-8. */
void eio_send(struct eio *conn, bool binary, struct str data);

/* Closes it: what was sent goes out first. layer->closed is called in a later turn of the loop with `reason`. */
void eio_close(struct eio *conn, const char *reason);

/* Closes up to `quota` connections that are on polling so that their clients come back elsewhere; returns how many are
 * still open, of either kind. WebSockets are sessions and closed as such. */
size_t eio_drain(size_t quota);
/* Closes all that are on polling; their clients may come back here. */
void eio_send_away(void);

/* Gives polls and sockets what this turn of the loop sent. Called before the loop sleeps. */
void eio_flush(void);

/* Where it meets HTTP and WebSockets. */
extern const struct http_route eio_route;
extern const struct protocol eio_protocol;
/* For the upgrade of a path that eio_protocol claims: true if the call was answered or handed to another relay; false:
 * this relay's, go on with the WebSocket. */
bool eio_upgrade(struct http_call *call);

#endif
