/* idempotency.h: calls of the server API that may be repeated: under one Idempotency-Key a caller's call is carried out once,
 * and answered in the same way for a day. For the router; handlers only ask how to name what they make.
 *
 * Between what a call does and the keeping of its answer the process may end. Then the next one with that key carries the
 * call out again, so a handler gives what it makes the names below: what is there already is found by its name. */
#ifndef CG_REST_SERVICES_IDEMPOTENCY_H
#define CG_REST_SERVICES_IDEMPOTENCY_H

#include "common/message.h"
#include "common/store/store_idempotency.h"
#include "rest/http/call.h"

enum { IDEMPOTENCY_ANSWER_MAX = 1 << 20 }; /* bytes; a longer answer is not kept: the call is carried out again */

/* A call that carries a key. Zeroed: it carries none. */
struct repeatable {
    bool is_claimed;  /* it is to be ended with idempotency_end */
    bool is_answered; /* what is in call->out is the answer, whatever its status */
    struct store_claim claim;
    char digest[65];
};

/* Before the handler, with the caller known and `body` read (empty for one that the handler reads). 0: carry it out; or the
 * status: of the answer that was kept, which is in call->out, or 400, 409, 422, 429, 503. */
int idempotency_begin(struct call *call, const struct route *route, struct str body) CG_MUST_CHECK;
/* With the answer as it is sent. */
void idempotency_end(struct call *call, const struct route *route, int status, struct str answer);

/* Empty without a key; else in `out`: the public id of the one thing that the call makes, and the client_id of the message
 * number `index` that it says. */
struct str idempotency_public_id(const struct call *call, const char *prefix, char out[ID_MAX]);
struct str idempotency_client_id(const struct call *call, size_t index, char out[MESSAGE_CLIENT_ID_MAX + 1]);

#endif
