/* drain.h: the orderly end of a relay: nobody new is let in, clients are sent elsewhere in jittered batches, presence
 * is handed on; then the loop is stopped. */
#ifndef CG_RELAY_DRAIN_H
#define CG_RELAY_DRAIN_H

struct relay;

/* `why`: a literal for the log. The second time does nothing. */
void drain_begin(struct relay *relay, const char *why);

#endif
