/* err.h: the one error vocabulary of every layer.
 *
 * A function that can fail returns `enum err`; 0 is success and the result must be looked at.
 * A bug in our own code is an assertion instead (see CG_ASSERT); what a peer or a server does
 * wrong is always a returned error. */
#ifndef CG_COMMON_ERR_H
#define CG_COMMON_ERR_H

#include <stdio.h>
#include <stdlib.h>

#define CG_MUST_CHECK __attribute__((warn_unused_result))

enum err {
    ERR_OK = 0,
    ERR_INVALID,   /* the input breaks a rule; repeating it will not help */
    ERR_TOO_BIG,   /* a bound was passed: bytes, depth, count */
    ERR_NOT_FOUND, /* no such thing, or not one the caller may know of */
    ERR_DENIED,    /* known, and refused */
    ERR_DUPLICATE, /* a unique key already holds it */
    ERR_RETRY,     /* deadlock or lock wait: the same transaction may be tried again */
    ERR_BUSY,      /* a queue is full; try later */
    ERR_DOWN,      /* a server we need does not answer; nothing was done */
    ERR_UNKNOWN,   /* the connection broke after COMMIT was sent: done or not done */
    ERR_INTERNAL,  /* a server refused what should have been right */
};

/* A short stable word for logs and clients, e.g. "busy". Never NULL. */
const char *err_name(enum err err);

/* An assertion that stays on in production: a broken invariant must not go on to corrupt data. */
#define CG_ASSERT(cond)                                                                    \
    do {                                                                                   \
        if (!(cond)) {                                                                     \
            fprintf(stderr, "assertion failed: %s (%s:%d)\n", #cond, __FILE__, __LINE__);  \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

#endif
