/* store_idempotency.h: stored Idempotency-Keys of the server API: which process carries out a repeatable call, and its
 * answer.
 *
 * A key has a random seed, made when it is first seen, from which the ids of what the call creates are derived. If a
 * call is carried out again after an attempt that ended at an unknown point, it therefore finds what exists already
 * instead of creating it twice. */
#ifndef CG_COMMON_STORE_STORE_IDEMPOTENCY_H
#define CG_COMMON_STORE_STORE_IDEMPOTENCY_H

#include "common/store/store.h"

enum {
    STORE_CALL_KEY_MAX = 255, /* bytes */
    /* A claim without an answer expires after this time, and another may carry the call out. */
    STORE_CALL_HELD_MS = 60000,
    STORE_CALL_SEED_MAX = 32 + 1,
};

/* Identifies a call: its caller, the caller's key, and the SHA-256 of the whole request. */
struct store_call {
    uint64_t caller; /* server_key.id, or user.id */
    bool is_user;
    struct str key, request;
};

/* A claim on a call, and its outcome. */
struct store_claim {
    uint64_t holder; /* given, never 0: a random number */
    bool is_new;     /* set: the key was not there */
    int status;      /* set: of the answer; 0: there is none */
    int64_t wait_ms; /* set with ERR_BUSY */
    char seed[STORE_CALL_SEED_MAX];
};

/* Claims a call, so that it is carried out by one at a time. ERR_OK: it was answered before, and the answer was
 * appended to `answer`; or, with status 0, the caller must carry it out and then call one of the functions below.
 *   ERR_BUSY another is carrying it out; it may be claimed in wait_ms at the latest;
 *   ERR_DUPLICATE the key was used for another request. */
enum err store_call_claim(struct store *store, const struct store_call *call, struct store_claim *claim,
                          struct buf *answer) CG_MUST_CHECK;
/* Stores the answer, for a day. */
enum err store_call_answer(struct store *store, const struct store_call *call, const struct store_claim *claim,
                           int status, struct str answer) CG_MUST_CHECK;
/* Releases the claim without an answer: the next call with this key is carried out. */
enum err store_call_release(struct store *store, const struct store_call *call,
                            const struct store_claim *claim) CG_MUST_CHECK;
/* Deletes the key, as if it had never been used. */
enum err store_call_forget(struct store *store, const struct store_call *call,
                           const struct store_claim *claim) CG_MUST_CHECK;

/* Removes up to `limit` keys that are a day old. */
enum err store_calls_expire(struct store *store, uint64_t limit, uint64_t *removed) CG_MUST_CHECK;

#endif
