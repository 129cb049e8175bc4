/* store_app_erase.h: erasing a user of the application. */
#ifndef CG_COMMON_STORE_STORE_APP_ERASE_H
#define CG_COMMON_STORE_STORE_APP_ERASE_H

#include "common/store/store.h"

/* Erases the user of that id: their tokens and memberships are void, and of what they said name and content are gone;
 * numbers stay without holes, and the id is free for somebody new. In many small transactions, so it takes as long as they
 * have said much; called again after a failure it goes on. The caller publishes a revocation, as of store_rights.h.
 * ERR_NOT_FOUND: there is no such user. */
enum err store_app_user_erase(struct store *store, struct str id) CG_MUST_CHECK;

/* Goes on with one user whose erasure was begun so many seconds ago: what they had under way then has been stored, or never
 * will be, and a call that failed did not finish. *user: who; 0: nobody is left. For a worker, under a lease. */
enum err store_app_user_erase_late(struct store *store, int64_t after_s, uint64_t *user) CG_MUST_CHECK;

#endif
