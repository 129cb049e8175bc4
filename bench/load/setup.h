/* setup.h: makes the rooms and users of a run over REST. */
#ifndef BENCH_SETUP_H
#define BENCH_SETUP_H

/* What the protocol's rows say, one after the other. Ends the program if an answer is none. */
void setup_world(void);

#endif
