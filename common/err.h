/* err.h: the one error vocabulary of every layer.
 *
 * A function that can fail returns `enum err`; 0 is success and the result must be looked at. A bug in our own code is
 * an assertion instead (see CG_ASSERT); what a peer or a server does wrong is always a returned error. CG_NEED is for
 * what the process cannot start without. */
#ifndef CG_COMMON_ERR_H
#define CG_COMMON_ERR_H

#include <stdio.h>
#include <stdlib.h>

#define CG_MUST_CHECK __attribute__((warn_unused_result))

enum err {
    ERR_OK = 0,
    ERR_INVALID,   /* the input breaks a rule; repeating it will not help */
    ERR_TOO_BIG,   /* a bound was passed: bytes, depth, count */
    ERR_NOT_FOUND, /* it does not exist, or the caller may not know that it does */
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

/* An assertion, also enabled in production: after a broken invariant the process must not continue and corrupt data.
 *
 * Use it only for what nothing but a bug in this code can cause. These are errors instead, to be handled, counted or
 * logged while the process goes on: what a client sends and when; answers that arrive late, twice or out of order; the
 * contents of rows or replies from a database or Redis (another version may have written them, or a person); what the
 * system refuses (descriptors, kernel memory, threads, random numbers); a full queue. What remains: an index into our
 * own table, a buffer whose size was computed from its contents, the order of calls to our own functions, and
 * statements whose text we wrote. Running out of memory ends the process, too (common/mem.h). */
#define CG_ASSERT(cond) \
    do { \
        if (!(cond)) { \
            fprintf(stderr, "assertion failed: %s (%s:%d)\n", #cond, __FILE__, __LINE__); \
            abort(); \
        } \
    } while (0)

/* For what a process cannot start without, such as a thread or a descriptor: if the system refuses it, prints a line
 * and exits with status 1. Not to be used once clients are served. `what`: for example "a thread". */
#define CG_NEED(cond, what) \
    do { \
        if (!(cond)) \
            err_need_ends(what); \
    } while (0)
_Noreturn void err_need_ends(const char *what);

#endif
