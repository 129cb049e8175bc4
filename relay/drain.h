/* drain.h: the orderly end of a relay: nobody new is let in, clients are sent elsewhere in jittered batches, presence
 * is handed on; then the loop is stopped. */
#ifndef CG_RELAY_DRAIN_H
#define CG_RELAY_DRAIN_H

#include <stddef.h>
#include <stdint.h>

struct relay;

enum { DRAIN_TICK_MS = 50 };

/* How many of `open` connections are sent away in this tick, if all have to be in `left_ms`: spread over the ticks, less
 * than one of them if there are few. `*carry`: what is left of the ticks before, 0 at first. */
size_t drain_share(size_t open, int64_t left_ms, int64_t *carry);

/* `why`: a literal for the log. The second time does nothing. */
void drain_begin(struct relay *relay, const char *why);

#endif
