/* store_idempotency.h: calls of the server API that may be repeated: who carries one out, and what was answered.
 *
 * A key has a seed, made when it is first seen and kept as long as the key. The names of what the call makes are worked out
 * from it. So whoever carries the call out again, because nobody knows how far the one before came, makes nothing anew. */
#ifndef CG_COMMON_STORE_STORE_IDEMPOTENCY_H
#define CG_COMMON_STORE_STORE_IDEMPOTENCY_H

#include "common/store/store.h"

enum {
    STORE_CALL_KEY_MAX = 255,   /* bytes */
    STORE_CALL_HELD_MS = 60000, /* who has not answered by then has ended: another may carry it out */
    STORE_CALL_SEED_MAX = 32 + 1,
};

/* Which call: its caller, the caller's key for it, and the SHA-256 of all that it asks for. */
struct store_call {
    uint64_t caller; /* server_key.id, or user.id */
    bool is_user;
    struct str key, request;
};

/* What has become of it. */
struct store_claim {
    uint64_t holder; /* given, never 0: a random number */
    bool is_new;     /* set: the key was not there */
    int status;      /* set: of the answer; 0: there is none */
    int64_t wait_ms; /* set with ERR_BUSY */
    char seed[STORE_CALL_SEED_MAX];
};

/* Sees to it that one at a time carries the call out. ERR_OK: the answer is there, and was appended to `answer`; or, with
 * status 0, it is the caller's turn, who ends with one of the functions below.
 *   ERR_BUSY      it is being carried out, and may be claimed in wait_ms at the latest;
 *   ERR_DUPLICATE the key is another request's. */
enum err store_call_claim(struct store *store, const struct store_call *call, struct store_claim *claim,
                          struct buf *answer) CG_MUST_CHECK;
/* This is the answer from now on, for a day. */
enum err store_call_answer(struct store *store, const struct store_call *call, const struct store_claim *claim,
                           int status, struct str answer) CG_MUST_CHECK;
/* There is no answer: the next one carries it out again. */
enum err store_call_release(struct store *store, const struct store_call *call,
                            const struct store_claim *claim) CG_MUST_CHECK;
/* As if it had never been claimed. */
enum err store_call_forget(struct store *store, const struct store_call *call,
                           const struct store_claim *claim) CG_MUST_CHECK;

/* Removes up to `limit` keys that are a day old. */
enum err store_calls_expire(struct store *store, uint64_t limit, uint64_t *removed) CG_MUST_CHECK;

#endif
