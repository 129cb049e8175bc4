/* postings.h: one client's posts that the journal has not answered yet, by the number of the post (struct post_id). A
 * table, not a queue, because answers come in any order: a post that timed out is answered before the batch ahead of
 * it. Uses no memory while it is empty. Loop thread only. */
#ifndef CG_RELAY_CORE_POSTINGS_H
#define CG_RELAY_CORE_POSTINGS_H

#include <stdbool.h>
#include <stdint.h>

enum { POSTINGS_MAX = 256 }; /* unanswered posts of one client; a power of two */

struct posting {
    uint64_t number; /* 0: a free place */
    uint64_t owner;  /* for the client's use: which part of it has posted */
    int64_t re;      /* for the client's use: its id for the command */
};

/* Zeroed: empty. */
struct postings {
    struct posting *slots; /* each posting stands at its number modulo `cap` */
    uint32_t count, cap;
    uint64_t last; /* number given out */
};

/* Adds a post and returns its number, which is never used again for this client. 0: POSTINGS_MAX are unanswered. */
uint64_t postings_add(struct postings *postings, uint64_t owner, int64_t re);
/* Removes the post with that number into *taken. False: there is none, or it was answered already. */
bool postings_take(struct postings *postings, uint64_t number, struct posting *taken);
/* The same for an answer of the journal; counts answers that match no post. */
bool postings_answered(struct postings *postings, uint64_t number, struct posting *taken);
/* Forgets all of them. */
void postings_fini(struct postings *postings);

#endif
