/* store_rights.h: taking rights away, so that every relay hears of it. The one way for whatever decides who may be where: a
 * password that is set, a membership that ends, a user who is erased, keys that are changed. */
#ifndef CG_COMMON_STORE_STORE_RIGHTS_H
#define CG_COMMON_STORE_STORE_RIGHTS_H

#include "common/rights.h"
#include "common/store/store.h"

/* Exactly one of these is the case:
 *   user                 whatever of theirs is connected has to prove again who it is
 *   user, tokens_too     so; and what tokens were given out before are void (erased, a password set or changed)
 *   user, conversation   their subscription in that conversation ends; the caller has taken the membership away
 *   neither              everybody who came with a token has to come with a new one (keys were changed) */
struct store_revocation {
    uint64_t user, conversation;
    bool tokens_too;
    bool erased; /* with user and tokens_too: they are erased, for good (RIGHTS_ERASED) */
};

/* Within the caller's transaction, before the change itself: it locks the user's row, which makes two who change the same
 * one after the other. *generation: that of the user's rights from the commit on; 0 without a user. ERR_NOT_FOUND: no
 * such user. Any other error: the caller rolls back. */
enum err store_revoke_within(struct store *store, const struct store_revocation *revocation,
                             uint32_t *generation) CG_MUST_CHECK;
/* The same as a transaction of its own, for a change that was committed before. Tried again where that helps;
 * ERR_UNKNOWN if it may have been done: doing it twice does no harm. */
enum err store_revoke(struct store *store, const struct store_revocation *revocation) CG_MUST_CHECK;

/* Ends a membership, and the subscription with it, in one transaction. ERR_NOT_FOUND: the user is no member. */
enum err store_member_remove(struct store *store, uint64_t conversation, uint64_t user) CG_MUST_CHECK;

/* After each of these: the relays hear of it within revocation_poll_ms, and at once by publishing WIRE_SANCTION without a payload
 * on WIRE_CONTROL (operator_add_wire). */

#endif
