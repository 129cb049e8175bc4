/* store_app_erase.h: erasing a user of the application. */
#ifndef CG_COMMON_STORE_STORE_APP_ERASE_H
#define CG_COMMON_STORE_STORE_APP_ERASE_H

#include "common/store/store.h"

/* Erases a user: revokes tokens and memberships, and removes name and content of their messages, whose numbers stay;
 * the id becomes free. Uses many small transactions, and takes longer the more messages the user has; call it again
 * after a failure to continue. The caller must publish a revocation (store_rights.h). ERR_NOT_FOUND: there is no such
 * user. */
enum err store_app_user_erase(struct store *store, struct str id) CG_MUST_CHECK;

/* Completes the erasure of one user that was begun `after_s` seconds ago, by when messages that were in flight have
 * been stored or never will be; also finishes erasures that had failed. *user: which; 0: none is left. For a worker,
 * under a lease. */
enum err store_app_user_erase_late(struct store *store, int64_t after_s, uint64_t *user) CG_MUST_CHECK;

#endif
