/* search_query.h: what somebody looks for: phrases, all of which a text must have. Knows no index and no database. */
#ifndef CG_COMMON_SEARCH_SEARCH_QUERY_H
#define CG_COMMON_SEARCH_SEARCH_QUERY_H

#include "common/err.h"
#include "common/search/words.h"

enum {
    SEARCH_QUERY_MAX = 256,  /* bytes */
    SEARCH_PHRASES_MAX = 16, /* of one query */
    SEARCH_MARKS_MAX = 32,   /* places of a text that are marked */
};

struct search_phrase {
    size_t first, count; /* of the query's words */
};

struct search_query {
    struct words words;
    struct search_phrase phrases[SEARCH_PHRASES_MAX];
    size_t count;
};

/* What blanks part, or stands in double quotes, is a phrase: its words stand in the text one after the other. ERR_TOO_BIG past
 * the bounds; ERR_INVALID if there is no word in it. To be ended in any case. */
enum err search_query_read(struct search_query *query, struct str text) CG_MUST_CHECK;
void search_query_fini(struct search_query *query);

/* Appends what the index is to be asked for, as FTS5 has it: what every text that matches is known by. */
void search_query_add_tokens(const struct search_query *query, struct buf *out);

/* A place in a text, in the units of UTF-16, as JavaScript counts. */
struct search_mark {
    size_t begin, end;
};

/* Whether a text has all phrases. *count: how many of the places where they stand are in `marks`, in order, apart from each
 * other. `words` is for the text's words. */
bool search_query_matches(const struct search_query *query, struct str text, struct words *words,
                          struct search_mark marks[SEARCH_MARKS_MAX], size_t *count);

#endif
