/* join_batch.h: joining chatrooms, together with whoever joins at the same moment: one look at the database, one commit
 * and one question to Redis for all threads that wait, made by one of them with its own connections.
 *
 * While one batch is under way the next gathers, so there is no timer: an idle process lets one user in at once. */
#ifndef CG_REST_SERVICES_JOIN_BATCH_H
#define CG_REST_SERVICES_JOIN_BATCH_H

#include "common/store/store_join.h"
#include "rest/http/call.h"

/* Fills in what became of `join` (store_join.h). With ERR_OK in its err the user is a member and counts as online;
 * without Redis the latter is lost and nothing else. Anything but ERR_OK: not entered, as store_join says. Blocks, and
 * leaves the gate before it does. */
enum err join_batch_go(const struct backends *backends, struct store_join *join) CG_MUST_CHECK;

#endif
