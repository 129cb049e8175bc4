/* entering.h: entering chatrooms, together with whoever enters at the same moment: one look at the database, one commit
 * and one question to Redis for all threads that wait, made by one of them with its own connections.
 *
 * While one group is under way the next gathers, so there is no timer: an idle process lets one user in at once. */
#ifndef CG_REST_SERVICES_ENTERING_H
#define CG_REST_SERVICES_ENTERING_H

#include "common/store/store_enter.h"
#include "rest/http/call.h"

/* Fills in what became of `entering` (store_enter.h). With ERR_OK in its err the user is a member and counts as online;
 * without Redis the latter is lost and nothing else. Anything but ERR_OK: not entered, as store_enter says. Blocks, and
 * leaves the gate before it does. */
enum err entering_go(const struct backends *backends, struct store_entering *entering) CG_MUST_CHECK;

#endif
