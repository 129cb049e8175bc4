/* caller.h: authenticates the caller of the server API: an application's backend by a server key, or one of its users
 * by a token. Any thread, with the call's own backends. */
#ifndef CG_REST_SERVICES_CALLER_H
#define CG_REST_SERVICES_CALLER_H

#include "common/store/store_app_user.h"
#include "rest/http/call.h"

/* A key's look-up is cached for CALLER_BELIEVED_MS, so a revoked key stops working that much later. A key's last use
 * is stored once a minute. */
enum { CALLER_BELIEVED_MS = 500, CALLER_KEYS_MAX = 256, CALLER_NOTE_MS = 60000 };

struct caller {
    bool is_user;
    uint64_t id;                /* server_key.id, or user.id */
    struct store_app_user user; /* of a user */
};

/* Authenticates the caller, and checks that they may use the route. ERR_OK: call->caller is set to `caller`.
 * ERR_DENIED with a refusal in `call`: no valid key or token, not allowed, or past the key's rate. Other errors are
 * the store's. Uses the database. */
enum err caller_check(struct call *call, const struct route *route, struct caller *caller) CG_MUST_CHECK;
/* The same for a call of a front end, which with doors = token needs a token of an application's user; otherwise
 * ERR_OK without a caller. */
enum err caller_check_front_end(struct call *call, struct caller *caller) CG_MUST_CHECK;
/* Charges a key's rate further for a call that costs as much as `count` others. Users are charged elsewhere.
 * ERR_DENIED: past the rate. */
enum err caller_charge(struct call *call, int64_t count) CG_MUST_CHECK;
/* After the call: stores from time to time that the key was used. */
void caller_done(const struct call *call);

#endif
