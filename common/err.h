/* err.h: the one error vocabulary of every layer.
 *
 * A function that can fail returns `enum err`; 0 is success and the result must be looked at.
 * A bug in our own code is an assertion instead (see CG_ASSERT); what a peer or a server does
 * wrong is always a returned error; what the process cannot begin without is CG_NEED. */
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

/* An assertion that stays on in production: a broken invariant must not go on to corrupt data.
 *
 * It is for what only a mistake in this code can cause. Before writing one, ask who else could: what a client sends and
 * when; the order in which answers come, late or twice; what a row or a reply holds, that a database or Redis gave us
 * (they may be another version's, or changed by hand); what the system refuses (descriptors, memory of the kernel,
 * threads, random numbers); a queue that is full. All of those are errors: handled, counted or logged, and the process
 * goes on. What stays: an index into a table of ours, a buffer whose size was computed from what goes in, the order in
 * which our own functions are called, and statements whose text we wrote. Memory that cannot be had ends the process
 * too (common/mem.h). */
#define CG_ASSERT(cond) \
    do { \
        if (!(cond)) { \
            fprintf(stderr, "assertion failed: %s (%s:%d)\n", #cond, __FILE__, __LINE__); \
            abort(); \
        } \
    } while (0)

/* What a process cannot begin without, if the system refuses it (a thread, a descriptor): says so in a line and ends with
 * status 1. Not once clients are served. `what`: "a thread". */
#define CG_NEED(cond, what) \
    do { \
        if (!(cond)) \
            err_need_ends(what); \
    } while (0)
_Noreturn void err_need_ends(const char *what);

#endif
