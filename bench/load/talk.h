/* talk.h: clients come in, speakers speak, and what they said is waited for. */
#ifndef BENCH_TALK_H
#define BENCH_TALK_H

#include "bench/load/world.h"

/* Connects those clients that are not, `at_once` at most on their way in at a time, until all are open. Ends the
 * program if nobody gets on for half a minute. */
void talk_connect(unsigned at_once);
/* Waits until the start's own messages (who came in, lists of members) are through: everybody has what the protocol
 * knows to expect, and then nothing came for a moment. */
void talk_settle(void);
/* Lets the speakers speak as the options say, or everybody sit idle, for this long. Going on after an earlier call,
 * an open loop keeps its beat. */
void talk_for(double seconds);
/* Each speaker says `count` messages now. */
void talk_once(unsigned count);
/* Waits until everything said has come to everybody, and been acknowledged; gives up when nothing comes any more. */
void talk_drain(void);

#endif
