/* moderate.h: checks that a user is not banned, muted or past a rate; to be called wherever the user of a call is
 * known. Any thread, with the call's own backends. */
#ifndef CG_REST_SERVICES_MODERATE_H
#define CG_REST_SERVICES_MODERATE_H

#include "rest/http/call.h"

enum moderate {
    MODERATE_ENTER, /* join and read */
    MODERATE_POST,  /* post a message; charged to the user's and the address's rate */
};

/* ERR_OK, or ERR_DENIED with a refusal in `call` (banned, muted, past a rate), or the store's error.
 * `conversation` 0: none in particular. Rates are counted by this process. */
enum err moderate(struct call *call, uint64_t user, uint64_t conversation, enum moderate what) CG_MUST_CHECK;

/* Refuses a user who is banned, or else muted: returns ERR_DENIED. */
enum err moderate_refuse(struct call *call, bool banned);

/* Charges a call that creates something permanent: 200, or 429 if its address or its user (0: unknown) has exceeded
 * rate_creations. To be called before the body is read. */
enum err moderate_creation(struct call *call, uint64_t user) CG_MUST_CHECK;
/* Whether moderate_creation would allow it now; charges nothing. */
enum err moderate_check_creation(struct call *call, uint64_t user) CG_MUST_CHECK;

#endif
