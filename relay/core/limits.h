/* limits.h: how much one connection, one user and one address may do on this relay. Loop thread only.
 *
 * A message takes a token from each of three buckets: the connection's, the user's, the address's, and for each KiB one
 * from three others. If one is empty, the message is refused, with the protocol's own words. Refusals have a bucket
 * too, of the same size: who sends on until that is empty is closed. Who showed no password and no token has a part of
 * what the others have (rate_stranger_percent). Users and addresses are told apart by number (rate_address_key); 0 is
 * nobody, and has no limit. */
#ifndef CG_RELAY_CORE_LIMITS_H
#define CG_RELAY_CORE_LIMITS_H

#include "common/rate.h"
#include "common/settings.h"
#include "relay/core/wheel.h"

#include <stddef.h>

struct limits {
    const struct settings *settings;
    struct wheel *wheel;
    struct rate_table users, addresses, handshakes; /* the last by address, too */
    struct rate_table creations, searches;          /* by who makes what stays, users and addresses; by who looks */
    struct wheel_timer sweep;
};

/* Who is at the other end of a connection, and what it has used up. A zeroed one is nobody. */
struct limits_client {
    uint64_t user, address;
    struct rate_bucket messages, refusals, kib;
    bool counts_for_user, counts_for_address;
    bool by_token;       /* it came with a token */
    uint32_t generation; /* of the user's rights when they were looked up (common/rights.h) */
};

enum limits_verdict { LIMITS_FINE, LIMITS_REFUSED, LIMITS_CLOSED };

void limits_init(struct limits *limits, const struct settings *settings, struct wheel *wheel);
/* Every client must have left. */
void limits_fini(struct limits *limits);

/* Whether one more connection may come from there: asked once for each, before it is accepted, and counted against
 * rate_handshakes. */
bool limits_may_connect(struct limits *limits, struct str peer, int64_t *retry_after_ms);
/* The connection is there: counted for its address. */
void limits_connect(struct limits *limits, struct limits_client *client, struct str peer);
/* It is this user's. False: of those there are user_sockets_max already. */
bool limits_identify(struct limits *limits, struct limits_client *client, uint64_t user) CG_MUST_CHECK;
/* Whether one more would be too many; counted if so. */
bool limits_user_full(const struct limits *limits, uint64_t user);
/* How many connections here are this user's. */
int64_t limits_open(const struct limits *limits, uint64_t user);
/* The connection is gone. */
void limits_leave(struct limits *limits, struct limits_client *client);

/* A message of this client, so long. LIMITS_REFUSED: to be refused, and tried again after *retry_after_ms at the earliest;
 * LIMITS_CLOSED: it was told so often enough. Both are counted. */
enum limits_verdict limits_message(struct limits *limits, struct limits_client *client, size_t bytes,
                                   int64_t *retry_after_ms);

/* What this client asks for makes what stays for ever: false, and when to try again, if its user or its address has made too
 * much (rate_creations). Counted. */
bool limits_creation(struct limits *limits, const struct limits_client *client, int64_t *retry_after_ms);
/* The same of a search (rate_search), which its user pays for. */
bool limits_search(struct limits *limits, const struct limits_client *client, int64_t *retry_after_ms);

/* Who pays for what a client asks for (db_pool.h): its user, or while there is none, where it comes from. */
static inline uint64_t limits_payer_address(uint64_t address)
{
    return address | UINT64_C(1) << 63; /* users' numbers stay below */
}

/* What this client's connection may send. */
struct rates limits_of_connection(const struct settings *settings, const struct limits_client *client);

static inline uint64_t limits_payer(const struct limits_client *client)
{
    return client->user ? client->user : limits_payer_address(client->address);
}

#endif
