/* store_reaction.h: reactions to messages: storing them in the journal's transaction, with their conversations locked,
 * and reading them for histories. */
#ifndef CG_COMMON_STORE_STORE_REACTION_H
#define CG_COMMON_STORE_STORE_REACTION_H

#include "common/store/store.h"

enum {
    STORE_EMOJI_MAX = 64,           /* bytes of an emoji */
    STORE_EMOJIS_MAX = 20,          /* different emoji on one message */
    STORE_REACTIONS_COUNTED = 20000 /* rows that are counted for a page of messages */
};

/* A parsed MESSAGE_REACTION. */
struct store_reacting {
    uint64_t conversation, seq, user;
    struct str emoji; /* in the message's content */
    bool on;

    bool there; /* set: the database is in that state already */
    bool twin;  /* set: an earlier one in the batch is about the same */
    bool full;  /* set: the message has STORE_EMOJIS_MAX other emoji */
};
/* Parses the content, which we have written: {"of":SEQ,"emoji":TEXT,"on":BOOL}. False: it is malformed. */
bool store_reaction_read(const struct message *message, struct store_reacting *reacting);

/* Finds which of them change something. Two statements for each hundred. */
enum err store_reactions_look(struct store *store, struct store_reacting *reactings, size_t count) CG_MUST_CHECK;
/* Applies those that do. Two statements. */
enum err store_reactions_apply(struct store *store, const struct store_reacting *reactings, size_t count) CG_MUST_CHECK;

/* ---- reading ---- */

struct store_reaction {
    uint64_t seq, count;
    bool me; /* the asking user is one of them */
    char emoji[STORE_EMOJI_MAX + 1];
};
/* Reads the reactions to the messages `first` to `last`, ascending by number. The caller frees *reactions. Counts at
 * most STORE_REACTIONS_COUNTED. *seq: the conversation's last number, up to which events are included. */
enum err store_reactions(struct store *store, uint64_t conversation, uint64_t first, uint64_t last, uint64_t user,
                         struct store_reaction **reactions, size_t *count, uint64_t *seq) CG_MUST_CHECK;

/* Those of a page. */
struct store_reactions {
    const struct store_reaction *some;
    size_t count;
};
/* Appends the member `reactions` for that message, if it has any. *at: 0 for the first message; advanced with each. */
void store_reaction_add(struct buf *out, const struct store_reactions *of, uint64_t seq, size_t *at);

#endif
