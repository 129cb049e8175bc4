/* store_rights.h: revokes rights so that every relay learns of it. Every change that takes a right away uses it: a
 * password that is set, a membership that ends, a user who is erased, keys that are changed. */
#ifndef CG_COMMON_STORE_STORE_RIGHTS_H
#define CG_COMMON_STORE_STORE_RIGHTS_H

#include "common/rights.h"
#include "common/store/store.h"

/* One of these forms:
 *   user                 whatever of theirs is connected has to prove again who it is
 *   user, tokens_too     so; and what tokens were given out before are void (erased, a password set or changed)
 *   user, conversation   their subscription in that conversation ends; the caller has taken the membership away
 *   neither              everybody who came with a token has to come with a new one (keys were changed) */
struct store_revocation {
    uint64_t user, conversation;
    bool tokens_too;
    bool erased; /* with user and tokens_too: they are erased, for good (RIGHTS_ERASED) */
};

/* Must be called within the caller's transaction, before the change itself: it locks the user's row, which serialises
 * concurrent changes. *generation: the user's new generation, valid from the commit on; 0 without a user.
 * ERR_NOT_FOUND: no such user. After any other error the caller must roll back. */
enum err store_revoke_within(struct store *store, const struct store_revocation *revocation,
                             uint32_t *generation) CG_MUST_CHECK;
/* The same as a transaction of its own, for a change that was committed before. Retries where that helps. ERR_UNKNOWN:
 * it may have been done; repeating it is harmless. */
enum err store_revoke(struct store *store, const struct store_revocation *revocation) CG_MUST_CHECK;

/* Ends a membership, and the subscription with it, in one transaction. ERR_NOT_FOUND: the user is no member. */
enum err store_member_remove(struct store *store, uint64_t conversation, uint64_t user) CG_MUST_CHECK;

/* After each of these, relays notice within revocation_poll_ms; to notify them at once, publish WIRE_SANCTION without
 * a payload on WIRE_CONTROL (operator_add_wire). */

#endif
