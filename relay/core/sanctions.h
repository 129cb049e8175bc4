/* sanctions.h: the mutes and bans in force, and recent revocations, in memory because every arrival and every post is
 * checked against them. Knows neither the database nor sessions. Loop thread only. */
#ifndef CG_RELAY_CORE_SANCTIONS_H
#define CG_RELAY_CORE_SANCTIONS_H

#include "common/map.h"
#include "common/sanction.h"

/* Zeroed: empty. */
struct sanctions {
    struct map by_id;
    /* Chains of struct sanctions_row. by_address has rate_address_key as its key, by_name a hash; revocations of all
     * tokens are in by_name, too. */
    struct map by_user, by_address, by_name;
    uint64_t tokens_voided; /* how often all tokens were revoked since the process started */
};

void sanctions_fini(struct sanctions *sanctions);
/* Adds the sanction, or removes it if it is lifted. True: it is new and in force. */
bool sanctions_put(struct sanctions *sanctions, const struct sanction *sanction);
/* Removes expired sanctions, and revocations that are no longer needed: those unchanged since `read_ms`, from which the
 * database is read next (by its clock), and known for so long that every earlier look-up has finished. */
void sanctions_sweep(struct sanctions *sanctions, int64_t read_ms);

/* Whether a right of the user, everywhere or in that conversation, was revoked after that generation of their rights
 * (common/rights.h). */
bool sanctions_revoked(const struct sanctions *sanctions, uint64_t user, uint64_t conversation, uint32_t generation);

/* Whether a sanction of that kind applies to the user or the address (0: unknown), everywhere or in that conversation
 * (0: everywhere only). False if `sanctions` is NULL. */
bool sanctions_on(const struct sanctions *sanctions, enum sanction_kind kind, uint64_t user, uint64_t address,
                  uint64_t conversation);
/* The same for a name, in a Socket.IO namespace. */
bool sanctions_on_name(const struct sanctions *sanctions, enum sanction_kind kind, struct str name,
                       uint64_t conversation);

#endif
