/* drain.h: shuts a relay down gracefully: it refuses newcomers, closes its clients in jittered batches so that they
 * reconnect elsewhere, hands presence on, and stops the loop. Loop thread only. */
#ifndef CG_RELAY_DRAIN_H
#define CG_RELAY_DRAIN_H

#include <stddef.h>
#include <stdint.h>

struct relay;

enum { DRAIN_TICK_MS = 50 };

/* How many of `open` connections to close in this tick, if all must be closed within `left_ms`. With few connections
 * that is less than one in a tick; *carry keeps the remainder between ticks, 0 at first. */
size_t drain_share(size_t open, int64_t left_ms, int64_t *carry);

/* Starts the shutdown. `why`: a literal for the log. A second call does nothing. */
void drain_begin(struct relay *relay, const char *why);

#endif
