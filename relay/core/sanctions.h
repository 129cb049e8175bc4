/* sanctions.h: the mutes and bans in force, and the rights that were taken away lately, as this relay knows them: asked
 * for every arrival and every post, so they are in memory. Knows neither the database nor sessions. Loop thread only. */
#ifndef CG_RELAY_CORE_SANCTIONS_H
#define CG_RELAY_CORE_SANCTIONS_H

#include "common/map.h"
#include "common/sanction.h"

/* A zeroed one is empty. */
struct sanctions {
    struct map by_id;
    /* Chains of struct sanctions_row; addresses by rate_address_key, names by their hash, and with them what is on
     * everybody's tokens. */
    struct map by_user, by_address, by_name;
    uint64_t tokens_voided; /* how often everybody's tokens were revoked, since the start */
};

void sanctions_fini(struct sanctions *sanctions);
/* Takes it in, or out if it is lifted. True: it was not known and is in force. */
bool sanctions_put(struct sanctions *sanctions, const struct sanction *sanction);
/* Forgets those whose time is over, and revocations that nobody can have missed: not changed after `read_ms`, from where
 * on the database is asked again (its clock), and known for so long that no look-up from before is still on its way. */
void sanctions_sweep(struct sanctions *sanctions, int64_t read_ms);

/* Whether a right of the user, everywhere or in that conversation, was taken away after their rights were seen in that
 * generation (common/rights.h). */
bool sanctions_revoked(const struct sanctions *sanctions, uint64_t user, uint64_t conversation, uint32_t generation);

/* Whether one of that kind is on the user (0: nobody) or the address (0: not known), everywhere or in the conversation
 * (0: everywhere only). `sanctions` NULL: no. */
bool sanctions_on(const struct sanctions *sanctions, enum sanction_kind kind, uint64_t user, uint64_t address,
                  uint64_t conversation);
/* The same for a name, in a Socket.IO namespace. */
bool sanctions_on_name(const struct sanctions *sanctions, enum sanction_kind kind, struct str name,
                       uint64_t conversation);

#endif
