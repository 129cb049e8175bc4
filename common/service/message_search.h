/* message_search.h: searches messages, for the server API and the native protocol. The local index gives candidates;
 * these are read from the database with the actor's present rights and matched again, so removed, changed or forbidden
 * messages are never shown, however far the index is behind. Any thread, with a store and an index of its own. */
#ifndef CG_COMMON_SERVICE_MESSAGE_SEARCH_H
#define CG_COMMON_SERVICE_MESSAGE_SEARCH_H

#include "common/search/search_index.h"
#include "common/search/search_query.h"
#include "common/service/app_acts.h"

enum {
    MESSAGE_SEARCH_LIMIT = 20,
    MESSAGE_SEARCH_LIMIT_MAX = 100,
};

/* A search: filled by the caller, and freed with message_search_fini. */
struct message_search {
    struct search_query query;
    uint64_t limit;
    uint64_t before; /* `next` of the previous page; INT64_MAX: the first page */
    size_t bytes;    /* approximate size of a page; the rest is on the next one */
    uint64_t reader; /* the user who must be able to read the messages; 0: the application, which may read all */
    uint64_t *conversations; /* NULL: all; ascending */
    size_t conversation_count;
};
void message_search_fini(struct message_search *search);

/* A sentence for an error of search_query_read. */
const char *message_search_wrong(enum err err);

/* Sets the reader and the conversations: the one with that id, if the actor may read it, or with an empty `id` all of
 * the actor's. ERR_DENIED with *why, as in app_acts.h. */
enum err message_search_within(struct store *store, const struct app_actor *actor, struct message_search *search,
                               struct str id, enum app_refusal *why) CG_MUST_CHECK;

/* The present index in that folder: *index, or a newly opened one if the file was replaced. NULL: there is no usable
 * one. */
struct search_index *message_search_index(struct search_index **index, const char *dir);

/* Appends the members items, next and complete. Takes at most `timeout_ms`. *refused: the index could not be used
 * (logged), was closed, and *index is NULL. */
enum err message_search_find(struct store *store, struct search_index **index, const struct message_search *search,
                             int64_t timeout_ms, struct buf *out, enum err *refused) CG_MUST_CHECK;

#endif
