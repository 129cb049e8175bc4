/* search_index.h: which messages have which words, in a file of this machine: SQLite's full text index (FTS5). It is derived
 * from the database and may be behind it, know of what is gone, or be lost: whoever answers from it reads the messages
 * themselves first. One process writes at a time, any number read; a writer that is killed leaves what it had committed.
 *
 * A message's place in it, its id, goes with the millisecond in which it was stored: so the newest come first by themselves, and
 * looking for them ends where enough were found. An index belongs to one thread. */
#ifndef CG_COMMON_SEARCH_SEARCH_INDEX_H
#define CG_COMMON_SEARCH_SEARCH_INDEX_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct search_index;

/* All of these: ERR_DOWN: the file cannot be used now (another holds it, the disk is full); ERR_INVALID: it is broken, or
 * of another version: to be removed. */

/* Opens the index in the folder `dir`; with `writes` makes both if they are not there. ERR_NOT_FOUND: there is none. */
enum err search_index_open(const char *dir, bool writes, struct search_index **index) CG_MUST_CHECK;
void search_index_close(struct search_index *index);
/* What went wrong last; valid until the next call. */
const char *search_index_error(const struct search_index *index);
/* Whether the file that was opened is still the one of that name. */
bool search_index_is_current(const struct search_index *index);
/* Removes the files; who has them open goes on with them. ERR_NOT_FOUND: there were none. */
enum err search_index_remove(const char *dir) CG_MUST_CHECK;

/* ---- writing ---- */

/* In a transaction, which search_index_commit ends; after a failure search_index_rollback. */
enum err search_index_begin(struct search_index *index) CG_MUST_CHECK;
enum err search_index_commit(struct search_index *index) CG_MUST_CHECK;
void search_index_rollback(struct search_index *index);

struct search_entry {
    uint64_t conversation, seq;
    int64_t at_ms;
    struct str tokens; /* words_add_tokens */
};
/* What is known of a message already stays, so that it may be given again, or with another text. */
enum err search_index_put(struct search_index *index, const struct search_entry *entries, size_t count) CG_MUST_CHECK;

/* What the writer has to remember. */
enum search_number {
    SEARCH_EPOCH,      /* of the database */
    SEARCH_BUILDING,   /* 1: what was stored before it was made is still being added, */
    SEARCH_SCANNED,    /* of conversations below this one all is there, */
    SEARCH_SCANNED_AT, /* and of it what is up to this number */
    SEARCH_FULL,       /* 1: it has become too big, and something was left out */
    SEARCH_DOCUMENTS,  /* how many messages it knows */
    SEARCH_NUMBERS
};
/* Messages of it, ascending by their ids, behind one. */
struct search_hit;
typedef void search_hit_fn(void *arg, const struct search_hit *hit);
enum err search_index_list(struct search_index *index, uint64_t after, unsigned limit, search_hit_fn *fn,
                           void *arg) CG_MUST_CHECK;
/* In a transaction: forgets a message. What it was known by goes when the index is built anew: that leads nowhere. */
enum err search_index_drop(struct search_index *index, uint64_t id) CG_MUST_CHECK;

/* 0 if it was never set. */
enum err search_index_number(struct search_index *index, enum search_number which, uint64_t *number) CG_MUST_CHECK;
enum err search_index_set(struct search_index *index, enum search_number which, uint64_t number) CG_MUST_CHECK;

/* How far it has followed a stream of the feed; that never gets less. */
enum err search_index_passed(struct search_index *index, uint64_t stream, uint64_t *pos) CG_MUST_CHECK;
enum err search_index_pass(struct search_index *index, uint64_t stream, uint64_t pos) CG_MUST_CHECK;

/* Some work that makes it quicker to read; not in a transaction. *more: there is more of it. */
enum err search_index_tidy(struct search_index *index, bool *more) CG_MUST_CHECK;
/* Bytes of its files. */
uint64_t search_index_bytes(const struct search_index *index);

/* ---- reading ---- */

struct search_hit {
    uint64_t id, conversation, seq;
};
/* The `limit` newest with from <= id < before that are known by `tokens` (search_query_add_tokens), the newest first. */
enum err search_index_find(struct search_index *index, struct str tokens, uint64_t from, uint64_t before,
                           unsigned limit, search_hit_fn *fn, void *arg) CG_MUST_CHECK;
/* The lowest and the highest id; 0: there is none. */
enum err search_index_bounds(struct search_index *index, uint64_t *first, uint64_t *last) CG_MUST_CHECK;

/* By this a message's conversation is known, beside its words: no text has such a one. */
#define SEARCH_CONVERSATION_TOKEN "_%llu"

#endif
