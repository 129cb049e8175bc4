/* store_search.h: searchable messages, for the index and for answers: texts in their present form that are not
 * recalled, in conversations that the server API can name and that were not deleted. */
#ifndef CG_COMMON_STORE_STORE_SEARCH_H
#define CG_COMMON_STORE_STORE_SEARCH_H

#include "common/store/store.h"

struct store_searched {
    struct message message; /* as store_read gives it; no sent_at, client_id and audience */
    enum store_kind kind;   /* of its conversation */
    struct str public_id, name;
    struct str sender_id; /* the application's id of the sender; empty: none */
};
typedef void store_searched_fn(void *arg, const struct store_searched *searched);

struct store_search_key {
    uint64_t conversation, seq;
};
/* Reads those of these messages that exist, in no particular order; with `reader`, only those that this user may read
 * now: as a member who is not banned, or in a public conversation. `count` is at most STORE_SEARCH_KEYS. */
enum { STORE_SEARCH_KEYS = 500 };
enum err store_search_read(struct store *store, const struct store_search_key *keys, size_t count, uint64_t reader,
                           store_searched_fn *fn, void *arg) CG_MUST_CHECK;

/* Of the edits among these messages, gives the message that each has changed. */
typedef void store_search_key_fn(void *arg, const struct store_search_key *key);
enum err store_search_edited(struct store *store, const struct store_search_key *edits, size_t count,
                             store_search_key_fn *fn, void *arg) CG_MUST_CHECK;

/* Scans up to `limit` messages of any kind after this one, by conversation and number, and gives `fn` the searchable
 * ones. *last is the last one scanned; its conversation is 0 at the end. */
enum err store_search_scan(struct store *store, const struct store_search_key *after, unsigned limit,
                           store_searched_fn *fn, void *arg, struct store_search_key *last) CG_MUST_CHECK;

/* The conversations that the user is a member of and not banned from, ascending: the newest
 * STORE_SEARCH_CONVERSATIONS. `conversations` has room for as many. */
enum { STORE_SEARCH_CONVERSATIONS = 20000 };
enum err store_search_conversations(struct store *store, uint64_t user, uint64_t *conversations,
                                    size_t *count) CG_MUST_CHECK;

#endif
