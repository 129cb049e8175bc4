/* postings.h: what one client has said and the journal has not answered yet: what each answer is about, by the number
 * of the post (struct post_id). A table and no queue, since answers come in any order: what has waited too long is
 * answered before the batch that it waits behind. Loop thread only; costs nothing while nothing is on its way. */
#ifndef CG_RELAY_CORE_POSTINGS_H
#define CG_RELAY_CORE_POSTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum { POSTINGS_MAX = 256 }; /* posts of one client on their way; a power of two */

struct posting {
    uint64_t number; /* 0: a free place */
    uint64_t owner;  /* the client's: who of it has posted */
    int64_t re;      /* the client's: what it calls the command */
};

/* Zeroed: empty. */
struct postings {
    struct posting *slots; /* each posting stands at its number modulo `cap` */
    uint32_t count, cap;
    uint64_t last; /* number that was given */
};

/* The number that a post gets: never the same again for this client. 0: POSTINGS_MAX are on their way. */
uint64_t postings_add(struct postings *postings, uint64_t owner, int64_t re);
/* Takes out the one with that number. False: there is none, or it has been answered. */
bool postings_take(struct postings *postings, uint64_t number, struct posting *taken);
/* The same for an answer of the journal: one that nobody waits for is counted. */
bool postings_answered(struct postings *postings, uint64_t number, struct posting *taken);
/* Forgets all of them. */
void postings_fini(struct postings *postings);

#endif
