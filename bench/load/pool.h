/* pool.h: HTTP requests over some connections that are kept alive, one request at a time on each. */
#ifndef BENCH_POOL_H
#define BENCH_POOL_H

#include "bench/load/bytes.h"

struct pool_work {
    /* Appends a whole request; *token is given back with its answer. False: there is nothing to be asked now. */
    bool (*next)(void *arg, struct bytes *out, uint64_t *token);
    /* May wake the pool, not free it. */
    void (*answered)(void *arg, uint64_t token, unsigned status, struct text body);
    void *arg;
};

struct pool;

/* Begins to work at once; the loop must be turned. A connection that ends is made again, and what it had asked is
 * asked again (an answer that was lost may mean that it was done twice). Ten failures in a row end the program. */
struct pool *pool_new(int port, unsigned connections, const struct pool_work *work);
/* There is something to be asked again. */
void pool_wake(struct pool *pool);
/* Requests whose answers have not come. */
unsigned pool_busy(const struct pool *pool);
void pool_free(struct pool *pool);

#endif
