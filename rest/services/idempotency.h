/* idempotency.h: repeatable calls of the server API: with the same Idempotency-Key, a caller's call is carried out
 * once and gets the same answer for a day. Used by the router; handlers only take the ids of what they create. Any
 * thread, with the call's own backends.
 *
 * The process may end between a call's effect and the storing of its answer. The next call with that key is then
 * carried out again, so a handler must use the ids below for what it creates: what exists already is then found by its
 * id. */
#ifndef CG_REST_SERVICES_IDEMPOTENCY_H
#define CG_REST_SERVICES_IDEMPOTENCY_H

#include "common/message.h"
#include "common/store/store_idempotency.h"
#include "rest/http/call.h"

enum { IDEMPOTENCY_ANSWER_MAX = 1 << 20 }; /* bytes; a longer answer is not stored, and the call is carried out again */

/* A call's Idempotency-Key. Zeroed: it has none. */
struct repeatable {
    bool is_claimed;  /* idempotency_end must follow */
    bool is_answered; /* call->out is the stored answer, whatever its status */
    struct store_claim claim;
    char digest[65];
};

/* To be called before the handler, with the caller known and `body` read (empty if the handler reads it). ERR_OK: the
 * call was answered before (is_answered: the answer is in call->out, its status in `claim`), or must be carried out
 * now. ERR_INVALID: the key is malformed. ERR_DENIED with a refusal in `call`: the key was used for another request,
 * the same call is being carried out, or too many keys today. Other errors are the store's. */
enum err idempotency_begin(struct call *call, const struct route *route, struct str body) CG_MUST_CHECK;
/* Ends the claim with the answer that is sent. */
void idempotency_end(struct call *call, const struct route *route, int status, struct str answer);

/* The public id for what the call creates, and the client_id for the message number `index` that it sends, in `out`.
 * Empty without a key. */
struct str idempotency_public_id(const struct call *call, const char *prefix, char out[ID_MAX]);
struct str idempotency_client_id(const struct call *call, size_t index, char out[MESSAGE_CLIENT_ID_MAX + 1]);

#endif
