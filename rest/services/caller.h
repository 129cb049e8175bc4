/* caller.h: who calls the server API: an application's backend by a key of its own, or one of its users by a token. */
#ifndef CG_REST_SERVICES_CALLER_H
#define CG_REST_SERVICES_CALLER_H

#include "common/store/store_app_user.h"
#include "rest/http/call.h"

/* What a key was found to be is believed so long: a revoked one is dead that much later. Of a key that is used the
 * database hears once a minute. */
enum { CALLER_BELIEVED_MS = 500, CALLER_KEYS_MAX = 256, CALLER_NOTE_MS = 60000 };

struct caller {
    bool is_user;
    uint64_t id;                /* server_key.id, or user.id */
    struct store_app_user user; /* of a user */
};

/* Whether the route may be called by who calls: 200 with call->caller set to `caller`, or what is to be returned: 401,
 * 403, 429 past the rate of the key or 503. Uses the database. */
int caller_check(struct call *call, const struct route *route, struct caller *caller) CG_MUST_CHECK;
/* The same for a call of one of the doors: with doors = token, 200 with call->caller set to who the token says, or 401,
 * 403, 503; else 200 and nobody. */
int caller_check_door(struct call *call, struct caller *caller) CG_MUST_CHECK;
/* Takes more from the rate of a key, for a call that does as much as `count` others; users pay elsewhere. 200 or 429. */
int caller_charge(struct call *call, int64_t count) CG_MUST_CHECK;
/* After the call: has the database hear now and then that the key is in use. */
void caller_done(const struct call *call);

#endif
