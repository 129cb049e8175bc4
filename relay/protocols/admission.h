/* admission.h: looks up whether a user may be in a chatroom, through the database pool, for all transports. Loop thread
 * only, except for `more`. */
#ifndef CG_RELAY_PROTOCOLS_ADMISSION_H
#define CG_RELAY_PROTOCOLS_ADMISSION_H

#include "common/store/store.h"
#include "relay/core/session.h"
#include "relay/db/db_pool.h"
#include "common/token.h"

enum admission_refusal {
    ADMISSION_GRANTED, /* admitted */
    ADMISSION_NO_ROOM,
    ADMISSION_NO_USER,
    ADMISSION_NOT_MEMBER,
    ADMISSION_STRANGER, /* the token names no user of the application */
    ADMISSION_REVOKED,  /* the token was revoked */
    ADMISSION_DOWN,     /* unknown: the database is down, or was put back to an older state during the look-up */
};

/* One look-up. First member of the caller's own struct. */
struct admission {
    struct job job;
    char room_id[ID_MAX], nick_id[ID_MAX];
    bool by_token;                      /* given: the user is the token's; then `nick_id` is set */
    struct token token;                 /* owned; admission_ask frees what it holds */
    uint64_t moment;                    /* protocol_moment() when it was asked */
    uint64_t forgotten;                 /* hub->forgotten at that time, to detect messages removed since */
    uint64_t epoch;                     /* the epoch of the look-up, in which its ids are valid */
    struct store_membership membership; /* the result */
    int missing;
    enum err stranger; /* why the token names no user */
    /* Called in a thread of the pool once the user was found to be a member: reads further data with the same
     * connection, and may set job.err. May be NULL. Must touch only the admission and the caller's struct around it. */
    void (*more)(struct admission *admission, struct store *store);
    /* Called in the loop thread; must free the admission. */
    void (*done)(struct admission *admission, enum admission_refusal refusal);
};

/* Reads the request's token where one is required; the user then need not be named. */
enum token_refusal admission_read_token(struct admission *admission, const struct request *request) CG_MUST_CHECK;
/* Sets the ids. ADMISSION_GRANTED if both are well-formed, which says nothing else yet; otherwise names the wrong
 * one. */
enum admission_refusal admission_name(struct admission *admission, struct str room_id, struct str nick_id);
/* Starts the look-up, charged to `payer` (db_pool.h); `done` follows. ERR_BUSY: the queue is full, and the caller keeps
 * the admission. */
enum err admission_ask(struct admission *admission, enum job_class class, uint64_t payer) CG_MUST_CHECK;

#endif
