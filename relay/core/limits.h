/* limits.h: rate limits of connections, users and addresses on this relay. Loop thread only.
 *
 * A message takes a token from each of three buckets: the connection's, the user's, the address's, and for each KiB one
 * from three others. If one is empty, the message is refused in the protocol's own form. Refusals have a bucket of the
 * same size, too: a connection that goes on until that is empty is closed. Clients that showed neither password nor
 * token get a part of the usual rates (rate_stranger_percent). Users and addresses are 64-bit keys (rate_address_key);
 * 0 means unknown and has no limit. */
#ifndef CG_RELAY_CORE_LIMITS_H
#define CG_RELAY_CORE_LIMITS_H

#include "common/rate.h"
#include "common/settings.h"
#include "relay/core/wheel.h"

#include <stddef.h>

struct limits {
    const struct settings *settings;
    struct wheel *wheel;
    struct rate_table users, addresses, handshakes; /* `handshakes` by address */
    struct rate_table creations, searches;          /* by user or address; by user */
    struct wheel_timer sweep;
};

/* The client of one connection, and the tokens it has used. Zeroed: unknown. */
struct limits_client {
    uint64_t user, address;
    struct rate_bucket messages, refusals, kib;
    bool counts_for_user, counts_for_address;
    bool by_token;       /* it authenticated with a token */
    uint32_t generation; /* of the user's rights when they were looked up (common/rights.h) */
};

enum limits_verdict { LIMITS_FINE, LIMITS_REFUSED, LIMITS_CLOSED };

void limits_init(struct limits *limits, const struct settings *settings, struct wheel *wheel);
/* Every client must have left. */
void limits_fini(struct limits *limits);

/* Whether `peer` may open one more connection. Call it once for each, before accepting: it takes from rate_handshakes.
 * If not, sets *retry_after_ms. */
bool limits_may_connect(struct limits *limits, struct str peer, int64_t *retry_after_ms);
/* The connection is open: counts it for its address. */
void limits_connect(struct limits *limits, struct limits_client *client, struct str peer);
/* The connection belongs to this user. False: the user has user_sockets_max connections already. */
bool limits_identify(struct limits *limits, struct limits_client *client, uint64_t user) CG_MUST_CHECK;
/* Whether the user has user_sockets_max connections already. Counts the refusal if so. */
bool limits_user_full(const struct limits *limits, uint64_t user);
/* How many connections the user has on this relay. */
int64_t limits_open(const struct limits *limits, uint64_t user);
/* The connection has ended. */
void limits_leave(struct limits *limits, struct limits_client *client);

/* The client sent a message of `bytes` bytes. LIMITS_REFUSED: refuse it; the client may retry after *retry_after_ms.
 * LIMITS_CLOSED: close the connection, which was refused too often. Both are counted. */
enum limits_verdict limits_message(struct limits *limits, struct limits_client *client, size_t bytes,
                                   int64_t *retry_after_ms);

/* The client asks for something permanent to be created. False if its user or address has exceeded rate_creations; then
 * sets *retry_after_ms. Counts the refusal. */
bool limits_creation(struct limits *limits, const struct limits_client *client, int64_t *retry_after_ms);
/* The same for a search (rate_search), charged to the user. */
bool limits_search(struct limits *limits, const struct limits_client *client, int64_t *retry_after_ms);

/* The payer of a client's jobs (db_pool.h): its user, or before that is known, its address. */
static inline uint64_t limits_payer_address(uint64_t address)
{
    return address | UINT64_C(1) << 63; /* users' numbers stay below */
}

/* The rates of this client's connection. */
struct rates limits_of_connection(const struct settings *settings, const struct limits_client *client);

static inline uint64_t limits_payer(const struct limits_client *client)
{
    return client->user ? client->user : limits_payer_address(client->address);
}

#endif
