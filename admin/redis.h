/* redis.h: what the operator's command asks of Redis. `settings` are checked ones (config_load). */
#ifndef CG_ADMIN_REDIS_H
#define CG_ADMIN_REDIS_H

#include "common/err.h"
#include "common/settings.h"
#include "common/str.h"

struct redis_relay {
    struct str name, incarnation; /* valid until the callback returns */
    int64_t lease_ms;             /* what is left of its lease */
    const char *state;            /* "up", "draining", or "ended" in an orderly way; a literal */
};

typedef void redis_relay_fn(void *arg, const struct redis_relay *relay);

/* Calls `found` for every relay whose lease lives, each once, in no order. ERR_DOWN with one line in
 * `why` if Redis cannot be used. */
enum err redis_relays(const struct settings *settings, redis_relay_fn *found, void *arg, char why[256]) CG_MUST_CHECK;

/* Publishes to the relays on a conversation's channel; *heard: how many there are. ERR_DOWN with one line in `why` if
 * its Redis cannot be used. */
enum err redis_publish(const struct settings *settings, uint64_t conversation, struct str payload, int64_t *heard,
                       char why[256]) CG_MUST_CHECK;

#endif
