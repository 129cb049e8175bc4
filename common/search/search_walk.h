/* search_walk.h: from the newest message that an index knows by some words back to the oldest, in some conversations or all,
 * a few at a time, and not for longer than there is time.
 *
 * The ids are walked through in windows that take some milliseconds each, because a query of the index cannot be
 * interrupted. Of many conversations the words are looked for in all of them first, which is quick if much of what there is
 * is theirs; if little of it was, the conversations are looked for, too. */
#ifndef CG_COMMON_SEARCH_SEARCH_WALK_H
#define CG_COMMON_SEARCH_SEARCH_WALK_H

#include "common/buf.h"
#include "common/search/search_index.h"

enum { SEARCH_HITS_MAX = 200 };

struct search_walk {
    /* what is wanted: search_walk_init */
    struct search_index *index;
    struct str tokens;
    const uint64_t *conversations; /* ascending; NULL: all */
    size_t conversation_count;
    uint64_t before;  /* what was not walked through yet: ids below this */
    int64_t until_ms; /* clock_mono_ms */

    /* its own */
    uint64_t first, span;
    struct buf by_conversation; /* tokens with the conversations */
    size_t met, theirs;         /* of what the words alone have found */
    bool is_narrow;
    struct search_hit *hits;
    size_t count;
    uint64_t lowest;
    size_t rows;
};

/* `before` 0: from the newest on. What it is given must outlive it. */
enum err search_walk_init(struct search_walk *walk, struct search_index *index, struct str tokens, uint64_t before,
                          int64_t until_ms) CG_MUST_CHECK;
/* Before the first step: only in these. */
void search_walk_within(struct search_walk *walk, const uint64_t *conversations, size_t count);
void search_walk_fini(struct search_walk *walk);

enum search_walked {
    SEARCH_SOME, /* there may be more */
    SEARCH_END,  /* there are no more than these */
    SEARCH_CUT,  /* the time is over, and these are none */
};
/* The next ones, at most `max` (and SEARCH_HITS_MAX); *count may be 0 only at the end or if it was cut. */
enum err search_walk_next(struct search_walk *walk, struct search_hit *hits, size_t max, size_t *count,
                          enum search_walked *walked) CG_MUST_CHECK;

#endif
