/* eio.h: Engine.IO connections (version 4, and 3 where io_eio3 is set): one client's two-way stream of messages over
 * HTTP long polling, a WebSocket, or the first upgraded to the second. Knows nothing of what messages mean. Loop thread
 * only. Source: the Engine.IO protocol, version 4 and version 3. In version 3 the client pings, and payloads have
 * another form (eio_packet.h).
 *
 *   polling ──(WebSocket with the sid, 2probe/3probe, 5)──▶ websocket
 *
 * A connection is identified by its sid, which also names its relay (sid.h); requests for another relay's connection
 * are handed over (handoff.h). */
#ifndef CG_RELAY_SOCKETIO_EIO_H
#define CG_RELAY_SOCKETIO_EIO_H

#include "relay/net/http.h"
#include "relay/core/session.h"

struct eio;
struct handoff;

/* The layer on top: Socket.IO, or the plain echo for protocol suites. */
struct eio_layer {
    const char *path;    /* "/socket.io/"; the request path may lack the last slash */
    size_t state_size;   /* bytes of the layer's state in each connection, zeroed */
    bool sees_to_tokens; /* as of a protocol (session.h) */
    void (*opened)(struct eio *conn);
    /* A whole message of at most io_max_payload_bytes; text is valid UTF-8. May send and close. */
    void (*received)(struct eio *conn, bool binary, struct str data);
    /* Such a message exceeds a rate: refuses it in the layer's own form. Returns false if it cannot be refused by
     * itself; it is then received all the same. NULL: none can. A client that goes on is closed in either case. */
    bool (*limited)(struct eio *conn, bool binary, struct str data, int64_t retry_after_ms);
    /* The connection is over; the state is freed after this returns. `reason` in Socket.IO's words: "transport close",
     * "transport error", "ping timeout", "forced close", "parse error"; a literal. Must not send. */
    void (*closed)(struct eio *conn, const char *reason);
};

/* `layers` ends with NULL. Borrows everything. */
void eio_init(const struct settings *settings, struct wheel *wheel, struct sessions *sessions, struct handoff *handoff,
              const struct eio_layer *const *layers, uint64_t incarnation, const unsigned char secret[32]);
/* Every connection must have ended. */
void eio_fini(void);

void *eio_state(struct eio *conn);
/* Its client's address (rate_address_key). */
uint64_t eio_address(const struct eio *conn);
/* Closes one connection, or all of an address, for a ban or else a kick. */
void eio_expel(struct eio *conn, bool ban);
void eio_expel_address(uint64_t address, bool ban);
/* Closes all connections that were let in by a token which their layer does not check, because such tokens were
 * revoked. */
void eio_expel_tokens(void);
/* Identifies it for asynchronous answers: eio_find returns NULL once it has ended. The top bit is always set, unlike a
 * session's id. */
uint64_t eio_id(const struct eio *conn);
struct eio *eio_find(uint64_t id);
/* Whether its client speaks version 3. */
bool eio_is_v3(const struct eio *conn);
/* The sid as the client knows it, with the relay's name in front. Valid until the next call. A credential: never log
 * it. */
struct str eio_sid(const struct eio *conn);
size_t eio_count(void);
/* All clients of this relay, of any protocol; bounded by max_connections. */
size_t eio_load(void);
/* The client was let in. Before that the connection may be put out for newer ones; on polling, until the client fetches
 * an answer, too. */
void eio_admit(struct eio *conn);

/* Closes it ("forced close") when a token of its client expires, at that Unix time; of several, the first. */
void eio_expire(struct eio *conn, int64_t expires_s);

/* Sends a message, in one write or payload with everything else of this turn of the loop. It waits while the client
 * does not read or has no poll open; past outbox_bytes the connection is closed as too slow. Does nothing once it is
 * closing. Text must be UTF-8. */
void eio_send(struct eio *conn, bool binary, struct str data);

/* Closes it after sending what is queued. layer->closed follows in a later turn of the loop, with `reason`. */
void eio_close(struct eio *conn, const char *reason);

/* Closes up to `quota` connections on polling, so that their clients reconnect elsewhere; returns how many connections
 * of either kind are open. WebSockets are sessions and are closed as such. */
size_t eio_drain(size_t quota);
/* Closes all connections on polling; their clients may reconnect here. */
void eio_send_away(void);

/* Writes what this turn of the loop has queued. Must be called before the loop sleeps. */
void eio_flush(void);

/* The entry points for HTTP and WebSockets. */
extern const struct http_route eio_route;
extern const struct protocol eio_protocol;
/* For an upgrade on a path that eio_protocol claims. True: the call was answered or handed to another relay. False: the
 * caller continues with the WebSocket. */
bool eio_upgrade(struct http_call *call);

#endif
