/* redis_reply.h: what may come from a Redis. hiredis believes what it is told of a reply's size: this bounds it, so that
 * no server can have this process ask for more memory than a reply of ours can need. */
#ifndef CG_COMMON_REDIS_REDIS_REPLY_H
#define CG_COMMON_REDIS_REDIS_REPLY_H

#include <stdbool.h>

struct redisContext;

enum {
    REDIS_REPLY_ELEMENTS = 1 << 20,       /* of one array */
    REDIS_REPLY_BYTES = 64 * 1024 * 1024, /* not yet whole */
};

/* Bounds what this connection reads: an array of more elements is an error of the protocol. */
void redis_reply_bound(struct redisContext *redis);

/* Whether more of one reply has come than any may have: the connection is to be given up. */
bool redis_reply_too_big(const struct redisContext *redis);

/* Whether something has come, or the connection was ended, although nothing was asked: an answer read next would be
 * another question's. */
bool redis_reply_unasked(const struct redisContext *redis);

#endif
