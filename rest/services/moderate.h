/* moderate.h: whether a user may do what a call is for: not banned, not muted, not past a rate. One function, called
 * wherever it is known who calls. */
#ifndef CG_REST_SERVICES_MODERATE_H
#define CG_REST_SERVICES_MODERATE_H

#include "rest/http/call.h"

enum moderate {
    MODERATE_ENTER, /* be there, and read */
    MODERATE_POST,  /* make a message; takes one from the user's and the address's rate */
};

/* 200, or what the caller returns, with the rest said in `call`: 403 `banned` or `muted`, 429 `rate`, 503.
 * `conversation` 0: not one alone. Rates are counted by this process. */
int moderate(struct call *call, uint64_t user, uint64_t conversation, enum moderate what) CG_MUST_CHECK;

/* The 403 of somebody who is known to be banned, or else muted. */
int moderate_refuse(struct call *call, bool banned);

/* A call that may make what stays for ever: 200, or 429 if its address, or its
 * user (0: nobody known), has made too much. Before anything is read. */
int moderate_creation(struct call *call, uint64_t user);
/* Whether it would be 200 now; nothing is charged. */
int moderate_check_creation(struct call *call, uint64_t user);

#endif
