/* join_batch.h: joins users to chatrooms in batches: one look-up, one commit and one Redis round trip for all threads
 * that wait, done by one of them with its own connections.
 *
 * While one batch is under way the next one gathers, so there is no timer, and an idle process handles a single user
 * at once. */
#ifndef CG_REST_SERVICES_JOIN_BATCH_H
#define CG_REST_SERVICES_JOIN_BATCH_H

#include "common/store/store_join.h"
#include "rest/http/call.h"

/* Carries out `join` (store_join.h) and sets its result. If join->err is ERR_OK the user is a member and counts as
 * online (the latter not without Redis). An error means that nobody was joined, as for store_join. Leaves the gate,
 * then blocks. */
enum err join_batch_go(const struct backends *backends, struct store_join *join) CG_MUST_CHECK;

#endif
