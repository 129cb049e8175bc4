/* store_reaction.h: reactions to messages: for the journal's transaction, whose conversations are locked, and for
 * histories. */
#ifndef CG_COMMON_STORE_STORE_REACTION_H
#define CG_COMMON_STORE_STORE_REACTION_H

#include "common/store/store.h"

enum {
    STORE_EMOJI_MAX = 64,           /* bytes of an emoji */
    STORE_EMOJIS_MAX = 20,          /* different ones that a message takes */
    STORE_REACTIONS_COUNTED = 20000 /* of a page of messages, as many are looked at */
};

/* What a MESSAGE_REACTION says. */
struct store_reacting {
    uint64_t conversation, seq, user;
    struct str emoji; /* in the message's content */
    bool on;

    bool there; /* set: it is so already */
    bool twin;  /* set: another one before it is about the same */
    bool full;  /* set: the message has as many different emoji as it takes, and this is none of them */
};
/* From its content, which is of our own making: {"of":SEQ,"emoji":TEXT,"on":BOOL}. False: it is none. */
bool store_reaction_read(const struct message *message, struct store_reacting *reacting);

/* Which of them change something. Two statements for each hundred. */
enum err store_reactions_look(struct store *store, struct store_reacting *reactings, size_t count) CG_MUST_CHECK;
/* Carries out those that do. Two statements. */
enum err store_reactions_apply(struct store *store, const struct store_reacting *reactings, size_t count) CG_MUST_CHECK;

/* ---- reading ---- */

struct store_reaction {
    uint64_t seq, count;
    bool me; /* one of them is the user's who asks */
    char emoji[STORE_EMOJI_MAX + 1];
};
/* Those to the messages `first` to `last`, ascending by their numbers: *reactions is to be freed. At most
 * STORE_REACTIONS_COUNTED are counted. *seq: the last number of the conversation, up to which events are counted in. */
enum err store_reactions(struct store *store, uint64_t conversation, uint64_t first, uint64_t last, uint64_t user,
                         struct store_reaction **reactions, size_t *count, uint64_t *seq) CG_MUST_CHECK;

/* Those of a page. */
struct store_reactions {
    const struct store_reaction *some;
    size_t count;
};
/* Appends the member `reactions` of that message, if it has any. *at: 0 for the first message; then it moves on. */
void store_reaction_add(struct buf *out, const struct store_reactions *of, uint64_t seq, size_t *at);

#endif
