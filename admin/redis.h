/* redis.h: the operator's commands' use of Redis. `settings` must have been checked (config_load). */
#ifndef CG_ADMIN_REDIS_H
#define CG_ADMIN_REDIS_H

#include "common/err.h"
#include "common/settings.h"
#include "common/str.h"

struct redis_relay {
    struct str name, incarnation; /* valid until the callback returns */
    int64_t lease_ms;             /* time left of its lease */
    const char *state;            /* "up", "draining", or "ended" in an orderly way; a literal */
};

typedef void redis_relay_fn(void *arg, const struct redis_relay *relay);

/* Calls `found` once for every relay with a valid lease, in no particular order. ERR_DOWN with one line in `why` if
 * Redis cannot be used. */
enum err redis_relays(const struct settings *settings, redis_relay_fn *found, void *arg, char why[256]) CG_MUST_CHECK;

/* Publishes to the relays subscribed to a conversation; *heard is their number. ERR_DOWN with one line in `why` if its
 * Redis server cannot be used. */
enum err redis_publish(const struct settings *settings, uint64_t conversation, struct str payload, int64_t *heard,
                       char why[256]) CG_MUST_CHECK;

#endif
