/* search_walk.h: walks through an index's matches from the newest message to the oldest, in some conversations or all,
 * a few at a time and within a time limit. One thread at a time.
 *
 * With many conversations, the words are first searched in all conversations, which is fast if many matches are in the
 * wanted ones; if few are, the query also names the conversations. */
#ifndef CG_COMMON_SEARCH_SEARCH_WALK_H
#define CG_COMMON_SEARCH_SEARCH_WALK_H

#include "common/buf.h"
#include "common/search/search_index.h"

enum { SEARCH_HITS_MAX = 200 };

struct search_walk {
    /* the search: search_walk_init */
    struct search_index *index;
    struct str tokens;
    const uint64_t *conversations; /* ascending; NULL: all */
    size_t conversation_count;
    uint64_t before;  /* ids below this are still to be searched */
    int64_t until_ms; /* clock_mono_ms */

    /* internal */
    struct buf by_conversation; /* tokens with the conversations */
    size_t met, theirs;         /* among the matches of the words alone */
    bool is_narrow, is_through, is_cut;
    struct search_hit *hits;
    size_t count;
    uint64_t lowest;
    size_t rows;
};

/* `before` INT64_MAX: starts with the newest. Borrows its arguments, which must outlive the walk. */
void search_walk_init(struct search_walk *walk, struct search_index *index, struct str tokens, uint64_t before,
                      int64_t until_ms);
/* Restricts it to these conversations; before the first step. */
void search_walk_within(struct search_walk *walk, const uint64_t *conversations, size_t count);
void search_walk_fini(struct search_walk *walk);

enum search_walked {
    SEARCH_SOME, /* there may be more */
    SEARCH_END,  /* there are no more than these */
    SEARCH_CUT,  /* the time limit was reached; no results */
};
/* The next matches, at most `max` and SEARCH_HITS_MAX. *count is 0 only at the end or if the time is over. */
enum err search_walk_next(struct search_walk *walk, struct search_hit *hits, size_t max, size_t *count,
                          enum search_walked *walked) CG_MUST_CHECK;

#endif
