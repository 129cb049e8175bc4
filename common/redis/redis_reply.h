/* redis_reply.h: what came from a Redis, looked at by those who need not know the client library, and bounded: hiredis
 * believes what it is told of a reply's size, so without a bound any server could have this process ask for more memory
 * than a reply of ours can need. Any thread; a reply belongs to one. */
#ifndef CG_COMMON_REDIS_REDIS_REPLY_H
#define CG_COMMON_REDIS_REDIS_REPLY_H

#include "common/endpoint.h"

#include <stdbool.h>

struct redisContext;
struct redisReply;

enum {
    REDIS_REPLY_ELEMENTS = 1 << 20,       /* of one array */
    REDIS_REPLY_BYTES = 64 * 1024 * 1024, /* not yet whole */
};

/* ---- one reply; NULL is none, and like nil ---- */

bool redis_reply_is_number(const struct redisReply *reply);
/* 0 if it is none. */
int64_t redis_reply_number(const struct redisReply *reply);
bool redis_reply_is_text(const struct redisReply *reply);
/* Empty if it is none. A NUL follows it. */
struct str redis_reply_text(const struct redisReply *reply);
bool redis_reply_is_array(const struct redisReply *reply);
/* How many elements an array has, 0 if it is none; and the element `index`, NULL if there are not so many. */
size_t redis_reply_count(const struct redisReply *reply);
const struct redisReply *redis_reply_at(const struct redisReply *reply, size_t index);
/* What an error says, a NUL behind it; NULL: it is no error. */
const char *redis_reply_error(const struct redisReply *reply);
void redis_reply_free(struct redisReply *reply);

/* ---- what servers say of themselves ---- */

/* The answer to ROLE. A server that does not tell (an account may lack the right) is taken for a master. */
bool redis_reply_is_master(const struct redisReply *reply);
/* A sentinel's answer where the master is. False: it knows none, or what it says makes no sense. */
bool redis_reply_place(const struct redisReply *reply, struct endpoint *master);

/* ---- what a connection reads ---- */

/* Bounds what this connection reads: an array of more elements is an error of the protocol. */
void redis_reply_bound(struct redisContext *redis);

/* Whether more of one reply has come than any may have: the connection is to be given up. */
bool redis_reply_too_big(const struct redisContext *redis);

/* Whether something has come, or the connection was ended, although nothing was asked: an answer read next would be
 * another question's. */
bool redis_reply_unasked(const struct redisContext *redis);

#endif
