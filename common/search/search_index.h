/* search_index.h: a full text index of messages in a local file (SQLite's FTS5). It is derived from the database, and
 * may lag behind it, contain removed messages, or be lost; so callers must read the messages themselves from the
 * database before they show a result. One process writes at a time, any number may read; a writer that is killed
 * leaves what it has committed.
 *
 * A message's id in the index is derived from the millisecond in which it was stored, so the newest come first, and a
 * search can stop when it has found enough. An index belongs to one thread. */
#ifndef CG_COMMON_SEARCH_SEARCH_INDEX_H
#define CG_COMMON_SEARCH_SEARCH_INDEX_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct search_index;

/* Errors of all functions here: ERR_BUSY, another process is writing; ERR_DOWN, the file cannot be used now (disk full); ERR_INVALID, it is corrupt
 * or of another version, and should be removed. */

/* Opens the index in the folder `dir`; with `writes`, creates both if missing. ERR_NOT_FOUND: there is none. */
enum err search_index_open(const char *dir, bool writes, struct search_index **index) CG_MUST_CHECK;
void search_index_close(struct search_index *index);
/* The text of the last error; valid until the next call. */
const char *search_index_error(const struct search_index *index);
/* Whether the open file is still the one of that name. */
bool search_index_is_current(const struct search_index *index);
/* Removes the files; processes that have them open can still use them. ERR_NOT_FOUND: there were none. */
enum err search_index_remove(const char *dir) CG_MUST_CHECK;

/* ---- writing ---- */

/* Begins a transaction. End it with search_index_commit, or after a failure with search_index_rollback. */
enum err search_index_begin(struct search_index *index) CG_MUST_CHECK;
enum err search_index_commit(struct search_index *index) CG_MUST_CHECK;
void search_index_rollback(struct search_index *index);

struct search_entry {
    uint64_t conversation, seq;
    int64_t at_ms;
    struct str tokens; /* words_add_tokens */
};
/* Adds messages. Tokens that a message has in the index already stay, so it may be added again, also with another
 * text. */
enum err search_index_put(struct search_index *index, const struct search_entry *entries, size_t count) CG_MUST_CHECK;

/* Numbers that the writer stores in the index. */
enum search_number {
    SEARCH_EPOCH,      /* of the database */
    SEARCH_BUILDING,   /* 1: messages older than the index are still being added; */
    SEARCH_SCANNED,    /* all conversations below this one are complete, */
    SEARCH_SCANNED_AT, /* and this one up to this message number */
    SEARCH_FULL,       /* 1: it reached its maximum size, and messages were left out */
    SEARCH_DOCUMENTS,  /* number of messages in the index */
    SEARCH_NUMBERS
};
/* Lists messages by ascending id, after `after`. */
struct search_hit;
typedef void search_hit_fn(void *arg, const struct search_hit *hit);
enum err search_index_list(struct search_index *index, uint64_t after, unsigned limit, search_hit_fn *fn,
                           void *arg) CG_MUST_CHECK;
/* In a transaction: removes a message. Its tokens remain until the index is rebuilt, but lead nowhere. */
enum err search_index_drop(struct search_index *index, uint64_t id) CG_MUST_CHECK;

/* Reads a number; 0 if it was never set. */
enum err search_index_number(struct search_index *index, enum search_number which, uint64_t *number) CG_MUST_CHECK;
enum err search_index_set(struct search_index *index, enum search_number which, uint64_t number) CG_MUST_CHECK;

/* The position in a stream of the feed up to which it is complete; never decreases. */
enum err search_index_passed(struct search_index *index, uint64_t stream, uint64_t *pos) CG_MUST_CHECK;
enum err search_index_pass(struct search_index *index, uint64_t stream, uint64_t pos) CG_MUST_CHECK;

/* Does a part of the merging that makes searches faster; not within a transaction. *more: there is more to do. */
enum err search_index_tidy(struct search_index *index, bool *more) CG_MUST_CHECK;
/* Bytes of its files. */
uint64_t search_index_bytes(const struct search_index *index);

/* ---- reading ---- */

struct search_hit {
    uint64_t id, conversation, seq;
};
/* A question to the index. */
struct search_wanted {
    struct str tokens; /* search_query_add_tokens */
    uint64_t before;   /* ids below this */
    unsigned limit;
    int64_t until_ms; /* clock_mono_ms; the query is then interrupted */
};
/* Finds the newest messages that match, newest first. *is_cut: the time was over before there were `limit` of them and
 * before the oldest message was reached. */
enum err search_index_find(struct search_index *index, const struct search_wanted *wanted, search_hit_fn *fn, void *arg,
                           bool *is_cut) CG_MUST_CHECK;

/* The token of a message's conversation; no text contains such a token. */
#define SEARCH_CONVERSATION_TOKEN "_%llu"

#endif
