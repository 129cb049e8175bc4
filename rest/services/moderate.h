/* moderate.h: checks that a user is not banned, muted or past a rate; to be called wherever the user of a call is
 * known. Any thread, with the call's own backends. */
#ifndef CG_REST_SERVICES_MODERATE_H
#define CG_REST_SERVICES_MODERATE_H

#include "rest/http/call.h"

enum moderate {
    MODERATE_ENTER, /* join and read */
    MODERATE_POST,  /* post a message; charged to the user's and the address's rate */
};

/* Returns 200, or the status to return, with the reason in `call`: 403 `banned` or `muted`, 429 `rate`, 503.
 * `conversation` 0: none in particular. Rates are counted by this process. */
int moderate(struct call *call, uint64_t user, uint64_t conversation, enum moderate what) CG_MUST_CHECK;

/* Returns the 403 for a user who is banned, or else muted. */
int moderate_refuse(struct call *call, bool banned);

/* Charges a call that creates something permanent: 200, or 429 if its address or its user (0: unknown) has exceeded
 * rate_creations. To be called before the body is read. */
int moderate_creation(struct call *call, uint64_t user);
/* Whether moderate_creation would allow it now; charges nothing. */
int moderate_check_creation(struct call *call, uint64_t user);

#endif
