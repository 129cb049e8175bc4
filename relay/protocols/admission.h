/* admission.h: may this user be in this chatroom: asked of MySQL by the database pool, for every transport that leads
 * there. Loop thread only, but for `more`. */
#ifndef CG_RELAY_PROTOCOLS_ADMISSION_H
#define CG_RELAY_PROTOCOLS_ADMISSION_H

#include "common/store/store.h"
#include "relay/core/session.h"
#include "relay/db/db_pool.h"
#include "common/token.h"

enum admission_refusal {
    ADMISSION_GRANTED, /* nothing refuses it */
    ADMISSION_NO_ROOM,
    ADMISSION_NO_USER,
    ADMISSION_NOT_MEMBER,
    ADMISSION_STRANGER, /* the token is of no user of the application */
    ADMISSION_REVOKED,  /* it was made void */
    ADMISSION_DOWN,     /* nothing is known: the database cannot be asked now, or was put back while it was */
};

/* One question. First member of what the asker keeps of it. */
struct admission {
    struct job job;
    char room_id[ID_MAX], nick_id[ID_MAX];
    bool by_token;                      /* given: whoever `token` says it is; then `nick_id` is set */
    struct token token;                 /* its own: admission_ask frees what it holds */
    uint64_t moment;                    /* protocol_moment() when it was asked */
    uint64_t forgotten;                 /* hub->forgotten then: what is read may be gone since */
    uint64_t epoch;                     /* in which it is asked: its numbers, users and rooms are of no other */
    struct store_membership membership; /* the answer */
    int missing;
    enum err stranger; /* why the token is of nobody */
    /* In a thread of the pool, once the user was found to be a member: reads what else is wanted in the same turn, and
     * may set job.err. NULL: nothing. Touches only the admission and what is its own. */
    void (*more)(struct admission *admission, struct store *store);
    /* In the loop thread; frees it. */
    void (*done)(struct admission *admission, enum admission_refusal refusal);
};

/* Takes the token that the request shows, where one is needed: then nobody need be named. */
enum token_refusal admission_read_token(struct admission *admission, const struct request *request) CG_MUST_CHECK;
/* Takes the ids if they have the shape of ids: ADMISSION_GRANTED, and nothing is known yet; else which one has not. */
enum admission_refusal admission_name(struct admission *admission, struct str room_id, struct str nick_id);
/* Asks, for this payer (db_pool.h); `done` comes later. ERR_BUSY: too many wait, the admission is still the
 * caller's. */
enum err admission_ask(struct admission *admission, enum job_class class, uint64_t payer) CG_MUST_CHECK;

#endif
