/* search_query.h: a search query: phrases, all of which a text must contain. Knows no index and no database. Any
 * thread. */
#ifndef CG_COMMON_SEARCH_SEARCH_QUERY_H
#define CG_COMMON_SEARCH_SEARCH_QUERY_H

#include "common/err.h"
#include "common/search/words.h"

enum {
    SEARCH_QUERY_MAX = 256,  /* bytes */
    SEARCH_PHRASES_MAX = 16, /* of one query */
    SEARCH_MARKS_MAX = 32,   /* most matches marked in a text */
};

struct search_phrase {
    size_t first, count; /* of the query's words */
};

struct search_query {
    struct words words;
    struct search_phrase phrases[SEARCH_PHRASES_MAX];
    size_t count;
};

/* Parses a query. Phrases are separated by blanks or enclosed in double quotes; a phrase's words must follow each
 * other in the text. ERR_TOO_BIG past the bounds; ERR_INVALID if it has no word. Always call search_query_fini. */
enum err search_query_read(struct search_query *query, struct str text) CG_MUST_CHECK;
void search_query_fini(struct search_query *query);

/* Appends an FTS5 expression that every matching text satisfies. */
void search_query_add_tokens(const struct search_query *query, struct buf *out);

/* A range of a text in UTF-16 units, as JavaScript counts. */
struct search_mark {
    size_t begin, end;
};

/* Whether a text contains all phrases. Sets `marks` and *count to the matches, in order and not overlapping. `words`
 * is scratch space for the text's words. */
bool search_query_matches(const struct search_query *query, struct str text, struct words *words,
                          struct search_mark marks[SEARCH_MARKS_MAX], size_t *count);

#endif
