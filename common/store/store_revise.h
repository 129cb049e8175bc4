/* store_revise.h: changing a message and taking it back: for the journal's transaction, whose conversation is
 * locked. */
#ifndef CG_COMMON_STORE_STORE_REVISE_H
#define CG_COMMON_STORE_STORE_REVISE_H

#include "common/store/store.h"

/* The number of the message that this edit, recall or reaction is about; 0 if its content is none. */
uint64_t store_revision_of(const struct message *revision);

/* A message that some edits and recalls of a batch are about. */
struct store_revised {
    uint64_t conversation, seq; /* given */
    bool found, recalled;       /* as it is, which store_revise_look sets */
    uint64_t sender;
    enum message_kind kind;
    uint64_t revised_by;        /* the number of what changed it last; 0: nothing has */
    const struct message *last; /* the latest of the batch that may change it; NULL: none so far */
};

/* Looks for these messages, ascending by conversation and seq and each of them once: one statement for each
 * STORE_KEYS_AT_ONCE. */
enum err store_revise_look(struct store *store, struct store_revised *revised, size_t count) CG_MUST_CHECK;
/* ERR_OK if it may be, after what is the last so far; ERR_NOT_FOUND if there is no such message or it is recalled;
 * ERR_DENIED if it is not the sender's own, or nothing that can be changed so: only texts and emoji are edited. A reaction is
 * anybody's, to what was said. */
enum err store_revise_verdict(const struct store_revised *revised, const struct message *revision);

/* An edit or a recall that may be and has its number by now. */
struct store_revising {
    struct store_revised *revised;
    const struct message *revision;
};

/* Changes the messages, in this order. Of earlier edits the text is dropped. Two statements, however many they are. */
enum err store_revise_apply(struct store *store, const struct store_revising *revising, size_t count) CG_MUST_CHECK;

#endif
