/* check.h: looks for messages of this run in what a client got, and whether each comes once and in order. Knows
 * nothing of frames, sockets or protocols but where they keep the server's own number. */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#include "bench/load/world.h"

/* What is known of the number that the server gives its messages ("seq":N). */
enum seq_rule {
    SEQ_NONE,  /* there is none */
    SEQ_MAYBE, /* there may be one: then it grows */
    SEQ_GROWS, /* there is one, and it grows */
    SEQ_DENSE, /* each is the last one's successor, the server's own lines included */
};

/* A text with any number of messages: a frame, the body of a poll. Counts them, notes their faults and latencies, and
 * acknowledges a message to its speaker where the protocol does it so. The number of this run's messages: 0, it is
 * something else, which the protocol may want to look at. */
unsigned check_messages(struct client *client, struct text text);

/* A line of the server's own that carries a number. */
void check_other_seq(struct client *client, struct text text);

#endif
