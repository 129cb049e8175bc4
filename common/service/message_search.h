/* message_search.h: looking for messages. The index of this machine says where they might be; what is answered is read from the
 * database, by what the asker may read now, and compared once more: so what is gone, changed or forbidden is not shown, however
 * far behind the index is. For the server API and the native protocol alike; neither is known here. Any thread, with a store
 * and an index of its own. */
#ifndef CG_COMMON_SERVICE_MESSAGE_SEARCH_H
#define CG_COMMON_SERVICE_MESSAGE_SEARCH_H

#include "common/search/search_index.h"
#include "common/search/search_query.h"
#include "common/service/app_acts.h"

enum {
    MESSAGE_SEARCH_LIMIT = 20,
    MESSAGE_SEARCH_LIMIT_MAX = 100,
};

/* What is looked for: to be filled, and ended with message_search_fini. */
struct message_search {
    struct search_query query;
    uint64_t limit;
    uint64_t before;         /* `next` of the page before; INT64_MAX: the first */
    size_t bytes;            /* of an answer, about; what does not fit is on the next page */
    uint64_t reader;         /* who must be able to read it; 0: the application, which reads all */
    uint64_t *conversations; /* NULL: all; ascending */
    size_t conversation_count;
};
void message_search_fini(struct message_search *search);

/* What is wrong with a question, for whoever asked; search_query_read's failures. */
const char *message_search_wrong(enum err err);

/* For whom, and where: in that conversation if the actor may read it, or (`id` empty) in all that are theirs. Sets the reader and
 * the conversations. ERR_DENIED with *why, as in app_acts.h. */
enum err message_search_within(struct store *store, const struct app_actor *actor, struct message_search *search,
                               struct str id, enum app_refusal *why) CG_MUST_CHECK;

/* The index in that folder as it is now: *index, if it still is that, or one that is opened instead of it. NULL: there is none
 * that can be used. */
struct search_index *message_search_index(struct search_index **index, const char *dir);

/* Appends the members items, next and complete. For `timeout_ms` at most. *refused: the index cannot be used (logged): it is
 * closed, and *index is NULL. */
enum err message_search_find(struct store *store, struct search_index **index, const struct message_search *search,
                             int64_t timeout_ms, struct buf *out, enum err *refused) CG_MUST_CHECK;

#endif
