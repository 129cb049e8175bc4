/* store_revise.h: edits and recalls of messages. Within the journal's transaction, with the conversations locked. */
#ifndef CG_COMMON_STORE_STORE_REVISE_H
#define CG_COMMON_STORE_STORE_REVISE_H

#include "common/store/store.h"

/* The number of the message that this edit, recall or reaction is about; 0 if its content is none. */
uint64_t store_revision_of(const struct message *revision);

/* A message that is edited or recalled by a batch. */
struct store_revised {
    uint64_t conversation, seq; /* given */
    bool found, recalled;       /* its present state, set by store_revise_look */
    uint64_t sender;
    enum message_kind kind;
    uint64_t revised_by;        /* the number of its last edit or recall; 0: none */
    const struct message *last; /* the batch's latest valid change of it; NULL: none so far */
};

/* Looks up the messages, which must be unique and ascending by conversation and seq. One statement for each
 * STORE_KEYS_AT_ONCE. */
enum err store_revise_look(struct store *store, struct store_revised *revised, size_t count) CG_MUST_CHECK;
/* Whether `revision` is allowed, given the changes before it. ERR_NOT_FOUND: there is no such message, or it is
 * recalled. ERR_DENIED: it is not the sender's own, or cannot be changed in this way; only texts and emoji can be
 * edited. Anybody may react to a message that is message_is_said. */
enum err store_revise_verdict(const struct store_revised *revised, const struct message *revision);

/* An allowed edit or recall that has its number. */
struct store_revising {
    struct store_revised *revised;
    const struct message *revision;
};

/* Changes the messages in this order, and removes the text of earlier edits. Two statements for any number. */
enum err store_revise_apply(struct store *store, const struct store_revising *revising, size_t count) CG_MUST_CHECK;

#endif
